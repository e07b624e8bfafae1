#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/message/header.h"
#include "app/queue/room.h"
#include "app/queue/wake.h"
#include "app/store/store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "dns/dns.h"

/*
 * Mail that goes on: a message of our own queue, with the envelope as it came. Its header section is kept until it
 * is complete, since what it says belongs into the envelope, which comes first in the file; from then on
 * the text goes through. Of a relay's own clients what is missing is added: Date, Message-ID (RFC 5321 s6.4,
 * DECISIONS F43).
 */
_Static_assert(
    QUEUE_NOTIFY_NEVER == SMTP_NOTIFY_NEVER && QUEUE_NOTIFY_SUCCESS == SMTP_NOTIFY_SUCCESS &&
	QUEUE_NOTIFY_FAILURE == SMTP_NOTIFY_FAILURE && QUEUE_NOTIFY_DELAY == SMTP_NOTIFY_DELAY,
    "passed on as they are");

struct relay {
	struct buf section; /* the header section */
	size_t line;        /* offset in it of the line being read */
	bool in_body;
	bool writing; /* the writer was begun */
	struct queue_writer writer;
	struct arena arena;
};

/* --- envelope ------------------------------------------------------------------------------------ */

/* A-labels for the domain: then only the local part may need SMTPUTF8. */
static const char *
mailbox_of(const struct store_mail *m, const struct smtp_path *path, struct arena *arena)
{
	const char *local = arena_slice(arena, path->local), *domain;

	if (path->null)
		return "";
	if (path->domain.n == 0)
		return arena_printf(arena, "%s@%s", local, m->store->hostname);
	domain = arena_slice(arena, path->domain);
	if (!path->literal) {
		const char *name = dns_name_normalize(domain, arena, NULL);
		domain = name != NULL ? name : domain;
	}
	return arena_printf(arena, "%s@%s", local, domain);
}

static unsigned
flags_of(const struct smtp_session *session, const struct header *header, bool header_8bit)
{
	const struct header_field *tls = header_find(header, "TLS-Required");
	unsigned flags = 0;

	if (session->body_8bit)
		flags |= QUEUE_8BITMIME;
	if (session->smtputf8)
		flags |= QUEUE_SMTPUTF8;
	if (header_8bit)
		flags |= QUEUE_HEADER_8BIT;
	/* RFC 8689 s4.1: the parameter beats the field */
	if (session->requiretls)
		flags |= QUEUE_REQUIRETLS;
	else if (tls != NULL && slice_is_case(slice_trim(tls->value), "No"))
		flags |= QUEUE_TLS_OPTIONAL;
	return flags;
}

static int
begin_file(struct store_mail *m, const struct header *header, bool header_8bit, struct fail *why)
{
	const struct smtp_session *session = m->session;
	struct relay *relay = m->state;
	struct arena *arena = &relay->arena;
	struct queue_envelope e = { .flags = flags_of(session, header, header_8bit),
		.sender = mailbox_of(m, &session->sender, arena),
		.ret = session->ret == SMTP_RET_FULL   ? QUEUE_RET_FULL
		       : session->ret == SMTP_RET_HDRS ? QUEUE_RET_HDRS
						       : QUEUE_RET_NONE,
		.envid = session->envid,
		.rcpts_n = session->recipients_n };

	memcpy(e.id, m->id, sizeof(e.id));
	e.rcpts = arena_alloc(arena, e.rcpts_n * sizeof(*e.rcpts));
	for (size_t i = 0; i < e.rcpts_n; i++)
		e.rcpts[i] = (struct queue_rcpt){
			.address = mailbox_of(m, &session->recipients[i], arena),
			.notify = session->dsn[i].notify,
			.orcpt = session->dsn[i].orcpt,
		};
	if (queuefile_create(&relay->writer, &m->store->spool, &e, false, why) != 0)
		return -1;
	relay->writing = true;
	return 0;
}

/* --- header -------------------------------------------------------------------------------------- */

/*
 * What is added in front. Mail that somebody else sent on its way is not ours to complete; a resent one
 * has its own (RFC 5322 s3.6.6).
 */
static void
put_missing(const struct store_mail *m, const struct header *header, struct buf *out)
{
	char date[64];

	if (!accept_is_relay_client(
		m->store->accept, m->session->peer_known ? &m->session->peer : NULL))
		return;
	if (header_find(header, "Date") == NULL) {
		text_date_rfc5322(clock_wall(), date);
		buf_printf(out, "Date: %s\r\n", date);
	}
	if (header_find(header, "Message-ID") == NULL)
		buf_printf(out, "Message-ID: <%s@%s>\r\n", m->id, m->store->hostname);
}

/* The section is complete: what follows is body. */
static int
section_done(struct store_mail *m, struct fail *why)
{
	struct relay *relay = m->state;
	/* the last line may be none of a header */
	struct slice section = slice_make(relay->section.data, relay->line);
	struct slice rest =
	    slice_make(relay->section.data + relay->line, relay->section.len - relay->line);
	struct header header = { 0 };
	struct buf head;

	relay->in_body = true;
	if (section.n > 0)
		header_parse(section, &relay->arena, &header);
	buf_init(&head, STORE_HEAD_BYTES);
	store_head(m, NULL, false, &head);
	put_missing(m, &header, &head);
	int rc = begin_file(m, &header, !text_is_ascii(section), why);
	if (rc == 0)
		rc = queuefile_write(&relay->writer, slice_make(head.data, head.len), why);
	if (rc == 0 && section.n > 0)
		rc = queuefile_write(&relay->writer, section, why);
	/* a body that begins without an empty line gets one */
	if (rc == 0 && (rest.n == 0 || rest.p[0] != '\r'))
		rc = queuefile_write(&relay->writer, slice_str("\r\n"), why);
	if (rc == 0 && rest.n > 0)
		rc = queuefile_write(&relay->writer, rest, why);
	buf_free(&head);
	buf_free(&relay->section);
	return rc;
}

/* A line of the section, or what there is of it: complete ends in LF. True when the section ends. */
static bool
ends_section(struct relay *relay, bool complete)
{
	struct slice line =
	    slice_make(relay->section.data + relay->line, relay->section.len - relay->line);

	switch (header_line_kind(line, relay->line == 0)) {
	case HEADER_LINE_UNDECIDED:
		return false;
	case HEADER_LINE_FIELD:
	case HEADER_LINE_MORE:
		if (complete)
			relay->line = relay->section.len;
		return false;
	default:
		return true;
	}
}

static int
queue_mail_text(struct store_mail *m, struct slice text, struct fail *why)
{
	struct relay *relay = m->state;

	while (text.n > 0 && !relay->in_body) {
		size_t n = slice_find(text, '\n');
		bool complete = n < text.n;
		n += complete;
		if (buf_append(&relay->section, text.p, n) != 0)
			return fail_set(why, FAIL_MESSAGE_TOO_BIG,
			    "Header section is bigger than %d bytes", LIMIT_RELAY_HEADER_BYTES);
		if (ends_section(relay, complete) && section_done(m, why) != 0)
			return -1;
		text = slice_sub(text, n, text.n);
	}
	return text.n == 0 ? 0 : queuefile_write(&relay->writer, text, why);
}

/* --- life ---------------------------------------------------------------------------------------- */

static void
relay_free(struct store_mail *m)
{
	struct relay *relay = m->state;

	buf_free(&relay->section);
	arena_free(&relay->arena);
	free(relay);
	m->state = NULL;
}

static void
queue_mail_abort(struct store_mail *m)
{
	struct relay *relay = m->state;

	if (relay->writing)
		queuefile_abort(&relay->writer);
	relay_free(m);
}

static int
queue_mail_begin(struct store_mail *m, struct fail *why)
{
	int64_t declared = m->session->declared_bytes;

	if (spool_room(&m->store->spool, declared, declared, NULL, why) != 0)
		return -1;
	struct relay *relay = mem_alloc(sizeof(*relay));
	buf_init(&relay->section, LIMIT_RELAY_HEADER_BYTES);
	arena_init(&relay->arena);
	m->state = relay;
	return 0;
}

static int
queue_mail_end(struct store_mail *m, int64_t deadline, struct fail *why)
{
	struct relay *relay = m->state;

	if (!relay->in_body && section_done(m, why) != 0) {
		queue_mail_abort(m);
		return -1;
	}
	/* without SIZE= it is only known now; what is written already is no longer free */
	int64_t bytes = (int64_t)relay->writer.file.bytes;
	if (spool_room(&m->store->spool, bytes, 0, NULL, why) != 0) {
		queue_mail_abort(m);
		return -1;
	}
	int rc = queuefile_commit(&relay->writer, m->store->commit, deadline, why);
	if (rc == 0) {
		queuefile_release(&relay->writer);
		spool_wake(m->store->wake, SPOOL_WAKE_QUEUE);
	}
	relay_free(m);
	return rc;
}

const struct store_ops store_queue_ops = {
	.name = "queue",
	.begin = queue_mail_begin,
	.text = queue_mail_text,
	.end = queue_mail_end,
	.abort = queue_mail_abort,
};

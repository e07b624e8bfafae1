#include "app/receive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/queue_envelope.h"
#include "app/receive_log.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dns/dns.h"

#define HEAD_BYTES 8192 /* Return-Path, Delivered-To and Received of one copy */

/* Counts Received fields in the header section (RFC 5321 s6.3), however the text is split. */
struct hops {
	bool in_header;
	size_t line_bytes;
	char start[9]; /* of the line */
	unsigned count;
};

struct receipt {
	struct receiver *receiver;
	const struct smtp_session *session; /* while a message is received */
	char id[QUEUE_ID_BYTES];
	struct hops hops;
	struct maildir_file *files; /* one copy per recipient */
	struct maildir_file **file_ptrs;
	size_t files_n;
};

/* --- set-up -------------------------------------------------------------------------------------- */

void
receiver_init(struct receiver *r, const char *hostname)
{
	memset(r, 0, sizeof(*r));
	r->hostname = hostname;
	map_init(&r->accept);
	r->delivery = RECEIVE_DISCARD;
}

void
receiver_fini(struct receiver *r)
{
	map_free(&r->accept);
	if (r->delivery == RECEIVE_MAILDIR)
		maildir_close(&r->maildir);
}

int
receiver_accept(struct receiver *r, const char *domain, struct fail *why)
{
	struct arena arena;
	struct fail name_why;
	int ret = 0;

	arena_init(&arena);
	const char *name = dns_name_normalize(domain, &arena, &name_why);
	if (name == NULL)
		ret = fail_set(
		    why, FAIL_USAGE, "--accept: '%s' is no mail domain: %s", domain, name_why.text);
	else
		map_set(&r->accept, slice_str(name), r);
	arena_free(&arena);
	return ret;
}

int
receiver_deliver(struct receiver *r, const char *spec, struct fail *why)
{
	if (strcmp(spec, "discard") == 0)
		return 0;
	if (strncmp(spec, "maildir:", 8) != 0 || spec[8] == '\0')
		return fail_set(why, FAIL_USAGE,
		    "--deliver: '%s' is not known: expected maildir:DIR or discard", spec);
	if (maildir_open(&r->maildir, spec + 8, why) != 0)
		return -1;
	r->delivery = RECEIVE_MAILDIR;
	if (maildir_sweep(&r->maildir, why) < 0)
		log_warn("%s", why->text);
	return 0;
}

struct receipt *
receipt_new(struct receiver *r)
{
	struct receipt *receipt = mem_alloc(sizeof(*receipt));

	receipt->receiver = r;
	return receipt;
}

void
receipt_free(struct receipt *receipt)
{
	free(receipt);
}

/* --- recipients ----------------------------------------------------------------------------------- */

static bool
is_accepted(const struct receiver *r, struct slice domain)
{
	struct arena arena;

	arena_init(&arena);
	const char *name = dns_name_normalize(arena_slice(&arena, domain), &arena, NULL);
	bool accepted = name != NULL && map_get(&r->accept, slice_str(name)) != NULL;
	arena_free(&arena);
	return accepted;
}

static int
receive_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	struct receipt *receipt = app;

	(void)session;
	/* RFC 5321 s4.5.1: postmaster is always taken, bare or at a domain that is ours */
	if (path->domain.n == 0 || (!path->literal && is_accepted(receipt->receiver, path->domain)))
		return 0;
	return fail_set(why, FAIL_NXDOMAIN, "No mail for <%.*s@%.*s> here", (int)path->local.n,
	    path->local.p, (int)path->domain.n, path->domain.p);
}

/* --- log ------------------------------------------------------------------------------------------ */

static void
log_message(
    const struct receipt *receipt, const struct smtp_session *s, bool accepted, const char *outcome)
{
	receive_log_message(receipt->receiver, s, receipt->id, accepted, outcome);
}

static void
receive_event(void *app, const struct smtp_session *session, enum smtp_event event,
    const struct smtp_path *path, int code, const char *text)
{
	struct receipt *receipt = app;

	receive_log_event(receipt->receiver, session, event, path, code, text);
}

/* --- a message ------------------------------------------------------------------------------------ */

static void
hops_init(struct hops *h)
{
	memset(h, 0, sizeof(*h));
	h->in_header = true;
}

static void
hops_feed(struct hops *h, struct slice text)
{
	for (size_t i = 0; i < text.n && h->in_header; i++) {
		char c = text.p[i];
		if (c != '\n') {
			if (h->line_bytes < sizeof(h->start))
				h->start[h->line_bytes] = c;
			h->line_bytes++;
			continue;
		}
		if (h->line_bytes == 1) /* its CR alone: the header ends */
			h->in_header = false;
		else if (slice_is_case(slice_make(h->start, h->line_bytes < 9 ? h->line_bytes : 9),
			     "Received:"))
			h->count++;
		h->line_bytes = 0;
	}
}

/* The lines in front of one copy. */
static void
copy_head(const struct receipt *receipt, const struct smtp_session *session,
    const struct smtp_path *to, struct buf *out)
{
	buf_puts(out, "Return-Path: <");
	smtp_path_append(&session->sender, out);
	buf_puts(out, ">\r\nDelivered-To: ");
	smtp_path_append(to, out);
	buf_puts(out, "\r\n");
	received_field(session, receipt->receiver->hostname, receipt->id,
	    session->recipients_n == 1 ? to : NULL, clock_wall(), out);
}

static void
files_free(struct receipt *receipt)
{
	free(receipt->files);
	free(receipt->file_ptrs);
	receipt->files = NULL;
	receipt->file_ptrs = NULL;
	receipt->files_n = 0;
}

static void
receive_abort(void *app)
{
	struct receipt *receipt = app;

	for (size_t i = 0; i < receipt->files_n; i++)
		maildir_abort(&receipt->files[i]);
	files_free(receipt);
}

static int
open_copies(struct receipt *receipt, const struct smtp_session *session, struct fail *why)
{
	struct buf head;

	receipt->files = mem_array(session->recipients_n, sizeof(*receipt->files));
	receipt->file_ptrs = mem_array(session->recipients_n, sizeof(struct maildir_file *));
	buf_init(&head, HEAD_BYTES);
	for (size_t i = 0; i < session->recipients_n; i++) {
		buf_reset(&head);
		copy_head(receipt, session, &session->recipients[i], &head);
		if (maildir_create(&receipt->files[i], &receipt->receiver->maildir,
			slice_make(buf_str(&head), head.len), why) != 0)
			break;
		receipt->file_ptrs[i] = &receipt->files[i];
		receipt->files_n = i + 1;
	}
	buf_free(&head);
	if (receipt->files_n == session->recipients_n)
		return 0;
	receive_abort(receipt);
	return -1;
}

static int
receive_begin(void *app, const struct smtp_session *session, struct fail *why)
{
	struct receipt *receipt = app;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)clock_ms();
	queue_id_make(receipt->id, clock_wall_us(), random);
	hops_init(&receipt->hops);
	receipt->session = session;
	if (receipt->receiver->delivery == RECEIVE_DISCARD ||
	    open_copies(receipt, session, why) == 0)
		return 0;
	log_message(receipt, session, false, why->text);
	return -1;
}

static int
store_text(struct receipt *receipt, struct slice text, struct fail *why)
{
	hops_feed(&receipt->hops, text);
	if (receipt->hops.count > LIMIT_HOPS)
		return fail_set(why, FAIL_CONNECT_SELF, "More than %d hops: mail loop", LIMIT_HOPS);
	for (size_t i = 0; i < receipt->files_n; i++)
		if (maildir_write(&receipt->files[i], text, why) != 0)
			return -1;
	return 0;
}

static int
receive_text(void *app, struct slice text, struct fail *why)
{
	struct receipt *receipt = app;

	if (store_text(receipt, text, why) == 0)
		return 0;
	log_message(receipt, receipt->session, false, why->text);
	return -1;
}

static int
receive_end(
    void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	struct receipt *receipt = app;
	int ret = 0;

	if (receipt->files_n > 0)
		ret = maildir_commit(
		    receipt->file_ptrs, receipt->files_n, receipt->receiver->commit, deadline, why);
	files_free(receipt);
	bool discarded = receipt->receiver->delivery == RECEIVE_DISCARD;
	log_message(receipt, session, ret == 0,
	    ret != 0    ? why->text
	    : discarded ? "discarded"
			: "stored");
	if (ret != 0)
		return -1;
	receipt->receiver->messages++;
	receipt->receiver->messages_tls += session->tls;
	snprintf(note_r, 128, "Ok: %s", receipt->id);
	return 0;
}

const struct smtp_server_ops receive_ops = {
	.rcpt = receive_rcpt,
	.begin = receive_begin,
	.text = receive_text,
	.end = receive_end,
	.abort = receive_abort,
	.event = receive_event,
};

#include "app/listen/receive.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/listen/receive_log.h"
#include "app/message/field_filter.h"
#include "app/queue/envelope.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* Counts Received fields in the header section (RFC 5321 s6.3), however the text is split. */
struct hops {
	bool in_header;
	size_t line_bytes;
	char start[9]; /* of the line */
	unsigned count;
};

struct receipt {
	struct receiver *receiver;
	char id[QUEUE_ID_BYTES];
	struct hops hops;
	struct field_filter filter; /* with mark */
	struct store_mail mail;     /* while a message is received */
};

/* --- set-up -------------------------------------------------------------------------------------- */

void
receiver_init(struct receiver *r, const char *hostname)
{
	memset(r, 0, sizeof(*r));
	r->tell_fd = -1;
	accept_init(&r->accept, hostname);
	r->store.accept = &r->accept;
	r->store.hostname = hostname;
}

void
receiver_fini(struct receiver *r)
{
	if (r->store.ops != NULL)
		store_close(&r->store);
	accept_free(&r->accept);
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

static int
receive_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	const struct receiver *r = ((struct receipt *)app)->receiver;
	struct accept_name name;

	if (accept_rcpt(
		&r->accept, session->peer_known ? &session->peer : NULL, path, &name, why) != 0)
		return -1;
	return store_rcpt(&r->store, &name, path, why);
}

static bool
receive_bare_lf(void *app, const struct smtp_session *session)
{
	const struct receiver *r = ((struct receipt *)app)->receiver;

	return r->normalize_lf && session->peer_known &&
	       accept_is_relay_client(&r->accept, &session->peer);
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

static void
filter_stop(struct receipt *receipt)
{
	if (receipt->receiver->store.mark)
		field_filter_free(&receipt->filter);
}

static void
receive_abort(void *app)
{
	struct receipt *receipt = app;

	store_mail_abort(&receipt->mail);
	filter_stop(receipt);
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
	receipt->mail = (struct store_mail){
		.store = &receipt->receiver->store, .session = session, .id = receipt->id
	};
	if (store_mail_begin(&receipt->mail, why) == 0) {
		if (receipt->receiver->store.mark)
			field_filter_init(&receipt->filter, receipt->receiver->accept.hostname);
		return 0;
	}
	log_message(receipt, session, false, why->text);
	return -1;
}

static int
store_text(struct receipt *receipt, struct slice text, struct fail *why)
{
	struct buf kept;

	hops_feed(&receipt->hops, text);
	if (receipt->hops.count > LIMIT_HOPS)
		return fail_set(why, FAIL_CONNECT_SELF, "More than %d hops: mail loop", LIMIT_HOPS);
	if (!receipt->receiver->store.mark || receipt->filter.state == FIELD_BODY)
		return store_mail_text(&receipt->mail, text, why);
	buf_init(&kept, text.n + FIELD_FILTER_BYTES);
	field_filter_feed(&receipt->filter, text, &kept);
	int rc = store_mail_text(&receipt->mail, slice_make(buf_str(&kept), kept.len), why);
	buf_free(&kept);
	return rc;
}

/* The message is complete: what the filter still held. */
static int
filter_end(struct receipt *receipt, struct fail *why)
{
	struct buf kept;
	int rc = 0;

	if (!receipt->receiver->store.mark)
		return 0;
	buf_init(&kept, FIELD_FILTER_BYTES);
	field_filter_end(&receipt->filter, &kept);
	if (kept.len > 0)
		rc = store_mail_text(&receipt->mail, slice_make(buf_str(&kept), kept.len), why);
	buf_free(&kept);
	if (rc != 0)
		store_mail_abort(&receipt->mail);
	filter_stop(receipt);
	return rc;
}

static int
receive_text(void *app, struct slice text, struct fail *why)
{
	struct receipt *receipt = app;

	if (store_text(receipt, text, why) == 0)
		return 0;
	log_message(receipt, receipt->mail.session, false, why->text);
	return -1;
}

static int
receive_end(
    void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	struct receipt *receipt = app;
	struct receiver *r = receipt->receiver;
	int ret = filter_end(receipt, why);

	if (ret == 0)
		ret = store_mail_end(&receipt->mail, deadline, why);

	log_message(receipt, session, ret == 0,
	    ret != 0                         ? why->text
	    : r->store.kind == STORE_DISCARD ? "discarded"
	    : r->store.kind == STORE_QUEUE   ? "queued"
					     : "stored");
	if (ret != 0)
		return -1;
	r->messages++;
	r->messages_tls += session->tls;
	/* this one still gets its 250: it is no idle session */
	if (r->messages == r->stop_after && r->tell_fd < 0)
		raise(SIGTERM);
	snprintf(note_r, 128, "Ok: %s", receipt->id);
	return 0;
}

const struct smtp_server_ops receive_ops = {
	.rcpt = receive_rcpt,
	.bare_lf = receive_bare_lf,
	.begin = receive_begin,
	.text = receive_text,
	.end = receive_end,
	.abort = receive_abort,
	.event = receive_event,
};

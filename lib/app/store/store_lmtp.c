#include <stdlib.h>
#include <string.h>

#include "app/store/store.h"
#include "base/mem.h"

/* Another mail store, over LMTP: its answer for the one recipient is ours (DECISIONS F42). */
#define REPLY_MS 300000 /* RFC 5321 s4.5.3.2 */

static void
lmtp_mail_abort(struct store_mail *m)
{
	struct store_text *text = m->state;

	store_text_close(text);
	free(text);
	m->state = NULL;
}

static int
lmtp_mail_begin(struct store_mail *m, struct fail *why)
{
	struct store_text *text = mem_alloc(sizeof(*text));
	struct buf head;

	m->state = text;
	buf_init(&head, STORE_HEAD_BYTES);
	/* RFC 2033: the store is the final one, and adds Return-Path and Delivered-To */
	store_head(m, NULL, false, &head);
	int rc = store_text_open(text, slice_make(head.data, head.len), why);
	buf_free(&head);
	if (rc == 0)
		return 0;
	free(text);
	m->state = NULL;
	return -1;
}

static int
lmtp_mail_text(struct store_mail *m, struct slice text, struct fail *why)
{
	return store_text_write(m->state, text, why);
}

/* The server's word, or what went wrong: in the second case the client may try again. */
static int
lmtp_failure(const struct lmtp_rcpt *r, struct fail *why)
{
	if (why == NULL)
		return -1;
	*why = r->why;
	if (r->why.code == FAIL_REPLY_PERMANENT && strcmp(r->enhanced, "5.1.1") == 0)
		why->code = FAIL_NO_USER;
	if (r->why.code != FAIL_REPLY_PERMANENT && r->why.code != FAIL_REPLY_TEMPORARY)
		why->code = FAIL_STORAGE;
	return -1;
}

static int
hand_over(struct store_mail *m, struct store_text *text, int64_t deadline, struct fail *why)
{
	const struct smtp_session *session = m->session;
	struct lmtp_rcpt rcpt = { 0 };
	struct message message = { 0 };

	arena_init(&message.arena);
	message.sender = smtp_path_text(&session->sender, &message.arena);
	message.has_8bit = session->body_8bit;
	message.sender_utf8 = session->smtputf8;
	message.text = (struct tempfile){ .fd = text->file.fd };
	message.stored.lf = true;
	message.stored.bytes = (int64_t)text->file.bytes;
	rcpt.mailbox = smtp_path_text(&session->recipients[0], &message.arena);
	lmtp_deliver(&m->store->lmtp, m->store->hostname, &message, &rcpt, 1, REPLY_MS, deadline);
	arena_free(&message.arena);
	return rcpt.done ? 0 : lmtp_failure(&rcpt, why);
}

static int
lmtp_mail_end(struct store_mail *m, int64_t deadline, struct fail *why)
{
	struct gate *gate = &m->store->gate;
	int rc = store_text_end(m->state, why);

	if (rc == 0 && (rc = gate_enter(gate, deadline, why)) == 0) {
		rc = hand_over(m, m->state, deadline, why);
		gate_leave(gate);
	}
	lmtp_mail_abort(m);
	return rc;
}

const struct store_ops store_lmtp_ops = {
	.name = "lmtp",
	.begin = lmtp_mail_begin,
	.text = lmtp_mail_text,
	.end = lmtp_mail_end,
	.abort = lmtp_mail_abort,
};

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/aside.h"
#include "app/store/mbox.h"
#include "app/store/store.h"
#include "base/clock.h"
#include "base/mem.h"

/*
 * One mbox file, one copy of each message, with a Delivered-To field for each recipient. The text is kept
 * until it is complete; then a child appends it, since locks and fsync block (DECISIONS F45).
 */
#define CHUNK_BYTES 16384

struct append {
	const struct store_mail *m;
	struct store_text text;
	const char *sender;
	int64_t deadline;
};

static int
copy_text(const struct store_text *text, struct mbox_file *f, struct fail *why)
{
	char *chunk = mem_alloc(CHUNK_BYTES);
	uint64_t at = 0;
	int rc = 0;

	while (rc == 0 && at < text->file.bytes) {
		ssize_t n = pread(text->file.fd, chunk, CHUNK_BYTES, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			rc = storage_fail(why, "temporary file of the message");
		else
			rc = mbox_write(f, slice_make(chunk, (size_t)n), why);
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(chunk);
	return rc;
}

/* In a child. */
static int
append(void *arg, struct fail *why)
{
	const struct append *a = arg;
	struct mbox_file f;

	if (mbox_begin(&f, a->m->store->dir, true, a->sender, clock_wall(), slice_make("", 0),
		a->deadline, why) != 0)
		return -1;
	if (copy_text(&a->text, &f, why) == 0)
		return mbox_commit(&f, why);
	mbox_abort(&f);
	return -1;
}

static void
head(const struct store_mail *m, struct buf *out)
{
	const struct smtp_session *session = m->session;

	buf_puts(out, "Return-Path: <");
	smtp_path_append(&session->sender, out);
	buf_puts(out, ">\r\n");
	for (size_t i = 0; i < session->recipients_n; i++) {
		buf_puts(out, "Delivered-To: ");
		smtp_path_append(&session->recipients[i], out);
		buf_puts(out, "\r\n");
	}
	store_head(m, NULL, false, out);
}

static void
mbox_mail_abort(struct store_mail *m)
{
	struct append *a = m->state;

	store_text_close(&a->text);
	free(a);
	m->state = NULL;
}

static int
mbox_mail_begin(struct store_mail *m, struct fail *why)
{
	struct append *a = mem_alloc(sizeof(*a));
	struct buf out;

	a->m = m;
	m->state = a;
	buf_init(&out, STORE_HEAD_BYTES + m->session->recipients_n * (LIMIT_PATH_BYTES + 32));
	head(m, &out);
	int rc = store_text_open(&a->text, slice_make(out.data, out.len), why);
	buf_free(&out);
	if (rc == 0)
		return 0;
	free(a);
	m->state = NULL;
	return -1;
}

static int
mbox_mail_text(struct store_mail *m, struct slice text, struct fail *why)
{
	struct append *a = m->state;

	return store_text_write(&a->text, text, why);
}

static int
mbox_mail_end(struct store_mail *m, int64_t deadline, struct fail *why)
{
	struct append *a = m->state;
	struct gate *gate = &m->store->gate;
	struct buf sender;
	int rc = store_text_end(&a->text, why);

	a->deadline = deadline;
	buf_init(&sender, 2 * LIMIT_PATH_BYTES);
	smtp_path_append(&m->session->sender, &sender);
	a->sender = buf_str(&sender);
	/* one after the other, so that they do not wait for each other's locks */
	if (rc == 0 && (rc = gate_enter(gate, deadline, why)) == 0) {
		rc = aside_run(
		    append, a, &a->text.file.fd, 1, "appends to the mailbox", deadline, why);
		gate_leave(gate);
	}
	buf_free(&sender);
	mbox_mail_abort(m);
	return rc;
}

const struct store_ops store_mbox_ops = {
	.name = "mbox",
	.begin = mbox_mail_begin,
	.text = mbox_mail_text,
	.end = mbox_mail_end,
	.abort = mbox_mail_abort,
};

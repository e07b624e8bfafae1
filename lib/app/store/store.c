#include "app/store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/listen/receive.h"
#include "app/message/field_filter.h"
#include "app/queue/wake.h"
#include "app/store/mbox.h"
#include "app/store/tempfile.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define COMMAND_MS 60000

/* --- set-up -------------------------------------------------------------------------------------- */

static const char *
after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 && text[n] != '\0' ? text + n : NULL;
}

static int
open_maildir(struct store *s, const char *path, struct fail *why)
{
	s->ops = &store_maildir_ops;
	if (strchr(path, '%') != NULL)
		return store_maildirs_open(s, path, why);
	s->kind = STORE_MAILDIR;
	if (maildir_open(&s->maildir, path, why) != 0)
		return -1;
	if (maildir_sweep(&s->maildir, why) < 0)
		log_warn("%s", why->text);
	return 0;
}

static int
open_lmtp(struct store *s, const char *text, struct fail *why)
{
	s->kind = STORE_LMTP;
	s->ops = &store_lmtp_ops;
	return lmtp_target_parse(arena_strdup(&s->arena, text), &s->lmtp, why);
}

/* It is made, and what cannot be appended to is found now; a lock that somebody holds is no reason. */
static int
open_mbox(struct store *s, const char *path, struct fail *why)
{
	struct mbox_file f;
	struct fail reason;

	s->kind = STORE_MBOX;
	s->ops = &store_mbox_ops;
	s->dir = arena_strdup(&s->arena, path);
	if (mbox_begin(&f, path, true, "", clock_wall(), slice_make("", 0), clock_ms(), &reason) ==
	    0)
		mbox_abort(&f);
	else if (reason.code != FAIL_TIMEOUT) {
		*why = reason;
		return fail_prefix(why, "--deliver");
	}
	return 0;
}

static int
open_queue(struct store *s, const struct spool *spool, struct fail *why)
{
	s->kind = STORE_QUEUE;
	s->ops = &store_queue_ops;
	if (spool == NULL)
		return fail_set(why, FAIL_INTERNAL, "no queue");
	s->spool = *spool;
	s->wake = spool_wake_open(&s->spool, why);
	return s->wake < 0 ? -1 : 0;
}

static int
open_kind(struct store *s, const char *spec, const struct spool *spool, struct fail *why)
{
	const char *rest;

	if (strcmp(spec, "discard") == 0)
		return 0;
	if ((rest = after(spec, "maildir:")) != NULL)
		return open_maildir(s, rest, why);
	if ((rest = after(spec, "command:")) != NULL)
		return store_command_parse(s, rest, why);
	if ((rest = after(spec, "lmtp:")) != NULL)
		return open_lmtp(s, rest, why);
	if ((rest = after(spec, "mbox:")) != NULL)
		return open_mbox(s, rest, why);
	if (strcmp(spec, "queue") == 0)
		return open_queue(s, spool, why);
	return fail_set(why, FAIL_USAGE, "--deliver: '%s' is not known: " STORE_EXPECTED, spec);
}

int
store_open(struct store *s, const char *spec, const struct accept *accept,
    const struct spool *spool, struct fail *why)
{
	memset(s, 0, sizeof(*s));
	s->maildir.tmp = s->maildir.new = s->clear.tmp = s->clear.new = s->root = s->wake = -1;
	s->accept = accept;
	s->hostname = accept->hostname;
	s->command_ms = COMMAND_MS;
	arena_init(&s->arena);
	if (open_kind(s, spec, spool, why) == 0) {
		/* a mailbox is one, programs may be some */
		gate_init(&s->gate, s->kind == STORE_MBOX ? 1 : STORE_COMMANDS);
		return 0;
	}
	store_close(s);
	return -1;
}

void
store_close(struct store *s)
{
	maildir_close(&s->maildir);
	maildir_close(&s->clear);
	if (s->root >= 0)
		close(s->root);
	if (s->wake >= 0)
		close(s->wake);
	if (s->kind == STORE_QUEUE)
		spool_close(&s->spool);
	arena_free(&s->arena);
	s->root = s->wake = -1;
	s->kind = STORE_DISCARD;
	s->ops = NULL;
}

bool
store_one_recipient(const struct store *s)
{
	return s->kind == STORE_COMMAND || s->kind == STORE_LMTP;
}

bool
store_keeps_requiretls(const struct store *s)
{
	return s->kind == STORE_MAILDIR || s->kind == STORE_MAILDIRS || s->kind == STORE_MBOX ||
	       s->kind == STORE_QUEUE;
}

bool
store_uses_commit(const struct store *s)
{
	return s->ops == &store_maildir_ops || s->ops == &store_queue_ops;
}

size_t
store_fds(const struct store *s, int out[STORE_FDS])
{
	size_t n = 0;

	if (s->kind == STORE_MAILDIR) {
		out[n++] = s->maildir.tmp;
		out[n++] = s->maildir.new;
		if (s->clear_folder != NULL) {
			out[n++] = s->clear.tmp;
			out[n++] = s->clear.new;
		}
	} else if (s->kind == STORE_MAILDIRS) {
		out[n++] = s->root;
	} else if (s->kind == STORE_QUEUE) {
		out[n++] = s->spool.root;
		out[n++] = s->spool.tmp;
		out[n++] = s->spool.q;
		out[n++] = s->wake;
	}
	return n;
}

/* --- messages ------------------------------------------------------------------------------------ */

int
store_rcpt(const struct store *s, const struct accept_name *name, const struct smtp_path *path,
    struct fail *why)
{
	return s->ops == NULL || s->ops->rcpt == NULL ? 0 : s->ops->rcpt(s, name, path, why);
}

int
store_mail_begin(struct store_mail *m, struct fail *why)
{
	return m->store->ops == NULL ? 0 : m->store->ops->begin(m, why);
}

int
store_mail_text(struct store_mail *m, struct slice text, struct fail *why)
{
	return m->store->ops == NULL ? 0 : m->store->ops->text(m, text, why);
}

int
store_mail_end(struct store_mail *m, int64_t deadline, struct fail *why)
{
	return m->store->ops == NULL ? 0 : m->store->ops->end(m, deadline, why);
}

void
store_mail_abort(struct store_mail *m)
{
	if (m->store->ops != NULL)
		m->store->ops->abort(m);
}

/* The open padlock: RFC 8601 with a method of our own, and a field that any mail program can look for. */
static void
mark_fields(const struct smtp_session *session, const char *hostname, struct buf *out)
{
	buf_printf(out, "Authentication-Results: %s;\r\n\tx-tls=%s", hostname,
	    session->tls ? "pass" : "none");
	if (session->tls)
		buf_printf(out, " policy.version=%s policy.cipher=%s", session->tls_version,
		    session->tls_cipher);
	buf_puts(out, "\r\n");
	if (!session->tls)
		buf_puts(out, FIELD_MARK ": yes\r\n");
}

void
store_head(
    const struct store_mail *m, const struct smtp_path *to, bool return_path, struct buf *out)
{
	const struct smtp_session *session = m->session;

	if (return_path) {
		buf_puts(out, "Return-Path: <");
		smtp_path_append(&session->sender, out);
		buf_puts(out, ">\r\n");
	}
	if (to != NULL) {
		buf_puts(out, "Delivered-To: ");
		smtp_path_append(to, out);
		buf_puts(out, "\r\n");
	}
	if (m->store->mark)
		mark_fields(session, m->store->hostname, out);
	/* with several recipients none may learn of the others */
	received_field(session, m->store->hostname, m->id,
	    session->recipients_n == 1 ? &session->recipients[0] : NULL, clock_wall(), out);
}

/* --- a text that is kept until it is complete ------------------------------------------------------ */

int
store_text_open(struct store_text *t, struct slice head, struct fail *why)
{
	struct tempfile file;

	if (tempfile_open(&file, INT64_MAX, why) != 0)
		return -1;
	storage_file_init(&t->file);
	t->file.fd = file.fd;
	if (storage_file_text(&t->file, head, why) == 0)
		return 0;
	store_text_close(t);
	return -1;
}

int
store_text_write(struct store_text *t, struct slice text, struct fail *why)
{
	return storage_file_text(&t->file, text, why);
}

int
store_text_end(struct store_text *t, struct fail *why)
{
	if (storage_file_text_end(&t->file, why) != 0 || storage_file_flush(&t->file, why) != 0)
		return -1;
	if (lseek(t->file.fd, 0, SEEK_SET) != 0)
		return storage_fail(why, "temporary file of the message");
	return 0;
}

void
store_text_close(struct store_text *t)
{
	storage_file_close(&t->file);
}

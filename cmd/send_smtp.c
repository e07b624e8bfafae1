#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/tempfile.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/signals.h"
#include "io/socket.h"
#include "send_job.h"
#include "smtp/server.h"

/*
 * sendmail -bs: a local program, which could as well call us with its message on standard input, speaks
 * SMTP instead. It may send wherever it likes; what it sends is completed as any submitted message.
 */
struct dialogue {
	struct send_job *job;
	struct send_options options; /* of the message being received */
	struct tempfile text;
};

/* "local@domain" of a path, or the local part alone: what has no domain gets ours, or an alias. */
static const char *
path_text(const struct smtp_path *path, struct arena *arena)
{
	struct buf out;

	if (slice_is_case(path->domain, "localhost"))
		return arena_slice(arena, path->local);

	buf_init(&out, 2 * LIMIT_PATH_BYTES);
	smtp_path_append(path, &out);
	const char *text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

static int
take_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	struct dialogue *d = app;
	struct strs unused = { 0 };
	struct arena arena;

	(void)session;
	arena_init(&arena);
	int rc = send_job_expand(d->job, path_text(path, &arena), &arena, &unused, why);
	arena_free(&arena);
	return rc;
}

static int
begin(void *app, const struct smtp_session *session, struct fail *why)
{
	struct dialogue *d = app;

	(void)session;
	return tempfile_open(&d->text, d->job->options->max_size, why);
}

static int
take_text(void *app, struct slice text, struct fail *why)
{
	struct dialogue *d = app;

	return tempfile_write(&d->text, text, why);
}

static void
forget(void *app)
{
	struct dialogue *d = app;

	tempfile_close(&d->text);
}

static int
submit(struct dialogue *d, const struct smtp_session *session, struct fail *why)
{
	const struct send_options *before = d->job->options;
	struct strs operands = { 0 };
	struct arena arena;
	int rc = -1, status = EX_OK;

	arena_init(&arena);
	d->options = *before;
	d->options.ignore_dots = true; /* its dots were un-stuffed */
	d->options.from_headers = false;
	d->options.requiretls |= session->requiretls;
	d->options.sender = session->sender.null ? "" : path_text(&session->sender, &arena);
	for (size_t i = 0; i < session->recipients_n; i++)
		strs_add(&operands, &arena, path_text(&session->recipients[i], &arena));
	d->job->options = &d->options;
	if (lseek(d->text.fd, 0, SEEK_SET) != 0)
		fail_errno(&d->job->why, FAIL_STORAGE, "temporary file of the message");
	else if (send_job_read(d->job, d->text.fd, &operands) == 0) {
		fail_clear(&d->job->why);
		status = send_job_submit(d->job);
		if (d->job->why.code == FAIL_NONE && status != EX_OK && d->options.no_queue)
			fail_set(
			    &d->job->why, FAIL_REPLY_TEMPORARY, "not delivered now, and not kept");
		rc = d->job->why.code == FAIL_NONE ? 0 : -1;
	}
	if (rc != 0)
		*why = d->job->why;
	send_job_forget(d->job);
	d->job->options = before;
	arena_free(&arena);
	return rc;
}

static int
end(void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	struct dialogue *d = app;

	(void)deadline;
	int rc = submit(d, session, why);
	tempfile_close(&d->text);
	if (rc == 0 && !d->options.no_queue)
		snprintf(note_r, 128, "Ok: queued as %s", d->job->id);
	return rc;
}

static const struct smtp_server_ops ops = {
	.rcpt = take_rcpt, .begin = begin, .text = take_text, .end = end, .abort = forget
};

static int
serve(struct dialogue *d)
{
	struct smtp_server_config config;
	struct arena *arena = &d->job->arena;
	const char *name = identity_hostname(arena);
	int flags_in = fcntl(STDIN_FILENO, F_GETFL), flags_out = fcntl(STDOUT_FILENO, F_GETFL);
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);

	smtp_server_config_init(&config);
	config.hostname = name != NULL ? name : identity_nodename(arena);
	config.ops = &ops;
	config.local = true;
	config.max_message_bytes = d->job->options->max_size;
	config.max_recipients = LIMIT_SUBMIT_RECIPIENTS;
	config.lifetime_ms = 24 * 3600 * (int64_t)1000; /* our caller may take its time */
	if (in < 0 || out < 0 || socket_nonblocking(in, &d->job->why) != 0 ||
	    socket_nonblocking(out, &d->job->why) != 0)
		return command_fail(d->job->self, &d->job->why);
	smtp_server_run(conn_plain_pair(in, out), &config, NULL, d, NULL);
	/* the open files are shared with whoever started us */
	fcntl(STDIN_FILENO, F_SETFL, flags_in);
	fcntl(STDOUT_FILENO, F_SETFL, flags_out);
	return EX_OK;
}

int
send_smtp(const struct command *self, const struct send_options *options)
{
	struct dialogue d = { .text = { .fd = -1 } };
	int status;
	bool ok;

	d.job = send_job_open(self, options, &ok);
	status = ok ? serve(&d) : command_fail(self, &d.job->why);
	send_job_close(d.job);
	return status;
}

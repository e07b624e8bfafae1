#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/queue/system.h"
#include "app/store/tempfile.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/signals.h"
#include "io/socket.h"
#include "send_job.h"
#include "smtp/server.h"

/*
 * sendmail -bs: a local program, which could as well call us with its message on standard input, speaks
 * SMTP instead. It may send wherever it likes; what it sends is completed as any submitted message.
 */
struct dialogue {
	const struct command *self;
	struct send_job *job; /* NULL in system mode */
	struct arena arena;
	int64_t max_size;
	struct send_options options; /* of the message being received */
	struct tempfile text;
};

/* "local@domain" of a path, or the local part alone: what has no domain gets ours, or an alias. */
static const char *
path_text(const struct smtp_path *path, struct arena *arena)
{
	return slice_is_case(path->domain, "localhost") ? arena_slice(arena, path->local)
							: smtp_path_text(path, arena);
}

static int
take_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	struct dialogue *d = app;
	struct message unused;
	struct arena arena;

	(void)session;
	arena_init(&arena);
	int rc = send_job_recipients(d->job, path_text(path, &arena), &unused, why);
	arena_free(&unused.arena);
	arena_free(&arena);
	return rc;
}

static int
begin(void *app, const struct smtp_session *session, struct fail *why)
{
	struct dialogue *d = app;

	(void)session;
	return tempfile_open(&d->text, d->max_size, why);
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
serve(struct dialogue *d, const struct smtp_server_ops *with)
{
	struct smtp_server_config config;
	struct arena *arena = &d->arena;
	const char *name = identity_hostname(arena);
	struct fail why;
	int flags_in = fcntl(STDIN_FILENO, F_GETFL), flags_out = fcntl(STDOUT_FILENO, F_GETFL);
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);

	smtp_server_config_init(&config);
	config.hostname = name != NULL ? name : identity_nodename(arena);
	config.ops = with;
	config.local = true;
	config.max_message_bytes = d->max_size;
	config.max_recipients = LIMIT_SUBMIT_RECIPIENTS;
	config.lifetime_ms = 24 * 3600 * (int64_t)1000; /* our caller may take its time */
	fail_set(&why, FAIL_OS, "standard input and output");
	if (in < 0 || out < 0 || socket_nonblocking(in, &why) != 0 ||
	    socket_nonblocking(out, &why) != 0)
		return command_fail(d->self, &why);
	smtp_server_run(conn_plain_pair(in, out), &config, NULL, d, NULL);
	/* the open files are shared with whoever started us */
	fcntl(STDIN_FILENO, F_SETFL, flags_in);
	fcntl(STDOUT_FILENO, F_SETFL, flags_out);
	return EX_OK;
}

static int
run(struct dialogue *d, const struct send_options *options, const struct smtp_server_ops *with)
{
	arena_init(&d->arena);
	d->max_size = options->max_size;
	int status = serve(d, with);
	arena_free(&d->arena);
	return status;
}

int
send_smtp(const struct command *self, const struct send_options *options)
{
	struct dialogue d = { .self = self, .text = { .fd = -1 } };
	int status;
	bool ok;

	d.job = send_job_open(self, options, &ok);
	status = ok ? run(&d, options, &ops) : command_fail(self, &d.job->why);
	send_job_close(d.job);
	return status;
}

/* --- system mode ------------------------------------------------------------------------------------------ */

/* Whether it can be sent is told by the program that takes it. */
static int
take_any_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	(void)app;
	(void)session;
	(void)path;
	(void)why;
	return 0;
}

static char **
submit_words(const struct smtp_session *session, struct arena *arena)
{
	struct strs words = { 0 };

	char *program = system_submit_path(arena);
	if (program == NULL)
		return NULL;
	strs_add(&words, arena, program);
	strs_add(&words, arena, "-i");
	if (session->requiretls)
		strs_add(&words, arena, "-OREQUIRETLS=yes");
	strs_add(&words, arena, "-f");
	strs_add(&words, arena, session->sender.null ? "<>" : path_text(&session->sender, arena));
	strs_add(&words, arena, "--");
	for (size_t i = 0; i < session->recipients_n; i++)
		strs_add(&words, arena, path_text(&session->recipients[i], arena));
	char **argv = arena_alloc(arena, (words.n + 1) * sizeof(*argv));
	memcpy(argv, words.v, words.n * sizeof(*argv));
	return argv;
}

/* What it said, without its name and line end. */
static void
read_complaint(int fd, char *text, size_t size)
{
	ssize_t n = read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	char *colon = strstr(text, ": ");
	if (colon != NULL)
		memmove(text, colon + 2, strlen(colon + 2) + 1);
}

static int
submit_through(int fd, char **argv, int64_t deadline, struct fail *why)
{
	char *envp[] = { NULL };
	struct child child;
	char text[400];
	int said[2], status = 0;

	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0)
		return fail_errno(why, FAIL_OS, "pipe");
	int rc = child_exec(&child, argv, envp, fd, -1, said[1], why);
	close(said[1]);
	if (rc == 0)
		rc = child_wait(&child, &status, deadline, why);
	if (rc == 0 && status != 0) {
		int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : EX_TEMPFAIL;
		bool for_good = exit_status >= EX_USAGE && exit_status <= EX_NOHOST;
		read_complaint(said[0], text, sizeof(text));
		rc = fail_set(why, for_good ? FAIL_ADDRESS : FAIL_STORAGE, "%s",
		    text[0] != '\0' ? text : "mxtls-submit failed");
	}
	close(said[0]);
	return rc;
}

static int
end_through(
    void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	struct dialogue *d = app;
	struct arena arena;
	int rc;

	(void)note_r;
	arena_init(&arena);
	char **argv = submit_words(session, &arena);
	if (argv == NULL || lseek(d->text.fd, 0, SEEK_SET) != 0)
		rc = fail_errno(why, FAIL_OS, "mxtls-submit");
	else
		rc = submit_through(d->text.fd, argv, deadline, why);
	arena_free(&arena);
	tempfile_close(&d->text);
	return rc;
}

int
send_smtp_system(const struct command *self, const struct send_options *options)
{
	static const struct smtp_server_ops through = { .rcpt = take_any_rcpt,
		.begin = begin,
		.text = take_text,
		.end = end_through,
		.abort = forget };
	struct dialogue d = { .self = self, .text = { .fd = -1 } };

	return run(&d, options, &through);
}

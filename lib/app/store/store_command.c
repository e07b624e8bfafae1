#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/store/store.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/io.h"
#include "io/sched.h"

/*
 * A program gets the message, once it is complete, as its standard input: a file, lines ended by LF,
 * Return-Path, Delivered-To and Received in front. No shell and no search path; what the client says reaches
 * it as the value of an environment variable, or as a word where the administrator wrote a placeholder
 * (reference S11). Its exit status decides.
 */
#define OUTPUT_BYTES 4096 /* of what it prints, for the log; the rest is dropped */
#define KILL_MS 5000      /* from SIGTERM to SIGKILL */

/* --- set-up -------------------------------------------------------------------------------------- */

/* The next word of text: blanks separate, single or double quotes hold together. -1: a quote is not closed. */
static int
next_word(const char **text, struct buf *word)
{
	const char *c = *text + strspn(*text, " \t");
	char quote = '\0';

	buf_reset(word);
	if (*c == '\0')
		return 0;
	for (; *c != '\0' && (quote != '\0' || (*c != ' ' && *c != '\t')); c++) {
		if (quote != '\0' ? *c == quote : (*c == '"' || *c == '\''))
			quote = quote != '\0' ? '\0' : *c;
		else
			buf_putc(word, *c);
	}
	*text = c;
	return quote != '\0' ? -1 : 1;
}

static int
check_word(const char *word, struct fail *why)
{
	for (const char *c = strchr(word, '%'); c != NULL; c = strchr(c + 2, '%'))
		if (c[1] == '\0' || strchr("srldi%", c[1]) == NULL)
			return fail_set(why, FAIL_USAGE,
			    "--deliver: command: '%.2s' is not known: expected %%s (sender), %%r "
			    "(recipient), %%l (its local part), %%d (its domain), %%i (id) or %%%%",
			    c);
	return 0;
}

int
store_command_parse(struct store *s, const char *text, struct fail *why)
{
	struct buf word;
	int more, rc = 0;

	s->kind = STORE_COMMAND;
	s->ops = &store_command_ops;
	buf_init(&word, LIMIT_CONFIG_LINE_BYTES);
	while (rc == 0 && (more = next_word(&text, &word)) != 0) {
		if (more < 0 || word.full)
			rc = fail_set(why, FAIL_USAGE,
			    more < 0 ? "--deliver: command: a quote is not closed"
				     : "--deliver: command: a word is too long");
		else
			rc = check_word(buf_str(&word), why);
		strs_add(&s->command, &s->arena, buf_str(&word));
	}
	buf_free(&word);
	if (rc != 0)
		return -1;
	if (s->command.n == 0 || s->command.v[0][0] != '/' || strchr(s->command.v[0], '%') != NULL)
		return fail_set(
		    why, FAIL_USAGE, "--deliver: command: expected the absolute path of a program");
	if (access(s->command.v[0], X_OK) != 0)
		return fail_errno(why, FAIL_USAGE, "--deliver: command: %s", s->command.v[0]);
	return 0;
}

/* --- one run ------------------------------------------------------------------------------------- */

struct run {
	struct store_text text;
	struct arena arena;
	char *sender, *recipient, *local, *domain;
	struct strs argv, envp;
	struct buf output;
};

static const char *
value_of(const struct store_mail *m, const struct run *run, char placeholder)
{
	switch (placeholder) {
	case 's':
		return run->sender;
	case 'r':
		return run->recipient;
	case 'l':
		return run->local;
	case 'd':
		return run->domain;
	case 'i':
		return m->id;
	default:
		return "%";
	}
}

/* One word of the command, filled in. What begins it may not look like an option (reference S11). */
static int
fill_in(const struct store_mail *m, struct run *run, const char *word, struct fail *why)
{
	struct buf out;

	buf_init(&out, 64 * 1024);
	for (const char *c = word; *c != '\0'; c++)
		if (*c == '%')
			buf_puts(&out, value_of(m, run, *++c));
		else
			buf_putc(&out, *c);
	bool option = word[0] == '%' && buf_str(&out)[0] == '-';
	strs_add(&run->argv, &run->arena, buf_str(&out));
	bool full = out.full;
	buf_free(&out);
	if (option)
		return fail_set(
		    why, FAIL_REFUSED, "Addresses that begin with '-' are not taken here");
	return full ? fail_set(why, FAIL_COMMAND, "the command's words are too long") : 0;
}

static void
set_variable(struct run *run, const char *name, const char *value)
{
	strs_add(&run->envp, &run->arena, arena_printf(&run->arena, "%s=%s", name, value));
}

static void
set_environment(const struct store_mail *m, struct run *run)
{
	const struct smtp_session *session = m->session;

	set_variable(run, "PATH", "/usr/local/bin:/usr/bin:/bin");
	set_variable(run, "SENDER", run->sender);
	set_variable(run, "RECIPIENT", run->recipient);
	set_variable(run, "LOCAL", run->local);
	set_variable(run, "DOMAIN", run->domain);
	set_variable(run, "MXTLS_ID", m->id);
	set_variable(run, "CLIENT_ADDRESS", session->peer_known ? session->peer_ip : "");
	set_variable(run, "CLIENT_HELO", session->helo);
	set_variable(run, "TLS_VERSION", session->tls ? session->tls_version : "");
	set_variable(run, "TLS_CIPHER", session->tls ? session->tls_cipher : "");
}

static void
run_free(struct store_mail *m)
{
	struct run *run = m->state;

	buf_free(&run->output);
	arena_free(&run->arena);
	free(run);
	m->state = NULL;
}

static void
command_abort(struct store_mail *m)
{
	struct run *run = m->state;

	store_text_close(&run->text);
	run_free(m);
}

static int
set_words(struct store_mail *m, struct run *run, struct fail *why)
{
	const struct smtp_session *session = m->session;
	const struct smtp_path *to = &session->recipients[0];

	run->sender = smtp_path_text(&session->sender, &run->arena);
	run->recipient = smtp_path_text(to, &run->arena);
	run->local = arena_slice(&run->arena, to->local);
	run->domain = to->domain.n == 0 ? arena_strdup(&run->arena, m->store->hostname)
					: arena_slice(&run->arena, to->domain);
	for (size_t i = 0; i < m->store->command.n; i++)
		if (fill_in(m, run, m->store->command.v[i], why) != 0)
			return -1;
	set_environment(m, run);
	return 0;
}

static int
command_begin(struct store_mail *m, struct fail *why)
{
	struct run *run = mem_alloc(sizeof(*run));
	struct buf head;

	m->state = run;
	arena_init(&run->arena);
	buf_init(&run->output, OUTPUT_BYTES - 1);
	buf_init(&head, STORE_HEAD_BYTES);
	store_head(m, &m->session->recipients[0], true, &head);
	int rc = set_words(m, run, why);
	if (rc == 0)
		rc = store_text_open(&run->text, slice_make(head.data, head.len), why);
	buf_free(&head);
	if (rc != 0)
		run_free(m);
	return rc;
}

static int
command_text(struct store_mail *m, struct slice text, struct fail *why)
{
	struct run *run = m->state;

	return store_text_write(&run->text, text, why);
}

/* --- what it says --------------------------------------------------------------------------------- */

static void
log_output(const struct store_mail *m, struct run *run)
{
	struct slice text = slice_make(run->output.data, run->output.len);

	while (text.n > 0) {
		struct slice line = slice_cut(&text, '\n');
		if (slice_trim(line).n > 0)
			log_info(
			    "%s: %s: %.*s", m->id, m->store->command.v[0], (int)line.n, line.p);
	}
}

/*
 * sysexits(3), and qmail's 100 and 111. What says that this machine is in disorder, rather than that the
 * message is bad, is temporary: it must not bounce mail.
 */
static int
judge(const struct store_mail *m, int status, struct fail *why)
{
	const char *program = m->store->command.v[0];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (code == EX_OK)
		return 0;
	if (code < 0)
		log_error("%s: %s ended by signal %d", m->id, program, WTERMSIG(status));
	else
		log_warn("%s: %s: exit status %d", m->id, program, code);
	switch (code) {
	case EX_NOUSER:
		return fail_set(why, FAIL_NO_USER, "No such user");
	case EX_NOHOST:
		return fail_set(why, FAIL_NXDOMAIN, "No such host");
	case EX_DATAERR:
		return fail_set(why, FAIL_MESSAGE, "The message cannot be read");
	case EX_NOPERM:
		return fail_set(why, FAIL_REFUSED, "Not permitted");
	case -1: /* a signal */
	case EX_NOINPUT:
	case EX_SOFTWARE:
	case EX_OSERR:
	case EX_OSFILE:
	case EX_CANTCREAT:
	case EX_IOERR:
	case EX_TEMPFAIL:
	case EX_CONFIG:
	case 111: /* qmail-command(8) */
	case 126: /* shells: cannot be executed, not found */
	case 127:
		return fail_set(why, FAIL_STORAGE, "Delivery failed for now");
	default:
		return fail_set(why, FAIL_COMMAND, "Delivery failed");
	}
}

static int
execute(struct store_mail *m, struct run *run, int64_t deadline, struct fail *why)
{
	struct child child;
	int ends[2], status = 0;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return fail_errno(why, FAIL_STORAGE, "pipe");
	/* the program's end is an ordinary one */
	fcntl(ends[1], F_SETFL, 0);
	strs_add(&run->argv, &run->arena, "");
	strs_add(&run->envp, &run->arena, "");
	run->argv.v[run->argv.n - 1] = run->envp.v[run->envp.n - 1] = NULL;
	int rc =
	    child_exec(&child, run->argv.v, run->envp.v, run->text.file.fd, ends[1], ends[1], why);
	close(ends[1]);
	if (rc == 0 &&
	    (rc = child_gather(&child, ends[0], &run->output, &status, deadline, why)) != 0) {
		child_end(&child, &status, KILL_MS);
		log_error("%s: %s: stopped: %s", m->id, m->store->command.v[0], why->text);
		fail_set(why, FAIL_STORAGE, "Delivery took too long");
	} else if (rc == 0) {
		rc = judge(m, status, why);
	}
	child_output(ends[0], &run->output); /* its last words */
	close(ends[0]);
	log_output(m, run);
	return rc;
}

static int
command_end(struct store_mail *m, int64_t deadline, struct fail *why)
{
	struct gate *gate = &m->store->gate;
	struct run *run = m->state;
	int rc = store_text_end(&run->text, why);

	if (rc == 0 && (rc = gate_enter(gate, deadline, why)) == 0) {
		int64_t limit = clock_deadline(m->store->command_ms);
		rc = execute(m, run, limit < deadline ? limit : deadline, why);
		gate_leave(gate);
	}
	command_abort(m);
	return rc;
}

const struct store_ops store_command_ops = {
	.name = "command",
	.begin = command_begin,
	.text = command_text,
	.end = command_end,
	.abort = command_abort,
};

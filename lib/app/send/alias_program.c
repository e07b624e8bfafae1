#include "app/send/alias_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "app/store/tempfile.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/io.h"
#include "io/socket.h"

#define CHUNK_BYTES 16384
#define OUTPUT_BYTES 400 /* of what it prints; a reply has about as much */
#define PATH_VALUE "PATH=/usr/local/bin:/usr/bin:/bin"

/* --- pure parts ---------------------------------------------------------------------------------- */

char **
alias_program_argv(const char *command, struct arena *arena)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "!@%-_=+:,./ \t";
	static char sh[] = "/bin/sh", c[] = "-c";
	struct slice rest = slice_str(command), word;
	char **argv = arena_alloc(arena, (strlen(command) / 2 + 5) * sizeof(*argv));
	size_t n = 0;

	if (command[0] != '/' || command[strspn(command, safe)] != '\0') {
		argv[0] = sh;
		argv[1] = c;
		argv[2] = arena_strdup(arena, command);
		return argv;
	}
	while ((word = slice_word(&rest)).n > 0)
		argv[n++] = arena_slice(arena, word);
	return argv;
}

const char *
alias_program_safe(const char *address, struct arena *arena)
{
	char *text = arena_strdup(arena, address);

	for (char *c = text; *c != '\0'; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || strchr("@%-_=+:,./", *c) != NULL;
		if (!plain)
			*c = '_';
	}
	return text;
}

/* The last line that has something, for people. */
static struct slice
told(struct slice output)
{
	while (output.n > 0 && memchr(" \t\r\n", output.p[output.n - 1], 4) != NULL)
		output.n--;
	for (size_t i = output.n; i > 0; i--)
		if (output.p[i - 1] == '\n')
			return slice_sub(output, i, output.n);
	return output;
}

static const char *
enhanced_of(int code)
{
	switch (code) {
	case EX_USAGE:
		return "5.5.4";
	case EX_DATAERR:
		return "5.6.0";
	case EX_NOUSER:
		return "5.1.1";
	case EX_NOHOST:
		return "5.1.2";
	case EX_CANTCREAT:
		return "5.2.0";
	case EX_PROTOCOL:
		return "5.5.0";
	case EX_NOPERM:
		return "5.7.0";
	case EX_CONFIG:
		return "5.3.5";
	default:
		return "5.3.0";
	}
}

int
alias_program_verdict(
    const char *command, int status, struct slice output, char enhanced_r[16], struct fail *why)
{
	struct slice text = told(output);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	enum fail_code fail = FAIL_PROGRAM;
	char end[64];

	snprintf(enhanced_r, 16, "%s", "4.3.0");
	if (code == EX_OK) {
		snprintf(enhanced_r, 16, "%s", "2.0.0");
		return 0;
	}
	if (code < 0) {
		snprintf(end, sizeof(end), "was ended by signal %d", WTERMSIG(status));
	} else if (code == 126 || code == 127) {
		snprintf(end, sizeof(end), "cannot be executed");
	} else {
		snprintf(end, sizeof(end), "ended with status %d", code);
		if (code != EX_TEMPFAIL && code != EX_OSERR && code != EX_IOERR) {
			fail = code == EX_NOUSER ? FAIL_NO_USER : FAIL_PROGRAM_REFUSED;
			snprintf(enhanced_r, 16, "%s", enhanced_of(code));
		}
	}
	return fail_set(why, fail, "%.100s %s%s%.*s", command, end, text.n > 0 ? ": " : "",
	    (int)text.n, text.p);
}

void
alias_program_head(const struct alias_program *p, int64_t now, struct buf *out)
{
	time_t t = (time_t)now;
	char date[64] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	buf_printf(out, "From %s %s\nReturn-Path: <%s>\nDelivered-To: %s\n",
	    p->message->sender[0] != '\0' ? p->message->sender : "MAILER-DAEMON", date,
	    p->message->sender, p->recipient);
}

/* --- running ------------------------------------------------------------------------------------- */

/* What the program reads, as a file: no program can be made to wait for us, or we for it. */
static int
make_input(const struct alias_program *p, struct tempfile *file, struct fail *why)
{
	struct message_reader reader;
	char *chunk = mem_alloc(CHUNK_BYTES);
	size_t n = 1;
	int rc = 0;
	struct buf out;

	buf_init(&out, CHUNK_BYTES + 4 * LIMIT_PATH_BYTES);
	alias_program_head(p, clock_wall(), &out);
	message_reader_init(&reader, p->message);
	while (rc == 0 && n > 0) {
		rc = tempfile_write(file, slice_make(out.data, out.len), why);
		buf_reset(&out);
		if (rc == 0)
			rc = message_reader_next(&reader, chunk, CHUNK_BYTES, &n, why);
		for (size_t i = 0; rc == 0 && i < n; i++)
			if (chunk[i] != '\r') /* there is none but in front of LF */
				buf_putc(&out, chunk[i]);
	}
	if (rc == 0 && lseek(file->fd, 0, SEEK_SET) != 0)
		rc = fail_errno(why, FAIL_STORAGE, "rewind");
	buf_free(&out);
	free(chunk);
	return rc;
}

/* Until the program has ended; one that takes too long is killed. */
static int
wait_program(struct child *child, int out, struct buf *output, int *status_r, int64_t deadline,
    struct fail *why)
{
	int rc = child_gather(child, out, output, status_r, deadline, why);

	if (rc != 0) {
		child_kill(child, SIGKILL);
		child_wait(child, status_r, DEADLINE_NEVER, NULL);
	}
	return rc;
}

static int
start(const struct alias_program *p, struct arena *arena, int in, int out, struct child *child,
    struct fail *why)
{
	const char *recipient = alias_program_safe(p->recipient, arena);
	char *environment[] = { arena_strdup(arena, PATH_VALUE), arena_strdup(arena, "LC_ALL=C"),
		arena_strdup(arena, "SHELL=/bin/sh"), arena_printf(arena, "HOME=%s", p->home),
		arena_printf(arena, "USER=%s", p->user), arena_printf(arena, "LOGNAME=%s", p->user),
		arena_printf(arena, "SENDER=%s", alias_program_safe(p->message->sender, arena)),
		arena_printf(arena, "RECIPIENT=%s", recipient), NULL };

	return child_exec_as(child, p->uid, p->gid, alias_program_argv(p->command, arena),
	    environment, in, out, out, why);
}

int
alias_program_run(const struct alias_program *p, struct arena *arena, char enhanced_r[16],
    int64_t deadline, struct fail *why)
{
	struct tempfile in = { .fd = -1 };
	int64_t most = clock_deadline(ALIAS_PROGRAM_MS);
	struct child child;
	int fds[2], status = 0;
	struct buf output;

	enhanced_r[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) != 0)
		return fail_errno(why, FAIL_OS, "pipe");
	buf_init(&output, OUTPUT_BYTES);
	int rc = socket_nonblocking(fds[0], why);
	if (rc == 0)
		rc = tempfile_open(&in, p->message->text.bytes + 4 * LIMIT_PATH_BYTES, why);
	if (rc == 0)
		rc = make_input(p, &in, why);
	if (rc == 0)
		rc = start(p, arena, in.fd, fds[1], &child, why);
	close(fds[1]);
	if (rc == 0 && (rc = wait_program(&child, fds[0], &output, &status,
			    deadline < most ? deadline : most, why)) != 0) {
		if (why->code == FAIL_TIMEOUT || clock_ms() >= deadline)
			fail_set(
			    why, FAIL_PROGRAM, "%.100s took too long, and was killed", p->command);
	} else if (rc == 0) {
		rc = alias_program_verdict(
		    p->command, status, slice_make(output.data, output.len), enhanced_r, why);
	}
	close(fds[0]);
	tempfile_close(&in);
	buf_free(&output);
	return rc;
}

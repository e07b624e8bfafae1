#include "app/send/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/limits.h"
#include "io/child.h"
#include "io/socket.h"
#include "smtp/auth.h"

#define COMMAND_MS 30000

static int
at_line(const char *name, const struct conf_line *line, const char *what, struct fail *why)
{
	return fail_set(why, FAIL_CREDENTIALS, "%s:%u: %s", name, line->line, what);
}

/* Words divided by blanks; no quotes, no shell. */
static const char *const *
split(const char *text, struct arena *arena)
{
	struct slice rest = slice_str(text), word;
	struct strs words = { .v = NULL };

	while ((word = slice_word(&rest)).n > 0)
		strs_add_slice(&words, arena, word);
	const char **argv = arena_alloc(arena, (words.n + 1) * sizeof(*argv));
	for (size_t i = 0; i < words.n; i++)
		argv[i] = words.v[i];
	return argv;
}

static int
set_mechanisms(
    const char *name, const struct conf_line *line, struct credentials *c, struct fail *why)
{
	struct slice rest = slice_str(line->value), word;

	c->mechanisms = 0;
	while ((word = slice_word(&rest)).n > 0) {
		unsigned bit = auth_mechanism_parse(word);
		if (bit == 0)
			return at_line(name, line,
			    "expected mechanisms: plain, login, xoauth2, oauthbearer", why);
		c->mechanisms |= bit;
	}
	return c->mechanisms != 0 ? 0 : at_line(name, line, "expected a mechanism", why);
}

static int
set_secret(const char *name, const struct conf_line *line, struct arena *arena,
    struct credentials *c, struct fail *why)
{
	if (c->password != NULL || c->command != NULL)
		return at_line(name, line,
		    "a second secret: expected one of password, password-command, token-command",
		    why);
	if (strcmp(line->key, "password") == 0) {
		c->password = line->value;
		return line->value[0] != '\0' ? 0 : at_line(name, line, "an empty password", why);
	}
	c->token = strcmp(line->key, "token-command") == 0;
	c->command = split(line->value, arena);
	if (c->command[0] == NULL || c->command[0][0] != '/')
		return at_line(name, line,
		    "expected a command that begins with the absolute path of a program", why);
	return 0;
}

static int
set_line(const char *name, const struct conf_line *line, struct arena *arena, struct credentials *c,
    struct fail *why)
{
	if (line->section == NULL && strcmp(line->key, "user") == 0) {
		if (c->user != NULL || line->value[0] == '\0')
			return at_line(name, line, "expected one user", why);
		c->user = line->value;
		return 0;
	}
	if (line->section == NULL && strcmp(line->key, "mechanisms") == 0)
		return set_mechanisms(name, line, c, why);
	if (line->section == NULL &&
	    (strcmp(line->key, "password") == 0 || strcmp(line->key, "password-command") == 0 ||
		strcmp(line->key, "token-command") == 0))
		return set_secret(name, line, arena, c, why);
	return at_line(name, line,
	    "expected user, password, password-command, token-command or mechanisms", why);
}

int
credentials_parse(const char *name, struct slice text, struct arena *arena,
    struct credentials *credentials_r, struct fail *why)
{
	struct credentials *c = credentials_r;
	struct conf conf;

	*c = (struct credentials){ .mechanisms = AUTH_ALL };
	if (conf_parse(name, text, arena, &conf, why) != 0) {
		if (why != NULL)
			why->code = FAIL_CREDENTIALS;
		return -1;
	}
	for (size_t i = 0; i < conf.n; i++)
		if (set_line(name, &conf.v[i], arena, c, why) != 0)
			return -1;
	if (c->user == NULL || (c->password == NULL && c->command == NULL))
		return fail_set(why, FAIL_CREDENTIALS,
		    "%s: expected \"user = NAME\", and password, password-command or token-command",
		    name);
	/* what no mechanism can carry (RFC 4616 s2, RFC 7628 s3.1) */
	for (const char *p = c->user; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return fail_set(
			    why, FAIL_CREDENTIALS, "%s: control character in the user", name);
	if ((c->mechanisms & (c->token ? AUTH_TOKEN : AUTH_ALL & ~AUTH_TOKEN)) == 0)
		return fail_set(why, FAIL_CREDENTIALS, "%s: none of the mechanisms takes a %s",
		    name, c->token ? "token" : "password");
	return 0;
}

/* --- the file ---------------------------------------------------------------------------------------- */

/* DECISIONS A8. Pure but for the group's number. */
static int
check_mode(const char *path, const struct stat *st, struct fail *why)
{
	struct group *group;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return fail_set(why, FAIL_CREDENTIALS, "%s: belongs to another user", path);
	if ((st->st_mode & S_IRWXO) != 0)
		return fail_set(why, FAIL_CREDENTIALS,
		    "%s: others may use it (mode %03o): expected mode 600", path,
		    (unsigned)st->st_mode & 0777);
	if ((st->st_mode & S_IRWXG) == 0)
		return 0;
	group = getgrnam("mxtls");
	if (group == NULL || group->gr_gid != st->st_gid || (st->st_mode & S_IWGRP) != 0)
		return fail_set(why, FAIL_CREDENTIALS,
		    "%s: its group may use it (mode %03o): expected mode 600", path,
		    (unsigned)st->st_mode & 0777);
	return 0;
}

int
credentials_read(
    const char *path, size_t max_bytes, struct arena *arena, struct slice *text_r, struct fail *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = arena_alloc(arena, max_bytes);
	size_t n = 0;
	ssize_t got = 1;
	struct stat st;
	int ret = 0;

	if (fd < 0 || fstat(fd, &st) != 0)
		ret = fail_errno(why, FAIL_CREDENTIALS, "cannot read %s", path);
	else if (!S_ISREG(st.st_mode))
		ret = fail_set(why, FAIL_CREDENTIALS, "%s: is no file", path);
	else
		ret = check_mode(path, &st, why);
	while (ret == 0 && got > 0 && n < max_bytes) {
		got = read(fd, text + n, max_bytes - n);
		if (got > 0)
			n += (size_t)got;
	}
	if (ret == 0 && got < 0)
		ret = fail_errno(why, FAIL_CREDENTIALS, "cannot read %s", path);
	else if (ret == 0 && n == max_bytes)
		ret = fail_set(why, FAIL_CREDENTIALS, "%s: %zu bytes or more", path, max_bytes);
	if (fd >= 0)
		close(fd);
	*text_r = slice_make(text, n);
	return ret;
}

int
credentials_load(
    const char *path, struct arena *arena, struct credentials *credentials_r, struct fail *why)
{
	struct slice text;

	if (credentials_read(path, LIMIT_SECRET_BYTES, arena, &text, why) != 0)
		return -1;
	return credentials_parse(arena_strdup(arena, path), text, arena, credentials_r, why);
}

/* --- the command -------------------------------------------------------------------------------------- */

/* All that a child writes, up to n bytes; its end or -1. */
static ssize_t
read_output(int fd, char *out, size_t n, int64_t deadline, struct fail *why)
{
	size_t done = 0;
	ssize_t got;

	do {
		got = socket_read(fd, out + done, n - done, deadline, why);
		if (got > 0)
			done += (size_t)got;
	} while (got > 0 && done < n);
	return got < 0 ? -1 : (ssize_t)done;
}

static int
judge_output(const char *program, int status, struct slice text, struct arena *arena,
    const char **secret_r, struct fail *why)
{
	size_t end = slice_find(text, '\n');

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail_set(why, FAIL_CREDENTIALS, "%s ended with status %d", program,
		    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	text = slice_sub(text, 0, end);
	if (text.n > 0 && text.p[text.n - 1] == '\r')
		text.n--;
	if (text.n == 0 || text.n >= LIMIT_SECRET_BYTES || memchr(text.p, '\0', text.n) != NULL)
		return fail_set(why, FAIL_CREDENTIALS,
		    "%s printed no secret: expected one line of text", program);
	*secret_r = arena_slice(arena, text);
	return 0;
}

static int
run_command(const struct credentials *c, struct arena *arena, const char **secret_r,
    int64_t deadline, struct fail *why)
{
	/* DECISIONS A6 */
	char *environment[] = { (char *)(uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin",
		(char *)(uintptr_t) "LC_ALL=C", NULL, NULL };
	const char *home = secure_getenv("HOME");
	char *out = arena_alloc(arena, LIMIT_SECRET_BYTES);
	struct child child;
	int fds[2], status = 0;

	if (home != NULL)
		environment[2] = arena_printf(arena, "HOME=%s", home);
	if (pipe2(fds, O_CLOEXEC) != 0)
		return fail_errno(why, FAIL_OS, "pipe");
	int ret = socket_nonblocking(fds[0], why);
	if (ret == 0)
		ret = child_exec(&child, (char *const *)(uintptr_t)c->command, environment, -1,
		    fds[1], STDERR_FILENO, why);
	close(fds[1]);
	if (ret == 0) {
		ssize_t n = read_output(fds[0], out, LIMIT_SECRET_BYTES, deadline, why);
		if (n < 0)
			child_kill(&child, SIGKILL);
		/* one that has closed its output and stays is stopped, too */
		if (child_wait(&child, &status, n < 0 ? DEADLINE_NEVER : deadline, why) != 0) {
			child_kill(&child, SIGKILL);
			child_wait(&child, &status, DEADLINE_NEVER, NULL);
			n = -1;
		}
		ret = n < 0 ? fail_prefix(why, "%s", c->command[0])
			    : judge_output(c->command[0], status, slice_make(out, (size_t)n), arena,
				  secret_r, why);
	}
	close(fds[0]);
	explicit_bzero(out, LIMIT_SECRET_BYTES);
	return ret;
}

int
credentials_secret(const struct credentials *credentials, struct arena *arena,
    const char **secret_r, int64_t deadline, struct fail *why)
{
	int64_t most = clock_deadline(COMMAND_MS);

	if (credentials->password != NULL) {
		*secret_r = credentials->password;
		return 0;
	}
	return run_command(credentials, arena, secret_r, deadline < most ? deadline : most, why);
}

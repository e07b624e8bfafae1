/*
 * The proof of sandbox.h: a child goes in and tries. Nothing that it tries does harm where the
 * sandbox fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "io/child.h"
#include "io/sandbox.h"

#define CHECK_MS 10000

struct trial {
	const char *what;
	bool (*prevented)(const struct sandbox *sandbox);
	bool (*wanted)(const struct sandbox *sandbox); /* NULL: always */
	const char *part;                              /* of sandbox_lacks */
};

static bool
refused(int result)
{
	return result < 0 && (errno == EPERM || errno == EACCES);
}

static bool
read_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	bool held = refused(fd);

	if (fd >= 0)
		close(fd);
	return held;
}

static bool
write_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	/* everybody may write there; not created: O_TMPFILE has no name. /tmp may be for messages on their way */
	const char *dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	bool held = refused(fd);

	if (fd >= 0)
		close(fd);
	return held;
}

static bool
make_file(int dir)
{
	int fd = dir < 0 ? -1
			 : openat(dir, ".mxtls-self-check", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			       0600);

	if (fd < 0)
		return false;
	close(fd);
	return unlinkat(dir, ".mxtls-self-check", 0) == 0;
}

static bool
own_files_work(const struct sandbox *sandbox)
{
	bool work = true;

	for (size_t i = 0; i < sandbox->dirs_n; i++) {
		int dir = open(sandbox->dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		work &= make_file(dir);
		if (dir >= 0)
			close(dir);
	}
	for (size_t i = 0; i < sandbox->dir_fds_n; i++)
		work &= make_file(sandbox->dir_fds[i]);
	return work;
}

static bool
program_prevented(const struct sandbox *sandbox)
{
	char name[] = "true", *const argv[] = { name, NULL }, *const envp[] = { NULL };

	(void)sandbox;
	return refused(execve("/bin/true", argv, envp));
}

static bool
fork_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return refused((int)pid);
}

static bool
socket_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool held = refused(fd);

	if (fd >= 0)
		close(fd);
	return held;
}

static bool
trace_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	return refused((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static bool
root_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	return setuid(0) != 0 && geteuid() != 0;
}

static bool
privileges_prevented(const struct sandbox *sandbox)
{
	(void)sandbox;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool
no_programs(const struct sandbox *sandbox)
{
	return !sandbox->programs;
}

static bool
no_processes(const struct sandbox *sandbox)
{
	return !sandbox->processes && !sandbox->programs;
}

static bool
no_sockets(const struct sandbox *sandbox)
{
	return !sandbox->sockets && !sandbox->programs;
}

static bool
has_dirs(const struct sandbox *sandbox)
{
	return sandbox->dirs_n + sandbox->dir_fds_n > 0;
}

/* Running a program ends the child where it is not prevented: last. */
static const struct trial trials[] = {
	{ "no privileges by setuid programs", privileges_prevented, NULL, "" },
	{ "no way to become root", root_prevented, NULL, "user" },
	{ "no file of others is read", read_prevented, no_programs, "landlock" },
	{ "no file is made elsewhere", write_prevented, no_programs, "landlock" },
	{ "files of the delivery can be made", own_files_work, has_dirs, "" },
	{ "no new socket", socket_prevented, no_sockets, "seccomp" },
	{ "no other process is looked into", trace_prevented, NULL, "seccomp" },
	{ "no new process", fork_prevented, no_processes, "seccomp" },
	{ "no program is run", program_prevented, no_programs, "seccomp" },
};
#define TRIALS (sizeof(trials) / sizeof(trials[0]))

/* What the child has to say; a whole one fits into the pipe. */
struct findings {
	struct fail why;
	struct sandbox_lacks lacks;
	size_t tried;
	bool held[TRIALS];
};

struct check {
	const struct sandbox *sandbox;
	const struct user *user;
	int fd;
};

static bool
is_wanted(const struct trial *trial, const struct sandbox *sandbox)
{
	return trial->wanted == NULL || trial->wanted(sandbox);
}

static int
check_child(void *arg)
{
	const struct check *check = arg;
	struct findings f = { .tried = 0 };

	if ((check->user != NULL && user_become(check->user, NULL, &f.why) != 0) ||
	    sandbox_enter(check->sandbox, &f.lacks, &f.why) != 0) {
		if (write(check->fd, &f, sizeof(f)) < 0)
			return 2;
		return 1;
	}
	for (size_t i = 0; i < TRIALS; i++) {
		/* told before: a program that is run tells no more */
		f.tried = i + 1;
		if (i + 1 == TRIALS && write(check->fd, &f, sizeof(f)) < 0)
			return 2;
		f.held[i] =
		    !is_wanted(&trials[i], check->sandbox) || trials[i].prevented(check->sandbox);
	}
	return write(check->fd, &f, sizeof(f)) < 0 ? 2 : 0;
}

static const char *
lack_of(const struct findings *f, const struct check *check, const char *part)
{
	for (size_t i = 0; part[0] != '\0' && i < f->lacks.n; i++)
		if (strncmp(f->lacks.text[i], part, strlen(part)) == 0)
			return f->lacks.text[i];
	if (strcmp(part, "user") == 0 && check->user == NULL && geteuid() == 0)
		return "it runs as root";
	return NULL;
}

int
sandbox_check(const struct sandbox *sandbox, const struct user *user, sandbox_tell_fn *tell,
    void *ctx, struct fail *why)
{
	struct check check = { sandbox, user, -1 };
	struct findings f;
	struct child child;
	int fds[2], status, bad = 0;

	memset(&f, 0, sizeof(f));
	if (pipe2(fds, O_CLOEXEC) != 0)
		return fail_errno(why, FAIL_OS, "pipe");
	check.fd = fds[1];
	int keep[16] = { fds[1] };
	size_t keep_n = 1;
	for (size_t i = 0; i < sandbox->dir_fds_n && keep_n < 16; i++)
		keep[keep_n++] = sandbox->dir_fds[i];
	int forked = child_fork(&child, check_child, &check, keep, keep_n, why);
	close(fds[1]);
	/* the last that was written is the whole of it */
	ssize_t n = 0;
	for (struct findings next;
	     forked == 0 && (n = read(fds[0], &next, sizeof(next))) == (ssize_t)sizeof(next);)
		f = next;
	close(fds[0]);
	if (forked != 0 || child_wait(&child, &status, clock_deadline(CHECK_MS), why) != 0)
		return -1;
	if (f.why.code != FAIL_NONE) {
		*why = f.why;
		return -1;
	}
	if (f.tried < TRIALS)
		return fail_set(why, FAIL_OS, "the check of the sandbox died");
	for (size_t i = 0; i < TRIALS; i++) {
		if (!is_wanted(&trials[i], sandbox))
			continue;
		tell(ctx, trials[i].what, f.held[i],
		    f.held[i] ? NULL : lack_of(&f, &check, trials[i].part));
		bad += !f.held[i];
	}
	return bad;
}

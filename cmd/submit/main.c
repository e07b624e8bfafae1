#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/queue/system_paths.h"
#include "base/limits.h"
#include "submit.h"

#define REPLY_MS \
	(10 * 60 * 1000) /* -odi: a first try takes at most that, or is waited for no longer */
#define LIST_MS 30000

#ifdef SANITIZED
/* LeakSanitizer cannot look into a setgid program; what the environment says does not reach it either. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

volatile int submit_stopped;
static const char *name = "mxtls-submit";

int
submit_fail(const struct fail *why)
{
	fprintf(stderr, "%s: %s\n", name, why->text);
	/* nothing is stored, and later there may be room (DECISIONS E31) */
	if (why->code == FAIL_STORAGE_FULL)
		return EX_TEMPFAIL;
	return fail_info(why->code)->exit_status;
}

/* --- before anything else ---------------------------------------------------------------------------- */

static void
on_stop(int signo)
{
	(void)signo;
	submit_stopped = 1;
}

/* What our caller set may be meant to hurt. HUP and INT stay ignored where they were (nohup). */
static void
reset_signals(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction stop = { .sa_handler = on_stop }, ignore = { .sa_handler = SIG_IGN }, old;
	sigset_t none;

	alarm(0);
	for (int signo = 1; signo < NSIG; signo++)
		if (signo != SIGINT && signo != SIGHUP)
			signal(signo, SIG_DFL);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		if (sigaction(stops[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(stops[i], &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 to 2 are open, and nothing else: callers leak descriptors, and then wait for their end. */
static int
reset_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
		return 0;
	/* before Linux 5.9 */
	long max = sysconf(_SC_OPEN_MAX);
	for (int fd = 3; fd < (max > 0 ? max : 1024); fd++)
		close(fd);
	return 0;
}

static void
reset_limits(void)
{
	struct rlimit limit = { 0, 0 };

	setrlimit(RLIMIT_CORE, &limit);
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_FSIZE, &limit);
	}
}

/* Of the environment only what says who and where somebody is, for the mxtls that we may run; PATH is ours. */
static int
reset_environment(void)
{
	static const char *const keep[] = { "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE",
		"TERM" };
	enum { N = sizeof(keep) / sizeof(keep[0]) };
	char *values[N];

	for (size_t i = 0; i < N; i++) {
		const char *value = getenv(keep[i]);
		values[i] = value != NULL && strlen(value) < PATH_MAX ? strdup(value) : NULL;
	}
	if (clearenv() != 0 || setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1) != 0)
		return -1;
	for (size_t i = 0; i < N; i++) {
		if (values[i] != NULL && setenv(keep[i], values[i], 1) != 0)
			return -1;
		free(values[i]);
	}
	return 0;
}

/* --- what is mxtls's ---------------------------------------------------------------------------------- */

/* PREFIX/bin/mxtls of PREFIX/libexec/mxtls-submit. Whoever made another name for us gets his own program, with his own rights. */
static int
find_mxtls(char path[PATH_MAX])
{
	static const char below[] = "/bin/mxtls";
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(below));

	if (n <= 0)
		return -1;
	path[n] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL)
			return -1;
		*slash = '\0';
	}
	memcpy(path + strlen(path), below, sizeof(below));
	return 0;
}

/* For good: the saved one, too. */
static int
drop_group(void)
{
	gid_t real = getgid(), r, e, s;

	if (setresgid(real, real, real) != 0 || getresgid(&r, &e, &s) != 0)
		return -1;
	return r == real && e == real && s == real ? 0 : -1;
}

/* mxtls, by our name, does it with the rights of its caller alone. mode: the letters of ours that say what. */
static int
become_mxtls(char *mode, int argc, char **argv)
{
	static char self[] = "mxtls-submit";
	char path[PATH_MAX];
	char **words = calloc((size_t)argc + 2, sizeof(*words));
	struct fail why;

	if (words == NULL || drop_group() != 0)
		fail_errno(&why, FAIL_OS, "dropping the group");
	else if (find_mxtls(path) != 0)
		fail_errno(&why, FAIL_OS, "where mxtls is");
	else {
		words[0] = self;
		words[1] = mode;
		for (int i = 1; i < argc; i++)
			words[i + 1] = argv[i];
		signal(SIGPIPE, SIG_DFL);
		signal(SIGXFSZ, SIG_DFL);
		umask(022);
		execv(path, words);
		fail_errno(&why, FAIL_OS, "%s", path);
	}
	free(words);
	return submit_fail(&why);
}

/* Whoever owns the queue, and root, may see all of it. */
static bool
is_manager(void)
{
	struct stat st;

	return getuid() == 0 || (stat(SYSTEM_SPOOL, &st) == 0 && getuid() == st.st_uid);
}

/* --- what is ours ------------------------------------------------------------------------------------- */

static void
note(struct submission *s, struct arena *arena, const char *text)
{
	if (s->args.ignored.n < LIMIT_SUBMISSION_NOTES)
		strs_add(&s->args.ignored, arena, text);
}

static void
note_ignored(struct submission *s, struct arena *arena)
{
	struct strs options = s->args.ignored;

	s->args.ignored = (struct strs){ 0 };
	for (size_t i = 0; i < options.n; i++)
		note(s, arena, arena_printf(arena, "option %.100s ignored", options.v[i]));
}

static int
send_message(struct submission *s, bool ignore_dots, struct fail *why)
{
	struct submit_spool spool;
	int status = -1;

	if (!s->args.from_headers && s->args.operands.n == 0)
		return fail_set(why, FAIL_NO_RECIPIENT, "no recipient: expected addresses, or -t");
	if (submit_spool_open(&spool, why) != 0)
		return -1;
	s->reply = s->args.when == SENDMAIL_NOW || s->args.verbose;
	if (submit_store(&spool, s, ignore_dots, why) == 0) {
		/* it is ours now: from here on the status is 0, or what the runner says */
		status = EX_OK;
		char what = s->args.when == SENDMAIL_QUEUE_ONLY && !s->args.verbose
				? 0
				: SYSTEM_WAKE_INCOMING;
		if (submit_wake(&spool, what) == SUBMIT_RUNNER_ABSENT)
			submit_warn_no_runner(&spool, s->id);
		else if (s->reply)
			status = submit_wait(&spool, STDERR_FILENO, REPLY_MS);
		if (status < 0)
			status = EX_OK;
	}
	submit_spool_close(&spool);
	return status;
}

static int
list(struct submission *s, struct fail *why)
{
	struct submit_spool spool;
	int status = -1;

	if (submit_spool_open(&spool, why) != 0)
		return -1;
	s->kind = SUBMISSION_LIST;
	s->reply = true;
	s->args = (struct sendmail_args){ .mode = SENDMAIL_SEND };
	if (submit_wake(&spool, 0) == SUBMIT_RUNNER_ABSENT)
		fail_set(why, FAIL_TIMEOUT,
		    "the runner of the queue, whom we would ask, is not there: see "
		    "systemctl status mxtls-queue");
	else if (submit_store(&spool, s, true, why) == 0) {
		submit_wake(&spool, SYSTEM_WAKE_INCOMING);
		status = submit_wait(&spool, STDOUT_FILENO, LIST_MS);
		if (status < 0)
			fail_set(why, FAIL_TIMEOUT, "the runner of the queue does not answer");
	}
	submit_spool_close(&spool);
	return status;
}

static int
run(struct fail *why)
{
	struct submit_spool spool;

	if (submit_spool_open(&spool, why) != 0)
		return -1;
	submit_wake(&spool, SYSTEM_WAKE_ASKED);
	submit_spool_close(&spool);
	return EX_OK;
}

static int
act(struct submission *s, struct arena *arena, int argc, char **argv, struct fail *why)
{
	static char alias[] = "-bi", verify[] = "-bv", smtp[] = "-bs", mailq[] = "-bp",
		    runq[] = "-q", help[] = "--help";
	bool ignore_dots = s->args.ignore_dots;

	switch (s->args.mode) {
	case SENDMAIL_VERSION:
		printf("mxtls %s\n", MXTLS_VERSION);
		return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	case SENDMAIL_HELP:
		return become_mxtls(help, 1, argv);
	case SENDMAIL_ALIASES:
		return become_mxtls(alias, argc, argv);
	case SENDMAIL_VERIFY:
		return become_mxtls(verify, argc, argv);
	case SENDMAIL_SMTP:
		return become_mxtls(smtp, argc, argv);
	case SENDMAIL_LIST:
		return is_manager() ? become_mxtls(mailq, argc, argv) : list(s, why);
	case SENDMAIL_RUN:
		return is_manager() ? become_mxtls(runq, argc, argv) : run(why);
	case SENDMAIL_SEND:
		break;
	}
	note_ignored(s, arena);
	return send_message(s, ignore_dots, why);
}

int
main(int argc, char **argv)
{
	struct submission s = { .uid = (int64_t)getuid() };
	struct arena arena;
	struct fail why = { 0 };

	if (argc < 1 || reset_descriptors() != 0 || reset_environment() != 0)
		return EX_OSERR;
	umask(077);
	reset_signals();
	reset_limits();
	sendmail_name(argv[0], &name);
	arena_init(&arena);
	int status = sendmail_args_parse(name, argc, argv, &arena, &s.args, &why);
	if (status == 0)
		status = act(&s, &arena, argc, argv, &why);
	if (status < 0)
		status = submit_fail(&why);
	arena_free(&arena);
	return status;
}

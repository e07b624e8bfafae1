#include "io/sandbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
lacks_add(struct sandbox_lacks *lacks, const char *part, const char *reason)
{
	if (lacks->n < sizeof(lacks->text) / sizeof(lacks->text[0]))
		snprintf(lacks->text[lacks->n++], sizeof(lacks->text[0]), "%s: %s", part, reason);
}

#ifdef __linux__

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#include "base/library.h"

/* --- landlock: files ------------------------------------------------------------------------------ */

/* Newer than the headers of Debian 12; numbers are the kernel's interface. */
#define FS_REFER (UINT64_C(1) << 13)       /* interface 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)    /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)   /* 5 */
#define NET_TCP UINT64_C(3)                /* 4: bind and connect */
#define SCOPES UINT64_C(3)                 /* 6: abstract sockets and signals of others */
#define FS_FIRST ((UINT64_C(1) << 13) - 1) /* all of interface 1 */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)

struct ruleset { /* landlock_ruleset_attr, as of interface 6 */
	uint64_t fs, net, scoped;
};

static uint64_t
all_file_rights(long interface)
{
	return FS_FIRST | FS_REFER | (interface >= 3 ? FS_TRUNCATE : 0) |
	       (interface >= 5 ? FS_IOCTL_DEV : 0);
}

/* rights below an open folder, or of a file. */
static int
allow_fd(int ruleset, int fd, uint64_t rights, const char *name, struct fail *why)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) == 0)
		return 0;
	return fail_errno(why, FAIL_OS, "landlock: %s", name);
}

static int
allow_path(int ruleset, const char *path, uint64_t rights, struct fail *why)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(why, FAIL_OS, "landlock: cannot open %s", path);
	int ret = allow_fd(ruleset, fd, rights, path, why);
	close(fd);
	return ret;
}

static int
allow_paths(int ruleset, const struct sandbox *sandbox, long interface, struct fail *why)
{
	uint64_t all = all_file_rights(interface) & ~(FS_EXECUTE | FS_IOCTL_DEV);

	if (allow_path(ruleset, "/dev/null", FS_WRITE | FS_READ_FILE, why) != 0)
		return -1;
	for (size_t i = 0; i < sandbox->dirs_n; i++)
		if (allow_path(ruleset, sandbox->dirs[i], all, why) != 0)
			return -1;
	for (size_t i = 0; i < sandbox->dir_fds_n; i++)
		if (allow_fd(ruleset, sandbox->dir_fds[i], all, "open folder", why) != 0)
			return -1;
	return 0;
}

static int
restrict_files(const struct sandbox *sandbox, struct sandbox_lacks *lacks, struct fail *why)
{
	long interface =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	if (interface < 2) { /* the first cannot allow links between folders */
		lacks_add(lacks, "landlock",
		    interface == 1 ? "this kernel has only the first version of it"
				   : "this kernel has none, or it is switched off");
		return 0;
	}
	struct ruleset attr = { .fs = all_file_rights(interface),
		.net = interface >= 4 && !sandbox->sockets ? NET_TCP : 0,
		.scoped = interface >= 6 && !sandbox->processes ? SCOPES : 0 };
	/* as much of it as this interface knows */
	size_t size = interface >= 6 ? 24 : interface >= 4 ? 16 : 8;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0U);
	if (ruleset < 0)
		return fail_errno(why, FAIL_OS, "landlock");
	int ret = allow_paths(ruleset, sandbox, interface, why);
	if (ret == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0U) != 0)
		ret = fail_errno(why, FAIL_OS, "landlock");
	close(ruleset);
	return ret;
}

/* --- seccomp: system calls --------------------------------------------------------------------------- */

/* What only an intruder would want. */
static const char *const never[] = { "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
	"pidfd_getfd", "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount",
	"move_mount", "open_tree", "mount_setattr", "swapon", "swapoff", "reboot", "kexec_load",
	"kexec_file_load", "init_module", "finit_module", "delete_module", "bpf", "perf_event_open",
	"userfaultfd", "keyctl", "add_key", "request_key", "unshare", "setns", "open_by_handle_at",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "acct", "quotactl", "settimeofday",
	"clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "iopl",
	"ioperm", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
	"setfsuid", "setfsgid", NULL };
static const char *const of_programs[] = { "execve", "execveat", NULL };
static const char *const of_processes[] = { "fork", "vfork", "clone", "clone3", "socketpair",
	NULL };
static const char *const of_sockets[] = { "socket", "connect", "bind", "listen", NULL };

static __typeof__(seccomp_init) *filter_new;
static __typeof__(seccomp_rule_add_array) *filter_add;
static __typeof__(seccomp_load) *filter_load;
static __typeof__(seccomp_release) *filter_free;
static __typeof__(seccomp_syscall_resolve_name) *number_of;

/* 0 or -errno, like the library. */
static int
deny(scmp_filter_ctx filter, const char *const *names)
{
	for (; *names != NULL; names++) {
		int number = number_of(*names);
		/* another architecture, or an older library, does not know each of them */
		int added =
		    number < 0 ? 0 : filter_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0, NULL);
		if (added < 0 && added != -EDOM)
			return added;
	}
	return 0;
}

static int
deny_all(const struct sandbox *sandbox, scmp_filter_ctx filter)
{
	int result = deny(filter, never);

	if (result == 0 && !sandbox->programs)
		result = deny(filter, of_programs);
	if (result == 0 && !sandbox->processes && !sandbox->programs)
		result = deny(filter, of_processes);
	if (result == 0 && !sandbox->sockets && !sandbox->programs)
		result = deny(filter, of_sockets);
	return result;
}

static int
restrict_calls(const struct sandbox *sandbox, struct sandbox_lacks *lacks, struct fail *why)
{
	static const char *const files[] = { LIBRARY_FILE("libseccomp", "2"), NULL };
	static const struct library_function rows[] = { { "seccomp_init", &filter_new },
		{ "seccomp_rule_add_array", &filter_add }, { "seccomp_load", &filter_load },
		{ "seccomp_release", &filter_free },
		{ "seccomp_syscall_resolve_name", &number_of } };
	const char *wrong = library_open("libseccomp", files, rows, sizeof(rows) / sizeof(rows[0]));

	if (wrong == NULL && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		wrong = "this kernel has none";
	if (wrong != NULL) {
		lacks_add(lacks, "seccomp", wrong);
		return 0;
	}
	scmp_filter_ctx filter = filter_new(SCMP_ACT_ALLOW);
	int result = filter == NULL ? -ENOMEM : deny_all(sandbox, filter);
	if (result == 0)
		result = filter_load(filter);
	if (filter != NULL)
		filter_free(filter);
	errno = -result;
	if (result == -ENOSYS || result == -EINVAL)
		lacks_add(lacks, "seccomp", "this kernel takes no filter");
	else if (result != 0)
		return fail_errno(why, FAIL_OS, "seccomp");
	return 0;
}

int
sandbox_enter(const struct sandbox *sandbox, struct sandbox_lacks *lacks_r, struct fail *why)
{
	lacks_r->n = 0;
#ifdef SANITIZED
	/* in here it could not open the file of its reports, and would end the process instead */
	__sanitizer_set_report_path("stderr");
#endif
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail_errno(why, FAIL_OS, "no_new_privs");
	/* first the calls: afterwards no library can be opened */
	if (restrict_calls(sandbox, lacks_r, why) != 0)
		return -1;
	/* programs have files of their own, and would inherit it */
	return sandbox->programs ? 0 : restrict_files(sandbox, lacks_r, why);
}

#else

int
sandbox_enter(const struct sandbox *sandbox, struct sandbox_lacks *lacks_r, struct fail *why)
{
	(void)sandbox;
	(void)why;
	lacks_r->n = 0;
	lacks_add(lacks_r, "sandbox", "this system has no landlock and no seccomp");
	return 0;
}

#endif

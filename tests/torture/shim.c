/*
 * The torture shim (LD_PRELOAD): counts the I/O calls of a program and all of its children in shared memory,
 * and at the k-th of them does what TORTURE_ACTION says.
 *
 *   TORTURE_SHM=FILE   64 bytes, made by the caller: the counter, and the name of the first call that something was done to
 *   TORTURE_AT=K       0: only count
 *   TORTURE_ACTION     kill: kill -9 to every process of the PID namespace
 *                      freeze: the process stops there, and whoever sees the name kills all of them: where a
 *                      sandbox lets no process kill others
 *                      eio, enospc, eintr, emfile: the call fails so
 *                      short: it does half of what was asked for
 *                      full: from that call on every call that needs space fails with ENOSPC
 *
 *   TORTURE_CLOCK=FILE 8 bytes: so many seconds the wall clock is wrong by, also later on; it takes no I/O call
 *
 * An error that the call cannot have is not given: then nothing happens in this run.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* what a call may suffer */
#define CAN_INTR 1
#define CAN_SPACE 2
#define CAN_MFILE 4
#define CAN_SHORT 8

struct shared {
	uint64_t counter;
	char call[56];
};

static struct shared *shared;
static uint64_t at;
static int64_t *wrong_by;
static const char *action = ""; /* the program may clear its environment */

__attribute__((constructor)) static void
start(void)
{
	const char *shm = getenv("TORTURE_SHM"), *k = getenv("TORTURE_AT");

	const char *clock = getenv("TORTURE_CLOCK");
	if (clock != NULL) {
		int clock_fd = (int)syscall(SYS_openat, AT_FDCWD, clock, O_RDONLY | O_CLOEXEC);
		void *seconds = mmap(NULL, sizeof(*wrong_by), PROT_READ, MAP_SHARED, clock_fd, 0);
		syscall(SYS_close, clock_fd);
		if (seconds != MAP_FAILED)
			wrong_by = seconds;
	}
	if (getenv("TORTURE_ACTION") != NULL)
		action = getenv("TORTURE_ACTION");
	at = k == NULL ? 0 : strtoull(k, NULL, 10);
	int fd = shm == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, shm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	if (p != MAP_FAILED)
		shared = p;
}

static void
note(const char *call)
{
	if (shared->call[0] == '\0')
		strncpy(shared->call, call, sizeof(shared->call) - 1);
}

static int
give(const char *call, int error)
{
	note(call);
	errno = error;
	return -1;
}

/* 0: go on; -1: fail with errno; 1: do half. */
static int
strike(const char *call, int can)
{
	if (shared == NULL)
		return 0;
	uint64_t k = __atomic_add_fetch(&shared->counter, 1, __ATOMIC_SEQ_CST);
	if (at == 0 || k < at)
		return 0;
	if (strcmp(action, "full") == 0)
		return can & CAN_SPACE ? give(call, ENOSPC) : 0;
	if (k != at)
		return 0;
	if (strcmp(action, "kill") == 0) {
		note(call);
		kill(-1, SIGKILL);
		_exit(137);
	}
	if (strcmp(action, "freeze") == 0) {
		note(call);
		for (;;)
			syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	}
	if (strcmp(action, "eio") == 0)
		return give(call, EIO);
	if (strcmp(action, "enospc") == 0 && (can & CAN_SPACE))
		return give(call, ENOSPC);
	if (strcmp(action, "eintr") == 0 && (can & CAN_INTR))
		return give(call, EINTR);
	if (strcmp(action, "emfile") == 0 && (can & CAN_MFILE))
		return give(call, EMFILE);
	if (strcmp(action, "short") == 0 && (can & CAN_SHORT)) {
		note(call);
		return 1;
	}
	return 0;
}

#define REAL(name) \
	static __typeof__(name) *real; \
	if (real == NULL) \
	*(void **)&real = dlsym(RTLD_NEXT, #name)
#define STRIKE(name, can) \
	int struck = strike(#name, can); \
	if (struck < 0) \
	return -1
#define HALF(n) ((struck) > 0 && (n) > 1 ? (n) / 2 : (n))

int
open(const char *path, int flags, ...)
{
	va_list ap;
	REAL(open);
	va_start(ap, flags);
	mode_t mode = va_arg(ap, mode_t);
	va_end(ap);
	STRIKE(open, CAN_INTR | CAN_MFILE | (flags & O_CREAT ? CAN_SPACE : 0));
	return real(path, flags, mode);
}

int
openat(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	REAL(openat);
	va_start(ap, flags);
	mode_t mode = va_arg(ap, mode_t);
	va_end(ap);
	STRIKE(openat, CAN_INTR | CAN_MFILE | (flags & O_CREAT ? CAN_SPACE : 0));
	return real(dirfd, path, flags, mode);
}

int __openat_2(int dirfd, const char *path, int flags);
int
__openat_2(int dirfd, const char *path, int flags)
{
	return openat(dirfd, path, flags, 0);
}

int __open_2(const char *path, int flags);
int
__open_2(const char *path, int flags)
{
	return open(path, flags, 0);
}

ssize_t
read(int fd, void *data, size_t n)
{
	REAL(read);
	STRIKE(read, CAN_INTR | CAN_SHORT);
	return real(fd, data, HALF(n));
}

ssize_t __read_chk(int fd, void *data, size_t n, size_t size);
ssize_t
__read_chk(int fd, void *data, size_t n, size_t size)
{
	(void)size;
	return read(fd, data, n);
}

ssize_t
pread(int fd, void *data, size_t n, off_t offset)
{
	REAL(pread);
	STRIKE(pread, CAN_INTR | CAN_SHORT);
	return real(fd, data, HALF(n), offset);
}

ssize_t __pread_chk(int fd, void *data, size_t n, off_t offset, size_t size);
ssize_t
__pread_chk(int fd, void *data, size_t n, off_t offset, size_t size)
{
	(void)size;
	return pread(fd, data, n, offset);
}

ssize_t
write(int fd, const void *data, size_t n)
{
	REAL(write);
	STRIKE(write, CAN_INTR | CAN_SHORT | CAN_SPACE);
	return real(fd, data, HALF(n));
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t offset)
{
	REAL(pwrite);
	STRIKE(pwrite, CAN_INTR | CAN_SHORT | CAN_SPACE);
	return real(fd, data, HALF(n), offset);
}

ssize_t
recv(int fd, void *data, size_t n, int flags)
{
	REAL(recv);
	STRIKE(recv, CAN_INTR | CAN_SHORT);
	return real(fd, data, HALF(n), flags);
}

ssize_t __recv_chk(int fd, void *data, size_t n, size_t size, int flags);
ssize_t
__recv_chk(int fd, void *data, size_t n, size_t size, int flags)
{
	(void)size;
	return recv(fd, data, n, flags);
}

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
	REAL(send);
	STRIKE(send, CAN_INTR | CAN_SHORT);
	return real(fd, data, HALF(n), flags);
}

ssize_t
sendfile(int out, int in, off_t *offset, size_t n)
{
	ssize_t (*real)(int, int, off_t *, size_t);
	*(void **)&real = dlsym(RTLD_NEXT, "sendfile");
	STRIKE(sendfile, CAN_INTR | CAN_SHORT | CAN_SPACE);
	return real(out, in, offset, HALF(n));
}

int
fsync(int fd)
{
	REAL(fsync);
	STRIKE(fsync, CAN_SPACE | CAN_INTR);
	return real(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	STRIKE(fdatasync, CAN_SPACE | CAN_INTR);
	return real(fd);
}

int
ftruncate(int fd, off_t length)
{
	REAL(ftruncate);
	STRIKE(ftruncate, CAN_INTR);
	return real(fd, length);
}

int
fallocate(int fd, int mode, off_t offset, off_t length)
{
	REAL(fallocate);
	STRIKE(fallocate, CAN_INTR | CAN_SPACE);
	return real(fd, mode, offset, length);
}

int
renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	REAL(renameat2);
	STRIKE(renameat2, CAN_SPACE);
	return real(a, from, b, to, flags);
}

int
renameat(int a, const char *from, int b, const char *to)
{
	REAL(renameat);
	STRIKE(renameat, CAN_SPACE);
	return real(a, from, b, to);
}

int
linkat(int a, const char *from, int b, const char *to, int flags)
{
	REAL(linkat);
	STRIKE(linkat, CAN_SPACE);
	return real(a, from, b, to, flags);
}

int
unlinkat(int dirfd, const char *path, int flags)
{
	REAL(unlinkat);
	STRIKE(unlinkat, 0);
	return real(dirfd, path, flags);
}

int
mkdirat(int dirfd, const char *path, mode_t mode)
{
	REAL(mkdirat);
	STRIKE(mkdirat, CAN_SPACE);
	return real(dirfd, path, mode);
}

int
mkdir(const char *path, mode_t mode)
{
	REAL(mkdir);
	STRIKE(mkdir, CAN_SPACE);
	return real(path, mode);
}

int
flock(int fd, int operation)
{
	int (*real)(int, int);
	*(void **)&real = dlsym(RTLD_NEXT, "flock");
	STRIKE(flock, CAN_INTR);
	return real(fd, operation);
}

int
fcntl(int fd, int command, ...)
{
	va_list ap;
	REAL(fcntl);
	va_start(ap, command);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	if (command == F_OFD_SETLK || command == F_OFD_SETLKW) {
		STRIKE(fcntl, CAN_INTR);
		(void)struck;
	}
	return real(fd, command, arg);
}

int
fstat(int fd, struct stat *st)
{
	REAL(fstat);
	STRIKE(fstat, 0);
	return real(fd, st);
}

int
socket(int family, int type, int protocol)
{
	REAL(socket);
	STRIKE(socket, CAN_MFILE);
	return real(family, type, protocol);
}

int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
	REAL(connect);
	STRIKE(connect, CAN_INTR);
	return real(fd, to, n);
}

int
clock_gettime(clockid_t which, struct timespec *now)
{
	int ret = (int)syscall(SYS_clock_gettime, which, now);

	if (ret == 0 && which == CLOCK_REALTIME && wrong_by != NULL)
		now->tv_sec += *(volatile int64_t *)wrong_by;
	return ret;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

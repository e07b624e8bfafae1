#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* The fail code of a connect(2) errno. */
static enum fail_code
connect_code(int errnum)
{
	switch (errnum) {
	case ECONNREFUSED:
	case ECONNRESET:
		return FAIL_CONNECT_REFUSED;
	case ETIMEDOUT:
		return FAIL_CONNECT_TIMEOUT;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
	case ENETDOWN:
	case EACCES:
	case EPERM:
		return FAIL_CONNECT_UNREACHABLE;
	default:
		return FAIL_OS;
	}
}

static int
connect_failed(int fd, int errnum, const char *text, struct fail *why)
{
	if (fd >= 0)
		close(fd);
	errno = errnum;
	return fail_errno(why, connect_code(errnum), "connecting to %s", text);
}

/* connect(2) said EINPROGRESS. Returns fd or -1, and then fd is closed. */
static int
connect_finish(int fd, const char *text, int64_t deadline, struct fail *why)
{
	int error = 0;
	socklen_t len = sizeof(error);
	struct fail wait_why;

	if (io_wait(fd, IO_WRITE, deadline, &wait_why) != 0) {
		close(fd);
		if (wait_why.code == FAIL_TIMEOUT)
			return fail_set(
			    why, FAIL_CONNECT_TIMEOUT, "connecting to %s: no answer in time", text);
		if (why != NULL)
			*why = wait_why;
		return fail_prefix(why, "connecting to %s", text);
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	return error == 0 ? fd : connect_failed(fd, error, text, why);
}

int
socket_connect_unix(const char *path, int64_t deadline, struct fail *why)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (n >= sizeof(sa.sun_path))
		return fail_set(why, FAIL_USAGE, "%s: a socket's path has at most %zu bytes", path,
		    sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return connect_failed(fd, errno, path, why);
	/* a full backlog is EAGAIN, and nothing tells when it has room: the next try will see */
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	if (errno == ENOENT || errno == EAGAIN)
		errno = ECONNREFUSED;
	return errno == EINPROGRESS ? connect_finish(fd, path, deadline, why)
				    : connect_failed(fd, errno, path, why);
}

int
socket_connect(const struct addr *to, const struct addr *source, int64_t deadline, struct fail *why)
{
	char text[ADDR_TEXT_BYTES];
	int one = 1;

	addr_str(to, text);
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return connect_failed(fd, errno, text, why);
	if (source != NULL && bind(fd, (const struct sockaddr *)&source->sa, source->len) != 0)
		return connect_failed(fd, errno, text, why);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&to->sa, to->len) == 0)
		return fd;
	if (errno != EINPROGRESS)
		return connect_failed(fd, errno, text, why);
	return connect_finish(fd, text, deadline, why);
}

int
socket_listen(const struct addr *at, int backlog, struct addr *bound_r, struct fail *why)
{
	char text[ADDR_TEXT_BYTES];
	int one = 1;

	addr_str(at, text);
	int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno(why, FAIL_LISTEN, "cannot listen on %s", text);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&at->sa, at->len) != 0 || listen(fd, backlog) != 0) {
		bool denied = errno == EACCES || errno == EPERM;
		fail_errno(
		    why, denied ? FAIL_PERMISSION : FAIL_LISTEN, "cannot listen on %s", text);
		close(fd);
		return -1;
	}
	if (bound_r != NULL) {
		*bound_r = *at;
		bound_r->len = sizeof(bound_r->sa);
		if (getsockname(fd, (struct sockaddr *)&bound_r->sa, &bound_r->len) != 0)
			*bound_r = *at;
	}
	return fd;
}

bool
socket_source(const struct addr *to, struct addr *source_r)
{
	int fd = socket(to->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	memset(source_r, 0, sizeof(*source_r));
	source_r->len = sizeof(source_r->sa);
	ok = fd >= 0 && connect(fd, (const struct sockaddr *)&to->sa, to->len) == 0 &&
	     getsockname(fd, (struct sockaddr *)&source_r->sa, &source_r->len) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
socket_peer(int fd, struct addr *peer_r)
{
	peer_r->len = sizeof(peer_r->sa);
	if (getpeername(fd, (struct sockaddr *)&peer_r->sa, &peer_r->len) != 0)
		return false;
	addr_unmap(peer_r);
	return peer_r->sa.ss_family == AF_INET || peer_r->sa.ss_family == AF_INET6;
}

int
socket_accept(int listen_fd, struct addr *peer_r, int64_t deadline, struct fail *why)
{
	int one = 1;

	for (;;) {
		peer_r->len = sizeof(peer_r->sa);
		int fd = accept4(listen_fd, (struct sockaddr *)&peer_r->sa, &peer_r->len,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			addr_unmap(peer_r);
			return fd;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (io_wait(listen_fd, IO_READ, deadline, why) != 0)
				return -1;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return fail_errno(why, FAIL_OS, "accept");
		}
	}
}

ssize_t
socket_read(int fd, void *data, size_t n, int64_t deadline, struct fail *why)
{
	for (;;) {
		ssize_t got = read(fd, data, n);
		if (got >= 0)
			return got;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (io_wait(fd, IO_READ, deadline, why) != 0)
				return -1;
		} else if (errno == ECONNRESET) {
			return fail_errno(why, FAIL_EOF, "connection lost");
		} else if (errno != EINTR) {
			return fail_errno(why, FAIL_IO, "read");
		}
	}
}

int
socket_write(int fd, const void *data, size_t n, int64_t deadline, struct fail *why)
{
	const char *p = data;

	while (n > 0) {
		ssize_t put = write(fd, p, n);
		if (put >= 0) {
			p += put;
			n -= (size_t)put;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (io_wait(fd, IO_WRITE, deadline, why) != 0)
				return -1;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return fail_errno(why, FAIL_EOF, "connection lost");
		} else if (errno != EINTR) {
			return fail_errno(why, FAIL_IO, "write");
		}
	}
	return 0;
}

void
socket_close_lingering(int fd)
{
	char sink[4096];
	size_t total = 0;
	int64_t deadline = clock_deadline(2000);

	shutdown(fd, SHUT_WR);
	while (total < 64 * 1024) {
		ssize_t got = socket_read(fd, sink, sizeof(sink), deadline, NULL);
		if (got <= 0)
			break;
		total += (size_t)got;
	}
	close(fd);
}

int
socket_nonblocking(int fd, struct fail *why)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return fail_errno(why, FAIL_OS, "cannot set descriptor %d non-blocking", fd);
	return 0;
}

unsigned
socket_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	return limit.rlim_cur > 1000000 ? 1000000 : (unsigned)limit.rlim_cur;
}

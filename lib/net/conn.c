#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/io.h"
#include "io/socket.h"

#define READ_CHUNK 4096
#define WRITE_HIGH_WATER 16384 /* one TLS record */

struct conn {
	int in_fd, out_fd;
	struct tls *tls; /* NULL: plain; never changes */
	struct buf in;   /* bytes before pos are consumed, dropped at the next read */
	size_t pos;
	struct buf out;
	size_t turn_bytes; /* read since other fibers had their turn */
	conn_trace_fn *trace;
	void *trace_ctx;
};

static struct conn *
conn_new(int in_fd, int out_fd, struct tls *tls)
{
	struct conn *conn = mem_alloc(sizeof(*conn));

	conn->in_fd = in_fd;
	conn->out_fd = out_fd;
	conn->tls = tls;
	buf_init(&conn->in, LIMIT_CONN_READ_BYTES);
	buf_init(&conn->out, WRITE_HIGH_WATER + LIMIT_CONN_READ_BYTES);
	return conn;
}

struct conn *
conn_plain(int fd)
{
	return conn_new(fd, fd, NULL);
}

struct conn *
conn_plain_pair(int in_fd, int out_fd)
{
	return conn_new(in_fd, out_fd, NULL);
}

struct conn *
conn_tls(int fd, struct tls *tls)
{
	return conn_new(fd, fd, tls);
}

static void
conn_free(struct conn *conn)
{
	tls_free(conn->tls);
	buf_free(&conn->in);
	buf_free(&conn->out);
	free(conn);
}

void
conn_close(struct conn *conn)
{
	if (conn == NULL)
		return;
	if (conn->tls != NULL)
		tls_close_notify(conn->tls);
	close(conn->in_fd);
	if (conn->out_fd != conn->in_fd)
		close(conn->out_fd);
	conn_free(conn);
}

void
conn_drop(struct conn *conn)
{
	close(conn->in_fd);
	if (conn->out_fd != conn->in_fd)
		close(conn->out_fd);
	conn_free(conn);
}

void
conn_close_lingering(struct conn *conn, int64_t deadline)
{
	if (conn == NULL)
		return;
	if (conn->tls != NULL)
		tls_write_last(conn->tls, conn->out.data, conn->out.len, deadline, NULL);
	else
		conn_flush(conn, deadline, NULL);
	int in_fd = conn->in_fd, out_fd = conn->out_fd;
	/* a slow peer keeps the socket only, not the session and its buffers */
	conn_free(conn);
	if (out_fd != in_fd) {
		close(out_fd);
		close(in_fd);
	} else {
		socket_close_lingering(in_fd);
	}
}

bool
conn_is_tls(const struct conn *conn)
{
	return conn->tls != NULL;
}

struct tls *
conn_tls_session(struct conn *conn)
{
	return conn->tls;
}

void
conn_set_trace(struct conn *conn, conn_trace_fn *fn, void *ctx)
{
	conn->trace = fn;
	conn->trace_ctx = ctx;
}

/* --- reading ------------------------------------------------------------------------------------ */

static void
conn_drop_consumed(struct conn *conn)
{
	buf_consume(&conn->in, conn->pos);
	conn->pos = 0;
}

/*
 * A peer that always has more for us goes back to the loop now and then, so that it holds up no other
 * fiber and outlives no deadline: a read that finds bytes waits for nothing and looks at no clock.
 */
static int
conn_turn(struct conn *conn, int64_t deadline, struct fail *why)
{
	if (conn->turn_bytes < LIMIT_CONN_TURN_BYTES)
		return 0;
	conn->turn_bytes = 0;
	return io_yield(deadline, why);
}

/* Read once more behind what is there (the caller made room): bytes read, or -1. */
static int
conn_fill(struct conn *conn, size_t room, int64_t deadline, struct fail *why)
{
	char *to = buf_reserve(&conn->in, room);
	ssize_t got;

	if (to == NULL)
		return fail_set(why, FAIL_LINE_TOO_LONG, NULL);
	if (conn_turn(conn, deadline, why) != 0)
		return -1;
	if (conn->tls != NULL)
		got = tls_read(conn->tls, to, room, deadline, why);
	else
		got = socket_read(conn->in_fd, to, room, deadline, why);
	if (got < 0)
		return -1;
	if (got == 0)
		return fail_set(why, FAIL_EOF, NULL);
	buf_commit(&conn->in, (size_t)got);
	conn->turn_bytes += (size_t)got;
	return (int)got;
}

/* What a strict line may not hold. */
static const char *
strict_fault(struct slice line, bool crlf)
{
	if (!crlf)
		return "bare LF";
	if (slice_find(line, '\r') < line.n)
		return "bare CR";
	return slice_find(line, '\0') < line.n ? "NUL" : NULL;
}

static int
conn_take_line(struct conn *conn, size_t len, bool strict, struct slice *line_r, struct fail *why)
{
	struct slice line = slice_make(conn->in.data + conn->pos, len - 1);
	bool crlf = line.n > 0 && line.p[line.n - 1] == '\r';

	if (crlf)
		line.n--;
	conn->pos += len;
	if (conn->trace != NULL)
		conn->trace(conn->trace_ctx, false, line);
	const char *fault = strict ? strict_fault(line, crlf) : NULL;
	if (fault != NULL)
		return fail_set(why, FAIL_REPLY_SYNTAX, "%s in a line", fault);
	*line_r = line;
	return 0;
}

int
conn_read_line(struct conn *conn, size_t max, bool strict, struct slice *line_r, int64_t deadline,
    struct fail *why)
{
	size_t seen = 0; /* bytes after pos that hold no LF */

	conn_drop_consumed(conn);
	for (;;) {
		struct slice rest = slice_make(conn->in.data, conn->in.len);
		size_t at = seen + slice_find(slice_sub(rest, seen, rest.n), '\n');
		if (at < rest.n && at < max)
			return conn_take_line(conn, at + 1, strict, line_r, why);
		if (at < rest.n || rest.n >= max)
			return fail_set(why, FAIL_LINE_TOO_LONG, "line longer than %zu bytes", max);
		seen = rest.n;
		size_t room = conn->in.max - rest.n;
		if (conn_fill(conn, room < READ_CHUNK ? room : READ_CHUNK, deadline, why) < 0)
			return -1;
	}
}

int
conn_read(struct conn *conn, struct slice *data_r, int64_t deadline, struct fail *why)
{
	conn_drop_consumed(conn);
	if (conn->in.len == 0 && conn_fill(conn, conn->in.max, deadline, why) < 0)
		return -1;
	*data_r = slice_make(conn->in.data, conn->in.len);
	conn->pos = conn->in.len;
	return 0;
}

void
conn_unread(struct conn *conn, size_t n)
{
	conn->pos -= n;
}

bool
conn_has_unread(const struct conn *conn)
{
	return conn->in.len > conn->pos || (conn->tls != NULL && tls_pending(conn->tls) > 0);
}

bool
conn_has_line(const struct conn *conn)
{
	/* before the first read there is no memory to point into */
	if (conn->in.len == conn->pos)
		return false;
	struct slice rest = slice_make(conn->in.data + conn->pos, conn->in.len - conn->pos);

	return slice_find(rest, '\n') < rest.n;
}

bool
conn_poll_line(struct conn *conn)
{
	size_t room = conn->in.max - (conn->in.len - conn->pos);
	unsigned char byte;

	if (conn_has_line(conn) || room == 0 ||
	    (!conn_has_unread(conn) && recv(conn->in_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1))
		return conn_has_line(conn);
	conn_drop_consumed(conn);
	/* a deadline that has passed: what is there is taken, nothing is waited for */
	conn_fill(conn, room < READ_CHUNK ? room : READ_CHUNK, clock_ms(), NULL);
	return conn_has_line(conn);
}

size_t
conn_input_bytes(const struct conn *conn)
{
	size_t n = conn->in.len - conn->pos;
	int waiting = 0;

	if (conn->tls != NULL)
		return n + tls_input_bytes(conn->tls);
	if (ioctl(conn->in_fd, FIONREAD, &waiting) == 0 && waiting > 0)
		n += (size_t)waiting;
	return n;
}

int
conn_peek(struct conn *conn, int64_t deadline, struct fail *why)
{
	unsigned char byte;

	if (conn->tls != NULL)
		return fail_set(why, FAIL_INTERNAL, "peek into TLS");
	if (conn->in.len > conn->pos)
		return (unsigned char)conn->in.data[conn->pos];
	for (;;) {
		ssize_t got = recv(conn->in_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (got == 1)
			return byte;
		if (got == 0)
			return fail_set(why, FAIL_EOF, NULL);
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (io_wait(conn->in_fd, IO_READ, deadline, why) != 0)
				return -1;
		} else if (errno != EINTR) {
			return fail_errno(why, FAIL_EOF, "connection lost");
		}
	}
}

/* --- writing ------------------------------------------------------------------------------------ */

int
conn_flush(struct conn *conn, int64_t deadline, struct fail *why)
{
	int ret;

	if (conn->out.len == 0)
		return 0;
	if (conn->tls != NULL)
		ret = tls_write(conn->tls, conn->out.data, conn->out.len, deadline, why);
	else
		ret = socket_write(conn->out_fd, conn->out.data, conn->out.len, deadline, why);
	/* after a failure the stream is in the middle of something: nothing of it is sent again */
	buf_reset(&conn->out);
	return ret;
}

int
conn_write(struct conn *conn, const void *data, size_t n, int64_t deadline, struct fail *why)
{
	const char *p = data;

	if (conn->trace != NULL)
		conn->trace(conn->trace_ctx, true, slice_make(p, n));
	while (n > 0) {
		size_t room = WRITE_HIGH_WATER - conn->out.len;
		size_t part = n < room ? n : room;
		buf_append(&conn->out, p, part);
		p += part;
		n -= part;
		if (conn->out.len >= WRITE_HIGH_WATER && conn_flush(conn, deadline, why) != 0)
			return -1;
	}
	return 0;
}

bool
conn_can_detach(const struct conn *conn)
{
	int type;
	socklen_t len = sizeof(type);

	return conn->tls == NULL && conn->in_fd == conn->out_fd &&
	       getsockopt(conn->in_fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

int
conn_detach(struct conn *conn, struct fail *why)
{
	int fd = conn->in_fd;

	if (!conn_can_detach(conn) || conn_has_unread(conn) || conn->out.len > 0)
		return fail_set(why, FAIL_INTERNAL,
		    "a stream with unread or unwritten bytes cannot be switched");
	conn_free(conn);
	return fd;
}

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/child.h"
#include "io/io.h"
#include "io/sched.h"
#include "net/conn.h"
#include "test.h"

static void
pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		abort();
}

static int flood_fd;
static int lines_read, lines_at_turn;
static bool other_ran;

/* Keep the peer's side full: there is always more to read. */
static void
refill(void)
{
	static const char noops[] =
	    "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n";

	while (write(flood_fd, noops, sizeof(noops) - 1) > 0)
		;
}

static void
flooded_fiber(void *arg)
{
	struct slice line;
	struct fail why;

	while (!other_ran && lines_read < 1000000) {
		refill();
		if (conn_read_line(arg, 512, true, &line, clock_deadline(10000), &why) != 0)
			break;
		lines_read++;
	}
}

static void
other_fiber(void *arg)
{
	(void)arg;
	other_ran = true;
	lines_at_turn = lines_read;
}

static void
start_both(void *arg)
{
	fiber_spawn(flooded_fiber, arg, "flooded", DEADLINE_NEVER, NULL);
	fiber_spawn(other_fiber, arg, "other", DEADLINE_NEVER, NULL);
}

TEST(a_peer_that_always_has_more_leaves_other_fibers_their_turn)
{
	int fds[2];

	pair(fds);
	flood_fd = fds[1];
	struct conn *conn = conn_plain(fds[0]);
	lines_read = 0;
	other_ran = false;
	sched_run(start_both, conn);
	CHECK(other_ran);
	/* without fibers the first runs to its end before the second starts */
	CHECK(getenv("MXTLS_NO_FIBERS") != NULL || lines_at_turn < 10000);
	conn_close(conn);
	close(flood_fd);
}

TEST(a_peer_that_always_has_more_does_not_outlive_the_deadline)
{
	struct slice line;
	struct fail why;
	int fds[2];

	pair(fds);
	flood_fd = fds[1];
	struct conn *conn = conn_plain(fds[0]);
	fail_clear(&why);
	int64_t start = clock_ms(), deadline = clock_deadline(20);
	int ret = 0;
	while (ret == 0 && clock_ms() < start + 10000) {
		refill();
		ret = conn_read_line(conn, 512, true, &line, deadline, &why);
	}
	CHECK_INT(ret, -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	conn_close(conn);
	close(flood_fd);
}

TEST(a_conn_knows_whether_it_has_a_complete_line)
{
	struct slice line;
	struct fail why;
	int fds[2];

	pair(fds);
	struct conn *conn = conn_plain(fds[0]);
	CHECK(!conn_has_line(conn));
	CHECK_INT(write(fds[1], "one\r\ntwo\r\nthr", 13), 13);
	CHECK(!conn_has_line(conn)); /* not read yet */
	CHECK_INT(conn_read_line(conn, 100, true, &line, clock_deadline(1000), &why), 0);
	CHECK(slice_is(line, "one"));
	CHECK(conn_has_line(conn));
	CHECK_INT(conn_read_line(conn, 100, true, &line, clock_deadline(1000), &why), 0);
	CHECK(slice_is(line, "two"));
	CHECK(!conn_has_line(conn));
	CHECK(conn_has_unread(conn));
	conn_close(conn);
	close(fds[1]);
}

#define TWO_RECORDS 16524 /* a full TLS record and a short one */

static int tls_fd;

/* Send two records in one piece, then keep still until the other side hangs up. */
static int
two_records(void *arg)
{
	static char text[TWO_RECORDS];
	struct tls_server_options options = { .self_signed_name = "mx.example" };
	struct fail why;
	char byte;

	(void)arg;
	tls_init();
	struct tls_ctx *ctx = tls_ctx_server(&options, &why);
	struct tls *tls = ctx == NULL ? NULL : tls_server(ctx, tls_fd, &why);
	int64_t deadline = clock_deadline(10000);
	memset(text, 'x', sizeof(text));
	if (tls == NULL || tls_handshake(tls, deadline, &why) != 0 ||
	    tls_write(tls, text, sizeof(text), deadline, &why) != 0)
		return 1;
	tls_read(tls, &byte, 1, deadline, &why);
	tls_free(tls);
	tls_ctx_free(ctx);
	return 0;
}

static size_t tls_got;

static void
read_two_records(void *arg)
{
	struct slice data;
	struct fail why;

	while (tls_got < TWO_RECORDS && conn_read(arg, &data, clock_deadline(3000), &why) == 0)
		tls_got += data.n;
}

/* What OpenSSL has read ahead makes no descriptor readable: taking turns must not wait for one. */
TEST(a_record_that_was_read_ahead_is_not_waited_for)
{
	struct tls_client_options options = { 0 };
	struct child child;
	struct fail why;
	int fds[2], status = -1;

	pair(fds);
	tls_fd = fds[1];
	CHECK_INT(child_fork(&child, two_records, NULL, &fds[1], 1, &why), 0);
	close(fds[1]);
	tls_init();
	struct tls_ctx *ctx = tls_ctx_client(&options, &why);
	struct tls *tls = tls_client(ctx, fds[0], NULL, KEY_ANY, &why);
	CHECK_INT(tls_handshake(tls, clock_deadline(10000), &why), 0);
	/* both records are in the socket before the first is read */
	int64_t start = clock_ms();
	int waiting = 0;
	while (waiting < TWO_RECORDS && clock_ms() - start < 5000) {
		io_sleep(clock_deadline(5), NULL);
		CHECK_INT(ioctl(fds[0], FIONREAD, &waiting), 0);
	}
	struct conn *conn = conn_tls(fds[0], tls);
	tls_got = 0;
	sched_run(read_two_records, conn);
	CHECK_INT(tls_got, TWO_RECORDS);
	conn_close(conn);
	CHECK_INT(child_wait(&child, &status, clock_deadline(10000), &why), 0);
	CHECK_INT(status, 0);
	tls_ctx_free(ctx);
}

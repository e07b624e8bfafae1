#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
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
	CHECK(lines_at_turn < 10000);
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

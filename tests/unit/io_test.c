#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/addr.h"
#include "io/child.h"
#include "io/gate.h"
#include "io/io.h"
#include "io/join.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "test.h"

static bool
no_fibers(void)
{
	const char *v = getenv("MXTLS_NO_FIBERS");

	return v != NULL && v[0] == '1';
}

static void
make_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		abort();
}

/* --- waiting outside of fibers ------------------------------------------------------------------ */

TEST(a_wait_outside_of_fibers_blocks_until_ready_or_deadline)
{
	int fds[2];
	struct fail why;

	make_pair(fds);
	int64_t start = clock_ms();
	CHECK_INT(io_wait(fds[0], IO_READ, start + 50, &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	CHECK(clock_ms() - start >= 50);
	CHECK_INT(write(fds[1], "x", 1), 1);
	struct io_fd many[2] = { { fds[1], IO_READ, 0 }, { fds[0], IO_READ | IO_WRITE, 0 } };
	CHECK_INT(io_wait_many(many, 2, clock_deadline(1000), &why), 1);
	CHECK_INT(many[0].revents, 0);
	CHECK_INT(many[1].revents, IO_READ | IO_WRITE);
	CHECK_INT(io_sleep(clock_deadline(20), &why), 0);
	close(fds[0]);
	CHECK_INT(io_wait(fds[1], IO_READ, clock_deadline(1000), &why), 0);
	close(fds[1]);
}

TEST(a_cap_in_the_past_cancels_every_wait_at_once)
{
	struct fail why;

	int64_t old = fiber_cap_lower(clock_ms() - 1);
	CHECK_INT(io_sleep(clock_deadline(10000), &why), -1);
	CHECK_INT(why.code, FAIL_CANCELLED);
	fiber_cap_restore(old);
	CHECK_INT(io_sleep(clock_deadline(1), &why), 0);
}

/* --- fibers -------------------------------------------------------------------------------------- */

struct echo {
	int fd, rounds;
	int seen;
};

static void
echo_server(void *arg)
{
	struct echo *e = arg;
	char byte;

	while (socket_read(e->fd, &byte, 1, clock_deadline(5000), NULL) == 1)
		if (socket_write(e->fd, &byte, 1, clock_deadline(5000), NULL) != 0)
			break;
	close(e->fd);
}

static void
echo_client(void *arg)
{
	struct echo *e = arg;
	char byte = 'x';

	for (int i = 0; i < e->rounds; i++) {
		if (socket_write(e->fd, &byte, 1, clock_deadline(5000), NULL) != 0 ||
		    socket_read(e->fd, &byte, 1, clock_deadline(5000), NULL) != 1)
			break;
		e->seen++;
	}
	close(e->fd);
}

#define PAIRS 200
static struct echo servers[PAIRS], clients[PAIRS];

static void
echo_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < PAIRS; i++) {
		int fds[2];
		make_pair(fds);
		servers[i] = (struct echo){ fds[0], 0, 0 };
		clients[i] = (struct echo){ fds[1], 10, 0 };
		fiber_spawn(echo_server, &servers[i], "server", DEADLINE_NEVER, NULL);
		fiber_spawn(echo_client, &clients[i], "client", DEADLINE_NEVER, NULL);
	}
}

TEST(two_hundred_pairs_of_fibers_talk_at_once)
{
	if (no_fibers())
		return;
	sched_run(echo_all, NULL);
	for (int i = 0; i < PAIRS; i++)
		CHECK_INT(clients[i].seen, 10);
	CHECK_INT(sched_live(), 0);
	CHECK(sched_peak() >= 2 * PAIRS);
}

static char order[16];

static void
sleeper(void *arg)
{
	int n = *(int *)arg;

	io_sleep(clock_deadline(n * 20), NULL);
	snprintf(order + strlen(order), sizeof(order) - strlen(order), "%d", n);
}

static void
spawn_sleepers(void *arg)
{
	static int n[3] = { 3, 1, 2 };

	(void)arg;
	for (int i = 0; i < 3; i++)
		fiber_spawn(sleeper, &n[i], "sleeper", DEADLINE_NEVER, NULL);
}

TEST(sleeping_fibers_wake_in_the_order_of_their_deadlines)
{
	order[0] = '\0';
	sched_run(spawn_sleepers, NULL);
	CHECK_STR(order, no_fibers() ? "312" : "123");
}

static struct fail stopped_why;

static void
long_sleeper(void *arg)
{
	(void)arg;
	io_sleep(clock_deadline(60000), &stopped_why);
}

static void
daemon_fiber(void *arg)
{
	(void)arg;
	fiber_daemon();
	io_sleep(DEADLINE_NEVER, NULL);
	strcpy(order, "D");
}

static void
stopper(void *arg)
{
	(void)arg;
	fiber_spawn(daemon_fiber, NULL, "daemon", DEADLINE_NEVER, NULL);
	fiber_spawn(long_sleeper, NULL, "sleeper", DEADLINE_NEVER, NULL);
	io_sleep(clock_deadline(10), NULL);
	sched_stop(clock_deadline(30));
}

TEST(a_stop_lowers_the_cap_of_waiting_fibers_and_daemons_end_last)
{
	if (no_fibers())
		return;
	order[0] = '\0';
	int64_t start = clock_ms();
	sched_run(stopper, NULL);
	CHECK_INT(stopped_why.code, FAIL_CANCELLED);
	CHECK(clock_ms() - start < 5000);
	CHECK_STR(order, "D");
}

/* A park without deadline that is given a cap by a stop must end, and not look like a deadlock. */
static struct waitq never;

static void
parked(void *arg)
{
	(void)arg;
	io_park(&never, DEADLINE_NEVER, &stopped_why);
}

static void
park_and_stop(void *arg)
{
	(void)arg;
	waitq_init(&never);
	fiber_spawn(parked, NULL, "parked", DEADLINE_NEVER, NULL);
	io_sleep(clock_deadline(5), NULL);
	sched_stop(clock_deadline(20));
}

TEST(a_stop_ends_a_park_without_deadline)
{
	if (no_fibers())
		return;
	fail_clear(&stopped_why);
	sched_run(park_and_stop, NULL);
	CHECK_INT(stopped_why.code, FAIL_CANCELLED);
	CHECK(waitq_empty(&never));
}

/* --- gates and joins ------------------------------------------------------------------------------ */

static struct gate gate;
static unsigned inside, most_inside, passed;

static void
through_the_gate(void *arg)
{
	int n = *(int *)arg;

	if (gate_enter(&gate, clock_deadline(5000), NULL) != 0)
		return;
	if (++inside > most_inside)
		most_inside = inside;
	snprintf(order + strlen(order), sizeof(order) - strlen(order), "%d", n);
	io_sleep(clock_deadline(5), NULL);
	inside--;
	passed++;
	gate_leave(&gate);
}

static void
impatient(void *arg)
{
	struct fail why;

	(void)arg;
	CHECK_INT(gate_enter(&gate, clock_deadline(1), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
}

static void
gate_main(void *arg)
{
	static int n[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

	(void)arg;
	for (int i = 0; i < 8; i++) {
		fiber_spawn(through_the_gate, &n[i], "gate", DEADLINE_NEVER, NULL);
		if (i == 3 && !no_fibers())
			fiber_spawn(impatient, NULL, "impatient", DEADLINE_NEVER, NULL);
	}
}

TEST(a_gate_lets_its_number_in_first_come_first_served)
{
	gate_init(&gate, 2);
	order[0] = '\0';
	inside = most_inside = passed = 0;
	sched_run(gate_main, NULL);
	CHECK_INT(passed, 8);
	CHECK_INT(most_inside, no_fibers() ? 1 : 2);
	CHECK_STR(order, "01234567");
	CHECK_INT(gate.held, 0);
}

static struct join_table joins;
static int job_runs, job_frees, results;

static void
job_free(void *result)
{
	free(result);
	job_frees++;
}

static void
slow_job(struct join_job *job)
{
	int *result = malloc(sizeof(int));

	job_runs++;
	io_sleep(clock_deadline(20), NULL);
	if (result == NULL)
		abort();
	*result = 42;
	job->result = result;
	job->result_free = job_free;
}

static void
joiner(void *arg)
{
	bool started;
	struct fail why;
	int64_t deadline = clock_deadline(arg == NULL ? 5000 : 1);

	struct join_job *job =
	    join_start(&joins, slice_str("key"), slow_job, NULL, DEADLINE_NEVER, &started, &why);
	CHECK(job != NULL);
	if (join_wait(job, deadline, &why) == 0)
		results += *(int *)job->result;
	else
		CHECK_INT(why.code, FAIL_TIMEOUT);
	join_release(job);
}

static void
join_main(void *arg)
{
	static int impatient_one;

	(void)arg;
	for (int i = 0; i < 5; i++)
		fiber_spawn(joiner, i == 2 ? &impatient_one : NULL, "joiner", DEADLINE_NEVER, NULL);
}

TEST(a_job_runs_once_for_all_and_an_impatient_waiter_does_not_cancel_it)
{
	join_table_init(&joins);
	job_runs = job_frees = results = 0;
	sched_run(join_main, NULL);
	if (no_fibers()) {
		CHECK_INT(results, 5 * 42);
	} else {
		CHECK_INT(job_runs, 1);
		CHECK_INT(job_frees, 1);
		CHECK_INT(results, 4 * 42);
	}
	join_table_free(&joins);
}

/* --- addresses ------------------------------------------------------------------------------------- */

TEST(addresses_as_options_take_them)
{
	static const struct {
		const char *text;
		int port;
		const char *want; /* NULL: refused */
	} rows[] = { { "192.0.2.1:25", -1, "192.0.2.1:25" }, { "192.0.2.1", 53, "192.0.2.1:53" },
		{ "192.0.2.1", -1, NULL }, { "[2001:db8::1]:25", -1, "[2001:db8::1]:25" },
		{ "[2001:db8::1]", 53, "[2001:db8::1]:53" },
		{ "2001:db8::1", 53, "[2001:db8::1]:53" }, { "2001:db8::1", -1, NULL },
		{ ":25", -1, "0.0.0.0:25" }, { "*:25", -1, "0.0.0.0:25" },
		{ "2525", -1, "0.0.0.0:2525" }, { "0", -1, "0.0.0.0:0" },
		{ "127.0.0.1:0", -1, "127.0.0.1:0" }, { "127.0.0.1:65536", -1, NULL },
		{ "127.0.0.1:", -1, NULL }, { "127.0.0.1:25x", -1, NULL },
		{ "localhost:25", -1, NULL }, { "[2001:db8::1", 25, NULL },
		{ "[192.0.2.1]:25", -1, "192.0.2.1:25" }, { "[::1]x25", -1, NULL },
		{ "192.0.2.256:25", -1, NULL } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a;
		struct fail why;
		char text[ADDR_TEXT_BYTES];
		TEST_ROW("%s", rows[i].text);
		int ret = addr_parse(slice_str(rows[i].text), rows[i].port, &a, &why);
		CHECK_INT(ret, rows[i].want == NULL ? -1 : 0);
		if (ret == 0) {
			addr_str(&a, text);
			CHECK_STR(text, rows[i].want);
		} else {
			CHECK_INT(why.code, FAIL_USAGE);
		}
	}
}

TEST(private_addresses_are_known_in_every_disguise)
{
	static const struct {
		const char *text;
		bool private, loopback;
	} rows[] = { { "10.0.0.1", true, false }, { "172.16.0.1", true, false },
		{ "172.32.0.1", false, false }, { "192.168.255.1", true, false },
		{ "169.254.0.1", true, false }, { "100.64.0.1", true, false },
		{ "100.128.0.1", false, false }, { "127.8.9.1", true, true },
		{ "0.0.0.0", true, false }, { "192.0.2.1", false, false },
		{ "198.51.100.1", false, false }, { "203.0.113.1", false, false },
		{ "::1", true, true }, { "::", true, false }, { "fd00::1", true, false },
		{ "fe80::1", true, false }, { "2001:db8::1", false, false },
		{ "::ffff:10.0.0.1", true, false }, { "::ffff:127.0.0.1", true, true },
		{ "64:ff9b::7f00:1", true, true }, { "64:ff9b::808:808", false, false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a;
		TEST_ROW("%s", rows[i].text);
		CHECK(addr_parse_ip(slice_str(rows[i].text), 25, &a));
		CHECK_INT(addr_is_private(&a), rows[i].private);
		CHECK_INT(addr_is_loopback(&a), rows[i].loopback);
	}
}

/* --- sockets and children --------------------------------------------------------------------------- */

TEST(connecting_to_a_closed_port_is_refused_and_named)
{
	struct addr a, bound, peer;
	struct fail why;

	CHECK(addr_parse_ip(slice_str("127.0.0.1"), 0, &a));
	int fd = socket_listen(&a, 5, &bound, &why);
	CHECK(fd >= 0);
	CHECK(addr_port(&bound) != 0);
	int out = socket_connect(&bound, NULL, clock_deadline(1000), &why);
	CHECK(out >= 0);
	int in = socket_accept(fd, &peer, clock_deadline(1000), &why);
	CHECK(in >= 0);
	CHECK(addr_is_loopback(&peer));
	CHECK_INT(socket_write(out, "hello", 5, clock_deadline(1000), &why), 0);
	char text[8] = "";
	CHECK_INT(socket_read(in, text, 8, clock_deadline(1000), &why), 5);
	CHECK_STR(text, "hello");
	CHECK_INT(socket_listen(&bound, 5, NULL, &why), -1);
	CHECK_INT(why.code, FAIL_LISTEN);
	CHECK_INT(why.errnum, EADDRINUSE);
	close(in);
	close(fd);
	CHECK_INT(socket_read(out, text, 8, clock_deadline(1000), &why), 0);
	close(out);
	CHECK_INT(socket_connect(&bound, NULL, clock_deadline(1000), &why), -1);
	CHECK_INT(why.code, FAIL_CONNECT_REFUSED);
	CHECK(strstr(why.text, "127.0.0.1:") != NULL);
}

static int
child_main(void *arg)
{
	return *(int *)arg + 1;
}

TEST(children_end_with_their_status_and_can_be_killed)
{
	struct child c;
	struct fail why;
	int status = 0, n = 41;
	char *const sleep_argv[] = { (char[]){ "/bin/sleep" }, (char[]){ "60" }, NULL },
		    *const env[] = { NULL };

	CHECK_INT(child_fork(&c, child_main, &n, NULL, 0, &why), 0);
	CHECK_INT(child_wait(&c, &status, clock_deadline(5000), &why), 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	CHECK_INT(child_exec(&c, sleep_argv, env, -1, -1, -1, &why), 0);
	CHECK_INT(child_wait(&c, &status, clock_deadline(20), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	child_kill(&c, SIGKILL);
	CHECK_INT(child_wait(&c, &status, clock_deadline(5000), &why), 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	char *const nothing[] = { (char[]){ "/nonexistent" }, NULL };
	CHECK_INT(child_exec(&c, nothing, env, -1, -1, -1, &why), 0);
	CHECK_INT(child_wait(&c, &status, clock_deadline(5000), &why), 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static void
signalled_main(void *arg)
{
	(void)arg;
	signals_stop_on(20);
	kill(getpid(), SIGTERM);
	io_sleep(clock_deadline(30000), &stopped_why);
}

static int
signalled_child(void *arg)
{
	int64_t start = clock_ms();

	(void)arg;
	fail_clear(&stopped_why);
	sched_run(signalled_main, NULL);
	return stopped_why.code == FAIL_CANCELLED && signals_stop_seen() == SIGTERM &&
		       clock_ms() - start < 5000
		   ? 0
		   : 1;
}

TEST(a_TERM_cancels_with_grace_in_fibers_and_without)
{
	struct child c;
	struct fail why;
	int status = -1;

	CHECK_INT(child_fork(&c, signalled_child, NULL, NULL, 0, &why), 0);
	CHECK_INT(child_wait(&c, &status, clock_deadline(10000), &why), 0);
	CHECK_INT(status, 0);
}

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/child.h"
#include "io/socket.h"
#include "net/conn.h"
#include "smtp/starttls.h"
#include "test.h"

/*
 * The switch when the stream itself is not fit for it; the ways of a peer are in smtp_server_test.c. Every
 * failure leaves *conn NULL and the descriptors closed: nobody can go on in clear.
 */

static void
pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		abort();
}

static struct tls_ctx *
server_ctx(void)
{
	struct tls_server_options options = { .self_signed_name = "mx.example" };

	signal(SIGPIPE, SIG_IGN); /* as signals_init does */
	tls_init();
	return tls_ctx_server(&options, NULL);
}

/* What came, up to the end of the stream; -1 when it is still open. */
static ssize_t
all_read(int fd, char *out, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, out + got, size - 1 - got)) > 0)
		got += (size_t)n;
	out[got] = '\0';
	return n == 0 ? (ssize_t)got : -1;
}

TEST(a_client_that_left_before_the_220_ends_the_switch)
{
	struct tls_ctx *ctx = server_ctx();
	struct fail why;
	int fds[2];

	pair(fds);
	struct conn *conn = conn_plain(fds[0]);
	close(fds[1]);
	CHECK_INT(starttls_server(&conn, ctx, clock_deadline(1000), &why), -1);
	CHECK_INT(why.code, FAIL_EOF);
	CHECK(conn == NULL);
	tls_ctx_free(ctx);
}

TEST(a_client_that_says_nothing_after_the_220_runs_into_the_deadline)
{
	struct tls_ctx *ctx = server_ctx();
	struct fail why;
	char out[100];
	int fds[2];

	pair(fds);
	struct conn *conn = conn_plain(fds[0]);
	CHECK_INT(starttls_server(&conn, ctx, clock_deadline(20), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	CHECK(conn == NULL);
	CHECK(all_read(fds[1], out, sizeof(out)) >= 0);
	CHECK_STR(out, "220 2.0.0 Ready to start TLS\r\n");
	close(fds[1]);
	tls_ctx_free(ctx);
}

TEST(injected_commands_of_a_client_that_left_are_dropped)
{
	static char
	    much[16380]; /* fills the queue, so that the refusal has to be written at once */
	struct tls_ctx *ctx = server_ctx();
	struct fail why;
	int fds[2];

	pair(fds);
	struct conn *conn = conn_plain(fds[0]);
	memset(much, 'x', sizeof(much));
	CHECK_INT(conn_write(conn, much, sizeof(much), clock_deadline(1000), &why), 0);
	CHECK_INT(write(fds[1], "MAIL", 4), 4);
	close(fds[1]);
	CHECK_INT(starttls_server(&conn, ctx, clock_deadline(1000), &why), -1);
	CHECK_INT(why.code, FAIL_EARLY_DATA);
	CHECK(conn == NULL);
	tls_ctx_free(ctx);
}

static int peer_in, peer_out;

/* Begin a handshake after the 220; the exit status tells how often more was said in clear. */
static int
begin_child(void *arg)
{
	char out[100];
	int64_t deadline = clock_deadline(5000);

	(void)arg;
	if (socket_read(peer_in, out, sizeof(out), deadline, NULL) <= 0 ||
	    socket_write(peer_out, "\x16", 1, deadline, NULL) != 0)
		return 100;
	return socket_read(peer_in, out, sizeof(out), deadline, NULL) == 0 ? 0 : 1;
}

TEST(two_descriptors_are_not_switched)
{
	struct tls_ctx *ctx = server_ctx();
	struct child child;
	struct fail why;
	int in[2], to[2], status = -1;

	pair(in);
	pair(to);
	peer_in = to[1];
	peer_out = in[1];
	const int keep[2] = { peer_in, peer_out };
	struct conn *conn = conn_plain_pair(in[0], to[0]);
	CHECK_INT(child_fork(&child, begin_child, NULL, keep, 2, &why), 0);
	CHECK_INT(starttls_server(&conn, ctx, clock_deadline(5000), &why), -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	CHECK(conn == NULL);
	CHECK_INT(child_wait(&child, &status, clock_deadline(5000), &why), 0);
	CHECK_INT(status, 0);
	close(in[1]);
	close(to[1]);
	tls_ctx_free(ctx);
}

TEST(unwritten_bytes_forbid_the_switch_on_the_client_s_side)
{
	struct tls_client_options options = { 0 };
	struct tls *failed;
	struct fail why;
	char out[100];
	size_t post;
	int fds[2];

	tls_init();
	struct tls_ctx *ctx = tls_ctx_client(&options, &why);
	pair(fds);
	struct conn *conn = conn_plain(fds[0]);
	CHECK_INT(conn_write(conn, "NOOP\r\n", 6, clock_deadline(1000), &why), 0);
	CHECK_INT(
	    starttls_client(&conn, ctx, NULL, KEY_ANY, &post, &failed, clock_deadline(1000), &why),
	    -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	CHECK(conn == NULL);
	CHECK(failed == NULL);
	/* closed, and not a byte more */
	CHECK_INT(all_read(fds[1], out, sizeof(out)), 0);
	close(fds[1]);
	tls_ctx_free(ctx);
}

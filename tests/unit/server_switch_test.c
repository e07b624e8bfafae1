#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/child.h"
#include "io/io.h"
#include "io/sched.h"
#include "io/socket.h"
#include "smtp/server.h"
#include "test.h"
#include "test_certs.h"

/*
 * A server's session in a child, from outside, byte for byte: where STARTTLS may stand, what it does wrong
 * on purpose there, and how a message ends that does not come to its end. With smtp_server_test.c and
 * starttls_test.c every statement of the switch and of DATA (make coverage).
 */

#define REPLY_MS 20000
#define READY "220 2.0.0 Ready to start TLS\r\n"

static struct smtp_server_config config;
static struct smtp_session seen; /* in the child */
static struct tls_server_options tls_options;
static int (*judge)(void); /* in the child, at its end: its exit status */
static bool stop_in_data, brief_data;
static int begins, ends, aborts;

static int
any_rcpt(void *app, const struct smtp_session *s, const struct smtp_path *path, struct fail *why)
{
	(void)app;
	(void)s;
	(void)path;
	(void)why;
	return 0;
}

static int
any_begin(void *app, const struct smtp_session *s, struct fail *why)
{
	(void)app;
	(void)s;
	(void)why;
	begins++;
	if (brief_data)
		config.command_timeout_ms = 30;
	return 0;
}

static int
any_text(void *app, struct slice text, struct fail *why)
{
	(void)app;
	(void)text;
	(void)why;
	return 0;
}

static int
any_end(void *app, const struct smtp_session *s, char *note_r, int64_t deadline, struct fail *why)
{
	(void)app;
	(void)s;
	(void)deadline;
	(void)why;
	snprintf(note_r, 128, "Ok");
	ends++;
	return 0;
}

static void
any_abort(void *app)
{
	(void)app;
	aborts++;
}

static const struct smtp_server_ops ops = {
	.rcpt = any_rcpt, .begin = any_begin, .text = any_text, .end = any_end, .abort = any_abort
};

static int server_fd;

static void
session_fiber(void *arg)
{
	struct addr peer;

	(void)arg;
	if (addr_parse_ip(slice_str("127.0.0.1"), 25, &peer))
		smtp_server_run(conn_plain(server_fd), &config, &peer, NULL, &seen);
}

static void
stop_fiber(void *arg)
{
	(void)arg;
	fiber_spawn(session_fiber, NULL, "session", DEADLINE_NEVER, NULL);
	while (begins == 0)
		io_sleep(clock_deadline(5), NULL);
	sched_stop(clock_ms());
}

static int
server_main(void *arg)
{
	struct fail why;

	(void)arg;
	signal(SIGPIPE, SIG_IGN);
	if (config.tls != SMTP_TLS_OFF &&
	    (config.tls_ctx = tls_ctx_server(&tls_options, &why)) == NULL)
		return 99;
	if (stop_in_data)
		sched_run(stop_fiber, NULL);
	else
		session_fiber(NULL);
	tls_ctx_free(config.tls_ctx);
	return judge == NULL ? 0 : judge();
}

static void
fresh(enum smtp_server_tls tls)
{
	signal(SIGPIPE, SIG_IGN);
	tls_init();
	smtp_server_config_init(&config);
	config.hostname = "mx.example";
	config.ops = &ops;
	config.tls = tls;
	config.max_message_bytes = 20000;
	tls_options = (struct tls_server_options){ .self_signed_name = "mx.example" };
	judge = NULL;
	stop_in_data = brief_data = false;
	begins = ends = aborts = 0;
}

static struct child server;

static int
start(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		abort();
	server_fd = fds[1];
	if (child_fork(&server, server_main, NULL, &fds[1], 1, NULL) != 0)
		abort();
	close(fds[1]);
	return fds[0];
}

/* Ends our side, and tells the exit status of the other. */
static int
end(int fd)
{
	int status = -1;

	close(fd);
	CHECK_INT(child_wait(&server, &status, clock_deadline(REPLY_MS), NULL), 0);
	return status;
}

static void
say(int fd, const char *text)
{
	CHECK_INT(socket_write(fd, text, strlen(text), clock_deadline(REPLY_MS), NULL), 0);
}

/* One reply, all its lines; "" at the end of the stream. A byte at a time: what is behind it stays there. */
static const char *
hear(int fd)
{
	static char out[4096];
	size_t n = 0, line = 0;

	while (n < sizeof(out) - 1 &&
	       socket_read(fd, out + n, 1, clock_deadline(REPLY_MS), NULL) == 1) {
		if (out[n++] != '\n')
			continue;
		if (n - line < 4 || out[line + 3] == ' ')
			break;
		line = n;
	}
	out[n] = '\0';
	return out;
}

/* The code of the reply to a command; 0: the stream ended. */
static int
ask(int fd, const char *command)
{
	if (command[0] != '\0')
		say(fd, command);
	return atoi(hear(fd));
}

/* A session that has said hello. */
static int
hello(void)
{
	int fd = start();

	CHECK_INT(ask(fd, ""), 220);
	CHECK_INT(ask(fd, "EHLO client.example\r\n"), 250);
	return fd;
}

/* --- where STARTTLS may stand --------------------------------------------------------------------- */

TEST(STARTTLS_stands_behind_EHLO_and_outside_of_transactions_RFC_3207_s4)
{
	fresh(SMTP_TLS_OFFERED);
	int fd = start();
	CHECK_INT(ask(fd, ""), 220);
	CHECK_INT(ask(fd, "STARTTLS\r\n"), 503);
	CHECK_INT(ask(fd, "EHLO client.example\r\n"), 250);
	CHECK_INT(ask(fd, "STARTTLS now\r\n"), 501);
	CHECK_INT(ask(fd, "MAIL FROM:<a@b.example>\r\n"), 250);
	CHECK_INT(ask(fd, "STARTTLS\r\n"), 503);
	CHECK_INT(ask(fd, "RSET\r\n"), 250);
	CHECK_INT(ask(fd, "STARTTLS\r\n"), 220);
	CHECK_INT(end(fd), 0);
}

static int
judge_client(void)
{
	return seen.tls && strstr(seen.client_subject, "client.example") != NULL &&
		       strlen(seen.client_fingerprint) == 64 && !seen.client_verified &&
		       strcmp(seen.tls_version, "TLSv1.3") == 0
		   ? 0
		   : 1;
}

/* A command inside TLS; the code of its reply. */
static int
ask_tls(SSL *ssl, const char *command)
{
	char out[1024];

	if (command[0] != '\0' && SSL_write(ssl, command, (int)strlen(command)) <= 0)
		return -1;
	int n = SSL_read(ssl, out, sizeof(out) - 1);
	out[n > 0 ? n : 0] = '\0';
	return atoi(out);
}

TEST(TLS_from_the_first_byte_with_the_client_s_certificate_and_no_second_STARTTLS)
{
	struct test_cert cert =
	    test_cert_make(&(struct test_cert_spec){ .cn = "client.example" }, NULL);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	fresh(SMTP_TLS_REQUIRED);
	config.implicit_tls = true;
	tls_options.client = TLS_CLIENT_CERT_ASK;
	judge = judge_client;
	int fd = start();
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	CHECK_INT(SSL_use_certificate(ssl, cert.cert), 1);
	CHECK_INT(SSL_use_PrivateKey(ssl, cert.key), 1);
	SSL_set_fd(ssl, fd);
	CHECK_INT(SSL_connect(ssl), 1);
	CHECK_INT(ask_tls(ssl, ""), 220);
	CHECK_INT(ask_tls(ssl, "EHLO client.example\r\n"), 250);
	CHECK_INT(ask_tls(ssl, "STARTTLS\r\n"), 503);
	CHECK_INT(ask_tls(ssl, "QUIT\r\n"), 221);
	CHECK_INT(end(fd), 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	test_cert_free(&cert);
}

/* --- wrong on purpose ----------------------------------------------------------------------------- */

/* Up to the end of the stream: how many bytes. */
static size_t
drain(int fd)
{
	char out[1024];
	size_t n = 0;
	ssize_t part;

	while ((part = socket_read(fd, out, sizeof(out), clock_deadline(REPLY_MS), NULL)) > 0)
		n += (size_t)part;
	return n;
}

/* The bytes with which a client begins a handshake. */
static void
say_client_hello(int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *out = BIO_new(BIO_s_mem());
	char *data;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_connect(ssl);
	long n = BIO_get_mem_data(out, &data);
	CHECK(n > 0);
	CHECK_INT(socket_write(fd, data, (size_t)n, clock_deadline(REPLY_MS), NULL), 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

TEST(a_fault_at_the_switch_never_leads_back_into_clear)
{
	static const struct {
		const char *spec, *reply; /* of STARTTLS */
		bool handshake;           /* the client begins one */
		int least, most;          /* bytes behind the reply, to the end of the stream */
	} rows[] = {
		{ "STARTTLS=reply:454 not now", "454 not now\r\n", false, 0, 0 },
		{ "STARTTLS=inject:250 evil", READY, false, 8, 8 },
		{ "STARTTLS=inject:250 evil", READY, true, 500, 9000 },
		{ "STARTTLS=delay:1ms", READY, true, 500, 9000 },
		{ "STARTTLS=drop", "", false, 0, 0 },
		{ "TLS=drop", READY, true, 0, 0 },
		{ "TLS=garbage", READY, true, 300, 300 },
		{ "TLS=alert:40", READY, true, 7, 7 },
		{ "TLS=cut:10", READY, true, 10, 10 },
		{ "TLS=delay:1ms", READY, true, 500, 9000 },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_fault fault;
		struct fail why;
		uint64_t random = 1;
		TEST_ROW("%s", rows[i].spec);
		fresh(SMTP_TLS_OFFERED);
		CHECK_INT(smtp_fault_parse(slice_str(rows[i].spec), &arena, &fault, &why), 0);
		config.faults = &fault;
		config.faults_n = 1;
		config.fault_random = &random;
		int fd = hello();
		say(fd, "STARTTLS\r\n");
		CHECK_STR(hear(fd), rows[i].reply);
		if (rows[i].handshake)
			say_client_hello(fd);
		shutdown(fd, SHUT_WR);
		int got = (int)drain(fd);
		CHECK(got >= rows[i].least && got <= rows[i].most);
		CHECK_INT(end(fd), 0);
	}
	arena_free(&arena);
}

/* --- clients that leave, stall, or go on too long ------------------------------------------------- */

/* Said and gone before the server can look: what it answers does not arrive. */
static int
say_and_leave(int fd, const char *text)
{
	kill(server.pid, SIGSTOP);
	say(fd, text);
	close(fd);
	kill(server.pid, SIGCONT);

	int status = -1;
	CHECK_INT(child_wait(&server, &status, clock_deadline(REPLY_MS), NULL), 0);
	return status;
}

static int
judge_lost(void)
{
	return ends == 0 && begins == aborts && strstr(seen.ended, "connection lost") != NULL ? 0
											      : 1;
}

TEST(a_client_that_left_gets_neither_TLS_nor_a_message_stored)
{
	fresh(SMTP_TLS_OFFERED);
	judge = judge_lost;
	int fd = hello();
	/* the reply to RSET waits for that to STARTTLS */
	CHECK_INT(say_and_leave(fd, "RSET\r\nSTARTTLS\r\n"), 0);
	fd = hello();
	CHECK_INT(ask(fd, "MAIL FROM:<a@b.example>\r\n"), 250);
	CHECK_INT(ask(fd, "RCPT TO:<u@ok.example>\r\n"), 250);
	CHECK_INT(say_and_leave(fd, "DATA\r\n"), 0);
}

/* A session that has said DATA. */
static int
in_data(void)
{
	int fd = hello();

	CHECK_INT(ask(fd, "MAIL FROM:<a@b.example>\r\n"), 250);
	CHECK_INT(ask(fd, "RCPT TO:<u@ok.example>\r\n"), 250);
	CHECK_INT(ask(fd, "DATA\r\n"), 354);
	return fd;
}

static int
judge_aborted(void)
{
	return begins == 1 && aborts == 1 && ends == 0 ? 0 : 1;
}

TEST(a_message_that_stops_coming_gets_421_and_is_forgotten)
{
	fresh(SMTP_TLS_OFF);
	brief_data = true;
	judge = judge_aborted;
	int fd = in_data();
	say(fd, "Subject: x\r\n");
	CHECK_STR(hear(fd), "421 4.4.2 Timeout\r\n");
	CHECK_STR(hear(fd), "");
	CHECK_INT(end(fd), 0);
	if (!sched_wants_fibers())
		return;
	/* and so does one at the end of a shutdown's patience */
	fresh(SMTP_TLS_OFF);
	judge = judge_aborted;
	stop_in_data = true;
	fd = in_data();
	CHECK_STR(hear(fd), "421 4.3.2 Shutting down\r\n");
	CHECK_INT(end(fd), 0);
}

static void
say_lines(int fd, int n)
{
	char line[1002];

	memset(line, 'x', sizeof(line) - 2);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < n; i++)
		CHECK_INT(socket_write(fd, line, sizeof(line), clock_deadline(REPLY_MS), NULL), 0);
}

TEST(a_message_beyond_the_limit_is_read_to_its_end_in_many_pieces)
{
	fresh(SMTP_TLS_OFF);
	judge = judge_aborted;
	int fd = in_data();
	say_lines(fd, 39);
	CHECK_INT(ask(fd, ".\r\n"), 552);
	CHECK_INT(ask(fd, "NOOP\r\n"), 250);
	CHECK_INT(ask(fd, "QUIT\r\n"), 221);
	CHECK_INT(end(fd), 0);
}

TEST(a_local_program_may_end_its_lines_in_LF_however_they_are_split)
{
	static const char text[] = "Subject: x\n\r\nlast\r\n..\n\n.\n";

	for (size_t split = 1; split < sizeof(text) - 1; split++) {
		TEST_ROW("split at %zu", split);
		fresh(SMTP_TLS_OFF);
		config.local = true;
		int fd = in_data();
		CHECK_INT(socket_write(fd, text, split, clock_deadline(REPLY_MS), NULL), 0);
		/* no more than a chance to see them apart: either way it must be right */
		usleep(200);
		CHECK_INT(socket_write(fd, text + split, sizeof(text) - 1 - split,
			      clock_deadline(REPLY_MS), NULL),
		    0);
		CHECK_INT(atoi(hear(fd)), 250);
		CHECK_INT(ask(fd, "QUIT\n"), 221);
		CHECK_INT(end(fd), 0);
	}
}

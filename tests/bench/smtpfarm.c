/*
 * Servers for a client: one process that answers on every address of 127.0.0.0/8, at one port, with
 * STARTTLS. The greeting is held until AT_ONCE sessions are connected, and the answer to QUIT
 * until AT_ONCE sessions wait for it, so that all of them live at the same time.
 *
 *   smtpfarm AT_ONCE hold|go CERT KEY [CERT KEY]
 *
 * Prints "listening on ADDRESS:PORT", and with hold "peak COUNT" when all wait for the answer to
 * QUIT (first time); then it waits for a line on stdin. Two certificates are one of each kind of
 * key. Ends with SIGTERM.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "barrier.h"
#include "base/clock.h"
#include "base/limits.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "net/conn.h"
#include "smtp/starttls.h"

#define PATIENCE_MS (120 * 1000)

static struct tls_ctx *tls;
static struct barrier connected, peak;
static int listen_fd;

static void
stop(const char *what, const struct fail *why)
{
	fprintf(stderr, "smtpfarm: %s: %s\n", what, why->text);
	exit(EXIT_FAILURE);
}

/* What a Postfix says. */
static const char *
ehlo_text(bool in_tls)
{
	return in_tls ? "250-farm.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ETRN\r\n"
			"250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"
		      : "250-farm.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ETRN\r\n"
			"250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n"
			"250 SMTPUTF8\r\n";
}

static int
say(struct conn *conn, const char *text, int64_t deadline, struct fail *why)
{
	if (conn_write(conn, text, strlen(text), deadline, why) != 0)
		return -1;
	return conn_flush(conn, deadline, why);
}

/* From the greeting to QUIT. *conn_inout is NULL when the session has lost it. */
static int
serve(struct conn **conn_inout, int64_t deadline, struct fail *why)
{
	struct slice line;

	if (barrier_wait(&connected, deadline, why) != 0 ||
	    say(*conn_inout, "220 farm.example ESMTP\r\n", deadline, why) != 0)
		return -1;
	for (;;) {
		if (conn_read_line(
			*conn_inout, LIMIT_COMMAND_LINE_BYTES, true, &line, deadline, why) != 0)
			return -1;
		if (slice_is(line, "QUIT"))
			return barrier_wait(&peak, deadline, why);
		int ret =
		    slice_is(line, "STARTTLS")
			? starttls_server(conn_inout, tls, deadline, why)
			: say(*conn_inout, ehlo_text(conn_is_tls(*conn_inout)), deadline, why);
		if (ret != 0)
			return -1;
	}
}

static void
session_fiber(void *arg)
{
	struct conn *conn = conn_plain((int)(intptr_t)arg);
	int64_t deadline = clock_deadline(PATIENCE_MS);
	struct fail why;

	if (serve(&conn, deadline, &why) != 0)
		fprintf(stderr, "smtpfarm: %s\n", why.text);
	else
		say(conn, "221 2.0.0 Bye\r\n", deadline, NULL);
	conn_close_lingering(conn, deadline);
}

static void
accept_all(void *arg)
{
	struct fail why;
	struct addr peer;
	int fd;

	(void)arg;
	for (;;) {
		fd = socket_accept(listen_fd, &peer, DEADLINE_NEVER, &why);
		if (fd < 0)
			stop("accept", &why);
		if (fiber_spawn(
			session_fiber, (void *)(intptr_t)fd, "session", DEADLINE_NEVER, &why) != 0)
			stop("session", &why);
	}
}

/* All addresses, but of this machine only: the socket is bound to the loopback interface first. */
static void
open_socket(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct addr bound = { .len = sizeof(bound.sa) };
	char text[ADDR_TEXT_BYTES];

	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen_fd < 0 || setsockopt(listen_fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0 ||
	    bind(listen_fd, (const struct sockaddr *)(const void *)&any, sizeof(any)) != 0 ||
	    listen(listen_fd, 4096) != 0 ||
	    getsockname(listen_fd, (struct sockaddr *)&bound.sa, &bound.len) != 0) {
		perror("smtpfarm");
		exit(EXIT_FAILURE);
	}
	addr_str(&bound, text);
	printf("listening on %s\n", text);
	fflush(stdout);
}

static void
make_tls(char **files, size_t n)
{
	const char *certs[2], *keys[2];
	struct fail why;

	for (size_t i = 0; i < n; i++) {
		certs[i] = files[2 * i];
		keys[i] = files[2 * i + 1];
	}
	tls_init();
	tls = tls_ctx_server(
	    &(struct tls_server_options){ .cert_files = certs, .key_files = keys, .n = n }, &why);
	if (tls == NULL)
		stop("TLS", &why);
}

int
main(int argc, char **argv)
{
	if (argc != 5 && argc != 7)
		return 64;
	unsigned at_once = (unsigned)strtoul(argv[1], NULL, 10);
	signals_init();
	socket_descriptor_limit();
	make_tls(argv + 3, (size_t)(argc - 3) / 2);
	barrier_init(&connected, "connected", at_once, false);
	barrier_init(&peak, "peak", at_once, strcmp(argv[2], "hold") == 0);
	open_socket();
	sched_run(accept_all, NULL);
	return EXIT_SUCCESS;
}

/*
 * Load for a receiver: AT_ONCE sessions that live at the same time in one process, ROUNDS times
 * after each other. All are connected before the first EHLO, and all have said EHLO for the last
 * time (inside TLS) before the first mail or QUIT.
 *
 *   smtpload ADDRESS:PORT AT_ONCE ROUNDS tls|plain BYTES [hold|messages=N]
 *
 * BYTES: size of one message to postmaster, 0 for none. hold: with all sessions at their height
 * print "peak COUNT" and wait for a line on stdin (first round). messages: in each session. Sessions come from many addresses
 * of 127.1.0.0/16, since receivers cap connections by address. Prints "COUNT sessions" at the end;
 * the first failure goes to stderr and makes the exit status 1.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/gate.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "smtp/client.h"

#define SESSIONS_PER_ADDRESS 20
#define CONNECTING_AT_ONCE 500 /* the kernel's queue of a listening socket is bounded */
#define PATIENCE_MS (120 * 1000)

static struct addr to;
static struct tls_ctx *tls; /* NULL: plain */
static unsigned at_once, rounds, messages = 1;
static struct buf message;
static struct gate connecting;
static struct barrier connected, peak;
static unsigned done, failed;

static void
source(unsigned number, struct addr *addr_r)
{
	unsigned host = number / SESSIONS_PER_ADDRESS;
	unsigned char ip[4] = { 127, 1, (unsigned char)(host / 250),
		(unsigned char)(host % 250 + 1) };

	addr_from_bytes(ip, sizeof(ip), 0, addr_r);
}

static int
open_session(unsigned number, struct smtp_client *client, int64_t deadline, struct fail *why)
{
	struct addr from;
	int ret = -1;

	source(number, &from);
	if (gate_enter(&connecting, deadline, why) != 0)
		return -1;
	int fd = socket_connect(&to, &from, deadline, why);
	if (fd >= 0) {
		smtp_client_init(client, conn_plain(fd), NULL, NULL);
		ret = smtp_greeting(client, deadline, why);
	}
	gate_leave(&connecting);
	return ret;
}

static int
climb(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	struct tls *failed_tls = NULL;
	size_t early;

	if (smtp_ehlo(client, "load.example", deadline, why) != 0)
		return -1;
	if (tls == NULL)
		return 0;
	int ret = smtp_starttls(
	    client, tls, "ecdsa.box.test", KEY_ANY, &early, &failed_tls, deadline, why);
	tls_free(failed_tls);
	return ret == 0 ? smtp_ehlo(client, "load.example", deadline, why) : -1;
}

static int
mail(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (smtp_mail(client, "load@load.example", "", deadline, why) != 0 ||
	    smtp_rcpt(client, "postmaster", "", deadline, why) != 0 ||
	    smtp_data(client, deadline, why) != 0 ||
	    smtp_data_write(client, message.data, message.len, deadline, why) != 0)
		return -1;
	return smtp_data_reply(client, deadline, why);
}

static int
session(unsigned number, struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (open_session(number, client, deadline, why) != 0 ||
	    barrier_wait(&connected, deadline, why) != 0 || climb(client, deadline, why) != 0 ||
	    barrier_wait(&peak, deadline, why) != 0)
		return -1;
	for (unsigned i = 0; message.len > 0 && i < messages; i++)
		if (mail(client, deadline, why) != 0)
			return -1;
	return smtp_quit(client, deadline, why);
}

static void
session_fiber(void *arg)
{
	unsigned number = *(unsigned *)arg;
	struct smtp_client client;
	struct fail why;

	for (unsigned round = 0; round < rounds; round++) {
		int64_t deadline = clock_deadline(PATIENCE_MS);
		memset(&client, 0, sizeof(client));
		int ret = session(number, &client, deadline, &why);
		smtp_client_fini(&client);
		if (ret == 0) {
			done++;
			continue;
		}
		if (failed++ == 0)
			fprintf(stderr, "smtpload: session %u: %s\n", number, why.text);
		barrier_leave(&connected, deadline);
		barrier_leave(&peak, deadline);
		return;
	}
}

static void
start(void *arg)
{
	unsigned *numbers = arg;
	struct fail why;

	for (unsigned i = 0; i < at_once; i++) {
		numbers[i] = i;
		if (fiber_spawn(session_fiber, &numbers[i], "session", DEADLINE_NEVER, &why) != 0) {
			fprintf(stderr, "smtpload: %s\n", why.text);
			exit(EXIT_FAILURE);
		}
	}
}

static void
make_message(size_t bytes)
{
	static const char line[] = "All work and no play makes a dull message, said the mail.\r\n";

	if (bytes == 0)
		return;
	buf_puts(&message, "From: <load@load.example>\r\nSubject: load\r\n\r\n");
	while (message.len < bytes)
		buf_puts(&message, line);
	buf_puts(&message, ".\r\n");
}

int
main(int argc, char **argv)
{
	const struct tls_client_options options = { .security_level = 1 };
	struct fail why;

	if (argc < 6 || addr_parse(slice_str(argv[1]), -1, &to, &why) != 0)
		return 64;
	signals_init();
	socket_descriptor_limit();
	at_once = (unsigned)strtoul(argv[2], NULL, 10);
	rounds = (unsigned)strtoul(argv[3], NULL, 10);
	buf_init(&message, 1 << 30);
	make_message(strtoul(argv[5], NULL, 10));
	tls_init();
	if (strcmp(argv[4], "tls") == 0 && (tls = tls_ctx_client(&options, &why)) == NULL) {
		fprintf(stderr, "smtpload: %s\n", why.text);
		return EXIT_FAILURE;
	}
	gate_init(&connecting, CONNECTING_AT_ONCE);
	barrier_init(&connected, "connected", at_once, false);
	if (argc > 6 && strncmp(argv[6], "messages=", 9) == 0)
		messages = (unsigned)strtoul(argv[6] + 9, NULL, 10);
	barrier_init(&peak, "peak", at_once, argc > 6 && strcmp(argv[6], "hold") == 0);
	unsigned *numbers = mem_array(at_once, sizeof(*numbers));
	sched_run(start, numbers);
	printf("%u sessions\n", done);
	free(numbers);
	buf_free(&message);
	tls_ctx_free(tls);
	return failed != 0;
}

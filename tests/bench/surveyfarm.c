/*
 * An internet for a survey: one process that answers SMTP with STARTTLS on every address of
 * 127.0.0.0/8, and DNS at the same port, with any number of domains that share mail servers.
 *
 *   surveyfarm CERT KEY SERVERS
 *
 *   d<N>.test     MX 10 mx<K>.test, K from 1 to SERVERS by Zipf's law: a few servers have most domains
 *   mx<K>.test    A 127.16.0.0 + K
 *   all others    NXDOMAIN
 *   127.32.0.0/16 greets after 20 s
 *
 * Prints "listening on ADDRESS:PORT". For each line on stdin it prints "sessions COUNT addresses COUNT
 * queries COUNT" and starts to count anew. Ends with SIGTERM.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "net/conn.h"
#include "smtp/starttls.h"

#define PATIENCE_MS (300 * 1000)
#define SLOW_MS 20000
#define ADDRESSES (1 << 24)

static struct tls_ctx *tls;
static int smtp_fd, dns_fd;
static unsigned servers;
static unsigned long sessions, addresses, queries;
static unsigned char *seen; /* a bit for each address of 127.0.0.0/8 */

static void
stop(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* --- SMTP ---------------------------------------------------------------------------------------- */

static int
say(struct conn *conn, const char *text, int64_t deadline, struct fail *why)
{
	if (conn_write(conn, text, strlen(text), deadline, why) != 0)
		return -1;
	return conn_flush(conn, deadline, why);
}

static const char *
ehlo_text(bool in_tls)
{
	return in_tls ? "250-farm.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n"
			"250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
		      : "250-farm.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n"
			"250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
			"250 SMTPUTF8\r\n";
}

static int
serve(struct conn **conn, int64_t deadline, struct fail *why)
{
	struct slice line;

	if (say(*conn, "220 farm.example ESMTP\r\n", deadline, why) != 0)
		return -1;
	for (;;) {
		if (conn_read_line(*conn, LIMIT_COMMAND_LINE_BYTES, true, &line, deadline, why) !=
		    0)
			return -1;
		if (slice_is(line, "QUIT"))
			return say(*conn, "221 2.0.0 Bye\r\n", deadline, why);
		int ret = slice_is(line, "STARTTLS")
			      ? starttls_server(conn, tls, deadline, why)
			      : say(*conn, ehlo_text(conn_is_tls(*conn)), deadline, why);
		if (ret != 0)
			return -1;
	}
}

/* Counts the session; true for an address that is slow. */
static bool
note_address(int fd)
{
	struct sockaddr_in local;
	socklen_t len = sizeof(local);

	sessions++;
	if (getsockname(fd, (struct sockaddr *)(void *)&local, &len) != 0)
		return false;
	uint32_t address = ntohl(local.sin_addr.s_addr) & (ADDRESSES - 1);
	if ((seen[address / 8] >> address % 8 & 1) == 0)
		addresses++;
	seen[address / 8] |= (unsigned char)(1 << address % 8);
	return address >> 16 == 32;
}

static void
session_fiber(void *arg)
{
	int fd = (int)(intptr_t)arg;
	int64_t deadline = clock_deadline(PATIENCE_MS);
	bool slow = note_address(fd);
	struct conn *conn = conn_plain(fd);

	if (!slow || io_sleep(clock_deadline(SLOW_MS), NULL) == 0)
		serve(&conn, deadline, NULL);
	conn_close_lingering(conn, deadline);
}

static void
smtp_fiber(void *arg)
{
	struct fail why;
	struct addr peer;
	int fd;

	(void)arg;
	while ((fd = socket_accept(smtp_fd, &peer, DEADLINE_NEVER, &why)) >= 0)
		if (fiber_spawn(
			session_fiber, (void *)(intptr_t)fd, "session", DEADLINE_NEVER, &why) != 0)
			stop("session");
	stop("accept");
}

/* --- DNS ----------------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t
mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Zipf's law in steps of two: as many domains at the servers 1, 2-3, 4-7, 8-15 and so on. */
static unsigned
server_of(unsigned long long domain)
{
	uint64_t random = mix(domain);
	unsigned steps = 0;

	while (steps < 24 && 1U << steps <= servers)
		steps++;
	unsigned first = 1U << random % steps;
	unsigned k = first + (unsigned)(random >> 32) % first;
	return k > servers ? first : k;
}

static unsigned char *
put16(unsigned char *p, unsigned v)
{
	*p++ = (unsigned char)(v >> 8);
	*p++ = (unsigned char)v;
	return p;
}

/* Owner (a pointer to the question), type, class IN, TTL. */
static unsigned char *
put_head(unsigned char *p, unsigned type, unsigned ttl)
{
	p = put16(p, 0xc00c);
	p = put16(put16(p, type), 1);
	return put16(put16(p, 0), ttl);
}

static unsigned char *
put_soa(unsigned char *p)
{
	*p++ = 0; /* the root */
	p = put16(put16(p, 6), 1);
	p = put16(put16(p, 0), 300);
	p = put16(p, 22);
	*p++ = 0;
	*p++ = 0;
	for (int i = 0; i < 5; i++)
		p = put16(put16(p, 0), 300);
	return p;
}

/* The number behind a word in the first label ("mx17"), 0 when there is none. */
static unsigned long long
numbered(const unsigned char *label, const char *word)
{
	size_t n = strlen(word);
	unsigned long long value;

	if (label[0] <= n || memcmp(label + 1, word, n) != 0 ||
	    !slice_number(
		slice_make((const char *)label + 1 + n, label[0] - n), 1ULL << 40, &value))
		return 0;
	return value;
}

static unsigned char *
put_mx(unsigned char *p, unsigned long long domain)
{
	char name[32];
	int n = snprintf(name, sizeof(name), "mx%u", server_of(domain));

	p = put_head(p, 15, 3600);
	p = put16(put16(p, (unsigned)n + 9), 10);
	*p++ = (unsigned char)n;
	memcpy(p, name, (size_t)n);
	p += n;
	memcpy(p, "\4test", 6);
	return p + 6;
}

/* The answer to a query of n bytes, in place; its length, 0 for none. */
static size_t
answer(unsigned char *packet, size_t n)
{
	unsigned char *p = packet + 12, *end = packet + n;
	unsigned long long domain, host;

	if (n < 12 + 5)
		return 0;
	while (p < end && *p != 0)
		p += 1 + *p;
	if (p + 5 > end)
		return 0;
	unsigned type = (unsigned)(p[1] << 8 | p[2]);
	const unsigned char *label = packet + 12;
	p += 5;
	domain = numbered(label, "d");
	host = numbered(label, "mx");
	bool plain = label[1 + label[0]] == 4; /* one label, then "test" */
	bool exists = plain && (domain > 0 || host > 0);
	bool has = exists && ((domain > 0 && type == 15) || (host > 0 && type == 1));
	packet[2] = 0x84;
	packet[3] = exists ? 0x80 : 0x83;
	put16(put16(put16(packet + 6, has), !has), 0);
	if (has && domain > 0) {
		p = put_mx(p, domain);
	} else if (has) {
		p = put16(put_head(p, 1, 3600), 4);
		p = put16(
		    put16(p, 127 << 8 | (16 + (unsigned)(host >> 16))), (unsigned)host & 0xffff);
	} else {
		p = put_soa(p);
	}
	return (size_t)(p - packet);
}

static void
dns_fiber(void *arg)
{
	unsigned char packet[2048];
	struct sockaddr_in peer;

	(void)arg;
	for (;;) {
		socklen_t len = sizeof(peer);
		ssize_t n =
		    recvfrom(dns_fd, packet, 512, 0, (struct sockaddr *)(void *)&peer, &len);
		if (n < 0) {
			if (io_wait(dns_fd, IO_READ, DEADLINE_NEVER, NULL) != 0)
				return;
			continue;
		}
		queries++;
		size_t size = answer(packet, (size_t)n);
		if (size > 0)
			sendto(dns_fd, packet, size, 0, (struct sockaddr *)(void *)&peer, len);
	}
}

/* --- the rest ------------------------------------------------------------------------------------ */

static void
stdin_fiber(void *arg)
{
	char text[256];

	(void)arg;
	for (;;) {
		if (io_wait(STDIN_FILENO, IO_READ, DEADLINE_NEVER, NULL) != 0 ||
		    read(STDIN_FILENO, text, sizeof(text)) <= 0)
			return;
		printf("sessions %lu addresses %lu queries %lu\n", sessions, addresses, queries);
		fflush(stdout);
		sessions = addresses = queries = 0;
		memset(seen, 0, ADDRESSES / 8);
	}
}

static void
main_fiber(void *arg)
{
	(void)arg;
	if (fiber_spawn(smtp_fiber, NULL, "smtp", DEADLINE_NEVER, NULL) != 0 ||
	    fiber_spawn(dns_fiber, NULL, "dns", DEADLINE_NEVER, NULL) != 0)
		stop("fibers");
	stdin_fiber(NULL);
}

/* All addresses, but of this machine only: the sockets are bound to the loopback interface first. */
static int
open_socket(int type, uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 8 << 20;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0)
		stop("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	/* replies of a socket for every address would come from 127.0.0.1 */
	if (type == SOCK_DGRAM)
		any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (const struct sockaddr *)(const void *)&any, sizeof(any)) != 0 ||
	    (type == SOCK_STREAM && listen(fd, 16384) != 0))
		stop("bind");
	return fd;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in bound;
	socklen_t len = sizeof(bound);
	struct fail why;

	if (argc != 4)
		return 64;
	const char *certs[] = { argv[1] }, *keys[] = { argv[2] };
	servers = (unsigned)strtoul(argv[3], NULL, 10);
	seen = calloc(ADDRESSES / 8, 1);
	signals_init();
	socket_descriptor_limit();
	tls_init();
	tls = tls_ctx_server(
	    &(struct tls_server_options){ .cert_files = certs, .key_files = keys, .n = 1 }, &why);
	if (tls == NULL || seen == NULL) {
		fprintf(stderr, "surveyfarm: %s\n", why.text);
		return EXIT_FAILURE;
	}
	smtp_fd = open_socket(SOCK_STREAM, 0);
	getsockname(smtp_fd, (struct sockaddr *)(void *)&bound, &len);
	dns_fd = open_socket(SOCK_DGRAM, ntohs(bound.sin_port));
	printf("listening on 127.0.0.1:%u\n", ntohs(bound.sin_port));
	fflush(stdout);
	sched_run(main_fiber, NULL);
	return EXIT_SUCCESS;
}

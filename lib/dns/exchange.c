#include "dns/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "dns/message.h"
#include "io/socket.h"

struct exchange {
	const struct addr *server;
	unsigned long *sent;
	bool cd;
	int64_t deadline;
	unsigned char query[DNS_QUERY_BYTES];
	size_t query_len;
	/* the reply: heap, exactly as long as it is */
	unsigned char *reply;
	size_t reply_len;
};

/* A socket that only hears this server. */
static int
udp_open(const struct exchange *x, struct fail *why)
{
	const struct sockaddr *sa = (const struct sockaddr *)(const void *)&x->server->sa;
	char text[ADDR_TEXT_BYTES];
	int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail_errno(why, FAIL_OS, "UDP socket");
	if (connect(fd, sa, x->server->len) != 0 ||
	    send(fd, x->query, x->query_len, 0) != (ssize_t)x->query_len) {
		addr_str(x->server, text);
		fail_errno(why, FAIL_IO, "%s", text);
		close(fd);
		return -1;
	}
	++*x->sent;
	return fd;
}

/*
 * Wait for the reply; whatever else arrives is ignored. A datagram larger than we announced is as
 * good as truncated.
 */
static int
udp_receive(struct exchange *x, int fd, enum dns_match *match_r, struct fail *why)
{
	unsigned char data[LIMIT_DNS_UDP_BYTES + 1];
	char text[ADDR_TEXT_BYTES];

	for (;;) {
		/* a peer that never stops sending must not keep us beyond the deadline */
		if (clock_ms() >= x->deadline)
			return fail_set(why, FAIL_TIMEOUT, NULL);
		if (io_wait(fd, IO_READ, x->deadline, why) != 0)
			return -1;
		ssize_t n = recv(fd, data, sizeof(data), 0);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			continue;
		if (n < 0) {
			/* ECONNREFUSED: nobody listens there */
			addr_str(x->server, text);
			return fail_errno(why, FAIL_IO, "%s", text);
		}
		*match_r = dns_message_match(data, (size_t)n, x->query, x->query_len);
		if (*match_r == DNS_MATCH_NOT_OURS)
			continue;
		if ((size_t)n == sizeof(data))
			*match_r = DNS_MATCH_TRUNCATED;
		x->reply_len = (size_t)n;
		x->reply = mem_alloc(x->reply_len);
		memcpy(x->reply, data, x->reply_len);
		return 0;
	}
}

static int
udp_exchange(struct exchange *x, enum dns_match *match_r, struct fail *why)
{
	int fd = udp_open(x, why);

	if (fd < 0)
		return -1;
	int rc = udp_receive(x, fd, match_r, why);
	close(fd);
	return rc;
}

static int
read_full(int fd, unsigned char *data, size_t n, int64_t deadline, struct fail *why)
{
	while (n > 0) {
		ssize_t got = socket_read(fd, data, n, deadline, why);
		if (got < 0)
			return -1;
		if (got == 0)
			return fail_set(why, FAIL_EOF, "connection closed within a message");
		data += got;
		n -= (size_t)got;
	}
	return 0;
}

/* RFC 7766 s8: two bytes of length before each message, both in one segment. */
static int
tcp_talk(struct exchange *x, int fd, enum dns_match *match_r, struct fail *why)
{
	unsigned char out[2 + DNS_QUERY_BYTES], head[2];

	out[0] = (unsigned char)(x->query_len >> 8);
	out[1] = (unsigned char)x->query_len;
	memcpy(out + 2, x->query, x->query_len);
	if (socket_write(fd, out, 2 + x->query_len, x->deadline, why) != 0)
		return -1;
	++*x->sent;
	if (read_full(fd, head, sizeof(head), x->deadline, why) != 0)
		return -1;
	x->reply_len = (size_t)head[0] << 8 | head[1];
	x->reply = mem_alloc(x->reply_len == 0 ? 1 : x->reply_len);
	if (read_full(fd, x->reply, x->reply_len, x->deadline, why) != 0)
		return -1;
	*match_r = dns_message_match(x->reply, x->reply_len, x->query, x->query_len);
	/* nobody else can write here, so it is the resolver that is wrong */
	if (*match_r == DNS_MATCH_NOT_OURS)
		return fail_set(why, FAIL_IO, "reply to another query over TCP");
	return 0;
}

static int
tcp_exchange(struct exchange *x, enum dns_match *match_r, struct fail *why)
{
	char text[ADDR_TEXT_BYTES];
	int fd = socket_connect(x->server, NULL, x->deadline, why);

	if (fd < 0)
		return -1;
	int rc = tcp_talk(x, fd, match_r, why);
	close(fd);
	if (rc != 0) {
		addr_str(x->server, text);
		fail_prefix(why, "%s over TCP", text);
	}
	return rc;
}

static void
drop_reply(struct exchange *x)
{
	free(x->reply);
	x->reply = NULL;
	x->reply_len = 0;
}

static int
ask(struct exchange *x, const char *name, enum dns_type type, bool edns, enum dns_match *match_r,
    struct fail *why)
{
	uint16_t id;

	drop_reply(x);
	if (getentropy(&id, sizeof(id)) != 0)
		return fail_errno(why, FAIL_OS, "random query id");
	x->query_len = dns_message_build(x->query, id, name, type, edns, x->cd);
	if (x->query_len == 0)
		return fail_set(why, FAIL_DNS_NAME, "\"%s\" is not a domain name", name);
	if (udp_exchange(x, match_r, why) != 0)
		return -1;
	if (*match_r != DNS_MATCH_TRUNCATED)
		return 0;
	drop_reply(x);
	return tcp_exchange(x, match_r, why);
}

int
dns_exchange(const struct addr *server, bool trust_ad, bool cd, const char *name,
    enum dns_type type, unsigned long *sent, struct dns_answer **answer_r, int64_t deadline,
    struct fail *why)
{
	struct exchange x = { .server = server, .sent = sent, .cd = cd, .deadline = deadline };
	enum dns_match match;

	int rc = ask(&x, name, type, true, &match, why);
	/* RFC 6891 s7: a server from before EDNS0 says FORMERR or NOTIMP */
	if (rc == 0 && match == DNS_MATCH_NO_EDNS)
		rc = ask(&x, name, type, false, &match, why);
	if (rc == 0)
		*answer_r = dns_message_parse(x.reply, x.reply_len, name, type, trust_ad);
	drop_reply(&x);
	return rc;
}

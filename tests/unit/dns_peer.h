#ifndef TESTS_UNIT_DNS_PEER_H
#define TESTS_UNIT_DNS_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dns/dns.h"
#include "dns_build.h"
#include "io/sched.h"
#include "test.h"

/*
 * A scripted resolver: a child process that answers on UDP and TCP by the first label of the name
 * asked for. It ends when its parent closes the pipe, or ends.
 */
enum root { ROOT_AD, ROOT_PLAIN, ROOT_SILENT, ROOT_SERVFAIL, ROOT_REFUSED };

struct peer {
	struct addr addr;
	pid_t pid;
	int pipe;
};

struct asked {
	char name[300]; /* "" is the root */
	unsigned id, type;
	bool edns, cd;
};

static struct msg reply;

static inline void
read_query(const unsigned char *q, size_t n, struct asked *a)
{
	size_t at = 12, len = 0;

	memset(a, 0, sizeof(*a));
	a->id = (unsigned)q[0] << 8 | q[1];
	a->edns = q[11] == 1;
	a->cd = (q[3] & 0x10) != 0;
	while (at < n && q[at] != 0 && len + q[at] + 2 < sizeof(a->name)) {
		memcpy(a->name + len, q + at + 1, q[at]);
		len += q[at];
		at += (size_t)q[at] + 1;
		if (q[at] != 0)
			a->name[len++] = '.';
	}
	a->type = (unsigned)q[at + 1] << 8 | q[at + 2];
}

static inline bool
asks(const struct asked *a, const char *label)
{
	size_t n = strlen(label);

	return strncmp(a->name, label, n) == 0 && a->name[n] == '.';
}

static inline void
address(const char *owner, unsigned last)
{
	unsigned char ip[4] = { 192, 0, 2, (unsigned char)last };

	msg_rr(&reply, 1, owner, DNS_A, 300, ip, 4);
}

/* "flaky" fails at the first of three questions. */
static unsigned flaky;

static inline void
start_reply(const struct asked *a, unsigned flags)
{
	msg_start(&reply, a->id, MSG_QR | MSG_RD | MSG_RA | flags);
	msg_question(&reply, a->name, a->type);
}

/* The reply in "reply"; false: none. */
static inline bool
script_root(const struct asked *a, enum root root)
{
	start_reply(a, root == ROOT_AD         ? MSG_AD
		       : root == ROOT_SERVFAIL ? 2
		       : root == ROOT_REFUSED  ? 5
					       : 0);
	if (root == ROOT_AD || root == ROOT_PLAIN)
		msg_target(&reply, ".", DNS_NS, 300, "a.root-servers.net");
	return root != ROOT_SILENT;
}

static inline void
script_mx(const struct asked *a)
{
	start_reply(a, 0);
	if (asks(a, "null"))
		msg_mx(&reply, a->name, 0, ".");
	else if (asks(a, "literal"))
		msg_mx(&reply, a->name, 10, "192.0.2.1");
	else
		msg_mx(&reply, a->name, 10, "MX.Test");
}

static inline bool
script(const struct asked *a, bool tcp, enum root root)
{
	if (a->name[0] == '\0')
		return script_root(a, root);
	if (asks(a, "silent"))
		return false;
	if (a->type == DNS_MX) {
		script_mx(a);
		return true;
	}
	start_reply(a, asks(a, "secure")                              ? MSG_AD
		       : asks(a, "servfail") || asks(a, "bogus")      ? 2
		       : asks(a, "quiet") && !a->cd                   ? 2
		       : asks(a, "flaky") && flaky++ % 3 == 0         ? 2
		       : asks(a, "nxdomain")                          ? MSG_AD | 3
		       : asks(a, "refused")                           ? 5
		       : asks(a, "formerr") && a->edns                ? 1
		       : (asks(a, "trunc") || asks(a, "cut")) && !tcp ? MSG_TC
								      : 0);
	if (reply.d[3] & 15) {
		if (asks(a, "bogus"))
			msg_opt(&reply, 0, 7, "signature of test.");
		if (asks(a, "nxdomain"))
			msg_soa(&reply, "test", 60, 60);
	} else if (asks(a, "nodata")) {
		msg_soa(&reply, "test", 60, 60);
	} else if (asks(a, "alias")) {
		msg_target(&reply, a->name, DNS_CNAME, 300, "b.test");
		msg_target(&reply, "b.test", DNS_CNAME, 300, "c.test");
		address("c.test", 1);
	} else if (asks(a, "loop")) {
		msg_target(&reply, a->name, DNS_CNAME, 300, "b.test");
		msg_target(&reply, "b.test", DNS_CNAME, 300, a->name);
	} else if (asks(a, "malformed")) {
		msg_rr(&reply, 1, a->name, DNS_A, 300, "123", 3);
	} else if (asks(a, "trunc") || asks(a, "large")) {
		for (unsigned i = 0; (tcp || asks(a, "large")) && i < 100; i++)
			address(a->name, i);
	} else {
		address(a->name, 1);
	}
	return true;
}

static inline void
serve_udp(int fd, enum root root)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	const struct sockaddr *to = (const struct sockaddr *)(const void *)&from;
	unsigned char query[600];
	struct asked a;

	ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)(void *)&from, &len);
	if (n < 12)
		return;
	read_query(query, (size_t)n, &a);
	if (asks(&a, "wrongid")) {
		/* forged: another id, another question, a fragment */
		struct asked other = a;
		other.id ^= 1;
		start_reply(&other, 0);
		address(a.name, 66);
		sendto(fd, reply.d, reply.n, 0, to, len);
		other = a;
		memcpy(other.name, "x", 1);
		start_reply(&other, 0);
		address(other.name, 66);
		sendto(fd, reply.d, reply.n, 0, to, len);
		sendto(fd, reply.d, 5, 0, to, len);
	}
	if (script(&a, false, root))
		sendto(fd, reply.d, reply.n, 0, to, len);
}

static inline bool
write_all(int fd, const void *data, size_t n)
{
	return send(fd, data, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static inline void
serve_tcp(int listen_fd, enum root root)
{
	unsigned char query[600], head[2];
	struct asked a;
	int fd = accept(listen_fd, NULL, NULL);

	ssize_t n = recv(fd, query, sizeof(query), 0);
	if (n > 14) {
		read_query(query + 2, (size_t)n - 2, &a);
		if (script(&a, true, root)) {
			/* in pieces, and for "cut" not all of them */
			head[0] = (unsigned char)(reply.n >> 8);
			head[1] = (unsigned char)reply.n;
			write_all(fd, head, 1);
			usleep(1000);
			write_all(fd, head + 1, 1);
			write_all(fd, reply.d, 20);
			usleep(1000);
			if (!asks(&a, "cut"))
				write_all(fd, reply.d + 20, reply.n - 20);
		}
	}
	close(fd);
}

static inline void
serve(int udp, int tcp, int pipe_fd, enum root root)
{
	struct pollfd fds[3] = { { udp, POLLIN, 0 }, { tcp, POLLIN, 0 }, { pipe_fd, POLLIN, 0 } };

	alarm(60);
	while (poll(fds, 3, -1) >= 0 && fds[2].revents == 0) {
		if (fds[0].revents != 0)
			serve_udp(udp, root);
		if (fds[1].revents != 0)
			serve_tcp(tcp, root);
	}
}

static inline int
bind_socket(struct addr *at, int type)
{
	struct sockaddr *sa = (struct sockaddr *)(void *)&at->sa;
	int fd = socket(sa->sa_family, type, 0);

	if (bind(fd, sa, at->len) != 0) {
		close(fd);
		return -1;
	}
	at->len = sizeof(at->sa);
	getsockname(fd, sa, &at->len);
	return fd;
}

/* False when there is no such address here. */
static inline bool
peer_start(struct peer *p, const char *ip, enum root root)
{
	int ends[2], udp = -1, tcp = -1;

	/* the port must be free for both */
	for (int i = 0; i < 20 && tcp < 0; i++) {
		close(udp);
		CHECK(addr_parse_ip(slice_str(ip), 0, &p->addr));
		udp = bind_socket(&p->addr, SOCK_DGRAM);
		tcp = bind_socket(&p->addr, SOCK_STREAM);
	}
	if (tcp < 0)
		return false;
	if (listen(tcp, 10) != 0 || pipe(ends) != 0)
		abort();
	fflush(stdout);
	p->pid = fork();
	if (p->pid == 0) {
		close(ends[1]);
		serve(udp, tcp, ends[0], root);
		_exit(0);
	}
	p->pipe = ends[1];
	close(ends[0]);
	close(udp);
	close(tcp);
	return true;
}

static inline void
peer_stop(struct peer *p)
{
	/* other children hold the pipe, too */
	kill(p->pid, SIGTERM);
	close(p->pipe);
	waitpid(p->pid, NULL, 0);
}

static inline struct dns_resolver *
resolver(const struct addr *servers, size_t n, int64_t timeout_ms, int tries, bool trust_ad)
{
	struct dns_options options = { .servers = servers,
		.n = n,
		.timeout_ms = timeout_ms,
		.tries = tries,
		.trust_ad = trust_ad };
	struct fail why;

	return dns_resolver_new(&options, &why);
}

/* Each test body runs without and with fibers: the code is the same, the waits are not. */
static inline void
both(fiber_fn *fn, void *arg)
{
	fn(arg);
	sched_run(fn, arg);
}

static inline const struct dns_answer *
query(struct dns_resolver *r, const char *name, enum dns_type type)
{
	const struct dns_answer *a = NULL;
	struct fail why;

	fail_clear(&why);
	CHECK_INT(dns_query(r, name, type, &a, clock_deadline(20000), &why), 0);
	CHECK_STR(why.text, "");
	if (a == NULL)
		abort();
	return a;
}

#endif

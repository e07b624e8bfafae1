#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "app/store/commit_wire.h"
#include "base/mem.h"

/*
 * The helper process: blocking, one packet after the other, no loop and no fibers. It knows no path
 * and opens nothing; all it may touch came to it as a descriptor.
 */

/* A batch stops growing here, so that with one more full packet it stays below 1024 descriptors. */
#define BATCH_FDS 256

struct helper {
	int fd;
	struct commit_packet *packets[COMMIT_BATCH]; /* allocated when first needed */
	size_t n;                                    /* of this batch */
	char bytes[COMMIT_PACKET_BYTES];
	struct commit_answer answers[COMMIT_BATCH];
	size_t answers_n;
};

static void
take_fds(struct msghdr *msg, struct commit_packet *p)
{
	p->fds_n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		bool rights = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
		size_t n = rights ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
		/* receive()'s space holds no more than that */
		for (size_t i = 0; i < n && p->fds_n < COMMIT_PACKET_FDS; i++)
			memcpy(&p->fds[p->fds_n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

static void
close_fds(struct commit_packet *p)
{
	for (size_t i = 0; i < p->fds_n; i++)
		close(p->fds[i]);
	p->fds_n = 0;
}

static void
answer_add(struct helper *h, const struct commit_request *req)
{
	struct commit_answer *a = &h->answers[h->answers_n++];

	memset(a, 0, sizeof(*a));
	a->id = req->id;
	a->code = (int32_t)req->why.code;
	a->errnum = req->why.errnum;
	snprintf(a->text, sizeof(a->text), "%.*s", (int)sizeof(a->text) - 1, req->why.text);
}

/* 1: a packet was received; 0: none waits; -1: the other end is closed. */
static int
receive(struct helper *h, struct commit_packet *p, int flags)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(COMMIT_PACKET_FDS * sizeof(int))];
	} control;
	struct iovec iov = { h->bytes, sizeof(h->bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	do {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		n = recvmsg(h->fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	if (n == 0)
		return -1;
	take_fds(&msg, p);
	bool ok = commit_packet_parse(slice_make(h->bytes, (size_t)n), p);
	if (ok && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return 1;
	/* our own descriptor limit cuts the list, too: the request's sender takes its files back */
	fail_set(&p->req.why, FAIL_STORAGE, "commit helper: descriptors or names were cut off");
	close_fds(p);
	answer_add(h, &p->req);
	return 1;
}

/* Collect what waits, at least one packet. False: the other end is closed. */
static bool
collect(struct helper *h)
{
	size_t fds = 0;

	h->n = h->answers_n = 0;
	while (h->n + h->answers_n < COMMIT_BATCH && fds < BATCH_FDS) {
		if (h->packets[h->n] == NULL)
			h->packets[h->n] = mem_alloc(sizeof(struct commit_packet));
		struct commit_packet *p = h->packets[h->n];
		bool first = h->n + h->answers_n == 0;
		int got = receive(h, p, first ? 0 : MSG_DONTWAIT);
		if (got <= 0)
			return !first;
		if (p->req.why.code == FAIL_NONE)
			h->n++;
		fds += p->fds_n;
	}
	return true;
}

static bool
answer(struct helper *h)
{
	size_t n = h->answers_n * sizeof(h->answers[0]);
	ssize_t sent;

	do
		sent = send(h->fd, h->answers, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)n;
}

int
commit_helper_main(void *socket_fd)
{
	struct helper *h = mem_alloc(sizeof(*h));
	struct commit_request *requests[COMMIT_BATCH];

	/* a service manager signals every process of a group: what the server still commits needs us */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	h->fd = *(const int *)socket_fd;
	bool served = true;
	while (served && collect(h)) {
		for (size_t i = 0; i < h->n; i++)
			requests[i] = &h->packets[i]->req;
		commit_batch(requests, h->n);
		/* closed before the answer: a lock on the file is the asker's alone again */
		for (size_t i = 0; i < h->n; i++) {
			answer_add(h, &h->packets[i]->req);
			close_fds(h->packets[i]);
		}
		served = answer(h);
	}
	for (size_t i = 0; i < COMMIT_BATCH; i++)
		free(h->packets[i]);
	free(h);
	return 0;
}

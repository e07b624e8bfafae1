#include "app/store/commit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "app/store/commit_wire.h"
#include "app/store/storage.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/io.h"
#include "io/sched.h"
#include "io/socket.h"

#define RESTART_SPACING_MS 200   /* a helper that dies at once must not become a fork loop */
#define RESTART_PATIENCE_MS 2000 /* how long a request waits for a helper to come back */

/* One request on its way, on the asker's stack. */
struct pending {
	struct list link;
	struct waitq waiting; /* the asker, while another fiber reads */
	uint64_t id;
	bool done;
	struct fail why;
};

/* --- helpers come and go -------------------------------------------------------------------------- */

static int
helper_start(struct commit_helper *h, struct fail *why)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return fail_errno(why, FAIL_OS, "socketpair");
	int rc = socket_nonblocking(pair[0], why);
	if (rc == 0)
		rc = child_fork(&h->child, commit_helper_main, &pair[1], &pair[1], 1, why);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		return -1;
	}
	h->fd = pair[0];
	h->dead = h->reading = false;
	h->outstanding = 0;
	h->started_ms = clock_ms();
	return 0;
}

int
commit_start(struct commit *c, unsigned n, struct fail *why)
{
	memset(c, 0, sizeof(*c));
	c->restart = true;
	if (n > COMMIT_HELPERS_MAX)
		n = COMMIT_HELPERS_MAX;
	gate_init(&c->gate, n * COMMIT_OUTSTANDING);
	for (; c->n < n; c->n++) {
		struct commit_helper *h = &c->helpers[c->n];
		list_init(&h->pending);
		if (helper_start(h, why) != 0) {
			commit_stop(c, clock_deadline(1000));
			return -1;
		}
	}
	return 0;
}

void
commit_stop(struct commit *c, int64_t deadline)
{
	int status;

	for (unsigned i = 0; i < c->n; i++) {
		if (c->helpers[i].fd >= 0)
			close(c->helpers[i].fd);
		c->helpers[i].fd = -1;
	}
	for (unsigned i = 0; i < c->n; i++) {
		struct child *child = &c->helpers[i].child;
		if (child->wait_fd < 0 || child_wait(child, &status, deadline, NULL) == 0)
			continue;
		child_kill(child, SIGKILL);
		child_wait(child, &status, clock_deadline(5000), NULL);
	}
	c->n = 0;
}

/* Everything asked of this helper has failed; what it did before it died nobody can tell. */
static void
helper_died(struct commit_helper *h)
{
	h->dead = true;
	while (!list_empty(&h->pending)) {
		struct pending *p = LIST_ITEM(h->pending.next, struct pending, link);
		list_remove(&p->link);
		p->done = true;
		fail_set(&p->why, FAIL_STORAGE, "a commit helper process died");
		io_wake(&p->waiting, -1);
	}
}

/* Nobody uses the descriptor any more: close it, reap the process. */
static void
helper_bury(struct commit_helper *h)
{
	int status;

	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	child_kill(&h->child, SIGKILL);
	if (h->child.wait_fd >= 0 && child_wait(&h->child, &status, 0, NULL) == 0)
		log_error("commit helper %ld died (wait status %d)", (long)h->child.pid, status);
}

/* The helper with the shortest queue; dead ones are replaced first. NULL: none lives now. */
static struct commit_helper *
helper_pick(struct commit *c)
{
	struct commit_helper *best = NULL;
	struct fail why;

	for (unsigned i = 0; i < c->n; i++) {
		struct commit_helper *h = &c->helpers[i];
		if (h->dead && h->users == 0)
			helper_bury(h);
		if (h->dead && h->users == 0 && h->child.wait_fd < 0 && c->restart &&
		    clock_ms() >= h->started_ms + RESTART_SPACING_MS &&
		    helper_start(h, &why) != 0) {
			h->started_ms = clock_ms();
			log_error("commit helper: %s", why.text);
		}
		if (!h->dead && (best == NULL || h->outstanding < best->outstanding))
			best = h;
	}
	return best;
}

static struct commit_helper *
helper_get(struct commit *c, int64_t deadline, struct fail *why)
{
	int64_t patience = clock_deadline(RESTART_PATIENCE_MS);

	for (;;) {
		struct commit_helper *h = helper_pick(c);
		if (h != NULL) {
			h->users++;
			return h;
		}
		int64_t now = clock_ms();
		if (!c->restart || now >= patience || now >= deadline) {
			fail_set(why, FAIL_STORAGE, "no commit helper process is left");
			return NULL;
		}
		if (io_sleep(now + 5, why) != 0)
			return NULL;
	}
}

/* --- asking ---------------------------------------------------------------------------------------- */

/* One try. 1: sent; 0: not now; -1 with why; when the helper is dead it has not got the request. */
static int
packet_send(
    struct commit_helper *h, const struct buf *packet, const int *fds, size_t n, struct fail *why)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(COMMIT_PACKET_FDS * sizeof(int))];
	} control;
	struct iovec iov = { packet->data, packet->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	msg.msg_control = control.space;
	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	if (sendmsg(h->fd, &msg, MSG_NOSIGNAL) >= 0)
		return 1;
	/* ETOOMANYREFS: more descriptors under way than RLIMIT_NOFILE */
	if (errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS || errno == ENOBUFS)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		helper_died(h);
	return storage_fail(why, "commit helper");
}

static int
request_send(struct commit_helper *h, const struct buf *packet, const int *fds, size_t n,
    int64_t deadline, struct fail *why)
{
	for (;;) {
		if (h->dead)
			return fail_set(why, FAIL_STORAGE, "a commit helper process died");
		int sent = packet_send(h, packet, fds, n, why);
		if (sent != 0)
			return sent < 0 ? -1 : 0;
		/* a full socket is rare (COMMIT_OUTSTANDING) and ETOOMANYREFS cannot be polled for */
		int64_t now = clock_ms();
		if (now >= deadline)
			return fail_set(why, FAIL_TIMEOUT, "the commit helpers are too slow");
		if (io_sleep(now + 2, why) != 0)
			return -1;
	}
}

static void
answer_take(struct commit_helper *h, const struct commit_answer *a)
{
	h->outstanding--;
	for (struct list *l = h->pending.next; l != &h->pending; l = l->next) {
		struct pending *p = LIST_ITEM(l, struct pending, link);
		if (p->id != a->id)
			continue;
		list_remove(&p->link);
		p->done = true;
		if (a->code != FAIL_NONE)
			fail_set(&p->why,
			    a->code > 0 && a->code < FAIL_COUNT ? (enum fail_code)a->code
								: FAIL_INTERNAL,
			    "%.*s", (int)strnlen(a->text, sizeof(a->text)), a->text);
		p->why.errnum = a->errnum;
		io_wake(&p->waiting, -1);
		return;
	}
	/* its asker gave up and took its files back */
}

/* Wait for one packet of answers and hand them out. */
static int
answers_read(struct commit_helper *h, int64_t deadline, struct fail *why)
{
	struct commit_answer answers[COMMIT_BATCH];
	ssize_t n;

	if (io_wait(h->fd, IO_READ, deadline, why) != 0)
		return -1;
	do
		n = recv(h->fd, answers, sizeof(answers), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0 || (size_t)n % sizeof(answers[0]) != 0) {
		helper_died(h);
		return 0;
	}
	for (size_t i = 0; i < (size_t)n / sizeof(answers[0]); i++)
		answer_take(h, &answers[i]);
	return 0;
}

/*
 * Wait until p is done. Of all fibers that wait for one helper, one reads for all; when it leaves
 * it wakes the next, which goes on reading.
 */
static int
answer_wait(struct commit_helper *h, struct pending *p, int64_t deadline, struct fail *why)
{
	int rc = 0;

	while (!p->done && rc == 0) {
		if (h->reading) {
			rc = io_park(&p->waiting, deadline, why);
			continue;
		}
		h->reading = true;
		while (!p->done && rc == 0)
			rc = answers_read(h, deadline, why);
		h->reading = false;
		if (!list_empty(&h->pending)) {
			struct list *next = h->pending.next;
			if (next == &p->link)
				next = next->next;
			if (next != &h->pending)
				io_wake(&LIST_ITEM(next, struct pending, link)->waiting, -1);
		}
	}
	/* done and out of time at once: done counts */
	if (p->done)
		return 0;
	list_remove(&p->link);
	return rc;
}

/* 0 or -1 as commit_files; 1: the helper was dead before it got the request. */
static int
ask_helper(struct commit_helper *h, uint64_t id, unsigned steps, const struct commit_file *files,
    size_t n, int64_t deadline, struct fail *why)
{
	struct pending p = { .id = id };
	int fds[COMMIT_PACKET_FDS];
	size_t fds_n;
	struct buf packet;

	buf_init(&packet, COMMIT_PACKET_BYTES);
	int rc = commit_packet_format(&packet, id, steps, files, n, fds, &fds_n);
	if (rc != 0)
		fail_set(why, FAIL_INTERNAL, "commit: bad file name");
	else
		rc = request_send(h, &packet, fds, fds_n, deadline, why);
	buf_free(&packet);
	if (rc != 0)
		return h->dead ? 1 : -1;
	waitq_init(&p.waiting);
	list_append(&h->pending, &p.link);
	h->outstanding++;
	if (answer_wait(h, &p, deadline, why) != 0)
		return -1;
	if (p.why.code == FAIL_NONE)
		return 0;
	if (why != NULL)
		*why = p.why;
	return -1;
}

/* Steps for some files: by a helper, or here. */
static int
ask(struct commit *c, unsigned steps, struct commit_file *files, size_t n, int64_t deadline,
    struct fail *why)
{
	if (c == NULL || c->n == 0) {
		struct commit_request req = { .steps = steps, .n = n };
		struct commit_request *one = &req;
		req.files = files;
		commit_batch(&one, 1);
		if (req.why.code == FAIL_NONE)
			return 0;
		if (why != NULL)
			*why = req.why;
		return -1;
	}
	int rc;
	do {
		struct commit_helper *h = helper_get(c, deadline, why);
		if (h == NULL)
			return -1;
		rc = ask_helper(h, c->next_id++, steps, files, n, deadline, why);
		h->users--;
	} while (rc > 0);
	return rc;
}

static int
ask_all(struct commit *c, unsigned steps, struct commit_file *files, size_t n, int64_t deadline,
    struct fail *why)
{
	for (size_t i = 0; i < n; i += COMMIT_PACKET_FILES) {
		size_t part = n - i < COMMIT_PACKET_FILES ? n - i : COMMIT_PACKET_FILES;
		if (ask(c, steps, &files[i], part, deadline, why) != 0)
			return -1;
	}
	return 0;
}

static int
prepare(struct commit_file *files, size_t n, bool helpers, struct fail *why)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < n; i++) {
		files[i].from = files[i].made = -1;
		files[i].stamp_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	}
	for (size_t i = 0; i < n; i++) {
		if (files[i].fd >= 0)
			continue;
		if (files[i].data.n > COMMIT_DATA_BYTES)
			return fail_set(why, FAIL_INTERNAL, "commit: too much data");
		if (helpers && commit_data_open(&files[i], why) != 0)
			return -1;
	}
	return 0;
}

static int
do_steps(struct commit *c, struct commit_file *files, size_t n, int64_t deadline, struct fail *why)
{
	if (n <= COMMIT_PACKET_FILES)
		return ask(c, COMMIT_SYNC | COMMIT_NAME, files, n, deadline, why);
	if (ask_all(c, COMMIT_SYNC, files, n, deadline, why) != 0)
		return -1;
	return ask_all(c, COMMIT_NAME, files, n, deadline, why);
}

int
commit_files(
    struct commit *c, struct commit_file *files, size_t n, int64_t deadline, struct fail *why)
{
	bool helpers = c != NULL && c->n > 0;

	if (n == 0)
		return 0;
	int rc = prepare(files, n, helpers, why);
	if (rc == 0 && helpers)
		rc = gate_enter(&c->gate, deadline, why);
	if (rc == 0) {
		rc = do_steps(c, files, n, deadline, why);
		if (helpers)
			gate_leave(&c->gate);
	}
	/* also after a helper did so: it may have died, or still be at work */
	if (rc != 0) {
		commit_revoke(files, n);
		commit_undo(files, n);
	}
	for (size_t i = 0; i < n; i++)
		if (files[i].from >= 0)
			close(files[i].from);
	return rc;
}

#include "app/listen/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/listen/receive_log.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "io/workers.h"

/* --- what signals mean ------------------------------------------------------------------------------ */

/* Of those that come after the first stop: nothing more is waited for (DESIGN 8). */
static bool
is_hurry(const struct listener *l, int signo)
{
	return l->supervised ? signo == WORKERS_HURRY : signo == SIGINT || signo == SIGTERM;
}

static bool
hurry_waits(const struct listener *l)
{
	bool said = false;

	for (int signo; (signo = signals_next()) != 0;)
		said |= is_hurry(l, signo);
	return said;
}

/* --- caps ----------------------------------------------------------------------------------------- */

/* More than 80 % of the places are taken, by this process and others (DECISIONS F41). */
static void
note_busy(struct listener *l)
{
	l->busy = (uint64_t)listen_caps_open(l->caps) * 5 > (uint64_t)l->max_connections * 4;
}

/* Too many of this client within a minute? Programs of this host, and those it relays for, have their reasons. */
static bool
rate_passed(struct listener *l, const struct addr *peer)
{
	return l->max_per_minute > 0 && !addr_is_loopback(peer) &&
	       !accept_is_relay_client(&l->receiver->accept, peer) &&
	       listen_caps_rate(l->caps, peer, l->max_per_minute, clock_ms()) == LISTEN_CAP_RATE;
}

/* Count a connection in. */
static enum listen_cap
cap_enter(struct listener *l, const struct addr *peer, unsigned *slot_r)
{
	enum listen_cap cap =
	    listen_caps_enter(l->caps, peer, l->max_connections, l->max_per_network, slot_r);

	if (cap == LISTEN_CAP_NONE && rate_passed(l, peer)) {
		listen_caps_leave(l->caps, *slot_r);
		cap = LISTEN_CAP_RATE;
	}
	note_busy(l);
	return cap;
}

static void
cap_leave(struct listener *l, unsigned slot)
{
	listen_caps_leave(l->caps, slot);
	note_busy(l);
}

/* --- sessions ------------------------------------------------------------------------------------- */

struct visit {
	struct listener *listener;
	const struct smtp_server_config *config;
	unsigned slot; /* of the caps */
	struct addr peer;
	int fd;
};

static void
visit_serve(struct visit *v)
{
	struct listener *l = v->listener;
	struct receipt *receipt = receipt_new(l->receiver);
	struct smtp_session session;

	smtp_server_run(conn_plain(v->fd), v->config, &v->peer, receipt, &session);
	receive_log_session(l->receiver, &session);
	receipt_free(receipt);
}

static void
visit_fiber(void *arg)
{
	struct visit *v = arg;

	visit_serve(v);
	cap_leave(v->listener, v->slot);
	free(v);
}

/* --- without fibers: a child for each connection ------------------------------------------------------ */

struct visit_child {
	struct child child;
	unsigned slot;
	struct visit_child *next;
};

static struct visit_child *children;

static int
visit_child_main(void *arg)
{
	signals_catch(SIGTERM);
	visit_serve(arg);
	return 0;
}

static void
visit_fork(struct listener *l, struct visit *v)
{
	struct visit_child *c = mem_alloc(sizeof(*c));
	int keep[STORE_FDS + 2];
	size_t n = store_fds(&l->receiver->store, keep);
	struct fail why;

	keep[n++] = v->fd;
	if (l->receiver->tell_fd >= 0)
		keep[n++] = l->receiver->tell_fd;
	c->slot = v->slot;
	if (child_fork(&c->child, visit_child_main, v, keep, n, &why) == 0) {
		c->next = children;
		children = c;
	} else {
		log_error("%s", why.text);
		cap_leave(l, v->slot);
		free(c);
	}
	close(v->fd);
	free(v);
}

/* Take note of children that ended; wait for all of them until the deadline when it is not 0. */
static void
children_reap(struct listener *l, int64_t deadline)
{
	struct visit_child **link = &children;

	while (*link != NULL) {
		struct visit_child *c = *link;
		int status;
		if (child_wait(&c->child, &status, deadline, NULL) != 0) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		cap_leave(l, c->slot);
		free(c);
	}
}

static void
children_stop(struct listener *l)
{
	int64_t deadline = clock_deadline(l->drain_ms);

	for (struct visit_child *c = children; c != NULL; c = c->next)
		child_kill(&c->child, SIGTERM);
	while (children != NULL) {
		struct io_fd fds[2] = { { children->child.wait_fd, IO_READ, 0 },
			{ signals_fd(), IO_READ, 0 } };
		if (io_wait_many(fds, 2, deadline, NULL) < 0 || hurry_waits(l))
			break;
		children_reap(l, clock_ms());
	}
	for (struct visit_child *c = children; c != NULL; c = c->next)
		child_kill(&c->child, SIGKILL);
	children_reap(l, clock_deadline(1000));
}

/* --- accepting ------------------------------------------------------------------------------------ */

/* reply: all the client hears. */
static void
turn_away(
    struct listener *l, const struct addr *peer, const char *reason, const char *reply, int fd)
{
	l->refused++;
	receive_log_turned_away(l->receiver, peer, reason);
	/* one try: a client that does not even read this is not waited for */
	if (write(fd, reply, strlen(reply)) < 0) {
		/* gone already */
	}
	close(fd);
}

static void
refuse(struct listener *l, const struct addr *peer, const char *reason, int fd)
{
	turn_away(l, peer, reason, "421 4.7.0 Too many connections, try again later\r\n", fd);
}

static void
admit(struct listener *l, const struct listener_address *at, int fd, const struct addr *peer)
{
	unsigned slot;
	struct fail why;

	if (l->allow != NULL && !exclude_addr(l->allow, peer)) {
		/* RFC 5321 s3.1: a greeting for those who are not served at all */
		turn_away(l, peer, "not in --allow-from",
		    "554 5.7.1 No service for your address\r\n", fd);
		return;
	}
	enum listen_cap cap = cap_enter(l, peer, &slot);
	if (cap != LISTEN_CAP_NONE) {
		refuse(l, peer,
		    cap == LISTEN_CAP_ALL    ? "too many connections"
		    : cap == LISTEN_CAP_RATE ? "too many connections of this client in a minute"
					     : "too many connections of this client",
		    fd);
		return;
	}
	l->accepted++;
	struct visit *v = mem_alloc(sizeof(*v));
	*v = (struct visit){ l, at->config, slot, *peer, fd };
	if (!sched_has_fibers()) {
		visit_fork(l, v);
	} else if (fiber_spawn(visit_fiber, v, "session", DEADLINE_NEVER, &why) != 0) {
		log_error("%s", why.text);
		refuse(l, peer, why.text, fd);
		cap_leave(l, slot);
		free(v);
	}
}

/* Descriptors ran out: take one from the queue with the reserve, say so, and pause, instead of spinning on it. */
static void
out_of_descriptors(struct listener *l, int listen_fd, const struct fail *why)
{
	struct addr peer;

	log_warn("%s: connections wait", why->text);
	if (l->reserve_fd >= 0) {
		close(l->reserve_fd);
		int fd = socket_accept(listen_fd, &peer, clock_ms(), NULL);
		if (fd >= 0)
			refuse(l, &peer, "no descriptor is free", fd);
	}
	l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	io_sleep(clock_deadline(100), NULL);
}

/* Everything that waits at one socket, at most as many as fit between two looks at the others. */
static void
accept_waiting(struct listener *l, const struct listener_address *at)
{
	int listen_fd = at->fd;
	struct addr peer;
	struct fail why;

	for (int i = 0; i < 64; i++) {
		int fd = socket_accept(listen_fd, &peer, clock_ms(), &why);
		if (fd >= 0) {
			admit(l, at, fd, &peer);
			continue;
		}
		if (why.code == FAIL_OS)
			out_of_descriptors(l, listen_fd, &why);
		return;
	}
}

/* What happens every now and then. */
static void
look(struct listener *l, enum listener_look what)
{
	note_busy(l); /* connections of other processes came and went, too */
	if (what == LISTENER_TIME && clock_ms() < l->look_at)
		return;
	l->look_at = clock_deadline(FLOOD_WINDOW_MS);
	receive_log_flush(l->receiver, false);
	if (l->look != NULL)
		l->look(l->look_ctx, what);
}

static void
stop_accepting(struct listener *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->at[i].fd);
	l->n = 0;
}

/* A caught signal: true when it says stop. */
static bool
take_signal(struct listener *l)
{
	switch (signals_next()) {
	case 0:
		return false;
	case SIGHUP:
		if (log_reopen() != 0)
			log_error("SIGHUP: cannot open the log again: %s", strerror(errno));
		else
			log_info("SIGHUP: the log is open again");
		look(l, LISTENER_HANGUP);
		return false;
	case SIGUSR1:
		look(l, LISTENER_STATUS);
		return false;
	case WORKERS_RETIRE:
		stop_accepting(l);
		return false;
	default:
		return signals_stop_seen() != 0;
	}
}

static int
accept_loop(struct listener *l, struct fail *why)
{
	struct io_fd fds[LISTEN_ADDRESSES + 1];

	for (;;) {
		for (size_t i = 0; i < l->n; i++)
			fds[i] = (struct io_fd){ l->at[i].fd, IO_READ, 0 };
		fds[l->n] = (struct io_fd){ signals_fd(), IO_READ, 0 };
		/* children that end are looked for now and then, when there are any, and sessions, when it
		 * is about the last one; and the log */
		bool retired = l->n == 0;
		if (retired && children == NULL && listen_caps_own(l->caps) == 0)
			return 0;
		int64_t deadline =
		    clock_deadline(children == NULL && !retired ? FLOOD_WINDOW_MS : 100);
		struct fail wait_why;
		if (io_wait_many(fds, l->n + 1, deadline, &wait_why) < 0 &&
		    wait_why.code != FAIL_TIMEOUT) {
			if (wait_why.code == FAIL_CANCELLED)
				return 0;
			*why = wait_why;
			return -1;
		}
		children_reap(l, clock_ms());
		look(l, LISTENER_TIME);
		if (fds[l->n].revents != 0 && take_signal(l))
			return 0;
		for (size_t i = 0; i < l->n; i++)
			if (fds[i].revents != 0)
				accept_waiting(l, &l->at[i]);
	}
}

/* While the last sessions go on. */
static void
last_signals_fiber(void *arg)
{
	const struct listener *l = arg;
	int signo;

	fiber_daemon();
	do
		signo = signals_wait(DEADLINE_NEVER, NULL);
	while (signo >= 0 && !is_hurry(l, signo));
	if (signo < 0)
		return;
	sched_stop(clock_ms());
	signals_default(SIGINT);
	signals_default(SIGTERM);
}

int
listener_run(struct listener *l, struct fail *why)
{
	if (!listen_caps_join(l->caps))
		return fail_set(why, FAIL_OS, "too many processes accept connections");
	if (!sched_has_fibers())
		signals_stop_by_hand();
	if (l->supervised)
		signals_catch(WORKERS_HURRY);
	l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int ret = accept_loop(l, why);
	stop_accepting(l);
	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	if (sched_has_fibers()) {
		unsigned open = listen_caps_own(l->caps);
		if (open > 0)
			log_info("stopping: %u sessions have %lld s to finish", open,
			    (long long)(l->drain_ms / 1000));
		fiber_spawn(last_signals_fiber, l, "signals", DEADLINE_NEVER, NULL);
		sched_stop_idle(clock_ms());
		sched_stop(clock_deadline(l->drain_ms));
	} else {
		children_stop(l);
	}
	return ret;
}

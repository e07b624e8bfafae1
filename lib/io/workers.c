#include "io/workers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "base/log.h"
#include "io/child.h"
#include "io/io.h"
#include "io/signals.h"

#define YOUNG_MS 10000     /* who dies before died of something that is still there */
#define PAUSE_MS 100       /* before a replacement, doubled each time up to */
#define PAUSE_MAX_MS 10000 /* this */
/* Two generations of the most workers: a reload waits for the end of older ones when there is no place. */
#define SLOTS (WORKERS_MAX * 2)

struct slot {
	struct child child;
	unsigned number;
	int64_t began;
	bool old;       /* told to take no more work */
	int64_t finish; /* when it is told to finish what it has */
};

struct supervisor {
	struct workers *w;
	struct slot slots[SLOTS];
	size_t n;
	int64_t pause_ms[WORKERS_MAX]; /* of its next replacement */
	int64_t restart[WORKERS_MAX];  /* when, DEADLINE_NEVER: it runs */
	int64_t tick;
	bool reload_waits; /* for a place */
	unsigned stops;    /* INT and TERM that came */
};

struct start {
	const struct workers *w;
	unsigned number;
};

static int
worker_main(void *arg)
{
	const struct start *start = arg;

	return start->w->work(start->w->arg, start->number);
}

static int
start_worker(struct supervisor *s, unsigned number, struct fail *why)
{
	struct start start = { s->w, number };
	struct slot *slot = &s->slots[s->n];

	if (s->n == SLOTS)
		return fail_set(why, FAIL_OS, "%d %ss are there already", SLOTS, s->w->name);
	*slot = (struct slot){ .number = number, .began = clock_ms(), .finish = DEADLINE_NEVER };
	if (child_fork(&slot->child, worker_main, &start, s->w->keep_fds, s->w->keep_n, why) != 0)
		return -1;
	s->n++;
	s->restart[number] = DEADLINE_NEVER;
	return 0;
}

static void
kill_workers(struct supervisor *s, int signo)
{
	for (size_t i = 0; i < s->n; i++)
		child_kill(&s->slots[i].child, signo);
}

/* The next one of that number begins after a pause when this one died young. */
static void
plan_replacement(struct supervisor *s, const struct slot *slot)
{
	int64_t now = clock_ms(), *pause = &s->pause_ms[slot->number];

	if (now - slot->began > YOUNG_MS)
		*pause = 0;
	s->restart[slot->number] = now + *pause;
	*pause = *pause == 0 ? PAUSE_MS : *pause * 2 < PAUSE_MAX_MS ? *pause * 2 : PAUSE_MAX_MS;
}

static void
tell_end(const struct supervisor *s, const struct slot *slot, int status)
{
	/* one that was told before it listened for that has no work to lose */
	if (slot->old && WIFSIGNALED(status) &&
	    (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == WORKERS_RETIRE ||
		WTERMSIG(status) == WORKERS_HURRY))
		return;
	if (WIFSIGNALED(status))
		log_error("%s %u (process %ld) died of signal %d: its sessions are lost",
		    s->w->name, slot->number, (long)slot->child.pid, WTERMSIG(status));
	else if (!slot->old || WEXITSTATUS(status) != 0)
		log_error("%s %u (process %ld) ended with status %d", s->w->name, slot->number,
		    (long)slot->child.pid, WEXITSTATUS(status));
}

/* Those that ended; stopping: nobody is replaced. */
static void
reap(struct supervisor *s, bool stopping)
{
	for (size_t i = 0; i < s->n;) {
		struct slot *slot = &s->slots[i];
		int status;
		if (child_wait(&slot->child, &status, clock_ms(), NULL) != 0) {
			i++;
			continue;
		}
		tell_end(s, slot, status);
		if (!slot->old && !stopping)
			plan_replacement(s, slot);
		if (s->w->ended != NULL)
			s->w->ended(s->w->arg, slot->child.pid);
		*slot = s->slots[--s->n];
	}
}

static void
restart_due(struct supervisor *s)
{
	int64_t now = clock_ms();
	struct fail why;

	for (unsigned number = 0; number < s->w->n; number++) {
		if (s->restart[number] > now)
			continue;
		if (start_worker(s, number, &why) != 0) {
			log_error("%s %u cannot be started: %s", s->w->name, number, why.text);
			s->restart[number] = clock_deadline(1000);
		} else {
			log_info("%s %u is replaced", s->w->name, number);
		}
	}
}

/* Who still has work when its time is over. */
static void
finish_due(struct supervisor *s)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < s->n; i++)
		if (s->slots[i].finish <= now) {
			s->slots[i].finish = DEADLINE_NEVER;
			child_kill(&s->slots[i].child, SIGTERM);
		}
}

/* Whether there is a place for new ones; if not, those that have retired finish now. */
static bool
have_place(struct supervisor *s)
{
	if (s->n + s->w->n <= SLOTS)
		return true;
	if (!s->reload_waits)
		log_info("reload: %ss of before have not ended, and finish now", s->w->name);
	for (size_t i = 0; i < s->n && !s->reload_waits; i++)
		if (s->slots[i].old)
			s->slots[i].finish = clock_ms();
	s->reload_waits = true;
	return false;
}

/* New workers, then the old ones retire: there is no moment without any. */
static void
take_over(struct supervisor *s)
{
	size_t before = s->n;
	struct fail why;

	if (!have_place(s))
		return;
	s->reload_waits = false;
	if (s->w->reload != NULL && s->w->reload(s->w->arg, &why) != 0) {
		log_error("not reloaded, everything stays as it was: %s", why.text);
		return;
	}
	for (unsigned number = 0; number < s->w->n; number++)
		if (start_worker(s, number, &why) != 0) {
			log_error("%s %u cannot be started: %s", s->w->name, number, why.text);
			s->restart[number] = clock_deadline(1000);
		}
	for (size_t i = 0; i < before; i++) {
		struct slot *slot = &s->slots[i];
		if (slot->old)
			continue;
		slot->old = true;
		slot->finish = clock_deadline(s->w->retire_ms);
		child_kill(&slot->child, WORKERS_RETIRE);
	}
	log_info("reloaded");
}

static int64_t
next_wake(const struct supervisor *s)
{
	int64_t wake = s->w->tick != NULL && s->w->tick_ms > 0 ? s->tick : DEADLINE_NEVER;

	for (unsigned number = 0; number < s->w->n; number++)
		if (s->restart[number] < wake)
			wake = s->restart[number];
	for (size_t i = 0; i < s->n; i++)
		if (s->slots[i].finish < wake)
			wake = s->slots[i].finish;
	return wake;
}

/* A signal, the end of a worker, or the time until. */
static void
wait_event(struct supervisor *s, int64_t until)
{
	struct io_fd fds[IO_WAIT_MAX] = { { signals_fd(), IO_READ, 0 } };
	size_t n = 1;
	bool reads = s->w->readable != NULL && s->w->read_fd >= 0;

	if (reads)
		fds[n++] = (struct io_fd){ s->w->read_fd, IO_READ, 0 };
	/* one look at a time is bounded; who does not fit in is seen a second later */
	for (size_t i = 0; i < s->n && n < IO_WAIT_MAX; i++)
		fds[n++] = (struct io_fd){ s->slots[i].child.wait_fd, IO_READ, 0 };
	if (s->n > n - 1 - reads && until > clock_deadline(1000))
		until = clock_deadline(1000);
	if (io_wait_many(fds, n, until, NULL) > 0 && reads && fds[1].revents != 0)
		s->w->readable(s->w->arg);
}

/* The next caught signal, or 0. */
static int
next_signal(struct supervisor *s)
{
	int signo = signals_next();

	s->stops += signo == SIGINT || signo == SIGTERM;
	return signo;
}

static void
take_signals(struct supervisor *s)
{
	bool reload = false;
	int signo;

	while (signals_stop_seen() == 0 && (signo = next_signal(s)) != 0) {
		reload |= signo == SIGHUP;
		if (signo == SIGUSR1)
			s->w->status(s->w->arg);
	}
	if (reload && signals_stop_seen() == 0)
		take_over(s);
}

static void
supervise(struct supervisor *s)
{
	while (signals_stop_seen() == 0) {
		wait_event(s, next_wake(s));
		take_signals(s);
		reap(s, false);
		if (signals_stop_seen() != 0)
			return;
		restart_due(s);
		finish_due(s);
		if (s->reload_waits)
			take_over(s);
		if (s->w->tick != NULL && s->w->tick_ms > 0 && clock_ms() >= s->tick) {
			s->tick = clock_deadline(s->w->tick_ms);
			if (s->w->tick(s->w->arg))
				take_over(s);
		}
	}
}

/* They finish; a second signal makes them hurry, a third, or the end of their time, ends them. */
static void
stop(struct supervisor *s)
{
	int64_t deadline = clock_deadline(s->w->drain_ms);
	bool hurried = false;

	if (s->w->stopping != NULL)
		s->w->stopping(s->w->arg);
	kill_workers(s, SIGTERM);
	for (size_t i = 0; i < s->n; i++)
		s->slots[i].old = true;
	while (s->n > 0 && s->stops < 3 && clock_ms() < deadline) {
		wait_event(s, deadline);
		while (next_signal(s) != 0)
			continue;
		if (s->stops == 2 && !hurried) {
			kill_workers(s, WORKERS_HURRY);
			hurried = true;
		}
		reap(s, true);
	}
	kill_workers(s, SIGKILL);
	for (deadline = clock_deadline(5000); s->n > 0 && clock_ms() < deadline;) {
		child_wait(&s->slots[0].child, &(int){ 0 }, deadline, NULL);
		s->slots[0] = s->slots[--s->n];
	}
}

int
workers_run(struct workers *workers, struct fail *why)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	struct supervisor s = { .w = workers, .tick = clock_deadline(workers->tick_ms) };

	signals_stop_by_hand();
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signals_catch(caught[i]);
	if (workers->status != NULL)
		signals_catch(SIGUSR1);
	for (unsigned number = 0; number < WORKERS_MAX; number++)
		s.restart[number] = DEADLINE_NEVER;
	int ret = 0;
	for (unsigned number = 0; number < workers->n && ret == 0; number++)
		ret = start_worker(&s, number, why);
	if (ret == 0)
		supervise(&s);
	stop(&s);
	if (workers->readable != NULL)
		workers->readable(workers->arg);
	return ret;
}

void
workers_follow(void)
{
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
}

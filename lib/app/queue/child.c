#include <stdlib.h>
#include <string.h>

#include "app/queue/attempt.h"
#include "app/queue/run_impl.h"
#include "app/queue/system.h"
#include "app/send/deliver_keep.h"
#include "app/store/local.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/sched.h"
#include "io/signals.h"
#include "policy/decide.h"

/* A child of the runner: the messages of one destination. */

#define GRACE_MS 5000

struct child_work {
	struct queue_job *job;
	int64_t until_ms; /* no message is begun after that */
	bool suspects; /* only those at which somebody died, one after the other; or only others */
	unsigned running, closing; /* fibers beside the first: with messages to come, in all */
	struct waitq done;
};

static void
count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void
note_error(struct queue_job *job, const struct fail *why)
{
	log_error("%s", why->text);
	count(&job->run->counts->errors, 1);
}

/* --- one message ---------------------------------------------------------------------------------- */

/* No host was good enough for a message that asks for more than others of the same destination. */
static bool
asked_too_much(
    const struct queue_job *job, const struct queue_item *item, const struct deliver_result *r)
{
	return decide_is_policy_failure(r->why.code) &&
	       (job->mixed || (item->envelope->flags & QUEUE_REQUIRETLS) != 0);
}

/* What the attempt says about the destination. */
static void
judge_destination(struct queue_job *job, const struct queue_item *item,
    const struct deliver_result *results, size_t n)
{
	struct queue_run_counts *counts = job->run->counts;
	bool to_blame = n > 0;

	for (size_t i = 0; i < n; i++) {
		const struct deliver_result *r = &results[i];
		to_blame = to_blame && queue_dest_is_to_blame(r) && !asked_too_much(job, item, r);
		count(r->status == DELIVER_DONE     ? &counts->delivered
		      : r->status == DELIVER_FAILED ? &counts->failed
						    : &counts->deferred,
		    1);
	}
	if (!to_blame) {
		job->dead = false;
		queue_dest_answered(&job->dest);
	} else if (!job->dead) { /* messages that were under way together count once */
		job->dead = true;
		queue_dest_failed(job->run->options->work.spool, &job->dest, &results[0]);
	}
}

static int
try_rcpts(
    struct queue_job *job, struct queue_item *item, const size_t *rcpts, size_t n, struct fail *why)
{
	struct queue_run_options *options = job->run->options;
	struct arena arena;
	int rc;

	if (job->dead && !queue_work_tries_again(&options->work, item, &job->dest))
		return queue_work_defer(&options->work, item, rcpts, n, &job->dest, why);
	arena_init(&arena);
	struct deliver_result *results = arena_alloc(&arena, n * sizeof(*results));
	rc = queue_work_try(&options->work, item, rcpts, n, NULL, results, &arena,
	    clock_deadline(options->attempt_ms), why);
	if (rc == 0)
		judge_destination(job, item, results, n);
	arena_free(&arena);
	return rc;
}

/* Those that are ours and still due, to the front of rcpts. */
static size_t
still_due(const struct queue_job *job, const struct queue_item *item, size_t *rcpts, size_t n,
    const bool *got)
{
	size_t due = 0;
	int64_t now = clock_wall();

	for (size_t i = 0; i < n; i++) {
		const struct queue_progress *r = &item->journal.rcpts[rcpts[i]];
		if (got[i] && r->state == QUEUE_RCPT_PENDING && !item->journal.held &&
		    (job->run->options->all || r->next <= now))
			rcpts[due++] = rcpts[i];
	}
	return due;
}

static int
handle_item(
    struct queue_job *job, struct queue_job_message *m, struct queue_item *item, struct fail *why)
{
	bool *got = mem_array(m->n, sizeof(*got));
	char report[QUEUE_ID_BYTES] = "";
	int rc = queue_item_lock(item, m->rcpts, m->n, got, why);
	size_t n = rc > 0 ? still_due(job, item, m->rcpts, m->n, got) : 0;

	if (n > 0)
		rc = try_rcpts(job, item, m->rcpts, n, why);
	if (rc >= 0 && n > 0 && m->shared == NULL)
		rc = queue_work_finish(&job->run->options->work, item, report, why);
	if (report[0] != '\0')
		count(&job->run->counts->reports, 1);
	free(got);
	return rc < 0 ? -1 : 0;
}

/* It came through: what others did while it was under way is not held against it. Not if it is only a part of it. */
static void
clear_suspect(struct queue_job_message *m, struct queue_item *item)
{
	struct queue_event e = { .kind = 'E', .time = clock_wall() };
	struct fail why;

	if (item->journal.crashes > 0 && !item->over && m->shared == NULL &&
	    queue_item_append(item, &e, false, &why) != 0)
		log_error("%s", why.text);
}

static void
handle_noted(struct queue_job *job, struct queue_job_message *m)
{
	struct spool *spool = job->run->options->work.spool;
	struct queue_item item;
	struct fail why;

	if (queue_item_open(&item, spool, m->id, &why) != 0) {
		if (why.code == FAIL_QUEUE_FILE)
			queue_item_set_aside(spool, m->id, &why);
		else if (why.code != FAIL_NO_INPUT)
			note_error(job, &why);
		return;
	}
	if (handle_item(job, m, &item, &why) != 0) {
		/* gone: somebody else was quicker */
		if (why.code == FAIL_QUEUE_FILE)
			queue_item_set_aside(spool, m->id, &why);
		else if (why.code != FAIL_NO_INPUT)
			note_error(job, &why);
	} else {
		clear_suspect(m, &item);
	}
	queue_item_close(&item);
}

static void
handle(struct queue_job *job, struct queue_job_message *m)
{
	struct spool *spool = job->run->options->work.spool;
	int attempt = queue_attempt_begin(spool, m->id);

	handle_noted(job, m);
	queue_attempt_end(spool, attempt);
}

/* --- all of them ---------------------------------------------------------------------------------- */

/* The next message to look at; NULL at the end, or when it is time to end. */
static struct queue_job_message *
next_message(struct child_work *c)
{
	struct queue_job *job = c->job;

	while (job->at < job->n && !sched_stopping() && clock_ms() < c->until_ms) {
		struct queue_job_message *m = &job->v[job->at++];
		if (m->suspect == c->suspects && (!job->dead || m->late))
			return m;
	}
	return NULL;
}

static void
work_fiber(void *arg)
{
	struct child_work *c = arg;
	struct queue_job_message *m;

	while ((m = next_message(c)) != NULL)
		handle(c->job, m);
	/* one for each of the others */
	c->running--;
	deliver_keep_trim(c->job->run->options->work.deliver.keep, c->running);
	c->closing--;
	io_wake(&c->done, 1);
}

/* Messages at once: as many as there may be connections. */
static size_t
at_once(const struct queue_job *job)
{
	unsigned most = job->concurrency;

	return most > 0 && most < QUEUE_PER_DESTINATION ? most : QUEUE_PER_DESTINATION;
}

static void
child_run(void *arg)
{
	struct child_work *c = arg;
	struct queue_job_message *m;
	struct fail why;

	signals_stop_on(GRACE_MS);
	waitq_init(&c->done);
	/* one alone, to see whether anybody is there */
	if ((m = next_message(c)) != NULL)
		handle(c->job, m);
	size_t more = c->job->n - c->job->at;
	for (size_t i = 0; i < more && i < at_once(c->job) && !c->job->dead; i++) {
		c->running++;
		c->closing++;
		if (fiber_spawn(work_fiber, c, "queue message", DEADLINE_NEVER, &why) != 0) {
			c->running--;
			c->closing--;
			break;
		}
	}
	io_join(&c->done, &c->closing);
	/* those that are left when it does not answer, or when no fiber could be had */
	while ((m = next_message(c)) != NULL)
		handle(c->job, m);
	c->suspects = true;
	c->job->at = 0;
	while ((m = next_message(c)) != NULL)
		handle(c->job, m);
	deliver_keep_trim(c->job->run->options->work.deliver.keep, 0);
}

/* Only who writes to the mailboxes of users may become one of them; others talk to strangers. */
static bool
needs_root(const struct queue_job *job)
{
	const struct local *local = job->run->options->work.deliver.local;

	return local != NULL && local_becomes_users(local) &&
	       strcmp(job->dest.name, QUEUE_DEST_LOCAL) == 0;
}

int
queue_child_main(void *arg)
{
	struct queue_job *job = arg;
	struct child_work c = { .job = job, .until_ms = clock_deadline(QUEUE_CHILD_MS) };
	struct spool *spool = job->run->options->work.spool;

	if (!needs_root(job))
		system_drop();
	/* a process of its own: the options are, too */
	struct deliver_keep *keep = deliver_keep_new();
	job->run->options->work.deliver.keep = keep;
	sched_run(child_run, &c);
	deliver_keep_free(keep);
	queue_dest_close(spool, &job->dest);
	spool_flush(spool, true);
	return 0;
}

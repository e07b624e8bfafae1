#include "app/queue/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/queue/attempt.h"
#include "app/queue/room.h"
#include "app/queue/run_impl.h"
#include "app/queue/scan.h"
#include "app/queue/wake.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/sched.h"

#define STOP_MS 10000 /* a child that was told to stop and does not is killed after that */

struct queue_run *
queue_run_new(struct queue_run_options *options, struct fail *why)
{
	struct queue_run *run = mem_alloc(sizeof(*run));
	void *page = mmap(
	    NULL, sizeof(*run->counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		free(run);
		fail_errno(why, FAIL_OS, "mmap");
		return NULL;
	}
	run->options = options;
	run->counts = page;
	run->children = 0;
	run->skipped = run->missed = false;
	gate_init(&run->slots, QUEUE_CHILDREN);
	waitq_init(&run->done);
	return run;
}

void
queue_run_free(struct queue_run *run)
{
	munmap(run->counts, sizeof(*run->counts));
	free(run);
}

const struct queue_run_counts *
queue_run_counts(const struct queue_run *run)
{
	return run->counts;
}

void
queue_run_wait(struct queue_run *run)
{
	io_join(&run->done, &run->children);
}

static void
finish(struct queue_run *run, const char *id)
{
	struct queue_work *work = &run->options->work;
	char report[QUEUE_ID_BYTES];
	struct queue_item item;
	struct fail why;

	if (queue_item_open(&item, work->spool, id, &why) != 0) {
		if (why.code == FAIL_QUEUE_FILE)
			queue_item_set_aside(work->spool, id, &why);
		return;
	}
	if (queue_work_finish(work, &item, report, &why) != 0) {
		log_error("%s", why.text);
		__atomic_fetch_add(&run->counts->errors, 1, __ATOMIC_RELAXED);
	} else if (report[0] != '\0') {
		__atomic_fetch_add(&run->counts->reports, 1, __ATOMIC_RELAXED);
	}
	queue_item_close(&item);
}

void
queue_run_finish(struct queue_run *run, const char *id)
{
	struct spool *spool = run->options->work.spool;
	int attempt = queue_attempt_begin(spool, id);

	finish(run, id);
	queue_attempt_end(spool, attempt);
}

/* --- sorting -------------------------------------------------------------------------------------- */

struct collector {
	struct queue_run *run;
	struct queue_pass *pass;
	int64_t now;
	struct room_recount recount;
};

static struct queue_job *
job_named(struct collector *c, const char *name)
{
	struct queue_job *job = map_get(&c->pass->jobs, slice_str(name));

	if (job != NULL)
		return job;
	job = arena_alloc(&c->pass->arena, sizeof(*job));
	job->run = c->run;
	job->pass = c->pass;
	queue_dest_read(c->run->options->work.spool, name, &job->dest);
	job->dead = !c->run->options->all && job->dest.tries > 0 && job->dest.next > c->now;
	map_set(&c->pass->jobs, slice_str(name), job);
	if (c->pass->last != NULL)
		c->pass->last->next = job;
	else
		c->pass->first = job;
	c->pass->last = job;
	return job;
}

static struct queue_job *
job_for(struct collector *c, const char *domain)
{
	const struct deliver_options *deliver = &c->run->options->work.deliver;
	const struct rule *rule = rules_match(deliver->rules, domain);
	unsigned most = rule->concurrency;
	char name[QUEUE_DEST_BYTES];

	queue_dest_name(deliver, domain, name);
	struct queue_job *job = job_named(c, name);
	job->mixed |= job->rule != NULL && job->rule != rule;
	job->rule = rule;
	if (most > 0 && (job->concurrency == 0 || most < job->concurrency))
		job->concurrency = most;
	return job;
}

/* Only ever called for the message that is being looked at: it is the job's last one or not in it. */
static struct queue_job_message *
message_in(struct collector *c, struct queue_job *job, const struct queue_entry *entry)
{
	if (job->n > 0 && strcmp(job->v[job->n - 1].id, entry->id) == 0)
		return &job->v[job->n - 1];
	if (job->n == job->cap) {
		size_t cap = job->cap == 0 ? 4 : job->cap * 2;
		struct queue_job_message *v = mem_array(cap, sizeof(*v));
		if (job->n > 0)
			memcpy(v, job->v, job->n * sizeof(*v));
		free(job->v);
		job->v = v;
		job->cap = cap;
	}
	struct queue_job_message *m = &job->v[job->n++];
	memset(m, 0, sizeof(*m));
	memcpy(m->id, entry->id, QUEUE_ID_BYTES);
	m->late = queue_work_is_late(&c->run->options->work, entry->envelope, entry->journal);
	job->late_n += m->late;
	m->suspect = entry->journal->crashes > 0;
	/* an array of its own size: nearly all messages have one recipient */
	m->rcpts = arena_alloc(&c->pass->arena, entry->envelope->rcpts_n * sizeof(*m->rcpts));
	return m;
}

static bool
is_due(const struct collector *c, const struct queue_progress *r)
{
	return r->state == QUEUE_RCPT_PENDING && (c->run->options->all || r->next <= c->now);
}

static const char *
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? "" : at + 1;
}

/* Its due recipients to the jobs of their destinations. */
static void
collect_rcpts(struct collector *c, const struct queue_entry *entry)
{
	const struct queue_envelope *e = entry->envelope;
	struct queue_job *first = NULL;
	struct queue_shared *shared = NULL;

	for (size_t i = 0; i < e->rcpts_n; i++) {
		if (!is_due(c, &entry->journal->rcpts[i]))
			continue;
		struct queue_job *job = job_for(c, domain_of(e->rcpts[i].address));
		struct queue_job_message *m = message_in(c, job, entry);
		m->rcpts[m->n++] = i;
		if (first == NULL)
			first = job;
		if (job != first && shared == NULL) {
			shared = arena_alloc(&c->pass->arena, sizeof(*shared));
			memcpy(shared->id, entry->id, QUEUE_ID_BYTES);
			shared->left = 1;
			first->v[first->n - 1].shared = shared;
		}
		if (job != first && m->shared == NULL) {
			m->shared = shared;
			shared->left++;
		}
	}
}

static bool
is_chosen(const struct queue_run_options *options, const struct queue_entry *entry)
{
	bool ids = options->ids.n == 0, rcpts = options->recipient_part == NULL;

	for (size_t i = 0; i < options->ids.n && !ids; i++)
		ids = strcmp(options->ids.v[i], entry->id) == 0;
	for (size_t i = 0; i < entry->envelope->rcpts_n && !rcpts; i++)
		rcpts = strstr(entry->envelope->rcpts[i].address, options->recipient_part) != NULL;
	return ids && rcpts &&
	       (options->sender_part == NULL ||
		   strstr(entry->envelope->sender, options->sender_part) != NULL);
}

/* A crash left something to report, or a message that is over. */
static bool
is_left_over(const struct queue_journal *j)
{
	if (j->bounce[0] != '\0' || queue_journal_is_over(j))
		return true;
	for (size_t i = 0; i < j->n; i++)
		if (queue_progress_is_unreported(&j->rcpts[i]))
			return true;
	return false;
}

static int
collect(void *ctx, const struct queue_entry *entry)
{
	struct collector *c = ctx;

	room_recount_add(&c->recount, entry->envelope, entry->file_bytes);
	if (entry->bad) {
		if (entry->why.code == FAIL_QUEUE_FILE)
			queue_item_set_aside(c->run->options->work.spool, entry->id, &entry->why);
		else
			log_error("%s", entry->why.text);
		return 0;
	}
	if (entry->journal->held || !is_chosen(c->run->options, entry))
		return 0;
	if (entry->journal->lines > 0 && !entry->locked && is_left_over(entry->journal))
		strs_add(&c->pass->finish, &c->pass->arena, entry->id);
	collect_rcpts(c, entry);
	return 0;
}

/* --- children ------------------------------------------------------------------------------------- */

static void
pass_release(struct queue_pass *pass)
{
	if (--pass->users > 0)
		return;
	for (struct queue_job *job = pass->first; job != NULL; job = job->next)
		free(job->v);
	map_free(&pass->jobs);
	arena_free(&pass->arena);
	free(pass);
}

/* The job is over, or was not begun: what it shares with others may be ended now. */
static void
job_over(struct queue_job *job)
{
	for (size_t i = 0; i < job->n; i++)
		if (job->v[i].shared != NULL && --job->v[i].shared->left == 0)
			queue_run_finish(job->run, job->v[i].id);
}

struct child_job {
	struct queue_job *job;
	struct child child;
};

static void
wait_for_child(struct queue_run *run, struct child *child, bool *slot)
{
	int64_t slow = clock_deadline(QUEUE_SLOW_MS);
	struct fail why;
	int status = 0;

	while (child_wait(child, &status, *slot ? slow : DEADLINE_NEVER, &why) != 0) {
		if (why.code == FAIL_TIMEOUT && *slot) {
			gate_leave(&run->slots);
			*slot = false;
			continue;
		}
		/* stopped: so are the children, who have their own grace */
		if (child_end(child, &status, STOP_MS))
			queue_attempts_forgive(run->options->work.spool, child->pid);
		break;
	}
	if (status != 0 && !sched_stopping()) {
		log_error("a child of the queue's runner died (wait status %d)", status);
		__atomic_fetch_add(&run->counts->errors, 1, __ATOMIC_RELAXED);
	}
}

static void
child_fiber(void *arg)
{
	struct child_job *c = arg;
	struct queue_job *job = c->job;
	struct queue_run *run = job->run;
	struct queue_pass *pass = job->pass;
	bool slot = true;

	wait_for_child(run, &c->child, &slot);
	if (slot)
		gate_leave(&run->slots);
	job_over(job);
	free(c);
	pass_release(pass);
	if (run->skipped) {
		run->skipped = false;
		spool_wake(run->options->wake, SPOOL_WAKE_QUEUE);
	}
	run->children--;
	io_wake(&run->done, -1);
}

/* With the destination's lock, which the child keeps. */
static int
start_child(struct queue_job *job, struct fail *why)
{
	struct queue_run *run = job->run;
	const struct spool *spool = run->options->work.spool;
	int keep[] = { spool->root, spool->tmp, spool->q, spool->j, spool->dest, spool->corrupt,
		job->dest.fd };
	size_t keep_n = sizeof(keep) / sizeof(keep[0]) - (job->dest.fd < 0);
	struct child_job *c = mem_alloc(sizeof(*c));

	c->job = job;
	int rc = child_fork(&c->child, queue_child_main, job, keep, keep_n, why);
	if (rc == 0) {
		run->children++;
		job->pass->users++;
		rc = fiber_spawn(child_fiber, c, "queue child", DEADLINE_NEVER, why);
		if (rc != 0) { /* it works on, unobserved */
			run->children--;
			job->pass->users--;
		}
	}
	if (rc != 0)
		free(c);
	if (job->dest.fd >= 0)
		close(job->dest.fd);
	job->dest.fd = -1;
	return rc;
}

static int
start_job(struct queue_job *job, struct fail *why)
{
	struct queue_run *run = job->run;
	int rc = 0;

	if (job->dead && job->late_n == 0) {
		job_over(job);
		return 0;
	}
	if (gate_enter(&run->slots, DEADLINE_NEVER, why) != 0)
		return -1;
	while (run->children >= QUEUE_CHILDREN_MAX && rc == 0)
		rc = io_park(&run->done, DEADLINE_NEVER, why);
	if (rc == 0)
		rc = queue_dest_lock(run->options->work.spool, job->dest.name, &job->dest, why);
	if (rc > 0 && (rc = start_child(job, why)) == 0)
		return 0;
	gate_leave(&run->slots);
	/* 0: another child has it in hand */
	if (rc == 0) {
		run->skipped = true;
		job_over(job);
	}
	return rc;
}

/* --- a pass --------------------------------------------------------------------------------------- */

static int
take_turn(const struct spool *spool, int *fd_r, struct fail *why)
{
	*fd_r = openat(
	    spool->root, "run.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (*fd_r < 0) {
		/* no inode left for it: a second runner finds the recipients locked */
		storage_fail(why, "queue: run.lock");
		return why->code == FAIL_STORAGE_FULL ? 1 : -1;
	}
	if (flock(*fd_r, LOCK_EX | LOCK_NB) == 0)
		return 1;
	int rc = errno == EWOULDBLOCK ? 0 : storage_fail(why, "queue: run.lock");
	close(*fd_r);
	return rc;
}

/* A child that was just forked may not have closed its copy yet: the lock is given up for that, too. */
static void
end_turn(int lock)
{
	if (lock < 0)
		return;
	flock(lock, LOCK_UN);
	close(lock);
}

static int
hand_out(struct queue_run *run, struct queue_pass *pass, const char *after, struct fail *why)
{
	struct collector c = { .run = run, .pass = pass, .now = clock_wall() };
	const struct spool *spool = run->options->work.spool;

	room_recount_begin(&c.recount, spool);
	int rc = queue_scan(run->options->work.spool, after, collect, &c, why);
	room_recount_end(&c.recount, spool, rc == 0 && after == NULL);

	for (size_t i = 0; i < pass->finish.n; i++)
		queue_run_finish(run, pass->finish.v[i]);
	for (struct queue_job *job = pass->first; job != NULL && rc == 0; job = job->next)
		rc = start_job(job, why);
	spool_flush(run->options->work.spool, true);
	return rc;
}

int
queue_run_pass(struct queue_run *run, const char *after, struct fail *why)
{
	struct spool *spool = run->options->work.spool;
	struct queue_pass *pass;
	int lock;
	int rc = take_turn(spool, &lock, why);

	run->missed = rc == 0;
	if (rc <= 0)
		return rc;
	if (after == NULL)
		run->skipped = false;
	pass = mem_alloc(sizeof(*pass));
	memset(pass, 0, sizeof(*pass));
	pass->users = 1;
	arena_init(&pass->arena);
	map_init(&pass->jobs);
	queue_attempts_charge(spool);
	rc = spool_note_run(spool, why);
	/* what is delivered makes room; who cannot be delivered without says so himself */
	if (rc != 0 && why->code == FAIL_STORAGE_FULL) {
		log_error("%s; the queue is run all the same", why->text);
		rc = 0;
	}
	spool_ballast_fill(spool);
	if (rc == 0)
		rc = hand_out(run, pass, after, why);
	pass_release(pass);
	end_turn(lock);
	return rc == 0 ? 1 : -1;
}

bool
queue_run_wants_more(const struct queue_run *run)
{
	return run->missed || (run->skipped && run->children == 0);
}

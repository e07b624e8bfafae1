#include "app/survey/survey.h"

#include <stdlib.h>
#include <string.h>

#include "app/probe/address.h"
#include "app/survey/impl.h"
#include "app/survey/join.h"
#include "app/survey/resolve.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "policy/dane.h"
#include "policy/psl.h"
#include "policy/verdict.h"

#define PROGRESS_MS 500
#define COMPLAINTS 20
#define TURN_MS 20 /* of writing records before sessions get theirs */

bool
survey_stopping(const struct survey *s)
{
	return s->failed || sched_stopping() || signals_stop_seen() != 0;
}

void
survey_broken(struct survey *s, const struct fail *why)
{
	if (s->failed)
		return;
	s->failed = true;
	s->why = *why;
	sched_stop(clock_ms());
}

static void
note_progress(struct survey *s)
{
	s->status->resolving = s->lines;
	s->status->waiting = s->table.waiting_n;
	s->status->queued = s->polite.queued;
	s->status->running = s->running;
	s->status->pass = s->pass;
	if (s->options->progress != NULL)
		s->options->progress(s->status, s->options->ctx);
}

/* --- sessions ------------------------------------------------------------------------------------ */

static void
begin_fiber(void *arg)
{
	struct survey *s = arg;
	struct fail why;

	while (!s->over && !survey_stopping(s)) {
		int64_t when = survey_begin_sessions(s);
		if (io_park(&s->work, when, &why) != 0 && why.code != FAIL_TIMEOUT)
			break;
	}
	s->helpers--;
	io_wake(&s->ended, -1);
}

/* --- records ------------------------------------------------------------------------------------- */

static void
finish_ready(struct survey *s, uint32_t number)
{
	struct survey_waiting waiting = *survey_waiting_at(&s->table, number);
	struct target_facts facts;
	struct arena arena;
	struct buf text;
	struct fail why;

	survey_waiting_free(&s->table, number);
	arena_init(&arena);
	buf_init(&text, SURVEY_LINE_BYTES);
	if (!survey_file_read(&s->spool, waiting.at, &text))
		survey_broken(s, &s->spool.why);
	else if (facts_read_json(
		     &fact_table_target_facts, buf_str(&text), text.len, &arena, &facts, &why) != 0)
		survey_broken(s, &why);
	else {
		double waited = (double)(clock_wall() - facts.timestamp);
		if (waited > facts.duration)
			facts.duration = waited;
		survey_finish(s, &facts, waiting.seq, &arena);
	}
	buf_free(&text);
	arena_free(&arena);
	/* nobody refers to what is in it any more */
	if (s->table.waiting_n == 0 && s->polite.queued == 0 && s->running == 0)
		survey_file_clear(&s->spool);
}

static void
write_ready(struct survey *s)
{
	int64_t until = clock_deadline(TURN_MS);

	while (s->ready != 0 && !s->failed) {
		uint32_t number = s->ready;
		s->ready = survey_waiting_at(&s->table, number)->next;
		finish_ready(s, number);
		if (clock_ms() >= until) {
			io_yield(DEADLINE_NEVER, NULL);
			until = clock_deadline(TURN_MS);
		}
	}
}

/* After a stop, too: what is known is written. */
static void
record_fiber(void *arg)
{
	struct survey *s = arg;

	for (;;) {
		write_ready(s);
		io_wake(&s->changed, -1);
		if (s->over || s->failed)
			break;
		if (io_park(&s->records, DEADLINE_NEVER, NULL) != 0) {
			/* the grace is over: sessions end, and what they leave is written */
			io_join(&s->ended, &s->running);
			write_ready(s);
			break;
		}
	}
	s->helpers--;
	io_wake(&s->ended, -1);
}

/* --- the list ------------------------------------------------------------------------------------ */

/* Which machine asks for it: by name, so that it does not depend on the order of the list. */
static bool
is_ours(const struct survey *s, const struct target *target, struct slice text)
{
	const char *name = target->name;
	uint32_t sum = name != NULL ? crc32c(0, name, strlen(name)) : crc32c(0, text.p, text.n);

	return s->options->shards == 0 || sum % s->options->shards + 1 == s->options->shard;
}

/* One line. True when a fiber works on it. */
static bool
take_line(struct survey *s, uint64_t seq, struct slice text, struct survey_line_job *job)
{
	struct target_facts facts;
	struct fail why;
	int ret = target_parse_line(text, &job->arena, &job->target, &why);

	if (ret == 0 || !is_ours(s, &job->target, text)) {
		s->status->skipped++;
		return false;
	}
	job->survey = s;
	job->seq = seq;
	if (ret > 0 && job->target.kind == TARGET_ADDRESS && s->probe->family != MX_FAMILY_BOTH &&
	    (job->target.addr.sa.ss_family == AF_INET6 ? 6 : 4) != (int)s->probe->family) {
		ret = -1;
		fail_set(&why, FAIL_USAGE, "%s is not of the address family that is asked for",
		    job->target.text);
	}
	if (ret > 0 && job->target.kind != TARGET_ADDRESS && s->options->exclude != NULL &&
	    exclude_name(s->options->exclude, job->target.name)) {
		ret = -1;
		fail_set(&why, FAIL_USAGE, "%s is excluded", job->target.name);
	}
	if (ret > 0)
		return true;
	if (++s->complaints <= COMPLAINTS)
		log_warn("%s:%llu: %s%s", s->options->input, (unsigned long long)seq, why.text,
		    s->complaints < COMPLAINTS ? "" : " (no more of these are shown)");
	survey_no_target(
	    job->target.text != NULL ? job->target.text : "", why.text, &job->arena, &facts);
	survey_write(s, &facts, seq, &job->arena);
	return false;
}

static void
line_start(struct survey *s, uint64_t seq, struct slice text)
{
	struct survey_line_job *job = mem_alloc(sizeof(*job));

	arena_init(&job->arena);
	if (!take_line(s, seq, text, job)) {
		arena_free(&job->arena);
		free(job);
		return;
	}
	s->resolving++;
	s->lines++;
	if (fiber_spawn(survey_resolve_fiber, job, "domain", DEADLINE_NEVER, NULL) != 0)
		survey_resolve_fiber(job);
}

/* A line of the list that has no record yet: 1, 0 at the end, -1 with s->why. */
static int
next_of_list(struct survey *s, uint64_t *seq_r, struct buf *text)
{
	struct survey_input_line line;
	struct fail why;
	int ret;

	for (;;) {
		ret = survey_input_next(&s->input, &line, clock_deadline(PROGRESS_MS), &why);
		if (ret < 0 && why.code == FAIL_TIMEOUT && !survey_stopping(s)) {
			note_progress(s); /* a pipe that has nothing for us yet */
			continue;
		}
		if (ret <= 0)
			break;
		bool done = survey_bit(&s->written, line.seq) || survey_bit(&s->retried, line.seq);
		s->status->read++;
		buf_reset(text);
		buf_append(text, line.text, line.n);
		*seq_r = line.seq;
		free(line.text);
		if (!done)
			return 1;
	}
	if (ret < 0 && why.code != FAIL_CANCELLED && why.code != FAIL_TIMEOUT)
		survey_broken(s, &why);
	return ret;
}

/* A line of the file for the next pass. */
static int
next_of_retry(struct survey *s, uint64_t *seq_r, struct buf *text)
{
	struct slice line;
	unsigned long long seq;
	int64_t offset;

	while (survey_lines_next(&s->retry_lines, &line, &offset)) {
		if (!slice_number(slice_word(&line), UINT32_MAX, &seq) || seq == 0 ||
		    survey_bit(&s->written, seq) || survey_bit(&s->seen, seq))
			continue;
		survey_bit_set(&s->seen, seq);
		s->status->retry--;
		buf_reset(text);
		buf_append(text, line.p, line.n);
		*seq_r = seq;
		return 1;
	}
	return 0;
}

static bool
has_room(const struct survey *s)
{
	return survey_stopping(s) ||
	       (s->resolving < LIMIT_SURVEY_RESOLVING && s->fetching < LIMIT_SURVEY_FETCHING &&
		   s->polite.queued < LIMIT_SURVEY_QUEUED &&
		   s->table.waiting_n + s->lines < LIMIT_SURVEY_WAITING);
}

/* Without fibers nobody else does it. */
static void
work_alone(struct survey *s)
{
	while (!sched_has_fibers() && !survey_stopping(s) && s->polite.queued > 0) {
		int64_t when = survey_begin_sessions(s);
		write_ready(s);
		if (s->polite.queued > 0 && when != DEADLINE_NEVER && io_sleep(when, NULL) != 0)
			return;
	}
}

static bool
is_idle(const struct survey *s)
{
	bool queue = s->polite.queued > 0 && !survey_stopping(s);

	return s->lines == 0 && s->running == 0 && (s->ready == 0 || s->failed) && !queue;
}

/* Until done(s); a stop ends it only when nothing is under way any more. */
static void
wait_until(struct survey *s, bool (*done)(const struct survey *))
{
	struct fail why;

	while (!done(s)) {
		if (io_park(&s->changed, clock_deadline(PROGRESS_MS), &why) != 0 &&
		    why.code != FAIL_TIMEOUT) {
			io_join(&s->ended, &s->running);
			io_join(&s->ended, &s->lines);
			return;
		}
		note_progress(s);
	}
}

static void
run_pass(struct survey *s)
{
	struct buf text;
	uint64_t seq;
	int64_t told = 0;

	buf_init(&text, LIMIT_SURVEY_LINE_BYTES);
	while (!survey_stopping(s)) {
		wait_until(s, has_room);
		if (survey_stopping(s))
			break;
		int ret =
		    s->pass == 0 ? next_of_list(s, &seq, &text) : next_of_retry(s, &seq, &text);
		if (ret <= 0)
			break;
		line_start(s, seq, slice_make(buf_str(&text), text.len));
		work_alone(s);
		if (clock_ms() >= told) {
			told = clock_deadline(PROGRESS_MS);
			note_progress(s);
			io_yield(DEADLINE_NEVER, NULL);
		}
	}
	buf_free(&text);
	wait_until(s, is_idle);
}

static void
helper_start(struct survey *s, fiber_fn *fn, const char *name)
{
	struct fail why;

	if (!sched_has_fibers())
		return;
	s->helpers++;
	if (fiber_spawn(fn, s, name, DEADLINE_NEVER, &why) == 0)
		return;
	s->helpers--;
	survey_broken(s, &why);
}

struct reading {
	struct survey *survey;
	unsigned worker;
};

static void
worker_fiber(void *arg)
{
	struct reading reading = *(struct reading *)arg;
	struct survey *s = reading.survey;
	struct fail why;

	free(arg);
	if (survey_workers_read(&s->workers, reading.worker, &why) != 0 &&
	    why.code != FAIL_CANCELLED)
		survey_broken(s, &why);
	s->helpers--;
	io_wake(&s->ended, -1);
}

static void
read_workers(struct survey *s)
{
	struct fail why;

	for (unsigned i = 0; i < s->workers.n; i++) {
		struct reading *reading = mem_alloc(sizeof(*reading));
		*reading = (struct reading){ .survey = s, .worker = i };
		s->helpers++;
		if (fiber_spawn(worker_fiber, reading, "worker", DEADLINE_NEVER, &why) == 0)
			continue;
		free(reading);
		s->helpers--;
		survey_broken(s, &why);
	}
}

static void
main_fiber(void *arg)
{
	struct survey *s = arg;

	signals_stop_on(s->probe->grace_ms);
	if (sched_has_fibers())
		read_workers(s);
	helper_start(s, begin_fiber, "begin");
	helper_start(s, record_fiber, "records");
	for (s->pass = 0; s->pass <= s->passes && !survey_stopping(s); s->pass++) {
		if (s->pass > 0) {
			if (s->seen.v != NULL)
				memset(s->seen.v, 0, s->seen.n);
			survey_lines_init(&s->retry_lines, &s->retry, 0, s->retry.size);
		}
		run_pass(s);
		if (s->pass > 0)
			survey_lines_free(&s->retry_lines);
		if (s->status->retry == 0)
			break;
	}
	s->over = true;
	io_wake(&s->work, -1);
	io_wake(&s->records, -1);
	survey_workers_close(&s->workers);
	io_join(&s->ended, &s->helpers);
	note_progress(s);
}

/* --- set-up -------------------------------------------------------------------------------------- */

/* A session takes a descriptor, and so does each question to the DNS. */
static unsigned
sessions_possible(unsigned wanted)
{
	const unsigned others = 64 + LIMIT_SURVEY_RESOLVING;
	unsigned limit = socket_descriptor_limit();

	limit = limit > 2 * others ? limit - others : limit / 2;
	return wanted != 0 && wanted <= limit ? wanted : limit > 10000 ? 10000 : limit;
}

static void
setup(struct survey *s, const struct survey_options *options, struct survey_status *status)
{
	memset(s, 0, sizeof(*s));
	memset(status, 0, sizeof(*status));
	s->options = options;
	s->probe = options->probe;
	s->status = status;
	status->start_ms = clock_ms();
	status->lines = options->meta->input_lines > 0 ? (uint64_t)options->meta->input_lines : 0;
	s->passes = options->probe->retries;
	probe_policy_exclude(&options->probe->policy, options->exclude);
	s->sessions_max = sessions_possible(options->probe->concurrency);
	survey_table_init(&s->table);
	pool_init(&s->jobs, sizeof(struct survey_slot));
	map_init(&s->told_certs);
	survey_polite_init(&s->polite, &options->limits, options->probe->seed, clock_ms());
	waitq_init(&s->changed);
	waitq_init(&s->work);
	waitq_init(&s->records);
	waitq_init(&s->ended);
}

/* Without fibers a worker is no help: this process would wait for each of its sessions. */
static int
start_workers(struct survey *s, struct fail *why)
{
	const char *off = getenv("MXTLS_NO_FIBERS");

	if (s->options->workers == 0 || (off != NULL && strcmp(off, "1") == 0))
		return 0;
	return survey_workers_start(&s->workers, s->options->workers, s->probe, why);
}

int
survey_run(const struct survey_options *options, struct survey_status *status_r, struct fail *why)
{
	struct survey s;
	int ret;

	setup(&s, options, status_r);
	ret = survey_input_open(&s.input, options->input, options->probe->seed, why);
	if (ret == 0)
		ret = survey_store_open(&s, why);
	if (ret == 0) {
		/* what was put off before has to be done, whatever is asked for now */
		if (status_r->retry > 0 && s.passes == 0)
			s.passes = 1;
		ret = start_workers(&s, why);
	}
	if (ret == 0) {
		sched_run(main_fiber, &s);
		if (s.failed) {
			*why = s.why;
			ret = -1;
		}
	}
	bool all = ret == 0 && !survey_stopping(&s);
	survey_workers_stop(&s.workers);
	survey_store_close(&s, all);
	survey_input_close(&s.input);
	survey_polite_free(&s.polite);
	survey_table_free(&s.table);
	pool_free(&s.jobs);
	map_free(&s.told_certs);
	return ret;
}

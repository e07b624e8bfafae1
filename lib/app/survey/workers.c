#include "app/survey/workers.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/survey/file.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/sched.h"
#include "io/socket.h"

#define END_MS 3000    /* for workers to end when their socket is closed */
#define STUCK_MS 60000 /* beyond twice the deadline of a session */
#define FAILURES 5     /* of a worker's process in a row, none of which answered anything */
#define BLOCK 65536

/* What a fiber of the parent waits for; on its stack. */
struct survey_question {
	struct list link; /* among those that are asked */
	struct waitq answered;
	unsigned worker;
	bool done, lost; /* lost: its worker has ended */
	struct buf *line;
};

/* One end of the socket, line by line. */
struct lines {
	int fd;
	struct buf text;
	size_t used;
};

static void
lines_init(struct lines *l, int fd)
{
	l->fd = fd;
	l->used = 0;
	buf_init(&l->text, 2 * SURVEY_LINE_BYTES);
}

/* 1 with a line, valid until the next call; 0 at the end; -1 with why. */
static int
lines_next(struct lines *l, struct slice *line_r, struct fail *why)
{
	size_t looked = 0;

	for (;;) {
		struct slice rest = slice_make(buf_str(&l->text) + l->used, l->text.len - l->used);
		size_t n = looked + slice_find(slice_sub(rest, looked, rest.n), '\n');
		if (n < rest.n) {
			*line_r = slice_sub(rest, 0, n);
			l->used += n + 1;
			return 1;
		}
		looked = rest.n;
		buf_consume(&l->text, l->used);
		l->used = 0;
		char *to = buf_reserve(&l->text, BLOCK);
		if (to == NULL)
			return fail_set(why, FAIL_IO, "a line of a worker is too long");
		ssize_t got = socket_read(l->fd, to, BLOCK, DEADLINE_NEVER, why);
		if (got <= 0)
			return got == 0 ? 0 : -1;
		buf_commit(&l->text, (size_t)got);
	}
}

/* The next word as a number; false when it is none. */
static bool
take_number(struct slice *line, unsigned long long *value_r)
{
	return slice_number(slice_word(line), UINT32_MAX, value_r);
}

/* --- the worker ---------------------------------------------------------------------------------- */

struct worker {
	const struct probe_options *probe;
	int fd;
	struct gate writing;
};

struct task {
	struct worker *worker;
	char *line; /* heap */
	size_t n;
};

/* "NUMBER EXCHANGE HOST PASS JSON" */
static void
run_task(struct worker *w, struct slice line, struct buf *out)
{
	unsigned long long number, exchange, host, pass;
	struct target_facts target;
	struct server_facts facts;
	struct arena arena;
	struct buf json;

	if (!take_number(&line, &number) || !take_number(&line, &exchange) ||
	    !take_number(&line, &host) || !take_number(&line, &pass))
		return;
	arena_init(&arena);
	buf_init(&json, SURVEY_LINE_BYTES);
	line = slice_trim(line);
	if (facts_read_json(&fact_table_target_facts, line.p, line.n, &arena, &target, NULL) == 0 &&
	    exchange < target.exchanges_n && host < target.exchanges[exchange].hosts_n) {
		struct exchange_facts *mx = &target.exchanges[exchange];
		bool literal = target.mx_status == MX_LITERAL && addr_is_literal(mx->name);
		survey_ask_server(
		    w->probe, mx, (size_t)host, literal, (unsigned)pass, &arena, &facts);
		survey_server_line(&facts, &json);
	} else {
		buf_putc(&json, '\n');
	}
	buf_printf(out, "%llu ", number);
	buf_append(out, json.data, json.len);
	buf_free(&json);
	arena_free(&arena);
}

static void
task_fiber(void *arg)
{
	struct task *task = arg;
	struct worker *w = task->worker;
	struct buf out;

	buf_init(&out, SURVEY_LINE_BYTES + 64);
	run_task(w, slice_make(task->line, task->n), &out);
	/* whoever cannot write any more has nobody to tell that */
	if (out.len > 0 && gate_enter(&w->writing, DEADLINE_NEVER, NULL) == 0) {
		socket_write(w->fd, out.data, out.len, DEADLINE_NEVER, NULL);
		gate_leave(&w->writing);
	}
	buf_free(&out);
	free(task->line);
	free(task);
}

static void
worker_fiber(void *arg)
{
	struct worker *w = arg;
	struct lines lines;
	struct slice line;

	lines_init(&lines, w->fd);
	while (lines_next(&lines, &line, NULL) > 0) {
		struct task *task = mem_alloc(sizeof(*task));
		task->worker = w;
		task->line = mem_strndup(line.p, line.n);
		task->n = line.n;
		if (fiber_spawn(task_fiber, task, "session", DEADLINE_NEVER, NULL) != 0)
			task_fiber(task);
	}
	buf_free(&lines.text);
	sched_stop(clock_ms()); /* the parent is gone, or wants no more */
}

static int
worker_main(void *arg)
{
	/* Ctrl-C is the parent's business */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sched_run(worker_fiber, arg);
	return 0;
}

/* --- the parent ---------------------------------------------------------------------------------- */

static int
worker_start(struct survey_worker *worker, const struct probe_options *probe, struct fail *why)
{
	struct worker start = { .probe = probe };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return fail_errno(why, FAIL_OS, "socketpair");
	start.fd = fds[1];
	gate_init(&start.writing, 1);
	int ret = child_fork(&worker->child, worker_main, &start, &fds[1], 1, why);
	close(fds[1]);
	if (ret != 0) {
		close(fds[0]);
		return -1;
	}
	worker->fd = fds[0];
	worker->answers = 0;
	return 0;
}

int
survey_workers_start(
    struct survey_workers *w, unsigned n, const struct probe_options *probe, struct fail *why)
{
	memset(w, 0, sizeof(*w));
	w->probe = probe;
	map_init(&w->by_number);
	list_init(&w->asked);
	w->v = mem_array(n, sizeof(*w->v));
	for (; w->n < n; w->n++) {
		gate_init(&w->v[w->n].writing, 1);
		if (worker_start(&w->v[w->n], probe, why) != 0)
			return fail_prefix(why, "worker");
	}
	return 0;
}

void
survey_workers_close(struct survey_workers *w)
{
	w->stopping = true;
	for (unsigned i = 0; i < w->n; i++)
		if (w->v[i].fd >= 0)
			shutdown(w->v[i].fd, SHUT_RDWR);
}

/* Its end, by force when it takes too long. *status_r as of waitpid(2). */
static void
reap(struct survey_worker *worker, int *status_r)
{
	if (child_wait(&worker->child, status_r, clock_deadline(END_MS), NULL) == 0)
		return;
	child_kill(&worker->child, SIGKILL);
	child_wait(&worker->child, status_r, clock_deadline(END_MS), NULL);
}

void
survey_workers_stop(struct survey_workers *w)
{
	int status;

	for (unsigned i = 0; i < w->n; i++)
		if (w->v[i].fd >= 0)
			close(w->v[i].fd);
	for (unsigned i = 0; i < w->n; i++)
		if (w->v[i].fd >= 0)
			reap(&w->v[i], &status);
	free(w->v);
	if (w->probe != NULL)
		map_free(&w->by_number);
	memset(w, 0, sizeof(*w));
}

/* --- questions ----------------------------------------------------------------------------------- */

static struct slice
key_of(const uint32_t *number)
{
	return slice_make((const char *)number, sizeof(*number));
}

/* What is not sent because the worker has ended, is lost: the one that reads from it says so. */
static int
send_question(struct survey_worker *worker, const struct survey_question *question,
    const struct buf *line, struct fail *why)
{
	int ret = 0;

	if (gate_enter(&worker->writing, DEADLINE_NEVER, why) != 0)
		return -1;
	if (!question->lost)
		ret = socket_write(worker->fd, line->data, line->len, DEADLINE_NEVER, why);
	gate_leave(&worker->writing);
	return ret != 0 && why->code == FAIL_CANCELLED ? -1 : 0;
}

/* A worker that is stuck is ended: sessions have their own deadlines, long before this one. */
static int
wait_for_answer(struct survey_workers *w, struct survey_question *question, struct fail *why)
{
	int64_t deadline = clock_deadline(2 * w->probe->deadline_ms + STUCK_MS);

	while (!question->done && !question->lost) {
		if (io_park(&question->answered, deadline, why) == 0)
			continue;
		if (why->code != FAIL_TIMEOUT)
			return -1;
		child_kill(&w->v[question->worker].child, SIGKILL);
		deadline = DEADLINE_NEVER;
	}
	return 0;
}

int
survey_workers_ask(struct survey_workers *w, struct slice target, size_t exchange, size_t host,
    unsigned pass, const char *ip, struct buf *line_r, struct fail *why)
{
	struct survey_question question = { .worker = crc32c(0, ip, strlen(ip)) % w->n,
		.line = line_r };
	uint32_t number = ++w->last;
	struct buf line;

	if (w->stopping)
		return fail_set(why, FAIL_CANCELLED, "the survey is at its end");
	waitq_init(&question.answered);
	list_append(&w->asked, &question.link);
	map_set(&w->by_number, key_of(&number), &question);
	buf_init(&line, SURVEY_LINE_BYTES + 64);
	buf_printf(&line, "%lu %zu %zu %u ", (unsigned long)number, exchange, host, pass);
	buf_append(&line, target.p, target.n);
	buf_putc(&line, '\n');
	int ret = send_question(&w->v[question.worker], &question, &line, why);
	buf_free(&line);
	if (ret == 0)
		ret = wait_for_answer(w, &question, why);
	list_remove(&question.link);
	map_remove(&w->by_number, key_of(&number));
	if (ret == 0 && !question.done)
		ret = fail_set(
		    why, FAIL_IO, "the worker process that had the session ended before it did");
	return ret;
}

/* --- answers ------------------------------------------------------------------------------------- */

/* "NUMBER JSON" */
static void
take_answer(struct survey_workers *w, struct slice line)
{
	unsigned long long n;

	if (!take_number(&line, &n))
		return;
	uint32_t number = (uint32_t)n;
	struct survey_question *question = map_get(&w->by_number, key_of(&number));
	if (question == NULL || question->done) /* nobody waits for it any more */
		return;
	line = slice_trim(line);
	buf_append(question->line, line.p, line.n);
	buf_putc(question->line, '\n');
	question->done = true;
	io_wake(&question->answered, -1);
}

static unsigned
lose_questions(struct survey_workers *w, unsigned i)
{
	unsigned n = 0;

	for (struct list *at = w->asked.next; at != &w->asked; at = at->next) {
		struct survey_question *question = LIST_ITEM(at, struct survey_question, link);
		if (question->worker != i || question->done)
			continue;
		question->lost = true;
		io_wake(&question->answered, -1);
		n++;
	}
	return n;
}

/* The worker has ended by itself: another in its place, unless they all end like this. */
static int
replace(struct survey_workers *w, unsigned i, struct fail *why)
{
	struct survey_worker *worker = &w->v[i];
	int status = 0, ret = -1;

	shutdown(worker->fd, SHUT_RDWR); /* whoever writes ends */
	if (gate_enter(&worker->writing, DEADLINE_NEVER, why) != 0)
		return -1;
	close(worker->fd);
	worker->fd = -1;
	child_kill(&worker->child, SIGKILL);
	reap(worker, &status);
	unsigned lost = lose_questions(w, i);
	worker->failures = worker->answers > 0 ? 1 : worker->failures + 1;
	log_warn("worker process %ld has ended (%s %d): %u sessions are begun again",
	    (long)worker->child.pid, WIFSIGNALED(status) ? "signal" : "exit status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), lost);
	if (worker->failures >= FAILURES)
		fail_set(why, FAIL_IO, "worker processes end without having answered anything");
	else if (!w->stopping)
		ret = worker_start(worker, w->probe, why);
	gate_leave(&worker->writing);
	return ret;
}

int
survey_workers_read(struct survey_workers *w, unsigned i, struct fail *why)
{
	struct lines lines;
	struct slice line;
	int ret;

	for (;;) {
		lines_init(&lines, w->v[i].fd);
		while ((ret = lines_next(&lines, &line, why)) > 0) {
			w->v[i].answers++;
			take_answer(w, line);
		}
		buf_free(&lines.text);
		if (w->stopping)
			return 0;
		if ((ret < 0 && why->code == FAIL_CANCELLED) || replace(w, i, why) != 0)
			return w->stopping ? 0 : -1;
	}
}

#include "io/join.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/sched.h"

void
join_table_init(struct join_table *t)
{
	map_init(&t->jobs);
}

static void
orphan(struct slice key, void *value, void *ctx)
{
	struct join_job *job = value;

	(void)key;
	(void)ctx;
	job->table = NULL;
}

void
join_table_free(struct join_table *t)
{
	map_each(&t->jobs, orphan, NULL);
	map_free(&t->jobs);
}

static void
join_run(void *arg)
{
	struct join_job *job = arg;

	job->fn(job);
	job->done = true;
	io_wake(&job->waiting, -1);
	join_release(job);
}

struct join_job *
join_start(struct join_table *t, struct slice key, void (*fn)(struct join_job *), void *arg,
    int64_t cap, bool *started_r, struct fail *why)
{
	struct join_job *job = map_get(&t->jobs, key);

	*started_r = false;
	if (job != NULL) {
		job->refs++;
		return job;
	}
	job = mem_alloc(sizeof(*job));
	job->key = mem_strndup(key.p, key.n);
	job->key_len = key.n;
	job->table = t;
	job->refs = 2; /* the caller's and the job's own fiber's */
	job->fn = fn;
	job->arg = arg;
	job->cap = cap;
	waitq_init(&job->waiting);
	map_set(&t->jobs, key, job);
	if (fiber_spawn(join_run, job, "job", cap, why) != 0) {
		join_forget(job);
		free(job->key);
		free(job);
		return NULL;
	}
	*started_r = true;
	return job;
}

int
join_wait(struct join_job *job, int64_t deadline, struct fail *why)
{
	while (!job->done)
		if (io_park(&job->waiting, deadline, why) != 0)
			return -1;
	return 0;
}

void
join_forget(struct join_job *job)
{
	if (job->table == NULL)
		return;
	map_remove(&job->table->jobs, slice_make(job->key, job->key_len));
	job->table = NULL;
}

void
join_release(struct join_job *job)
{
	if (--job->refs > 0)
		return;
	join_forget(job);
	if (job->result_free != NULL)
		job->result_free(job->result);
	free(job->key);
	free(job);
}

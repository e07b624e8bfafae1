#include "app/queue/refuse.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define CHUNK_BYTES 65536

static int
copy(struct queue_writer *w, int fd, struct fail *why)
{
	char *chunk = mem_alloc(CHUNK_BYTES);
	ssize_t n = 1;
	int rc = 0;

	while (rc == 0 && n > 0) {
		n = read(fd, chunk, CHUNK_BYTES);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			rc = storage_fail(why, "reading the message");
		else if (n > 0)
			rc = queuefile_write(w, slice_make(chunk, (size_t)n), why);
	}
	free(chunk);
	return rc;
}

static int
report(
    struct queue_work *work, struct queue_item *item, const struct fail *reason, struct fail *why)
{
	size_t n = item->envelope->rcpts_n;
	size_t *rcpts = mem_array(n, sizeof(*rcpts));
	char id[QUEUE_ID_BYTES];
	struct queue_event e = { .kind = 'F',
		.time = clock_wall(),
		.rcpts = rcpts,
		.rcpts_n = n,
		.enhanced = fail_info(reason->code)->enhanced,
		.text = reason->text };

	for (size_t i = 0; i < n; i++)
		rcpts[i] = i;
	int rc = queue_item_append(item, &e, true, why);
	if (rc == 0)
		rc = queue_work_finish(work, item, id, why);
	free(rcpts);
	return rc;
}

int
queue_refuse(struct queue_work *work, struct queue_envelope *envelope, int fd,
    const struct fail *reason, struct fail *why)
{
	struct queue_writer w;
	struct queue_item item;

	if (queuefile_create(&w, work->spool, envelope, true, why) != 0)
		return -1;
	if (copy(&w, fd, why) != 0) {
		queuefile_abort(&w);
		return -1;
	}
	if (queuefile_commit(&w, NULL, DEADLINE_NEVER, why) != 0)
		return -1;
	queue_item_adopt(&item, work->spool, &w, envelope);
	int rc = report(work, &item, reason, why);
	queue_item_close(&item);
	spool_flush(work->spool, true);
	/* what is left of it says why, and goes with the next run of the queue */
	return rc;
}

#include "app/send/submit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/queue/room.h"
#include "app/queue/scan.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "io/sched.h"
#include "io/signals.h"

#define CHUNK_BYTES 65536
#define GRACE_MS 5000
#define RUNNER_SILENT_S 3600

/* --- storing ---------------------------------------------------------------------------------------- */

static void
set_envelope(struct submit *s)
{
	const struct message *m = s->message;
	struct arena *arena = &((struct message *)(uintptr_t)m)->arena;
	struct queue_envelope *e = &s->envelope;
	bool utf8 = m->sender_utf8;

	e->rcpts = arena_alloc(arena, m->recipient_n * sizeof(*e->rcpts));
	e->rcpts_n = m->recipient_n;
	for (size_t i = 0; i < m->recipient_n; i++) {
		const struct message_recipient *r = &m->recipients[i];
		e->rcpts[i] = (struct queue_rcpt){
			.address = r->mailbox, .notify = r->notify, .orcpt = r->orcpt
		};
		utf8 |= r->utf8;
	}
	e->sender = m->sender;
	e->ret = m->ret;
	e->envid = m->envid;
	e->owned = m->owned;
	e->uid = m->owner;
	memcpy(e->id, m->queue_id, sizeof(e->id));
	e->time = clock_wall();
	e->flags = (m->has_8bit ? QUEUE_8BITMIME : 0u) | (utf8 ? QUEUE_SMTPUTF8 : 0u) |
		   (m->require_tls ? QUEUE_REQUIRETLS : 0u) |
		   (m->tls_required_no ? QUEUE_TLS_OPTIONAL : 0u) |
		   (m->header_8bit ? QUEUE_HEADER_8BIT : 0u);
}

static int
write_text(struct queue_writer *w, const struct message *message, struct fail *why)
{
	struct message_reader reader;
	char *chunk = mem_alloc(CHUNK_BYTES);
	size_t n = 0;
	int rc;

	message_reader_init(&reader, message);
	do {
		rc = message_reader_next(&reader, chunk, CHUNK_BYTES, &n, why);
		if (rc == 0 && n > 0)
			rc = queuefile_write(w, slice_make(chunk, n), why);
	} while (rc == 0 && n > 0);
	free(chunk);
	return rc;
}

int
submit_store(
    struct submit *s, struct queue_work *work, const struct message *message, struct fail *why)
{
	struct queue_writer w;

	memset(s, 0, sizeof(*s));
	s->work = work;
	s->message = message;
	set_envelope(s);
	if (spool_room(work->spool, message->text.bytes, message->text.bytes,
		message->owned ? &s->envelope.uid : NULL, why) != 0 ||
	    queuefile_create(&w, work->spool, &s->envelope, true, why) != 0)
		return -1;
	if (write_text(&w, message, why) != 0) {
		queuefile_abort(&w);
		return -1;
	}
	/* a stop came while the text was written: nobody shall wait for the disk of a message he gave up */
	if (signals_stop_now(false)) {
		queuefile_abort(&w);
		return fail_set(why, FAIL_CANCELLED, NULL);
	}
	if (queuefile_commit(&w, NULL, DEADLINE_NEVER, why) != 0)
		return -1;
	queue_item_adopt(&s->item, work->spool, &w, &s->envelope);
	return 0;
}

void
submit_end(struct submit *s)
{
	spool_flush(s->work->spool, true);
	queue_item_close(&s->item);
}

/* --- trying ----------------------------------------------------------------------------------------- */

struct attempt {
	struct queue_work *work;
	struct queue_item *item;
	const struct message *message; /* NULL: of the item */
	struct deliver_result *results;
	struct arena *arena;
	int64_t deadline_ms;
};

static void
try_main(void *arg)
{
	struct attempt *a = arg;
	size_t n = a->item->envelope->rcpts_n;
	size_t *rcpts = mem_array(n, sizeof(*rcpts));
	struct fail why;

	signals_stop_on(GRACE_MS);
	for (size_t i = 0; i < n; i++)
		rcpts[i] = i;
	if (queue_work_try(a->work, a->item, rcpts, n, a->message, a->results, a->arena,
		clock_deadline(a->deadline_ms), &why) != 0)
		log_error("%s", why.text);
	free(rcpts);
}

static void
finish(struct queue_work *work, struct queue_item *item, char report[QUEUE_ID_BYTES])
{
	struct fail why;

	if (queue_work_finish(work, item, report, &why) != 0)
		log_error("%s", why.text);
}

/* A report that we made goes on its way at once; what becomes of it nobody is told. */
static void
send_report(struct queue_work *work, const char *id, int64_t deadline_ms)
{
	char none[QUEUE_ID_BYTES];
	struct queue_item item;
	struct arena arena;
	struct fail why;

	if (id[0] == '\0' || queue_item_open(&item, work->spool, id, &why) != 0)
		return;
	arena_init(&arena);
	struct attempt a = { .work = work,
		.item = &item,
		.results =
		    arena_alloc(&arena, item.envelope->rcpts_n * sizeof(struct deliver_result)),
		.arena = &arena,
		.deadline_ms = deadline_ms };
	if (queue_item_lock_all(&item, &why) == 1) {
		sched_run(try_main, &a);
		finish(work, &item, none);
	}
	queue_item_close(&item);
	spool_flush(work->spool, true);
	arena_free(&arena);
}

static void
try_all(struct submit *s, int64_t deadline_ms, char report[QUEUE_ID_BYTES])
{
	struct arena *arena = &((struct message *)(uintptr_t)s->message)->arena;
	struct attempt a = { .work = s->work,
		.item = &s->item,
		.message = s->message,
		.arena = arena,
		.deadline_ms = deadline_ms };

	a.results = s->results = arena_alloc(arena, s->message->recipient_n * sizeof(*s->results));
	sched_run(try_main, &a);
	finish(s->work, &s->item, report);
}

/* --- in the background -------------------------------------------------------------------------------- */

struct background {
	struct submit *s;
	int64_t deadline_ms;
	char report[QUEUE_ID_BYTES]; /* not "": the message was tried, this is left to do */
};

/* Whoever called us waits for the end of our output. */
static void
drop_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR);

	for (int i = 0; i < 3 && fd >= 0; i++)
		if (fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

void
submit_warn_no_runner(const struct submit *s)
{
	int64_t last = spool_last_run(s->work->spool);

	if (s->item.over || clock_wall() - last < RUNNER_SILENT_S)
		return;
	log_error("%s is kept, but %s runs the queue: put \"*/5 * * * * mxtls queue run\" into the "
		  "crontab, or run: systemctl --user enable --now mxtls-queue.timer",
	    s->item.id, last == 0 ? "nobody" : "for an hour nobody");
}

static int
background_main(void *arg)
{
	struct background *b = arg;

	drop_descriptors();
	if (b->report[0] == '\0') {
		try_all(b->s, b->deadline_ms, b->report);
		submit_warn_no_runner(b->s);
		submit_end(b->s);
	}
	send_report(b->s->work, b->report, b->deadline_ms);
	return 0;
}

static int
fork_background(struct background *b, struct fail *why)
{
	const struct spool *spool = b->s->work->spool;
	int keep[] = { spool->root, spool->tmp, spool->q, spool->j, spool->dest, spool->corrupt,
		b->s->item.fd, b->s->message->text.fd };
	struct child child;

	if (child_fork(&child, background_main, b, keep, sizeof(keep) / sizeof(keep[0]), why) != 0)
		return -1;
	close(child.wait_fd); /* it outlives us */
	return 0;
}

int
submit_background(struct submit *s, int64_t deadline_ms, struct fail *why)
{
	struct background b = { .s = s, .deadline_ms = deadline_ms };

	return fork_background(&b, why);
}

void
submit_try(struct submit *s, int64_t deadline_ms)
{
	struct background b = { .s = s, .deadline_ms = deadline_ms };
	struct fail why;

	try_all(s, deadline_ms, b.report);
	if (b.report[0] != '\0' && fork_background(&b, &why) != 0)
		log_error("%s", why.text);
}

int
submit_exit(const struct submit *s, enum submit_errors errors)
{
	int worst = EX_OK;

	if (errors == SUBMIT_ERRORS_MAIL_OK)
		return EX_OK;
	for (size_t i = 0; i < s->message->recipient_n; i++) {
		const struct deliver_result *r = &s->results[i];
		if (r->status != DELIVER_FAILED)
			continue;
		worst = worst == EX_OK || worst == r->exit_status ? r->exit_status : EX_UNAVAILABLE;
	}
	return worst;
}

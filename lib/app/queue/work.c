#include "app/queue/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

/* --- one attempt ------------------------------------------------------------------------------------ */

struct attempt_note {
	struct queue_work *work;
	struct queue_item *item;
	const struct message *message;
	const size_t *rcpts;
	struct fail why; /* the first failure to write something down */
	int rc;
};

static void
note_failure(struct attempt_note *note, const struct fail *why)
{
	log_error("queue file %s: what was delivered cannot be written down: %s", note->item->id,
	    why->text);
	if (note->rc == 0)
		note->why = *why;
	note->rc = -1;
}

/* What the other side said, or we. */
static const char *
said(const struct deliver_result *r)
{
	if (r->reply != NULL)
		return r->reply;
	return r->why.code == FAIL_NONE ? "" : r->why.text;
}

static struct queue_event
event_of(char kind, const struct deliver_result *r)
{
	return (struct queue_event){ .kind = kind,
		.time = clock_wall(),
		.enhanced = r->enhanced,
		.host = r->exchange,
		.text = said(r) };
}

/* Everybody got it and nobody is to be told. */
static bool
ends_with(const struct queue_item *item, const size_t *rcpts, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < item->journal.n; i++) {
		const struct queue_progress *r = &item->journal.rcpts[i];
		if (at < n && rcpts[at] == i) {
			at++;
			continue;
		}
		if (r->state == QUEUE_RCPT_PENDING || queue_progress_is_unreported(r))
			return false;
	}
	return item->journal.bounce[0] == '\0';
}

static bool
wants_success(const struct queue_item *item, size_t rcpt, const struct deliver_result *r)
{
	return (item->envelope->rcpts[rcpt].notify & QUEUE_NOTIFY_SUCCESS) != 0 && !r->dsn_passed &&
	       item->envelope->sender[0] != '\0';
}

/* The lines for those of one transaction: with and without report of success. */
static int
note_lines(struct attempt_note *note, struct deliver_result *const *results, const size_t *rcpts,
    size_t n, size_t *list, struct fail *why)
{
	static const char kinds[] = "DS";

	for (int want = 0; want < 2; want++) {
		size_t k = 0, last = 0;
		for (size_t i = 0; i < n; i++)
			if (wants_success(note->item, rcpts[i], results[i]) == (want != 0)) {
				list[k++] = rcpts[i];
				last = i;
			}
		if (k == 0)
			continue;
		struct queue_event e = event_of(kinds[want], results[last]);
		e.rcpts = list;
		e.rcpts_n = k;
		if (queue_item_append(note->item, &e, true, why) != 0)
			return -1;
	}
	return 0;
}

/* As soon as the server has taken the message: before this is on the disk, it may be sent again. */
static void
on_delivered(void *ctx, struct deliver_result *const *results, size_t n)
{
	struct attempt_note *note = ctx;
	size_t *rcpts = mem_array(2 * n, sizeof(size_t));
	bool success = false;
	struct fail why;
	int rc;

	for (size_t i = 0; i < n; i++) {
		rcpts[i] = note->rcpts[results[i]->to - note->message->recipients];
		success |= wants_success(note->item, rcpts[i], results[i]);
	}
	if (!success && ends_with(note->item, rcpts, n))
		rc = queue_item_end(note->item, &why);
	else
		rc = note_lines(note, results, rcpts, n, rcpts + n, &why);
	if (rc != 0)
		note_failure(note, &why);
	free(rcpts);
}

static bool
is_expired(const struct queue_work *work, const struct queue_item *item)
{
	return clock_wall() - item->envelope->time >= work->lifetime_s;
}

/* "Not delivered within 5 days; the last reason" */
static const char *
expiry_text(const struct queue_work *work, const char *text, struct arena *arena)
{
	int64_t s = work->lifetime_s;

	return arena_printf(arena, "not delivered within %" PRId64 " %s; the last reason: %s",
	    s >= 86400 ? s / 86400 : s / 60, s >= 86400 ? "days" : "minutes",
	    text[0] == '\0' ? "unknown" : text);
}

/* When, in Unix seconds, a recipient is tried again that now was not reached. */
static int64_t
next_try(const struct queue_progress *r)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint32_t)clock_wall_us();
	return clock_wall() + queue_backoff_s(r->tries + 1, random);
}

static bool
same_outcome(const struct deliver_result *a, const struct deliver_result *b)
{
	return a->status == b->status && strcmp(a->enhanced, b->enhanced) == 0 &&
	       (a->exchange == b->exchange || (a->exchange != NULL && b->exchange != NULL &&
						  strcmp(a->exchange, b->exchange) == 0)) &&
	       strcmp(said(a), said(b)) == 0;
}

/* One line for all recipients from i on that ended the same way, in list. */
static int
note_rest(struct attempt_note *note, struct deliver_result *results, size_t n, size_t i, bool *done,
    size_t *list, struct arena *arena, struct fail *why)
{
	struct deliver_result *r = &results[i];
	const struct queue_progress *first = &note->item->journal.rcpts[note->rcpts[i]];
	struct queue_event e = event_of(r->status == DELIVER_FAILED ? 'F' : 'T', r);
	size_t k = 0;

	for (size_t j = i; j < n; j++) {
		const struct queue_progress *p = &note->item->journal.rcpts[note->rcpts[j]];
		if (done[j] || !same_outcome(r, &results[j]) || p->tries != first->tries)
			continue;
		done[j] = true;
		list[k++] = note->rcpts[j];
	}
	e.rcpts = list;
	e.rcpts_n = k;
	if (e.kind == 'T' && is_expired(note->work, note->item)) {
		e.kind = 'F';
		e.enhanced = "4.4.7";
		e.text = expiry_text(note->work, e.text, arena);
	} else if (e.kind == 'T') {
		e.next = next_try(first);
	}
	/* lost by a crash: asked again */
	return queue_item_append(note->item, &e, false, why);
}

static int
note_all_rest(struct attempt_note *note, struct deliver_result *results, size_t n,
    struct arena *arena, struct fail *why)
{
	bool *done = arena_alloc(arena, n + 1);
	size_t *list = arena_alloc(arena, (n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++)
		done[i] = results[i].status == DELIVER_DONE;
	for (size_t i = 0; i < n; i++)
		if (!done[i] && note_rest(note, results, n, i, done, list, arena, why) != 0)
			return -1;
	return 0;
}

static void
fail_all(const struct queue_work *work, const struct message *message,
    struct deliver_result *results, size_t n, const struct fail *why)
{
	for (size_t i = 0; i < n; i++) {
		memset(&results[i], 0, sizeof(results[i]));
		results[i].to = &message->recipients[i];
		results[i].rule = rules_match(work->deliver.rules, message->recipients[i].domain);
		results[i].status = DELIVER_DEFERRED;
		results[i].why = *why;
		results[i].exit_status = fail_info(why->code)->exit_status;
		snprintf(results[i].enhanced, sizeof(results[i].enhanced), "%s",
		    fail_info(why->code)->enhanced);
	}
}

static int
try_message(struct attempt_note *note, struct deliver_result *results, size_t n,
    struct arena *arena, int64_t deadline, struct fail *why)
{
	struct deliver_options options = note->work->deliver;

	if (queue_item_reserve(note->item, why) != 0) {
		fail_all(note->work, note->message, results, n, why);
		return -1;
	}
	options.delivered = on_delivered;
	options.delivered_ctx = note;
	options.last_try = is_expired(note->work, note->item);
	deliver(&options, note->message, results, arena, deadline);
	if (note->rc == 0 && !note->item->over &&
	    note_all_rest(note, results, n, arena, &note->why) != 0)
		note->rc = -1;
	if (note->work->note != NULL)
		for (size_t i = 0; i < n; i++)
			note->work->note(note->work->note_ctx, note->item, &results[i]);
	if (note->rc != 0 && why != NULL)
		*why = note->why;
	return note->rc;
}

int
queue_work_try(struct queue_work *work, struct queue_item *item, const size_t *rcpts, size_t n,
    const struct message *message, struct deliver_result *results_r, struct arena *arena,
    int64_t deadline, struct fail *why)
{
	struct attempt_note note = {
		.work = work, .item = item, .message = message, .rcpts = rcpts
	};
	struct message made;

	if (message == NULL) {
		if (queue_item_message(item, rcpts, n, &made, why) != 0)
			return -1;
		note.message = &made;
	}
	int rc = try_message(&note, results_r, n, arena, deadline, why);
	if (message == NULL)
		queue_item_message_fini(&made);
	return rc;
}

bool
queue_work_tries_again(
    const struct queue_work *work, const struct queue_item *item, const struct queue_dest *dest)
{
	return strncmp(dest->enhanced, "4.7.", 4) == 0 && is_expired(work, item);
}

int
queue_work_defer(struct queue_work *work, struct queue_item *item, const size_t *rcpts, size_t n,
    const struct queue_dest *dest, struct fail *why)
{
	struct queue_event e = { .kind = 'T',
		.time = clock_wall(),
		.next = dest->next,
		.enhanced = dest->enhanced[0] == '\0' ? "4.4.1" : dest->enhanced,
		.host = dest->host,
		.text = dest->text };
	size_t *list = mem_array(n, sizeof(*list));

	for (size_t i = 0; i < n; i++)
		if (item->journal.rcpts[rcpts[i]].state == QUEUE_RCPT_PENDING)
			list[e.rcpts_n++] = rcpts[i];
	e.rcpts = list;
	if (is_expired(work, item)) {
		e.kind = 'F';
		e.enhanced = "4.4.7";
		e.text = expiry_text(work, dest->text, &item->arena);
	}
	int rc = e.rcpts_n == 0 ? 0 : queue_item_append(item, &e, false, why);
	free(list);
	return rc;
}

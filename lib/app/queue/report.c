#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/dsn.h"
#include "app/queue/work.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/* Reports to the sender, and the end of a message. Everything here happens under the finish lock. */

#define RETURN_FULL_BYTES 51200 /* RET=FULL: beyond that the header section only */

struct report {
	struct queue_work *work;
	struct queue_item *item;
	size_t *list; /* recipients it is about */
	struct dsn_rcpt *rcpts;
	size_t n;
	enum dsn_action action;
	char id[QUEUE_ID_BYTES];
};

/* --- what is sent back ------------------------------------------------------------------------------ */

/* Where the header section ends, at most max bytes. */
static size_t
header_bytes(struct slice text)
{
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == '\n' && text.p[i + 1] == '\n')
			return i + 1;
	return text.n;
}

/* The text of the message, or its beginning, in memory of the caller. */
static struct slice
read_text(const struct queue_item *item, size_t max)
{
	struct queuefile qf;
	struct fail why;
	size_t n = 0;

	/* opened anew: the submitter's own descriptor is for writing */
	if (queuefile_open(item->spool, item->id, &qf, &why) != 0) {
		log_error("%s", why.text);
		return slice_make(NULL, 0);
	}
	if ((uint64_t)qf.text_bytes < max)
		max = (size_t)qf.text_bytes;
	char *text = mem_alloc(max + 1);
	while (n < max) {
		ssize_t got = pread(qf.fd, text + n, max - n, qf.text_offset + (int64_t)n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	queuefile_close(&qf);
	return slice_make(text, n);
}

static void
set_original(struct dsn *d, const struct queue_item *item, struct slice text)
{
	const struct queue_envelope *e = item->envelope;

	/* RFC 3461 s4.3: RET=FULL is about failures; RFC 8689 s5: never the text of such a message */
	d->full = e->ret == QUEUE_RET_FULL && d->rcpts[0].action == DSN_FAILED &&
		  (e->flags & QUEUE_REQUIRETLS) == 0 && text.n <= RETURN_FULL_BYTES;
	d->original = d->full ? text : slice_sub(text, 0, header_bytes(text));
	d->has_8bit = !text_is_ascii(d->original);
}

/* --- making it -------------------------------------------------------------------------------------- */

static int
write_report(const struct report *r, const struct dsn *d, struct slice text, struct fail *why)
{
	struct queue_rcpt to = { .address = r->item->envelope->sender };
	/* RFC 3461 s6: null sender, and nobody is told of the report's own fate */
	struct queue_envelope e = { .sender = "", .rcpts = &to, .rcpts_n = 1 };
	struct queue_writer w;

	memcpy(e.id, r->id, sizeof(e.id));
	to.notify = QUEUE_NOTIFY_NEVER;
	e.flags = r->item->envelope->flags & QUEUE_REQUIRETLS;
	if (d->has_8bit || dsn_is_global(d))
		e.flags |= QUEUE_8BITMIME;
	if (dsn_is_global(d))
		e.flags |= QUEUE_SMTPUTF8;
	if (queuefile_create(&w, r->item->spool, &e, false, why) != 0)
		return -1;
	if (queuefile_write(&w, text, why) != 0) {
		queuefile_abort(&w);
		return -1;
	}
	if (queuefile_commit(&w, NULL, DEADLINE_NEVER, why) == 0) {
		queuefile_release(&w);
		return 0;
	}
	return -1;
}

/*
 * After a crash the report that was announced may be made, or in part: then its beginning is in tmp/ under
 * the same name, and nobody else's, since we hold the finish lock. True when it is made.
 */
static bool
is_made(const struct report *r)
{
	struct stat st;

	if (fstatat(r->item->spool->q, r->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	unlinkat(r->item->spool->tmp, r->id, 0);
	return false;
}

static int
make_report(const struct report *r, struct fail *why)
{
	const struct queue_envelope *e = r->item->envelope;
	struct dsn d = { .id = r->item->id,
		.to = e->sender,
		.host = r->work->host,
		.domain = r->work->domain,
		.envid = e->envid,
		.arrival = e->time,
		.now = clock_wall(),
		.retry_until = e->time + r->work->lifetime_s,
		.rcpts = r->rcpts,
		.rcpts_n = r->n };
	struct slice text = read_text(r->item, LIMIT_HEADER_BYTES);
	struct buf out;

	set_original(&d, r->item, text);
	buf_init(&out, LIMIT_HEADER_BYTES + LIMIT_ENVELOPE_BYTES);
	int rc = dsn_format(&out, &d) != 0
		     ? fail_set(why, FAIL_INTERNAL, "report too long")
		     : write_report(r, &d, slice_make(out.data, out.len), why);
	buf_free(&out);
	free((char *)(uintptr_t)text.p);
	return rc;
}

static void
add(struct report *r, size_t i, enum dsn_action action)
{
	const struct queue_progress *p = &r->item->journal.rcpts[i];
	const struct queue_rcpt *to = &r->item->envelope->rcpts[i];

	r->list[r->n] = i;
	r->rcpts[r->n++] = (struct dsn_rcpt){ .address = to->address,
		.orcpt = to->orcpt,
		.action = action,
		.enhanced = p->enhanced,
		.host = p->host,
		.text = p->text,
		.time = p->time };
}

static int
append(struct queue_item *item, char kind, const size_t *list, size_t n, const char *bounce,
    bool sync, struct fail *why)
{
	struct queue_event e = { .kind = kind,
		.time = clock_wall(),
		.rcpts = n > 0 ? list : NULL,
		.rcpts_n = n,
		.bounce = bounce };

	return queue_item_append(item, &e, sync, why);
}

static void
new_id(char id[QUEUE_ID_BYTES])
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint32_t)getpid();
	queue_id_make(id, clock_wall_us(), random);
}

/* --- ends -------------------------------------------------------------------------------------------- */

/* Whether the sender asked not to hear of this failure (RFC 3461 s4.1). */
static bool
is_unwanted(const struct queue_work *work, const struct queue_item *item, size_t i)
{
	unsigned notify = item->envelope->rcpts[i].notify;

	return work->no_reports || (notify != 0 && (notify & QUEUE_NOTIFY_FAILURE) == 0);
}

/* Sort out what is to be told: r's list, and those of whom nothing is wanted into none. */
static size_t
collect(struct report *r, size_t *none)
{
	const struct queue_journal *j = &r->item->journal;
	size_t none_n = 0;

	for (size_t i = 0; i < j->n; i++) {
		const struct queue_progress *p = &j->rcpts[i];
		bool failed = p->state == QUEUE_RCPT_FAILED;
		if (!queue_progress_is_unreported(p) && !p->announced)
			continue;
		if (failed && !p->announced && is_unwanted(r->work, r->item, i))
			none[none_n++] = i;
		else
			add(r, i, failed ? DSN_FAILED : DSN_DELIVERED);
	}
	return none_n;
}

static bool
kept_enough(const struct spool *spool)
{
	int fd = openat(spool->corrupt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n >= QUEUE_KEPT_REPORTS + 2;
}

/*
 * A message with the null sender that cannot be delivered: nobody is to be told (RFC 5321 s6.1), or reports
 * would breed reports. Some are kept for the postmaster to look at, no flood of them.
 */
static int
end_silently(struct queue_item *item, struct fail *why)
{
	bool keep = !kept_enough(item->spool);

	log_warn("queue file %s: a report that cannot be delivered is %s", item->id,
	    keep ? "kept in corrupt/" : "dropped: corrupt/ holds enough of them");
	if (keep && renameat(item->spool->q, item->id, item->spool->corrupt, item->id) != 0)
		return storage_fail(why, "corrupt/%s", item->id);
	return queue_item_end(item, why);
}

/* Announce, make, and say that it is made. */
static int
report_ends(struct report *r, struct fail *why)
{
	struct queue_journal *j = &r->item->journal;

	if (j->bounce[0] != '\0') {
		memcpy(r->id, j->bounce, sizeof(r->id));
	} else {
		new_id(r->id);
		if (append(r->item, 'B', r->list, r->n, r->id, true, why) != 0)
			return -1;
	}
	if (!is_made(r) && make_report(r, why) != 0)
		return -1;
	/* without pending recipients the message ends now, and its journal with it */
	if (queue_journal_count(j, QUEUE_RCPT_PENDING) == 0) {
		j->bounce[0] = '\0';
		return 0;
	}
	return append(r->item, 'C', NULL, 0, r->id, true, why);
}

static bool
wants_notice(const struct queue_work *work, const struct queue_envelope *envelope,
    const struct queue_journal *journal)
{
	int64_t age = clock_wall() - envelope->time;

	return work->delay_notice_s > 0 && !work->no_reports && age >= work->delay_notice_s &&
	       journal->delay_notice == 0 && envelope->sender[0] != '\0';
}

bool
queue_work_is_late(const struct queue_work *work, const struct queue_envelope *envelope,
    const struct queue_journal *journal)
{
	return clock_wall() - envelope->time >= work->lifetime_s ||
	       wants_notice(work, envelope, journal);
}

/* Once a message, for those still pending that may be told of. */
static int
report_delay(struct report *r, struct fail *why)
{
	const struct queue_journal *j = &r->item->journal;

	r->n = 0;
	for (size_t i = 0; i < j->n; i++) {
		unsigned notify = r->item->envelope->rcpts[i].notify;
		if (j->rcpts[i].state == QUEUE_RCPT_PENDING &&
		    (notify == 0 || (notify & QUEUE_NOTIFY_DELAY) != 0))
			add(r, i, DSN_DELAYED);
	}
	if (r->n == 0)
		return 0;
	/* first: a notice may be lost by a crash, never come twice */
	if (append(r->item, 'W', NULL, 0, NULL, true, why) != 0)
		return -1;
	new_id(r->id);
	return make_report(r, why);
}

static int
finish(struct report *r, size_t *none, struct fail *why)
{
	struct queue_item *item = r->item;
	size_t pending = queue_journal_count(&item->journal, QUEUE_RCPT_PENDING);
	size_t none_n = collect(r, none);

	if (item->envelope->sender[0] == '\0') {
		if (pending > 0)
			return 0;
		return queue_journal_count(&item->journal, QUEUE_RCPT_FAILED) > 0
			   ? end_silently(item, why)
			   : queue_item_end(item, why);
	}
	if (none_n > 0 && pending + r->n > 0 &&
	    append(item, 'N', none, none_n, NULL, false, why) != 0)
		return -1;
	if (r->n > 0 && report_ends(r, why) != 0)
		return -1;
	if (pending == 0)
		return queue_item_end(item, why);
	return r->n == 0 && wants_notice(r->work, item->envelope, &item->journal)
		   ? report_delay(r, why)
		   : 0;
}

int
queue_work_finish(struct queue_work *work, struct queue_item *item, char report_r[QUEUE_ID_BYTES],
    struct fail *why)
{
	struct report r = { .work = work, .item = item };
	struct fail reason;

	report_r[0] = '\0';
	if (item->over)
		return 0;
	if (queue_item_finish_lock(item, &reason) != 0) {
		/* somebody else has ended it */
		if (reason.code == FAIL_NO_INPUT) {
			item->over = true;
			return 0;
		}
		if (why != NULL)
			*why = reason;
		return -1;
	}
	size_t n = item->journal.n;
	size_t *none = mem_array(n, sizeof(*none));
	r.list = mem_array(n, sizeof(*r.list));
	r.rcpts = mem_array(n, sizeof(*r.rcpts));
	int rc = finish(&r, none, why);
	if (rc == 0)
		memcpy(report_r, r.id, sizeof(r.id));
	free(r.list);
	free(r.rcpts);
	free(none);
	queue_item_finish_unlock(item);
	return rc;
}

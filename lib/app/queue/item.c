#include "app/queue/item.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/room.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define FINISH_BYTE (1LL << 40)
#define RESERVE_BYTES(rcpts) (512 + 128 * (off_t)(rcpts))
#define FLUSH_MS 1000

/* --- opening -------------------------------------------------------------------------------------- */

static void
item_init(struct queue_item *item, struct spool *spool, const char *id)
{
	memset(item, 0, sizeof(*item));
	item->spool = spool;
	memcpy(item->id, id, sizeof(item->id));
	item->fd = item->journal_fd = item->qf.fd = -1;
	arena_init(&item->arena);
}

int
queue_item_open(struct queue_item *item, struct spool *spool, const char *id, struct fail *why)
{
	char copy[QUEUE_ID_BYTES];

	if (!queue_id_valid(slice_str(id)))
		return fail_set(why, FAIL_USAGE, "\"%.40s\" is not a queue id", id);
	memcpy(copy, id, sizeof(copy));
	item_init(item, spool, copy);
	if (queuefile_open(spool, copy, &item->qf, why) != 0)
		return -1;
	item->fd = item->qf.fd;
	item->envelope = &item->qf.envelope;
	item->text_offset = item->qf.text_offset;
	item->text_bytes = item->qf.text_bytes;
	item->wire_bytes = item->qf.wire_bytes;
	queue_journal_init(&item->journal, item->envelope->rcpts_n, &item->arena);
	return 0;
}

int
queue_item_open_journal(
    struct queue_item *item, struct spool *spool, const char *id, struct fail *why)
{
	struct stat st;

	if (fstatat(spool->q, id, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? fail_errno(why, FAIL_NO_INPUT, "queue file %s", id)
				       : storage_fail(why, "queue file %s", id);
	item_init(item, spool, id);
	queue_journal_init(&item->journal, 0, &item->arena);
	int rc = queue_journal_load(spool, id, &item->journal, &item->arena, why);
	if (rc != 0)
		queue_item_close(item);
	return rc;
}

void
queue_item_adopt(struct queue_item *item, struct spool *spool, struct queue_writer *w,
    const struct queue_envelope *envelope)
{
	item_init(item, spool, w->id);
	item->fd = w->file.fd;
	w->file.fd = -1;
	queuefile_release(w);
	item->envelope = envelope;
	queue_journal_init(&item->journal, envelope->rcpts_n, &item->arena);
}

void
queue_item_close(struct queue_item *item)
{
	if (item->journal_fd >= 0)
		close(item->journal_fd);
	if (item->qf.fd >= 0)
		queuefile_close(&item->qf);
	else if (item->fd >= 0)
		close(item->fd);
	item->fd = item->journal_fd = -1;
	arena_free(&item->arena);
}

/* --- locks ---------------------------------------------------------------------------------------- */

/* 1: ours; 0: somebody else's; -1: failed. */
static int
lock_range(int fd, int64_t at, int64_t n, bool wait, struct fail *why)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = n };

	for (;;) {
		if (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) == 0)
			return 1;
		if (errno == EAGAIN || errno == EACCES)
			return 0;
		if (errno != EINTR)
			return storage_fail(why, "lock");
	}
}

static void
unlock_range(int fd, int64_t at, int64_t n)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = n };

	fcntl(fd, F_OFD_SETLK, &lock);
}

/* Those who had the locks before us may have finished the message. */
static int
check_still_there(const struct queue_item *item, struct fail *why)
{
	struct stat st;

	if (fstat(item->fd, &st) != 0)
		return storage_fail(why, "fstat");
	if (st.st_nlink > 0)
		return 0;
	errno = ENOENT;
	return fail_errno(why, FAIL_NO_INPUT, "queue file %s", item->id);
}

static int
reload(struct queue_item *item, struct fail *why)
{
	if (check_still_there(item, why) != 0)
		return -1;
	arena_reset(&item->arena);
	queue_journal_init(&item->journal, item->envelope->rcpts_n, &item->arena);
	return queue_journal_load(item->spool, item->id, &item->journal, &item->arena, why);
}

int
queue_item_lock(struct queue_item *item, const size_t *rcpts, size_t n, bool *got, struct fail *why)
{
	int ours = 0;

	for (size_t i = 0; i < n; i++) {
		int rc = lock_range(item->fd, (int64_t)rcpts[i], 1, false, why);
		if (rc < 0)
			return -1;
		got[i] = rc > 0;
		ours += rc;
	}
	return ours == 0 || reload(item, why) == 0 ? ours : -1;
}

int
queue_item_lock_all(struct queue_item *item, struct fail *why)
{
	int rc = lock_range(item->fd, 0, 0, false, why);

	return rc <= 0 || reload(item, why) == 0 ? rc : -1;
}

int
queue_item_finish_lock(struct queue_item *item, struct fail *why)
{
	if (lock_range(item->fd, FINISH_BYTE, 1, true, why) < 0)
		return -1;
	if (reload(item, why) == 0)
		return 0;
	queue_item_finish_unlock(item);
	return -1;
}

void
queue_item_finish_unlock(struct queue_item *item)
{
	unlock_range(item->fd, FINISH_BYTE, 1);
}

/* --- the journal ---------------------------------------------------------------------------------- */

int
queue_journal_load(const struct spool *spool, const char *id, struct queue_journal *j,
    struct arena *a, struct fail *why)
{
	struct buf text;
	int fd = openat(spool->j, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return errno == ENOENT ? 0 : storage_fail(why, "journal %s", id);
	buf_init(&text, LIMIT_JOURNAL_BYTES);
	int rc = file_read_all(fd, &text);
	if (rc != 0 && errno == EFBIG)
		fail_set(why, FAIL_STORAGE, "journal: larger than any of ours");
	else if (rc != 0)
		storage_fail(why, "journal: read");
	close(fd);
	if (rc == 0)
		queue_journal_parse(j, slice_make(text.data, text.len), id, a);
	buf_free(&text);
	return rc;
}

/* Open for appending; *torn_r: its last line has no end. */
static int
journal_open(struct queue_item *item, bool *torn_r, struct fail *why)
{
	struct stat st;
	char last;

	*torn_r = false;
	if (item->journal_fd >= 0)
		return 0;
	int fd = openat(item->spool->j, item->id,
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0 || fstat(fd, &st) != 0) {
		storage_fail(why, "journal");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (st.st_size == 0)
		item->journal_made = true;
	else if (pread(fd, &last, 1, st.st_size - 1) != 1 || last != '\n')
		*torn_r = true;
	item->journal_fd = fd;
	return 0;
}

/* As one write, so that lines of several processes do not mix. */
static int
journal_write(struct queue_item *item, const struct buf *text, struct fail *why)
{
	if (file_write_all(item->journal_fd, text->data, text->len) == 0)
		return 0;
	storage_fail(why, "journal: write");
	/* opened anew for the next line, which must not go on with this one */
	close(item->journal_fd);
	item->journal_fd = -1;
	return -1;
}

static int
journal_sync(struct queue_item *item, struct fail *why)
{
	if (fdatasync(item->journal_fd) != 0)
		return storage_fail(why, "journal: fdatasync");
	if (item->journal_made && fsync(item->spool->j) != 0)
		return storage_fail(why, "journal: fsync of its directory");
	item->journal_made = false;
	return 0;
}

static int
append(struct queue_item *item, const struct queue_event *event, bool sync, struct fail *why)
{
	struct buf text;
	bool torn;

	if (journal_open(item, &torn, why) != 0)
		return -1;
	buf_init(&text, LIMIT_ENVELOPE_BYTES);
	if (torn)
		buf_putc(&text, '\n');
	size_t start = text.len;
	queue_journal_format(&text, item->id, event);
	int rc = text.full ? fail_set(why, FAIL_INTERNAL, "journal: line too long")
			   : journal_write(item, &text, why);
	if (rc == 0 && sync)
		rc = journal_sync(item, why);
	if (rc == 0)
		queue_journal_parse(&item->journal, slice_make(text.data + start, text.len - start),
		    item->id, &item->arena);
	buf_free(&text);
	return rc;
}

int
queue_item_append(
    struct queue_item *item, const struct queue_event *event, bool sync, struct fail *why)
{
	int rc = append(item, event, sync, why);

	/* what was written of the line has no end, and no meaning */
	if (rc != 0 && why->code == FAIL_STORAGE_FULL && spool_ballast_drop(item->spool))
		rc = append(item, event, sync, why);
	return rc;
}

static int
reserve(struct queue_item *item, struct fail *why)
{
	struct queue_event begin = { .kind = 'A', .time = clock_wall() };
	struct stat st;

	if (queue_item_append(item, &begin, false, why) != 0 || fstat(item->journal_fd, &st) != 0)
		return -1;
	if (fallocate(item->journal_fd, FALLOC_FL_KEEP_SIZE, st.st_size,
		RESERVE_BYTES(item->envelope->rcpts_n)) == 0 ||
	    errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR)
		return 0;
	return storage_fail(why, "journal: no room");
}

int
queue_item_reserve(struct queue_item *item, struct fail *why)
{
	/* what becomes of one recipient needs no room: gone, or told again next time */
	if (item->envelope->rcpts_n == 1)
		return 0;
	int rc = reserve(item, why);
	if (rc != 0 && why->code == FAIL_STORAGE_FULL && spool_ballast_drop(item->spool))
		rc = reserve(item, why);
	return rc;
}

/* --- the end -------------------------------------------------------------------------------------- */

void
spool_flush(struct spool *spool, bool now)
{
	if (spool->unlinked_ms == 0 || (!now && clock_ms() < spool->unlinked_ms + FLUSH_MS))
		return;
	spool->unlinked_ms = 0;
	if (fsync(spool->q) != 0)
		log_error("queue: fsync of q/: %s", strerror(errno));
}

int
queue_item_end(struct queue_item *item, struct fail *why)
{
	struct stat st = { .st_size = 0 };

	fstat(item->fd, &st);
	if (unlinkat(item->spool->q, item->id, 0) == 0)
		spool_count(item->spool, item->envelope, -1, st.st_size);
	else if (errno != ENOENT)
		return storage_fail(why, "queue file %s: unlink", item->id);
	item->over = true;
	if (item->spool->unlinked_ms == 0)
		item->spool->unlinked_ms = clock_ms();
	if (item->journal_fd >= 0 || item->journal.lines > 0)
		unlinkat(item->spool->j, item->id, 0);
	spool_flush(item->spool, false);
	return 0;
}

void
queue_item_set_aside(struct spool *spool, const char *id, const struct fail *why)
{
	log_error("%s: moved to corrupt/", why->text);
	if (renameat(spool->q, id, spool->corrupt, id) != 0) {
		log_error("queue file %s: cannot be moved to corrupt/: %s", id, strerror(errno));
		return;
	}
	fsync(spool->corrupt);
	fsync(spool->q);
}

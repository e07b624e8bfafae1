#include "app/queue/room.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/store/storage.h"
#include "base/log.h"
#include "base/mem.h"

#define COUNT_FILE "count"
#define NUMBERS ((size_t)2 * (1 + ROOM_BUCKETS))

/* --- the file --------------------------------------------------------------------------------------- */

static int
count_open(const struct spool *spool, int flags)
{
	return openat(spool->root, COUNT_FILE,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags, 0600);
}

/*
 * Lock and open. The lock is of the process, so that it holds between a parent and its children, who share what was opened; it ends with
 * the close.
 */
static int
count_lock(const struct spool *spool)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = count_open(spool, O_CREAT);

	if (fd >= 0 && fcntl(fd, F_SETLKW, &lock) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
read_numbers(int fd, int64_t *numbers, size_t n, size_t at)
{
	memset(numbers, 0, n * sizeof(*numbers));
	ssize_t got = pread(fd, numbers, n * sizeof(*numbers), (off_t)(at * sizeof(*numbers)));
	/* part of a number is none */
	for (size_t i = got > 0 ? (size_t)got / sizeof(*numbers) : 0; i < n; i++)
		numbers[i] = 0;
}

static size_t
bucket_at(uint32_t uid)
{
	return 2 * (1 + (size_t)(uid % ROOM_BUCKETS));
}

static void
change(int fd, size_t at, int sign, int64_t bytes)
{
	int64_t pair[2];

	read_numbers(fd, pair, 2, at);
	pair[0] += sign;
	pair[1] += sign * bytes;
	for (size_t i = 0; i < 2; i++)
		if (pair[i] < 0)
			pair[i] = 0;
	if (pwrite(fd, pair, sizeof(pair), (off_t)(at * sizeof(*pair))) < 0)
		return; /* a full disk: wrong until the next pass */
}

void
spool_count(
    const struct spool *spool, const struct queue_envelope *envelope, int sign, int64_t bytes)
{
	int fd = count_lock(spool);

	if (fd < 0)
		return;
	change(fd, 0, sign, bytes);
	if (spool->incoming >= 0 && envelope->owned)
		change(fd, bucket_at(envelope->uid), sign, bytes);
	close(fd);
}

/* --- asking ----------------------------------------------------------------------------------------- */

static int
check_numbers(const int64_t now[2], int64_t bytes, const struct queue_bounds *b, int share,
    const char *whose, struct fail *why)
{
	int64_t messages = b->messages / share, most = b->bytes / share;

	if (b->messages > 0 && now[0] >= (messages > 0 ? messages : 1))
		return fail_set(why, FAIL_QUEUE_FULL,
		    "%s: %" PRId64 " messages wait, and there may be %" PRId64
		    " (queue-max-messages)",
		    whose, now[0], messages);
	if (b->bytes > 0 && bytes > most - now[1])
		return fail_set(why, FAIL_QUEUE_FULL,
		    "%s: %" PRId64 " bytes wait, %" PRId64 " came, and there may be %" PRId64
		    " (queue-max-bytes)",
		    whose, now[1], bytes, most);
	return 0;
}

static int
check_disk(const struct spool *spool, int64_t bytes, struct fail *why)
{
	int64_t left, least;

	if (spool->bounds.min_free <= 0 ||
	    !storage_room(spool->q, spool->bounds.min_free, &left, &least))
		return 0;
	if (left - bytes >= least)
		return 0;
	return fail_set(why, FAIL_QUEUE_FULL,
	    "no space left for the queue: %" PRId64 " bytes are free, %" PRId64
	    " came, and %" PRId64 " are kept for the runner (queue-min-free)",
	    left, bytes, least);
}

int
spool_room(const struct spool *spool, int64_t bytes, int64_t to_come, const uint32_t *owner,
    struct fail *why)
{
	const struct queue_bounds *b = &spool->bounds;
	int64_t all[2] = { 0 }, own[2] = { 0 };
	int fd = b->messages > 0 || b->bytes > 0 ? count_open(spool, 0) : -1;

	if (fd >= 0) {
		/* without the lock: a pair is written at once, and is old by the time it is used anyhow */
		read_numbers(fd, all, 2, 0);
		if (spool->incoming >= 0 && owner != NULL)
			read_numbers(fd, own, 2, bucket_at(*owner));
		close(fd);
	}
	if (check_numbers(all, bytes, b, 1, "the queue is full", why) != 0)
		return -1;
	if (spool->incoming >= 0 && owner != NULL &&
	    check_numbers(own, bytes, b, ROOM_SHARE,
		"this user's share of the queue, a fourth, is full", why) != 0)
		return -1;
	return check_disk(spool, to_come, why);
}

/* --- counting again --------------------------------------------------------------------------------- */

void
room_recount_begin(struct room_recount *r, const struct spool *spool)
{
	int fd = count_open(spool, 0);
	bool system = spool->incoming >= 0;

	*r = (struct room_recount){ .before = mem_array(NUMBERS, sizeof(int64_t)) };
	memset(r->before, 0, NUMBERS * sizeof(int64_t));
	if (system) {
		r->users = mem_array(NUMBERS, sizeof(int64_t));
		memset(r->users, 0, NUMBERS * sizeof(int64_t));
	}
	if (fd < 0)
		return;
	read_numbers(fd, r->before, system ? NUMBERS : 2, 0);
	close(fd);
}

void
room_recount_add(struct room_recount *r, const struct queue_envelope *envelope, int64_t bytes)
{
	r->messages++;
	r->bytes += bytes;
	if (r->users == NULL || !envelope->owned)
		return;
	r->users[bucket_at(envelope->uid)]++;
	r->users[bucket_at(envelope->uid) + 1] += bytes;
}

static void
write_counts(struct room_recount *r, int fd, size_t n)
{
	int64_t *now = mem_array(NUMBERS, sizeof(int64_t));

	read_numbers(fd, now, n, 0);
	for (size_t i = 0; i < n; i++) {
		int64_t found = i == 0 ? r->messages : i == 1 ? r->bytes : r->users[i];
		now[i] = found + now[i] - r->before[i];
		if (now[i] < 0)
			now[i] = 0;
	}
	if (pwrite(fd, now, n * sizeof(*now), 0) < 0)
		n = 0; /* a full disk: next time */
	free(now);
}

void
room_recount_end(struct room_recount *r, const struct spool *spool, bool good)
{
	int fd = good ? count_lock(spool) : -1;

	if (fd >= 0) {
		write_counts(r, fd, r->users != NULL ? NUMBERS : 2);
		close(fd);
	}
	free(r->users);
	free(r->before);
}

/* --- ballast ---------------------------------------------------------------------------------------- */

#define BALLAST_FILE "ballast"

void
spool_ballast_fill(const struct spool *spool)
{
	struct statvfs fs;
	struct stat st;

	if (fstatat(spool->root, BALLAST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    fstatvfs(spool->root, &fs) != 0)
		return;
	int64_t block = (int64_t)fs.f_frsize, left = (int64_t)fs.f_bavail * block;
	int64_t bytes = (int64_t)fs.f_blocks / BALLAST_PART * block;
	if (bytes > BALLAST_BYTES)
		bytes = BALLAST_BYTES;
	if (bytes < block)
		bytes = block;
	if (left < 4 * bytes)
		return;
	int fd = openat(spool->root, BALLAST_FILE,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	/* where it cannot be done, the C library writes it */
	if (fd >= 0 && posix_fallocate(fd, 0, bytes) != 0)
		unlinkat(spool->root, BALLAST_FILE, 0);
	if (fd >= 0)
		close(fd);
}

bool
spool_ballast_drop(const struct spool *spool)
{
	if (unlinkat(spool->root, BALLAST_FILE, 0) != 0)
		return false;
	log_warn("queue: no space left on its disk: what was kept back is used now");
	return true;
}

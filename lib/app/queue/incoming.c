#include "app/queue/incoming.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/system_paths.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define READ_BYTES (256 * 1024)

/* --- names -------------------------------------------------------------------------------------------- */

static DIR *
open_names(const struct spool *spool, struct fail *why)
{
	int fd = openat(spool->incoming, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir != NULL)
		return dir;
	storage_fail(why, SYSTEM_INCOMING);
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* The id behind the prefix, or NULL. */
static const char *
id_behind(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 && queue_id_valid(slice_str(name + n)) ? name + n
										    : NULL;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those with and without somebody who waits. */
static void
sort_out(struct strs *all, const struct map *waiting, struct arena *arena, struct strs *plain_r,
    struct strs *replies_r)
{
	if (all->n > 0)
		qsort(all->v, all->n, sizeof(*all->v), compare_names);
	for (size_t i = 0; i < all->n; i++)
		strs_add(map_get(waiting, slice_str(all->v[i])) != NULL ? replies_r : plain_r,
		    arena, all->v[i]);
}

int
incoming_names(const struct spool *spool, struct arena *arena, struct strs *plain_r,
    struct strs *replies_r, struct fail *why)
{
	struct strs all = { 0 };
	struct map waiting;
	struct dirent *entry;
	DIR *dir = open_names(spool, why);

	*plain_r = *replies_r = (struct strs){ 0 };
	if (dir == NULL)
		return -1;
	map_init(&waiting);
	errno = 0;
	for (size_t n = 0; n < 2 * LIMIT_INCOMING && (entry = readdir(dir)) != NULL; n++) {
		const char *reply = id_behind(entry->d_name, SYSTEM_REPLY);
		if (reply != NULL)
			map_set(&waiting, slice_str(reply), &waiting);
		else if (queue_id_valid(slice_str(entry->d_name)) && all.n < LIMIT_INCOMING)
			strs_add(&all, arena, entry->d_name);
	}
	int rc = errno == 0 ? 0 : storage_fail(why, SYSTEM_INCOMING ": readdir");
	closedir(dir);
	sort_out(&all, &waiting, arena, plain_r, replies_r);
	map_free(&waiting);
	return rc;
}

void
incoming_sweep(const struct spool *spool)
{
	int64_t before = clock_wall() - STORAGE_STALE_SECONDS;
	struct dirent *entry;
	struct fail why;
	struct stat st;
	DIR *dir = open_names(spool, &why);

	if (dir == NULL) {
		log_error("%s", why.text);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		bool left = id_behind(entry->d_name, SYSTEM_TMP) != NULL ||
			    id_behind(entry->d_name, SYSTEM_REPLY) != NULL;
		/* no message takes that long to write: what its submitter still writes is lost to it, and it says so */
		if (left &&
		    fstatat(spool->incoming, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < before)
			unlinkat(spool->incoming, entry->d_name, 0);
	}
	closedir(dir);
}

/* --- one file ----------------------------------------------------------------------------------------- */

static int
check_file(int fd, int64_t *size_r, uid_t *uid_r, struct fail *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return storage_fail(why, "fstat");
	if (!S_ISREG(st.st_mode))
		return fail_set(why, FAIL_QUEUE_FILE, "not a regular file");
	if (st.st_nlink == 0)
		return fail_set(why, FAIL_NO_INPUT, "gone");
	if (st.st_nlink != 1)
		return fail_set(why, FAIL_QUEUE_FILE, "has other names");
	if ((st.st_mode & (S_IWGRP | S_IRWXO | S_ISUID | S_ISGID)) != 0)
		return fail_set(
		    why, FAIL_QUEUE_FILE, "has mode %o, not 640", (unsigned)st.st_mode & 07777);
	if (st.st_size < SUBMISSION_TRAILER_BYTES)
		return fail_set(why, FAIL_QUEUE_FILE, "torn: no trailer");
	if (st.st_size > LIMIT_SUBMIT_BYTES + LIMIT_SUBMISSION_HEAD_BYTES + 65536)
		return fail_set(why, FAIL_QUEUE_FILE, "too big");
	*size_r = st.st_size;
	*uid_r = st.st_uid;
	return 0;
}

static int
open_file(const struct spool *spool, const char *id, struct fail *why)
{
	int fd =
	    openat(spool->incoming, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		return fail_errno(why, FAIL_NO_INPUT, "open");
	if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV))
		return fail_errno(why, FAIL_QUEUE_FILE, "not a regular file");
	/* mxtls-submit makes none that the group cannot read */
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return fail_errno(why, FAIL_QUEUE_FILE, "not for us");
	if (fd < 0)
		return storage_fail(why, "open");
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	fail_errno(why, errno == EWOULDBLOCK ? FAIL_NO_INPUT : FAIL_STORAGE, "lock");
	close(fd);
	return -1;
}

/* What one pass over the file takes: the last line is known before, the text goes to the copy, the head to memory. */
struct copy {
	struct tempfile *text;
	struct buf head;
	int64_t text_left;
	uint32_t crc;
};

static int
take(struct copy *c, struct slice bytes, struct fail *why)
{
	int64_t n = c->text_left < (int64_t)bytes.n ? c->text_left : (int64_t)bytes.n;

	c->crc = crc32c(c->crc, bytes.p, bytes.n);
	if (n > 0 && tempfile_write(c->text, slice_sub(bytes, 0, (size_t)n), why) != 0)
		return -1;
	c->text_left -= n;
	if (buf_append(&c->head, bytes.p + n, bytes.n - (size_t)n) != 0)
		return fail_set(why, FAIL_QUEUE_FILE, "the head is too big");
	return 0;
}

static int
copy_file(int fd, int64_t bytes, struct copy *c, struct fail *why)
{
	char *data = mem_alloc(bytes < READ_BYTES ? (size_t)bytes + 1 : READ_BYTES);
	int64_t at = 0;
	int rc = 0;

	while (at < bytes && rc == 0) {
		size_t n = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;
		ssize_t got = pread(fd, data, n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			rc = storage_fail(why, "read");
		else if (got == 0)
			rc = fail_set(why, FAIL_QUEUE_FILE, "shorter than it was");
		else
			rc = take(c, slice_make(data, (size_t)got), why);
		at += got;
	}
	free(data);
	return rc;
}

static int
read_whole(struct incoming *in, int64_t size, struct fail *why)
{
	char trailer[SUBMISSION_TRAILER_BYTES];
	struct copy c = { .text = &in->text };
	int64_t bytes = size - SUBMISSION_TRAILER_BYTES;
	uint64_t text_bytes;
	uint32_t crc;

	if (pread(in->fd, trailer, sizeof(trailer), bytes) != (ssize_t)sizeof(trailer))
		return storage_fail(why, "read");
	if (!submission_trailer_parse(trailer, &text_bytes, &crc) || text_bytes > (uint64_t)bytes)
		return fail_set(why, FAIL_QUEUE_FILE, "torn: no trailer");
	c.text_left = (int64_t)text_bytes;
	buf_init(&c.head, LIMIT_SUBMISSION_HEAD_BYTES);
	int rc = copy_file(in->fd, bytes, &c, why);
	if (rc == 0 && c.crc != crc)
		rc = fail_set(why, FAIL_QUEUE_FILE, "torn: the trailer does not fit");
	if (rc == 0)
		rc = submission_parse(
		    slice_make(c.head.data, c.head.len), &in->arena, &in->submission, why);
	buf_free(&c.head);
	if (rc == 0 && lseek(in->text.fd, 0, SEEK_SET) != 0)
		rc = storage_fail(why, "temporary file");
	return rc;
}

static int
read_and_check(struct incoming *in, const char *id, struct fail *why)
{
	const struct submission *s = &in->submission;
	int64_t size = 0;
	uid_t uid = 0;

	if (check_file(in->fd, &size, &uid, why) != 0 ||
	    tempfile_open(&in->text, LIMIT_SUBMIT_BYTES + 65536, why) != 0 ||
	    read_whole(in, size, why) != 0)
		return -1;
	if (strcmp(s->id, id) != 0)
		return fail_set(why, FAIL_QUEUE_FILE, "its id is %s", s->id);
	if (s->uid != (int64_t)uid)
		return fail_set(why, FAIL_QUEUE_FILE, "says uid %lld, but is owned by %lld",
		    (long long)s->uid, (long long)uid);
	if (s->args.ignored.n > LIMIT_SUBMISSION_NOTES)
		return fail_set(why, FAIL_QUEUE_FILE, "too many notes");
	return 0;
}

int
incoming_open(const struct spool *spool, const char *id, struct incoming *in_r, struct fail *why)
{
	memset(in_r, 0, sizeof(*in_r));
	in_r->text.fd = -1;
	in_r->fd = open_file(spool, id, why);
	if (in_r->fd < 0)
		return fail_prefix(why, SYSTEM_INCOMING "/%s", id);
	arena_init(&in_r->arena);
	if (read_and_check(in_r, id, why) == 0)
		return 0;
	incoming_close(in_r);
	return fail_prefix(why, SYSTEM_INCOMING "/%s", id);
}

void
incoming_close(struct incoming *in)
{
	tempfile_close(&in->text);
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
	arena_free(&in->arena);
}

void
incoming_unlink(const struct spool *spool, const char *id)
{
	if (unlinkat(spool->incoming, id, 0) != 0 && errno != ENOENT)
		log_error(SYSTEM_INCOMING "/%s: cannot be unlinked: %s", id, strerror(errno));
}

void
incoming_sync(const struct spool *spool)
{
	if (fsync(spool->incoming) != 0)
		log_error(SYSTEM_INCOMING ": fsync: %s", strerror(errno));
}

void
incoming_set_aside(const struct spool *spool, const char *id, const struct fail *why)
{
	struct stat st;
	const char *what = "moved to corrupt/";
	int rc;

	if (fstatat(spool->incoming, id, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (S_ISREG(st.st_mode) && st.st_nlink == 1) {
		rc = renameat(spool->incoming, id, spool->corrupt, id);
	} else {
		what = "unlinked";
		rc = unlinkat(spool->incoming, id, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	if (rc != 0)
		log_error("%s: cannot be %s: %s", why->text, what, strerror(errno));
	else
		log_error("%s: uid %lu; %s", why->text, (unsigned long)st.st_uid, what);
}

/* --- the answer ---------------------------------------------------------------------------------------------- */

int
incoming_reply_open(const struct spool *spool, const struct submission *s)
{
	char name[sizeof(SYSTEM_REPLY) + QUEUE_ID_BYTES];
	struct stat st;

	if (!s->reply)
		return -1;
	snprintf(name, sizeof(name), SYSTEM_REPLY "%s", s->id);
	int fd = openat(
	    spool->incoming, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && (int64_t)st.st_uid == s->uid)
		return fd;
	close(fd);
	return -1;
}

#include "app/queue/queuefile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/attempt.h"
#include "app/queue/room.h"
#include "app/queue/system_paths.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/mem.h"

#define READ_BYTES (256 * 1024)

/* --- the spool -------------------------------------------------------------------------------------- */

static int
check_private(int fd, const char *name, struct fail *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return storage_fail(why, "%s", name);
	if (st.st_uid != geteuid())
		return fail_set(why, FAIL_PERMISSION,
		    "%s belongs to user %u, and this is user %u: only its owner may use it", name,
		    (unsigned)st.st_uid, (unsigned)geteuid());
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail_set(why, FAIL_PERMISSION,
		    "%s has mode %04o: others may write to it (expected 0700)", name,
		    (unsigned)st.st_mode & 07777);
	return 0;
}

static int
open_private(int root, const char *name, int *fd_r, bool *made_r, struct fail *why)
{
	*fd_r = storage_dir_open(root, name, made_r, why);
	return *fd_r < 0 ? -1 : check_private(*fd_r, name, why);
}

/* Where others write: it is there in system mode, and nobody may take away what is another's. */
static int
open_incoming(int root, int *fd_r, struct fail *why)
{
	struct stat st;

	*fd_r = openat(root, SYSTEM_INCOMING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd_r < 0)
		return errno == ENOENT ? 0 : storage_fail(why, SYSTEM_INCOMING);
	if (fstat(*fd_r, &st) != 0)
		return storage_fail(why, SYSTEM_INCOMING);
	if (st.st_uid != geteuid() || (st.st_mode & S_IRWXO) != 0 ||
	    ((st.st_mode & S_IWGRP) != 0 && (st.st_mode & S_ISVTX) == 0))
		return fail_set(
		    why, FAIL_PERMISSION, SYSTEM_INCOMING ": expected our own with mode 1770");
	return 0;
}

int
spool_open(struct spool *s, const char *path, struct fail *why)
{
	bool made = false;

	s->unlinked_ms = 0;
	s->attempts = (struct queue_attempts){ .fd = -1, .block = -1 };
	s->bounds = (struct queue_bounds){ 0 };
	s->tmp = s->q = s->j = s->dest = s->corrupt = s->incoming = -1;
	int root = s->root = storage_root_open(path, why);
	if (root < 0) {
		if (why != NULL && why->errnum == EACCES)
			why->code = FAIL_PERMISSION;
		return fail_prefix(why, "spool");
	}
	int rc = check_private(root, "it", why);
	if (rc == 0)
		rc = open_private(root, "tmp", &s->tmp, &made, why);
	if (rc == 0)
		rc = open_private(root, "q", &s->q, &made, why);
	if (rc == 0)
		rc = open_private(root, "j", &s->j, &made, why);
	if (rc == 0)
		rc = open_private(root, "dest", &s->dest, &made, why);
	if (rc == 0)
		rc = open_private(root, "corrupt", &s->corrupt, &made, why);
	if (rc == 0)
		rc = open_incoming(root, &s->incoming, why);
	if (rc == 0 && made && fsync(root) != 0)
		rc = storage_fail(why, "fsync");
	if (rc == 0)
		return 0;
	spool_close(s);
	return fail_prefix(why, "spool %s", path);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
spool_close(struct spool *s)
{
	close_fd(&s->root);
	close_fd(&s->tmp);
	close_fd(&s->q);
	close_fd(&s->j);
	close_fd(&s->dest);
	close_fd(&s->corrupt);
	close_fd(&s->incoming);
	queue_attempts_close(s);
}

int
spool_sweep(const struct spool *s, struct fail *why)
{
	return storage_sweep(s->tmp, clock_wall() - STORAGE_STALE_SECONDS, true, why);
}

/* --- writing ---------------------------------------------------------------------------------------- */

/* The sweep leaves locked files alone. */
static int
make_file(struct queue_writer *w, struct fail *why)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (storage_file_create(&w->file, w->spool->tmp, w->id, why) != 0)
		return -1;
	if (flock(w->file.fd, LOCK_EX | LOCK_NB) != 0 || fcntl(w->file.fd, F_OFD_SETLK, &all) != 0)
		return storage_fail(why, "lock");
	return 0;
}

static int
put_envelope(struct queue_writer *w, const struct queue_envelope *envelope, struct fail *why)
{
	struct buf text;

	buf_init(&text, LIMIT_ENVELOPE_BYTES);
	int rc = queue_envelope_format(&text, envelope, why);
	if (rc == 0 && w->file.fd < 0 && !storage_file_fits(&w->file, text.len))
		rc = make_file(w, why);
	if (rc == 0)
		rc = storage_file_put(&w->file, slice_make(text.data, text.len), why);
	buf_free(&text);
	return rc;
}

int
queuefile_create(struct queue_writer *w, const struct spool *s, struct queue_envelope *envelope,
    bool hold, struct fail *why)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return storage_fail(why, "getrandom");
	w->spool = s;
	if (envelope->id[0] == '\0')
		queue_id_make(envelope->id, clock_wall_us(), random);
	memcpy(w->id, envelope->id, sizeof(w->id));
	w->owned = envelope->owned;
	w->uid = envelope->uid;
	if (envelope->time == 0)
		envelope->time = clock_wall();
	storage_file_init(&w->file);
	w->file.checksum = true;
	int rc = hold ? make_file(w, why) : 0;
	if (rc == 0)
		rc = put_envelope(w, envelope, why);
	if (rc != 0)
		queuefile_abort(w);
	return rc;
}

int
queuefile_write(struct queue_writer *w, struct slice text, struct fail *why)
{
	if (w->file.fd < 0 && !storage_file_fits(&w->file, text.n) && make_file(w, why) != 0)
		return -1;
	return storage_file_text(&w->file, text, why);
}

void
queuefile_abort(struct queue_writer *w)
{
	if (w->file.fd >= 0)
		unlinkat(w->spool->tmp, w->id, 0);
	storage_file_close(&w->file);
}

static void
trailer_format(char out[QUEUE_TRAILER_BYTES + 1], uint64_t bytes, uint32_t crc)
{
	snprintf(
	    out, QUEUE_TRAILER_BYTES + 1, "mxtls-end %020" PRIu64 " %08" PRIx32 "\n", bytes, crc);
}

void
queuefile_release(struct queue_writer *w)
{
	storage_file_close(&w->file);
}

static int
finish(struct queue_writer *w, struct fail *why)
{
	char trailer[QUEUE_TRAILER_BYTES + 1];

	if (storage_file_text_end(&w->file, why) != 0)
		return -1;
	trailer_format(trailer, w->file.bytes, w->file.crc);
	if (w->file.fd < 0 && !storage_file_fits(&w->file, sizeof(trailer)) &&
	    make_file(w, why) != 0)
		return -1;
	if (storage_file_put(&w->file, slice_str(trailer), why) != 0)
		return -1;
	return w->file.fd < 0 ? 0 : storage_file_flush(&w->file, why);
}

int
queuefile_commit(struct queue_writer *w, struct commit *c, int64_t deadline, struct fail *why)
{
	int rc = finish(w, why);
	struct commit_file file = {
		.fd = w->file.fd,
		.data = slice_make(w->file.pending.data, w->file.pending.len),
		.tmp_dirfd = w->spool->tmp,
		.tmp_name = w->id,
		.dst_dirfd = w->spool->q,
		.dst_name = w->id,
	};

	if (rc == 0)
		rc = commit_files(c, &file, 1, deadline, why);
	if (rc != 0) {
		queuefile_abort(w);
		return rc;
	}
	struct queue_envelope e = { .owned = w->owned, .uid = w->uid };
	spool_count(w->spool, &e, 1, (int64_t)w->file.bytes);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------------- */

static int
read_at(int fd, void *data, size_t n, int64_t offset, struct fail *why)
{
	char *p = data;

	while (n > 0) {
		ssize_t got = pread(fd, p, n, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return storage_fail(why, "read");
		if (got == 0)
			return fail_set(why, FAIL_QUEUE_FILE, "shorter than it was");
		p += got;
		n -= (size_t)got;
		offset += got;
	}
	return 0;
}

/* After a crash between link and unlink the name in tmp/ may be left. */
static bool
drop_other_name(const struct spool *s, const char *id, const struct stat *st)
{
	struct stat other;

	return st->st_nlink == 2 && fstatat(s->tmp, id, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       other.st_dev == st->st_dev && other.st_ino == st->st_ino &&
	       unlinkat(s->tmp, id, 0) == 0;
}

static int
check_file(const struct spool *s, const char *id, int fd, int64_t *size_r, struct fail *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return storage_fail(why, "fstat");
	if (!S_ISREG(st.st_mode))
		return fail_set(why, FAIL_QUEUE_FILE, "not a regular file");
	if (st.st_nlink != 1 && !drop_other_name(s, id, &st))
		return fail_set(why, FAIL_QUEUE_FILE, "has other names");
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail_set(why, FAIL_QUEUE_FILE, "not ours, or others may write to it");
	if (st.st_size < QUEUE_TRAILER_BYTES)
		return fail_set(why, FAIL_QUEUE_FILE, "torn: no trailer");
	*size_r = st.st_size;
	return 0;
}

static int64_t
count_lfs(const char *data, size_t n)
{
	int64_t lfs = 0;

	for (size_t i = 0; i < n; i++)
		lfs += data[i] == '\n';
	return lfs;
}

/* The file must be what its trailer says: every byte of it. *crs_r: bytes that CR LF at the end of every line adds. */
static int
check_trailer(int fd, int64_t size, int64_t *crs_r, struct fail *why)
{
	char trailer[QUEUE_TRAILER_BYTES], want[QUEUE_TRAILER_BYTES + 1];
	int64_t bytes = size - QUEUE_TRAILER_BYTES, lfs = 0;
	char last = '\n';
	uint32_t crc = 0;
	int rc = read_at(fd, trailer, sizeof(trailer), bytes, why);

	if (rc != 0)
		return rc;
	/* memory is zeroed, and most messages are small */
	char *data = mem_alloc(bytes < READ_BYTES ? (size_t)bytes + 1 : READ_BYTES);
	for (int64_t at = 0; at < bytes && rc == 0; at += READ_BYTES) {
		size_t n = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;
		rc = read_at(fd, data, n, at, why);
		if (rc != 0)
			break;
		crc = crc32c(crc, data, n);
		lfs += count_lfs(data, n);
		last = data[n - 1];
	}
	free(data);
	*crs_r = lfs + (last != '\n' ? 2 : 0);
	trailer_format(want, (uint64_t)bytes, crc);
	if (rc == 0 && memcmp(trailer, want, sizeof(trailer)) != 0)
		return fail_set(why, FAIL_QUEUE_FILE, "torn: the trailer does not fit");
	return rc;
}

static int
read_envelope(struct queuefile *qf, const char *id, int64_t bytes, struct fail *why)
{
	size_t length, n = 8192;
	int rc;

	/* most envelopes fit into the first look */
	for (;;) {
		if (n > (size_t)bytes)
			n = (size_t)bytes;
		char *text = mem_alloc(n);
		bool got = read_at(qf->fd, text, n, 0, why) == 0;
		rc = got ? queue_envelope_parse(
			       slice_make(text, n), &qf->arena, &qf->envelope, &length, why)
			 : -1;
		free(text);
		if (rc == 0 || !got || n == (size_t)bytes || n >= LIMIT_ENVELOPE_BYTES)
			break;
		arena_reset(&qf->arena);
		n *= 8;
	}
	if (rc != 0)
		return rc;
	if (strcmp(qf->envelope.id, id) != 0)
		return fail_set(why, FAIL_QUEUE_FILE, "its id is %s", qf->envelope.id);
	qf->text_offset = (int64_t)length;
	qf->text_bytes = bytes - qf->text_offset;
	return 0;
}

static int
open_file(
    const struct spool *s, const char *id, struct queuefile *qf, int64_t *size_r, struct fail *why)
{
	if (!queue_id_valid(slice_str(id)))
		return fail_set(why, FAIL_QUEUE_FILE, "not a queue id");
	qf->fd = openat(s->q, id, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (qf->fd < 0 && errno == ENOENT)
		return fail_errno(why, FAIL_NO_INPUT, "open");
	/* a link, a socket, a device without driver, a folder */
	if (qf->fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV || errno == EISDIR))
		return fail_errno(why, FAIL_QUEUE_FILE, "not a regular file");
	if (qf->fd < 0)
		return storage_fail(why, "open");
	return check_file(s, id, qf->fd, size_r, why);
}

static int
open_and_check(
    const struct spool *s, const char *id, bool whole, struct queuefile *qf, struct fail *why)
{
	int64_t size, crs = 0;

	if (open_file(s, id, qf, &size, why) != 0 ||
	    (whole && check_trailer(qf->fd, size, &crs, why) != 0) ||
	    read_envelope(qf, id, size - QUEUE_TRAILER_BYTES, why) != 0)
		return -1;
	/* the lines of the envelope: five, the recipients, the empty one */
	if (whole)
		qf->wire_bytes = qf->text_bytes + crs - 6 - (int64_t)qf->envelope.rcpts_n;
	return 0;
}

static int
open_queuefile(
    const struct spool *s, const char *id, bool whole, struct queuefile *qf_r, struct fail *why)
{
	memset(qf_r, 0, sizeof(*qf_r));
	qf_r->fd = -1;
	arena_init(&qf_r->arena);
	if (open_and_check(s, id, whole, qf_r, why) == 0)
		return 0;
	queuefile_close(qf_r);
	return fail_prefix(why, "queue file %s", id);
}

int
queuefile_open(const struct spool *s, const char *id, struct queuefile *qf_r, struct fail *why)
{
	return open_queuefile(s, id, true, qf_r, why);
}

int
queuefile_peek(const struct spool *s, const char *id, struct queuefile *qf_r, struct fail *why)
{
	return open_queuefile(s, id, false, qf_r, why);
}

void
queuefile_close(struct queuefile *qf)
{
	close_fd(&qf->fd);
	arena_free(&qf->arena);
}

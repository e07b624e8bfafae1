#include "app/queue/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/item.h"
#include "base/clock.h"
#include "base/mem.h"

/* --- names ---------------------------------------------------------------------------------------- */

/* Ids in one block of memory, QUEUE_ID_BYTES each. */
struct ids {
	char (*v)[QUEUE_ID_BYTES];
	size_t n, cap;
};

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, QUEUE_ID_BYTES);
}

static void
ids_add(struct ids *ids, const char *id)
{
	if (ids->n == ids->cap) {
		size_t cap = ids->cap == 0 ? 256 : ids->cap * 2;
		char(*v)[QUEUE_ID_BYTES] = mem_array(cap, QUEUE_ID_BYTES);
		if (ids->n > 0)
			memcpy(v, ids->v, ids->n * QUEUE_ID_BYTES);
		free(ids->v);
		ids->v = v;
		ids->cap = cap;
	}
	memcpy(ids->v[ids->n++], id, QUEUE_ID_BYTES);
}

static int
ids_read(struct ids *ids, int dirfd, const char *after, struct fail *why)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		storage_fail(why, "queue");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	errno = 0;
	while ((entry = readdir(dir)) != NULL)
		if (queue_id_valid(slice_str(entry->d_name)) &&
		    (after == NULL || strcmp(entry->d_name, after) > 0))
			ids_add(ids, entry->d_name);
	int rc = errno == 0 ? 0 : storage_fail(why, "queue: readdir");
	closedir(dir);
	if (ids->n > 0)
		qsort(ids->v, ids->n, QUEUE_ID_BYTES, compare_ids);
	return rc;
}

static bool
ids_have(const struct ids *ids, const char *id)
{
	return ids->n > 0 && bsearch(id, ids->v, ids->n, QUEUE_ID_BYTES, compare_ids) != NULL;
}

/* --- one message ---------------------------------------------------------------------------------- */

static bool
is_locked(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
}

/* 0 when it is gone. */
static int
tell(struct spool *spool, const char *id, bool has_journal, queue_scan_fn *fn, void *ctx, int *rc_r)
{
	static const struct queue_envelope no_envelope;
	struct queue_entry entry = { .id = id, .envelope = &no_envelope };
	struct queue_journal journal;
	struct queuefile qf;
	struct arena arena;

	*rc_r = 0;
	memset(&journal, 0, sizeof(journal));
	entry.journal = &journal;
	if (queuefile_peek(spool, id, &qf, &entry.why) != 0) {
		if (entry.why.code == FAIL_NO_INPUT && entry.why.errnum == ENOENT)
			return 0;
		entry.bad = true;
		*rc_r = fn(ctx, &entry);
		return 1;
	}
	arena_init(&arena);
	entry.envelope = &qf.envelope;
	entry.bytes = qf.text_bytes;
	entry.file_bytes = qf.text_offset + qf.text_bytes + QUEUE_TRAILER_BYTES;
	entry.locked = is_locked(qf.fd);
	queue_journal_init(&journal, qf.envelope.rcpts_n, &arena);
	if (has_journal && queue_journal_load(spool, id, &journal, &arena, &entry.why) != 0)
		entry.bad = true;
	*rc_r = fn(ctx, &entry);
	arena_free(&arena);
	queuefile_close(&qf);
	return 1;
}

int
queue_scan_one(struct spool *spool, const char *id, queue_scan_fn *fn, void *ctx)
{
	int rc;

	return tell(spool, id, true, fn, ctx, &rc);
}

/* --- all ------------------------------------------------------------------------------------------ */

/* A journal whose message is gone: left by a crash between the two. */
static void
drop_orphans(struct spool *spool, const struct ids *journals, const struct ids *messages)
{
	struct stat st;

	for (size_t i = 0; i < journals->n; i++) {
		const char *id = journals->v[i];
		if (!ids_have(messages, id) &&
		    fstatat(spool->q, id, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
			unlinkat(spool->j, id, 0);
	}
}

int
queue_scan(struct spool *spool, const char *after, queue_scan_fn *fn, void *ctx, struct fail *why)
{
	struct ids messages = { 0 }, journals = { 0 };
	int rc = 0;

	/* journals first: those of messages that come meanwhile are not needed, and none is missed */
	if (ids_read(&journals, spool->j, after, why) != 0 ||
	    ids_read(&messages, spool->q, after, why) != 0)
		rc = -1;
	if (rc == 0)
		drop_orphans(spool, &journals, &messages);
	for (size_t i = 0; i < messages.n && rc == 0; i++)
		tell(spool, messages.v[i], ids_have(&journals, messages.v[i]), fn, ctx, &rc);
	free(messages.v);
	free(journals.v);
	return rc;
}

/* --- the last run --------------------------------------------------------------------------------- */

#define RUN_FILE "last-run"

int64_t
spool_last_run(const struct spool *spool)
{
	char text[32];
	unsigned long long t;
	int fd = openat(spool->root, RUN_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text));
	close(fd);
	struct slice s = slice_make(text, n > 0 ? (size_t)n : 0);
	return slice_number(slice_sub(s, 0, slice_find(s, '\n')), 1ULL << 40, &t) ? (int64_t)t : 0;
}

int
spool_note_run(const struct spool *spool, struct fail *why)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%020lld\n", (long long)clock_wall());
	int fd = openat(
	    spool->root, RUN_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0)
		return storage_fail(why, "queue: %s", RUN_FILE);
	ssize_t done = pwrite(fd, text, (size_t)n, 0);
	int rc = done == n ? 0 : storage_fail(why, "queue: %s", RUN_FILE);
	close(fd);
	return rc;
}

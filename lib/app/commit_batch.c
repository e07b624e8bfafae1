#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commit_wire.h"
#include "app/storage.h"

/* --- one file ------------------------------------------------------------------------------------ */

/*
 * Start writing all files out before the first fsync, so that their blocks are allocated in one
 * journal transaction instead of one each. Not a sync: what fails here is reported by fsync.
 */
static void
writeback_start(const struct commit_request *req)
{
#ifdef SYNC_FILE_RANGE_WRITE
	for (size_t i = 0; i < req->n; i++)
		sync_file_range(req->files[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
	(void)req;
#endif
}

static void
sync_files(struct commit_request *req)
{
	for (size_t i = 0; i < req->n; i++) {
		if (fsync(req->files[i].fd) == 0)
			continue;
		/* the kernel has dropped the pages: syncing again would succeed without them */
		storage_fail(&req->why, "fsync of tmp/%s", req->files[i].tmp_name);
		return;
	}
}

static int
name_file(const struct commit_file *f)
{
	if (renameat2(f->tmp_dirfd, f->tmp_name, f->dst_dirfd, f->dst_name, RENAME_NOREPLACE) == 0)
		return 0;
	/* file systems without the flag (NFS) */
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(f->tmp_dirfd, f->tmp_name, f->dst_dirfd, f->dst_name, 0) != 0)
		return -1;
	unlinkat(f->tmp_dirfd, f->tmp_name, 0);
	return 0;
}

static void
name_files(struct commit_request *req)
{
	for (; req->named < req->n; req->named++) {
		if (name_file(&req->files[req->named]) == 0)
			continue;
		storage_fail(&req->why, "naming %s", req->files[req->named].dst_name);
		return;
	}
}

static void
undo_one(const struct commit_file *f)
{
	struct stat ours, st;

	unlinkat(f->tmp_dirfd, f->tmp_name, 0);
	if (fstat(f->fd, &ours) == 0 &&
	    fstatat(f->dst_dirfd, f->dst_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == ours.st_dev && st.st_ino == ours.st_ino)
		unlinkat(f->dst_dirfd, f->dst_name, 0);
}

void
commit_undo(const struct commit_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		undo_one(&files[i]);
}

/* --- directories, each once a batch --------------------------------------------------------------- */

struct dir_id {
	dev_t dev;
	ino_t ino;
	int fd;
};

/* Sync a directory for every request that named a file in it. */
static void
sync_dir(struct commit_request *const *requests, size_t n, const struct dir_id *dir)
{
	struct stat st;

	if (fsync(dir->fd) == 0)
		return;
	int saved = errno;
	for (size_t r = 0; r < n; r++) {
		struct commit_request *req = requests[r];
		for (size_t i = 0; i < req->n && req->why.code == FAIL_NONE; i++) {
			if (fstat(req->files[i].dst_dirfd, &st) == 0 && st.st_dev == dir->dev &&
			    st.st_ino == dir->ino) {
				errno = saved;
				storage_fail(&req->why, "fsync of the directory of %s",
				    req->files[i].dst_name);
			}
		}
	}
}

#define DIRS_REMEMBERED 64 /* beyond these a directory may be synced twice */

static void
sync_dirs(struct commit_request *const *requests, size_t n)
{
	struct dir_id seen[DIRS_REMEMBERED];
	size_t seen_n = 0;
	struct stat st;

	for (size_t r = 0; r < n; r++) {
		struct commit_request *req = requests[r];
		for (size_t i = 0; i < req->named && req->why.code == FAIL_NONE; i++) {
			struct dir_id dir = { .fd = req->files[i].dst_dirfd };
			if (fstat(dir.fd, &st) != 0) {
				storage_fail(&req->why, "%s", req->files[i].dst_name);
				break;
			}
			dir.dev = st.st_dev;
			dir.ino = st.st_ino;
			size_t k = 0;
			while (k < seen_n && (seen[k].dev != dir.dev || seen[k].ino != dir.ino))
				k++;
			if (k < seen_n)
				continue;
			if (seen_n < DIRS_REMEMBERED)
				seen[seen_n++] = dir;
			sync_dir(requests, n, &dir);
		}
	}
}

/* --- the group ------------------------------------------------------------------------------------ */

void
commit_batch(struct commit_request *const *requests, size_t n)
{
	for (size_t r = 0; r < n; r++)
		if (requests[r]->steps & COMMIT_SYNC)
			writeback_start(requests[r]);
	for (size_t r = 0; r < n; r++)
		if (requests[r]->steps & COMMIT_SYNC)
			sync_files(requests[r]);
	for (size_t r = 0; r < n; r++)
		if ((requests[r]->steps & COMMIT_NAME) && requests[r]->why.code == FAIL_NONE)
			name_files(requests[r]);
	sync_dirs(requests, n);
	for (size_t r = 0; r < n; r++)
		if (requests[r]->why.code != FAIL_NONE)
			commit_undo(requests[r]->files, requests[r]->n);
}

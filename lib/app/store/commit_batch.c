#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/store/commit_wire.h"
#include "app/store/storage.h"

/* --- files made of data --------------------------------------------------------------------------- */

int
commit_data_open(struct commit_file *f, struct fail *why)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return storage_fail(why, "memfd_create");
	while (done < f->data.n) {
		ssize_t n = write(fd, f->data.p + done, f->data.n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (done < f->data.n || ftruncate(fd, (off_t)f->data.n + 1) != 0) {
		storage_fail(why, "memory file");
		close(fd);
		return -1;
	}
	f->from = fd;
	return 0;
}

void
commit_revoke(const struct commit_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (files[i].from >= 0 && ftruncate(files[i].from, 0) != 0)
			continue; /* cannot fail; then a message comes twice */
}

bool
commit_revoked(const struct commit_file *f)
{
	struct stat st;

	return f->fd < 0 && f->from >= 0 &&
	       (fstat(f->from, &st) != 0 || st.st_size != (off_t)f->data.n + 1);
}

/* Data into the new file: out of memory, or out of the memory file that it came in. */
static int
fill_file(const struct commit_file *f)
{
	size_t done = 0;
	off_t at = 0;

	while (done < f->data.n) {
		size_t left = f->data.n - done;
		ssize_t n = f->from >= 0 ? sendfile(f->made, f->from, &at, left)
					 : write(f->made, f->data.p + done, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static void
make_files(struct commit_request *req)
{
	for (size_t i = 0; i < req->n; i++) {
		struct commit_file *f = &req->files[i];
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
			{ .tv_sec = f->stamp_ns / 1000000000,
			    .tv_nsec = f->stamp_ns % 1000000000 } };
		if (f->fd >= 0)
			continue;
		f->made = openat(f->tmp_dirfd, f->tmp_name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
		if (f->made >= 0 && fill_file(f) == 0 && futimens(f->made, times) == 0)
			continue;
		storage_fail(&req->why, "tmp/%s", f->tmp_name);
		return;
	}
}

static void
close_made(struct commit_request *req)
{
	for (size_t i = 0; i < req->n; i++) {
		struct commit_file *f = &req->files[i];
		if (f->fd < 0 && f->made >= 0)
			close(f->made);
		f->made = -1;
	}
}

/* --- one file ------------------------------------------------------------------------------------ */

static int
fd_of(const struct commit_file *f)
{
	return f->fd >= 0 ? f->fd : f->made;
}

/*
 * Start writing all files out before the first fsync, so that their blocks are allocated in one
 * journal transaction instead of one each. Not a sync: what fails here is reported by fsync.
 */
static void
writeback_start(const struct commit_request *req)
{
#ifdef SYNC_FILE_RANGE_WRITE
	for (size_t i = 0; i < req->n; i++)
		sync_file_range(fd_of(&req->files[i]), 0, 0, SYNC_FILE_RANGE_WRITE);
#else
	(void)req;
#endif
}

static void
sync_files(struct commit_request *req)
{
	for (size_t i = 0; i < req->n && req->why.code == FAIL_NONE; i++) {
		if (fsync(fd_of(&req->files[i])) == 0)
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
		if (commit_revoked(&req->files[req->named])) {
			fail_set(&req->why, FAIL_TIMEOUT, NULL);
			return;
		}
		if (name_file(&req->files[req->named]) == 0)
			continue;
		storage_fail(&req->why, "naming %s", req->files[req->named].dst_name);
		return;
	}
}

/* True when the name is of this file: by the inode where we have it open, else by its stamp. */
static bool
is_ours(const struct commit_file *f, int dirfd, const char *name)
{
	struct stat ours, st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	if (fd_of(f) >= 0)
		return fstat(fd_of(f), &ours) == 0 && st.st_dev == ours.st_dev &&
		       st.st_ino == ours.st_ino;
	return S_ISREG(st.st_mode) && st.st_size == (off_t)f->data.n &&
	       st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec == f->stamp_ns;
}

static void
undo_one(const struct commit_file *f)
{
	if (is_ours(f, f->tmp_dirfd, f->tmp_name))
		unlinkat(f->tmp_dirfd, f->tmp_name, 0);
	if (is_ours(f, f->dst_dirfd, f->dst_name))
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
			make_files(requests[r]);
	for (size_t r = 0; r < n; r++)
		if ((requests[r]->steps & COMMIT_SYNC) && requests[r]->why.code == FAIL_NONE)
			writeback_start(requests[r]);
	for (size_t r = 0; r < n; r++)
		if (requests[r]->steps & COMMIT_SYNC)
			sync_files(requests[r]);
	for (size_t r = 0; r < n; r++)
		if ((requests[r]->steps & COMMIT_NAME) && requests[r]->why.code == FAIL_NONE)
			name_files(requests[r]);
	sync_dirs(requests, n);
	for (size_t r = 0; r < n; r++) {
		if (requests[r]->why.code != FAIL_NONE)
			commit_undo(requests[r]->files, requests[r]->n);
		close_made(requests[r]);
	}
}

#include "app/store/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/mem.h"

int
storage_fail(struct fail *why, const char *fmt, ...)
{
	int saved = errno;
	bool full = saved == ENOSPC || saved == EDQUOT || saved == EFBIG;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	errno = saved;
	return fail_errno(why, full ? FAIL_STORAGE_FULL : FAIL_STORAGE, "%s", text);
}

/* --- directories --------------------------------------------------------------------------------- */

static int
sync_parent(const char *path, struct fail *why)
{
	size_t n = strlen(path);
	char *parent = mem_alloc(n + 2);

	memcpy(parent, path, n);
	while (n > 0 && parent[n - 1] == '/')
		n--;
	while (n > 0 && parent[n - 1] != '/')
		n--;
	if (n == 0)
		parent[n++] = '.';
	parent[n] = '\0';
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 && fsync(fd) == 0 ? 0 : storage_fail(why, "%s", parent);
	if (fd >= 0)
		close(fd);
	free(parent);
	return rc;
}

bool
storage_room(int fd, int64_t floor, int64_t *free_r, int64_t *least_r)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0)
		return false;
	int64_t block = (int64_t)fs.f_frsize;
	int64_t part = (int64_t)fs.f_blocks / STORAGE_FLOOR_PART * block;
	*free_r = (int64_t)fs.f_bavail * block;
	*least_r = part < floor ? part : floor;
	return true;
}

int
storage_root_open(const char *path, struct fail *why)
{
	bool made = mkdir(path, 0700) == 0;

	if (!made && errno != EEXIST)
		return fail_errno(why, FAIL_CANT_CREATE, "%s", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return storage_fail(why, "%s", path);
	if (made && sync_parent(path, why) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
storage_dir_open(int parent, const char *name, bool *made_r, struct fail *why)
{
	if (mkdirat(parent, name, 0700) == 0)
		*made_r = true;
	else if (errno != EEXIST)
		return storage_fail(why, "%s", name);
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return storage_fail(why, "%s: no directory of its own", name);
	return fd;
}

/* --- files --------------------------------------------------------------------------------------- */

void
storage_file_init(struct storage_file *f)
{
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	buf_init(&f->pending, STORAGE_BUFFER_BYTES);
}

bool
storage_file_fits(const struct storage_file *f, size_t n)
{
	/* a CR may wait to be put first */
	return n < STORAGE_BUFFER_BYTES && f->pending.len + n + 1 <= STORAGE_BUFFER_BYTES;
}

int
storage_file_create(struct storage_file *f, int dirfd, const char *name, struct fail *why)
{
	f->fd = openat(
	    dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (f->fd < 0)
		return storage_fail(why, "tmp/%s", name);
	return 0;
}

/* What failed once has failed for good: part of the text is lost. */
static int
failed(const struct storage_file *f, struct fail *why)
{
	if (why != NULL)
		*why = f->why;
	return -1;
}

static int
write_all(struct storage_file *f, const char *p, size_t n)
{
	return file_write_all(f->fd, p, n) == 0 ? 0 : storage_fail(&f->why, "write");
}

int
storage_file_flush(struct storage_file *f, struct fail *why)
{
	if (f->why.code != FAIL_NONE || write_all(f, f->pending.data, f->pending.len) != 0)
		return failed(f, why);
	buf_reset(&f->pending);
	return 0;
}

int
storage_file_put(struct storage_file *f, struct slice bytes, struct fail *why)
{
	if (f->why.code != FAIL_NONE)
		return failed(f, why);
	if (bytes.n == 0)
		return 0;
	if (f->checksum)
		f->crc = crc32c(f->crc, bytes.p, bytes.n);
	f->bytes += bytes.n;
	if (f->pending.len + bytes.n > STORAGE_BUFFER_BYTES && storage_file_flush(f, why) != 0)
		return -1;
	if (bytes.n > STORAGE_BUFFER_BYTES)
		return write_all(f, bytes.p, bytes.n) == 0 ? 0 : failed(f, why);
	buf_append(&f->pending, bytes.p, bytes.n);
	return 0;
}

int
storage_file_text(struct storage_file *f, struct slice text, struct fail *why)
{
	while (text.n > 0) {
		if (f->cr && text.p[0] != '\n' && storage_file_put(f, slice_str("\r"), why) != 0)
			return -1;
		size_t i = slice_find(text, '\r');
		if (storage_file_put(f, slice_sub(text, 0, i), why) != 0)
			return -1;
		f->cr = i < text.n;
		text = slice_sub(text, i + 1, text.n);
	}
	return 0;
}

int
storage_file_text_end(struct storage_file *f, struct fail *why)
{
	if (!f->cr)
		return f->why.code == FAIL_NONE ? 0 : failed(f, why);
	f->cr = false;
	return storage_file_put(f, slice_str("\r"), why);
}

void
storage_file_close(struct storage_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	buf_free(&f->pending);
}

/* --- sweep --------------------------------------------------------------------------------------- */

static bool
is_unlocked(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return false;
	bool unlocked = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	return unlocked;
}

static bool
sweep_entry(int dirfd, const char *name, int64_t older_than, bool unlocked_only)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_mtim.tv_sec >= older_than)
		return false;
	if (unlocked_only && !is_unlocked(dirfd, name))
		return false;
	return unlinkat(dirfd, name, 0) == 0;
}

int
storage_sweep(int dirfd, int64_t older_than, bool unlocked_only, struct fail *why)
{
	/* a description of its own, so that its place of reading is its own */
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int swept = 0;

	if (dir == NULL) {
		storage_fail(why, "tmp");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL)
		if (sweep_entry(dirfd, entry->d_name, older_than, unlocked_only))
			swept++;
	closedir(dir);
	return swept;
}

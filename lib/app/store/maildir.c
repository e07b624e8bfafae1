#include "app/store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define NAME_TRIES 20 /* equal names need the same microsecond, process number and host */

/* --- the maildir ----------------------------------------------------------------------------------- */

static int
open_below(struct maildir *md, int root, struct fail *why)
{
	struct stat tmp_st, new_st;
	bool made = false;

	md->tmp = storage_dir_open(root, "tmp", &made, why);
	if (md->tmp < 0)
		return -1;
	md->new = storage_dir_open(root, "new", &made, why);
	int cur = md->new < 0 ? -1 : storage_dir_open(root, "cur", &made, why);
	if (cur < 0)
		return -1;
	close(cur);
	if (made && fsync(root) != 0)
		return storage_fail(why, "fsync");
	if (fstat(md->tmp, &tmp_st) != 0 || fstat(md->new, &new_st) != 0)
		return storage_fail(why, "fstat");
	if (tmp_st.st_dev != new_st.st_dev)
		return fail_set(why, FAIL_STORAGE, "tmp and new are on different file systems");
	return 0;
}

int
maildir_open_at(struct maildir *md, int root, struct fail *why)
{
	md->tmp = md->new = -1;
	md->now_us = clock_wall_us;
	if (open_below(md, root, why) == 0)
		return 0;
	maildir_close(md);
	return -1;
}

int
maildir_open(struct maildir *md, const char *path, struct fail *why)
{
	md->tmp = md->new = -1;
	int root = storage_root_open(path, why);
	if (root < 0)
		return fail_prefix(why, "maildir");
	int rc = maildir_open_at(md, root, why);
	close(root);
	return rc == 0 ? 0 : fail_prefix(why, "maildir %s", path);
}

void
maildir_close(struct maildir *md)
{
	if (md->tmp >= 0)
		close(md->tmp);
	if (md->new >= 0)
		close(md->new);
	md->tmp = md->new = -1;
}

int
maildir_sweep(const struct maildir *md, struct fail *why)
{
	return storage_sweep(md->tmp, clock_wall() - STORAGE_STALE_SECONDS, false, why);
}

/* --- names ----------------------------------------------------------------------------------------- */

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_';
}

void
maildir_name(
    char out[MAILDIR_NAME_BYTES], int64_t now_us, long pid, unsigned long counter, const char *host)
{
	size_t n = (size_t)snprintf(out, MAILDIR_NAME_BYTES, "%lld.M%06lldP%ldQ%lu.",
	    (long long)(now_us / 1000000), (long long)(now_us % 1000000), pid, counter);

	for (; *host != '\0' && n + 5 < MAILDIR_NAME_BYTES; host++) {
		if (is_plain(*host))
			out[n++] = *host;
		else if (*host == '/' || *host == ':')
			n += (size_t)snprintf(out + n, 5, "\\%03o", (unsigned char)*host);
		else
			out[n++] = '_';
	}
	out[n] = '\0';
}

static void
next_name(struct maildir_file *f)
{
	static unsigned long counter;
	char host[256];

	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "localhost");
	host[sizeof(host) - 1] = '\0';
	maildir_name(f->name, f->maildir->now_us(), (long)getpid(), ++counter, host);
}

/* --- one delivery ----------------------------------------------------------------------------------- */

/* True when new/ has the name already; looked at while we hold it in tmp/, so that nobody can add it. */
static bool
is_taken(const struct maildir_file *f)
{
	struct stat st;

	return fstatat(f->maildir->new, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The message outgrew the memory. */
static int
make_file(struct maildir_file *f, struct fail *why)
{
	struct fail reason;

	for (int tries = 0; tries < NAME_TRIES; tries++) {
		next_name(f);
		if (storage_file_create(&f->file, f->maildir->tmp, f->name, &reason) == 0) {
			if (!is_taken(f))
				return 0;
			unlinkat(f->maildir->tmp, f->name, 0);
			close(f->file.fd);
			f->file.fd = -1;
			fail_set(&reason, FAIL_STORAGE, "new/%s exists", f->name);
		} else if (reason.errnum != EEXIST) {
			break;
		}
	}
	if (why != NULL)
		*why = reason;
	return -1;
}

int
maildir_create(
    struct maildir_file *f, const struct maildir *md, struct slice head, struct fail *why)
{
	f->maildir = md;
	storage_file_init(&f->file);
	if (maildir_write(f, head, why) == 0)
		return 0;
	maildir_abort(f);
	return -1;
}

int
maildir_write(struct maildir_file *f, struct slice text, struct fail *why)
{
	if (f->file.fd < 0 && !storage_file_fits(&f->file, text.n) && make_file(f, why) != 0)
		return -1;
	return storage_file_text(&f->file, text, why);
}

void
maildir_abort(struct maildir_file *f)
{
	if (f->file.fd >= 0)
		unlinkat(f->maildir->tmp, f->name, 0);
	storage_file_close(&f->file);
}

static int
finish(struct maildir_file *f, struct fail *why)
{
	if (storage_file_text_end(&f->file, why) != 0)
		return -1;
	if (f->file.fd < 0)
		return 0;
	if (storage_file_flush(&f->file, why) != 0)
		return -1;
	/* mtime is the time of delivery, not of the last piece of a slow peer */
	if (futimens(f->file.fd, NULL) != 0)
		return storage_fail(why, "futimens");
	return 0;
}

/* Tell what is to be committed; what is in memory gets its name now. True when all of it is. */
static bool
list_files(struct maildir_file *const *files, size_t n, struct commit_file *list)
{
	bool all_in_memory = true;

	for (size_t i = 0; i < n; i++) {
		struct maildir_file *f = files[i];
		if (f->file.fd < 0)
			next_name(f);
		else
			all_in_memory = false;
		list[i] = (struct commit_file){
			.fd = f->file.fd,
			.data = slice_make(f->file.pending.data, f->file.pending.len),
			.tmp_dirfd = f->maildir->tmp,
			.tmp_name = f->name,
			.dst_dirfd = f->maildir->new,
			.dst_name = f->name,
		};
	}
	return all_in_memory;
}

int
maildir_commit(struct maildir_file *const *files, size_t n, struct commit *c, int64_t deadline,
    struct fail *why)
{
	struct commit_file *list = mem_array(n, sizeof(*list));
	struct fail reason;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = finish(files[i], why);
	for (int tries = 0; rc == 0; tries++) {
		bool again = list_files(files, n, list);
		if (commit_files(c, list, n, deadline, &reason) == 0)
			break;
		/* a name was taken: with the text in memory another one is at hand */
		if (again && reason.errnum == EEXIST && tries < NAME_TRIES)
			continue;
		if (why != NULL)
			*why = reason;
		rc = -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (rc != 0)
			maildir_abort(files[i]);
		else
			storage_file_close(&files[i]->file);
	}
	free(list);
	return rc;
}

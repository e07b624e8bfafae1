#include "policy/domain_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

struct domain_store {
	char *path;   /* for texts */
	int dir;      /* -1: it is not there, which read_only may find */
	pid_t opener; /* a child has its descriptors closed: it opens its own */
	uid_t owner;
	bool read_only;
};

/* --- names ---------------------------------------------------------------------------------------- */

/* What dns_name_normalize gives, and nothing that leads out of the directory. */
static int
check_name(const char *domain, struct fail *why)
{
	size_t n = strlen(domain), label = 0;

	for (size_t i = 0; i <= n; i++) {
		char c = domain[i];
		if (c == '.' || c == '\0') {
			if (label == 0 || label > 63)
				break;
			label = 0;
			if (c == '\0' && n < LIMIT_DOMAIN_BYTES)
				return 0;
			continue;
		}
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			break;
		label++;
	}
	return fail_set(why, FAIL_DNS_NAME, "not a domain in A-labels: %s", domain);
}

/* --- the directory -------------------------------------------------------------------------------- */

/* Its parents are somebody else's business. */
static int
open_dir(struct domain_store *store, struct fail *why)
{
	struct stat st;

	if (!store->read_only && mkdir(store->path, 0700) != 0 && errno != EEXIST)
		return fail_errno(why, FAIL_STORAGE, "cannot make %s", store->path);
	store->dir = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir < 0 && errno == ENOENT && store->read_only)
		return 0; /* a child looks again */
	if (store->dir < 0 || fstat(store->dir, &st) != 0)
		return fail_errno(why, FAIL_STORAGE, "%s", store->path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail_set(why, FAIL_PERMISSION,
		    "%s: others than its owner may write in it (chmod go-w)", store->path);
	if (!store->read_only && st.st_uid != geteuid())
		return fail_set(why, FAIL_PERMISSION, "%s belongs to another user", store->path);
	store->owner = st.st_uid;
	store->opener = getpid();
	return 0;
}

/* The number that we had before a fork may be anybody's now. */
static int
open_in_child(struct domain_store *store, struct fail *why)
{
	return store->opener == getpid() ? 0 : open_dir(store, why);
}

/* --- reading -------------------------------------------------------------------------------------- */

static int
read_file(const struct domain_store *store, int fd, struct buf *text, struct fail *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail_errno(why, FAIL_STORAGE, "stat");
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
	    (st.st_uid != store->owner && st.st_uid != 0))
		return fail_set(
		    why, FAIL_STORAGE, "not a file that only the owner of the directory can write");
	if (file_read_all(fd, text) == 0)
		return 0;
	return errno == EFBIG ? fail_set(why, FAIL_STORAGE, "too big")
			      : fail_errno(why, FAIL_STORAGE, "reading");
}

int
domain_store_read(
    struct domain_store *store, const char *domain, struct buf *text, struct fail *why)
{
	if (open_in_child(store, why) != 0)
		return -1;
	if (store->dir < 0)
		return 0;
	if (check_name(domain, why) != 0)
		return -1;
	int fd = openat(store->dir, domain, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail_errno(why, FAIL_STORAGE, "%s/%s", store->path, domain);
	int result = read_file(store, fd, text, why);
	close(fd);
	return result == 0 ? 1 : fail_prefix(why, "%s/%s", store->path, domain);
}

long
domain_store_count(struct domain_store *store, long max, struct fail *why)
{
	struct dirent *entry;
	long n = 0;

	if (open_in_child(store, why) != 0)
		return -1;
	int fd = store->dir < 0 ? -1 : openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		fail_errno(why, FAIL_STORAGE, "%s", store->path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (n < max && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* --- writing -------------------------------------------------------------------------------------- */

/* No domain begins with a dot. */
static void
temporary_name(char *out, size_t n)
{
	static unsigned counter;

	snprintf(out, n, ".%ld.%u", (long)getpid(), counter++);
}

static int
replace(const struct domain_store *store, const char *domain, const struct buf *text)
{
	char temporary[64];

	temporary_name(temporary, sizeof(temporary));
	unlinkat(store->dir, temporary, 0); /* of an older process of our number, that was killed */
	int fd = openat(
	    store->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	int result = file_write_all(fd, text->data, text->len);
	if (result == 0)
		result = fsync(fd);
	int error = errno;
	if (close(fd) != 0 && result == 0) {
		error = errno;
		result = -1;
	}
	if (result == 0 && renameat(store->dir, temporary, store->dir, domain) == 0)
		return 0;
	if (result == 0)
		error = errno;
	unlinkat(store->dir, temporary, 0);
	errno = error;
	return -1;
}

int
domain_store_write(
    struct domain_store *store, const char *domain, const struct buf *text, struct fail *why)
{
	if (open_in_child(store, why) != 0 || check_name(domain, why) != 0)
		return -1;
	if (replace(store, domain, text) == 0)
		return 0;
	return fail_errno(why, FAIL_STORAGE, "cannot write %s/%s", store->path, domain);
}

int
domain_store_forget(struct domain_store *store, const char *domain, struct fail *why)
{
	if (check_name(domain, why) != 0)
		return -1;
	if (store->read_only)
		return fail_set(why, FAIL_STORAGE, "%s is open for reading only", store->path);
	if (open_in_child(store, why) != 0)
		return -1;
	if (unlinkat(store->dir, domain, 0) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return fail_errno(why, FAIL_STORAGE, "%s/%s", store->path, domain);
}

/* --- opening --------------------------------------------------------------------------------------- */

struct domain_store *
domain_store_open(const char *dir, bool read_only, struct fail *why)
{
	struct domain_store *store = mem_alloc(sizeof(*store));

	store->path = mem_strdup(dir);
	store->dir = -1;
	store->read_only = read_only;
	if (open_dir(store, why) == 0)
		return store;
	domain_store_close(store);
	return NULL;
}

void
domain_store_close(struct domain_store *store)
{
	if (store == NULL)
		return;
	if (store->dir >= 0)
		close(store->dir);
	free(store->path);
	free(store);
}

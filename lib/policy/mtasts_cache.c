#include "policy/mtasts_cache.h"

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

struct mtasts_cache {
	char *path;   /* for texts */
	int dir;      /* -1: it is not there, which read_only may find */
	pid_t opener; /* a child has its descriptors closed: it opens its own */
	uid_t owner;
	bool read_only;
	struct mtasts_store store;
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
open_dir(struct mtasts_cache *cache, struct fail *why)
{
	struct stat st;

	if (!cache->read_only && mkdir(cache->path, 0700) != 0 && errno != EEXIST)
		return fail_errno(why, FAIL_STORAGE, "cannot make %s", cache->path);
	cache->dir = open(cache->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cache->dir < 0 && errno == ENOENT && cache->read_only)
		return 0; /* a child looks again */
	if (cache->dir < 0 || fstat(cache->dir, &st) != 0)
		return fail_errno(why, FAIL_STORAGE, "%s", cache->path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail_set(why, FAIL_PERMISSION,
		    "%s: others than its owner may write in it (chmod go-w)", cache->path);
	if (!cache->read_only && st.st_uid != geteuid())
		return fail_set(why, FAIL_PERMISSION, "%s belongs to another user", cache->path);
	cache->owner = st.st_uid;
	cache->opener = getpid();
	return 0;
}

/* The number that we had before a fork may be anybody's now. */
static int
open_in_child(struct mtasts_cache *cache, struct fail *why)
{
	return cache->opener == getpid() ? 0 : open_dir(cache, why);
}

/* --- reading -------------------------------------------------------------------------------------- */

static int
read_file(const struct mtasts_cache *cache, int fd, const char *domain, struct mtasts_entry *entry,
    struct fail *why)
{
	struct stat st;
	struct buf text;

	if (fstat(fd, &st) != 0)
		return fail_errno(why, FAIL_STORAGE, "stat");
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
	    (st.st_uid != cache->owner && st.st_uid != 0))
		return fail_set(
		    why, FAIL_STORAGE, "not a file that only the owner of the directory can write");
	buf_init(&text, LIMIT_STS_CACHE_BYTES + FILE_BLOCK_BYTES);
	int result = file_read_all(fd, &text);
	if (result != 0 && errno == EFBIG)
		fail_set(why, FAIL_STORAGE, "too big");
	else if (result != 0)
		fail_errno(why, FAIL_STORAGE, "reading");
	if (result == 0)
		result =
		    mtasts_cache_parse(slice_make(buf_str(&text), text.len), domain, entry, why);
	buf_free(&text);
	return result;
}

static int
cache_load(void *ctx, const char *domain, struct mtasts_entry *entry, struct fail *why)
{
	struct mtasts_cache *cache = ctx;

	if (open_in_child(cache, why) != 0)
		return -1;
	if (cache->dir < 0)
		return 0;
	if (check_name(domain, why) != 0)
		return -1;
	int fd = openat(cache->dir, domain, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail_errno(why, FAIL_STORAGE, "%s/%s", cache->path, domain);
	int result = read_file(cache, fd, domain, entry, why);
	close(fd);
	return result == 0 ? 0 : fail_prefix(why, "%s/%s", cache->path, domain);
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
replace(const struct mtasts_cache *cache, const char *domain, const struct buf *text)
{
	char temporary[64];

	temporary_name(temporary, sizeof(temporary));
	unlinkat(cache->dir, temporary, 0); /* of an older process of our number, that was killed */
	int fd = openat(
	    cache->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
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
	if (result == 0 && renameat(cache->dir, temporary, cache->dir, domain) == 0)
		return 0;
	if (result == 0)
		error = errno;
	unlinkat(cache->dir, temporary, 0);
	errno = error;
	return -1;
}

static int
cache_save(void *ctx, const char *domain, const struct mtasts_entry *entry, struct fail *why)
{
	struct mtasts_cache *cache = ctx;
	struct buf text;

	if (open_in_child(cache, why) != 0 || check_name(domain, why) != 0)
		return -1;
	buf_init(&text, LIMIT_STS_CACHE_BYTES);
	mtasts_cache_write(entry, domain, &text);
	int result = replace(cache, domain, &text);
	if (result != 0)
		fail_errno(why, FAIL_STORAGE, "cannot write %s/%s", cache->path, domain);
	buf_free(&text);
	return result;
}

int
mtasts_cache_forget(struct mtasts_cache *cache, const char *domain, struct fail *why)
{
	if (check_name(domain, why) != 0)
		return -1;
	if (cache->read_only)
		return fail_set(why, FAIL_STORAGE, "%s is open for reading only", cache->path);
	if (open_in_child(cache, why) != 0)
		return -1;
	if (unlinkat(cache->dir, domain, 0) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return fail_errno(why, FAIL_STORAGE, "%s/%s", cache->path, domain);
}

/* --- opening --------------------------------------------------------------------------------------- */

struct mtasts_cache *
mtasts_cache_open(const char *dir, bool read_only, struct fail *why)
{
	struct mtasts_cache *cache = mem_alloc(sizeof(*cache));

	cache->path = mem_strdup(dir);
	cache->dir = -1;
	cache->read_only = read_only;
	cache->store = (struct mtasts_store){
		.load = cache_load, .save = read_only ? NULL : cache_save, .ctx = cache
	};
	if (open_dir(cache, why) == 0)
		return cache;
	mtasts_cache_free(cache);
	return NULL;
}

void
mtasts_cache_free(struct mtasts_cache *cache)
{
	if (cache == NULL)
		return;
	if (cache->dir >= 0)
		close(cache->dir);
	free(cache->path);
	free(cache);
}

const struct mtasts_store *
mtasts_cache_store(const struct mtasts_cache *cache)
{
	return &cache->store;
}

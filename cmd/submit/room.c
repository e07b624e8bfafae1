#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/store/storage.h"
#include "base/limits.h"
#include "submit.h"

#define FLOOR_BYTES (16L * 1000 * 1000)
#define SHARE 4 /* of the room that is left, for one user */

struct found {
	int64_t all, own, own_bytes;
};

/* Everybody's, and our caller's: a name costs a microsecond, and there are at most LIMIT_INCOMING_ALL. */
static int
look(int incoming, struct found *f, struct fail *why)
{
	int fd = openat(incoming, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uid_t uid = getuid();
	struct dirent *entry;
	struct stat st;

	*f = (struct found){ 0 };
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return fail_errno(why, FAIL_STORAGE, "incoming");
	}
	while (f->all <= LIMIT_INCOMING_ALL && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		f->all++;
		f->own += st.st_uid == uid;
		f->own_bytes += st.st_uid == uid ? st.st_size : 0;
	}
	closedir(dir);
	return 0;
}

int
submit_room(const struct submit_spool *s, int64_t bytes, struct fail *why)
{
	int64_t left, least;
	struct found f;

	if (look(s->incoming, &f, why) != 0)
		return -1;
	if (f.all >= LIMIT_INCOMING_ALL)
		return fail_set(why, FAIL_QUEUE_FULL,
		    "%lld messages wait for the runner of the queue, and there may be %d",
		    (long long)f.all, LIMIT_INCOMING_ALL);
	if (f.own >= LIMIT_INCOMING_OWN)
		return fail_set(why, FAIL_QUEUE_FULL,
		    "%lld of your messages wait for the runner of the queue, and there may be %d",
		    (long long)f.own, LIMIT_INCOMING_OWN);
	if (!storage_room(s->incoming, FLOOR_BYTES, &left, &least))
		return 0;
	if (left - bytes < least)
		return fail_set(why, FAIL_QUEUE_FULL,
		    "No space left for the queue: %lld bytes are free, and %lld are kept for its "
		    "runner",
		    (long long)left, (long long)least);
	if (f.own_bytes + bytes > (f.own_bytes + left) / SHARE)
		return fail_set(why, FAIL_QUEUE_FULL,
		    "%lld bytes of yours wait for the runner of the queue, and one user may have a "
		    "fourth of the room",
		    (long long)f.own_bytes);
	return 0;
}

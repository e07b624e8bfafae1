#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

void
scratch_begin(struct scratch *s)
{
	strcpy(s->path, "/tmp/mxtls-unit-XXXXXX");
	if (mkdtemp(s->path) == NULL)
		abort();
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
scratch_end(struct scratch *s)
{
	CHECK_INT(nftw(s->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *
scratch_path(const struct scratch *s, const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *out = paths[next++ % 8];

	snprintf(out, sizeof(paths[0]), "%s/%s", s->path, name);
	return out;
}

static int
look(const struct scratch *s, const char *name, char *last, size_t size)
{
	DIR *dir = opendir(scratch_path(s, name));
	struct dirent *entry;
	int n = 0;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(last, size, "%s/%s", name, entry->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

int
scratch_count(const struct scratch *s, const char *name)
{
	char last[512];

	return look(s, name, last, sizeof(last));
}

const char *
scratch_only(const struct scratch *s, const char *name)
{
	static char last[512];

	return look(s, name, last, sizeof(last)) == 1 ? last : "";
}

const char *
scratch_read(const struct scratch *s, const char *name)
{
	static char text[65537];
	int fd = open(scratch_path(s, name), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

void
scratch_write(const struct scratch *s, const char *name, const void *data, size_t n)
{
	int fd = open(scratch_path(s, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	close(fd);
}

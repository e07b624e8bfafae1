/*
 * The raw rate of durable files: PROCESSES processes each write 5 KB into tmp/, fsync it, name it,
 * fsync the directory, for SECONDS. The number that commitrate is held against.
 *
 *   rawcommit DIR PROCESSES SECONDS link|rename
 *
 * The parent of DIR must exist. Prints files per second.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define BYTES 5120

static void
fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static int
open_dir(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	mkdir(path, 0700);
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		fail(path);
	return fd;
}

static void
one(int tmp, int new, const char *name, int by_rename)
{
	static const char text[BYTES] = { 'x' };
	int fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, text, BYTES) != BYTES || fsync(fd) != 0 || close(fd) != 0)
		fail(name);
	if (by_rename ? renameat(tmp, name, new, name) != 0
		      : linkat(tmp, name, new, name, 0) != 0 || unlinkat(tmp, name, 0) != 0)
		fail(name);
	if (fsync(new) != 0)
		fail("new");
}

int
main(int argc, char **argv)
{
	if (argc != 5)
		return 64;
	long processes = strtol(argv[2], NULL, 10), seconds = strtol(argv[3], NULL, 10);
	int by_rename = strcmp(argv[4], "rename") == 0;
	mkdir(argv[1], 0700);
	int tmp = open_dir(argv[1], "tmp"), new = open_dir(argv[1], "new");
	long *counts = mmap(NULL, (size_t)processes * sizeof(*counts), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t end = clock_ms() + seconds * 1000;

	if (counts == MAP_FAILED)
		fail("mmap");
	for (long p = 0; p < processes; p++) {
		pid_t pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid > 0)
			continue;
		char name[64];
		for (; clock_ms() < end; counts[p]++) {
			snprintf(name, sizeof(name), "%ld.%ld", p, counts[p]);
			one(tmp, new, name, by_rename);
		}
		_exit(0);
	}
	long total = 0;
	int status, bad = 0;
	while (wait(&status) > 0)
		bad |= status;
	for (long p = 0; p < processes; p++)
		total += counts[p];
	printf("%ld\n", total / seconds);
	return bad != 0;
}

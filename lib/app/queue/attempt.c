#include "app/queue/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/queue/item.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#define WORKING_FILE "working"

/* --- blocks ----------------------------------------------------------------------------------------- */

static int
working_open(const struct spool *spool, int flags)
{
	return openat(spool->root, WORKING_FILE,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags, 0600);
}

static off_t
block_at(int block)
{
	return (off_t)block * QUEUE_ATTEMPT_BLOCK;
}

/* Ours now, or already: a lock of the same open file is no other's. */
static bool
block_lock(int fd, int block)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = block_at(block), .l_len = 1
	};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void
block_unlock(int fd, int block)
{
	struct flock lock = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = block_at(block), .l_len = 1
	};

	fcntl(fd, F_OFD_SETLK, &lock);
}

/* What stands there; NUL behind the end of the file. False: there is nothing of a block so far behind. */
static bool
block_read(int fd, int block, char text[QUEUE_ATTEMPT_BLOCK])
{
	memset(text, 0, QUEUE_ATTEMPT_BLOCK);
	return pread(fd, text, QUEUE_ATTEMPT_BLOCK, block_at(block)) > 0;
}

static bool
is_empty(const char text[QUEUE_ATTEMPT_BLOCK])
{
	for (size_t i = 0; i < QUEUE_ATTEMPT_BLOCK; i++)
		if (text[i] != '\0')
			return false;
	return true;
}

/* The first block that nobody has and where nothing is left. */
static int
block_take(int fd)
{
	char text[QUEUE_ATTEMPT_BLOCK];

	for (int block = 0; block < LIMIT_QUEUE_WORKERS; block++) {
		if (!block_lock(fd, block))
			continue;
		block_read(fd, block, text);
		if (is_empty(text))
			return block;
		block_unlock(fd, block);
	}
	return -1;
}

/* --- our own ---------------------------------------------------------------------------------------- */

/* The block of this process, taken when it is first needed: what a parent has is not its child's. */
static struct queue_attempts *
own(struct spool *spool)
{
	struct queue_attempts *a = &spool->attempts;

	if (a->pid == getpid())
		return a->block < 0 ? NULL : a;
	*a = (struct queue_attempts){ .fd = -1, .pid = getpid(), .block = -1 };
	int fd = working_open(spool, O_CREAT);
	if (fd < 0)
		return NULL;
	a->block = block_take(fd);
	if (a->block < 0) {
		close(fd);
		return NULL;
	}
	a->fd = fd;
	return a;
}

int
queue_attempt_begin(struct spool *spool, const char *id)
{
	struct queue_attempts *a = own(spool);
	char line[QUEUE_ATTEMPT_LINE + 1];

	if (a == NULL)
		return -1;
	snprintf(line, sizeof(line), "%-16.16s %14d\n", id, (int)a->pid);
	for (int i = 0; i < QUEUE_ATTEMPTS; i++) {
		if ((a->busy & (1u << i)) != 0)
			continue;
		if (pwrite(a->fd, line, QUEUE_ATTEMPT_LINE,
			block_at(a->block) + (off_t)i * QUEUE_ATTEMPT_LINE) != QUEUE_ATTEMPT_LINE)
			return -1;
		a->busy |= 1u << i;
		return i;
	}
	return -1;
}

static bool
strike(int fd, int block, int line)
{
	static const char nothing[QUEUE_ATTEMPT_LINE];

	/* there is a place for it on the disk: a full one takes this, too */
	return pwrite(fd, nothing, sizeof(nothing),
		   block_at(block) + (off_t)line * QUEUE_ATTEMPT_LINE) == sizeof(nothing);
}

void
queue_attempt_end(struct spool *spool, int attempt)
{
	struct queue_attempts *a = &spool->attempts;

	if (attempt < 0 || a->pid != getpid() || a->fd < 0)
		return;
	if (!strike(a->fd, a->block, attempt))
		log_error("queue: %s: %s", WORKING_FILE, strerror(errno));
	a->busy &= ~(1u << attempt);
}

void
queue_attempts_close(struct spool *spool)
{
	struct queue_attempts *a = &spool->attempts;

	if (a->pid == getpid() && a->fd >= 0)
		close(a->fd);
	*a = (struct queue_attempts){ .fd = -1, .block = -1 };
}

/* --- those of the dead ------------------------------------------------------------------------------ */

/* "ID PID\n" */
static bool
parse_line(const char *text, char id_r[QUEUE_ID_BYTES], pid_t *pid_r)
{
	struct slice line = slice_make(text, QUEUE_ATTEMPT_LINE - 1), id = slice_cut(&line, ' ');
	unsigned long long pid;

	if (text[QUEUE_ATTEMPT_LINE - 1] != '\n' || !queue_id_valid(id) ||
	    !slice_number(slice_trim(line), LIMIT_PID, &pid))
		return false;
	memcpy(id_r, id.p, id.n);
	id_r[id.n] = '\0';
	*pid_r = (pid_t)pid;
	return true;
}

/*
 * For each line of a block that nobody holds: fn, and it is struck out. Not our own: its lock would be had, too. Another open file
 * than ours is used, so that no lock of ours is ended.
 */
static void
each_left(struct spool *spool, void (*fn)(struct spool *, const char *, pid_t, pid_t), pid_t which)
{
	char text[QUEUE_ATTEMPT_BLOCK], id[QUEUE_ID_BYTES];
	int fd = working_open(spool, 0);
	pid_t pid;

	for (int block = 0; fd >= 0 && block < LIMIT_QUEUE_WORKERS && block_read(fd, block, text);
	     block++) {
		if (is_empty(text) || !block_lock(fd, block))
			continue;
		block_read(fd, block, text);
		for (int i = 0; i < QUEUE_ATTEMPTS; i++) {
			const char *line = text + (size_t)i * QUEUE_ATTEMPT_LINE;
			if (line[0] == '\0')
				continue;
			bool good = parse_line(line, id, &pid);
			if (good && which != 0 && pid != which)
				continue;
			/* first: whoever comes after a crash of ours must not charge it twice */
			if (strike(fd, block, i) && good)
				fn(spool, id, pid, which);
		}
		block_unlock(fd, block);
	}
	if (fd >= 0)
		close(fd);
}

static void
forgive(struct spool *spool, const char *id, pid_t pid, pid_t which)
{
	(void)spool;
	(void)which;
	log_warn("queue file %s: process %d was killed at its end", id, (int)pid);
}

void
queue_attempts_forgive(struct spool *spool, pid_t pid)
{
	each_left(spool, forgive, pid);
}

static void
charge(struct spool *spool, const char *id, pid_t pid, pid_t which)
{
	struct queue_event e = { .kind = 'K', .time = clock_wall() };
	struct queue_item item;
	char text[128];
	struct fail why;

	(void)which;
	if (queue_item_open_journal(&item, spool, id, &why) != 0)
		return;
	int rc = queue_item_append(&item, &e, true, &why);
	unsigned n = item.journal.crashes;
	log_error("queue file %s: process %d died while it worked on it: %u of %d times", id,
	    (int)pid, n, QUEUE_CRASHES_MAX);
	if (rc == 0 && n >= QUEUE_CRASHES_MAX && !item.journal.held) {
		snprintf(text, sizeof(text),
		    "%u times the process that worked on it died: release tries it again", n);
		e.kind = 'H';
		e.text = text;
		rc = queue_item_append(&item, &e, true, &why);
		if (rc == 0)
			log_error("queue file %s: held: %s", id, text);
	}
	if (rc != 0)
		log_error("queue file %s: %s", id, why.text);
	queue_item_close(&item);
}

void
queue_attempts_charge(struct spool *spool)
{
	each_left(spool, charge, 0);
}

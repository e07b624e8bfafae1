#include "app/store/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/io.h"

#define RETRY_MS 100
#define DOTLOCK_STALE_SECONDS (10 * 60) /* whoever holds one longer is dead */

static const char separator[] = "From ";
static const char lock_mark[] =
    " mxtls\n"; /* behind the process number, which other programs look at */

/* --- locks --------------------------------------------------------------------------------------- */

/* A descriptor of a file of ours that nobody holds: its maker was killed. */
static bool
is_abandoned(int fd)
{
	char text[64];
	ssize_t n = flock(fd, LOCK_EX | LOCK_NB) == 0 ? read(fd, text, sizeof(text)) : -1;

	return n > 0 && memmem(text, (size_t)n, lock_mark, strlen(lock_mark)) != NULL;
}

static bool
unlink_stale(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st, named;
	bool stale = false;

	if (fd >= 0 && fstat(fd, &st) == 0 && lstat(path, &named) == 0 &&
	    st.st_ino == named.st_ino && st.st_dev == named.st_dev)
		stale = st.st_mtim.tv_sec < time(NULL) - DOTLOCK_STALE_SECONDS || is_abandoned(fd);
	stale = stale && unlink(path) == 0;
	if (fd >= 0)
		close(fd);
	return stale;
}

/*
 * Make the lock: complete, and held, before it has its name, where the system can do that; so a kill at any
 * moment leaves none that nobody knows. A descriptor, or -1 with errno.
 */
static int
make_dotlock(const char *path)
{
	char text[64], name[64];
	int n = snprintf(text, sizeof(text), "%ld%s", (long)getpid(), lock_mark);
	int fd = file_nameless(path, O_WRONLY, 0444);
	bool named = false;

	if (fd < 0) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
		named = true;
	}
	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	bool ok = flock(fd, LOCK_EX | LOCK_NB) == 0 && file_write_all(fd, text, (size_t)n) == 0;
	if (ok && (named || linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0))
		return fd;
	int saved = errno;
	if (named)
		unlink(path);
	close(fd);
	errno = saved;
	return -1;
}

/*
 * FILE.lock; without the right to make one the lock on the file itself must do. 0, or -1 with why.
 */
static int
dotlock(struct mbox_file *f, const char *path, int64_t deadline, struct fail *why)
{
	size_t size = strlen(path) + sizeof(".lock");
	int rc = 0;

	f->dotlock = mem_alloc(size);
	snprintf(f->dotlock, size, "%s.lock", path);
	while (rc == 0 && (f->dotlock_fd = make_dotlock(f->dotlock)) < 0 && errno == EEXIST) {
		if (unlink_stale(f->dotlock))
			continue;
		int64_t next = clock_deadline(RETRY_MS);
		if (clock_ms() >= deadline)
			rc = fail_set(why, FAIL_TIMEOUT, "%s: locked by another program", path);
		else
			rc = io_sleep(next < deadline ? next : deadline, why);
	}
	if (f->dotlock_fd < 0) {
		free(f->dotlock);
		f->dotlock = NULL;
	}
	return rc;
}

/* An OFD lock is that of this descriptor, not of the process: closing another one does not lose it. */
static int
lock_file(int fd, const char *path, int64_t deadline, struct fail *why)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		if (errno != EAGAIN && errno != EACCES)
			return storage_fail(why, "%s: cannot be locked", path);
		if (clock_ms() >= deadline)
			return fail_set(why, FAIL_TIMEOUT, "%s: locked by another program", path);
		int64_t next = clock_deadline(RETRY_MS);
		if (io_sleep(next < deadline ? next : deadline, why) != 0)
			return -1;
	}
	return 0;
}

static void
release(struct mbox_file *f)
{
	storage_file_close(&f->out); /* and its lock */
	if (f->dotlock != NULL)
		unlink(f->dotlock);
	if (f->dotlock_fd >= 0)
		close(f->dotlock_fd);
	free(f->dotlock);
	f->dotlock = NULL;
	f->dotlock_fd = -1;
}

/* --- opening ------------------------------------------------------------------------------------- */

static int
open_file(const char *path, bool create, struct fail *why)
{
	int fd = open(path,
	    O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
		(create ? O_CREAT : 0),
	    0600);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		return fail_set(why, FAIL_PERMISSION, "%s: a link, not a mailbox", path);
	if (errno == EACCES || errno == EPERM)
		return fail_errno(why, FAIL_PERMISSION, "%s", path);
	return fail_errno(why, FAIL_CANT_CREATE, "%s", path);
}

/* What was opened is what lies at path, and nobody else's. */
static int
check_file(int fd, const char *path, int64_t *size_r, struct fail *why)
{
	struct stat st, named;

	if (fstat(fd, &st) != 0)
		return storage_fail(why, "%s", path);
	if (!S_ISREG(st.st_mode))
		return fail_set(why, FAIL_PERMISSION, "%s: no regular file", path);
	if (st.st_uid != geteuid())
		return fail_set(why, FAIL_PERMISSION, "%s: belongs to another user", path);
	if (st.st_nlink != 1)
		return fail_set(why, FAIL_PERMISSION, "%s: has more than one link", path);
	/* a mail reader may have replaced it while we waited for the lock */
	if (lstat(path, &named) != 0 || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
		return fail_set(why, FAIL_STORAGE, "%s: was replaced while it was locked", path);
	*size_r = st.st_size;
	return 0;
}

/* Names in separators have no blanks. */
static void
separator_line(const char *sender, int64_t when, struct buf *out)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)when;
	struct tm tm;

	buf_puts(out, separator);
	for (const char *c = sender[0] == '\0' ? "MAILER-DAEMON" : sender; *c != '\0'; c++)
		buf_putc(out, (unsigned char)*c <= ' ' || *c == 0x7f ? '-' : *c);
	gmtime_r(&seconds, &tm);
	buf_printf(out, " %s %s %2d %02d:%02d:%02d %d\n", days[tm.tm_wday], months[tm.tm_mon],
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

static int
begin(struct mbox_file *f, const char *path, const char *sender, int64_t when, struct slice head,
    struct fail *why)
{
	char last = '\n';
	struct buf line;
	int rc = 0;

	if (f->start > 0 && pread(f->out.fd, &last, 1, f->start - 1) != 1)
		return storage_fail(why, "%s", path);
	buf_init(&line, 2 * LIMIT_PATH_BYTES + 64);
	if (last != '\n') /* what another program left there stays a message of its own */
		buf_puts(&line, "\n\n");
	separator_line(sender, when, &line);
	f->ended = true;
	f->matching = true;
	if (storage_file_put(&f->out, slice_make(line.data, line.len), why) != 0 ||
	    mbox_write(f, head, why) != 0)
		rc = -1;
	buf_free(&line);
	return rc;
}

int
mbox_begin(struct mbox_file *f, const char *path, bool create, const char *sender, int64_t when,
    struct slice head, int64_t deadline, struct fail *why)
{
	memset(f, 0, sizeof(*f));
	f->dotlock_fd = -1;
	storage_file_init(&f->out);
	if ((f->out.fd = open_file(path, create, why)) < 0 ||
	    dotlock(f, path, deadline, why) != 0 ||
	    lock_file(f->out.fd, path, deadline, why) != 0 ||
	    check_file(f->out.fd, path, &f->start, why) != 0) {
		release(f);
		return -1;
	}
	if (begin(f, path, sender, when, head, why) != 0) {
		mbox_abort(f);
		return -1;
	}
	return 0;
}

/* --- text ---------------------------------------------------------------------------------------- */

/* The line's beginning is decided: it is put, with one more '>' when it is a separator. */
static int
put_held(struct mbox_file *f, bool is_separator, struct fail *why)
{
	f->matching = false;
	for (size_t n = f->quotes + is_separator; n > 0; n--)
		if (storage_file_put(&f->out, slice_str(">"), why) != 0)
			return -1;
	int rc = storage_file_put(&f->out, slice_make(separator, f->from_n), why);
	f->quotes = f->from_n = 0;
	return rc;
}

/* Look at bytes of a line's beginning; returns how many were held back. */
static size_t
match(struct mbox_file *f, struct slice text, bool *decided_r)
{
	size_t i = 0;

	for (; i < text.n; i++) {
		if (f->from_n == 0 && text.p[i] == '>') {
			f->quotes++;
		} else if (text.p[i] == separator[f->from_n]) {
			f->from_n++;
			if (separator[f->from_n] == '\0') {
				*decided_r = true;
				return i + 1;
			}
		} else {
			*decided_r = true;
			return i;
		}
	}
	return i;
}

int
mbox_write(struct mbox_file *f, struct slice text, struct fail *why)
{
	while (text.n > 0) {
		if (f->matching) {
			bool decided = false;
			size_t n = match(f, text, &decided);
			if (decided && put_held(f, separator[f->from_n] == '\0', why) != 0)
				return -1;
			f->ended = false;
			text = slice_sub(text, n, text.n);
			continue;
		}
		size_t n = slice_find(text, '\n');
		f->matching = f->ended = n < text.n;
		n += f->matching;
		if (storage_file_text(&f->out, slice_sub(text, 0, n), why) != 0)
			return -1;
		text = slice_sub(text, n, text.n);
	}
	return 0;
}

int
mbox_commit(struct mbox_file *f, struct fail *why)
{
	if ((f->matching && put_held(f, false, why) != 0) ||
	    storage_file_text_end(&f->out, why) != 0 ||
	    storage_file_put(&f->out, slice_str(f->ended ? "\n" : "\n\n"), why) != 0 ||
	    storage_file_flush(&f->out, why) != 0) {
		mbox_abort(f);
		return -1;
	}
	if (fsync(f->out.fd) != 0) {
		storage_fail(why, "mailbox");
		mbox_abort(f);
		return -1;
	}
	release(f);
	return 0;
}

void
mbox_abort(struct mbox_file *f)
{
	if (f->out.fd >= 0 && ftruncate(f->out.fd, f->start) == 0)
		fsync(f->out.fd);
	release(f);
}

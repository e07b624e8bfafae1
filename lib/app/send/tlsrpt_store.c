#include "app/send/tlsrpt_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "io/io.h"

#define DAY_S 86400
#define NAME_BYTES 64
#define LOAD_WAIT_MS 10000
#define SUMMED "# summed up: " /* and a number: the first line of a sum */

/* --- days ----------------------------------------------------------------------------------------- */

void
tlsrpt_day_str(int64_t unix_seconds, char out[TLSRPT_DAY_BYTES])
{
	char text[32];

	text_date_rfc3339(unix_seconds, text);
	snprintf(out, TLSRPT_DAY_BYTES, "%.10s", text);
}

int64_t
tlsrpt_day_parse(const char *text)
{
	struct tm tm = { 0 };
	char again[TLSRPT_DAY_BYTES], rest;
	int year, month, day;

	if (strlen(text) != 10 || sscanf(text, "%4d-%2d-%2d%c", &year, &month, &day, &rest) != 3 ||
	    year < 1970)
		return -1;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	time_t t = timegm(&tm);
	tlsrpt_day_str((int64_t)t, again);
	return strcmp(again, text) == 0 ? (int64_t)t : -1;
}

/* --- the folder ----------------------------------------------------------------------------------- */

/* Its descriptor; -2 when it is not there. Root may read it. */
static int
open_dir(const char *dir, bool make, struct fail *why)
{
	struct stat st;

	if (make && mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail_errno(why, FAIL_STORAGE, "cannot make %s", dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -2;
	if (fd < 0 || fstat(fd, &st) != 0) {
		fail_errno(why, FAIL_STORAGE, "%s", dir);
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		fail_set(why, FAIL_PERMISSION,
		    "%s: others than its owner may write in it (chmod go-w)", dir);
	} else if (st.st_uid != geteuid() && (make || geteuid() != 0)) {
		fail_set(why, FAIL_PERMISSION, "%s belongs to another user", dir);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- appending ------------------------------------------------------------------------------------ */

/* The file of a day, with a shared lock. -1 with errno. */
static int
open_day(int dir, const char *day)
{
	struct stat st, named;

	for (int i = 0; i < 5; i++) {
		int fd = openat(dir, day,
		    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
		if (fd < 0)
			return -1;
		/* still at its place under our lock: who puts it aside from now on waits for us before he reads */
		if (flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
		    fstatat(dir, day, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    named.st_ino == st.st_ino)
			return fd;
		close(fd); /* it was put aside: there is a new one, or will be */
	}
	errno = EBUSY;
	return -1;
}

/* One write: whole, and at the end, whatever others do. 0, or -1 with errno. first_r: nobody had written yet. */
static int
append_line(int dir, const char *day, const struct buf *line, bool *first_r)
{
	struct stat st;
	int fd = open_day(dir, day), rc = -1;

	if (fd < 0)
		return -1;
	*first_r = false;
	if (fstat(fd, &st) != 0)
		rc = -1;
	else if (st.st_size + (off_t)line->len > LIMIT_TLSRPT_DAY_BYTES)
		errno = EFBIG;
	else
		rc = write(fd, line->data, line->len) == (ssize_t)line->len ? 0 : -1;
	int error = errno;
	*first_r = rc == 0 && st.st_size == 0;
	close(fd);
	errno = error;
	return rc;
}

void
tlsrpt_store_append(const char *dir, const struct tlsrpt_session_facts *facts, int64_t now)
{
	static bool complained;
	struct tlsrpt_session_facts line = *facts;
	char day[TLSRPT_DAY_BYTES];
	struct buf out;
	bool first = false;
	struct fail why;
	int rc = -1;

	if (line.sessions == 0)
		line.sessions = 1;
	tlsrpt_day_str(now, day);
	buf_init(&out, LIMIT_TLSRPT_LINE_BYTES);
	/* behind a line that somebody could not end, none of ours is lost */
	buf_putc(&out, '\n');
	int fd = open_dir(dir, true, &why);
	if (fd == -2)
		fail_errno(&why, FAIL_STORAGE, "%s", dir);
	if (facts_write_json_brief(&fact_table_tlsrpt_session_facts, &line, &out) != 0 ||
	    buf_putc(&out, '\n') != 0)
		fail_set(&why, FAIL_STORAGE, "%s: a result is longer than %d bytes", dir,
		    LIMIT_TLSRPT_LINE_BYTES);
	else if (fd >= 0 && (rc = append_line(fd, day, &out, &first)) != 0)
		fail_errno(&why, FAIL_STORAGE, "%s/%s", dir, day);
	if (fd >= 0)
		close(fd);
	buf_free(&out);
	/* where no runner does that, somebody has to, once a day */
	if (first && tlsrpt_store_tidy(dir, now, &why) != 0)
		rc = -1;
	if (rc != 0 && !complained) {
		complained = true;
		log_warn("no result for reports about TLS could be kept: %s", why.text);
	}
}

/* --- reading -------------------------------------------------------------------------------------- */

/* "2026-11-23.17": 17; -1 for another name. */
static int64_t
aside_number(const char *name, const char *day)
{
	unsigned long long number;
	size_t n = strlen(day);

	if (strncmp(name, day, n) != 0 || name[n] != '.' ||
	    !slice_number(slice_str(name + n + 1), INT64_MAX / 2, &number))
		return -1;
	return (int64_t)number;
}

/* The folder for readdir; NULL with errno. */
static DIR *
list_dir(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (list == NULL && copy >= 0)
		close(copy);
	return list;
}

/* What is put aside of a day: the smallest number above "after", and its name; -1: nothing more. */
static int64_t
next_aside(int dir, const char *day, int64_t after, char name_r[NAME_BYTES])
{
	int64_t found = -1;
	struct dirent *entry;
	DIR *list = list_dir(dir);

	if (list == NULL)
		return -1;
	while ((entry = readdir(list)) != NULL) {
		int64_t number = aside_number(entry->d_name, day);
		if (number > after && (found < 0 || number < found))
			found = number;
	}
	closedir(list);
	if (found >= 0)
		snprintf(name_r, NAME_BYTES, "%s.%" PRId64, day, found);
	return found;
}

/* An appender is in the middle of its write: it takes no longer than that. */
static int
lock_aside(int fd, const char *name, struct fail *why)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		if (i == 500 || io_sleep(clock_deadline(10), why) != 0)
			return fail_set(why, FAIL_TIMEOUT, "%s is locked", name);
	return 0;
}

/* A file of ours into day; a missing one is empty. */
static int
read_file(int dir, const char *name, bool lock, struct tlsrpt_day *day, struct fail *why)
{
	struct buf text;

	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail_errno(why, FAIL_STORAGE, "%s", name);
	int rc = lock ? lock_aside(fd, name, why) : 0;
	buf_init(&text, 2 * (size_t)LIMIT_TLSRPT_DAY_BYTES);
	if (rc == 0 && (rc = file_read_all(fd, &text)) != 0)
		fail_errno(why, FAIL_STORAGE, "%s", name);
	close(fd);
	if (rc == 0)
		tlsrpt_day_read(day, slice_make(buf_str(&text), text.len));
	buf_free(&text);
	return rc;
}

/* Up to which number the sum has everything; 0: there is none. */
static int64_t
summed_up_to(int dir, const char *day)
{
	char file[NAME_BYTES], text[64];
	unsigned long long number = 0;
	size_t start = strlen(SUMMED);

	snprintf(file, sizeof(file), "%s.sum", day);
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text), 0);
	if (fd >= 0)
		close(fd);
	struct slice line = slice_make(text, n < 0 ? 0 : (size_t)n);
	line = slice_sub(line, 0, slice_find(line, '\n'));
	if (!slice_starts_case(line, SUMMED) ||
	    !slice_number(slice_sub(line, start, line.n), INT64_MAX / 2, &number))
		return 0;
	return (int64_t)number;
}

/* The lock of whoever sums up. -1 with TIMEOUT when it is held past the deadline. */
static int
lock_sums(int dir, int64_t deadline, struct fail *why)
{
	/* one that is there serves root as it is: he makes none, which the owner could not open */
	int fd = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(why, FAIL_STORAGE, "lock");
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (clock_ms() >= deadline || io_sleep(clock_deadline(20), why) != 0) {
			close(fd);
			return fail_set(why, FAIL_TIMEOUT, "another process has it");
		}
	}
	return fd;
}

/* The sum, and what is put aside and not in it yet; last_r: the last number of all. day NULL: only that. */
static int
read_sums(int dir, const char *name, struct tlsrpt_day *day, int64_t *last_r, struct fail *why)
{
	char file[NAME_BYTES];
	int64_t number;

	*last_r = summed_up_to(dir, name);
	snprintf(file, sizeof(file), "%s.sum", name);
	if (day != NULL && read_file(dir, file, false, day, why) != 0)
		return -1;
	while ((number = next_aside(dir, name, *last_r, file)) >= 0) {
		if (day != NULL && read_file(dir, file, true, day, why) != 0)
			return -1;
		*last_r = number;
	}
	return 0;
}

int
tlsrpt_store_load(const char *dir, const char *day, struct tlsrpt_day *day_r, struct fail *why)
{
	int64_t summed;
	int lock, rc;
	int fd = open_dir(dir, false, why);

	tlsrpt_day_init(day_r);
	if (fd == -2)
		return 0;
	if (fd < 0)
		return -1;
	lock = lock_sums(fd, clock_deadline(LOAD_WAIT_MS), why);
	rc = lock < 0 ? -1 : read_sums(fd, day, day_r, &summed, why);
	if (rc == 0)
		rc = read_file(fd, day, false, day_r, why);
	if (lock >= 0)
		close(lock);
	close(fd);
	if (rc != 0)
		fail_prefix(why, "%s", dir);
	tlsrpt_day_sort(day_r);
	return rc;
}

/* --- summing up ----------------------------------------------------------------------------------- */

static int
write_sum(int dir, const char *name, const struct tlsrpt_day *day, int64_t summed, struct fail *why)
{
	char file[NAME_BYTES];
	struct buf out;

	snprintf(file, sizeof(file), "%s.sum", name);
	buf_init(&out, (size_t)LIMIT_TLSRPT_DAY_BYTES);
	buf_printf(&out, SUMMED "%" PRId64 "\n", summed);
	int rc = tlsrpt_day_write(day, &out);
	if (rc != 0)
		fail_set(why, FAIL_STORAGE, "%s: more than %d bytes", file, LIMIT_TLSRPT_DAY_BYTES);
	else if ((rc = file_replace(dir, file, out.data, out.len)) != 0)
		fail_errno(why,
		    errno == ENOSPC || errno == EDQUOT ? FAIL_STORAGE_FULL : FAIL_STORAGE, "%s",
		    file);
	buf_free(&out);
	return rc;
}

/* Files up to this number are in the sum now. */
static void
drop_asides(int dir, const char *name, int64_t summed)
{
	char file[NAME_BYTES];
	int64_t number;

	while ((number = next_aside(dir, name, 0, file)) >= 0 && number <= summed)
		if (unlinkat(dir, file, 0) != 0)
			break;
}

static int
sum_up(int dir, const char *name, struct fail *why)
{
	char file[NAME_BYTES];
	struct tlsrpt_day day;
	int64_t last;

	if (read_sums(dir, name, NULL, &last, why) != 0)
		return -1;
	snprintf(file, sizeof(file), "%s.%" PRId64, name, last + 1);
	if (renameat(dir, name, dir, file) != 0 && errno != ENOENT)
		return fail_errno(why, FAIL_STORAGE, "%s", name);
	tlsrpt_day_init(&day);
	int rc = read_sums(dir, name, &day, &last, why);
	if (rc == 0 && (rc = write_sum(dir, name, &day, last, why)) == 0)
		drop_asides(dir, name, last);
	tlsrpt_day_free(&day);
	return rc;
}

/* What is to be done about a file: 'u' unlink, 's' sum up, 0 nothing. */
static char
duty(int dir, const char *name, const char *oldest)
{
	struct stat st;
	char day[TLSRPT_DAY_BYTES];

	snprintf(day, sizeof(day), "%.10s", name);
	if (tlsrpt_day_parse(day) < 0)
		return 0;
	if (strcmp(day, oldest) < 0)
		return 'u';
	if (name[10] == '\0' && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size >= LIMIT_TLSRPT_SUM_BYTES)
		return 's';
	return 0;
}

static int
tidy(int dir, const char *oldest, struct fail *why)
{
	struct strs sums = { 0 };
	struct arena arena;
	struct dirent *entry;
	DIR *list = list_dir(dir);
	int rc = 0;

	if (list == NULL)
		return fail_errno(why, FAIL_STORAGE, "opendir");
	arena_init(&arena);
	while ((entry = readdir(list)) != NULL) {
		char what = duty(dir, entry->d_name, oldest);
		if (what == 'u')
			unlinkat(dir, entry->d_name, 0);
		else if (what == 's')
			strs_add(&sums, &arena, entry->d_name);
	}
	closedir(list);
	for (size_t i = 0; i < sums.n && rc == 0; i++)
		rc = sum_up(dir, sums.v[i], why);
	arena_free(&arena);
	return rc;
}

int
tlsrpt_store_tidy(const char *dir, int64_t now, struct fail *why)
{
	char oldest[TLSRPT_DAY_BYTES];
	int fd = open_dir(dir, false, why);

	if (fd == -2)
		return 0;
	if (fd < 0)
		return -1;
	tlsrpt_day_str(now - (int64_t)LIMIT_TLSRPT_KEPT_DAYS * DAY_S, oldest);
	int lock = lock_sums(fd, clock_ms(), why);
	int rc = lock < 0 ? (why->code == FAIL_TIMEOUT ? 0 : -1) : tidy(fd, oldest, why);
	if (lock >= 0)
		close(lock);
	close(fd);
	return rc == 0 ? 0 : fail_prefix(why, "%s", dir);
}

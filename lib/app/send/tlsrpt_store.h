#ifndef APP_SEND_TLSRPT_STORE_H
#define APP_SEND_TLSRPT_STORE_H

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/map.h"
#include "base/slice.h"

/*
 * What sessions counted as, kept for the reports of RFC 8460: a folder with, for each day (UTC), files of lines of JSON
 * (struct tlsrpt_session_facts):
 *
 *   2026-11-23       every process that delivers appends to it, one line a session
 *   2026-11-23.N     the same, put aside to be summed up as number N
 *   2026-11-23.sum   lines that were the same, summed up; its first line says up to which N
 *
 * Appending never waits: an appender holds a shared lock for its one write, and where somebody has put the file aside
 * and locked it, there is a new one at its place. So any number of runners lose nothing. Nothing is synced: a report
 * is a statistic, and no delivery is held up for it. Only the owner of the folder writes in it, and nobody where
 * others may. These calls block on the disk.
 */

/* The day of a time: "2026-11-23". Into out. */
#define TLSRPT_DAY_BYTES 11
void tlsrpt_day_str(int64_t unix_seconds, char out[TLSRPT_DAY_BYTES]);
/* Its first second, or -1 when text is not a day of the years 1970 to 9999. */
int64_t tlsrpt_day_parse(const char *text);

/*
 * Append one line to the file of now's day, with sessions 1 where it says 0. Makes the folder. Failures are the log's,
 * once a process; a day that is full (LIMIT_TLSRPT_DAY_BYTES) takes no more.
 */
void tlsrpt_store_append(const char *dir, const struct tlsrpt_session_facts *facts, int64_t now);

/*
 * Sum up days that have grown (LIMIT_TLSRPT_SUM_BYTES), drop those older than LIMIT_TLSRPT_KEPT_DAYS. Cheap when there is
 * nothing to do; does nothing while another process is at it. A missing folder is no failure. Fails with STORAGE,
 * STORAGE_FULL, PERMISSION.
 */
int tlsrpt_store_tidy(const char *dir, int64_t now, struct fail *why);

/* The results of one day, lines that are the same summed up. */
struct tlsrpt_day {
	struct arena arena;
	struct map by_key;
	struct tlsrpt_session_facts **rows; /* in the order of domain, policy, failure */
	size_t n, cap;
	uint64_t dropped; /* sessions beyond LIMIT_TLSRPT_ROWS different rows */
	uint64_t bad;     /* lines that could not be read */
};

void tlsrpt_day_init(struct tlsrpt_day *day);
void tlsrpt_day_free(struct tlsrpt_day *day);
/* Pure: take the lines of a file in; a line cut off at the end counts as bad. */
void tlsrpt_day_read(struct tlsrpt_day *day, struct slice text);
/* Pure: all rows as lines. */
int tlsrpt_day_write(const struct tlsrpt_day *day, struct buf *out);
/* Pure: rows sorted by domain, policy, and failure; successes first. */
void tlsrpt_day_sort(struct tlsrpt_day *day);

/*
 * Read a day; nothing is kept: no rows. Waits for a process that sums it up, 10 s at most. Fails with STORAGE,
 * PERMISSION, TIMEOUT.
 */
int tlsrpt_store_load(const char *dir, const char *day, struct tlsrpt_day *day_r, struct fail *why);

#endif

#ifndef APP_REPORT_H
#define APP_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/report/mail.h"
#include "app/report/survey.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/facts_scan.h"
#include "base/fail.h"

/*
 * mxtls report: from logs of mail to figures (report_mail.h), and, what the rest of this is about, from the records of surveys to figures. Records are streamed; what is kept is counted
 * (report_survey.h). Lines that are no records are told, counted and passed over.
 *
 * Files of one day are one survey (parts of a list, or a list that was continued); of several
 * surveys the newest is what the figures are about, and all together are its trend.
 */

enum report_grouping { REPORT_BY_DAY, REPORT_BY_FILE, REPORT_AS_ONE };

struct report_options {
	enum report_grouping grouping;
	bool anonymize;    /* no names of domains, MX hosts, providers, files */
	bool name_domains; /* name domains also where there are many */
	size_t top;        /* rows of a long table for people */
	const char *title; /* NULL: the default */
	bool verbose;      /* tell how many records each file had */
	/* A line that was left out, as "FILE:LINE: text"; and what verbose tells. */
	void (*complain)(const char *text);
};

#define REPORT_NAMES_MAX \
	1000 /* domains in a survey whose findings may be named without being asked to */
#define REPORT_VERDICTS 16 /* room for the values of enum verdict */

/* What became of the domains of an older survey. */
struct report_compare {
	struct report_survey *old;                        /* NULL: nothing to compare with */
	struct report_set verdicts;                       /* of its domains; see report_compare.c */
	uint64_t moves[REPORT_VERDICTS][REPORT_VERDICTS]; /* from, to */
	uint64_t common, added, gone;                     /* domains in both, in one only */
	uint64_t better, worse, same, lost,
	    found; /* of those in both; lost: not measured any more */
	struct report_findings worsened;
};

struct report {
	struct report_options options;
	struct report_survey **surveys; /* by day, the newest last */
	size_t surveys_n, surveys_cap;
	struct report_compare compare;
	struct report_mail *mail; /* NULL: the lines are records of surveys */
	struct report_mail
	    *mail_reader;         /* the same, as soon as there was a line that is no record */
	uint64_t lines, left_out; /* lines read; lines that are no records */
	uint64_t records;         /* counted */
	uint64_t late;            /* records of a survey that was closed already */
	struct facts_scan_note note;
	/* while reading */
	struct report_survey *current;
	bool reading_old;
	char newest_day[11]; /* of the files: that is what is compared with the older survey */
	struct facts_scan *scan, *scan_host, *scan_cert, *scan_meta;
	struct arena arena;
	struct target_facts target;
};

struct report *report_new(const struct report_options *options);
void report_free(struct report *report);

/*
 * Read the older survey of a comparison; before report_read. Paths "-": standard input. Fails with NO_INPUT (a
 * file that cannot be opened or read).
 */
int report_read_old(struct report *report, char *const *paths, size_t n, struct fail *why);
/* Read records of all files, sorted by day. Fails likewise. */
int report_read(struct report *report, char *const *paths, size_t n, struct fail *why);
/* All was read. False when there was no record at all. */
bool report_finish(struct report *report);

/* After report_finish, without mail: the survey that the figures are about. */
const struct report_survey *report_newest(const struct report *report);
/* Whether findings are shown with the names of their domains. */
bool report_names_domains(const struct report *report);

/* One record of the newer survey, or of the older one. */
void report_compare_old(struct report_compare *compare, const struct target_facts *target);
void report_compare_new(struct report_compare *compare, const struct target_facts *target);
void report_compare_finish(struct report_compare *compare);
/* Better: -1, worse: 1, neither: 0, for a domain whose verdict changed. */
int report_compare_direction(enum verdict from, enum verdict to);

/* Write the report. json: one object in one line. */
void report_write_json(const struct report *report, struct buf *out);
void report_write_text(const struct report *report, struct buf *out);
void report_write_tsv(const struct report *report, struct buf *out);
void report_write_markdown(const struct report *report, struct buf *out);
/* A page in one file, without scripts and without anything to load. */
void report_write_html(const struct report *report, struct buf *out);

#endif

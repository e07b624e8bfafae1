#ifndef PROBE_PROGRESS_H
#define PROBE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/survey/survey.h"

/*
 * How far a survey is: one line on a terminal, one line of JSON in a file for machines, and the line
 * of the terminal whenever SIGUSR1 comes.
 */
struct probe_progress {
	const char *path; /* of the status file; NULL: none */
	bool terminal;
	bool complained; /* the status file cannot be written: said once */
	int64_t told_ms; /* when the terminal's line was renewed */
	size_t width;    /* of that line */
};

/* path: of the status file, NULL = none. */
void probe_progress_init(struct probe_progress *p, const char *path);
/* As survey_options.progress; ctx is the struct probe_progress. */
void probe_progress_show(const struct survey_status *status, void *ctx);
/* The last word: what is on the terminal goes, the file stays, with state. */
void
probe_progress_end(struct probe_progress *p, const struct survey_status *status, const char *state);

/* Pure: the line for people, without newline; the line for machines, with it. now_ms: monotonic. */
void probe_progress_line(const struct survey_status *status, int64_t now_ms, struct buf *out);
void probe_progress_json(
    const struct survey_status *status, const char *state, int64_t now_ms, struct buf *out);

#endif

#ifndef APP_REPORT_VIEW_H
#define APP_REPORT_VIEW_H

#include "app/report/report.h"

/*
 * What all formats of a report show alike: which rows in which order, names that --anonymize takes
 * away, numbers as people write them.
 */
struct report_view_row {
	const char *name, *label;
	uint64_t n[REPORT_LEVELS];
	size_t merged; /* values that this row stands for, above 0 only in the row of the rest */
};

/*
 * Rows of a table, to be freed. top: 0 for programs, who get every row; else the number of rows for people,
 * who get no rows of zeros in long tables.
 */
struct report_view_row *
report_view_rows(const struct report *report, enum report_table table, size_t top, size_t *n_r);

enum report_breakdown_id { REPORT_PROVIDERS, REPORT_TLDS, REPORT_RANKS, REPORT_BREAKDOWNS };
struct report_breakdown_info {
	const char *id, *title, *column, *note;
};
extern const struct report_breakdown_info report_breakdowns[REPORT_BREAKDOWNS];
const struct report_breakdown *
report_view_breakdown(const struct report_survey *survey, enum report_breakdown_id id);
/* Name of the i-th group, in out where --anonymize takes the true one away. */
const char *report_view_group(
    const struct report *report, enum report_breakdown_id id, size_t i, char *out, size_t out_size);

/* "1,234,567" */
void report_view_number(uint64_t n, char out[32]);
/* "97.1 %"; never 0 or 100 where it is not; "-" of nothing. Two decimals below 10 percent of no more than that. */
void report_view_percent(uint64_t n, uint64_t of, char out[16]);
/* Percent points between two shares, "+1.2" or "-0.3"; "-" where one is of nothing. */
void report_view_points(struct report_share from, struct report_share to, char out[16]);
/* Percent for programs: rounded to two decimals; negative of nothing. */
double report_view_share(uint64_t n, uint64_t of);

/* "domains", ... for --anonymize: nothing that names anybody. */
const char *report_title(const struct report *report);
/* "1,000 names on 2026-01-31" */
void report_subtitle(const struct report *report, struct buf *out);

struct report_denominator_info {
	const char *id, *title, *meaning;
	size_t offset; /* in struct report_denominators */
	unsigned levels;
};
#define REPORT_DENOMINATORS 6
extern const struct report_denominator_info report_denominators[REPORT_DENOMINATORS];
uint64_t
report_denominator(const struct report_survey *survey, size_t which, enum report_level level);

#endif

#ifndef APP_REPORT_HTML_H
#define APP_REPORT_HTML_H

#include "app/report/view.h"
#include "base/buf.h"

/*
 * Parts of the page that mxtls report writes. Charts are CSS grids with one small SVG a bar, sized in
 * percent, so that text keeps its size on every screen; each chart has a table with all numbers.
 */
extern const char report_style[];

/* From the doctype to the opening of the page's frame. */
void html_head(struct buf *out, const char *title);

/* Remote text: control characters as \xHH, markup as entities. At most max_bytes before that. */
void html_text(struct buf *out, const char *text, size_t max_bytes);
/* The same within an attribute in double quotes. */
void html_attribute(struct buf *out, const char *text, size_t max_bytes);
void html_number(struct buf *out, uint64_t n);
void html_percent(struct buf *out, uint64_t n, uint64_t of);

/* A track with a bar of n of max; class of the bar's colour. */
void html_bar(struct buf *out, const char *colour, uint64_t n, uint64_t max);
/* One bar of parts that add up to "of". colours: class suffixes, 1 to 8, one a part. */
void
html_segments(struct buf *out, const uint64_t *parts, const int *colours, size_t n, uint64_t of);
/* A line through shares (in percent, negative: none) at equal distances, from 0 to max. */
void html_line(struct buf *out, const double *values, size_t n, double max);

/* A distribution: bars by domain with marks for MX hosts and addresses, and its table. */
void html_distribution(struct buf *out, const struct report *report, enum report_table table);
/* The table of a distribution, folded. */
void html_table(struct buf *out, const struct report *report, enum report_table table);
/* Providers, TLDs, ranks. */
void html_breakdown(struct buf *out, const struct report *report, enum report_breakdown_id id);
/* Domains to look after. */
void html_findings(struct buf *out, const struct report *report,
    const struct report_findings *findings, bool with_before, const char *id);

/* Colour of a verdict, 1 (good) to 7 (bad), 8 for what says neither. */
int html_verdict_colour(enum verdict verdict);
/* "of 18,138 domains measured" and the like. */
const char *html_basis(enum report_basis basis);

/* Whole sections. */
void html_trend(struct buf *out, const struct report *report);
void html_compare(struct buf *out, const struct report *report);

#endif

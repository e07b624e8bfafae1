#ifndef APP_SEND_TLSRPT_REPORT_H
#define APP_SEND_TLSRPT_REPORT_H

#include "app/send/tlsrpt_store.h"
#include "base/buf.h"

/*
 * The report of one day about one domain (RFC 8460 s4.4), made of the sorted rows of the store. Pure.
 */
struct tlsrpt_report {
	const char *organization; /* who reports */
	const char *sender;       /* our domain, for the id and the file's name */
	const char *contact;      /* address to ask */
	const char *day;          /* "2026-11-23" */
	const char *domain;
	struct tlsrpt_session_facts *const
	    *rows; /* of this domain, in the order of tlsrpt_day_sort */
	size_t n;
};

/* The first n rows of day from "from" on that have one domain: how many. */
size_t tlsrpt_report_rows(const struct tlsrpt_day *day, size_t from);

/* Sessions that succeeded, and that failed. */
void tlsrpt_report_count(const struct tlsrpt_report *report, int64_t *good_r, int64_t *failed_r);

/* The JSON, with a newline at its end. */
void tlsrpt_report_json(const struct tlsrpt_report *report, struct buf *out);

/*
 * Its file name (s5.1): "mail.example!company-y.example!1470013207!1470186007!ID.json.gz", without .gz where it is not
 * compressed. Both domains are A-labels. In arena.
 */
const char *
tlsrpt_report_name(const struct tlsrpt_report *report, bool compressed, struct arena *arena);

/* One line for people about each policy and each failure. */
void tlsrpt_report_text(const struct tlsrpt_report *report, struct buf *out);

#endif

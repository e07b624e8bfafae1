#ifndef APP_REPORT_MAIL_H
#define APP_REPORT_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/listen/inbound_stats.h"
#include "app/report/tally.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/facts_scan.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The other thing that mxtls report reads: logs. Of mail that came (mxtls listen --log json, a line of inbound_facts each)
 * and of mail that went (--log-format json of send and queue, a line of delivery_facts for each recipient): how much
 * of it was encrypted, by domain and by network. Memory is bounded (LIMIT_REPORT_SENDERS).
 */
enum report_mail_way { REPORT_MAIL_RECEIVED, REPORT_MAIL_SENT, REPORT_MAIL_WAYS };

/* Numbers of a row or of all messages: title, and what they count. */
enum report_mail_tally {
	REPORT_MAIL_VERSION,
	REPORT_MAIL_CIPHER,
	REPORT_MAIL_GROUP,
	REPORT_MAIL_TALLIES
};

struct report_mail_counts {
	struct inbound_stats stats; /* networks: of clients; of servers with mail that went */
	struct report_tally
	    tallies[REPORT_MAIL_TALLIES]; /* of all; n[REPORT_DOMAINS] of a row are messages */
	uint64_t post_quantum;
	int64_t first, last; /* times of messages; 0: none */
	/* what became no message: received: refused, handshakes that failed, connections turned away; sent: deferred, failed */
	uint64_t refused, tls_failed, turned_away, deferred, failed;
	uint64_t lines;
};

struct report_mail {
	struct report_mail_counts ways[REPORT_MAIL_WAYS];
	struct facts_scan *inbound, *delivery;
};

struct report_mail_info {
	const char *id, *title, *domains,
	    *networks; /* "received", "Mail received", "claimed domain of the sender", ... */
};
extern const struct report_mail_info report_mail_infos[REPORT_MAIL_WAYS];
extern const char *const report_mail_tally_ids[REPORT_MAIL_TALLIES];    /* "version" */
extern const char *const report_mail_tally_titles[REPORT_MAIL_TALLIES]; /* "TLS version" */

struct report_mail *report_mail_new(void);
/* mail may be NULL. */
void report_mail_free(struct report_mail *mail);

/*
 * Count a line, if it is one of a log: 1. 0: it is another kind of line. Fails (-1) with MESSAGE: it says to be of a log,
 * but is not JSON, or wrong.
 */
int report_mail_line(struct report_mail *mail, struct slice line, struct arena *arena,
    struct facts_scan_note *note, struct fail *why);

/* Messages of this way; 0: nothing to tell of it. */
uint64_t report_mail_messages(const struct report_mail *mail, enum report_mail_way way);
/* "domain 3" with anonymize, "<>" for the null sender. In out where it is not the row's own. */
const char *report_mail_name(
    const char *name, bool anonymize, const char *kind, size_t i, char *out, size_t out_size);
/* What a row shows most often, of counts of kinds; "" when nothing. */
const char *report_mail_most(const struct inbound_stats *stats, const struct inbound_count *counts);
const char *report_mail_most_version(const struct inbound_row *row);
/* The sum of the rows from top on and of those without room. Names the sum NULL; returns how many rows. */
size_t report_mail_rest(const struct inbound_table *table, struct inbound_row *const *rows,
    size_t top, struct inbound_row *rest_r);

/* As report_write_*; the report has its mail. */
struct report;
void report_mail_json(const struct report *report, struct buf *out);
void report_mail_tsv(const struct report *report, struct buf *out);
void report_mail_prose(const struct report *report, struct buf *out, bool markdown);
void report_mail_html(const struct report *report, struct buf *out);

#endif

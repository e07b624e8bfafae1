#ifndef APP_LISTEN_INBOUND_STATS_H
#define APP_LISTEN_INBOUND_STATS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/map.h"

/*
 * How much of the mail that was taken came encrypted: per sender domain and per client network, in bounded memory. A
 * domain is what the sender claims (reference listen.md S29). When the table is full, a name that was
 * seen once makes room; what it counted goes to "other".
 */
#define INBOUND_STATS_KINDS 4 /* ciphers, groups kept of one row; the rest is "other" */

struct inbound_count {
	uint8_t kind; /* into the names; 0: unused */
	uint64_t n;
};

struct inbound_row {
	char *name; /* NULL: not used */
	uint64_t messages, tls;
	uint64_t versions[5]; /* other, TLSv1.0 to 1.3 */
	struct inbound_count
	    ciphers[INBOUND_STATS_KINDS]; /* what is not among them: tls minus all */
	struct inbound_count groups[INBOUND_STATS_KINDS];
	int64_t last, last_clear; /* Unix seconds, 0: never */
};

struct inbound_table {
	struct inbound_row *rows;
	size_t n, max, hand;
	struct map names; /* to rows */
	struct inbound_row other;
};

struct inbound_stats {
	int64_t since;
	struct inbound_row total;
	struct inbound_table domains, networks;
	struct strs kinds; /* names of ciphers and groups, from 1 on */
	struct arena arena;
};

/* rows: of each table at most. now: Unix seconds. */
void inbound_stats_init(struct inbound_stats *s, size_t rows, int64_t now);
void inbound_stats_free(struct inbound_stats *s);

/* Count a message that was taken. Other events are passed over. */
void inbound_stats_add(struct inbound_stats *s, const struct inbound_facts *facts);

/*
 * For whoever shows them otherwise (report_mail.h): the rows by number of messages, to be freed; a row as a
 * JSON object; names of versions by their number.
 */
struct json;
struct inbound_row **inbound_table_sorted(const struct inbound_table *t);
void inbound_row_json(const struct inbound_stats *s, struct json *j, const struct inbound_row *row);
#define INBOUND_VERSIONS 5
extern const char *const inbound_versions[INBOUND_VERSIONS];

/* One JSON object and a newline; rows by number of messages. Returns 0, or -1 when out is full. */
int inbound_stats_json(const struct inbound_stats *s, int64_t now, struct buf *out);
#define INBOUND_STATS_BYTES (64 * 1024 * 1024)

/* Replace the file by a new one, whole or not at all. Fails with CANT_CREATE. */
int
inbound_stats_write(const struct inbound_stats *s, const char *path, int64_t now, struct fail *why);

/* A few lines into the log: all, and the domains with most messages. */
void inbound_stats_log(const struct inbound_stats *s);

#endif

#ifndef APP_REPORT_TALLY_H
#define APP_REPORT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/slice.h"

/*
 * The tables of a report (report_tables.def), and counting in them. A table has rows for values,
 * and for each row three counts: of domains, MX hosts and addresses.
 */

enum report_level { REPORT_DOMAINS, REPORT_HOSTS, REPORT_ADDRESSES, REPORT_LEVELS };

enum report_basis {
	REPORT_BASIS_NAMES,
	REPORT_BASIS_MAIL,
	REPORT_BASIS_MEASURED,
	REPORT_BASIS_TLS,
	REPORT_BASIS_TLSA
};

enum report_table {
#define TABLE(id, token, levels, basis, order, title, note) REPORT_TABLE_##id,
#include "app/report/tables.def"
#undef TABLE
	REPORT_TABLES
};

/* A value of a table whose values are known beforehand. */
struct report_word {
	const char *token; /* JSON, TSV */
	const char *label; /* for people; NULL: the token */
};

struct report_table_info {
	const char *id, *title, *note;
	unsigned levels; /* 1 << level */
	enum report_basis basis;
	bool by_count; /* rows come by their count, not in the order of words */
	const struct report_word *words;
	size_t words_n;
};

extern const struct report_table_info report_tables[REPORT_TABLES];
extern const char *const report_level_ids[REPORT_LEVELS];    /* "domains", "mx_hosts", ... */
extern const char *const report_level_titles[REPORT_LEVELS]; /* "domains", "MX hosts", ... */

/* Words of the tables that no enum of facts.def has: their values are their rows. */
enum report_starttls {
	REPORT_STARTTLS_ALL,
	REPORT_STARTTLS_SOME,
	REPORT_STARTTLS_NONE,
	REPORT_STARTTLS_UNKNOWN
};
enum report_identity {
	REPORT_IDENTITY_TRUSTED,
	REPORT_IDENTITY_NAMED,
	REPORT_IDENTITY_PROVED,
	REPORT_IDENTITY_EXPIRED,
	REPORT_IDENTITY_SELF_SIGNED,
	REPORT_IDENTITY_INCOMPLETE
};
enum report_dane { /* from the least to the most telling: that of a domain is the highest of its hosts' */
	REPORT_DANE_NOT_CHECKED,
	REPORT_DANE_NONE,
	REPORT_DANE_INSECURE,
	REPORT_DANE_UNMEASURED,
	REPORT_DANE_UNUSABLE,
	REPORT_DANE_INSECURE_MX,
	REPORT_DANE_VALID,
	REPORT_DANE_PARTIAL,
	REPORT_DANE_ERROR,
	REPORT_DANE_NO_TLS,
	REPORT_DANE_MISMATCH,
	REPORT_DANE_BOGUS
};
enum report_sts {
	REPORT_STS_NOT_CHECKED,
	REPORT_STS_NONE,
	REPORT_STS_ENFORCE,
	REPORT_STS_ENFORCE_MISMATCH,
	REPORT_STS_TESTING,
	REPORT_STS_TESTING_MISMATCH,
	REPORT_STS_MODE_NONE,
	REPORT_STS_RECORD_INVALID,
	REPORT_STS_FETCH_ERROR,
	REPORT_STS_WEBPKI_INVALID,
	REPORT_STS_POLICY_INVALID,
	REPORT_STS_DNS_ERROR
};
enum report_ipv6 { REPORT_IPV6_RECORD, REPORT_IPV6_REACHABLE, REPORT_IPV6_STARTTLS };
enum report_not_asked {
	REPORT_NOT_ASKED_RATELIMIT,
	REPORT_NOT_ASKED_EXCLUDED,
	REPORT_NOT_ASKED_MX
};

struct report_row {
	char *name; /* bytes as they came; escaped at every output */
	uint64_t n[REPORT_LEVELS];
};

struct report_tally {
	const struct report_table_info *info;
	struct report_row *rows;
	size_t n, cap;
	struct map by_name;         /* row number + 1 */
	uint64_t of[REPORT_LEVELS]; /* what 100 percent are */
	bool full;                  /* some values are counted in the row "(other)" */
};

void report_tally_init(struct report_tally *tally, enum report_table table);
void report_tally_free(struct report_tally *tally);
/* The row of a value; a new one when there is room (LIMIT_REPORT_ROWS), else that of "(other)". */
size_t report_tally_row(struct report_tally *tally, struct slice value);
/* What people call the row: its label, or its name. */
const char *report_tally_label(const struct report_tally *tally, size_t row);
/*
 * Row numbers in the order to show: by words or by count (of domains, else of hosts). Rows of
 * countable tables without any count are left out. Into order (tally->n places); returns how many.
 */
size_t report_tally_order(const struct report_tally *tally, size_t *order);

#endif

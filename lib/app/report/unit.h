#ifndef APP_REPORT_UNIT_H
#define APP_REPORT_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/report/set.h"
#include "app/report/tally.h"
#include "base/facts.h"
#include "base/limits.h"

/*
 * What one address, one MX host or one domain shows: how often, and which values in which table. That
 * of an MX host is made of those of its addresses, that of a domain of those of its MX hosts. Pure;
 * the tallies are where values get their numbers.
 */
struct report_unit {
	uint32_t addresses, reachable, measured, encrypted; /* of them: addresses */
	/* complete handshakes, and those of them that ... */
	uint32_t handshakes, trusted, named, proved, expired, self_signed, incomplete;
	enum report_dane dane; /* MX hosts and domains */
	uint32_t hosts;        /* domains: MX hosts merged */
	bool resolved;         /* domain: the name exists; MX host: has an address */
	bool accepts_mail;     /* domain: MX or address; always true for the others */
	bool ipv6_record, ipv6_reachable, ipv6_encrypted;
	/* domains only */
	enum report_sts sts;
	bool tlsrpt;
	enum verdict verdict;
	bool old_tls;             /* below TLS 1.2 */
	bool tls13, post_quantum; /* at one handshake at least */
	bool tlsa;                /* has TLSA records */
	bool ratelimited;         /* some certificates were not asked for (DECISIONS D28) */
	uint32_t values_n;
	uint32_t values[LIMIT_REPORT_VALUES]; /* table << 16 | row */
};

void report_unit_init(struct report_unit *unit);
/* Note a value once. Values beyond LIMIT_REPORT_VALUES are lost. */
void report_unit_value(struct report_unit *unit, enum report_table table, size_t row);
/* One more address of an MX host; one more MX host of a domain. */
void report_unit_merge(struct report_unit *whole, const struct report_unit *part);
void report_unit_merge_host(struct report_unit *domain, const struct report_unit *host);

/*
 * One address. target: for its certificates; those that are not there are looked for in leaves, by
 * fingerprint. tallies: REPORT_TABLES of them.
 */
struct report_store;
void report_unit_address(struct report_unit *unit, const struct target_facts *target,
    const struct report_store *leaves, const struct host_facts *host, struct report_tally *tallies);
/* One certificate: the values that a handshake with it has. */
void report_unit_leaf(
    struct report_unit *unit, const struct cert_facts *leaf, struct report_tally *tallies);
/* An address that another line told about, as a domain refers to it. */
void report_unit_referred(struct report_unit *unit, const struct report_unit *stored,
    const struct host_facts *host, struct report_tally *tallies);
/* A copy on the heap that holds no more values than there are. */
struct report_unit *report_unit_pack(const struct report_unit *unit);

/* Units by name, packed: what lines of surveys refer to. The last one of a name counts. */
struct report_store {
	struct report_set names; /* index into units */
	struct report_unit **units;
	size_t n, cap;
};
void report_store_init(struct report_store *store);
void report_store_free(struct report_store *store);
/* False when there is no room (LIMIT_REPORT_SERVERS). */
bool
report_store_put(struct report_store *store, struct slice name, const struct report_unit *unit);
/* NULL when there is none. */
const struct report_unit *report_store_get(const struct report_store *store, struct slice name);
/* What an MX host is beyond its addresses, which were merged before. */
void report_unit_host(
    struct report_unit *unit, const struct exchange_facts *mx, struct report_tally *tallies);
/* What a domain is beyond its MX hosts, which were merged before. */
void report_unit_domain(
    struct report_unit *unit, const struct target_facts *target, struct report_tally *tallies);

/* How many of the measured addresses encrypt. */
enum report_starttls report_unit_starttls(const struct report_unit *unit);
/* Every address encrypts, with a trusted certificate that names the MX host, at every handshake. */
bool report_unit_proved(const struct report_unit *unit);
/* Whether the unit is one of those that 100 percent of a table are made of. */
bool report_unit_counts(const struct report_unit *unit, enum report_basis basis);
/* Count it in every table that has this level. */
void report_unit_count(
    const struct report_unit *unit, enum report_level level, struct report_tally *tallies);

/* A key exchange group: ML-KEM (X25519MLKEM768 and the like), and Kyber before it had its name. NULL is none. */
bool report_is_post_quantum(const char *group);

/* Parts, for tests. */
/* Row of a number in DAYS_LEFT and LIFETIME. */
size_t report_bucket_days_left(int64_t days);
size_t report_bucket_lifetime(int64_t days);
/*
 * Who issued: the organisation in a distinguished name of RFC 2253 form, else its common name, else
 * all of it. Into out, unescaped, cut where out is full.
 */
void report_issuer(const char *dn, char *out, size_t out_size);

#endif

#ifndef APP_REPORT_SURVEY_H
#define APP_REPORT_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/report/breakdown.h"
#include "app/report/set.h"
#include "app/report/tally.h"
#include "app/report/unit.h"
#include "base/facts.h"

/*
 * One survey, counted. Memory grows with what is distinct (MX hosts, addresses, providers, values),
 * each with a bound of its own, never with the records.
 *
 * MX hosts and addresses count once, as they were seen when they were first measured; those that never
 * were, as they were seen first.
 */

/* How many there are of a kind, from all down to those that could be judged. */
struct report_denominators {
	uint64_t names;       /* records; distinct MX hosts; distinct addresses */
	uint64_t resolved;    /* domains that exist; MX hosts with an address */
	uint64_t accept_mail; /* domains only */
	uint64_t reachable;   /* with a connection to one address at least */
	uint64_t measured;    /* with an answer about STARTTLS from one address at least */
	uint64_t with_tls;    /* with one complete handshake at least */
};

/* A domain to look after. */
struct report_finding {
	char *domain, *reason; /* reason NULL: none given */
	int64_t rank;          /* -1: none */
	enum verdict verdict;
	enum verdict before; /* comparisons: the verdict of the older survey */
};

/* The worst of all that were offered, at most max. */
struct report_findings {
	struct report_finding *list;
	size_t n, max;
	uint64_t offered;
};

/* Servers seen so far; those not yet measured wait for a better record. */
struct report_servers {
	struct report_set seen; /* 1: counted; else index into waiting, plus 2 */
	struct report_unit *
	    *waiting; /* with as many values as they have; NULL: has been measured */
	size_t waiting_n, waiting_cap;
	uint64_t left_out; /* sightings of servers that found no room */
};

/*
 * The figures on top of a report: FIGURE(ID, "id", more is better, levels, basis, "title", "meaning",
 * whether a unit has it). Levels: D domains, H MX hosts, A addresses. Basis: REPORT_BASIS_.
 */
#define REPORT_FIGURES(FIGURE) \
	FIGURE(STARTTLS, "starttls", true, D | H | A, MEASURED, "STARTTLS", \
	    "encrypt at every address that answered", \
	    report_unit_starttls(unit) == REPORT_STARTTLS_ALL) \
	FIGURE(TRUSTED, "trusted", true, D | H | A, MEASURED, "Trusted certificates", \
	    "trusted and for the right name, at every address", report_unit_proved(unit)) \
	FIGURE(TLS13, "tls13", true, D | H | A, TLS, "TLS 1.3", \
	    "negotiated at an address at least", unit->tls13) \
	FIGURE(PQ, "post_quantum", true, D | H | A, TLS, "Post-quantum", \
	    "key exchange with ML-KEM at an address at least", unit->post_quantum) \
	FIGURE(DANE, "dane", true, D | H, MAIL, "DANE", "valid TLSA records at every MX host", \
	    unit->dane == REPORT_DANE_VALID) \
	FIGURE(STS, "mta_sts", true, D, MAIL, "MTA-STS", "publish a policy that is enforced", \
	    unit->sts == REPORT_STS_ENFORCE) \
	FIGURE( \
	    TLSRPT, "tlsrpt", true, D, MAIL, "TLSRPT", "ask for reports about TLS", unit->tlsrpt) \
	FIGURE( \
	    IPV6, "ipv6", true, D | H, MAIL, "IPv6", "reachable over IPv6", unit->ipv6_reachable) \
	FIGURE(PLAINTEXT, "plaintext", false, D | H | A, MEASURED, "Clear text only", \
	    "no STARTTLS at any address that answered", \
	    report_unit_starttls(unit) == REPORT_STARTTLS_NONE) \
	FIGURE(OLD_TLS, "old_tls", false, D | H | A, TLS, "TLS 1.0 and 1.1", \
	    "negotiated at an address at least", unit->old_tls) \
	FIGURE(EXPIRED, "expired", false, D | H | A, TLS, "Expired certificates", \
	    "at an address at least", unit->expired > 0) \
	FIGURE(BROKEN, "broken", false, D, MAIL, "Broken policies", \
	    "a policy of their own makes senders fail", unit->verdict == VERDICT_BROKEN)

enum report_figure {
#define FIGURE(id, token, good, levels, basis, title, meaning, has) REPORT_FIGURE_##id,
	REPORT_FIGURES(FIGURE)
#undef FIGURE
	    REPORT_FIGURES_N
};

struct report_figure_info {
	const char *id, *title, *meaning;
	bool good;       /* more is better */
	unsigned levels; /* 1 << level */
	enum report_basis basis;
};
extern const struct report_figure_info report_figures[REPORT_FIGURES_N];

struct report_share {
	uint64_t n, of;
};

struct report_survey {
	char day[11];        /* "2026-01-31", of its first record or line about itself */
	int64_t start;       /* of the part being read, as its first line tells; 0: not told */
	int64_t first, last; /* times of its records, Unix seconds; 0: none */
	uint64_t records, files;
	char *tool, *options; /* what the file says about how it was made; NULL: nothing */
	struct report_denominators denominators[REPORT_LEVELS];
	struct report_tally tallies[REPORT_TABLES];
	struct report_breakdown providers, tlds, ranks;
	struct report_findings findings;
	struct report_share figures[REPORT_FIGURES_N][REPORT_LEVELS];
	struct report_servers hosts, addresses;
	struct report_store leaves, refs;         /* certificates and hosts of lines of their own */
	struct report_unit domain, host, address; /* being counted */
	bool closed;
};

struct report_survey *report_survey_new(const char *day);
void report_survey_free(struct report_survey *survey);
/* Count one record. */
void report_survey_add(struct report_survey *survey, const struct target_facts *target);
/*
 * What lines of --dedupe-output tell, before the domains that refer to it: a certificate, and a host
 * (which loses its result_type: that is the domain's). False when there is no room.
 */
bool report_survey_cert(struct report_survey *survey, const struct cert_facts *cert);
bool report_survey_host(struct report_survey *survey, const char *ref, struct host_facts *host);
/* Whether all hosts that a domain refers to are there; else the first that is not. */
bool report_survey_knows(
    const struct report_survey *survey, const struct target_facts *target, const char **missing_r);
/* There are no more records: count what waits, sort, and give back what only counting needs. */
void report_survey_close(struct report_survey *survey);

/* Keep a finding if it is among the worst: by verdict, then by rank, then by order. Copies. */
void report_findings_init(struct report_findings *findings, size_t max);
void report_findings_add(struct report_findings *findings, const struct report_finding *finding);
void report_findings_free(struct report_findings *findings);

#endif

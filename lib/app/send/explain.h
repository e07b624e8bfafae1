#ifndef APP_SEND_EXPLAIN_H
#define APP_SEND_EXPLAIN_H

#include "app/send/deliver.h"
#include "policy/decide.h"

/*
 * What would happen to a message for an address: by the same code that delivers, with the same lookups, but
 * nothing is sent. Results live in the arena.
 */
struct explain_address {
	char ip[ADDR_TEXT_BYTES];
	int port;
	const struct rule *more[LIMIT_CONSTRAINTS]; /* the mx: and ip: rules there */
	size_t more_n;
	struct demand demand;
	/* with connect: what a session up to the decision found */
	bool connected;
	struct decision decision;
	struct host_facts facts;
	const char *error; /* NULL when nothing went wrong */
};

struct explain_host {
	const char *name;
	int64_t preference; /* -1: not by an MX record */
	const struct tlsa_facts *tlsa;
	const char *error; /* why it has no address; NULL */
	struct explain_address *addresses;
	size_t n;
};

struct explain {
	const char *text;        /* as it was asked for */
	const char *domain;      /* A-labels, or a literal with brackets */
	const struct rule *rule; /* as matched */
	struct rule effective;   /* with --via */
	enum dnssec mx_dnssec;
	const struct sts_facts *sts;       /* NULL: not asked for */
	const struct sticky_entry *sticky; /* what was seen before; NULL: not asked for */
	struct explain_host *hosts;
	size_t n;
	struct fail why; /* why there are no hosts; code NONE */
	int exit_status; /* as a delivery would end, as far as this can tell: 0, 75, 68, 69 */
};

struct explain_options {
	const struct deliver_options *deliver;
	bool connect; /* a session up to the decision at each address; no MAIL, no login */
	bool require_tls, tls_required_no;
};

/*
 * text: an address, or a domain alone. Every outcome about the destination is 0. Fails with ADDRESS,
 * DNS_NAME (text is neither), TLS_CONFIG.
 */
int explain(const struct explain_options *options, const char *text, struct arena *arena,
    struct explain *explain_r, int64_t deadline, struct fail *why);

/* Pure: for people, several lines; and one JSON object. */
void explain_text(const struct explain *e, struct buf *out);
void explain_json(const struct explain *e, struct buf *out);

#endif

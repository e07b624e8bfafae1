#ifndef APP_LISTEN_ACCEPT_H
#define APP_LISTEN_ACCEPT_H

#include <stdbool.h>

#include "app/exclude.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/map.h"
#include "io/addr.h"
#include "smtp/address.h"

/*
 * Whose mail `listen` takes: the recipients. Nobody's, until told. Filled before the loop starts, read-only then;
 * deciding is pure.
 */
struct rules;
struct accept {
	const char *hostname;       /* of the bare postmaster; kept, not copied */
	struct map domains;         /* taken as a whole: A-labels, lower case */
	struct map addresses;       /* taken one by one: user@domain, lower case, without quotes */
	struct map address_domains; /* of those */
	struct exclude relay_from;  /* clients that may send anywhere */
	bool relays;                /* there are some */
	const struct rules *rules;  /* may list address literals to relay to (DECISIONS A9); NULL */
};

void accept_init(struct accept *a, const char *hostname);
void accept_free(struct accept *a);

/*
 * --accept: a domain (U- or A-labels), an address, or, with a slash in it, a file of those: one a line,
 * # begins a comment. Fails with USAGE naming the text; CONFIG naming file and line, NO_INPUT.
 */
int accept_add(struct accept *a, const char *text, struct fail *why);

/*
 * --relay-from: an address or a network. 0.0.0.0/0 and ::/0 are refused (DECISIONS F43), and ::ffff:0:0/96,
 * which is the same. Fails with USAGE naming the text.
 */
int accept_relay_from(struct accept *a, const char *text, struct fail *why);

/* Whether a client may relay; peer NULL: unknown, no. */
bool accept_is_relay_client(const struct accept *a, const struct addr *peer);

/* A recipient as mailboxes are named after it. */
struct accept_name {
	char user[LIMIT_LOCAL_PART_BYTES + 1]; /* the meaning of the local part, ASCII lower case */
	char domain[LIMIT_DOMAIN_BYTES + 1];   /* A-labels, lower case */
	bool listed; /* the address was named by --accept, or is postmaster's */
};

/*
 * Decide about one recipient. 0: taken, -1: not.
 *
 * peer    who sends; NULL: unknown
 * name_r  filled when it is taken; "user+detail" is user's when only that one is listed. May be NULL
 * Fails with NXDOMAIN (no mail for that domain here), NO_USER (the domain's addresses are listed, and it is none of
 * them), REFUSED (routes inside of local parts, and address literals that no policy lists).
 *
 * Always taken: the bare postmaster, and postmaster of every domain that is accepted (RFC 5321 s4.5.1).
 */
int accept_rcpt(const struct accept *a, const struct addr *peer, const struct smtp_path *path,
    struct accept_name *name_r, struct fail *why);

#endif

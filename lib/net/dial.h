#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "io/addr.h"

/*
 * Connecting to one address of a mail server: whether we want to at all (DECISIONS A9), from which
 * source, and how long it took. Resolves nothing.
 */

/* Addresses that are refused before a packet is sent; or-ed together. */
enum dial_refuse {
	DIAL_REFUSE_PRIVATE = 1 << 0, /* addr_is_private: CONNECT_PRIVATE */
	DIAL_REFUSE_LOOP = 1 << 1     /* loopback, unspecified, and our own: CONNECT_SELF */
};

struct dial_options {
	/* Where connections come from (its port is 0), NULL: chosen by the system. An address of the
	 * other family cannot be reached then. */
	const struct addr *source;
	unsigned refuse; /* of enum dial_refuse */
};

/*
 * Pure: whether the rules let us connect. Returns 0, or -1 with why.
 * Fails with CONNECT_PRIVATE, CONNECT_SELF; with CONNECT_UNREACHABLE when source is of the other
 * family.
 */
int dial_check(const struct addr *to, const struct dial_options *options, struct fail *why);

/*
 * Connect. Returns the descriptor or -1.
 *
 * seconds_r  how long connecting took, also when it failed; negative when nothing was tried. May
 *            be NULL
 * Fails as dial_check, and with CONNECT_REFUSED, CONNECT_TIMEOUT, CONNECT_UNREACHABLE, CANCELLED, OS.
 */
int dial(const struct addr *to, const struct dial_options *options, double *seconds_r,
    int64_t deadline, struct fail *why);

/*
 * Whether an address leads back to this host: loopback, unspecified, or one that the system would connect to from
 * itself. Sends nothing.
 */
bool dial_is_self(const struct addr *to);

/* Whether connections can come from this address: 0, or -1 with why (USAGE). Sends nothing. */
int dial_source_check(const struct addr *source, struct fail *why);

#endif

#ifndef NET_HELO_H
#define NET_HELO_H

#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"

/*
 * The name a client gives in EHLO (RFC 5321 s4.1.1.1): this host's full name, else an address
 * literal; never "localhost" and never the name of the peer (DECISIONS E38).
 */

/* The address literal of a connection's own end: "[192.0.2.1]", "[IPv6:2001:db8::1]", in arena. */
const char *helo_literal(int fd, struct arena *arena);

/*
 * Check a name that the user gave: a host name (U-labels become A-labels) or an address literal.
 * Returns it in arena, or NULL with why (USAGE).
 */
const char *helo_parse(const char *text, struct arena *arena, struct fail *why);

#endif

#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include "dns/dns.h"

/*
 * Making answers. An answer is one block of memory: the struct, its records, then all bytes they
 * point at; so a cached answer costs what it holds. It belongs to whoever holds a reference.
 */

/* A copy of a (its pointers may go anywhere) in one block, with one reference. */
struct dns_answer *dns_answer_pack(const struct dns_answer *a);

/* An answer without records. error is copied; ttl 0, rcode and ede -1. */
struct dns_answer *dns_answer_failed(enum dns_status status, enum dnssec dnssec, const char *error);

/* True for the outcomes that say something about the name: OK, NODATA, NXDOMAIN. */
bool dns_answer_usable(const struct dns_answer *a);

/* How long it may be kept, in seconds: the TTL, cut to the limits of base/limits.h. */
uint32_t dns_answer_cache_ttl(const struct dns_answer *a);

/* One more reference. */
const struct dns_answer *dns_answer_hold(const struct dns_answer *a);

/* RFC 8914 s4: the purpose of an extended error, or NULL for a code we do not know. */
const char *dns_ede_str(int code);
/* RFC 1035 s4.1.1 and RFC 6895: "SERVFAIL"; NULL for a code we do not know. */
const char *dns_rcode_str(int rcode);

/* RFC 8914: codes that say that validation failed (6 to 12), in contrast to "could not be done". */
bool dns_ede_is_bogus(int code);

#endif

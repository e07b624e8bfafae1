#ifndef DNS_EXCHANGE_H
#define DNS_EXCHANGE_H

#include "dns/dns.h"

/*
 * One question to one resolver: a UDP datagram from a fresh connected socket (so each has a
 * random port, chosen by the system, beside its random id, RFC 5452 s9.2), TCP when the reply was
 * truncated, once more without EDNS0 when the resolver cannot read it.
 */

/*
 * server    address and port
 * trust_ad  AD of the reply counts
 * cd        checking disabled, see dns_message_build
 * name      normalised, or "." for the root
 * sent      counts what goes out
 * answer_r  the parsed reply, whatever it says; resolver and duration are not filled
 * Returns 0 or -1. Fails with TIMEOUT (nothing came that is a reply to this query), CANCELLED, OS, and
 * when the resolver cannot be reached IO, EOF or CONNECT_*.
 */
int dns_exchange(const struct addr *server, bool trust_ad, bool cd, const char *name,
    enum dns_type type, unsigned long *sent, struct dns_answer **answer_r, int64_t deadline,
    struct fail *why);

#endif

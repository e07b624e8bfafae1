#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "dns/dns.h"

/*
 * Messages on the wire (RFC 1035 s4): the query we send, and whether what came back is a reply to
 * it. Reading the reply's content is dns_message_parse (dns.h). All pure.
 */

/* Header, name, type and class, OPT record: the longest query we build. */
#define DNS_QUERY_BYTES (12 + 255 + 4 + 11)

/*
 * Build a query with RD and AD (RFC 6840 s5.7: "I understand AD") and, with edns, an OPT record
 * that announces LIMIT_DNS_UDP_BYTES and sets DO.
 *
 * name     normalised, or "." for the root
 * cd       checking disabled (RFC 4035 s3.2.2): the answer as it is, validated or not
 * Returns the length, 0 when name is not one.
 */
size_t dns_message_build(unsigned char out[DNS_QUERY_BYTES], uint16_t id, const char *name,
    enum dns_type type, bool edns, bool cd);

enum dns_match {
	DNS_MATCH_NOT_OURS, /* another id or question, or no reply at all: ignore it (RFC 5452 s9) */
	DNS_MATCH_REPLY,    /* may be parsed */
	DNS_MATCH_TRUNCATED, /* TC: ask again over TCP */
	DNS_MATCH_NO_EDNS    /* FORMERR, NOTIMP: perhaps for the OPT record (RFC 6891 s7) */
};

/* What n bytes that came back are to the query that was sent. */
enum dns_match dns_message_match(
    const unsigned char *data, size_t n, const unsigned char *query, size_t query_len);

#endif

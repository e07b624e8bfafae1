#ifndef APP_PROBE_TEXT_IMPL_H
#define APP_PROBE_TEXT_IMPL_H

#include "app/probe/text.h"

/*
 * What the files of probe_text share; nobody outside includes it. Lines have a label and a value:
 *   "    label         value"
 */

/* Remote or other text, escaped and cut; NULL is "?". */
void probe_text_put(struct buf *out, const char *text);
/* The start of a line. name "": the line goes on from the one above. */
void probe_text_label(struct buf *out, int indent, const char *name);
void probe_text_line(struct buf *out, int indent, const char *name, const char *value);
/* Nothing for an empty list; else its items, at most "most" of them, and how many more there are. */
void probe_text_list(
    struct buf *out, int indent, const char *name, const struct strs *list, size_t most);

/* "< 1 ms", "120 ms", "12.0 s" */
void probe_text_seconds(struct buf *out, double seconds);

/* All that is known of one address, from how its session ended to the deep look. */
void probe_text_host(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, int64_t now, struct buf *out);

/*
 * One handshake of an address: what was negotiated, the chain as sent, every error of its
 * verification, the names, DANE. Certificates are told by their number in facts->certs, from #1.
 * i: which of host->tls
 */
void probe_text_handshake(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, size_t i, int64_t now, struct buf *out);

/*
 * The certificates of facts in the order in which the text comes to them, those that no chain has
 * last. free(3) it; NULL when there are none.
 */
struct cert_facts *probe_text_sort_certificates(const struct target_facts *facts);

/* Every certificate that was seen, once, by its number. now: Unix seconds, for the days left. */
void probe_text_certificates(const struct target_facts *facts, int64_t now, struct buf *out);

/* "secure", "not checked" */
const char *probe_text_dnssec(enum dnssec dnssec);

/* What the domain publishes: MTA-STS and TLSRPT. */
void probe_text_policy(const struct target_facts *facts, struct buf *out);
/* What it says of one MX host: MTA-STS and CAA. */
void probe_text_exchange_policy(const struct exchange_facts *mx, struct buf *out);
/* What to do about them, as lines of advice. now: Unix seconds */
void probe_text_policy_advice(const struct target_facts *facts, int64_t now, struct buf *out);

#endif

#include "app/probe/text_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/verdict.h"

#define VALUE_BYTES 512 /* of one remote text on a line */
#define TLSA_SHOWN_BYTES 16
#define ADDRESSES_SHOWN 40 /* of an MX host: all */

/* The documentation of each word, from the table: verdict_docs[VERDICT_PKIX], ... */
#define FACT_ENUM(type) __attribute__((unused)) static const char *const type##_docs[] = {
#define FACT_TOKEN(type, symbol, token, doc) [symbol] = doc,
#define FACT_ENUM_END(type) \
	} \
	;
#include "base/facts.def"

void
probe_text_put(struct buf *out, const char *text)
{
	text_escape(out, slice_str(text == NULL ? "?" : text), VALUE_BYTES);
}

void
probe_text_label(struct buf *out, int indent, const char *name)
{
	buf_printf(out, "%*s%-*s", indent, "", PROBE_LABEL_WIDTH, name);
}

void
probe_text_line(struct buf *out, int indent, const char *name, const char *value)
{
	probe_text_label(out, indent, name);
	probe_text_put(out, value);
	buf_putc(out, '\n');
}

void
probe_text_list(struct buf *out, int indent, const char *name, const struct strs *list, size_t most)
{
	if (list->n == 0)
		return;
	probe_text_label(out, indent, name);
	for (size_t i = 0; i < list->n && i < most; i++) {
		buf_puts(out, i == 0 ? "" : ", ");
		probe_text_put(out, list->v[i]);
	}
	if (list->n > most)
		buf_printf(out, " and %zu more", list->n - most);
	buf_putc(out, '\n');
}

void
probe_text_seconds(struct buf *out, double seconds)
{
	if (seconds < 0.001)
		buf_puts(out, "< 1 ms");
	else if (seconds < 10)
		buf_printf(out, "%.0f ms", seconds * 1000);
	else
		buf_printf(out, "%.1f s", seconds);
}

/* --- the verdict --------------------------------------------------------------------------------- */

static const char *
verdict_colour(enum verdict verdict)
{
	static const char *const sgr[] = { "32", "33", "31", "35" }; /* by exit status */

	return sgr[verdict_exit(verdict) & 3];
}

/* What the word means. With TLS from the first byte nothing is about STARTTLS. */
static const char *
verdict_phrase(const struct target_facts *facts)
{
	enum verdict verdict = facts->summary.verdict;

	if (facts->exchanges_n == 0 || facts->exchanges[0].hosts_n == 0 ||
	    !facts->exchanges[0].hosts[0].implicit_tls)
		return verdict_docs[verdict];
	switch (verdict) {
	case VERDICT_PKIX:
		return "every address does TLS with a trusted certificate for its name";
	case VERDICT_ENCRYPTED:
		return "every address does TLS, identity not provable";
	case VERDICT_BACKUP_PLAINTEXT:
		return "only at a non-primary MX TLS fails";
	case VERDICT_PLAINTEXT:
		return "at a primary MX TLS fails";
	default:
		return verdict_docs[verdict];
	}
}

static void
write_verdict(const struct target_facts *facts, bool colour, struct buf *out)
{
	enum verdict verdict = facts->summary.verdict;

	probe_text_put(out, facts->domain);
	if (colour)
		buf_printf(
		    out, ": \033[1;%sm%s\033[0m", verdict_colour(verdict), verdict_str(verdict));
	else
		buf_printf(out, ": %s", verdict_str(verdict));
	buf_printf(out, " (%s)\n", verdict_phrase(facts));
	for (size_t i = 0; i < facts->summary.reasons.n; i++) {
		buf_puts(out, "  - ");
		probe_text_put(out, facts->summary.reasons.v[i]);
		buf_putc(out, '\n');
	}
}

static const char *
target_advice(const struct target_facts *facts)
{
	switch (facts->mx_status) {
	case MX_NXDOMAIN:
		return "check the spelling; if it is right, the domain is not registered or not "
		       "delegated";
	case MX_NONE:
		return "publish MX records, or a null MX (RFC 7505) if the domain takes no mail";
	case MX_DNS_ERROR:
		if (facts->dns.dnssec == DNSSEC_BOGUS)
			return "DNSSEC validation fails: sign the zone of the domain again, and "
			       "check the DS record at its parent";
		return "the DNS did not answer: try again, or ask another resolver with --resolver";
	default:
		return NULL;
	}
}

/* The texts are constants. */
static bool
is_new(const char *advice, const char *const *said, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (said[i] == advice)
			return false;
	return true;
}

/* Each advice once, however many addresses it is for. */
static void
write_advice(const struct target_facts *facts, struct buf *out)
{
	const char *said[PROBE_ADVICE_MAX * 2], *advice[PROBE_ADVICE_MAX];
	size_t said_n = 0;

	if (target_advice(facts) != NULL)
		buf_printf(out, "  > %s\n", target_advice(facts));
	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++) {
			size_t n = probe_advice(facts, &mx->hosts[j], advice);
			for (size_t k = 0; k < n; k++)
				if (is_new(advice[k], said, said_n) &&
				    said_n < sizeof(said) / sizeof(said[0])) {
					said[said_n++] = advice[k];
					buf_printf(out, "  > %s\n", advice[k]);
				}
		}
		for (size_t j = 0; j < mx->tlsa.advice.n; j++) {
			buf_puts(out, "  > ");
			probe_text_put(out, mx->name);
			buf_puts(out, ": ");
			probe_text_put(out, mx->tlsa.advice.v[j]);
			buf_putc(out, '\n');
		}
	}
}

/* --- one MX host --------------------------------------------------------------------------------- */

/* "3 1 1 0123456789abcdef...": enough to tell one from the other. */
static void
write_record(const struct tlsa_record_facts *record, struct buf *out)
{
	const char *data = record->data == NULL ? "" : record->data;
	bool cut = strlen(data) > 2 * TLSA_SHOWN_BYTES;

	probe_text_label(out, 4, "record");
	buf_printf(out, "%lld %lld %lld %.*s%s: ", (long long)record->usage,
	    (long long)record->selector, (long long)record->matching_type, 2 * TLSA_SHOWN_BYTES,
	    data, cut ? "..." : "");
	if (record->matched == TRI_YES)
		buf_puts(out, "matches");
	else
		buf_puts(out, record->matched == TRI_NO ? "does not match" : "not compared");
	if (record->matched == TRI_YES && record->depth > 0)
		buf_printf(out, " at depth %lld of the chain", (long long)record->depth);
	if (!record->usable)
		buf_puts(out, ", does not count");
	if (record->note != NULL) {
		buf_puts(out, ": ");
		probe_text_put(out, record->note);
	}
	buf_putc(out, '\n');
}

const char *
probe_text_dnssec(enum dnssec dnssec)
{
	return dnssec == DNSSEC_NOT_CHECKED ? "not checked" : dnssec_str(dnssec);
}

static void
write_tlsa(const struct tlsa_facts *tlsa, struct buf *out)
{
	if (tlsa->status == TLSA_NOT_CHECKED && tlsa->reason == NULL)
		return;
	probe_text_label(out, 2, "TLSA");
	buf_puts(out, tlsa_status_str(tlsa->status));
	if (tlsa->records_n > 0) {
		buf_puts(out, ", of ");
		probe_text_put(out, tlsa->base_domain);
	}
	if (tlsa->ttl >= 0)
		buf_printf(out, ", DNSSEC %s, TTL %lld s", probe_text_dnssec(tlsa->dnssec),
		    (long long)tlsa->ttl);
	if (tlsa->reason != NULL) {
		buf_puts(out, ": ");
		probe_text_put(out, tlsa->reason);
	}
	buf_putc(out, '\n');
	for (size_t i = 0; i < tlsa->records_n; i++)
		write_record(&tlsa->records[i], out);
	if (tlsa->rollover != ROLLOVER_UNKNOWN)
		probe_text_line(out, 4, "rollover", rollover_docs[tlsa->rollover]);
}

/* "  addresses     192.0.2.1, 2001:db8::1; DNSSEC secure, TTL 300 s" */
static void
write_addresses(const struct exchange_facts *mx, struct buf *out)
{
	const struct strs *lists[] = { &mx->ipv4_addresses, &mx->ipv6_addresses };
	size_t n = 0;

	if (mx->dns_status == DNS_NOT_ASKED)
		return;
	probe_text_label(out, 2, "addresses");
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < lists[i]->n && n < ADDRESSES_SHOWN; j++) {
			buf_puts(out, n++ > 0 ? ", " : "");
			probe_text_put(out, lists[i]->v[j]);
		}
	if (mx->addresses_left_out > 0)
		buf_printf(out, " and %lld more", (long long)mx->addresses_left_out);
	if (n == 0)
		buf_printf(out, "none (%s)", dns_status_str(mx->dns_status));
	buf_printf(out, "; DNSSEC %s", probe_text_dnssec(mx->dnssec));
	if (mx->ttl >= 0)
		buf_printf(out, ", TTL %lld s", (long long)mx->ttl);
	buf_putc(out, '\n');
}

static void
write_exchange(
    const struct target_facts *facts, const struct exchange_facts *mx, int64_t now, struct buf *out)
{
	buf_putc(out, '\n');
	if (facts->mx_status == MX_LITERAL)
		buf_puts(out, "Host ");
	else if (facts->mx_status == MX_IMPLICIT)
		buf_puts(out, "No MX record, the domain itself: ");
	else
		buf_printf(out, "MX %lld ", (long long)mx->preference);
	probe_text_put(out, mx->name);
	if (mx->cname != NULL) {
		buf_puts(out, ", an alias of ");
		probe_text_put(out, mx->cname);
	}
	buf_putc(out, '\n');
	write_addresses(mx, out);
	write_tlsa(&mx->tlsa, out);
	probe_text_exchange_policy(mx, out);
	for (size_t i = 0; i < mx->hosts_n; i++)
		probe_text_host(facts, mx, &mx->hosts[i], now, out);
}

/* --- the whole ------------------------------------------------------------------------------------ */

/* "MX lookup: has_mx (MX records); NOERROR, DNSSEC secure, TTL 300 s, from 127.0.0.1:53 in 1.0 ms" */
static void
write_dns(const struct target_facts *facts, struct buf *out)
{
	const struct dns_facts *dns = &facts->dns;

	if (dns->status == DNS_NOT_ASKED)
		return;
	buf_printf(out, "\nMX lookup: %s (%s); %s, DNSSEC %s", mx_status_str(facts->mx_status),
	    mx_status_docs[facts->mx_status], dns_status_str(dns->status),
	    probe_text_dnssec(dns->dnssec));
	if (dns->ttl >= 0)
		buf_printf(out, ", TTL %lld s", (long long)dns->ttl);
	if (dns->resolver != NULL && dns->resolver[0] != '\0') {
		buf_puts(out, ", from ");
		probe_text_put(out, dns->resolver);
	}
	if (dns->duration >= 0) {
		buf_puts(out, " in ");
		probe_text_seconds(out, dns->duration);
	}
	buf_putc(out, '\n');
}

void
probe_text_write(const struct target_facts *facts, int64_t now, bool colour, struct buf *out)
{
	struct target_facts sorted = *facts;

	/* as addresses ended, which is another order each time */
	sorted.certs = probe_text_sort_certificates(facts);
	write_verdict(&sorted, colour, out);
	write_advice(&sorted, out);
	probe_text_policy_advice(&sorted, now, out);
	write_dns(&sorted, out);
	probe_text_policy(&sorted, out);
	for (size_t i = 0; i < sorted.exchanges_n; i++)
		write_exchange(&sorted, &sorted.exchanges[i], now, out);
	probe_text_certificates(&sorted, now, out);
	free(sorted.certs);
}

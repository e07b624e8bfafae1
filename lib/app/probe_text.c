#include "app/probe_text.h"

#include <string.h>

#include "base/text.h"
#include "policy/verdict.h"

#define VALUE_BYTES 512 /* of one remote text on a line */
#define NAMES_SHOWN 6   /* of a certificate */
#define TLSA_SHOWN_BYTES 16
#define LIST_BYTES 1000 /* of the EHLO keywords on a line */

/* The documentation of each word, from the table: verdict_docs[VERDICT_PKIX], ... */
#define FACT_ENUM(type) __attribute__((unused)) static const char *const type##_docs[] = {
#define FACT_TOKEN(type, symbol, token, doc) [symbol] = doc,
#define FACT_ENUM_END(type) \
	} \
	;
#include "base/facts.def"

static void
put(struct buf *out, const char *text)
{
	text_escape(out, slice_str(text), VALUE_BYTES);
}

/* "    label         " */
static void
label(struct buf *out, int indent, const char *text)
{
	buf_printf(out, "%*s%-*s", indent, "", PROBE_LABEL_WIDTH, text);
}

static void
line(struct buf *out, int indent, const char *name, const char *value)
{
	label(out, indent, name);
	put(out, value);
	buf_putc(out, '\n');
}

static void
put_date(struct buf *out, int64_t when)
{
	char text[32];

	if (when == 0) {
		buf_puts(out, "?");
		return;
	}
	text_date_rfc3339(when, text);
	buf_printf(out, "%.10s", text);
}

/* --- the verdict --------------------------------------------------------------------------------- */

static const char *
verdict_colour(enum verdict verdict)
{
	static const char *const sgr[] = { "32", "33", "31", "35" }; /* by exit status */

	return sgr[verdict_exit(verdict) & 3];
}

static void
write_verdict(const struct target_facts *facts, bool colour, struct buf *out)
{
	enum verdict verdict = facts->summary.verdict;

	put(out, facts->domain == NULL ? "?" : facts->domain);
	if (colour)
		buf_printf(
		    out, ": \033[1;%sm%s\033[0m", verdict_colour(verdict), verdict_str(verdict));
	else
		buf_printf(out, ": %s", verdict_str(verdict));
	buf_printf(out, " (%s)\n", verdict_docs[verdict]);
	for (size_t i = 0; i < facts->summary.reasons.n; i++) {
		buf_puts(out, "  - ");
		put(out, facts->summary.reasons.v[i]);
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

/* Each advice once, however many addresses it is for. */
static void
write_advice(const struct target_facts *facts, struct buf *out)
{
	const char *said[64];
	size_t n = 0;
	const char *advice = target_advice(facts);

	if (advice != NULL)
		buf_printf(out, "  > %s\n", advice);
	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++) {
			size_t k = 0;
			advice = probe_advice(&mx->hosts[j]);
			while (k < n && said[k] != advice)
				k++;
			if (advice == NULL || k < n || n == sizeof(said) / sizeof(said[0]))
				continue;
			said[n++] = advice;
			buf_printf(out, "  > %s\n", advice);
		}
		for (size_t j = 0; j < mx->tlsa.advice.n; j++) {
			buf_puts(out, "  > ");
			put(out, mx->name == NULL ? "?" : mx->name);
			buf_puts(out, ": ");
			put(out, mx->tlsa.advice.v[j]);
			buf_putc(out, '\n');
		}
	}
}

/* --- certificates -------------------------------------------------------------------------------- */

static const struct cert_facts *
find_cert(const struct target_facts *facts, const char *fingerprint)
{
	for (size_t i = 0; i < facts->certs_n; i++)
		if (facts->certs[i].fingerprint != NULL &&
		    strcmp(facts->certs[i].fingerprint, fingerprint) == 0)
			return &facts->certs[i];
	return NULL;
}

static void
write_names(const struct cert_facts *cert, struct buf *out)
{
	label(out, 4, "names");
	for (size_t i = 0; i < cert->names.n && i < NAMES_SHOWN; i++) {
		buf_puts(out, i == 0 ? "" : ", ");
		put(out, cert->names.v[i]);
	}
	if (cert->names.n > NAMES_SHOWN)
		buf_printf(out, " and %zu more", cert->names.n - NAMES_SHOWN);
	if (cert->names.n == 0)
		buf_puts(out, "none");
	buf_putc(out, '\n');
}

static void
write_validity(const struct cert_facts *cert, int64_t now, struct buf *out)
{
	label(out, 4, "valid");
	put_date(out, cert->not_before);
	buf_puts(out, " to ");
	put_date(out, cert->not_after);
	int64_t days = (cert->not_after - now) / 86400;
	if (cert->not_after < now)
		buf_puts(out, ", expired\n");
	else if (cert->not_before > now)
		buf_puts(out, ", not yet\n");
	else
		buf_printf(out, ", %lld day%s left\n", (long long)days, days == 1 ? "" : "s");
}

static void
write_leaf(
    const struct target_facts *facts, const struct tls_facts *tls, int64_t now, struct buf *out)
{
	const struct cert_facts *cert = tls->chain.n > 0 ? find_cert(facts, tls->chain.v[0]) : NULL;

	if (cert == NULL) {
		line(out, 4, "certificate", "none");
		return;
	}
	line(out, 4, "certificate",
	    cert->subject == NULL || cert->subject[0] == '\0' ? "(no subject)" : cert->subject);
	write_names(cert, out);
	line(out, 4, "issuer", cert->issuer == NULL ? "?" : cert->issuer);
	write_validity(cert, now, out);
	label(out, 4, "key");
	buf_printf(out, "%s %lld bits, signed with ", key_type_str(cert->key_type),
	    (long long)cert->key_bits);
	put(out, cert->signature_algorithm == NULL ? "?" : cert->signature_algorithm);
	buf_putc(out, '\n');
	line(out, 4, "SHA-256", cert->fingerprint);
	if (tls->chain.n > 1 || tls->chain_order_ok == TRI_NO) {
		label(out, 4, "chain");
		buf_printf(out, "%zu certificates%s\n", tls->chain.n,
		    tls->chain_order_ok == TRI_NO ? ", not in order" : "");
	}
}

static void
write_verification(
    const struct exchange_facts *mx, const struct verify_facts *verify, struct buf *out)
{
	label(out, 4, "trust");
	if (verify->trusted == TRI_YES)
		buf_puts(out, "yes, to a trusted root");
	else
		buf_puts(out, verify->trusted == TRI_NO ? "no: " : "not judged: ");
	if (verify->trusted != TRI_YES)
		put(out, verify->error == NULL ? "no reason known" : verify->error);
	buf_putc(out, '\n');
	label(out, 4, "name");
	const char *host = mx->name == NULL ? "?" : mx->name;
	if (verify->matches_mx == TRI_YES && verify->matched_name != NULL &&
	    strcmp(verify->matched_name, host) != 0) {
		put(out, host);
		buf_puts(out, " matches ");
		put(out, verify->matched_name);
	} else {
		buf_puts(out, verify->matches_mx == TRI_YES  ? "matches "
			      : verify->matches_mx == TRI_NO ? "does not match "
							     : "not compared with ");
		put(out, host);
	}
	buf_putc(out, '\n');
}

static void
write_tls(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct tls_facts *tls, int64_t now, struct buf *out)
{
	label(out, 4, "TLS");
	if (tls->complete != TRI_YES) {
		buf_puts(out, "no handshake");
		if (tls->error != NULL) {
			buf_puts(out, ": ");
			put(out, tls->error);
		}
		if (tls->alert != NULL) {
			buf_puts(out, " (alert ");
			put(out, tls->alert);
			buf_putc(out, ')');
		}
		buf_putc(out, '\n');
		return;
	}
	put(out, tls->version_name == NULL ? "?" : tls->version_name);
	buf_puts(out, ", ");
	put(out, tls->cipher_name == NULL ? "?" : tls->cipher_name);
	buf_printf(out, " (%lld bits)", (long long)tls->cipher_bits);
	if (tls->group != NULL) {
		buf_puts(out, ", ");
		put(out, tls->group);
	}
	buf_putc(out, '\n');
	write_leaf(facts, tls, now, out);
	write_verification(mx, &tls->verify, out);
	if (tls->dane != DANE_NOT_CHECKED && tls->dane != DANE_NONE)
		line(out, 4, "DANE", dane_docs[tls->dane]);
}

/* --- one address --------------------------------------------------------------------------------- */

static void
write_list(const char *name, const struct strs *list, struct buf *out)
{
	struct buf joined;

	if (list->n == 0)
		return;
	buf_init(&joined, LIST_BYTES);
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			buf_puts(&joined, ", ");
		buf_puts(&joined, list->v[i]);
	}
	label(out, 4, name);
	text_escape(out, slice_str(buf_str(&joined)), LIST_BYTES);
	if (joined.full)
		buf_puts(out, "...");
	buf_putc(out, '\n');
	buf_free(&joined);
}

/* STARTTLS itself is not announced inside TLS: that is no removal. */
static void
write_changes(const struct host_facts *host, struct buf *out)
{
	struct strs removed = { NULL, 0, 0 };
	char *kept[128];

	removed.v = kept;
	for (size_t i = 0; i < host->ext_removed.n && removed.n < 128; i++)
		if (!slice_is_case(slice_str(host->ext_removed.v[i]), "STARTTLS"))
			kept[removed.n++] = host->ext_removed.v[i];
	write_list("only in TLS", &host->ext_added, out);
	write_list("only in clear", &removed, out);
}

static void
write_banner(const struct host_facts *host, struct buf *out)
{
	struct slice rest = slice_str(host->banner);

	for (const char *name = "greeting"; rest.n > 0; name = "") {
		size_t end = slice_find(rest, '\n');
		label(out, 4, name);
		if (name[0] != '\0')
			buf_printf(out, "%lld ", (long long)host->banner_code);
		text_escape(out, slice_sub(rest, 0, end), VALUE_BYTES);
		buf_putc(out, '\n');
		rest = slice_sub(rest, end + 1, rest.n);
	}
}

static void
write_starttls(const struct host_facts *host, struct buf *out)
{
	label(out, 4, "STARTTLS");
	if (host->starttls_state == STARTTLS_UNKNOWN) {
		buf_puts(out, "unknown\n");
		return;
	}
	buf_printf(out, "%s (%s)", starttls_state_str(host->starttls_state),
	    starttls_state_docs[host->starttls_state]);
	if (host->starttls_state == STARTTLS_REFUSED && host->starttls_reply != NULL) {
		buf_puts(out, ": ");
		put(out, host->starttls_reply);
	}
	if (host->post_220_bytes > 0)
		buf_printf(out, "; %lld bytes in clear behind it", (long long)host->post_220_bytes);
	buf_putc(out, '\n');
}

static void
write_host(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, int64_t now, struct buf *out)
{
	buf_puts(out, "  ");
	put(out, host->ip == NULL ? "?" : host->ip);
	buf_printf(out, " port %lld: %s", (long long)host->port, host_status_str(host->status));
	/* otherwise it is among the reasons */
	bool measured = host->starttls_state == STARTTLS_DONE ||
			host->starttls_state == STARTTLS_IMPLICIT ||
			host->starttls_state == STARTTLS_NOT_OFFERED;
	if (host->error != NULL && measured) {
		buf_puts(out, " (");
		put(out, host->error);
		buf_putc(out, ')');
	}
	buf_putc(out, '\n');
	if (host->banner != NULL)
		write_banner(host, out);
	write_list("EHLO", &host->ehlo, out);
	if (host->attempts > 0 && host->timing.connect >= 0 &&
	    (host->banner != NULL || host->starttls_state != STARTTLS_UNKNOWN))
		write_starttls(host, out);
	for (size_t i = 0; i < host->tls_n; i++)
		write_tls(facts, mx, &host->tls[i], now, out);
	write_list("EHLO in TLS", &host->ehlo_tls, out);
	if (host->starttls_state == STARTTLS_DONE)
		write_changes(host, out);
	probe_text_deep(host, out);
}

/* "3 1 1 0123456789abcdef...": enough to tell one from the other. */
static void
write_record(const struct tlsa_record_facts *record, struct buf *out)
{
	const char *data = record->data == NULL ? "" : record->data;
	bool cut = strlen(data) > 2 * TLSA_SHOWN_BYTES;

	label(out, 4, "record");
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
		put(out, record->note);
	}
	buf_putc(out, '\n');
}

static void
write_tlsa(const struct tlsa_facts *tlsa, struct buf *out)
{
	if (tlsa->status == TLSA_NOT_CHECKED && tlsa->reason == NULL)
		return;
	label(out, 2, "TLSA");
	buf_puts(out, tlsa_status_str(tlsa->status));
	if (tlsa->records_n > 0) {
		buf_puts(out, ", of ");
		put(out, tlsa->base_domain == NULL ? "?" : tlsa->base_domain);
	}
	if (tlsa->reason != NULL) {
		buf_puts(out, ": ");
		put(out, tlsa->reason);
	}
	buf_putc(out, '\n');
	for (size_t i = 0; i < tlsa->records_n; i++)
		write_record(&tlsa->records[i], out);
	if (tlsa->rollover != ROLLOVER_UNKNOWN)
		line(out, 4, "rollover", rollover_docs[tlsa->rollover]);
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
	put(out, mx->name == NULL ? "?" : mx->name);
	if (mx->cname != NULL) {
		buf_puts(out, ", an alias of ");
		put(out, mx->cname);
	}
	buf_putc(out, '\n');
	write_tlsa(&mx->tlsa, out);
	for (size_t i = 0; i < mx->hosts_n; i++)
		write_host(facts, mx, &mx->hosts[i], now, out);
}

void
probe_text_write(const struct target_facts *facts, int64_t now, bool colour, struct buf *out)
{
	write_verdict(facts, colour, out);
	write_advice(facts, out);
	for (size_t i = 0; i < facts->exchanges_n; i++)
		write_exchange(facts, &facts->exchanges[i], now, out);
}

/*
 * What a domain publishes about its TLS, in the text of a record: MTA-STS, TLSRPT, CAA.
 */
#include <string.h>

#include "app/probe/text_impl.h"
#include "base/text.h"
#include "policy/mtasts.h"

#define PATTERNS_SHOWN 20
#define URIS_SHOWN 10
#define CAA_SHOWN 10
#define SECONDS_PER_DAY 86400
#define RENEW_DAYS 14 /* ahead of the end of the policy host's certificate */

/* --- lines ---------------------------------------------------------------------------------------- */

static void
write_age(struct buf *out, int64_t seconds)
{
	if (seconds % SECONDS_PER_DAY == 0 && seconds > 0)
		buf_printf(out, "%lld day%s", (long long)(seconds / SECONDS_PER_DAY),
		    seconds == SECONDS_PER_DAY ? "" : "s");
	else
		buf_printf(out, "%lld s", (long long)seconds);
}

static void
write_date(struct buf *out, int64_t when)
{
	char text[32];

	text_date_rfc3339(when, text);
	buf_printf(out, "%.10s", text);
}

/* "enforce, id 20260101, max_age 7 days" */
static void
write_policy(const struct sts_facts *sts, struct buf *out)
{
	buf_printf(out, "mode %s, id ", sts_mode_str(sts->mode));
	probe_text_put(out, sts->id);
	buf_puts(out, ", max_age ");
	write_age(out, sts->max_age);
	if (sts->cached) {
		buf_puts(out, ", cached until ");
		write_date(out, sts->expires);
	}
	if (sts->reason != NULL) {
		buf_puts(out, "; ");
		probe_text_put(out, sts->reason);
	}
	buf_putc(out, '\n');
	probe_text_list(out, 2, "mx", &sts->mx, PATTERNS_SHOWN);
}

/* "  host          mta-sts.example.com, 192.0.2.1, status 200, in 12 ms, certificate until 2026-01-31" */
static void
write_policy_host(const struct sts_facts *sts, struct buf *out)
{
	if (sts->duration < 0)
		return;
	probe_text_label(out, 2, "host");
	probe_text_put(out, sts->policy_host);
	if (sts->ip != NULL) {
		buf_puts(out, ", ");
		probe_text_put(out, sts->ip);
	}
	if (sts->http_status >= 0)
		buf_printf(out, ", status %lld", (long long)sts->http_status);
	buf_puts(out, ", in ");
	probe_text_seconds(out, sts->duration);
	if (sts->cert_expires != 0) {
		buf_puts(out, ", certificate until ");
		write_date(out, sts->cert_expires);
	}
	buf_putc(out, '\n');
}

static void
write_sts(const struct sts_facts *sts, struct buf *out)
{
	if (sts->status == STS_NOT_CHECKED && sts->reason == NULL)
		return;
	buf_putc(out, '\n');
	probe_text_label(out, 0, "MTA-STS");
	if (sts->status == STS_VALID) {
		write_policy(sts, out);
	} else {
		buf_puts(out, sts_status_str(sts->status));
		if (sts->reason != NULL) {
			buf_puts(out, ": ");
			probe_text_put(out, sts->reason);
		}
		buf_putc(out, '\n');
		if (sts->record != NULL)
			probe_text_line(out, 2, "record", sts->record);
	}
	write_policy_host(sts, out);
	for (size_t i = 0; i < sts->findings.n; i++)
		probe_text_line(out, 2, "note", sts->findings.v[i]);
}

static void
write_tlsrpt(const struct tlsrpt_facts *tlsrpt, struct buf *out)
{
	if (tlsrpt->status == TLSRPT_NOT_CHECKED && tlsrpt->reason == NULL)
		return;
	if (tlsrpt->status == TLSRPT_VALID) {
		probe_text_list(out, 0, "TLSRPT", &tlsrpt->rua, URIS_SHOWN);
		return;
	}
	probe_text_label(out, 0, "TLSRPT");
	buf_puts(out, tlsrpt_status_str(tlsrpt->status));
	if (tlsrpt->reason != NULL) {
		buf_puts(out, ": ");
		probe_text_put(out, tlsrpt->reason);
	}
	buf_putc(out, '\n');
	if (tlsrpt->record != NULL)
		probe_text_line(out, 2, "record", tlsrpt->record);
}

void
probe_text_policy(const struct target_facts *facts, struct buf *out)
{
	write_sts(&facts->sts, out);
	write_tlsrpt(&facts->tlsrpt, out);
}

static void
write_caa(const struct caa_facts *caa, struct buf *out)
{
	if (caa->status == CAA_NOT_CHECKED && caa->reason == NULL)
		return;
	probe_text_label(out, 2, "CAA");
	buf_puts(out, caa->status == CAA_FOUND ? "of " : caa_status_str(caa->status));
	if (caa->status == CAA_FOUND) {
		probe_text_put(out, caa->domain);
		buf_printf(out, ", DNSSEC %s", probe_text_dnssec(caa->dnssec));
	}
	if (caa->reason != NULL) {
		buf_puts(out, ": ");
		probe_text_put(out, caa->reason);
	}
	buf_putc(out, '\n');
	for (size_t i = 0; i < caa->records_n && i < CAA_SHOWN; i++) {
		probe_text_label(out, 4, i == 0 ? "records" : "");
		buf_printf(out, "%lld ", (long long)caa->records[i].flags);
		probe_text_put(out, caa->records[i].tag);
		buf_puts(out, " \"");
		probe_text_put(out, caa->records[i].value);
		buf_puts(out, "\"\n");
	}
}

void
probe_text_exchange_policy(const struct exchange_facts *mx, struct buf *out)
{
	if (mx->sts_match != TRI_UNKNOWN)
		probe_text_line(out, 2, "MTA-STS",
		    mx->sts_match == TRI_YES ? "the policy names this host"
					     : "the policy does not name this host");
	write_caa(&mx->caa, out);
}

/* --- advice --------------------------------------------------------------------------------------- */

static void
begin(struct buf *out)
{
	buf_puts(out, "  > ");
}

static void
advise_unmatched(const struct sts_facts *sts, struct buf *out)
{
	begin(out);
	buf_puts(out, "name the MX hosts in the MTA-STS policy (");
	for (size_t i = 0; i < sts->unmatched_mx.n && i < PATTERNS_SHOWN; i++) {
		buf_puts(out, i == 0 ? "\"mx: " : ", \"mx: ");
		probe_text_put(out, sts->unmatched_mx.v[i]);
		buf_putc(out, '"');
	}
	buf_puts(out, "), then change the id in its record\n");
}

static void
advise_certificate(const struct sts_facts *sts, int64_t now, struct buf *out)
{
	int64_t days = (sts->cert_expires - now) / SECONDS_PER_DAY;

	if (sts->cert_expires == 0 || days >= RENEW_DAYS)
		return;
	begin(out);
	buf_puts(out, "renew the certificate of ");
	probe_text_put(out, sts->policy_host);
	buf_printf(out, ": %lld day%s left\n", (long long)days, days == 1 ? "" : "s");
}

static void
advise_valid(const struct target_facts *facts, int64_t now, struct buf *out)
{
	const struct sts_facts *sts = &facts->sts;

	if (sts->unmatched_mx.n > 0)
		advise_unmatched(sts, out);
	else if (sts->mode == STS_MODE_TESTING && facts->summary.verdict <= VERDICT_PKIX &&
		 facts->summary.verdict != VERDICT_UNKNOWN)
		buf_puts(out, "  > the MX hosts fit the MTA-STS policy: its mode can be enforce\n");
	if (sts->mode != STS_MODE_NONE && facts->tlsrpt.status == TLSRPT_NONE)
		buf_puts(out, "  > publish a TLSRPT record (RFC 8460), so that senders tell when "
			      "the policy fails\n");
	advise_certificate(sts, now, out);
}

static void
advise_policy_host(const struct sts_facts *sts, const char *what, struct buf *out)
{
	begin(out);
	buf_puts(out, what);
	probe_text_put(out, sts->policy_host);
	buf_puts(out, "/.well-known/mta-sts.txt; senders that never saw the policy do not know "
		      "of it\n");
}

static void
advise_sts(const struct target_facts *facts, int64_t now, struct buf *out)
{
	const struct sts_facts *sts = &facts->sts;

	switch (sts->status) {
	case STS_VALID:
		advise_valid(facts, now, out);
		break;
	case STS_NONE:
		if (facts->summary.verdict == VERDICT_PKIX)
			buf_puts(out,
			    "  > the certificates fit, but nothing tells senders to insist on "
			    "them: publish an MTA-STS policy, or TLSA records in a signed zone\n");
		break;
	case STS_RECORD_INVALID:
		begin(out);
		buf_puts(out, "publish one TXT record _mta-sts.");
		probe_text_put(out, facts->alabel);
		buf_puts(out, " like \"v=STSv1; id=20260131\"\n");
		break;
	case STS_FETCH_ERROR:
		advise_policy_host(sts, "serve the policy, without redirect, at https://", out);
		break;
	case STS_POLICY_INVALID:
		advise_policy_host(sts,
		    "serve, as text/plain, the lines \"version: STSv1\", \"mode: enforce\", \"mx: "
		    "...\" and \"max_age: 604800\" at https://",
		    out);
		break;
	case STS_WEBPKI_INVALID:
		begin(out);
		buf_puts(out, "get a certificate of a public CA that names ");
		probe_text_put(out, sts->policy_host);
		buf_puts(out, ", and renew it in time\n");
		break;
	case STS_DNS_ERROR:
	case STS_NOT_CHECKED:
		break;
	}
}

void
probe_text_policy_advice(const struct target_facts *facts, int64_t now, struct buf *out)
{
	advise_sts(facts, now, out);
	if (facts->tlsrpt.status != TLSRPT_INVALID)
		return;
	begin(out);
	buf_puts(out, "publish one TXT record _smtp._tls.");
	probe_text_put(out, facts->alabel);
	buf_puts(out, " like \"v=TLSRPTv1; rua=mailto:tls-reports@example.com\"\n");
}

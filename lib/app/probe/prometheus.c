#include "app/probe/prometheus.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/decide.h"
#include "policy/verdict.h"

#define LABEL_BYTES 300 /* of one value; a domain has at most 255 */

enum metric {
	METRIC_VERDICT,
	METRIC_EXIT_STATUS,
	METRIC_STARTTLS,
	METRIC_NOT_AFTER,
	METRIC_VERIFIED,
	METRIC_TLSA_MATCH,
	METRIC_STS_STATUS,
	METRIC_STS_MODE,
	METRIC_STS_MATCH,
	METRIC_STS_NOT_AFTER,
	METRIC_TLSRPT,
	METRIC_PHASE,
	METRIC_DURATION,
	METRIC_TIMESTAMP
};

static const struct {
	const char *name, *help;
} metrics[PROBE_PROMETHEUS_METRICS] = {
	[METRIC_VERDICT] = { "mxtls_verdict",
	    "1 for the verdict on the domain, 0 for all others." },
	[METRIC_EXIT_STATUS] = { "mxtls_exit_status",
	    "Exit status of the probe: 0 good, 1 weak, 2 bad, 3 not measured." },
	[METRIC_STARTTLS] = { "mxtls_starttls_supported",
	    "1 when a TLS handshake completed, 0 when the server does not do TLS." },
	[METRIC_NOT_AFTER] = { "mxtls_cert_not_after_timestamp_seconds",
	    "When the certificate of the server ends." },
	[METRIC_VERIFIED] = { "mxtls_cert_verified",
	    "1 when the certificate is trusted and names the MX host." },
	[METRIC_TLSA_MATCH] = { "mxtls_tlsa_match",
	    "1 when a TLSA record matches the certificate, 0 when none does." },
	[METRIC_STS_STATUS] = { "mxtls_sts_status",
	    "1 for what senders find of an MTA-STS policy, 0 for all others." },
	[METRIC_STS_MODE] = { "mxtls_sts_mode",
	    "1 for the mode of the MTA-STS policy, 0 for all others; all 0 without one." },
	[METRIC_STS_MATCH] = { "mxtls_sts_match",
	    "1 when the MTA-STS policy names the MX host, 0 when it does not." },
	[METRIC_STS_NOT_AFTER] = { "mxtls_sts_cert_not_after_timestamp_seconds",
	    "When the certificate of the MTA-STS policy host ends." },
	[METRIC_TLSRPT] = { "mxtls_tlsrpt_record",
	    "1 when there is a valid TLSRPT record, 0 when there is none." },
	[METRIC_PHASE] = { "mxtls_probe_phase_seconds", "How long a phase of the session took." },
	[METRIC_DURATION] = { "mxtls_probe_duration_seconds", "How long the probe took." },
	[METRIC_TIMESTAMP] = { "mxtls_probe_timestamp_seconds", "When the probe began." },
};

void
probe_prometheus_init(struct probe_prometheus *p)
{
	for (size_t i = 0; i < PROBE_PROMETHEUS_METRICS; i++)
		buf_init(&p->samples[i], LIMIT_RECORD_BYTES);
	map_init(&p->seen);
}

void
probe_prometheus_free(struct probe_prometheus *p)
{
	for (size_t i = 0; i < PROBE_PROMETHEUS_METRICS; i++)
		buf_free(&p->samples[i]);
	map_free(&p->seen);
}

/* name="value": in the value backslash, quote and newline are escaped; the rest is text_escape's. */
static void
label(struct buf *out, const char *name, const char *value)
{
	struct buf safe;

	buf_init(&safe, LABEL_BYTES + 8);
	text_escape(&safe, slice_str(value == NULL ? "" : value), LABEL_BYTES);
	if (out->len > 0)
		buf_putc(out, ',');
	buf_printf(out, "%s=\"", name);
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.data[i] == '\\' || safe.data[i] == '"')
			buf_putc(out, '\\');
		buf_putc(out, safe.data[i]);
	}
	buf_putc(out, '"');
	buf_free(&safe);
}

/* A sample with labels, and one more label unless its name is NULL. */
static void
sample(struct probe_prometheus *p, enum metric metric, const struct buf *labels, const char *name,
    const char *value_name, const char *value)
{
	struct buf *out = &p->samples[metric];

	buf_printf(out, "%s{%s", metrics[metric].name, buf_str(labels));
	if (name != NULL)
		buf_printf(out, ",%s=\"%s\"", name, value_name);
	buf_printf(out, "} %s\n", value);
}

static void
sample_int(struct probe_prometheus *p, enum metric metric, const struct buf *labels,
    const char *name, const char *value_name, int64_t number)
{
	char value[24];

	snprintf(value, sizeof(value), "%lld", (long long)number);
	sample(p, metric, labels, name, value_name, value);
}

static void
sample_secs(struct probe_prometheus *p, enum metric metric, const struct buf *labels,
    const char *name, const char *value_name, double secs)
{
	char value[32];

	if (!(secs >= 0 && secs < 1e9)) /* not reached */
		return;
	snprintf(value, sizeof(value), "%.6f", secs);
	sample(p, metric, labels, name, value_name, value);
}

static bool
seen_before(struct probe_prometheus *p, const struct buf *labels)
{
	return map_set(&p->seen, slice_make(labels->data, labels->len), p) != NULL;
}

/* --- one address --------------------------------------------------------------------------------- */

static void
add_handshake(struct probe_prometheus *p, const struct target_facts *facts,
    const struct tls_facts *tls, const struct buf *labels, unsigned *key_types_seen)
{
	const struct cert_facts *leaf = facts_leaf(facts->certs, facts->certs_n, tls);
	enum key_type type = leaf != NULL ? leaf->key_type : tls->offer;
	const char *key = key_type_str(type);

	if (tls->complete != TRI_YES || (*key_types_seen & 1U << (unsigned)type) != 0)
		return;
	*key_types_seen |= 1U << (unsigned)type;
	if (leaf != NULL && leaf->not_after != 0)
		sample_int(p, METRIC_NOT_AFTER, labels, "keytype", key, leaf->not_after);
	if (tls->verify.trusted != TRI_UNKNOWN)
		sample_int(p, METRIC_VERIFIED, labels, "keytype", key,
		    decide_certificate(&tls->verify, RULE_MATCH_HOSTNAME) == FAIL_NONE);
	if (tls->dane == DANE_VALID || tls->dane == DANE_MISMATCH)
		sample_int(p, METRIC_TLSA_MATCH, labels, "keytype", key, tls->dane == DANE_VALID);
}

static void
add_phases(struct probe_prometheus *p, const struct timing_facts *timing, const struct buf *labels)
{
	sample_secs(p, METRIC_PHASE, labels, "phase", "connect", timing->connect);
	sample_secs(p, METRIC_PHASE, labels, "phase", "banner", timing->banner);
	sample_secs(p, METRIC_PHASE, labels, "phase", "ehlo", timing->ehlo);
	sample_secs(p, METRIC_PHASE, labels, "phase", "starttls", timing->starttls);
	sample_secs(p, METRIC_PHASE, labels, "phase", "tls", timing->tls);
	sample_secs(p, METRIC_PHASE, labels, "phase", "ehlo_tls", timing->ehlo_tls);
}

static void
add_host(struct probe_prometheus *p, const struct target_facts *facts,
    const struct host_facts *host, const struct buf *labels)
{
	unsigned key_types_seen = 0;
	bool tls = false;

	for (size_t i = 0; i < host->tls_n; i++) {
		tls |= host->tls[i].complete == TRI_YES;
		add_handshake(p, facts, &host->tls[i], labels, &key_types_seen);
	}
	if (tls || verdict_host_measured(host))
		sample_int(p, METRIC_STARTTLS, labels, NULL, NULL, tls);
	add_phases(p, &host->timing, labels);
}

/* --- one target ---------------------------------------------------------------------------------- */

static void
add_summary(struct probe_prometheus *p, const struct target_facts *facts, const struct buf *labels)
{
	for (int verdict = 0; verdict <= VERDICT_UNDELIVERABLE; verdict++)
		sample_int(p, METRIC_VERDICT, labels, "verdict", verdict_str((enum verdict)verdict),
		    facts->summary.verdict == (enum verdict)verdict);
	if (facts->summary.exit_status >= 0)
		sample_int(p, METRIC_EXIT_STATUS, labels, NULL, NULL, facts->summary.exit_status);
	sample_secs(p, METRIC_DURATION, labels, NULL, NULL, facts->duration);
	if (facts->timestamp != 0)
		sample_int(p, METRIC_TIMESTAMP, labels, NULL, NULL, facts->timestamp);
}

static void
add_policy(struct probe_prometheus *p, const struct target_facts *facts, const struct buf *labels)
{
	const struct sts_facts *sts = &facts->sts;

	if (sts->status != STS_NOT_CHECKED) {
		for (int i = STS_NONE; i <= STS_DNS_ERROR; i++)
			sample_int(p, METRIC_STS_STATUS, labels, "status",
			    sts_status_str((enum sts_status)i), sts->status == (enum sts_status)i);
		for (int i = STS_MODE_NONE; i <= STS_MODE_ENFORCE; i++)
			sample_int(p, METRIC_STS_MODE, labels, "mode",
			    sts_mode_str((enum sts_mode)i), sts->mode == (enum sts_mode)i);
	}
	if (sts->cert_expires != 0)
		sample_int(p, METRIC_STS_NOT_AFTER, labels, NULL, NULL, sts->cert_expires);
	if (facts->tlsrpt.status != TLSRPT_NOT_CHECKED && facts->tlsrpt.status != TLSRPT_DNS_ERROR)
		sample_int(
		    p, METRIC_TLSRPT, labels, NULL, NULL, facts->tlsrpt.status == TLSRPT_VALID);
}

static void
add_exchange(struct probe_prometheus *p, const struct target_facts *facts,
    const struct exchange_facts *mx, struct buf *labels)
{
	label(labels, "mx", mx->name);
	if (mx->sts_match != TRI_UNKNOWN && !seen_before(p, labels))
		sample_int(p, METRIC_STS_MATCH, labels, NULL, NULL, mx->sts_match == TRI_YES);
	size_t len = labels->len;
	for (size_t i = 0; i < mx->hosts_n; i++) {
		labels->len = len;
		label(labels, "ip", mx->hosts[i].ip);
		if (!seen_before(p, labels))
			add_host(p, facts, &mx->hosts[i], labels);
	}
}

void
probe_prometheus_add(struct probe_prometheus *p, const struct target_facts *facts)
{
	struct buf labels;

	buf_init(&labels, 8 * LABEL_BYTES);
	label(&labels, "domain", facts->domain);
	size_t domain_len = labels.len;
	if (!seen_before(p, &labels)) {
		add_summary(p, facts, &labels);
		add_policy(p, facts, &labels);
		for (size_t i = 0; i < facts->exchanges_n; i++) {
			labels.len = domain_len;
			add_exchange(p, facts, &facts->exchanges[i], &labels);
		}
	}
	buf_free(&labels);
}

int
probe_prometheus_write(const struct probe_prometheus *p, struct buf *out)
{
	for (size_t i = 0; i < PROBE_PROMETHEUS_METRICS; i++) {
		if (p->samples[i].full)
			return -1;
		if (p->samples[i].len == 0)
			continue;
		buf_printf(out, "# HELP %s %s\n", metrics[i].name, metrics[i].help);
		buf_printf(out, "# TYPE %s gauge\n", metrics[i].name);
		buf_append(out, p->samples[i].data, p->samples[i].len);
	}
	return out->full ? -1 : 0;
}

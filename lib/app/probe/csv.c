#include "app/probe/csv.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

/* What a row is about; NULL where there is none. */
struct row {
	const struct target_facts *target;
	const struct exchange_facts *mx;
	const struct host_facts *host;
	const struct tls_facts *tls;
	const struct cert_facts *leaf;
};

static void
cell(struct buf *out, const char *text)
{
	struct buf safe;

	if (text == NULL)
		return;
	buf_init(&safe, LIMIT_CERT_TEXT_BYTES + 8);
	/* OWASP "CSV injection": what begins so is a formula for a spreadsheet */
	if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL)
		buf_putc(&safe, '\'');
	text_escape(&safe, slice_str(text), LIMIT_CERT_TEXT_BYTES);
	bool quoted = strpbrk(buf_str(&safe), "\",; ") != NULL;
	if (quoted)
		buf_putc(out, '"');
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.data[i] == '"')
			buf_putc(out, '"');
		buf_putc(out, safe.data[i]);
	}
	if (quoted)
		buf_putc(out, '"');
	buf_free(&safe);
}

static void
number(struct buf *out, int64_t value)
{
	if (value >= 0)
		buf_printf(out, "%lld", (long long)value);
}

static void
yes_no(struct buf *out, enum tri value)
{
	if (value != TRI_UNKNOWN)
		buf_puts(out, value == TRI_YES ? "yes" : "no");
}

static void
date(struct buf *out, int64_t when)
{
	char text[32];

	if (when == 0)
		return;
	text_date_rfc3339(when, text);
	buf_puts(out, text);
}

/* One row for each column: its name, what there must be, and the cell. */
#define COLUMNS(X) \
	X("domain", target, cell(out, r->target->domain)) \
	X("rank", target, number(out, r->target->rank)) \
	X("timestamp", target, date(out, r->target->timestamp)) \
	X("mx_status", target, cell(out, mx_status_str(r->target->mx_status))) \
	X("verdict", target, cell(out, verdict_str(r->target->summary.verdict))) \
	X("exit_status", target, number(out, r->target->summary.exit_status)) \
	X("sts_status", target, cell(out, sts_status_str(r->target->sts.status))) \
	X("sts_mode", target, cell(out, sts_mode_str(r->target->sts.mode))) \
	X("tlsrpt_status", target, cell(out, tlsrpt_status_str(r->target->tlsrpt.status))) \
	X("mx", mx, cell(out, r->mx->name)) \
	X("preference", mx, number(out, r->mx->preference)) \
	X("primary", mx, yes_no(out, r->mx->primary ? TRI_YES : TRI_NO)) \
	X("tlsa_status", mx, cell(out, tlsa_status_str(r->mx->tlsa.status))) \
	X("sts_match", mx, yes_no(out, r->mx->sts_match)) \
	X("caa_status", mx, cell(out, caa_status_str(r->mx->caa.status))) \
	X("ip", host, cell(out, r->host->ip)) \
	X("port", host, number(out, r->host->port)) \
	X("attempts", host, number(out, r->host->attempts)) \
	X("status", host, cell(out, host_status_str(r->host->status))) \
	X("starttls_state", host, cell(out, starttls_state_str(r->host->starttls_state))) \
	X("result_type", host, cell(out, r->host->result_type)) \
	X("error", host, cell(out, r->host->error)) \
	X("banner", host, cell(out, r->host->banner)) \
	X("sigalg_offer", tls, cell(out, key_type_str(r->tls->offer))) \
	X("key_status", tls, cell(out, key_status_str(r->tls->key_status))) \
	X("tls_version", tls, cell(out, r->tls->version_name)) \
	X("cipher_suite", tls, cell(out, r->tls->cipher_name)) \
	X("group", tls, cell(out, r->tls->group)) \
	X("browser_trusted", tls, yes_no(out, r->tls->verify.trusted)) \
	X("browser_error", tls, cell(out, r->tls->verify.error)) \
	X("matches_mx", tls, yes_no(out, r->tls->verify.matches_mx)) \
	X("matched_name", tls, cell(out, r->tls->verify.matched_name)) \
	X("dane", tls, cell(out, dane_str(r->tls->dane))) \
	X("key_type", leaf, cell(out, key_type_str(r->leaf->key_type))) \
	X("key_bits", leaf, number(out, r->leaf->key_bits)) \
	X("signature_algorithm", leaf, cell(out, r->leaf->signature_algorithm)) \
	X("subject_dn", leaf, cell(out, r->leaf->subject)) \
	X("issuer_dn", leaf, cell(out, r->leaf->issuer)) \
	X("validity_start", leaf, date(out, r->leaf->not_before)) \
	X("validity_end", leaf, date(out, r->leaf->not_after)) \
	X("days_left", leaf, number(out, r->leaf->days_left)) \
	X("fingerprint_sha256", leaf, cell(out, r->leaf->fingerprint)) \
	X("spki_subject_fingerprint", leaf, cell(out, r->leaf->spki_fingerprint))

void
probe_csv_header(struct buf *out)
{
	static const char *const names[] = {
#define NAME(name, needs, put) name,
		COLUMNS(NAME)
#undef NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (i > 0)
			buf_putc(out, ',');
		buf_puts(out, names[i]);
	}
	buf_putc(out, '\n');
}

static void
write_row(const struct row *r, struct buf *out)
{
	const char *comma = "";

#define CELL(name, needs, put) \
	buf_puts(out, comma); \
	comma = ","; \
	if (r->needs != NULL) \
		put;
	COLUMNS(CELL)
#undef CELL
	buf_putc(out, '\n');
}

static void
write_host(struct row *row, struct buf *out)
{
	for (size_t i = 0; i < row->host->tls_n; i++) {
		row->tls = &row->host->tls[i];
		row->leaf = facts_leaf(row->target->certs, row->target->certs_n, row->tls);
		write_row(row, out);
	}
	if (row->host->tls_n == 0)
		write_row(row, out);
	row->tls = NULL;
	row->leaf = NULL;
}

void
probe_csv_write(const struct target_facts *facts, struct buf *out)
{
	struct row row = { .target = facts };

	for (size_t i = 0; i < facts->exchanges_n; i++) {
		row.mx = &facts->exchanges[i];
		for (size_t j = 0; j < row.mx->hosts_n; j++) {
			row.host = &row.mx->hosts[j];
			write_host(&row, out);
		}
		row.host = NULL;
		if (row.mx->hosts_n == 0)
			write_row(&row, out);
	}
	if (facts->exchanges_n == 0)
		write_row(&row, out);
}

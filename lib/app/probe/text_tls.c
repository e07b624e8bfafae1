/*
 * Handshakes and certificates as text for people.
 */
#include <string.h>

#include "app/probe/text_impl.h"
#include "base/mem.h"
#include "base/text.h"

#define NAMES_SHOWN 20 /* of a certificate; the record has them all */
#define INDENT 4

#define FACT_ENUM(type) __attribute__((unused)) static const char *const type##_docs[] = {
#define FACT_TOKEN(type, symbol, token, doc) [symbol] = doc,
#define FACT_ENUM_END(type) \
	} \
	;
#include "base/facts.def"

/* --- certificates -------------------------------------------------------------------------------- */

/* Its place in the list from 1 on; 0 when it is not there. */
static size_t
number_of(const struct target_facts *facts, const char *fingerprint)
{
	const struct cert_facts *cert = facts_cert(facts->certs, facts->certs_n, fingerprint);

	return cert == NULL ? 0 : (size_t)(cert - facts->certs) + 1;
}

/* Move one certificate behind the n that are in place. */
static void
place(struct cert_facts *certs, size_t certs_n, size_t *n, const char *fingerprint)
{
	for (size_t i = *n; i < certs_n; i++) {
		struct cert_facts cert = certs[i];
		if (cert.fingerprint == NULL || strcmp(cert.fingerprint, fingerprint) != 0)
			continue;
		memmove(&certs[*n + 1], &certs[*n], (i - *n) * sizeof(cert));
		certs[(*n)++] = cert;
		return;
	}
}

struct cert_facts *
probe_text_sort_certificates(const struct target_facts *facts)
{
	struct cert_facts *certs;
	size_t n = 0;

	if (facts->certs_n == 0)
		return NULL;
	certs = mem_array(facts->certs_n, sizeof(*certs));
	memcpy(certs, facts->certs, facts->certs_n * sizeof(*certs));
	for (size_t i = 0; i < facts->exchanges_n; i++)
		for (size_t j = 0; j < facts->exchanges[i].hosts_n; j++) {
			const struct host_facts *host = &facts->exchanges[i].hosts[j];
			for (size_t k = 0; k < host->tls_n; k++)
				for (size_t l = 0; l < host->tls[k].chain.n; l++)
					place(certs, facts->certs_n, &n, host->tls[k].chain.v[l]);
		}
	return certs;
}

/* What it is called in one word: a name that it proves, else what its subject says. */
static const char *
name_of(const struct cert_facts *cert)
{
	if (cert->names.n > 0)
		return cert->names.v[0];
	if (cert->common_name != NULL && cert->common_name[0] != '\0')
		return cert->common_name;
	return cert->subject == NULL || cert->subject[0] == '\0' ? "(no name)" : cert->subject;
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
	buf_puts(out, text);
}

/* "89 days left", "expired", "not valid yet" */
static void
put_time_left(const struct cert_facts *cert, int64_t now, struct buf *out)
{
	int64_t days = (cert->not_after - now) / 86400;

	if (cert->not_after == 0)
		buf_puts(out, "end not known");
	else if (cert->not_after < now)
		buf_puts(out, "expired");
	else if (cert->not_before > now)
		buf_puts(out, "not valid yet");
	else
		buf_printf(out, "%lld day%s left", (long long)days, days == 1 ? "" : "s");
}

static void
write_key(const struct cert_facts *cert, struct buf *out)
{
	probe_text_label(out, INDENT, "key");
	buf_printf(out, "%s, %lld bits%s\n", key_type_str(cert->key_type),
	    (long long)cert->key_bits, cert->is_ca ? ", a CA's" : "");
}

static void
write_cert(const struct cert_facts *cert, size_t number, int64_t now, struct buf *out)
{
	buf_printf(out, "  #%zu ", number);
	probe_text_put(out, name_of(cert));
	buf_putc(out, '\n');
	probe_text_line(out, INDENT, "subject",
	    cert->subject == NULL || cert->subject[0] == '\0' ? "(empty)" : cert->subject);
	if (cert->names.n > 0)
		probe_text_list(out, INDENT, "names", &cert->names, NAMES_SHOWN);
	else if (!cert->is_ca)
		probe_text_line(out, INDENT, "names", "none");
	probe_text_line(out, INDENT, "issuer", cert->self_signed ? "itself" : cert->issuer);
	probe_text_line(out, INDENT, "serial", cert->serial);
	probe_text_label(out, INDENT, "valid");
	put_date(out, cert->not_before);
	buf_puts(out, " to ");
	put_date(out, cert->not_after);
	buf_puts(out, ", ");
	put_time_left(cert, now, out);
	buf_putc(out, '\n');
	write_key(cert, out);
	probe_text_line(out, INDENT, "signed with", cert->signature_algorithm);
	probe_text_line(out, INDENT, "SHA-256", cert->fingerprint);
	probe_text_line(out, INDENT, "key SHA-256", cert->spki_fingerprint);
}

void
probe_text_certificates(const struct target_facts *facts, int64_t now, struct buf *out)
{
	if (facts->certs_n > 0)
		buf_puts(out, "\nCertificates\n");
	for (size_t i = 0; i < facts->certs_n; i++)
		write_cert(&facts->certs[i], i + 1, now, out);
}

/* --- one chain ----------------------------------------------------------------------------------- */

/* "#1 mx.example.com (rsa 2048 bits, 89 days left)" */
static void
write_link(const struct target_facts *facts, const char *fingerprint, int64_t now, struct buf *out)
{
	size_t number = number_of(facts, fingerprint);

	if (number == 0) {
		probe_text_put(out, fingerprint);
		buf_putc(out, '\n');
		return;
	}
	const struct cert_facts *cert = &facts->certs[number - 1];
	buf_printf(out, "#%zu ", number);
	probe_text_put(out, name_of(cert));
	buf_printf(
	    out, " (%s %lld bits, ", key_type_str(cert->key_type), (long long)cert->key_bits);
	put_time_left(cert, now, out);
	buf_puts(out, cert->self_signed ? ", self-signed)\n" : ")\n");
}

static void
write_chain(
    const struct target_facts *facts, const struct tls_facts *tls, int64_t now, struct buf *out)
{
	if (tls->chain.n == 0) {
		if (tls->complete == TRI_YES)
			probe_text_line(out, INDENT, "chain", "no certificate");
		return;
	}
	for (size_t i = 0; i < tls->chain.n; i++) {
		probe_text_label(out, INDENT, i == 0 ? "chain" : "");
		write_link(facts, tls->chain.v[i], now, out);
	}
	if (tls->chain_order_ok == TRI_NO)
		probe_text_line(
		    out, INDENT, "", "not in order: behind each certificate its issuer belongs");
	if (tls->verify.missing_intermediate == TRI_YES)
		probe_text_line(
		    out, INDENT, "", "incomplete: an intermediate certificate was not sent");
}

/* "0:10:certificate has expired" as "certificate has expired (#1)" */
static void
write_error(const struct target_facts *facts, const struct tls_facts *tls, const char *entry,
    struct buf *out)
{
	struct slice rest = slice_str(entry), depth = slice_sub(rest, 0, slice_find(rest, ':'));
	unsigned long long n;

	rest = slice_sub(rest, depth.n + 1, rest.n);
	rest = slice_sub(rest, slice_find(rest, ':') + 1, rest.n);
	if (rest.n == 0 || !slice_number(depth, 1000, &n)) {
		probe_text_put(out, entry);
		return;
	}
	text_escape(out, rest, 512);
	/* what was built may differ from what was sent only behind the leaf */
	if (n == 0 && tls->chain.n > 0 && number_of(facts, tls->chain.v[0]) > 0)
		buf_printf(out, " (#%zu)", number_of(facts, tls->chain.v[0]));
	else
		buf_printf(out, " (depth %llu)", n);
}

static void
write_trust(const struct target_facts *facts, const struct tls_facts *tls, struct buf *out)
{
	const struct verify_facts *verify = &tls->verify;

	probe_text_label(out, INDENT, "trust");
	if (verify->trusted == TRI_YES) {
		buf_puts(out, "yes, to a trusted root\n");
		return;
	}
	buf_puts(out, verify->trusted == TRI_NO ? "no: " : "not judged: ");
	if (verify->errors.n == 0) {
		probe_text_put(out, verify->error == NULL ? "no reason known" : verify->error);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < verify->errors.n; i++) {
		if (i > 0)
			probe_text_label(out, INDENT, "");
		write_error(facts, tls, verify->errors.v[i], out);
		buf_putc(out, '\n');
	}
}

static void
write_match(
    const char *label, enum tri match, const char *name, const char *matched, struct buf *out)
{
	probe_text_label(out, INDENT, label);
	if (match == TRI_YES && matched != NULL && strcmp(matched, name) != 0) {
		probe_text_put(out, name);
		buf_puts(out, " matches ");
		probe_text_put(out, matched);
	} else {
		buf_puts(out, match == TRI_YES  ? "matches "
			      : match == TRI_NO ? "does not match "
						: "not compared with ");
		probe_text_put(out, name);
	}
	buf_putc(out, '\n');
}

/* --- one handshake ------------------------------------------------------------------------------- */

static void
write_negotiated(const struct tls_facts *tls, struct buf *out)
{
	probe_text_put(out, tls->version_name);
	buf_puts(out, ", ");
	probe_text_put(out, tls->cipher_name);
	if (tls->cipher_bits >= 0)
		buf_printf(out, " (%lld bits)", (long long)tls->cipher_bits);
	if (tls->group != NULL) {
		buf_puts(out, ", ");
		probe_text_put(out, tls->group);
	}
	if (tls->signature_scheme != NULL) {
		buf_puts(out, ", ");
		probe_text_put(out, tls->signature_scheme);
	}
	buf_putc(out, '\n');
}

/* "ALPN smtp, session ticket, no OCSP staple": what is not known is left out. */
static void
write_extras(const struct tls_facts *tls, struct buf *out)
{
	const struct {
		enum tri is;
		const char *yes, *no;
	} rows[] = { { tls->session_ticket, "session ticket", "no session ticket" },
		{ tls->ocsp_staple, "OCSP staple", "no OCSP staple" },
		{ tls->client_cert_requested, "asks for a client certificate", NULL } };

	probe_text_label(out, INDENT, "extensions");
	buf_puts(out, tls->alpn == NULL ? "no ALPN" : "ALPN ");
	if (tls->alpn != NULL)
		probe_text_put(out, tls->alpn);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = rows[i].is == TRI_YES  ? rows[i].yes
				   : rows[i].is == TRI_NO ? rows[i].no
							  : NULL;
		if (text != NULL)
			buf_printf(out, ", %s", text);
	}
	buf_putc(out, '\n');
}

/* The text of an error mostly has the alert; where it has not, it is put behind. */
static void
write_failed(const struct tls_facts *tls, struct buf *out)
{
	bool absent = tls->key_status == KEY_STATUS_ABSENT;
	/* without "received" and "sent" */
	const char *alert = tls->alert == NULL ? NULL : strchr(tls->alert, ' ');

	if (absent && tls->complete == TRI_YES)
		buf_puts(out, "no certificate of this kind, another one was sent all the same\n");
	if (absent && tls->complete == TRI_YES)
		return;
	buf_puts(out, absent                  ? "no certificate of this kind"
		      : tls->offer == KEY_ANY ? "no handshake"
					      : "not found out");
	if (tls->error != NULL && !(absent && alert != NULL)) {
		buf_puts(out, ": ");
		probe_text_put(out, tls->error);
		if (alert != NULL && strstr(tls->error, alert + 1) != NULL)
			alert = NULL;
	}
	if (alert != NULL) {
		buf_puts(out, " (alert ");
		probe_text_put(out, tls->alert);
		buf_putc(out, ')');
	}
	buf_putc(out, '\n');
}

/* "TLS", and of a server that was asked for both kinds of keys which one. */
static void
write_label(
    const struct target_facts *facts, const struct host_facts *host, size_t i, struct buf *out)
{
	const struct tls_facts *tls = &host->tls[i];
	size_t number = tls->chain.n > 0 ? number_of(facts, tls->chain.v[0]) : 0;
	enum key_type type =
	    tls->offer == KEY_ANY && number > 0 ? facts->certs[number - 1].key_type : tls->offer;

	if (host->tls_n == 1 || type == KEY_ANY)
		probe_text_label(out, INDENT, "TLS");
	else
		probe_text_label(out, INDENT,
		    type == KEY_RSA     ? "TLS, RSA"
		    : type == KEY_ECDSA ? "TLS, ECDSA"
		    : type == KEY_EDDSA ? "TLS, EdDSA"
					: "TLS, other");
}

void
probe_text_handshake(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, size_t i, int64_t now, struct buf *out)
{
	const struct tls_facts *tls = &host->tls[i];
	const char *name = mx->name == NULL ? "?" : mx->name;

	write_label(facts, host, i, out);
	if (tls->complete == TRI_YES && tls->key_status == KEY_STATUS_ABSENT) {
		write_failed(tls, out);
		return;
	}
	if (tls->complete != TRI_YES) {
		write_failed(tls, out);
		write_chain(facts, tls, now, out);
		return;
	}
	write_negotiated(tls, out);
	write_extras(tls, out);
	write_chain(facts, tls, now, out);
	write_trust(facts, tls, out);
	write_match("name", tls->verify.matches_mx, name, tls->verify.matched_name, out);
	/* without MX records both are the same */
	if (tls->verify.matches_domain != TRI_UNKNOWN && facts->alabel != NULL &&
	    strcmp(name, facts->alabel) != 0)
		write_match("mail domain", tls->verify.matches_domain, facts->alabel,
		    tls->verify.matched_domain_name, out);
	if (tls->dane != DANE_NOT_CHECKED && tls->dane != DANE_NONE)
		probe_text_line(out, INDENT, "DANE", dane_docs[tls->dane]);
}

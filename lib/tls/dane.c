/*
 * Matching by ourselves, since OpenSSL's SSL_dane_* stops at the first record that matches; that
 * both come to the same result is tested. Signatures, dates and purposes are OpenSSL's rules: the
 * trust anchor of a record is the only certificate of a store, with X509_V_FLAG_PARTIAL_CHAIN.
 */
#include "tls/dane.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"
#include "tls/tlsa.h"

/* One chain being compared; lives on the stack. */
struct matching {
	const struct tls_dane_question *question;
	struct arena *arena;
	STACK_OF(X509) * chain; /* as sent, leaf first */
	int n;                  /* of the chain, at most LIMIT_CHAIN_CERTS; 0: no certificate */
	unsigned verified;      /* chains built so far */
	unsigned signatures;    /* and certificates tried with bare keys */
	/* the anchor that is tried: one by its certificate, or one that a bare key has signed */
	X509 *anchor;
	bool bare_key;
	enum tri named; /* the leaf has one of the names; unknown: not looked yet */
	struct {
		bool known;
		const char *note; /* NULL: verifies up to it */
	} anchors[LIMIT_CHAIN_CERTS];
};

static X509 *
cert_at(const struct matching *m, int depth)
{
	return sk_X509_value(m->chain, depth);
}

/* --- the chain up to one trust anchor ------------------------------------------------------------ */

static void
set_params(const struct matching *m, X509_STORE_CTX *ctx)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_STORE_CTX_set_default(ctx, "ssl_server"); /* purpose and trust */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	X509_VERIFY_PARAM_set_depth(param, LIMIT_CHAIN_DEPTH);
	X509_VERIFY_PARAM_set_auth_level(param, m->question->auth_level);
	X509_VERIFY_PARAM_set_time(param, (time_t)m->question->at);
}

/*
 * A trust anchor is a name and a key (RFC 5280 s6.1.1): its own dates do not count. OpenSSL looks at
 * them all the same when it is self-signed, and so do senders that use OpenSSL.
 */
static int
on_error(int ok, X509_STORE_CTX *ctx)
{
	const struct matching *m = X509_STORE_CTX_get_app_data(ctx);
	const X509 *at = X509_STORE_CTX_get_current_cert(ctx);
	int error = X509_STORE_CTX_get_error(ctx);

	if (ok || m->bare_key ||
	    (error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID))
		return ok;
	return at != NULL && X509_cmp(at, m->anchor) == 0 &&
	       X509_check_issued(m->anchor, m->anchor) != X509_V_OK;
}

/* The text of the first error, NULL without one. *depth_r: of the anchor, if the chain got there. */
static const char *
run_verification(struct matching *m, X509_STORE_CTX *ctx, int *depth_r)
{
	bool ok = X509_verify_cert(ctx) == 1;
	STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(ctx);
	int last = sk_X509_num(built) - 1;

	if (last >= 0 && X509_cmp(sk_X509_value(built, last), m->anchor) == 0)
		*depth_r = last;
	if (ok)
		return NULL;
	return arena_printf(m->arena, "depth %d: %s", X509_STORE_CTX_get_error_depth(ctx),
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
}

/* Likewise, for a chain from the leaf to the anchor. */
static const char *
verify_chain(struct matching *m, int *depth_r)
{
	X509_STORE *store;
	X509_STORE_CTX *ctx;
	const char *note = "verification could not be started";

	if (m->verified++ >= LIMIT_DANE_VERIFICATIONS)
		return "too many trust anchors: this one was not tried";
	store = X509_STORE_new();
	ctx = X509_STORE_CTX_new();
	if (store != NULL && ctx != NULL && X509_STORE_add_cert(store, m->anchor) == 1 &&
	    X509_STORE_CTX_init(ctx, store, cert_at(m, 0), m->chain) == 1) {
		set_params(m, ctx);
		X509_STORE_CTX_set_app_data(ctx, m);
		X509_STORE_CTX_set_verify_cb(ctx, on_error);
		note = run_verification(m, ctx, depth_r);
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return note;
}

/* RFC 7672 s3.2.3: any of the reference names. */
static bool
is_named(struct matching *m)
{
	if (m->named == TRI_UNKNOWN) {
		m->named = TRI_NO;
		for (size_t i = 0; i < m->question->names_n && m->named == TRI_NO; i++)
			if (m->question->names[i] != NULL &&
			    tls_cert_names(cert_at(m, 0), m->question->names[i], m->arena, NULL))
				m->named = TRI_YES;
	}
	return m->named == TRI_YES;
}

/* What speaks against this anchor, NULL when nothing does. */
static const char *
judge_anchor(struct matching *m, X509 *anchor, bool bare_key, int *depth_r)
{
	m->anchor = anchor;
	m->bare_key = bare_key;
	const char *note = verify_chain(m, depth_r);

	if (note == NULL && !is_named(m))
		note = TLS_DANE_OTHER_NAME;
	return note;
}

/* Likewise for a certificate of the chain: each is judged once, however many records name it. */
static const char *
judge_sent(struct matching *m, int depth)
{
	int built = -1;

	if (!m->anchors[depth].known) {
		m->anchors[depth].note = judge_anchor(m, cert_at(m, depth), false, &built);
		m->anchors[depth].known = true;
	}
	return m->anchors[depth].note;
}

/* --- one record ---------------------------------------------------------------------------------- */

static void
note_anchor(struct tls_dane_fit *fit, int depth, const char *note)
{
	if (note != NULL && fit->depth >= 0) /* the nearest is what was meant */
		return;
	fit->matched = note == NULL ? TRI_YES : TRI_NO;
	fit->note = note;
	fit->depth = depth;
}

/* A whole certificate that the server need not send (RFC 7671 s5.2.1). */
static void
match_full_cert(struct matching *m, struct slice data, struct tls_dane_fit *fit)
{
	X509 *anchor = tls_tlsa_cert(data.p, data.n);
	int depth = -1;

	if (anchor == NULL)
		return;
	const char *note = judge_anchor(m, anchor, false, &depth);
	if (depth > 0) /* else it has issued nothing here, or is the leaf */
		note_anchor(fit, depth, note);
	X509_free(anchor);
}

/* A bare key: whatever it has signed is where the chain may end, and has dates that count. */
static void
match_full_key(struct matching *m, struct slice data, struct tls_dane_fit *fit)
{
	EVP_PKEY *key = tls_tlsa_key(data.p, data.n);
	int built = -1;

	for (int i = 0; key != NULL && i < m->n && fit->matched != TRI_YES; i++)
		if (m->signatures++ < 4 * LIMIT_DANE_VERIFICATIONS &&
		    X509_verify(cert_at(m, i), key) == 1)
			note_anchor(fit, i + 1, judge_anchor(m, cert_at(m, i), true, &built));
	EVP_PKEY_free(key);
	ERR_clear_error();
}

/*
 * RFC 7671 s5.2: an issuer. As in OpenSSL the server's own certificate is none, even if it is
 * self-signed.
 */
static void
match_ta(struct matching *m, const struct tlsa_record_facts *record, struct slice data,
    struct tls_dane_fit *fit)
{
	int selector = (int)record->selector, type = (int)record->matching_type;

	for (int i = 1; i < m->n && fit->matched != TRI_YES; i++)
		if (tls_tlsa_fits(cert_at(m, i), selector, type, data))
			note_anchor(fit, i, judge_sent(m, i));
	if (fit->depth >= 0 || type != TLSA_MATCHING_FULL || m->n == 0)
		return;
	if (selector == TLSA_SELECTOR_CERT)
		match_full_cert(m, data, fit);
	else
		match_full_key(m, data, fit);
}

/* The record's data, into bytes. */
static bool
read_data(const struct tlsa_record_facts *record, struct buf *bytes)
{
	struct slice hex = slice_str(record->data);
	char *room;

	buf_reset(bytes);
	room = buf_reserve(bytes, hex.n / 2);
	if (room == NULL || !text_unhex(hex, (unsigned char *)room))
		return false;
	buf_commit(bytes, hex.n / 2);
	return tls_tlsa_is_sound(
	    (int)record->selector, (int)record->matching_type, bytes->data, bytes->len);
}

static void
match_record(struct matching *m, const struct tlsa_record_facts *record, struct buf *bytes,
    struct tls_dane_fit *fit)
{
	*fit = (struct tls_dane_fit){ TRI_UNKNOWN, -1, NULL };
	if ((record->usage != TLSA_DANE_TA && record->usage != TLSA_DANE_EE) ||
	    !read_data(record, bytes))
		return;
	struct slice data = slice_make(bytes->data, bytes->len);
	fit->matched = TRI_NO;
	if (record->usage == TLSA_DANE_TA) {
		match_ta(m, record, data, fit);
	} else if (m->n > 0 && tls_tlsa_fits(cert_at(m, 0), (int)record->selector,
				   (int)record->matching_type, data)) {
		fit->matched = TRI_YES;
		fit->depth = 0;
	}
}

/* --- all records --------------------------------------------------------------------------------- */

static enum dane
match_all(STACK_OF(X509) * chain, const struct tls_dane_question *question, struct arena *arena,
    struct tls_dane_fit *fits)
{
	struct matching m = { .question = question, .arena = arena, .chain = chain };
	enum dane result = DANE_UNUSABLE;
	struct buf bytes;

	m.n = sk_X509_num(chain); /* -1 for NULL */
	if (m.n > LIMIT_CHAIN_CERTS)
		m.n = LIMIT_CHAIN_CERTS;
	if (m.n < 0)
		m.n = 0;
	buf_init(&bytes, LIMIT_DNS_TCP_BYTES);
	for (size_t i = 0; i < question->records_n; i++) {
		const struct tlsa_record_facts *record = &question->records[i];
		match_record(&m, record, &bytes, &fits[i]);
		if (!record->usable)
			continue;
		if (fits[i].matched == TRI_YES)
			result = DANE_VALID;
		else if (result == DANE_UNUSABLE)
			result = DANE_MISMATCH;
	}
	buf_free(&bytes);
	return result;
}

enum dane
tls_dane(const struct tls *tls, const struct tls_dane_question *question, struct arena *arena,
    struct tls_dane_fit *fits_r)
{
	if (!tls->complete || tls->server) {
		for (size_t i = 0; i < question->records_n; i++)
			fits_r[i] = (struct tls_dane_fit){ TRI_UNKNOWN, -1, NULL };
		return DANE_NOT_CHECKED;
	}
	ERR_clear_error();
	return match_all(SSL_get_peer_cert_chain(tls->ssl), question, arena, fits_r);
}

int
tls_dane_chain(const struct slice *certs, size_t n, const struct tls_dane_question *question,
    struct arena *arena, struct tls_dane_fit *fits_r, enum dane *dane_r, struct fail *why)
{
	STACK_OF(X509) * chain;

	tls_init();
	ERR_clear_error();
	chain = tls_tlsa_chain(certs, n);
	if (chain == NULL)
		return fail_set(why, FAIL_MESSAGE, "not a certificate");
	*dane_r = match_all(chain, question, arena, fits_r);
	sk_X509_pop_free(chain, X509_free);
	return 0;
}

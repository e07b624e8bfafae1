#include "tls/verify.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "tls/tlsa.h"
#include "tls/trust.h"

/* One chain that is judged; lives on the stack of tls_verify. */
struct judging {
	STACK_OF(X509) * chain; /* as sent, leaf first */
	int64_t at;
	int auth_level;
	struct arena *arena;
	struct verify_facts *facts;
};

static void
add_error(const struct judging *j, int depth, int code)
{
	struct verify_facts *facts = j->facts;
	const char *text = X509_verify_cert_error_string(code);
	char *entry = arena_printf(j->arena, "%d:%d:%s", depth, code, text);

	if (facts->errors.n == 0) {
		facts->code = code;
		facts->error = arena_strdup(j->arena, text);
	}
	for (size_t i = 0; i < facts->errors.n; i++)
		if (strcmp(facts->errors.v[i], entry) == 0)
			return;
	if (facts->errors.n < LIMIT_VERIFY_ERRORS)
		strs_add(&facts->errors, j->arena, entry);
}

/*
 * RFC 5246 s7.4.2: a server sends its certificate with those of the issuers, but for the root. When
 * it is a CA's certificate whose issuer is not found, that may as well be a root nobody trusts.
 */
static void
note_issuer(const struct judging *j, X509_STORE_CTX *ctx)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	int code = X509_STORE_CTX_get_error(ctx);

	if (code != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT &&
	    code != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
		return;
	j->facts->missing_intermediate =
	    cert != NULL && X509_check_ca(cert) == 0 ? TRI_YES : TRI_UNKNOWN;
}

/* Go on after each error, so that all are known: "expired" must not hide "untrusted". */
static int
on_error(int ok, X509_STORE_CTX *ctx)
{
	const struct judging *j = X509_STORE_CTX_get_app_data(ctx);

	if (ok)
		return 1;
	add_error(j, X509_STORE_CTX_get_error_depth(ctx), X509_STORE_CTX_get_error(ctx));
	note_issuer(j, ctx);
	return 1;
}

static void
set_params(const struct judging *j, X509_STORE_CTX *ctx)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_STORE_CTX_set_default(ctx, "ssl_server"); /* purpose and trust */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_TRUSTED_FIRST);
	X509_VERIFY_PARAM_set_depth(param, LIMIT_CHAIN_DEPTH);
	X509_VERIFY_PARAM_set_auth_level(param, j->auth_level);
	X509_VERIFY_PARAM_set_time(param, (time_t)j->at);
}

/* The times between which no certificate begins or ends: from <= at < to. */
struct span {
	int64_t from, to;
};

static void
span_cut(struct span *span, int64_t at, int64_t edge)
{
	if (edge <= at && edge > span->from)
		span->from = edge;
	if (edge > at && edge < span->to)
		span->to = edge;
}

static void
span_narrow(struct span *span, int64_t at, STACK_OF(X509) * certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		const X509 *cert = sk_X509_value(certs, i);
		const ASN1_TIME *dates[2] = { X509_get0_notBefore(cert), X509_get0_notAfter(cert) };
		for (size_t k = 0; k < 2; k++) {
			int64_t edge = at;
			tls_time(dates[k], &edge);
			/* whether notAfter itself belongs to it differs: RFC 5280 s4.1.2.5, OpenSSL */
			span_cut(span, at, edge);
			span_cut(span, at, edge + 1);
		}
	}
}

/* False when it came to no judgement. */
static bool
judge_with(struct judging *j, X509_STORE_CTX *ctx)
{
	struct verify_facts *facts = j->facts;

	set_params(j, ctx);
	facts->missing_intermediate = TRI_NO;
	X509_STORE_CTX_set_app_data(ctx, j);
	X509_STORE_CTX_set_verify_cb(ctx, on_error);
	int rc = X509_verify_cert(ctx);
	int code = X509_STORE_CTX_get_error(ctx);
	if (rc < 0) { /* no memory, an internal error: says nothing about the chain */
		facts->trusted = TRI_UNKNOWN;
		facts->missing_intermediate = TRI_UNKNOWN;
		facts->error = arena_strdup(j->arena, X509_verify_cert_error_string(code));
		return false;
	}
	if (rc == 0 && facts->errors.n == 0)
		add_error(j, X509_STORE_CTX_get_error_depth(ctx), code);
	facts->trusted = facts->errors.n == 0 ? TRI_YES : TRI_NO;
	if (facts->errors.n == 0)
		facts->code = X509_V_OK;
	return true;
}

static void
judge(struct judging *j, struct tls_trust *trust, X509_STORE *store, struct slice key)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct span span = { j->at - LIMIT_CHAIN_JUDGED_S, j->at + LIMIT_CHAIN_JUDGED_S };

	if (ctx == NULL ||
	    X509_STORE_CTX_init(ctx, store, sk_X509_value(j->chain, 0), j->chain) != 1) {
		j->facts->error = arena_strdup(j->arena, "verification could not be started");
	} else if (judge_with(j, ctx)) {
		span_narrow(&span, j->at, j->chain);
		span_narrow(&span, j->at, X509_STORE_CTX_get0_chain(ctx));
		tls_judged_put(&trust->judged, key, span.from, span.to, j->facts);
	}
	X509_STORE_CTX_free(ctx);
}

/* What a judgement depends on, but for the store and the time; false when it cannot be told. */
static bool
make_key(const struct judging *j, unsigned char key[32])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n;
	bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
		  EVP_DigestUpdate(md, &j->auth_level, sizeof(j->auth_level)) == 1;

	for (int i = 0; ok && i < sk_X509_num(j->chain); i++)
		ok = X509_digest(sk_X509_value(j->chain, i), EVP_sha256(), digest, &n) == 1 &&
		     EVP_DigestUpdate(md, digest, n) == 1;
	ok = ok && EVP_DigestFinal_ex(md, key, &n) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

static void
judge_chain(struct judging *j, struct tls_trust *trust)
{
	unsigned char digest[32] = { 0 };
	struct slice key = slice_make((const char *)digest, sizeof(digest));
	struct fail why;
	X509_STORE *store = tls_trust_store(trust, &why);

	if (store == NULL)
		j->facts->error = arena_strdup(j->arena, why.text);
	else if (!make_key(j, digest))
		j->facts->error = arena_strdup(j->arena, "verification could not be started");
	else if (!tls_judged_get(&trust->judged, key, j->at, j->arena, j->facts))
		judge(j, trust, store, key);
}

static enum tri
tri(bool yes)
{
	return yes ? TRI_YES : TRI_NO;
}

static void
judge_leaf(X509 *leaf, const char *host, const char *domain, int64_t at, struct arena *arena,
    struct verify_facts *facts)
{
	int64_t from, to;

	if (tls_time(X509_get0_notBefore(leaf), &from) && tls_time(X509_get0_notAfter(leaf), &to))
		facts->expired = tri(at < from || at > to);
	facts->self_signed = tri(X509_self_signed(leaf, 1) == 1);
	if (host != NULL)
		facts->matches_mx = tri(tls_cert_names(leaf, host, arena, &facts->matched_name));
	if (domain != NULL)
		facts->matches_domain =
		    tri(tls_cert_names(leaf, domain, arena, &facts->matched_domain_name));
}

static void
judge_all(X509 *leaf, STACK_OF(X509) * chain, struct tls_trust *trust, const char *host,
    const char *domain, int64_t at, int auth_level, struct arena *arena,
    struct verify_facts *verify)
{
	ERR_clear_error();
	judge_leaf(leaf, host, domain, at, arena, verify);
	judge_chain(&(struct judging){ .chain = chain,
			.at = at,
			.auth_level = auth_level,
			.arena = arena,
			.facts = verify },
	    trust);
	ERR_clear_error();
}

void
tls_verify(const struct tls *tls, struct tls_trust *trust, const char *host, const char *domain,
    int64_t at, int auth_level, struct arena *arena, struct verify_facts *verify_r)
{
	X509 *leaf = SSL_get0_peer_certificate(tls->ssl);

	facts_init_verify_facts(verify_r);
	if (!tls->complete) {
		verify_r->error = arena_strdup(arena, "the handshake is not complete");
		return;
	}
	if (leaf == NULL) {
		verify_r->trusted = TRI_NO;
		verify_r->error = arena_strdup(arena, "the server has shown no certificate");
		return;
	}
	judge_all(leaf, SSL_get_peer_cert_chain(tls->ssl), trust, host, domain, at, auth_level,
	    arena, verify_r);
}

int
tls_verify_certs(const struct slice *certs, size_t n, struct tls_trust *trust, const char *host,
    const char *domain, int64_t at, int auth_level, struct arena *arena,
    struct verify_facts *verify_r, struct fail *why)
{
	STACK_OF(X509) * chain;

	tls_init();
	ERR_clear_error();
	facts_init_verify_facts(verify_r);
	chain = n > 0 ? tls_tlsa_chain(certs, n) : NULL;
	if (chain == NULL)
		return fail_set(why, FAIL_MESSAGE, "not a certificate");
	judge_all(
	    sk_X509_value(chain, 0), chain, trust, host, domain, at, auth_level, arena, verify_r);
	sk_X509_pop_free(chain, X509_free);
	return 0;
}

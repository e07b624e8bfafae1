/*
 * Certificates of clients: asked for, judged against the roots of --client-ca, and noted. Only with REQUIRE
 * does anything depend on them.
 */
#include <stdlib.h>

#include <openssl/err.h>

#include "base/limits.h"
#include "tls/internal.h"

static int
on_client_chain(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);

	(void)arg;
	tls->client_verified = X509_verify_cert(store) == 1;
	ERR_clear_error();
	if (tls->client_verified || tls->ctx->client == TLS_CLIENT_CERT_REQUIRE)
		return tls->client_verified;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

int
tls_ctx_ask_client(struct tls_ctx *ctx, const struct tls_server_options *options, struct fail *why)
{
	int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
	char reason[200];

	if (options->client == TLS_CLIENT_CERT_REQUIRE)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	ctx->client = options->client;
	SSL_CTX_set_verify(ctx->ssl, mode, NULL);
	SSL_CTX_set_verify_depth(ctx->ssl, LIMIT_CHAIN_DEPTH);
	SSL_CTX_set_max_cert_list(ctx->ssl, LIMIT_CHAIN_BYTES);
	SSL_CTX_set_cert_verify_callback(ctx->ssl, on_client_chain, NULL);
	if (options->client_ca == NULL)
		return 0;
	ERR_clear_error();
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->client_ca);
	if (names != NULL && SSL_CTX_load_verify_file(ctx->ssl, options->client_ca) == 1) {
		SSL_CTX_set_client_CA_list(ctx->ssl, names);
		return 0;
	}
	sk_X509_NAME_pop_free(names, X509_NAME_free);
	tls_error_drain(reason, sizeof(reason));
	return fail_set(
	    why, FAIL_TLS_CONFIG, "%s: no PEM certificates: %s", options->client_ca, reason);
}

bool
tls_session_client_cert(const struct tls *tls, struct arena *arena, char *fingerprint_r,
    char **subject_r, bool *verified_r)
{
	X509 *cert = SSL_get1_peer_certificate(tls->ssl);
	struct cert_facts facts;

	if (cert == NULL)
		return false;
	tls_cert_facts(cert, arena, &facts);
	tls_cert_fingerprint(cert, fingerprint_r);
	*subject_r = facts.subject;
	*verified_r = tls->client_verified;
	X509_free(cert);
	ERR_clear_error();
	return true;
}

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/limits.h"
#include "base/mem.h"
#include "tls/internal.h"

/*
 * What a survey must be able to negotiate to report it; anonymous suites stay out, since a server
 * that takes one shows no certificate. The security level cuts it down where TLS has to protect.
 */
#define CLIENT_CIPHERS "ALL:!aNULL:!eNULL:!PSK:!SRP"

static int
config_error(struct fail *why, const char *what)
{
	char reason[200];

	tls_error_drain(reason, sizeof(reason));
	return fail_set(
	    why, FAIL_TLS_CONFIG, "%s%s%s", what, reason[0] == '\0' ? "" : ": ", reason);
}

struct tls_ctx *
tls_ctx_new(
    bool server, enum tls_version min, enum tls_version max, int security_level, struct fail *why)
{
	struct tls_ctx *ctx;
	SSL_CTX *ssl;

	if (max != TLS_VERSION_ANY && min > max) {
		fail_set(why, FAIL_TLS_CONFIG, "minimum TLS version %s is above the maximum %s",
		    tls_version_str(min), tls_version_str(max));
		return NULL;
	}
	tls_init();
	ERR_clear_error();
	ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (ssl == NULL || SSL_CTX_set_min_proto_version(ssl, (int)min) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, (int)max) != 1) {
		config_error(why, "cannot make a TLS context");
		SSL_CTX_free(ssl);
		return NULL;
	}
	SSL_CTX_set_security_level(ssl, security_level);
	/* idle sessions give their 34 KiB of buffers back; writes are resumed with the rest */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	/* one recv for all records that wait, not two for each */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	tls_ctx_set_callbacks(ssl, server);
	ctx = mem_alloc(sizeof(*ctx));
	ctx->ssl = ssl;
	ctx->server = server;
	return ctx;
}

/* Never prompt: there is nobody to ask. */
static int
no_passphrase(char *out, int size, int writing, void *ctx)
{
	(void)out, (void)size, (void)writing, (void)ctx;
	return -1;
}

static int
use_client_cert(SSL_CTX *ssl, const char *file, struct fail *why)
{
	char reason[200];

	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ssl, file) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) == 1 &&
	    SSL_CTX_check_private_key(ssl) == 1)
		return 0;
	tls_error_drain(reason, sizeof(reason));
	return fail_set(why, FAIL_TLS_CONFIG, "client certificate %s: %s", file, reason);
}

struct tls_ctx *
tls_ctx_client(const struct tls_client_options *options, struct fail *why)
{
	enum tls_version min = options->min;
	struct tls_ctx *ctx;

	if (min == TLS_VERSION_ANY)
		min = options->security_level == 0 ? TLS_VERSION_1_0 : TLS_VERSION_1_2;
	ctx = tls_ctx_new(false, min, options->max, options->security_level, why);
	if (ctx == NULL)
		return NULL;
	ctx->ciphers = mem_strdup(options->ciphers != NULL ? options->ciphers : CLIENT_CIPHERS);
	if (SSL_CTX_set_cipher_list(ctx->ssl, ctx->ciphers) != 1) {
		char reason[200];
		tls_error_drain(reason, sizeof(reason));
		fail_set(why, FAIL_TLS_CONFIG, "cipher list \"%s\": %s", ctx->ciphers, reason);
		tls_ctx_free(ctx);
		return NULL;
	}
	if (options->cert_file != NULL && use_client_cert(ctx->ssl, options->cert_file, why) != 0) {
		tls_ctx_free(ctx);
		return NULL;
	}
	SSL_CTX_set_max_cert_list(ctx->ssl, LIMIT_CHAIN_BYTES);
	SSL_CTX_set_tlsext_status_type(ctx->ssl, TLSEXT_STATUSTYPE_ocsp);
	if (options->alpn)
		SSL_CTX_set_alpn_protos(ctx->ssl, (const unsigned char *)"\4smtp", 5);
	if (options->security_level == 0)
		SSL_CTX_set_options(ctx->ssl, SSL_OP_LEGACY_SERVER_CONNECT);
	return ctx;
}

void
tls_ctx_server_fingerprint(const struct tls_ctx *ctx, char out[65])
{
	memcpy(out, ctx->fingerprint, sizeof(ctx->fingerprint));
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *ctx)
{
	ctx->refs++;
	return ctx;
}

void
tls_ctx_free(struct tls_ctx *ctx)
{
	if (ctx == NULL)
		return;
	if (ctx->refs > 0) {
		ctx->refs--;
		return;
	}
	tls_ctx_free(ctx->next);
	for (size_t i = 0; i < ctx->leaves_n; i++)
		X509_free(ctx->leaves[i]);
	SSL_CTX_free(ctx->ssl);
	free(ctx->ciphers);
	free(ctx);
}

/*
 * Which certificates a client of our server gets: those that have the name it asks for (SNI, RFC 6066
 * s3). The name is only compared with what our certificates say; it goes nowhere else (reference
 * listen.md S10).
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "tls/internal.h"

static bool
has_name(X509 *cert, const char *name, bool exactly)
{
	if (!exactly)
		return tls_cert_names(cert, name, NULL, NULL);
	bool named =
	    X509_check_host(cert, name, strlen(name),
		X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
	ERR_clear_error();
	return named;
}

/* How many DNS names a certificate has, and how many of them, written alike, another one has. */
static unsigned
count_shared(X509 *cert, X509 *other, unsigned *names_r)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	unsigned shared = 0;

	*names_r = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char text[LIMIT_DOMAIN_BYTES + 1];
		if (name->type != GEN_DNS)
			continue;
		const ASN1_STRING *value = name->d.dNSName;
		size_t n = (size_t)ASN1_STRING_length(value);
		const unsigned char *data = ASN1_STRING_get0_data(value);
		if (n == 0 || n >= sizeof(text) || memchr(data, '\0', n) != NULL)
			continue;
		memcpy(text, data, n);
		text[n] = '\0';
		++*names_r;
		shared += has_name(other, text, true);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return shared;
}

enum tls_names
tls_certs_compare(X509 *cert, X509 *other)
{
	unsigned names, others;
	unsigned shared = count_shared(cert, other, &names);

	count_shared(other, cert, &others);
	if (names == 0 && others == 0)
		return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_subject_name(other)) == 0
			   ? TLS_NAMES_ALL
			   : TLS_NAMES_NONE;
	return shared == 0 ? TLS_NAMES_NONE : shared < names ? TLS_NAMES_SOME : TLS_NAMES_ALL;
}

static struct tls_ctx *
find_name(struct tls_ctx *ctx, const char *name, bool exactly)
{
	for (; ctx != NULL; ctx = ctx->next)
		for (size_t i = 0; i < ctx->leaves_n; i++)
			if (has_name(ctx->leaves[i], name, exactly))
				return ctx;
	return NULL;
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert, (void)arg;
	if (name == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	struct tls_ctx *ctx = find_name(tls->ctx, name, true);
	if (ctx == NULL)
		ctx = find_name(tls->ctx, name, false);
	if (ctx == NULL) /* many senders ask for a name of the domain: no reason to refuse */
		return SSL_TLSEXT_ERR_NOACK;
	if (ctx != tls->ctx)
		SSL_set_SSL_CTX(ssl, ctx->ssl);
	return SSL_TLSEXT_ERR_OK;
}

void
tls_ctx_set_names(struct tls_ctx *ctx)
{
	SSL_CTX_set_tlsext_servername_callback(ctx->ssl, on_server_name);
}

/*
 * Finite fields of Diffie-Hellman: TLS 1.2 sends the prime itself, which is one of RFC 7919 or
 * anybody's.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "tls/hello.h"
#include "tls/internal.h"

#define BITS_MIN 2048 /* of RFC 7919 */
#define BITS_MAX 8192

/* A key of parameters only, NULL when OpenSSL does not take them. */
static EVP_PKEY *
make_params(const BIGNUM *prime, const BIGNUM *generator)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (build != NULL && ctx != NULL &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, prime) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, generator) == 1)
		params = OSSL_PARAM_BLD_to_param(build);
	if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

const char *
tls_dh_group(const EVP_PKEY *key)
{
	static const char *const names[] = { "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144",
		"ffdhe8192" };
	char name[32];

	if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return names[i];
	return NULL;
}

uint16_t
hello_dh_group(struct slice prime, struct slice generator)
{
	BIGNUM *p, *g;
	EVP_PKEY *key = NULL;
	uint16_t group = 0;

	if (prime.n < BITS_MIN / 8 || prime.n > BITS_MAX / 8 || generator.n > prime.n)
		return 0;
	tls_init();
	ERR_clear_error();
	p = BN_bin2bn((const unsigned char *)prime.p, (int)prime.n, NULL);
	g = BN_bin2bn((const unsigned char *)generator.p, (int)generator.n, NULL);
	if (p != NULL && g != NULL)
		key = make_params(p, g);
	if (key != NULL)
		group = hello_group_number(tls_dh_group(key));
	EVP_PKEY_free(key);
	BN_free(p);
	BN_free(g);
	ERR_clear_error();
	return group;
}

/*
 * OpenSSL 3.0 and 3.1 look, for the key of each certificate that they read, through every algorithm
 * that they have, three times over: a fifth of the CPU of a session. (3.2 remembers what it found.)
 * Whoever has TLS sessions and reads no keys but those of certificates needs a third of them.
 *
 * A provider of our own hands out what the default one has, but for the rest; the default one lives
 * in a library context of its own, which is not seen from outside.
 */
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "tls/internal.h"
#include "tls/tls.h"

#define NAME "mxtls-sessions"
#define SELECTED_MAX 96

/* What stays of an operation, by the first name; of those that are not here, all. */
static const struct selection {
	int operation;
	const char *const *words;
	bool anywhere; /* the words are somewhere in the names, not where these begin */
} selections[] = {
	{ OSSL_OP_CIPHER,
	    (const char *const[]){ "-GCM", "-CCM", "-CBC:", "-CBC-HMAC", "Poly1305", "NULL", NULL },
	    true },
	{ OSSL_OP_DIGEST, (const char *const[]){ "SHA", "MD5", "RIPEMD", "NULL", NULL }, false },
	{ OSSL_OP_MAC, (const char *const[]){ "HMAC", NULL }, false },
	{ OSSL_OP_KDF, (const char *const[]){ "HKDF", "TLS", NULL }, false },
	{ OSSL_OP_KEYMGMT,
	    (const char *const[]){
		"DH:", "DSA", "RSA", "EC", "X25519", "X448", "ED25519", "ED448", "HMAC", NULL },
	    false },
	{ OSSL_OP_DECODER, (const char *const[]){ "DSA", "RSA", "EC", "ED25519", "ED448", NULL },
	    false },
};
#define SELECTIONS (sizeof(selections) / sizeof(selections[0]))

static struct {
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *provider; /* "default" */
	OSSL_ALGORITHM selected[SELECTIONS][SELECTED_MAX];
} whole;

static bool
is_selected(const struct selection *selection, const OSSL_ALGORITHM *algorithm)
{
	const char *properties = algorithm->property_definition;

	if (selection->operation == OSSL_OP_DECODER &&
	    (strstr(properties, "input=der") == NULL ||
		strstr(properties, "structure=SubjectPublicKeyInfo") == NULL))
		return false;
	for (size_t i = 0; selection->words[i] != NULL; i++) {
		const char *at = strstr(algorithm->algorithm_names, selection->words[i]);
		if (at != NULL && (selection->anywhere || at == algorithm->algorithm_names))
			return true;
	}
	return false;
}

static void
select_algorithms(void)
{
	for (size_t i = 0; i < SELECTIONS; i++) {
		int no_cache;
		const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(
		    whole.provider, selections[i].operation, &no_cache);
		size_t n = 0;
		for (; all != NULL && all->algorithm_names != NULL && n < SELECTED_MAX - 1; all++)
			if (is_selected(&selections[i], all))
				whole.selected[i][n++] = *all;
	}
}

static const OSSL_ALGORITHM *
query_operation(void *ctx, int operation, int *no_cache)
{
	(void)ctx;
	for (size_t i = 0; i < SELECTIONS; i++)
		if (selections[i].operation == operation) {
			*no_cache = 0;
			return whole.selected[i];
		}
	return OSSL_PROVIDER_query_operation(whole.provider, operation, no_cache);
}

static int
get_capabilities(void *ctx, const char *what, OSSL_CALLBACK *call, void *arg)
{
	(void)ctx;
	return OSSL_PROVIDER_get_capabilities(whole.provider, what, call, arg);
}

static const OSSL_PARAM *
gettable_params(void *ctx)
{
	(void)ctx;
	return OSSL_PROVIDER_gettable_params(whole.provider);
}

static int
get_params(void *ctx, OSSL_PARAM *params)
{
	(void)ctx;
	return OSSL_PROVIDER_get_params(whole.provider, params);
}

/* OpenSSL's tables hold functions of every kind as one type. */
#define ENTRY(id, function) \
	{ \
		id, (void (*)(void))(function) \
	}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **ctx_r)
{
	static const OSSL_DISPATCH functions[] = {
		ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
		ENTRY(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, get_capabilities),
		ENTRY(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
		ENTRY(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
		{ 0, NULL },
	};

	(void)handle;
	(void)in;
	*out = functions;
	*ctx_r = OSSL_PROVIDER_get0_provider_ctx(whole.provider);
	return 1;
}

bool
tls_init_few_algorithms(void)
{
	if (whole.provider != NULL)
		return true;
	tls_init();
	if (OPENSSL_version_major() != 3 || OPENSSL_version_minor() > 1)
		return false;
	ERR_clear_error();
	whole.ctx = OSSL_LIB_CTX_new();
	if (whole.ctx != NULL)
		whole.provider = OSSL_PROVIDER_load(whole.ctx, "default");
	OSSL_PROVIDER *ours = NULL;
	if (whole.provider != NULL)
		select_algorithms();
	if (whole.provider != NULL && OSSL_PROVIDER_add_builtin(NULL, NAME, provider_init) == 1)
		ours = OSSL_PROVIDER_load(NULL, NAME);
	/* somebody was quicker: both together would only be more to look through */
	if (ours != NULL && OSSL_PROVIDER_available(NULL, "default") == 1) {
		OSSL_PROVIDER_unload(ours);
		ours = NULL;
	}
	ERR_clear_error();
	return ours != NULL;
}

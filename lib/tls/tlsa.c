/*
 * TLSA association data: made of a certificate, and checked for its form.
 */
#include <string.h>

#include <openssl/err.h>

#include "base/limits.h"
#include "base/text.h"
#include "tls/dane.h"
#include "tls/tlsa.h"

/* RFC 6698 s2.1.2: the DER of the certificate or of its SubjectPublicKeyInfo, from OpenSSL's heap. */
static int
selected(X509 *cert, int selector, unsigned char **der_r)
{
	*der_r = NULL;
	if (selector == TLSA_SELECTOR_CERT)
		return i2d_X509(cert, der_r);
	return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), der_r);
}

/* The association data of a certificate, on OpenSSL's heap; 0 when there is none. */
static size_t
make_data(X509 *cert, int selector, int matching_type, unsigned char **data_r)
{
	int n = selected(cert, selector, data_r);

	if (n <= 0 || matching_type == TLSA_MATCHING_FULL)
		return n <= 0 ? 0 : (size_t)n;
	const EVP_MD *md = matching_type == TLSA_MATCHING_SHA512 ? EVP_sha512() : EVP_sha256();
	unsigned char *digest = OPENSSL_malloc(EVP_MAX_MD_SIZE);
	unsigned int digest_n = 0;
	if (digest != NULL && EVP_Digest(*data_r, (size_t)n, digest, &digest_n, md, NULL) != 1)
		digest_n = 0;
	OPENSSL_free(*data_r);
	*data_r = digest;
	return digest_n;
}

bool
tls_tlsa_fits(X509 *cert, int selector, int matching_type, struct slice data)
{
	unsigned char *made;
	size_t n = make_data(cert, selector, matching_type, &made);
	bool fits = n > 0 && n == data.n && memcmp(made, data.p, n) == 0;

	OPENSSL_free(made);
	ERR_clear_error();
	return fits;
}

X509 *
tls_tlsa_cert(const void *der, size_t n)
{
	const unsigned char *p = der, *end = p + n;
	X509 *cert;

	if (n == 0 || n > LONG_MAX)
		return NULL;
	cert = d2i_X509(NULL, &p, (long)n);
	/* a key that cannot be read can verify nothing */
	if (cert != NULL && (p != end || X509_get0_pubkey(cert) == NULL)) {
		X509_free(cert);
		cert = NULL;
	}
	ERR_clear_error();
	return cert;
}

STACK_OF(X509) * tls_tlsa_chain(const struct slice *certs, size_t n)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool ok = chain != NULL;

	for (size_t i = 0; ok && i < n && i < LIMIT_CHAIN_CERTS; i++) {
		X509 *cert = tls_tlsa_cert(certs[i].p, certs[i].n);
		ok = cert != NULL && sk_X509_push(chain, cert) > 0;
		if (!ok)
			X509_free(cert);
	}
	if (ok)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	return NULL;
}

EVP_PKEY *
tls_tlsa_key(const void *der, size_t n)
{
	const unsigned char *p = der, *end = p + n;
	EVP_PKEY *key;

	if (n == 0 || n > LONG_MAX)
		return NULL;
	key = d2i_PUBKEY(NULL, &p, (long)n);
	if (key != NULL && p != end) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

bool
tls_tlsa_is_sound(int selector, int matching_type, const void *data, size_t n)
{
	if (selector != TLSA_SELECTOR_CERT && selector != TLSA_SELECTOR_SPKI)
		return false;
	if (matching_type == TLSA_MATCHING_SHA256)
		return n == 32;
	if (matching_type == TLSA_MATCHING_SHA512)
		return n == 64;
	if (matching_type != TLSA_MATCHING_FULL)
		return false;
	tls_init();
	if (selector == TLSA_SELECTOR_CERT) {
		X509 *cert = tls_tlsa_cert(data, n);
		X509_free(cert);
		return cert != NULL;
	}
	EVP_PKEY *key = tls_tlsa_key(data, n);
	EVP_PKEY_free(key);
	return key != NULL;
}

int
tls_tlsa_record(const void *der, size_t n, int usage, int selector, int matching_type,
    struct arena *arena, char **text_r, struct fail *why)
{
	unsigned char *data = NULL;
	size_t data_n = 0;
	X509 *cert;

	if (usage < 0 || usage > 3 || selector < 0 || selector > 1 || matching_type < 0 ||
	    matching_type > 2)
		return fail_set(why, FAIL_USAGE, "no such TLSA record: %d %d %d", usage, selector,
		    matching_type);
	tls_init();
	cert = tls_tlsa_cert(der, n);
	if (cert != NULL)
		data_n = make_data(cert, selector, matching_type, &data);
	X509_free(cert);
	if (data_n > 0) {
		char *hex = arena_alloc(arena, 2 * data_n + 1);
		text_hex(data, data_n, hex);
		*text_r = arena_printf(arena, "%d %d %d %s", usage, selector, matching_type, hex);
	}
	OPENSSL_free(data);
	ERR_clear_error();
	return data_n > 0 ? 0 : fail_set(why, FAIL_MESSAGE, "not a certificate");
}

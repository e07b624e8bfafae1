#include "tls/sign.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "tls/internal.h"
#include "tls/tls.h"

#define RSA_BITS_MIN 1024
#define SIGNATURE_BYTES 2048 /* RSA of 16384 bits */

struct tls_sign_key {
	EVP_PKEY *key;
	enum tls_sign_type type;
};

/* A passphrase would be asked for on the terminal. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

struct tls_sign_key *
tls_sign_key_new(struct slice pem, struct fail *why)
{
	struct tls_sign_key *key;
	char reason[200];

	tls_init();
	ERR_clear_error();
	BIO *bio = pem.n > INT_MAX ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *pkey =
	    bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	tls_error_drain(reason, sizeof(reason));
	if (pkey == NULL) {
		fail_set(
		    why, FAIL_CREDENTIALS, "no private key (PEM, without passphrase): %s", reason);
		return NULL;
	}
	int type = EVP_PKEY_get_base_id(pkey);
	if (type != EVP_PKEY_RSA && type != EVP_PKEY_ED25519) {
		fail_set(why, FAIL_CREDENTIALS, "neither an RSA nor an Ed25519 key");
	} else if (type == EVP_PKEY_RSA && EVP_PKEY_get_bits(pkey) < RSA_BITS_MIN) {
		fail_set(why, FAIL_CREDENTIALS, "RSA key of less than %d bits", RSA_BITS_MIN);
	} else {
		key = mem_alloc(sizeof(*key));
		key->key = pkey;
		key->type = type == EVP_PKEY_RSA ? TLS_SIGN_RSA : TLS_SIGN_ED25519;
		return key;
	}
	EVP_PKEY_free(pkey);
	return NULL;
}

void
tls_sign_key_free(struct tls_sign_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

enum tls_sign_type
tls_sign_key_type(const struct tls_sign_key *key)
{
	return key->type;
}

int
tls_sign(const struct tls_sign_key *key, struct slice data, struct buf *signature, struct fail *why)
{
	unsigned char hash[EVP_MAX_MD_SIZE], out[SIGNATURE_BYTES];
	unsigned hash_n = 0;
	size_t n = sizeof(out);
	char reason[200];
	bool ed = key->type == TLS_SIGN_ED25519;

	ERR_clear_error();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL &&
		  (!ed || EVP_Digest(data.p, data.n, hash, &hash_n, EVP_sha256(), NULL) == 1) &&
		  EVP_DigestSignInit(ctx, NULL, ed ? NULL : EVP_sha256(), NULL, key->key) == 1 &&
		  EVP_DigestSign(ctx, out, &n, ed ? hash : (const unsigned char *)data.p,
		      ed ? hash_n : data.n) == 1;
	EVP_MD_CTX_free(ctx);
	tls_error_drain(reason, sizeof(reason));
	if (!ok || buf_append(signature, out, n) != 0)
		return fail_set(why, FAIL_INTERNAL, "signing: %s", reason);
	return 0;
}

int
tls_sign_key_public(const struct tls_sign_key *key, struct buf *out, struct fail *why)
{
	unsigned char *der = NULL, raw[64];
	size_t raw_n = sizeof(raw);
	char reason[200];
	int rc = -1;

	ERR_clear_error();
	if (key->type == TLS_SIGN_ED25519) {
		if (EVP_PKEY_get_raw_public_key(key->key, raw, &raw_n) == 1)
			rc = buf_append(out, raw, raw_n);
	} else {
		int n = i2d_PUBKEY(key->key, &der);
		if (n > 0)
			rc = buf_append(out, der, (size_t)n);
		OPENSSL_free(der);
	}
	tls_error_drain(reason, sizeof(reason));
	return rc == 0 ? 0 : fail_set(why, FAIL_INTERNAL, "public key: %s", reason);
}

#include "tls/sha256.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "base/text.h"
#include "tls/tls.h"

struct tls_sha256 {
	EVP_MD_CTX *ctx;
};

struct tls_sha256 *
tls_sha256_new(void)
{
	struct tls_sha256 *sum = mem_alloc(sizeof(*sum));

	tls_init();
	ERR_clear_error();
	sum->ctx = EVP_MD_CTX_new();
	if (sum->ctx == NULL || EVP_DigestInit_ex(sum->ctx, EVP_sha256(), NULL) != 1)
		abort(); /* no memory */
	return sum;
}

void
tls_sha256_add(struct tls_sha256 *sum, const void *data, size_t n)
{
	if (EVP_DigestUpdate(sum->ctx, data, n) != 1)
		abort();
}

void
tls_sha256_end(struct tls_sha256 *sum, char hex_r[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex(sum->ctx, digest, NULL) != 1)
		abort();
	text_hex(digest, 32, hex_r);
	EVP_MD_CTX_free(sum->ctx);
	free(sum);
	ERR_clear_error();
}

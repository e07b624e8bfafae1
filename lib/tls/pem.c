#include "tls/pem.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/limits.h"
#include "tls/tlsa.h"

static int
add_cert(X509 *cert, struct arena *arena, struct slice **certs, size_t *certs_n)
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der);

	if (n <= 0)
		return -1;
	struct slice *slot = arena_push(arena, certs, certs_n, sizeof(*slot));
	*slot = slice_make(memcpy(arena_alloc(arena, (size_t)n), der, (size_t)n), (size_t)n);
	OPENSSL_free(der);
	return 0;
}

int
tls_pem_certs(const void *text, size_t n, struct arena *arena, struct slice **certs_r,
    size_t *certs_n_r, struct fail *why)
{
	char reason[200];
	bool ok = true;
	X509 *cert;

	*certs_r = NULL;
	*certs_n_r = 0;
	if (n > INT_MAX)
		return fail_set(why, FAIL_MESSAGE, "too long for certificates");
	tls_init();
	ERR_clear_error();
	BIO *bio = BIO_new_mem_buf(text, (int)n);
	while (bio != NULL && ok && *certs_n_r < LIMIT_CHAIN_CERTS &&
	       (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		ok = add_cert(cert, arena, certs_r, certs_n_r) == 0;
		X509_free(cert);
	}
	BIO_free(bio);
	/* the end of the text is told as an error, too */
	unsigned long e = ERR_peek_last_error();
	bool damaged =
	    e != 0 && (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE);
	tls_error_drain(reason, sizeof(reason));
	if (ok && !damaged && *certs_n_r > 0)
		return 0;
	if (!damaged)
		return fail_set(why, FAIL_MESSAGE, "no PEM certificate");
	return fail_set(why, FAIL_MESSAGE, "damaged certificate: %s", reason);
}

bool
tls_pem_names(struct slice der, const char *host, struct arena *arena, char **matched_r)
{
	X509 *cert = tls_tlsa_cert(der.p, der.n);
	bool match = cert != NULL && tls_cert_names(cert, host, arena, matched_r);

	X509_free(cert);
	return match;
}

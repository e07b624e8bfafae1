#ifndef TESTS_UNIT_TEST_CERTS_H
#define TESTS_UNIT_TEST_CERTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/facts.h"
#include "base/slice.h"

/*
 * Certificates and TLS peers for tests, made with OpenSSL itself so that nothing of lib/tls is its
 * own witness. Failures to make them end the program.
 */

#define CERTS_NAMES 4

struct test_cert_spec {
	const char *cn;                /* NULL: an empty subject */
	struct slice dns[CERTS_NAMES]; /* ends at the first NULL */
	struct slice ip[CERTS_NAMES];  /* raw bytes */
	const char *email;             /* a name that is neither */
	enum key_type key;             /* ANY: ECDSA */
	int rsa_bits;                  /* 0: 2048 */
	bool ca;
	long from_days, to_days; /* from now; both 0: yesterday to in 90 days */
	const char *purpose;     /* extendedKeyUsage, or NULL */
	const char *broken_san;  /* subjectAltName with these bytes, not DER */
};

struct test_cert {
	X509 *cert;
	EVP_PKEY *key;
};

#define DNS_NAME(s) \
	{ \
		s, sizeof(s) - 1 \
	}

/* issuer NULL: self-signed. */
struct test_cert test_cert_make(const struct test_cert_spec *spec, const struct test_cert *issuer);
void test_cert_free(struct test_cert *c);

/* A file in the test's temporary folder (removed at exit); the text lives until then. */
const char *test_path(const char *name);
/* Write n certificates, PEM. Returns the path. */
const char *test_write_certs(const char *name, const struct test_cert *certs, size_t n);
/* passphrase NULL: not encrypted. */
const char *test_write_key(const char *name, const struct test_cert *c, const char *passphrase);
const char *test_write_file(const char *name, const char *text);

/* The other side of a socketpair, in a child process with an alarm. */
struct test_peer {
	int fd; /* ours, non-blocking */
	pid_t pid;
};

struct test_peer test_peer_start(int (*fn)(int fd, const void *arg), const void *arg);
/* Close our side and return the child's exit status; -1 when it was killed. */
int test_peer_end(struct test_peer *p);

/* The finite field of a named group ("ffdhe2048", "modp_2048"); the caller frees. */
EVP_PKEY *test_dh_params(const char *name);

#endif

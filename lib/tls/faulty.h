#ifndef TLS_FAULTY_H
#define TLS_FAULTY_H

#include "base/slice.h"
#include "tls/tls.h"

/*
 * A server's certificates that are wrong on purpose, for testing clients. All but two come from a root made at
 * the start, so that a client that trusts it finds exactly one thing wrong.
 */
enum tls_faulty_kind {
	TLS_FAULTY_GOOD,        /* nothing is */
	TLS_FAULTY_WRONG_NAME,  /* names another host */
	TLS_FAULTY_EXPIRED,     /* since yesterday */
	TLS_FAULTY_NOT_YET,     /* valid from tomorrow on */
	TLS_FAULTY_SELF_SIGNED, /* by itself */
	TLS_FAULTY_UNTRUSTED,   /* of another root */
	TLS_FAULTY_WEAK,        /* an RSA key of 1024 bits */
	TLS_FAULTY_HUGE,        /* with a chain of more than 100 KiB */
};
#define TLS_FAULTY_WORDS "good, wrong-name, expired, not-yet, self-signed, untrusted, weak, huge"

bool tls_faulty_parse(struct slice word, enum tls_faulty_kind *kind_r);

struct tls_faulty;

/* Make the root. hostname: outlives it. Fails with TLS_CONFIG. */
struct tls_faulty *tls_faulty_new(const char *hostname, struct fail *why);
void tls_faulty_free(struct tls_faulty *f);
/* Write the root, PEM. Fails with CANT_CREATE. */
int tls_faulty_write_root(const struct tls_faulty *f, const char *path, struct fail *why);
/* A context with such a certificate; only what options says about versions counts. Fails with TLS_CONFIG. */
struct tls_ctx *tls_faulty_ctx(const struct tls_faulty *f, enum tls_faulty_kind kind,
    const struct tls_server_options *options, struct fail *why);

#endif

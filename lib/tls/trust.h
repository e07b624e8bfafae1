#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include "tls/internal.h"
#include "tls/judged.h"
#include "tls/verify.h"

/*
 * Inside of the trust store; for trust.c and verify.c only. file and dir are owned, either may be
 * NULL.
 */
struct tls_trust {
	char *file, *dir;
	X509_STORE *store;        /* NULL until the first chain is judged */
	struct tls_judged judged; /* against this store */
};

/* The store, loaded at the first call. Fails with TLS_CONFIG (NULL); asked again it tries again. */
X509_STORE *tls_trust_store(struct tls_trust *trust, struct fail *why);

#endif

#include <string.h>

#include "base/facts.h"

const struct cert_facts *
facts_cert(const struct cert_facts *certs, size_t n, const char *fingerprint)
{
	for (size_t i = 0; i < n; i++)
		if (certs[i].fingerprint != NULL && strcmp(certs[i].fingerprint, fingerprint) == 0)
			return &certs[i];
	return NULL;
}

const struct cert_facts *
facts_leaf(const struct cert_facts *certs, size_t n, const struct tls_facts *tls)
{
	return tls->chain.n == 0 ? NULL : facts_cert(certs, n, tls->chain.v[0]);
}

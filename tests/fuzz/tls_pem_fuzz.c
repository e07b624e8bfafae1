/*
 * PEM text of a file to certificates. Whatever comes in: none or a bounded number, each of them a
 * certificate that can be read again, and asking them for a name does no harm.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "tls/cert.h"
#include "tls/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice *certs = NULL;
	struct cert_facts facts;
	struct arena arena;
	struct fail why;
	size_t n = 0;

	arena_init(&arena);
	fail_clear(&why);
	int ret = tls_pem_certs(data, size, &arena, &certs, &n, &why);
	if (ret == 0 && (n == 0 || n > LIMIT_CHAIN_CERTS || why.code != FAIL_NONE))
		abort();
	if (ret != 0 && (why.code != FAIL_MESSAGE || why.text[0] == '\0'))
		abort();
	for (size_t i = 0; ret == 0 && i < n; i++) {
		char *matched = NULL;
		if (tls_cert_parse(certs[i].p, certs[i].n, &arena, &facts, NULL) != 0)
			abort();
		if (tls_pem_names(certs[i], "mx.example.test", &arena, &matched) &&
		    (matched == NULL || matched[0] == '\0'))
			abort();
	}
	arena_free(&arena);
	return 0;
}

/* The _smtp._tls record (RFC 8460 s3): one text, and the same split into two at its first NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "policy/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look(const struct slice *texts, size_t n)
{
	struct tlsrpt_facts facts;
	struct arena arena;

	arena_init(&arena);
	tlsrpt_read(texts, n, &arena, &facts);
	if ((facts.status == TLSRPT_VALID) != (facts.rua.n > 0) || facts.rua.n > LIMIT_TLSRPT_URIS)
		abort();
	if (facts.status == TLSRPT_INVALID && (facts.reason == NULL || facts.record == NULL))
		abort();
	/* what is written into a header or given to a program */
	for (size_t i = 0; i < facts.rua.n; i++)
		for (const char *c = facts.rua.v[i]; *c != '\0'; c++)
			if (*c <= ' ' || *c > '~')
				abort();
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice_make((const char *)data, size);
	size_t cut = slice_find(all, '\0');
	struct slice two[2] = { slice_sub(all, 0, cut), slice_sub(all, cut + 1, size) };

	look(&all, 1);
	look(two, 2);
	return 0;
}

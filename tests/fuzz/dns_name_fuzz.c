#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dns/dns.h"
#include "dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is a name that can be asked for, and stays the same when it goes in again. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char query[DNS_QUERY_BYTES];
	struct arena arena;
	struct fail why;
	char *name = mem_strndup((const char *)data, size);

	arena_init(&arena);
	fail_clear(&why);
	const char *out = dns_name_normalize(name, &arena, &why);
	if (out == NULL) {
		if (why.code != FAIL_DNS_NAME || why.text[0] == '\0')
			abort();
	} else {
		const char *again = dns_name_normalize(out, &arena, &why);
		if (again == NULL || strcmp(out, again) != 0 || strlen(out) > 253)
			abort();
		if (dns_message_build(query, 1, out, DNS_MX, true, false) == 0)
			abort();
	}
	arena_free(&arena);
	free(name);
	return 0;
}

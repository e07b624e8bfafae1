#include <stdint.h>
#include <stdlib.h>

#include "app/send/credentials.h"

/* A file of credentials: understood, and then complete; or an error that names it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct credentials c;
	struct fail why = { .code = FAIL_NONE };

	arena_init(&arena);
	if (credentials_parse("f", slice_make((const char *)data, size), &arena, &c, &why) == 0) {
		if (c.user == NULL || (c.password == NULL) == (c.command == NULL) ||
		    (c.command != NULL && c.command[0][0] != '/') || c.mechanisms == 0)
			abort();
	} else if (why.code != FAIL_CREDENTIALS || why.text[0] != 'f') {
		abort();
	}
	arena_free(&arena);
	return 0;
}

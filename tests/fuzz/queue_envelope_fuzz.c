#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/queue/envelope.h"
#include "base/limits.h"

/* What parses formats to the same bytes, and no address holds what an SMTP command must not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_value(const char *s, size_t max)
{
	size_t n = s == NULL ? 0 : strlen(s);

	if (n > max)
		abort();
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct queue_envelope e;
	struct arena a;
	struct fail why;
	struct buf out;
	size_t length;

	arena_init(&a);
	if (queue_envelope_parse(text, &a, &e, &length, &why) == 0) {
		check_value(e.sender, LIMIT_PATH_BYTES);
		check_value(e.envid, LIMIT_ENVID_BYTES);
		for (size_t i = 0; i < e.rcpts_n; i++) {
			check_value(e.rcpts[i].address, LIMIT_PATH_BYTES);
			check_value(e.rcpts[i].orcpt, LIMIT_ORCPT_BYTES);
		}
		buf_init(&out, LIMIT_ENVELOPE_BYTES);
		if (queue_envelope_format(&out, &e, &why) != 0 || out.len != length ||
		    memcmp(out.data, data, length) != 0)
			abort();
		buf_free(&out);
	} else if (why.code != FAIL_QUEUE_FILE) {
		abort();
	}
	arena_free(&a);
	return 0;
}

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/queue/submission.h"
#include "base/limits.h"

/* What parses formats to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct submission s;
	struct arena arena;
	struct fail why;
	struct buf out;
	int status;

	arena_init(&arena);
	if (submission_parse(text, &arena, &s, &why) == 0) {
		buf_init(&out, LIMIT_SUBMISSION_HEAD_BYTES);
		if (submission_format(&out, &s, &why) != 0 || out.len != size ||
		    memcmp(out.data, data, size) != 0)
			abort();
		buf_free(&out);
	} else if (why.code != FAIL_QUEUE_FILE) {
		abort();
	}
	if (size >= SUBMISSION_TRAILER_BYTES) {
		uint64_t bytes;
		uint32_t crc;
		submission_trailer_parse((const char *)data, &bytes, &crc);
	}
	if (submission_status_parse(text, &status) > (int64_t)size)
		abort();
	arena_free(&arena);
	return 0;
}

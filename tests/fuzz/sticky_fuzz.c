/*
 * Files of sticky=yes: what is read comes out the same when it is written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/sticky.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct sticky_entry entry, again;
	struct fail why;
	struct buf out;

	if (sticky_parse(text, "a.example", &entry, &why) != 0)
		return 0;
	buf_init(&out, 4096);
	sticky_write(&entry, "a.example", &out);
	if (sticky_parse(slice_make(out.data, out.len), "a.example", &again, &why) != 0 ||
	    again.level != entry.level || again.since != entry.since || entry.level == STICKY_NONE)
		abort();
	buf_free(&out);
	return 0;
}

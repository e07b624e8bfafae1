#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/facts.h"

/*
 * Read a record; what was accepted must be written as a record that reads back to the same text,
 * on one line, whatever bytes its strings hold.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fact_table *table = &fact_table_target_facts;
	struct target_facts facts;
	struct arena arena;
	struct fail why;
	struct buf first, second;

	arena_init(&arena);
	buf_init(&first, 1 << 26);
	buf_init(&second, 1 << 26);
	if (facts_read_json(table, (const char *)data, size, &arena, &facts, &why) == 0) {
		if (facts_write_json(table, &facts, &first) == 0) {
			if (memchr(first.data, '\n', first.len) != NULL ||
			    facts_read_json(table, first.data, first.len, &arena, &facts, &why) !=
				0 ||
			    facts_write_json(table, &facts, &second) != 0)
				abort();
			/* the key of a certificate wins on the first reading, so now all is settled */
			if (first.len != second.len ||
			    memcmp(first.data, second.data, first.len) != 0)
				abort();
		}
	} else if (why.text[0] == '\0') {
		abort();
	}
	buf_free(&first);
	buf_free(&second);
	arena_free(&arena);
	return 0;
}

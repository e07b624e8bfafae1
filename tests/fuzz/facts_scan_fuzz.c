#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/facts.h"
#include "base/facts_scan.h"

/* What the careful reader takes, the fast one takes with the same result. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct facts_scan *scan;
	const struct fact_table *table = &fact_table_target_facts;
	struct target_facts facts, fast;
	struct facts_scan_note note = { 0 };
	struct arena arena;
	struct fail why = { 0 };
	struct buf first, second;
	struct slice word;

	if (scan == NULL)
		scan = facts_scan_new(table, NULL);
	arena_init(&arena);
	buf_init(&first, 1 << 26);
	buf_init(&second, 1 << 26);
	/* an exact copy, so that a sanitizer sees reading past the end */
	char *text = malloc(size > 0 ? size : 1);
	if (text == NULL)
		abort();
	memcpy(text, data, size);
	facts_scan_peek(text, size, "schema", &word);
	int result = facts_scan_read(scan, text, size, &arena, &fast, &note, &why);
	if (result != 0 && why.text[0] == '\0')
		abort();
	if (facts_read_json(table, text, size, &arena, &facts, &why) == 0) {
		if (result != 0 || note.unknown_words != 0)
			abort();
		facts_write_json(table, &facts, &first);
		facts_write_json(table, &fast, &second);
		if (first.len != second.len ||
		    (first.len > 0 && memcmp(first.data, second.data, first.len) != 0))
			abort();
	}
	free(text);
	buf_free(&first);
	buf_free(&second);
	arena_free(&arena);
	return 0;
}

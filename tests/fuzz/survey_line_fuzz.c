#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/exclude.h"
#include "app/survey/join.h"
#include "app/survey/line.h"

/*
 * A line that is whole is not whole when its end is cut off: a torn record is never taken for one.
 * References lead back to what they were made of; lines of an exclude list are taken, or refused with
 * a text that may be shown.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_torn(struct slice line)
{
	if (!survey_line_is_whole(line))
		return;
	for (size_t n = line.n < 300 ? 0 : line.n - 300; n < line.n; n++)
		if (survey_line_is_whole(slice_sub(line, 0, n)))
			abort();
}

static void
check_ref(struct slice text)
{
	struct arena arena;
	struct addr to, back;
	const char *name, *digest, *name2, *digest2;

	arena_init(&arena);
	if (slice_find(text, '\0') == text.n &&
	    survey_ref_parse(arena_slice(&arena, text), &arena, &to, &name, &digest)) {
		char *ref = survey_ref(&to, name, digest, &arena);
		if (!survey_ref_parse(ref, &arena, &back, &name2, &digest2) ||
		    !addr_equal_ip(&to, &back) || addr_port(&to) != addr_port(&back) ||
		    !slice_eq(slice_str(name), slice_str(name2)) ||
		    !slice_eq(slice_str(digest), slice_str(digest2)))
			abort();
	}
	arena_free(&arena);
}

static void
check_exclude(struct slice line)
{
	struct exclude e;
	struct fail why;

	exclude_init(&e);
	if (exclude_add(&e, line, &why) != 0) {
		if (why.code != FAIL_CONFIG || why.text[0] == '\0')
			abort();
		for (const char *p = why.text; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20)
				abort();
	}
	exclude_free(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice line = slice_make((const char *)data, size);
	uint64_t seq;

	if (survey_line_kind(line, &seq) != SURVEY_LINE_FOREIGN && !survey_line_is_whole(line))
		abort();
	check_torn(line);
	check_ref(line);
	check_exclude(line);
	return 0;
}

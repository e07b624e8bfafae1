#include "app/message/header_section.h"

#include <string.h>

#include "app/message/header.h"
#include "base/limits.h"

void
header_section_init(struct header_section *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->text, LIMIT_HEADER_BYTES);
}

void
header_section_fini(struct header_section *s)
{
	buf_free(&s->text);
}

/* A line of the section, or what there is of it: complete ends in LF. */
static bool
line_ends_it(struct header_section *s, bool complete)
{
	struct slice line = slice_make(s->text.data + s->line, s->text.len - s->line);

	if (s->where == HEADER_AT_START) {
		int from = header_is_from_line(line);
		if (from < 0 && !complete)
			return false;
		s->where = from > 0 ? HEADER_IN_FROM_LINE : HEADER_IN_SECTION;
	}
	if (s->where == HEADER_IN_FROM_LINE) { /* mbox's separator: never part of the message */
		buf_reset(&s->text);
		if (complete)
			s->where = HEADER_IN_SECTION;
		return false;
	}
	switch (header_line_kind(line, s->line == 0)) {
	case HEADER_LINE_UNDECIDED:
		break;
	case HEADER_LINE_FIELD:
	case HEADER_LINE_MORE:
		if (complete)
			s->line = s->text.len;
		break;
	case HEADER_LINE_END:
		s->empty_line = true;
		return true;
	case HEADER_LINE_BODY:
		return true;
	}
	return false;
}

enum header_section_state
header_section_feed(struct header_section *s, struct slice text, size_t *used_r, struct fail *why)
{
	size_t used = 0;

	while (used < text.n) {
		struct slice rest = slice_sub(text, used, text.n);
		size_t n = slice_find(rest, '\n');
		bool complete = n < rest.n;
		n += complete;
		if (buf_append(&s->text, rest.p, n) != 0) {
			fail_set(why, FAIL_MESSAGE_TOO_BIG,
			    "header section is bigger than %d bytes", LIMIT_HEADER_BYTES);
			return HEADER_SECTION_FAILED;
		}
		used += n;
		*used_r = used;
		if (line_ends_it(s, complete))
			return HEADER_SECTION_OVER;
	}
	*used_r = used;
	return HEADER_SECTION_MORE;
}

struct slice
header_section_text(const struct header_section *s)
{
	return slice_make(s->text.data, s->line);
}

struct slice
header_section_body(const struct header_section *s)
{
	if (s->empty_line)
		return slice_make("", 0);
	return slice_make(s->text.data + s->line, s->text.len - s->line);
}

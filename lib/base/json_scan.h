#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The tokens of JSON text (RFC 8259), one by one and without a tree, for facts_scan. Numbers, and strings that are
 * skipped, are taken as they stand; bytes that are not UTF-8 are no mistake. What returns int returns 0, or -1 with
 * why (MESSAGE), which names the column.
 */
struct json_scan {
	const char *p, *end, *begin; /* where we are; the text */
	struct arena *arena;         /* for strings; not needed for json_scan_raw and _skip */
	struct fail *why;
	void *ctx; /* of the caller */
	int depth; /* of objects and arrays entered; whoever leaves one counts it down */
};

static inline void
json_scan_space(struct json_scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

/* Take one character, after space; false when another one stands there. */
static inline bool
json_scan_take(struct json_scan *s, char c)
{
	json_scan_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* Fail: this was expected here, or the text is cut off. Returns -1. */
int json_scan_expected(struct json_scan *s, const char *what);
/* One level deeper; fails beyond LIMIT_JSON_DEPTH. */
int json_scan_enter(struct json_scan *s);

/* The bytes between two quotes as they stand; escaped_r: they hold a backslash. */
int json_scan_raw(struct json_scan *s, struct slice *raw_r, bool *escaped_r);
/* A string, in the arena. Fails for escapes that are none and for \u0000. */
int json_scan_string(struct json_scan *s, char **text_r);
/* A string where it stands, or in the arena when it has escapes, which names and words have not. */
int json_scan_name(struct json_scan *s, struct slice *name_r);
/* The characters of a number, without a look at their order; empty when there are none. */
struct slice json_scan_number(struct json_scan *s);
/* Take true, false or null; no space before. */
bool json_scan_word(struct json_scan *s, const char *word);
/* Any value, which nobody wants. */
int json_scan_skip(struct json_scan *s);

#endif

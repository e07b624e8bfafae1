#include "base/json_scan.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

int
json_scan_expected(struct json_scan *s, const char *what)
{
	size_t column = (size_t)(s->p - s->begin) + 1;

	if (s->p >= s->end)
		return fail_set(s->why, FAIL_MESSAGE,
		    "not JSON: cut off at column %zu, expected %s", column, what);
	return fail_set(s->why, FAIL_MESSAGE, "not JSON: column %zu: expected %s", column, what);
}

int
json_scan_raw(struct json_scan *s, struct slice *raw_r, bool *escaped_r)
{
	if (!json_scan_take(s, '"'))
		return json_scan_expected(s, "a string");
	const char *start = s->p;
	*escaped_r = false;
	for (;;) {
		const char *quote = memchr(s->p, '"', (size_t)(s->end - s->p));
		if (quote == NULL) {
			s->p = s->end;
			return json_scan_expected(s, "the end of a string");
		}
		const char *back = memchr(s->p, '\\', (size_t)(quote - s->p));
		if (back == NULL) {
			*raw_r = slice_make(start, (size_t)(quote - start));
			s->p = quote + 1;
			return 0;
		}
		*escaped_r = true;
		s->p = back + 1 < s->end ? back + 2 : s->end;
	}
}

static int
hex4(struct json_scan *s, const char *p, const char *end, unsigned *value_r)
{
	unsigned char bytes[2];

	if (end - p < 4 || !text_unhex(slice_make(p, 4), bytes))
		return json_scan_expected(s, "four hex digits after \\u");
	*value_r = (unsigned)bytes[0] << 8 | bytes[1];
	return 0;
}

static char *
put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* \uXXXX, and the second half of a pair behind it; *p_inout stands on the first digit. */
static int
unescape_unicode(struct json_scan *s, const char **p_inout, const char *end, char **out_inout)
{
	unsigned c, low;

	if (hex4(s, *p_inout, end, &c) != 0)
		return -1;
	*p_inout += 4;
	if (c >= 0xd800 && c < 0xdc00) {
		if (end - *p_inout < 6 || (*p_inout)[0] != '\\' || (*p_inout)[1] != 'u')
			return json_scan_expected(s, "both halves of a surrogate pair");
		if (hex4(s, *p_inout + 2, end, &low) != 0)
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return json_scan_expected(s, "both halves of a surrogate pair");
		*p_inout += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c == 0 || (c >= 0xdc00 && c < 0xe000)) {
		return json_scan_expected(s, "a character that text may hold");
	}
	*out_inout = put_utf8(*out_inout, c);
	return 0;
}

/* A string's text in the arena; never longer than its escaped form. */
static int
unescape(struct json_scan *s, struct slice raw, char **text_r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char *text = arena_alloc(s->arena, raw.n + 1), *out = text;
	const char *p = raw.p, *end = raw.p + raw.n, *found;

	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		if (++p == end)
			return json_scan_expected(s, "an escape");
		char c = *p++;
		if (c == 'u') {
			if (unescape_unicode(s, &p, end, &out) != 0)
				return -1;
		} else if (c != '\0' && (found = strchr(from, c)) != NULL) {
			*out++ = to[found - from];
		} else {
			return json_scan_expected(s, "a known escape");
		}
	}
	*out = '\0';
	*text_r = text;
	return 0;
}

int
json_scan_string(struct json_scan *s, char **text_r)
{
	struct slice raw;
	bool escaped;

	if (json_scan_raw(s, &raw, &escaped) != 0)
		return -1;
	if (escaped)
		return unescape(s, raw, text_r);
	*text_r = arena_strndup(s->arena, raw.p, raw.n);
	return 0;
}

int
json_scan_name(struct json_scan *s, struct slice *name_r)
{
	bool escaped;
	char *text;

	if (json_scan_raw(s, name_r, &escaped) != 0)
		return -1;
	if (!escaped)
		return 0;
	if (unescape(s, *name_r, &text) != 0)
		return -1;
	*name_r = slice_str(text);
	return 0;
}

struct slice
json_scan_number(struct json_scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && ((*s->p >= '0' && *s->p <= '9') || *s->p == '-' || *s->p == '+' ||
				    *s->p == '.' || *s->p == 'e' || *s->p == 'E'))
		s->p++;
	return slice_make(start, (size_t)(s->p - start));
}

bool
json_scan_word(struct json_scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

int
json_scan_enter(struct json_scan *s)
{
	if (++s->depth > LIMIT_JSON_DEPTH)
		return fail_set(
		    s->why, FAIL_MESSAGE, "JSON is nested deeper than %d", LIMIT_JSON_DEPTH);
	return 0;
}

/* Behind the opening bracket. */
static int
skip_members(struct json_scan *s, char close)
{
	struct slice raw;
	bool escaped;

	if (json_scan_enter(s) != 0)
		return -1;
	if (!json_scan_take(s, close)) {
		do {
			if (close == '}' && json_scan_raw(s, &raw, &escaped) != 0)
				return -1;
			if (close == '}' && !json_scan_take(s, ':'))
				return json_scan_expected(s, "a colon");
			if (json_scan_skip(s) != 0)
				return -1;
		} while (json_scan_take(s, ','));
		if (!json_scan_take(s, close))
			return json_scan_expected(
			    s, close == '}' ? "a comma or }" : "a comma or ]");
	}
	s->depth--;
	return 0;
}

int
json_scan_skip(struct json_scan *s)
{
	struct slice raw;
	bool escaped;

	json_scan_space(s);
	if (s->p >= s->end)
		return json_scan_expected(s, "a value");
	switch (*s->p) {
	case '"':
		return json_scan_raw(s, &raw, &escaped);
	case '{':
		s->p++;
		return skip_members(s, '}');
	case '[':
		s->p++;
		return skip_members(s, ']');
	default:
		if (json_scan_word(s, "null") || json_scan_word(s, "true") ||
		    json_scan_word(s, "false") || json_scan_number(s).n > 0)
			return 0;
		return json_scan_expected(s, "a value");
	}
}

#include "base/json.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/text.h"

void
json_init(struct json *j, struct buf *out)
{
	j->out = out;
	j->comma = false;
}

/* What stands before an element or a key. */
static void
separate(struct json *j)
{
	if (j->comma)
		buf_putc(j->out, ',');
	j->comma = true;
}

static void
raw(struct json *j, const char *s, size_t n)
{
	separate(j);
	buf_append(j->out, s, n);
}

void
json_object_begin(struct json *j)
{
	raw(j, "{", 1);
	j->comma = false;
}

void
json_object_end(struct json *j)
{
	buf_putc(j->out, '}');
	j->comma = true;
}

void
json_array_begin(struct json *j)
{
	raw(j, "[", 1);
	j->comma = false;
}

void
json_array_end(struct json *j)
{
	buf_putc(j->out, ']');
	j->comma = true;
}

void
json_key(struct json *j, struct slice name)
{
	separate(j);
	json_text(j->out, name);
	buf_putc(j->out, ':');
	j->comma = false;
}

void
json_put_str(struct json *j, const char *s)
{
	if (s == NULL)
		json_put_null(j);
	else
		json_put_slice(j, slice_str(s));
}

void
json_put_slice(struct json *j, struct slice s)
{
	separate(j);
	json_text(j->out, s);
}

/* Decimal digits of value, right-aligned at end; returns their start. */
static char *
digits(uint64_t value, char *end)
{
	do
		*--end = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return end;
}

void
json_put_int(struct json *j, int64_t value)
{
	char text[24], *end = text + sizeof(text);
	char *p = digits(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, end);

	if (value < 0)
		*--p = '-';
	raw(j, p, (size_t)(end - p));
}

void
json_put_bool(struct json *j, bool value)
{
	if (value)
		raw(j, "true", 4);
	else
		raw(j, "false", 5);
}

void
json_put_null(struct json *j)
{
	raw(j, "null", 4);
}

void
json_put_secs(struct json *j, double secs)
{
	char text[40], *end = text + 30;

	if (!(secs >= 0 && secs <= 1e9)) {
		json_put_null(j);
		return;
	}
	/* by hand: printf's decimal point follows the locale */
	uint64_t us = (uint64_t)(secs * 1e6 + 0.5);
	char *p = digits(us / 1000000, end);
	*end++ = '.';
	uint64_t fraction = us % 1000000;
	for (uint64_t unit = 100000; unit > 0 && fraction > 0; unit /= 10) {
		*end++ = (char)('0' + fraction / unit);
		fraction %= unit;
	}
	if (end[-1] == '.')
		*end++ = '0';
	raw(j, p, (size_t)(end - p));
}

void
json_put_time(struct json *j, int64_t unix_seconds)
{
	const int64_t year_1000 = -30610224000, year_10000 = 253402300800;
	char text[32];

	if (unix_seconds == 0 || unix_seconds < year_1000 || unix_seconds >= year_10000) {
		json_put_null(j);
		return;
	}
	text_date_rfc3339(unix_seconds, text);
	json_put_str(j, text);
}

bool
json_time_parse(const char *s, int64_t *unix_seconds_r)
{
	char again[32];
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	const char *end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end == NULL || *end != '\0')
		return false;
	int64_t t = timegm(&tm);
	/* strptime takes blanks, signs and the 31st of June: only what we would write is right */
	text_date_rfc3339(t, again);
	if (strlen(s) != 20 || strcmp(s, again) != 0)
		return false;
	*unix_seconds_r = t;
	return true;
}

/* Code point of a well-formed UTF-8 character of len bytes. */
static unsigned
code_point(const char *p, size_t len)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned value = (unsigned char)p[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		value = value << 6 | ((unsigned char)p[i] & 0x3f);
	return value;
}

/* Characters that are written as an escape although they are well-formed. */
static bool
is_escaped(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '"' || c == '\\' ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
escape(struct buf *out, unsigned c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15],
		hex[c & 15] };

	switch (c) {
	case '"':
	case '\\':
		text[1] = (char)c;
		break;
	case '\n':
		text[1] = 'n';
		break;
	case '\r':
		text[1] = 'r';
		break;
	case '\t':
		text[1] = 't';
		break;
	default:
		buf_append(out, text, 6);
		return;
	}
	buf_append(out, text, 2);
}

/* Length of the character at p when it may stay as it is; else 0 with its escape's code point. */
static size_t
plain_char(struct slice s, unsigned *code_r, size_t *len_r)
{
	unsigned char first = (unsigned char)s.p[0];

	if (first < 0x80) {
		*len_r = 1;
		*code_r = first;
		return is_escaped(first) ? 0 : 1;
	}
	*len_r = text_utf8_char(s);
	if (*len_r == 0) {
		*len_r = 1;
		*code_r = first;
		return 0;
	}
	*code_r = code_point(s.p, *len_r);
	return is_escaped(*code_r) ? 0 : *len_r;
}

int
json_text(struct buf *out, struct slice s)
{
	size_t start = 0, i = 0;

	buf_putc(out, '"');
	while (i < s.n) {
		unsigned code;
		char c = s.p[i];
		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') { /* nearly every byte */
			i++;
			continue;
		}
		size_t len;
		if (plain_char(slice_make(s.p + i, s.n - i), &code, &len) == 0) {
			buf_append(out, s.p + start, i - start);
			escape(out, code);
			start = i + len;
		}
		i += len;
	}
	if (s.n > start)
		buf_append(out, s.p + start, s.n - start);
	buf_putc(out, '"');
	return out->full ? -1 : 0;
}

/* Deepest nesting of brackets outside strings; jansson recurses once per level. */
static size_t
nesting(const char *text, size_t n)
{
	size_t depth = 0, deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > deepest)
				deepest = depth;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

struct json_t *
json_parse(const char *text, size_t n, struct fail *why)
{
	json_error_t error;
	const char *nul = n == 0 ? NULL : memchr(text, '\0', n);

	if (nul != NULL) { /* jansson takes one behind an integer */
		fail_set(why, FAIL_MESSAGE, "not JSON: byte %zu is NUL", (size_t)(nul - text) + 1);
		return NULL;
	}
	if (nesting(text, n) > LIMIT_JSON_DEPTH) {
		fail_set(why, FAIL_MESSAGE, "JSON is nested deeper than %d", LIMIT_JSON_DEPTH);
		return NULL;
	}
	json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (value == NULL)
		fail_set(why, FAIL_MESSAGE, "not JSON: line %d, column %d: %s", error.line,
		    error.column, error.text);
	return value;
}

#include "base/slice.h"

#include <string.h>

#include "base/text.h"

struct slice
slice_str(const char *s)
{
	return slice_make(s, s == NULL ? 0 : strlen(s));
}

struct slice
slice_make(const char *p, size_t n)
{
	struct slice s = { p, n };

	return s;
}

struct slice
slice_sub(struct slice s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	/* an empty slice may be NULL, which nothing may be added to */
	return slice_make(from == 0 ? s.p : s.p + from, to - from);
}

bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
slice_eq_case(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (text_lower(a.p[i]) != text_lower(b.p[i]))
			return false;
	return true;
}

bool
slice_is(struct slice a, const char *word)
{
	return slice_eq(a, slice_str(word));
}

bool
slice_is_case(struct slice a, const char *word)
{
	return slice_eq_case(a, slice_str(word));
}

bool
slice_starts_case(struct slice a, const char *prefix)
{
	return slice_is_case(slice_sub(a, 0, strlen(prefix)), prefix);
}

size_t
slice_find(struct slice s, char c)
{
	const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return at == NULL ? s.n : (size_t)(at - s.p);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice
slice_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = slice_sub(s, 1, s.n);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct slice
slice_word(struct slice *s)
{
	struct slice rest = slice_trim(*s);
	size_t end = 0;

	while (end < rest.n && !is_blank(rest.p[end]))
		end++;
	*s = slice_trim(slice_sub(rest, end, rest.n));
	return slice_sub(rest, 0, end);
}

struct slice
slice_cut(struct slice *s, char c)
{
	size_t n = slice_find(*s, c);
	struct slice cut = slice_sub(*s, 0, n);

	*s = slice_sub(*s, n + 1, s->n);
	return cut;
}

bool
slice_number(struct slice s, unsigned long long max, unsigned long long *value_r)
{
	unsigned long long value = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		unsigned digit = (unsigned)(s.p[i] - '0');
		if (value > (max - digit) / 10 || digit > max)
			return false;
		value = value * 10 + digit;
	}
	*value_r = value;
	return true;
}

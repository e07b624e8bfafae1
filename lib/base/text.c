#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

char
text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

char
text_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

void
text_lower_str(char *s)
{
	for (; *s != '\0'; s++)
		*s = text_lower(*s);
}

bool
text_is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	return true;
}

bool
text_has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

size_t
text_utf8_char(struct slice s)
{
	if (s.n == 0)
		return 0;
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned long value;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2, value = p[0] & 0x1f;
	else if ((p[0] & 0xf0) == 0xe0)
		len = 3, value = p[0] & 0x0f;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4, value = p[0] & 0x07;
	else
		return 0;
	if (s.n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	/* no overlong forms, no surrogates, nothing past U+10FFFF (RFC 3629 s4) */
	if ((len == 3 && value < 0x800) || (len == 4 && value < 0x10000) || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return len;
}

bool
text_is_utf8(struct slice s)
{
	while (s.n > 0) {
		size_t len = text_utf8_char(s);
		if (len == 0)
			return false;
		s = slice_sub(s, len, s.n);
	}
	return true;
}

/* Length of the printable character at the start of s, 0 when it must not be shown as it is. */
static size_t
printable_char(struct slice s)
{
	size_t len = text_utf8_char(s);
	unsigned char c = (unsigned char)s.p[0];

	if (len == 1 && (c < 0x20 || c == 0x7f))
		return 0;
	if (len == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0) /* C1 controls */
		return 0;
	/* U+2028-202E and U+2066-2069: line separators and direction overrides (e2 80 / e2 81) */
	if (len == 3 && c == 0xe2) {
		unsigned char c1 = (unsigned char)s.p[1], c2 = (unsigned char)s.p[2];
		if ((c1 == 0x80 && c2 >= 0xa8 && c2 <= 0xae) ||
		    (c1 == 0x81 && c2 >= 0xa6 && c2 <= 0xa9))
			return 0;
	}
	return len;
}

void
text_sanitize(char *s)
{
	struct slice rest = slice_str(s);

	while (rest.n > 0) {
		size_t len = printable_char(rest);
		if (len == 0) {
			s[0] = '?';
			len = 1;
		}
		s += len;
		rest = slice_sub(rest, len, rest.n);
	}
}

void
text_escape(struct buf *out, struct slice s, size_t max_bytes)
{
	size_t start = out->len;

	while (s.n > 0) {
		size_t len = printable_char(s);
		if (out->len - start + 4 > max_bytes) {
			buf_puts(out, "...");
			return;
		}
		if (len == 0) {
			buf_printf(out, "\\x%02x", (unsigned char)s.p[0]);
			len = 1;
		} else if (s.p[0] == '\\') {
			buf_puts(out, "\\\\");
		} else {
			buf_append(out, s.p, len);
		}
		s = slice_sub(s, len, s.n);
	}
}

/* Split "123abc" into number and unit. */
static bool
number_unit(
    struct slice s, unsigned long long max, unsigned long long *value_r, struct slice *unit_r)
{
	size_t digits = 0;

	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	*unit_r = slice_sub(s, digits, s.n);
	return slice_number(slice_sub(s, 0, digits), max, value_r);
}

bool
text_duration_ms(struct slice s, int64_t *ms_r)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 },
		{ "h", 3600 * 1000 }, { "d", 24L * 3600 * 1000 } };
	const unsigned long long ten_years = 3653ULL * 24 * 3600 * 1000;
	unsigned long long value;
	struct slice unit;

	if (!number_unit(s, ten_years, &value, &unit))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!slice_is(unit, units[i].unit))
			continue;
		if (value > ten_years / (unsigned long long)units[i].ms)
			return false;
		*ms_r = (int64_t)value * units[i].ms;
		return true;
	}
	return false;
}

bool
text_size(struct slice s, int64_t *bytes_r)
{
	static const struct {
		const char *unit;
		int64_t bytes;
	} units[] = { { "", 1 }, { "k", 1000 }, { "M", 1000000 }, { "G", 1000000000 },
		{ "Ki", 1024 }, { "Mi", 1048576 }, { "Gi", 1073741824 } };
	const unsigned long long max = 1ULL << 50;
	unsigned long long value;
	struct slice unit;

	if (!number_unit(s, max, &value, &unit))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!slice_is(unit, units[i].unit))
			continue;
		if (value > max / (unsigned long long)units[i].bytes)
			return false;
		*bytes_r = (int64_t)value * units[i].bytes;
		return true;
	}
	return false;
}

void
text_hex(const unsigned char *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * n] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = text_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
text_unhex(struct slice hex, unsigned char *out)
{
	if (hex.n % 2 != 0)
		return false;
	for (size_t i = 0; i < hex.n / 2; i++) {
		int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* Optimal string alignment distance over the first 31 characters. */
static unsigned
distance(const char *a, const char *b)
{
	enum { MAX = 31 };
	unsigned d[MAX + 1][MAX + 1];
	size_t n = strnlen(a, MAX), m = strnlen(b, MAX);

	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

const char *
text_nearest(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	unsigned best_distance = (unsigned)(strlen(word) + 2) / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, candidates[i]);
		if (d < best_distance) {
			best_distance = d;
			best = candidates[i];
		}
	}
	return best;
}

void
text_date_rfc5322(int64_t unix_seconds, char out[64])
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	/* not strftime: the names must not follow the locale */
	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(out, 64, "%s, %d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
	    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void
text_date_rfc3339(int64_t unix_seconds, char out[32])
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void
text_base64(struct slice s, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		unsigned long v = 0;
		for (size_t j = 0; j < 3; j++)
			v = v << 8 | (i + j < s.n ? (unsigned char)s.p[i + j] : 0U);
		for (size_t j = 0; j < 4; j++)
			buf_putc(out, i + j > s.n ? '=' : digits[v >> (18 - 6 * j) & 63]);
	}
}

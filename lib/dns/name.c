#include "dns/dns.h"

#include <idn2.h>
#include <string.h>

#include "base/library.h"
#include "base/limits.h"
#include "base/text.h"

#define NAME_BYTES 253   /* RFC 1035 s2.3.4: 255 on the wire, without length bytes and root */
#define LABEL_BYTES 63   /* RFC 1035 s2.3.4 */
#define INPUT_BYTES 1024 /* a name of 253 bytes has fewer than 256 characters of at most 4 bytes */

/* libidn2, opened for the first name that is not ASCII */
static __typeof__(idn2_to_ascii_8z) *to_ascii;
static __typeof__(idn2_strerror) *ascii_error;
static __typeof__(idn2_free) *ascii_free;

static int
open_idn(const char *name, struct fail *why)
{
	static const char *const files[] = { LIBRARY_FILE("libidn2", "0"), NULL };
	static const struct library_function rows[] = { { "idn2_to_ascii_8z", &to_ascii },
		{ "idn2_strerror", &ascii_error }, { "idn2_free", &ascii_free } };
	static bool open;

	if (open)
		return 0;
	const char *wrong = library_open("libidn2", files, rows, sizeof(rows) / sizeof(rows[0]));
	if (wrong != NULL)
		return fail_set(why, FAIL_DNS_NAME,
		    "\"%s\": %s, and names that are not ASCII need it", name, wrong);
	open = true;
	return 0;
}

static bool
label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static int
check_label(const char *shown, struct slice label, struct fail *why)
{
	if (label.n == 0)
		return fail_set(why, FAIL_DNS_NAME, "\"%s\" has an empty label", shown);
	for (size_t i = 0; i < label.n; i++)
		if (!label_byte(label.p[i]))
			return fail_set(why, FAIL_DNS_NAME,
			    "\"%s\" is not a domain name: character '%c' in it", shown, label.p[i]);
	if (label.n > LABEL_BYTES)
		return fail_set(why, FAIL_DNS_NAME, "\"%s\" has a label of %zu bytes, above %d",
		    shown, label.n, LABEL_BYTES);
	return 0;
}

/* A lower-case copy of name without its final dot, when it is one; shown is what the caller wrote. */
static const char *
check_ascii(const char *shown, struct slice rest, struct arena *arena, struct fail *why)
{
	if (rest.n > 0 && rest.p[rest.n - 1] == '.')
		rest.n--;
	if (rest.n == 0) {
		fail_set(why, FAIL_DNS_NAME, "empty domain name");
		return NULL;
	}
	if (rest.n > NAME_BYTES) {
		fail_set(why, FAIL_DNS_NAME, "domain name of %zu bytes, above %d: \"%.40s...\"",
		    rest.n, NAME_BYTES, shown);
		return NULL;
	}
	char *out = arena_slice(arena, rest);
	for (;;) {
		size_t dot = slice_find(rest, '.');
		if (check_label(shown, slice_sub(rest, 0, dot), why) != 0)
			return NULL;
		if (dot == rest.n)
			break;
		rest = slice_sub(rest, dot + 1, rest.n);
	}
	text_lower_str(out);
	return out;
}

const char *
dns_name_normalize(const char *name, struct arena *arena, struct fail *why)
{
	struct slice in = slice_make(name, strnlen(name, INPUT_BYTES + 1));
	uint8_t *ascii = NULL;

	if (in.n > INPUT_BYTES) {
		fail_set(why, FAIL_DNS_NAME, "domain name too long: \"%.40s...\"", name);
		return NULL;
	}
	/* What is ASCII is not judged by IDNA: an odd xn-- label that is in the DNS can be asked for. */
	if (text_is_ascii(in))
		return check_ascii(name, in, arena, why);
	if (!text_is_utf8(in)) {
		fail_set(why, FAIL_DNS_NAME, "\"%s\" is not UTF-8", name);
		return NULL;
	}
	/* RFC 5891 with the mapping of UTS 46, non-transitional: sharp s stays what it is. */
	if (open_idn(name, why) != 0)
		return NULL;
	int rc = to_ascii(name, (char **)&ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK) {
		fail_set(why, FAIL_DNS_NAME, "\"%s\": %s", name, ascii_error(rc));
		return NULL;
	}
	const char *out = check_ascii(name, slice_str((const char *)ascii), arena, why);
	ascii_free(ascii);
	return out;
}

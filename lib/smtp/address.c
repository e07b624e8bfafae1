#include "smtp/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

bool
smtp_is_atext(char c)
{
	unsigned char u = (unsigned char)c;

	if (u >= 0x80 || (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z'))
		return true;
	return u != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

/* No control characters (C0, DEL, and C1 written in UTF-8) and nothing that is not UTF-8. */
static int
check_bytes(struct slice s, bool *utf8_r, struct fail *why)
{
	*utf8_r = false;
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = text_utf8_char(slice_sub(s, i, s.n));

		if (len == 0)
			return fail_set(why, FAIL_ADDRESS, "byte 0x%02x is not UTF-8", c);
		if (c < 0x20 || c == 0x7f ||
		    (len == 2 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0))
			return fail_set(why, FAIL_ADDRESS, "control character in the address");
		if (len > 1)
			*utf8_r = true;
		i += len;
	}
	return 0;
}

/* Length of the Dot-string at the start of s, as far as atoms and single dots go. */
static size_t
dot_string(struct slice s)
{
	size_t i = 0;

	while (i < s.n && smtp_is_atext(s.p[i])) {
		while (i < s.n && smtp_is_atext(s.p[i]))
			i++;
		if (i + 1 < s.n && s.p[i] == '.' && smtp_is_atext(s.p[i + 1]))
			i++;
	}
	return i;
}

size_t
smtp_quoted_length(struct slice s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

static int
parse_local(struct slice s, size_t *n_r, struct fail *why)
{
	bool quoted = s.n > 0 && s.p[0] == '"';
	size_t n = quoted ? smtp_quoted_length(s) : dot_string(s);

	if (quoted && n == 0)
		return fail_set(why, FAIL_ADDRESS, "quoted local part has no closing quote");
	if (quoted && n == 2) /* "" is in the grammar, but no mailbox has that name */
		return fail_set(why, FAIL_ADDRESS, "empty local part");
	if (n == 0 && s.n > 0 && s.p[0] == '@')
		return fail_set(why, FAIL_ADDRESS, "empty local part");
	if (n == 0 && s.n == 0)
		return fail_set(why, FAIL_ADDRESS, "empty address");
	if (n < s.n && s.p[n] == '.' && !quoted)
		return fail_set(why, FAIL_ADDRESS, "misplaced dot in the local part");
	if (n < s.n && s.p[n] != '@')
		return fail_set(
		    why, FAIL_ADDRESS, "'%c' is not allowed here in the local part", s.p[n]);
	if (n > LIMIT_LOCAL_PART_BYTES)
		return fail_set(why, FAIL_ADDRESS, "local part is longer than %d bytes",
		    LIMIT_LOCAL_PART_BYTES);
	*n_r = n;
	return 0;
}

/* Letters, digits, hyphens (not at the ends), underscores and UTF-8; RFC 6531 s3.3 for the last. */
static int
check_label(struct slice label, size_t max_bytes, struct fail *why)
{
	if (label.n == 0)
		return fail_set(why, FAIL_ADDRESS, "empty label in the domain");
	if (label.n > max_bytes)
		return fail_set(
		    why, FAIL_ADDRESS, "label of the domain is longer than %zu bytes", max_bytes);
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i], low = text_lower(c);
		if (!((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			c == '_' || (unsigned char)c >= 0x80))
			return fail_set(why, FAIL_ADDRESS, "'%c' is not allowed in a domain", c);
	}
	if (label.p[0] == '-' || label.p[label.n - 1] == '-')
		return fail_set(
		    why, FAIL_ADDRESS, "label of the domain begins or ends with a hyphen");
	return 0;
}

/* A U-label may be longer than its A-label's 63 bytes; what counts then is judged with the A-label. */
static int
check_domain(struct slice domain, bool utf8, struct fail *why)
{
	for (size_t start = 0; start <= domain.n;) {
		struct slice label = slice_sub(domain, start, domain.n);
		label.n = slice_find(label, '.');
		start += label.n + 1;
		if (check_label(label, utf8 ? LIMIT_DOMAIN_BYTES : 63, why) != 0)
			return -1;
	}
	return 0;
}

/* RFC 5321 s4.1.3. The tags of General-address-literal are empty but for IPv6. */
static int
check_literal(struct slice domain, struct fail *why)
{
	struct slice inner = slice_sub(domain, 1, domain.n - 1);
	unsigned char binary[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN + 1];
	int family = AF_INET;

	if (slice_starts_case(inner, "IPv6:")) {
		inner = slice_sub(inner, 5, inner.n);
		family = AF_INET6;
	}
	if (inner.n >= sizeof(text))
		return fail_set(why, FAIL_ADDRESS, "not an address literal");
	memcpy(text, inner.p, inner.n);
	text[inner.n] = '\0';
	if (inet_pton(family, text, binary) != 1)
		return fail_set(why, FAIL_ADDRESS,
		    "not an address literal: expected [192.0.2.1] or [IPv6:2001:db8::1]");
	return 0;
}

int
smtp_mailbox_parse(struct slice text, struct smtp_path *path_r, struct fail *why)
{
	size_t at = 0;
	bool domain_utf8;

	memset(path_r, 0, sizeof(*path_r));
	if (text.n > LIMIT_PATH_BYTES - 2)
		return fail_set(
		    why, FAIL_ADDRESS, "address is longer than %d bytes", LIMIT_PATH_BYTES - 2);
	if (check_bytes(text, &path_r->utf8, why) != 0 || parse_local(text, &at, why) != 0)
		return -1;
	if (at == text.n)
		return fail_set(why, FAIL_ADDRESS, "no domain: expected user@domain");
	path_r->local = slice_sub(text, 0, at);
	path_r->domain = slice_sub(text, at + 1, text.n);
	if (path_r->domain.n == 0)
		return fail_set(why, FAIL_ADDRESS, "empty domain");
	if (path_r->domain.n > LIMIT_DOMAIN_BYTES)
		return fail_set(
		    why, FAIL_ADDRESS, "domain is longer than %d bytes", LIMIT_DOMAIN_BYTES);
	if (path_r->domain.p[0] == '[') {
		if (path_r->domain.p[path_r->domain.n - 1] != ']' || path_r->domain.n < 2)
			return fail_set(
			    why, FAIL_ADDRESS, "address literal has no closing bracket");
		path_r->literal = true;
		return check_literal(path_r->domain, why);
	}
	if (check_bytes(path_r->domain, &domain_utf8, why) != 0)
		return -1;
	return check_domain(path_r->domain, domain_utf8, why);
}

int
smtp_path_append(const struct smtp_path *path, struct buf *out)
{
	buf_append(out, path->local.p, path->local.n);
	if (path->domain.n > 0) {
		buf_putc(out, '@');
		buf_append(out, path->domain.p, path->domain.n);
	}
	return out->full ? -1 : 0;
}

char *
smtp_path_text(const struct smtp_path *path, struct arena *arena)
{
	struct buf out;

	buf_init(&out, (size_t)LIMIT_PATH_BYTES * 2);
	smtp_path_append(path, &out);
	char *text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

/* Where '>' ends a path that begins at s: one in a quoted local part does not. s.n when nowhere. */
static size_t
path_end(struct slice s)
{
	size_t i = 0;

	if (s.n > 0 && s.p[0] == '"' && (i = smtp_quoted_length(s)) == 0)
		return s.n;
	while (i < s.n && s.p[i] != '>')
		i++;
	return i;
}

int
smtp_path_parse(struct slice text, bool allow_null, bool allow_bare_postmaster,
    struct smtp_path *path_r, struct slice *rest_r, struct fail *why)
{
	memset(path_r, 0, sizeof(*path_r));
	if (text.n == 0 || text.p[0] != '<')
		return fail_set(why, FAIL_ADDRESS, "expected an address in angle brackets");

	struct slice inner = slice_sub(text, 1, text.n);
	size_t end = path_end(inner);
	if (end == inner.n)
		return fail_set(why, FAIL_ADDRESS, "no closing angle bracket");
	if (rest_r != NULL)
		*rest_r = slice_sub(inner, end + 1, inner.n);
	inner.n = end;

	if (inner.n == 0) {
		path_r->null = true;
		return allow_null
			   ? 0
			   : fail_set(why, FAIL_ADDRESS, "the null address <> is not allowed here");
	}
	if (inner.p[0] == '@' && slice_find(inner, ':') < inner.n)
		return fail_set(why, FAIL_ADDRESS, "source routes are not supported");
	if (allow_bare_postmaster && slice_is_case(inner, "postmaster")) {
		path_r->local = inner;
		return 0;
	}
	return smtp_mailbox_parse(inner, path_r, why);
}

int
smtp_local_quote(struct buf *out, struct slice local)
{
	size_t len = out->len;
	bool utf8;

	if (local.n == 0 || check_bytes(local, &utf8, NULL) != 0)
		return -1;
	if (dot_string(local) == local.n)
		return buf_append(out, local.p, local.n);
	int failed = buf_putc(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			failed |= buf_putc(out, '\\');
		failed |= buf_putc(out, local.p[i]);
	}
	failed |= buf_putc(out, '"');
	if (failed != 0)
		out->len = len;
	return failed;
}

int
smtp_local_unquote(struct buf *out, struct slice written)
{
	if (written.n < 2 || written.p[0] != '"')
		return buf_append(out, written.p, written.n);
	for (size_t i = 1; i < written.n - 1; i++) {
		if (written.p[i] == '\\')
			i++;
		if (buf_putc(out, written.p[i]) != 0)
			return -1;
	}
	return 0;
}

const char *
smtp_xtext(struct slice text, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, 3 * text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c > ' ' && c < 0x7f && c != '+' && c != '=') {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '+';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	return out;
}

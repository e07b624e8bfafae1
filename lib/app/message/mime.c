#include "app/message/mime.h"

#include <string.h>

static bool
is_token_byte(char c)
{
	/* RFC 2045 s5.1 */
	return (unsigned char)c > ' ' && c != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Behind white space and comments. */
static size_t
skip_space(struct slice s, size_t i)
{
	unsigned depth = 0;

	for (; i < s.n; i++) {
		char c = s.p[i];
		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0)
			i++;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	return i < s.n ? i : s.n;
}

static struct slice
token(struct slice s, size_t *at)
{
	size_t from = skip_space(s, *at), i = from;

	while (i < s.n && is_token_byte(s.p[i]))
		i++;
	*at = i;
	return slice_sub(s, from, i);
}

static bool
take(struct slice s, size_t *at, char c)
{
	size_t i = skip_space(s, *at);

	if (i == s.n || s.p[i] != c)
		return false;
	*at = i + 1;
	return true;
}

/* A parameter's value, a token or a quoted string, into out when it fits ("" when not). */
static void
value(struct slice s, size_t *at, char *out, size_t size)
{
	size_t i = skip_space(s, *at), n = 0;
	bool quoted = i < s.n && s.p[i] == '"';

	out[0] = '\0';
	for (i += quoted; i < s.n; i++) {
		char c = s.p[i];
		if (quoted ? c == '"' : !is_token_byte(c) && strchr("/?=:", c) == NULL)
			break;
		if (quoted && c == '\\' && i + 1 < s.n)
			c = s.p[++i];
		if (c == '\r' || c == '\n' || c == '\0')
			continue;
		if (n + 1 >= size) {
			n = 0;
			break;
		}
		out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ') /* RFC 2046 s5.1.1: no boundary ends in a blank */
		n--;
	out[n] = '\0';
	*at = i < s.n && quoted ? i + 1 : i;
}

static void
find_boundary(struct slice s, size_t at, struct mime_content *content)
{
	char other[8];

	while (take(s, &at, ';')) {
		struct slice name = token(s, &at);
		if (!take(s, &at, '='))
			continue;
		if (slice_is_case(name, "boundary") && content->boundary[0] == '\0')
			value(s, &at, content->boundary, sizeof(content->boundary));
		else
			value(s, &at, other, sizeof(other));
		/* a value that was cut or is wrong: go on behind it */
		while (at < s.n && s.p[at] != ';')
			at++;
	}
}

static void
read_type(struct slice s, struct mime_content *content)
{
	size_t at = 0;
	struct slice type = token(s, &at), subtype = { NULL, 0 };

	if (take(s, &at, '/'))
		subtype = token(s, &at);
	if (slice_is_case(type, "multipart")) {
		content->type = MIME_MULTIPART;
		if (slice_is_case(subtype, "signed") || slice_is_case(subtype, "encrypted"))
			content->type = MIME_SIGNED;
		else if (slice_is_case(subtype, "digest"))
			content->type = MIME_DIGEST;
		find_boundary(s, at, content);
	} else if (slice_is_case(type, "message")) {
		bool whole = slice_is_case(subtype, "rfc822") || slice_is_case(subtype, "global");
		content->type = whole ? MIME_RFC822 : MIME_OPAQUE;
	}
}

void
mime_content_read(const struct header *header, struct mime_content *content_r)
{
	static const char *const plain[] = { "7bit", "8bit", "binary" };
	const struct header_field *f;

	memset(content_r, 0, sizeof(*content_r));
	if ((f = header_find(header, "Content-Type")) != NULL) {
		content_r->has_type = true;
		read_type(f->value, content_r);
	}
	if ((f = header_find(header, "Content-Transfer-Encoding")) != NULL) {
		size_t at = 0;
		struct slice word = token(f->value, &at);
		content_r->encoded = true;
		for (size_t i = 0; i < 3; i++)
			content_r->encoded &= !slice_is_case(word, plain[i]);
	}
}

int
mime_is_delimiter(struct slice line, const char *boundary)
{
	size_t n = strlen(boundary);

	if (line.n < n + 2 || line.p[0] != '-' || line.p[1] != '-' ||
	    memcmp(line.p + 2, boundary, n) != 0)
		return 0;
	struct slice rest = slice_sub(line, n + 2, line.n);
	int kind = 1;
	if (rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-') {
		kind = 2;
		rest = slice_sub(rest, 2, rest.n);
	}
	while (rest.n > 0 && strchr(" \t\r\n", rest.p[0]) != NULL && rest.p[0] != '\0')
		rest = slice_sub(rest, 1, rest.n);
	return rest.n == 0 ? kind : 0;
}

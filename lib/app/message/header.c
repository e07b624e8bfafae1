#include "app/message/header.h"

#include <string.h>

#include "base/limits.h"

#define NAME_BYTES \
	256 /* of a field's name, with blanks before its colon; the longest known has 60 */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

enum header_line
header_line_kind(struct slice line, bool first)
{
	size_t name = 0, i;

	if (line.n == 0)
		return HEADER_LINE_UNDECIDED;
	if (line.p[0] == '\r' || line.p[0] == '\n')
		return HEADER_LINE_END;
	if (is_blank(line.p[0]))
		return first ? HEADER_LINE_BODY : HEADER_LINE_MORE;
	/* RFC 5322 s2.2: a name is printable ASCII without the colon */
	while (name < line.n && line.p[name] > ' ' && line.p[name] < 0x7f && line.p[name] != ':')
		name++;
	for (i = name; i < line.n && is_blank(line.p[i]);)
		i++;
	/* do not wait for a colon for ever; and the name must stay whole when the line is folded */
	if (i > NAME_BYTES)
		return HEADER_LINE_BODY;
	if (i == line.n)
		return HEADER_LINE_UNDECIDED;
	return name > 0 && line.p[i] == ':' ? HEADER_LINE_FIELD : HEADER_LINE_BODY;
}

int
header_is_from_line(struct slice text)
{
	static const char from[] = "From ";
	size_t i = 0, j = 0;

	while (i < text.n && text.p[i] == '>')
		i++;
	while (i < text.n && from[j] != '\0' && text.p[i] == from[j]) {
		i++;
		j++;
	}
	if (from[j] == '\0')
		return 1;
	return i < text.n || i > LIMIT_TEXT_LINE_BYTES ? 0 : -1;
}

/* Length of the first line of s with its line end. */
static size_t
line_length(struct slice s)
{
	size_t n = slice_find(s, '\n');

	return n == s.n ? n : n + 1;
}

void
header_parse(struct slice text, struct arena *arena, struct header *header_r)
{
	memset(header_r, 0, sizeof(*header_r));
	while (text.n > 0) {
		size_t n = line_length(text);
		while (n < text.n && is_blank(text.p[n]))
			n += line_length(slice_sub(text, n, text.n));

		struct header_field *f = arena_push(arena, &header_r->v, &header_r->n, sizeof(*f));
		f->raw = slice_sub(text, 0, n);
		size_t colon = slice_find(f->raw, ':');
		f->name = slice_trim(slice_sub(f->raw, 0, colon));
		f->value = slice_sub(f->raw, colon + 1, n);
		while (f->value.n > 0 &&
		       (f->value.p[f->value.n - 1] == '\n' || f->value.p[f->value.n - 1] == '\r'))
			f->value.n--;
		text = slice_sub(text, n, text.n);
	}
}

const struct header_field *
header_find(const struct header *header, const char *name)
{
	for (size_t i = 0; i < header->n; i++)
		if (slice_is_case(header->v[i].name, name))
			return &header->v[i];
	return NULL;
}

size_t
header_count(const struct header *header, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < header->n; i++)
		count += slice_is_case(header->v[i].name, name);
	return count;
}

static bool
is_resent(const struct header_field *f)
{
	return slice_starts_case(f->name, "Resent-");
}

unsigned
header_name_bit(struct slice name, const char *const *names)
{
	for (unsigned i = 0; names[i] != NULL; i++)
		if (slice_is_case(name, names[i]))
			return 1U << i;
	return 0;
}

void
header_resent_block(const struct header *header, size_t *from_r, size_t *to_r)
{
	/* RFC 5322 s3.6.6: each of them at most once in a block */
	static const char *const once[] = { "Resent-Date", "Resent-From", "Resent-Sender",
		"Resent-Message-ID", NULL };
	size_t i = 0;
	unsigned seen = 0;

	while (i < header->n && !is_resent(&header->v[i]))
		i++;
	*from_r = i;
	for (; i < header->n && is_resent(&header->v[i]); i++) {
		unsigned bit = header_name_bit(header->v[i].name, once);
		if (seen & bit)
			break;
		seen |= bit;
	}
	*to_r = i;
}

static int
collect(const struct header *header, size_t from, size_t to, const char *const *names, size_t max,
    struct arena *arena, struct header_addresses *list, bool *found_r, struct fail *why)
{
	*found_r = false;
	for (size_t i = from; i < to; i++) {
		if (header_name_bit(header->v[i].name, names) == 0)
			continue;
		*found_r = true;
		if (header_address_parse(header->v[i].value, max, arena, list, why) != 0)
			return -1;
	}
	return 0;
}

int
header_recipients(const struct header *header, size_t max, struct arena *arena,
    struct header_addresses *list, struct fail *why)
{
	static const char *const resent[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	static const char *const first[] = { "To", "Cc", "Bcc", NULL };
	size_t from, to;
	bool found;

	header_resent_block(header, &from, &to);
	if (collect(header, from, to, resent, max, arena, list, &found, why) != 0)
		return -1;
	if (found)
		return 0;
	return collect(header, 0, header->n, first, max, arena, list, &found, why);
}

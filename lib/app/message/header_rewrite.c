#include "app/message/header_rewrite.h"

#include <string.h>

#include "app/message/header_words.h"
#include "base/limits.h"
#include "base/text.h"

enum kind { OTHER, TEXT, RECIPIENTS, SENDER, REPLY };

static enum kind
field_kind(struct slice name)
{
	static const struct {
		const char *name;
		enum kind kind;
	} fields[] = {
		{ "From", SENDER },
		{ "Sender", SENDER },
		{ "Reply-To", REPLY },
		{ "To", RECIPIENTS },
		{ "Cc", RECIPIENTS },
		{ "Subject", TEXT },
		{ "Comments", TEXT },
		{ "Content-Description", TEXT },
		{ "Organization", TEXT },
		{ "Organisation", TEXT },
		{ "Keywords", TEXT },
		{ "Thread-Topic", TEXT },
	};

	if (slice_starts_case(name, "X-"))
		return TEXT;
	if (slice_starts_case(name, "Resent-"))
		name = slice_sub(name, strlen("Resent-"), name.n);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (slice_is_case(name, fields[i].name))
			return fields[i].kind;
	return OTHER;
}

bool
header_is_signed(const struct header *header)
{
	return header_find(header, "DKIM-Signature") != NULL ||
	       header_find(header, "ARC-Seal") != NULL;
}

static bool
replaced(const struct header_address *a, enum kind kind, const struct masquerade *m)
{
	if (kind == SENDER)
		return masquerade_applies(m, a->domain);
	/* a reply may go wherever its author wants, but not to a host that nobody can reach */
	return kind == REPLY && m != NULL && m->domain != NULL && masquerade_is_ours(m, a->domain);
}

static void
write_address(const struct header_address *a, enum kind kind, const struct header_rewrite *rewrite,
    struct buf *out)
{
	if (replaced(a, kind, rewrite->masquerade)) {
		const struct masquerade *m = rewrite->masquerade;
		buf_printf(out, "%s@%s", m->local != NULL ? m->local : a->local, m->domain);
		return;
	}
	buf_append(out, a->source.p, a->source.n);
	if (a->domain == NULL && rewrite->domain != NULL)
		buf_printf(out, "@%s", rewrite->domain);
}

static void
write_gap(struct slice gap, bool encode, struct buf *out)
{
	if (encode)
		header_words_phrase(gap, out);
	else
		buf_append(out, gap.p, gap.n);
}

static void
write_list(const struct header_field *field, enum kind kind, const struct header_rewrite *rewrite,
    struct buf *out)
{
	struct header_addresses list = { 0 };
	struct arena arena;
	const char *at = field->value.p, *end = field->value.p + field->value.n;

	arena_init(&arena);
	if (header_address_parse(field->value, LIMIT_SUBMIT_RECIPIENTS, &arena, &list, NULL) != 0)
		list.n = 0;
	/* what is no address may be meant as one: its bytes are not ours to encode */
	bool encode = list.error_n == 0;
	for (size_t i = 0; i < list.n; i++) {
		const struct header_address *a = &list.v[i];
		if (a->source.p < at || a->source.p + a->source.n > end)
			continue;
		write_gap(slice_make(at, (size_t)(a->source.p - at)), encode, out);
		write_address(a, kind, rewrite, out);
		at = a->source.p + a->source.n;
	}
	write_gap(slice_make(at, (size_t)(end - at)), encode, out);
	arena_free(&arena);
}

int
header_rewrite_field(
    const struct header_field *field, const struct header_rewrite *rewrite, struct buf *out)
{
	enum kind kind = field_kind(field->name);

	if (kind == OTHER || (kind == TEXT && text_is_ascii(field->value)))
		return buf_append(out, field->raw.p, field->raw.n);
	buf_append(out, field->raw.p, (size_t)(field->value.p - field->raw.p));
	if (kind == TEXT)
		header_words_text(field->value, out);
	else
		write_list(field, kind, rewrite, out);
	return buf_puts(out, "\r\n") != 0 || out->full ? -1 : 0;
}

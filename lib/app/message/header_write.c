#include <string.h>

#include "app/message/header.h"
#include "app/message/header_rewrite.h"

static void
add(const struct header *header, size_t from, size_t to, const char *prefix, const char *name,
    const char *value, struct buf *out)
{
	size_t skip = strlen(prefix);

	if (value == NULL)
		return;
	for (size_t i = from; i < to; i++) {
		struct slice have = header->v[i].name;
		if (skip > 0 && !slice_starts_case(header->v[i].name, "Resent-"))
			continue;
		if (slice_is_case(slice_sub(have, skip, have.n), name))
			return;
	}
	buf_printf(out, "%s%s: %s\r\n", prefix, name, value);
}

static void
add_missing(const struct header *header, size_t from, size_t to, const char *prefix,
    const struct header_additions *additions, struct buf *out)
{
	add(header, from, to, prefix, "Message-ID", additions->message_id, out);
	add(header, from, to, prefix, "Date", additions->date, out);
	add(header, from, to, prefix, "From", additions->from, out);
}

int
header_write(const struct header *header, const struct header_additions *additions, struct buf *out)
{
	static const char *const deleted[] = { "Bcc", "Resent-Bcc", "Return-Path", "Content-Length",
		NULL };
	size_t from, to;

	header_resent_block(header, &from, &to);
	for (size_t i = 0; i < header->n; i++) {
		if (i == from)
			add_missing(header, from, to, "Resent-", additions, out);
		if (header_name_bit(header->v[i].name, deleted) != 0)
			continue;
		if (additions->rewrite != NULL)
			header_rewrite_field(&header->v[i], additions->rewrite, out);
		else
			buf_append(out, header->v[i].raw.p, header->v[i].raw.n);
	}
	if (from == header->n)
		add_missing(header, 0, header->n, "", additions, out);
	return buf_append(out, "\r\n", 2) != 0 || out->full ? -1 : 0;
}

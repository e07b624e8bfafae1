#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "smtp/address.h"
#include "smtp/header_address.h"

/*
 * Whatever a list gives can be written into RCPT, lies in the input in order, and is the same when
 * it is parsed again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct header_address *a, struct arena *arena)
{
	struct header_addresses again = { 0 };
	struct smtp_path path;

	const char *mailbox =
	    a->domain != NULL ? a->mailbox : arena_printf(arena, "%s@x", a->mailbox);
	if (smtp_mailbox_parse(slice_str(mailbox), &path, NULL) != 0)
		abort();
	if (!slice_is(path.local, a->local) ||
	    (a->domain != NULL && !slice_is(path.domain, a->domain)))
		abort();
	if (header_address_parse(slice_str(a->mailbox), 1, arena, &again, NULL) != 0 ||
	    again.n != 1 || again.error_n != 0 || strcmp(again.v[0].mailbox, a->mailbox) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct header_addresses list = { 0 };
	struct arena arena;

	arena_init(&arena);
	header_address_parse(text, 50, &arena, &list, NULL);
	const char *at = text.p;
	for (size_t i = 0; i < list.n; i++) {
		if (list.v[i].source.n == 0 || list.v[i].source.p < at)
			abort();
		at = list.v[i].source.p + list.v[i].source.n;
		if (at > text.p + text.n)
			abort();
		check(&list.v[i], &arena);
	}
	for (size_t i = 0; i < list.error_n; i++) {
		struct slice source = list.errors[i].source;
		if (source.n == 0 || source.p < text.p || source.p + source.n > text.p + text.n ||
		    list.errors[i].why[0] == '\0')
			abort();
	}
	arena_free(&arena);
	return 0;
}

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"
#include "smtp/address.h"

/*
 * Whatever is accepted lies inside the input, can be written into a command line, parses again to
 * the same, and its local part survives unquoting and quoting.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_roundtrip(const struct smtp_path *path)
{
	struct buf meaning, written, again;
	struct smtp_path second;

	buf_init(&meaning, 1000);
	buf_init(&written, 1000);
	buf_init(&again, 1000);
	if (smtp_local_unquote(&meaning, path->local) != 0 || meaning.len == 0 ||
	    smtp_local_quote(&written, slice_make(meaning.data, meaning.len)) != 0 ||
	    written.len > path->local.n)
		abort();
	buf_puts(&written, "@x");
	if (smtp_mailbox_parse(slice_make(written.data, written.len), &second, NULL) != 0 ||
	    smtp_local_unquote(&again, second.local) != 0 ||
	    !slice_eq(slice_make(meaning.data, meaning.len), slice_make(again.data, again.len)))
		abort();
	buf_free(&meaning);
	buf_free(&written);
	buf_free(&again);
}

static void
check_path(struct slice text, const struct smtp_path *path)
{
	const char *end = text.p + text.n;

	if (path->null)
		return;
	if (path->local.n == 0 || path->local.p < text.p || path->local.p + path->local.n > end)
		abort();
	if (path->local.n > LIMIT_LOCAL_PART_BYTES || path->domain.n > LIMIT_DOMAIN_BYTES)
		abort();
	if (path->domain.n == 0)
		return;
	if (path->domain.p != path->local.p + path->local.n + 1 ||
	    path->domain.p + path->domain.n > end)
		abort();
	struct slice whole = slice_make(path->local.p, path->local.n + 1 + path->domain.n);
	for (size_t i = 0; i < whole.n; i++)
		if ((unsigned char)whole.p[i] < 0x20 || whole.p[i] == 0x7f)
			abort();
	if (!text_is_utf8(whole))
		abort();
	check_roundtrip(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size), rest;
	struct smtp_path path;
	struct fail why = { 0 };

	for (int i = 0; i < 4; i++) {
		if (smtp_path_parse(text, i & 1, i & 2, &path, &rest, &why) == 0) {
			check_path(text, &path);
			if (rest.p + rest.n != text.p + text.n || rest.p[-1] != '>')
				abort();
		} else if (why.code != FAIL_ADDRESS || why.text[0] == '\0') {
			abort();
		}
	}
	if (smtp_mailbox_parse(text, &path, &why) == 0)
		check_path(text, &path);
	return 0;
}

/* Replies and EHLO: lines of the input are fed as a server's; every result must keep its limits. */
#include <stdint.h>
#include <stdlib.h>

#include "smtp/ehlo.h"
#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_reply reply;
	struct slice rest = slice_make((const char *)data, size);
	struct arena arena;
	struct strs lines = { 0 };
	struct ehlo ehlo;
	struct fail why;
	char text[300], enhanced[16];
	int ret = 0;

	smtp_reply_init(&reply);
	arena_init(&arena);
	while (ret == 0 && rest.n > 0) {
		size_t end = slice_find(rest, '\n');
		ret = smtp_reply_feed(&reply, slice_sub(rest, 0, end), &why);
		rest = slice_sub(rest, end + 1, rest.n);
	}
	if (reply.lines > LIMIT_REPLY_LINES ||
	    (reply.lines > 0 && (reply.code < 200 || reply.code > 599)))
		abort();
	if (reply.lines > 0) {
		smtp_reply_str(&reply, text, sizeof(text));
		smtp_reply_enhanced(&reply, enhanced);
		smtp_reply_fail(&reply, "fuzz", &why);
		ehlo_parse(&reply, &ehlo);
		ehlo_lines(&reply, &arena, &lines);
	}
	arena_free(&arena);
	smtp_reply_free(&reply);
	return 0;
}

#include "app/shorten.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/message/long_lines.h"
#include "app/send/submit_text.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define CHUNK_BYTES 16384

struct work {
	struct long_lines lines;
	struct submit_fold fold;
	struct tempfile to;
	struct buf out, folded;
	char chunk[CHUNK_BYTES];
};

/* What the walker gave, through the fold, into the new file. */
static int
store(struct work *w, struct fail *why)
{
	struct slice all = slice_make(w->out.data, w->out.len);

	if (w->out.full)
		return fail_set(why, FAIL_INTERNAL, "no room for an encoded line");
	while (all.n > 0) {
		struct slice piece = slice_sub(all, 0, CHUNK_BYTES);
		buf_reset(&w->folded);
		submit_fold_feed(&w->fold, piece, &w->folded);
		if (tempfile_write(&w->to, slice_make(w->folded.data, w->folded.len), why) != 0)
			return -1;
		all = slice_sub(all, piece.n, all.n);
	}
	buf_reset(&w->out);
	return 0;
}

/* One pass over the text. header_r: not NULL in the second one. */
static int
pass(struct work *w, const struct message *message, int64_t *header_r, struct fail *why)
{
	struct message_reader reader;
	int64_t left = message->header_bytes;
	size_t n;

	message_reader_init(&reader, message);
	submit_fold_init(&w->fold, true);
	for (;;) {
		size_t want = left > 0 && left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
		if (message_reader_next(&reader, w->chunk, want, &n, why) != 0)
			return -1;
		if (n == 0)
			break;
		long_lines_feed(&w->lines, slice_make(w->chunk, n), &w->out);
		if (header_r == NULL)
			continue;
		if (store(w, why) != 0)
			return -1;
		left -= left > 0 ? (int64_t)n : 0;
		if (left == 0 && w->fold.header) {
			*header_r = w->to.bytes;
			w->fold.header = false;
		}
	}
	long_lines_end(&w->lines, &w->out);
	return header_r == NULL ? 0 : store(w, why);
}

int
message_shorten(struct message *message, struct fail *why)
{
	struct work *w = mem_alloc(sizeof(*w));
	int64_t header_bytes = 0;
	int rc = -1;

	w->to.fd = -1;
	long_lines_init(&w->lines);
	buf_init(&w->out, 4 * CHUNK_BYTES + 2 * LIMIT_HEADER_BYTES);
	buf_init(&w->folded, 2 * CHUNK_BYTES + LIMIT_TEXT_LINE_BYTES);
	if (tempfile_open(&w->to, message->text.max_bytes, why) != 0)
		goto out;
	if (pass(w, message, NULL, why) != 0)
		goto out;
	long_lines_again(&w->lines);
	if (pass(w, message, &header_bytes, why) != 0)
		goto out;
	if (w->fold.folds > 0)
		log_info("%" PRIu64 " long lines of the message cut", w->fold.folds);
	tempfile_close(&message->text);
	message->text = w->to;
	w->to.fd = -1;
	message->header_bytes = header_bytes;
	message->has_8bit = message->header_8bit | w->fold.has_8bit;
	rc = 0;
out:
	tempfile_close(&w->to);
	buf_free(&w->out);
	buf_free(&w->folded);
	long_lines_fini(&w->lines);
	free(w);
	return rc;
}

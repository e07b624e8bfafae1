#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/queue/journal.h"
#include "base/limits.h"

/* Lines are made whole, so that the fuzzer gets behind the checksum; words of others never break a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "0123456789abcdef"
#define RCPTS 9

static void
check(const struct queue_journal *j)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct queue_progress *r = &j->rcpts[i];
		if (r->text == NULL || r->host == NULL || r->enhanced == NULL)
			abort();
		if (r->state > QUEUE_RCPT_REMOVED || (r->announced && !r->reported))
			abort();
	}
	queue_journal_is_over(j);
}

static void
write_and_read(const char *words)
{
	struct queue_journal j;
	struct arena a;
	struct buf out;
	static const size_t one[] = { 3 };
	struct queue_event e = { .kind = 'F',
		.time = 1,
		.rcpts = one,
		.rcpts_n = 1,
		.enhanced = words,
		.host = words,
		.text = words };

	arena_init(&a);
	buf_init(&out, 65536);
	queue_journal_format(&out, ID, &e);
	queue_journal_init(&j, RCPTS, &a);
	queue_journal_parse(&j, slice_make(out.data, out.len), ID, &a);
	if (j.lines != 1 || j.bad_lines != 0 || j.rcpts[3].state != QUEUE_RCPT_FAILED)
		abort();
	buf_free(&out);
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make((const char *)data, size);
	struct queue_journal j;
	struct arena a;
	struct buf whole;

	arena_init(&a);
	queue_journal_init(&j, RCPTS, &a);
	/* as it is */
	queue_journal_parse(&j, rest, ID, &a);
	check(&j);
	/* with the checksums that it should have */
	buf_init(&whole, 1 << 20);
	while (rest.n > 0) {
		size_t n = slice_find(rest, '\n');
		queue_journal_put_line(&whole, ID, slice_sub(rest, 0, n));
		rest = slice_sub(rest, n + 1, rest.n);
	}
	queue_journal_init(&j, RCPTS, &a);
	queue_journal_parse(&j, slice_make(whole.data, whole.len), ID, &a);
	check(&j);
	buf_free(&whole);
	arena_free(&a);

	char *words = strndup((const char *)data, size);
	write_and_read(words);
	free(words);
	return 0;
}

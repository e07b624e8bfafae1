#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The growable buffer: counted bytes with a maximum given at birth. Invariants: len <= cap <= max
 * + 1; data[len] is '\0' whenever data is not NULL, so data may be handed to functions that want
 * a string when the content is known to hold no NUL. The owner of the struct calls buf_free.
 *
 * Appending past max appends nothing, returns -1 and marks the buffer as full; the mark stays
 * until buf_reset, so that a row of appends can be checked once at its end.
 */
struct buf {
	char *data;
	size_t len, cap, max;
	bool full;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_free(struct buf *b);
/* The same for secrets: what it holds is overwritten first. */
void buf_wipe(struct buf *b);
/* Empty it and clear the mark; the memory is kept. */
void buf_reset(struct buf *b);

/* All return 0, or -1 when the maximum would be passed. */
int buf_append(struct buf *b, const void *data, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for n more bytes at data + len (grow first, then write, then buf_commit). NULL when over max. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

/* Drop n bytes (n <= len) from the front. */
void buf_consume(struct buf *b, size_t n);

/* The content as a string; "" for an empty buffer. */
const char *buf_str(const struct buf *b);

/* Give the content away as a heap string (free(3)); the buffer is empty afterwards. */
char *buf_steal(struct buf *b);

#endif

#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

/*
 * Memory that is freed all at once: everything found out about one target, one reply, one policy.
 * arena_init does not allocate; what arena_* return lives until arena_free or arena_reset.
 * Memory is zeroed and aligned for any type.
 */
struct arena_chunk;
struct arena {
	struct arena_chunk *head;
	size_t bytes; /* handed out so far, for callers that keep a maximum */
};

void arena_init(struct arena *a);
void arena_free(struct arena *a);
/* Forget all content, keep one chunk for reuse. */
void arena_reset(struct arena *a);

void *arena_alloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
/* A NUL-terminated copy of counted bytes; bytes behind a NUL inside stay unreachable to str*. */
char *arena_slice(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A list of strings, all in one arena. */
struct strs {
	char **v;
	size_t n, cap;
};
void strs_add(struct strs *list, struct arena *a, const char *s);
void strs_add_slice(struct strs *list, struct arena *a, struct slice s);

/* Append one zeroed element to an arena array; returns it. Old elements may move. */
void *arena_push(struct arena *a, void *array_inout, size_t *n_inout, size_t size);

#endif

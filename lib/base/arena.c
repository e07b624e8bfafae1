#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK_BYTES 4032 /* with malloc's own header just under a page */

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

void
arena_init(struct arena *a)
{
	a->head = NULL;
	a->bytes = 0;
}

void
arena_free(struct arena *a)
{
	struct arena_chunk *chunk = a->head;

	while (chunk != NULL) {
		struct arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
	arena_init(a);
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->head;

	if (keep == NULL)
		return;
	a->head = keep->next;
	keep->next = NULL;
	arena_free(a);
	memset(keep->data, 0, keep->used);
	keep->used = 0;
	a->head = keep;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	struct arena_chunk *chunk = a->head;

	n = (n + align - 1) / align * align;
	if (chunk == NULL || chunk->size - chunk->used < n) {
		size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
		chunk = mem_alloc(sizeof(*chunk) + size);
		chunk->size = size;
		chunk->next = a->head;
		a->head = chunk;
	}
	void *p = chunk->data + chunk->used;
	chunk->used += n;
	a->bytes += n;
	return p;
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	if (n > 0)
		memcpy(p, s, n);
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_slice(struct arena *a, struct slice s)
{
	return arena_strndup(a, s.p, s.n);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	char *p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void
strs_add(struct strs *list, struct arena *a, const char *s)
{
	strs_add_slice(list, a, slice_str(s));
}

void
strs_add_slice(struct strs *list, struct arena *a, struct slice s)
{
	if (list->n == list->cap) {
		size_t cap = list->cap < 8 ? 8 : list->cap * 2;
		char **v = arena_alloc(a, cap * sizeof(*v));
		if (list->n > 0)
			memcpy(v, list->v, list->n * sizeof(*v));
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n++] = arena_slice(a, s);
}

void *
arena_push(struct arena *a, void *array_inout, size_t *n_inout, size_t size)
{
	char **array = array_inout;
	size_t n = *n_inout;

	/* capacity is the next power of two, at least four: derived, not stored */
	if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
		size_t cap = n == 0 ? 4 : n * 2;
		char *p = arena_alloc(a, cap * size);
		if (n > 0)
			memcpy(p, *array, n * size);
		*array = p;
	}
	*n_inout = n + 1;
	return *array + n * size;
}

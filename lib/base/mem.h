#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * Allocation that does not fail: when memory runs out the process says so and exits 71
 * (EX_OSERR). Nothing is acknowledged before it is durable, so leaving at any moment is safe.
 * Memory comes zeroed from mem_alloc and is freed with free(3).
 */
void *mem_alloc(size_t n);
void *mem_array(size_t count, size_t size); /* checked multiplication, zeroed */
void *mem_realloc(void *p, size_t n);       /* new part is not zeroed */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* Grow a heap array by doubling so that index count is valid: *cap_inout is updated. */
void *mem_grow(void *array, size_t count, size_t *cap_inout, size_t size);

#endif

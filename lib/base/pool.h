#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Very many small elements of one size, called by number: 4 bytes instead of a pointer of 8, no
 * header for each, and growing neither moves nor copies what is there. Numbers start at 1; 0 is
 * none. What is given back is used again.
 */
struct pool {
	size_t size; /* of an element, at least 4 bytes */
	char **chunks;
	size_t chunks_n, chunks_cap;
	uint32_t used, free; /* numbers handed out so far; the first of those given back */
};

void pool_init(struct pool *p, size_t size);
void pool_free(struct pool *p);
/* A new zeroed element. */
uint32_t pool_take(struct pool *p);
void pool_give(struct pool *p, uint32_t number);
/* Valid until pool_give. number: of pool_take. */
void *pool_at(const struct pool *p, uint32_t number);

#endif

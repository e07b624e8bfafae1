#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK 1024 /* elements allocated at once */

void
pool_init(struct pool *p, size_t size)
{
	memset(p, 0, sizeof(*p));
	p->size = size;
}

void
pool_free(struct pool *p)
{
	for (size_t i = 0; i < p->chunks_n; i++)
		free(p->chunks[i]);
	free(p->chunks);
	pool_init(p, p->size);
}

void *
pool_at(const struct pool *p, uint32_t number)
{
	return p->chunks[(number - 1) / CHUNK] + (size_t)((number - 1) % CHUNK) * p->size;
}

uint32_t
pool_take(struct pool *p)
{
	uint32_t number = p->free;

	if (number != 0) {
		void *element = pool_at(p, number);
		memcpy(&p->free, element, sizeof(p->free));
		memset(element, 0, p->size);
		return number;
	}
	if (p->used == UINT32_MAX - 1)
		abort();
	number = ++p->used;
	if ((number - 1) % CHUNK == 0) {
		p->chunks = mem_grow(p->chunks, p->chunks_n, &p->chunks_cap, sizeof(*p->chunks));
		p->chunks[p->chunks_n++] = mem_array(CHUNK, p->size);
	}
	return number;
}

void
pool_give(struct pool *p, uint32_t number)
{
	memcpy(pool_at(p, number), &p->free, sizeof(p->free));
	p->free = number;
}

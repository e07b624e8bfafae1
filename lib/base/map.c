#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

struct map_entry {
	struct map_entry *next;
	uint64_t hash;
	void *value;
	size_t key_len;
	char key[];
};

/* SipHash-1-3 (Aumasson, Bernstein): short keys, keyed by a per-process secret. */
#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND \
	do { \
		v0 += v1, v1 = ROTL(v1, 13), v1 ^= v0, v0 = ROTL(v0, 32); \
		v2 += v3, v3 = ROTL(v3, 16), v3 ^= v2; \
		v0 += v3, v3 = ROTL(v3, 21), v3 ^= v0; \
		v2 += v1, v1 = ROTL(v1, 17), v1 ^= v2, v2 = ROTL(v2, 32); \
	} while (0)

uint64_t
map_hash(struct slice key)
{
	static uint64_t k[2];
	static int seeded;

	if (!seeded) {
		seeded = 1;
		if (getrandom(k, sizeof(k), 0) != sizeof(k))
			k[0] ^= (uint64_t)(uintptr_t)&k;
	}
	uint64_t v0 = k[0] ^ 0x736f6d6570736575ULL, v1 = k[1] ^ 0x646f72616e646f6dULL;
	uint64_t v2 = k[0] ^ 0x6c7967656e657261ULL, v3 = k[1] ^ 0x7465646279746573ULL;
	uint64_t word = 0;
	for (size_t i = 0; i < key.n; i++) {
		word |= (uint64_t)(unsigned char)key.p[i] << (8 * (i % 8));
		if (i % 8 == 7) {
			v3 ^= word;
			SIPROUND;
			v0 ^= word;
			word = 0;
		}
	}
	word |= (uint64_t)key.n << 56;
	v3 ^= word;
	SIPROUND;
	v0 ^= word;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

void
map_init(struct map *m)
{
	memset(m, 0, sizeof(*m));
}

void
map_free(struct map *m)
{
	for (size_t i = 0; i < m->bucket_count; i++) {
		struct map_entry *e = m->buckets[i];
		while (e != NULL) {
			struct map_entry *next = e->next;
			free(e);
			e = next;
		}
	}
	free(m->buckets);
	map_init(m);
}

/* The link that points at the entry, or at NULL where it would be appended. */
static struct map_entry **
map_find(const struct map *m, struct slice key, uint64_t h)
{
	struct map_entry **link = &m->buckets[h & (m->bucket_count - 1)];

	while (*link != NULL && !((*link)->hash == h && (*link)->key_len == key.n &&
				    (key.n == 0 || memcmp((*link)->key, key.p, key.n) == 0)))
		link = &(*link)->next;
	return link;
}

static void
map_resize(struct map *m, size_t count)
{
	struct map_entry **buckets = mem_array(count, sizeof(struct map_entry *));

	for (size_t i = 0; i < m->bucket_count; i++) {
		struct map_entry *e = m->buckets[i];
		while (e != NULL) {
			struct map_entry *next = e->next;
			e->next = buckets[e->hash & (count - 1)];
			buckets[e->hash & (count - 1)] = e;
			e = next;
		}
	}
	free(m->buckets);
	m->buckets = buckets;
	m->bucket_count = count;
}

void *
map_get(const struct map *m, struct slice key)
{
	if (m->bucket_count == 0)
		return NULL;
	struct map_entry *e = *map_find(m, key, map_hash(key));
	return e == NULL ? NULL : e->value;
}

void *
map_set(struct map *m, struct slice key, void *value)
{
	uint64_t h = map_hash(key);

	if (m->n >= m->bucket_count)
		map_resize(m, m->bucket_count == 0 ? 16 : m->bucket_count * 2);
	struct map_entry **link = map_find(m, key, h);
	if (*link != NULL) {
		void *old = (*link)->value;
		(*link)->value = value;
		return old;
	}
	struct map_entry *e = mem_alloc(sizeof(*e) + key.n);
	e->hash = h;
	e->value = value;
	e->key_len = key.n;
	if (key.n > 0)
		memcpy(e->key, key.p, key.n);
	*link = e;
	m->n++;
	return NULL;
}

void *
map_remove(struct map *m, struct slice key)
{
	if (m->bucket_count == 0)
		return NULL;
	struct map_entry **link = map_find(m, key, map_hash(key)), *e = *link;
	if (e == NULL)
		return NULL;
	void *value = e->value;
	*link = e->next;
	free(e);
	m->n--;
	return value;
}

void
map_each(const struct map *m, void (*fn)(struct slice key, void *value, void *ctx), void *ctx)
{
	for (size_t i = 0; i < m->bucket_count; i++)
		for (struct map_entry *e = m->buckets[i]; e != NULL; e = e->next)
			fn(slice_make(e->key, e->key_len), e->value, ctx);
}

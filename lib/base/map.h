#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Hash map from counted bytes to a pointer. Keys are copied; values belong to the caller. The
 * hash is keyed per process (SipHash-like mixing with a random seed), so that remote names
 * cannot be chosen to collide. map_free does not free the values.
 */
struct map_entry;
struct map {
	struct map_entry **buckets;
	size_t n, bucket_count;
};

void map_init(struct map *m);
void map_free(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, struct slice key);
/* Set or replace; returns the old value or NULL. value must not be NULL. */
void *map_set(struct map *m, struct slice key, void *value);
/* Remove; returns the value or NULL. */
void *map_remove(struct map *m, struct slice key);
/* The hash it uses: another one in each process. */
uint64_t map_hash(struct slice key);
/* Call fn for each entry in no particular order; fn must not change the map. */
void map_each(const struct map *m, void (*fn)(struct slice key, void *value, void *ctx), void *ctx);

#endif

#include "app/report/set.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

void
report_set_init(struct report_set *set, size_t max)
{
	memset(set, 0, sizeof(*set));
	set->max = max;
}

void
report_set_free(struct report_set *set)
{
	free(set->hashes);
	free(set->values);
	report_set_init(set, set->max);
}

static uint64_t
hash_of(struct slice name)
{
	uint64_t h = map_hash(name);

	return h == 0 ? 1 : h;
}

/* Where the hash is, or the free place where it would be. */
static size_t
place(const struct report_set *set, uint64_t h)
{
	size_t i = h & (set->cap - 1);

	while (set->hashes[i] != 0 && set->hashes[i] != h)
		i = (i + 1) & (set->cap - 1);
	return i;
}

static void
grow(struct report_set *set)
{
	struct report_set old = *set;

	set->cap = old.cap == 0 ? 1024 : old.cap * 2;
	set->hashes = mem_array(set->cap, sizeof(*set->hashes));
	set->values = mem_array(set->cap, sizeof(*set->values));
	for (size_t i = 0; i < old.cap; i++) {
		if (old.hashes[i] == 0)
			continue;
		size_t at = place(set, old.hashes[i]);
		set->hashes[at] = old.hashes[i];
		set->values[at] = old.values[i];
	}
	free(old.hashes);
	free(old.values);
}

uint32_t *
report_set_add(struct report_set *set, struct slice name, bool *added_r)
{
	uint64_t h = hash_of(name);

	*added_r = false;
	if (set->n >= set->cap / 4 * 3)
		grow(set);
	size_t at = place(set, h);
	if (set->hashes[at] == h)
		return &set->values[at];
	if (set->n >= set->max)
		return NULL;
	set->hashes[at] = h;
	set->n++;
	*added_r = true;
	return &set->values[at];
}

uint32_t *
report_set_find(const struct report_set *set, struct slice name)
{
	if (set->cap == 0)
		return NULL;
	uint64_t h = hash_of(name);
	size_t at = place(set, h);
	return set->hashes[at] == h ? &set->values[at] : NULL;
}

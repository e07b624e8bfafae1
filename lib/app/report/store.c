#include <stdlib.h>
#include <string.h>

#include "app/report/unit.h"
#include "base/limits.h"
#include "base/mem.h"

struct report_unit *
report_unit_pack(const struct report_unit *unit)
{
	size_t n = offsetof(struct report_unit, values) + unit->values_n * sizeof(unit->values[0]);
	struct report_unit *copy = mem_alloc(n);

	memcpy(copy, unit, n);
	return copy;
}

void
report_store_init(struct report_store *store)
{
	memset(store, 0, sizeof(*store));
	report_set_init(&store->names, LIMIT_REPORT_SERVERS);
}

void
report_store_free(struct report_store *store)
{
	for (size_t i = 0; i < store->n; i++)
		free(store->units[i]);
	free(store->units);
	report_set_free(&store->names);
	report_store_init(store);
}

bool
report_store_put(struct report_store *store, struct slice name, const struct report_unit *unit)
{
	bool added;
	uint32_t *index = report_set_add(&store->names, name, &added);

	if (index == NULL)
		return false;
	if (added) {
		store->units =
		    mem_grow(store->units, store->n, &store->cap, sizeof(struct report_unit *));
		*index = (uint32_t)store->n++;
	} else {
		free(store->units[*index]);
	}
	store->units[*index] = report_unit_pack(unit);
	return true;
}

const struct report_unit *
report_store_get(const struct report_store *store, struct slice name)
{
	const uint32_t *index = report_set_find(&store->names, name);

	return index == NULL ? NULL : store->units[*index];
}

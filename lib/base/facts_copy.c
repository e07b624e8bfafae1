#include <string.h>

#include "base/facts.h"

static void
copy_strs(struct strs *list, struct arena *arena)
{
	struct strs from = *list;

	memset(list, 0, sizeof(*list));
	for (size_t i = 0; i < from.n; i++)
		strs_add(list, arena, from.v[i]);
}

static void
copy_list(const struct fact_field *field, char **list, size_t *n_inout, struct arena *arena)
{
	size_t n = *n_inout, size = field->sub->size;
	const char *from = *list;

	*list = NULL;
	*n_inout = 0;
	for (size_t i = 0; i < n; i++) /* pushed: it may be appended to */
		facts_copy(
		    field->sub, arena_push(arena, list, n_inout, size), from + i * size, arena);
}

/* Both hold the same bytes; what is behind pointers is made the copy's own. */
static void
copy_field(const struct fact_field *field, char *to, struct arena *arena)
{
	char **pointer = (char **)(void *)(to + field->offset);

	switch (field->kind) {
	case FACT_KIND_STR:
		if (*pointer != NULL)
			*pointer = arena_strdup(arena, *pointer);
		return;
	case FACT_KIND_STRS:
		copy_strs((struct strs *)(void *)(to + field->offset), arena);
		return;
	case FACT_KIND_SUB:
		for (size_t i = 0; i < field->sub->field_count; i++)
			copy_field(&field->sub->fields[i], to + field->offset, arena);
		return;
	case FACT_KIND_LIST:
	case FACT_KIND_KEYED:
		copy_list(field, pointer, (size_t *)(void *)(to + field->offset_n), arena);
		return;
	case FACT_KIND_INT:
	case FACT_KIND_COUNT:
	case FACT_KIND_BOOL:
	case FACT_KIND_TRI:
	case FACT_KIND_SECS:
	case FACT_KIND_TIME:
	case FACT_KIND_WORD:
		return;
	}
}

void
facts_copy(const struct fact_table *table, void *to_r, const void *from, struct arena *arena)
{
	memcpy(to_r, from, table->size);
	for (size_t i = 0; i < table->field_count; i++)
		copy_field(&table->fields[i], to_r, arena);
}

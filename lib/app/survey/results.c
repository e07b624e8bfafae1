#include "app/survey/results.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

struct survey_result {
	struct list link;
	uint64_t at;
	struct arena arena;
	struct server_facts facts;
};

static struct slice
key_of(const uint64_t *at)
{
	return slice_make((const char *)at, sizeof(*at));
}

void
survey_results_init(struct survey_results *r, struct survey_file *file)
{
	r->file = file;
	r->n = r->bytes = 0;
	map_init(&r->by_place);
	list_init(&r->used);
	buf_init(&r->text, SURVEY_LINE_BYTES);
}

static void
drop_first(struct survey_results *r)
{
	struct survey_result *result = LIST_ITEM(r->used.next, struct survey_result, link);

	list_remove(&result->link);
	map_remove(&r->by_place, key_of(&result->at));
	r->n--;
	r->bytes -= result->arena.bytes;
	arena_free(&result->arena);
	free(result);
}

void
survey_results_free(struct survey_results *r)
{
	while (!list_empty(&r->used))
		drop_first(r);
	map_free(&r->by_place);
	buf_free(&r->text);
}

void
survey_results_trim(struct survey_results *r)
{
	while (r->n > LIMIT_SURVEY_RESULTS || (r->n > 0 && r->bytes > LIMIT_SURVEY_RESULT_BYTES))
		drop_first(r);
}

static void
keep(struct survey_results *r, struct survey_result *result)
{
	list_append(&r->used, &result->link);
	map_set(&r->by_place, key_of(&result->at), result);
	r->n++;
	r->bytes += result->arena.bytes;
}

void
survey_results_put(
    struct survey_results *r, uint64_t at, struct arena *arena, const struct server_facts *facts)
{
	struct survey_result *result = mem_alloc(sizeof(*result));

	result->at = at;
	result->arena = *arena;
	arena_init(arena);
	result->facts = *facts;
	survey_results_trim(r);
	keep(r, result);
}

const struct server_facts *
survey_results_get(struct survey_results *r, uint64_t at, struct fail *why)
{
	struct survey_result *result = map_get(&r->by_place, key_of(&at));

	if (result != NULL) {
		list_remove(&result->link);
		list_append(&r->used, &result->link);
		return &result->facts;
	}
	if (!survey_file_read(r->file, at, &r->text)) {
		*why = r->file->why;
		return NULL;
	}
	result = mem_alloc(sizeof(*result));
	result->at = at;
	arena_init(&result->arena);
	if (facts_read_json(&fact_table_server_facts, buf_str(&r->text), r->text.len,
		&result->arena, &result->facts, why) != 0) {
		fail_prefix(why, "%s", r->file->path);
		arena_free(&result->arena);
		free(result);
		return NULL;
	}
	keep(r, result);
	return &result->facts;
}

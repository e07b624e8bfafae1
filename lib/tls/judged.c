#include "tls/judged.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

struct entry {
	struct list link;
	struct arena arena; /* the texts of facts */
	struct verify_facts facts;
	int64_t from, to;
	size_t key_len;
	char key[];
};

void
tls_judged_init(struct tls_judged *judged)
{
	memset(judged, 0, sizeof(*judged));
	map_init(&judged->map);
	list_init(&judged->used);
	judged->max = LIMIT_CHAINS_JUDGED;
}

static void
drop(struct tls_judged *judged, struct entry *e)
{
	map_remove(&judged->map, slice_make(e->key, e->key_len));
	list_remove(&e->link);
	judged->n--;
	arena_free(&e->arena);
	free(e);
}

static struct entry *
oldest(struct tls_judged *judged)
{
	return LIST_ITEM(judged->used.next, struct entry, link);
}

void
tls_judged_free(struct tls_judged *judged)
{
	while (!list_empty(&judged->used))
		drop(judged, oldest(judged));
	map_free(&judged->map);
}

static void
copy(const struct verify_facts *from, struct arena *arena, struct verify_facts *to)
{
	to->trusted = from->trusted;
	to->missing_intermediate = from->missing_intermediate;
	to->code = from->code;
	to->error = from->error == NULL ? NULL : arena_strdup(arena, from->error);
	to->errors = (struct strs){ 0 };
	for (size_t i = 0; i < from->errors.n; i++)
		strs_add(&to->errors, arena, from->errors.v[i]);
}

bool
tls_judged_get(struct tls_judged *judged, struct slice key, int64_t at, struct arena *arena,
    struct verify_facts *facts)
{
	struct entry *e = map_get(&judged->map, key);

	if (e == NULL || at < e->from || at >= e->to)
		return false;
	list_remove(&e->link);
	list_append(&judged->used, &e->link);
	copy(&e->facts, arena, facts);
	judged->hits++;
	return true;
}

void
tls_judged_put(struct tls_judged *judged, struct slice key, int64_t from, int64_t to,
    const struct verify_facts *facts)
{
	struct entry *e = map_get(&judged->map, key);

	if (e != NULL)
		drop(judged, e);
	while (!list_empty(&judged->used) && judged->n >= judged->max)
		drop(judged, oldest(judged));
	e = mem_alloc(sizeof(*e) + key.n);
	arena_init(&e->arena);
	copy(facts, &e->arena, &e->facts);
	e->from = from;
	e->to = to;
	e->key_len = key.n;
	memcpy(e->key, key.p, key.n);
	list_append(&judged->used, &e->link);
	map_set(&judged->map, slice_make(e->key, e->key_len), e);
	judged->n++;
}

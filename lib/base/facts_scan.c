#include "base/facts_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#define PEEK_MEMBERS 4 /* a line says among its first members what it is */

/*
 * The plan: one node for each wanted member of an object. A node leads to a value (field), to an
 * object of its own members, or both: an embedded struct, or the elements of a list.
 */
struct node {
	const char *name;
	size_t name_n;
	const struct fact_field *field; /* NULL: only on the way to a dotted path */
	struct node *nodes;             /* of the object below */
	size_t nodes_n, nodes_cap;
};

struct facts_scan {
	const struct fact_table *table;
	struct node root;
};

/* --- the plan ------------------------------------------------------------------------------------ */

static struct node *
child(struct node *parent, const char *name, size_t n)
{
	for (size_t i = 0; i < parent->nodes_n; i++)
		if (parent->nodes[i].name_n == n && memcmp(parent->nodes[i].name, name, n) == 0)
			return &parent->nodes[i];
	parent->nodes =
	    mem_grow(parent->nodes, parent->nodes_n, &parent->nodes_cap, sizeof(struct node));
	struct node *node = &parent->nodes[parent->nodes_n++];
	memset(node, 0, sizeof(*node));
	node->name = name;
	node->name_n = n;
	return node;
}

/* Follow the components of a field's path. */
static struct node *
add_path(struct node *parent, const char *path)
{
	const char *dot;

	while ((dot = strchr(path, '.')) != NULL) {
		parent = child(parent, path, (size_t)(dot - path));
		path = dot + 1;
	}
	return child(parent, path, strlen(path));
}

static void add_table(struct node *parent, const struct fact_table *table, const char *want);

static void
add_field(struct node *parent, const struct fact_field *field, const char *rest)
{
	struct node *node = add_path(parent, field->path);

	node->field = field;
	if (field->sub != NULL)
		add_table(node, field->sub, rest);
}

/* want: one path, from here on; "" brings everything. */
static void
add_table(struct node *parent, const struct fact_table *table, const char *want)
{
	bool found = want[0] == '\0';

	for (size_t i = 0; i < table->field_count; i++) {
		const struct fact_field *field = &table->fields[i];
		size_t n = strlen(field->path);
		if (want[0] == '\0') {
			add_field(parent, field, "");
		} else if (strncmp(want, field->path, n) == 0 &&
			   (want[n] == '\0' || (want[n] == '.' && field->sub != NULL))) {
			add_field(parent, field, want[n] == '\0' ? "" : want + n + 1);
			found = true;
		} else if (strncmp(want, field->path, strlen(want)) == 0 &&
			   field->path[strlen(want)] == '.') {
			add_field(parent, field, ""); /* a whole dotted object */
			found = true;
		}
	}
	if (!found) { /* the list of paths is part of the program */
		fprintf(stderr, "facts_scan: %s has no field %s\n", table->name, want);
		abort();
	}
}

struct facts_scan *
facts_scan_new(const struct fact_table *table, const char *const *want)
{
	struct facts_scan *scan = mem_alloc(sizeof(*scan));

	scan->table = table;
	if (want == NULL)
		add_table(&scan->root, table, "");
	for (size_t i = 0; want != NULL && want[i] != NULL; i++)
		add_table(&scan->root, table, want[i]);
	return scan;
}

static void
free_nodes(struct node *node)
{
	for (size_t i = 0; i < node->nodes_n; i++)
		free_nodes(&node->nodes[i]);
	free(node->nodes);
}

void
facts_scan_free(struct facts_scan *scan)
{
	if (scan == NULL)
		return;
	free_nodes(&scan->root);
	free(scan);
}

/* --- values -------------------------------------------------------------------------------------- */

static int read_object(struct json_scan *s, const struct node *object, char *facts);

static int
wrong_type(struct json_scan *s, const struct node *node, const char *want)
{
	return fail_set(s->why, FAIL_MESSAGE, "column %zu: \"%s\" should be %s",
	    (size_t)(s->p - s->begin) + 1, node->field != NULL ? node->field->path : node->name,
	    want);
}

static int
read_strs(struct json_scan *s, const struct node *node, struct strs *list)
{
	char *text;

	memset(list, 0, sizeof(*list));
	if (!json_scan_take(s, '['))
		return wrong_type(s, node, "an array of strings");
	if (json_scan_take(s, ']'))
		return 0;
	do {
		if (json_scan_string(s, &text) != 0)
			return -1;
		strs_add(list, s->arena, text);
	} while (json_scan_take(s, ','));
	return json_scan_take(s, ']') ? 0 : json_scan_expected(s, "a comma or ]");
}

static int
read_int(struct json_scan *s, const struct node *node, int64_t *value_r)
{
	struct slice text = json_scan_number(s);
	char copy[32];

	if (text.n == 0 || text.n >= sizeof(copy))
		return wrong_type(s, node, "a whole number from 0");
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	errno = 0;
	char *end;
	long long value = strtoll(copy, &end, 10);
	if (*end != '\0' || errno != 0 || value < 0)
		return wrong_type(s, node, "a whole number from 0");
	*value_r = value;
	return 0;
}

static int
read_secs(struct json_scan *s, const struct node *node, double *value_r)
{
	struct slice text = json_scan_number(s);
	char *end;

	double value = strtod(arena_slice(s->arena, text), &end);
	if (text.n == 0 || *end != '\0' || !(value >= 0))
		return wrong_type(s, node, "a number from 0");
	*value_r = value;
	return 0;
}

static int
read_bool(struct json_scan *s, const struct node *node, bool *value_r)
{
	*value_r = json_scan_word(s, "true");
	return *value_r || json_scan_word(s, "false") ? 0 : wrong_type(s, node, "true or false");
}

static int
read_word(struct json_scan *s, const struct node *node, int *value_r)
{
	struct slice raw;
	char word[64];

	if (s->p >= s->end || *s->p != '"')
		return wrong_type(s, node, "a word");
	if (json_scan_name(s, &raw) != 0)
		return -1;
	size_t n = raw.n < sizeof(word) ? raw.n : sizeof(word) - 1;
	memcpy(word, raw.p, n);
	word[n] = '\0';
	if (node->field->word_parse(word, value_r))
		return 0;
	*value_r = 0;
	struct facts_scan_note *note = s->ctx;
	if (note != NULL) {
		note->unknown_words++;
		snprintf(note->word, sizeof(note->word), "%s: %s", node->field->path, word);
		text_sanitize(note->word);
	}
	return 0;
}

static int
read_time(struct json_scan *s, const struct node *node, int64_t *value_r)
{
	char *text;

	if (s->p >= s->end || *s->p != '"')
		return wrong_type(s, node, "a time");
	if (json_scan_string(s, &text) != 0)
		return -1;
	if (!json_time_parse(text, value_r))
		return wrong_type(s, node, "a time such as \"2026-01-31T12:00:00Z\"");
	return 0;
}

static int
read_list(struct json_scan *s, const struct node *node, void *elements, size_t *n)
{
	const struct fact_table *table = node->field->sub;
	bool keyed = node->field->kind == FACT_KIND_KEYED;
	char *key = NULL;

	*n = 0;
	memset(elements, 0, sizeof(void *));
	if (json_scan_enter(s) != 0)
		return -1;
	if (!json_scan_take(s, keyed ? '{' : '['))
		return wrong_type(s, node, keyed ? "an object of objects" : "an array of objects");
	if (!json_scan_take(s, keyed ? '}' : ']')) {
		do {
			if (keyed && json_scan_string(s, &key) != 0)
				return -1;
			if (keyed && !json_scan_take(s, ':'))
				return json_scan_expected(s, "a colon");
			char *element = arena_push(s->arena, elements, n, table->size);
			table->init(element);
			if (read_object(s, node, element) != 0)
				return -1;
			if (keyed) /* the key decides what the element is called */
				*(char **)(void *)(element + node->field->key_offset) = key;
		} while (json_scan_take(s, ','));
		if (!json_scan_take(s, keyed ? '}' : ']'))
			return json_scan_expected(s, keyed ? "a comma or }" : "a comma or ]");
	}
	s->depth--;
	return 0;
}

static int
read_value(struct json_scan *s, const struct node *node, char *facts)
{
	const struct fact_field *field = node->field;
	void *p = field == NULL ? facts : facts + field->offset;
	bool yes;

	json_scan_space(s);
	if (json_scan_word(s, "null"))
		return 0;
	if (field == NULL)
		return read_object(s, node, facts);
	switch (field->kind) {
	case FACT_KIND_STR:
		return json_scan_string(s, p);
	case FACT_KIND_STRS:
		return read_strs(s, node, p);
	case FACT_KIND_INT:
	case FACT_KIND_COUNT:
		return read_int(s, node, p);
	case FACT_KIND_BOOL:
		return read_bool(s, node, p);
	case FACT_KIND_TRI:
		if (read_bool(s, node, &yes) != 0)
			return -1;
		*(enum tri *)p = yes ? TRI_YES : TRI_NO;
		return 0;
	case FACT_KIND_SECS:
		return read_secs(s, node, p);
	case FACT_KIND_TIME:
		return read_time(s, node, p);
	case FACT_KIND_WORD:
		return read_word(s, node, p);
	case FACT_KIND_SUB:
		return read_object(s, node, p);
	case FACT_KIND_LIST:
	case FACT_KIND_KEYED:
		return read_list(s, node, p, (size_t *)(void *)(facts + field->offset_n));
	}
	return 0;
}

/* The node of a member: most often the one after the last, since records come in the table's order. */
static const struct node *
find_node(const struct node *object, struct slice name, size_t *hint)
{
	for (size_t i = 0; i < object->nodes_n; i++) {
		size_t at = *hint + i;
		if (at >= object->nodes_n)
			at -= object->nodes_n;
		const struct node *node = &object->nodes[at];
		if (node->name_n == name.n && memcmp(node->name, name.p, name.n) == 0) {
			*hint = at + 1 < object->nodes_n ? at + 1 : 0;
			return node;
		}
	}
	return NULL;
}

static int
read_object(struct json_scan *s, const struct node *object, char *facts)
{
	struct slice name;
	size_t hint = 0;

	if (json_scan_enter(s) != 0)
		return -1;
	if (!json_scan_take(s, '{'))
		return json_scan_expected(s, "an object");
	if (!json_scan_take(s, '}')) {
		do {
			if (json_scan_name(s, &name) != 0)
				return -1;
			if (!json_scan_take(s, ':'))
				return json_scan_expected(s, "a colon");
			const struct node *node = find_node(object, name, &hint);
			if (node == NULL ? json_scan_skip(s) != 0 : read_value(s, node, facts) != 0)
				return -1;
		} while (json_scan_take(s, ','));
		if (!json_scan_take(s, '}'))
			return json_scan_expected(s, "a comma or }");
	}
	s->depth--;
	return 0;
}

int
facts_scan_read(const struct facts_scan *scan, const char *json, size_t n, struct arena *arena,
    void *facts_r, struct facts_scan_note *note, struct fail *why)
{
	struct json_scan s = {
		.p = json, .begin = json, .end = json + n, .arena = arena, .ctx = note, .why = why
	};

	scan->table->init(facts_r);
	if (read_object(&s, &scan->root, facts_r) != 0)
		return -1;
	json_scan_space(&s);
	return s.p == s.end ? 0 : json_scan_expected(&s, "the end of the record");
}

bool
facts_scan_peek(const char *json, size_t n, const char *name, struct slice *value_r)
{
	struct json_scan s = { .p = json, .begin = json, .end = json + n };
	struct slice member;
	bool escaped;

	*value_r = slice_make("", 0);
	if (!json_scan_take(&s, '{'))
		return false;
	for (int i = 0; i < PEEK_MEMBERS; i++) {
		if (json_scan_raw(&s, &member, &escaped) != 0 || !json_scan_take(&s, ':'))
			return false;
		json_scan_space(&s);
		if (slice_is(member, name)) {
			if (s.p >= s.end || *s.p != '"' ||
			    json_scan_raw(&s, value_r, &escaped) != 0 || escaped) {
				*value_r = slice_make("", 0);
				return false;
			}
			return true;
		}
		if (json_scan_skip(&s) != 0 || !json_scan_take(&s, ','))
			return false;
	}
	return false;
}

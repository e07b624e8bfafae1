#include "base/facts.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* Words: the token of each value, and the way back. */
static const char *
word_token(const char *const *tokens, size_t n, int value)
{
	return value >= 0 && (size_t)value < n ? tokens[value] : NULL;
}

static bool
word_find(const char *const *tokens, size_t n, const char *token, int *value_r)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(tokens[i], token) != 0)
			continue;
		*value_r = (int)i;
		return true;
	}
	return false;
}

#define FACT_ENUM(type) static const char *const type##_tokens[] = {
#define FACT_TOKEN(type, symbol, token, doc) [symbol] = token,
#define FACT_ENUM_END(type) \
	} \
	; \
	static_assert(sizeof(enum type) == sizeof(int), "fields of words are read as int"); \
	static const char *type##_token(int value) \
	{ \
		return word_token( \
		    type##_tokens, sizeof(type##_tokens) / sizeof(type##_tokens[0]), value); \
	} \
	static bool type##_find(const char *token, int *value_r) \
	{ \
		return word_find(type##_tokens, sizeof(type##_tokens) / sizeof(type##_tokens[0]), \
		    token, value_r); \
	} \
	const char *type##_str(enum type value) \
	{ \
		const char *token = type##_token((int)value); \
		return token == NULL ? "?" : token; \
	} \
	bool type##_parse(const char *token, enum type *value_r) \
	{ \
		int value; \
		if (!type##_find(token, &value)) \
			return false; \
		*value_r = (enum type)value; \
		return true; \
	}
#include "base/facts.def"

/* "Unknown" where it is not all bits zero. */
#define FACT_STRUCT(type, doc) \
	void facts_init_##type(struct type *facts) \
	{ \
		memset(facts, 0, sizeof(*facts));
#define FACT_INT(type, member, path, doc) facts->member = -1;
#define FACT_SECS(type, member, path, doc) facts->member = -1;
#define FACT_SUB(type, member, sub, path, doc) facts_init_##sub(&facts->member);
#define FACT_STRUCT_END(type) \
	} \
	static void init_any_##type(void *facts) \
	{ \
		facts_init_##type(facts); \
	}
#include "base/facts.def"

#define FIELD(type, member, k, p, d) \
	.path = p, .doc = d, .kind = k, .offset = offsetof(struct type, member)
#define FACT_STRUCT(type, doc) \
	static const char doc_##type[] = doc; \
	static const struct fact_field fields_##type[] = {
#define FACT_STR(type, member, path, doc) { FIELD(type, member, FACT_KIND_STR, path, doc) },
#define FACT_STRS(type, member, path, doc) { FIELD(type, member, FACT_KIND_STRS, path, doc) },
#define FACT_INT(type, member, path, doc) { FIELD(type, member, FACT_KIND_INT, path, doc) },
#define FACT_COUNT(type, member, path, doc) { FIELD(type, member, FACT_KIND_COUNT, path, doc) },
#define FACT_BOOL(type, member, path, doc) { FIELD(type, member, FACT_KIND_BOOL, path, doc) },
#define FACT_TRI(type, member, path, doc) { FIELD(type, member, FACT_KIND_TRI, path, doc) },
#define FACT_SECS(type, member, path, doc) { FIELD(type, member, FACT_KIND_SECS, path, doc) },
#define FACT_TIME(type, member, path, doc) { FIELD(type, member, FACT_KIND_TIME, path, doc) },
#define FACT_WORD(type, member, word, path, doc) \
	{ FIELD(type, member, FACT_KIND_WORD, path, doc), .word_str = word##_token, \
		.word_parse = word##_find },
#define FACT_SUB(type, member, table, path, doc) \
	{ FIELD(type, member, FACT_KIND_SUB, path, doc), .sub = &fact_table_##table },
#define FACT_LIST(type, member, table, path, doc) \
	{ FIELD(type, member, FACT_KIND_LIST, path, doc), \
		.offset_n = offsetof(struct type, member##_n), .sub = &fact_table_##table },
#define FACT_KEYED(type, member, table, key, path, doc) \
	{ FIELD(type, member, FACT_KIND_KEYED, path, doc), \
		.offset_n = offsetof(struct type, member##_n), .sub = &fact_table_##table, \
		.key_offset = offsetof(struct table, key) },
#define FACT_STRUCT_END(type) \
	} \
	; \
	const struct fact_table fact_table_##type = { #type, doc_##type, sizeof(struct type), \
		init_any_##type, fields_##type, \
		sizeof(fields_##type) / sizeof(fields_##type[0]) };
#include "base/facts.def"

/*
 * A dotted path nests. open is the path whose objects are open, up to and with its last dot; close
 * what the next path does not share, open what it adds, and return its last component.
 */
static const char *
enter_path(struct json *j, struct slice *open, const char *path)
{
	size_t common = 0;

	for (size_t i = 0; i < open->n && open->p[i] == path[i]; i++)
		if (path[i] == '.')
			common = i + 1;
	for (size_t i = common; i < open->n; i++)
		if (open->p[i] == '.')
			json_object_end(j);
	const char *name = path + common, *dot;
	while ((dot = strchr(name, '.')) != NULL) {
		json_key(j, slice_make(name, (size_t)(dot - name)));
		json_object_begin(j);
		name = dot + 1;
	}
	*open = slice_make(path, (size_t)(name - path));
	return name;
}

static void
write_struct(struct json *j, const struct fact_table *table, const void *facts, bool brief);

static bool is_silent(const struct fact_field *field, const char *facts);

/* Nothing in it differs from a struct that was just initialised. */
static bool
is_silent_struct(const struct fact_table *table, const char *facts)
{
	for (size_t i = 0; i < table->field_count; i++)
		if (!is_silent(&table->fields[i], facts))
			return false;
	return true;
}

static bool
is_silent(const struct fact_field *field, const char *facts)
{
	const void *p = facts + field->offset;

	switch (field->kind) {
	case FACT_KIND_STR:
		return *(char *const *)p == NULL;
	case FACT_KIND_STRS:
		return ((const struct strs *)p)->n == 0;
	case FACT_KIND_INT:
		return *(const int64_t *)p < 0;
	case FACT_KIND_COUNT:
	case FACT_KIND_TIME:
		return *(const int64_t *)p == 0;
	case FACT_KIND_BOOL:
		return !*(const bool *)p;
	case FACT_KIND_TRI:
		return *(const enum tri *)p == TRI_UNKNOWN;
	case FACT_KIND_SECS:
		return !(*(const double *)p >= 0);
	case FACT_KIND_WORD:
		return *(const int *)p == 0;
	case FACT_KIND_SUB: /* whoever looks for the verdict finds it, also when it is not known */
		return field->sub != &fact_table_summary_facts && is_silent_struct(field->sub, p);
	case FACT_KIND_LIST:
	case FACT_KIND_KEYED:
		return *(const size_t *)(const void *)(facts + field->offset_n) == 0;
	}
	return false;
}

static void
write_list(
    struct json *j, const struct fact_field *field, const char *elements, size_t n, bool brief)
{
	bool keyed = field->kind == FACT_KIND_KEYED;

	(keyed ? json_object_begin : json_array_begin)(j);
	for (size_t i = 0; i < n; i++) {
		const char *element = elements + i * field->sub->size;
		if (keyed) {
			const char *key =
			    *(char *const *)(const void *)(element + field->key_offset);
			json_key(j, slice_str(key));
		}
		write_struct(j, field->sub, element, brief);
	}
	(keyed ? json_object_end : json_array_end)(j);
}

static void
write_strs(struct json *j, const struct strs *list)
{
	json_array_begin(j);
	for (size_t i = 0; i < list->n; i++)
		json_put_str(j, list->v[i]);
	json_array_end(j);
}

static void
write_tri(struct json *j, enum tri value)
{
	if (value == TRI_UNKNOWN)
		json_put_null(j);
	else
		json_put_bool(j, value == TRI_YES);
}

static void
write_value(struct json *j, const struct fact_field *field, const char *facts, bool brief)
{
	const void *p = facts + field->offset;

	switch (field->kind) {
	case FACT_KIND_STR:
		json_put_str(j, *(char *const *)p);
		break;
	case FACT_KIND_STRS:
		write_strs(j, p);
		break;
	case FACT_KIND_INT:
	case FACT_KIND_COUNT:
		if (*(const int64_t *)p < 0)
			json_put_null(j);
		else
			json_put_int(j, *(const int64_t *)p);
		break;
	case FACT_KIND_BOOL:
		json_put_bool(j, *(const bool *)p);
		break;
	case FACT_KIND_TRI:
		write_tri(j, *(const enum tri *)p);
		break;
	case FACT_KIND_SECS:
		json_put_secs(j, *(const double *)p);
		break;
	case FACT_KIND_TIME:
		json_put_time(j, *(const int64_t *)p);
		break;
	case FACT_KIND_WORD:
		json_put_str(j, field->word_str(*(const int *)p));
		break;
	case FACT_KIND_SUB:
		write_struct(j, field->sub, p, brief);
		break;
	case FACT_KIND_LIST:
	case FACT_KIND_KEYED:
		write_list(j, field, *(char *const *)p,
		    *(const size_t *)(const void *)(facts + field->offset_n), brief);
		break;
	}
}

/* Recursion follows the tables, which end; never the data. */
static void
write_struct(struct json *j, const struct fact_table *table, const void *facts, bool brief)
{
	struct slice open = slice_make("", 0);

	json_object_begin(j);
	for (size_t i = 0; i < table->field_count; i++) {
		const struct fact_field *field = &table->fields[i];
		bool always = table == &fact_table_summary_facts && field->kind == FACT_KIND_WORD;
		if (brief && !always && is_silent(field, facts))
			continue;
		json_key(j, slice_str(enter_path(j, &open, field->path)));
		write_value(j, field, facts, brief);
	}
	enter_path(j, &open, "");
	json_object_end(j);
}

int
facts_write_json(const struct fact_table *table, const void *facts, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	write_struct(&j, table, facts, false);
	return out->full ? -1 : 0;
}

int
facts_write_json_brief(const struct fact_table *table, const void *facts, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	write_struct(&j, table, facts, true);
	return out->full ? -1 : 0;
}

struct reader {
	struct arena *arena;
	struct fail *why;
	struct buf path; /* of the value being read, for errors */
};

static const char *
type_name(const json_t *value)
{
	static const char *const names[] = { "an object", "an array", "a string", "a number",
		"a number", "true", "false", "null" };

	return names[json_typeof(value)];
}

static int
wrong_type(struct reader *r, const json_t *value, const char *want)
{
	return fail_set(r->why, FAIL_MESSAGE, "%s is %s, expected %s",
	    r->path.len == 0 ? "the record" : buf_str(&r->path), type_name(value), want);
}

/* Append to the path; returns the length to go back to by path_leave. */
static size_t
path_enter(struct reader *r, const char *name)
{
	size_t before = r->path.len;

	if (before > 0 && name[0] != '[')
		buf_putc(&r->path, '.');
	buf_puts(&r->path, name);
	return before;
}

static size_t
path_enter_index(struct reader *r, size_t index)
{
	size_t before = r->path.len;

	buf_printf(&r->path, "[%zu]", index);
	return before;
}

static void
path_leave(struct reader *r, size_t before)
{
	r->path.len = before;
	r->path.data[before] = '\0';
}

/* The member that a dotted path leads to; NULL when it or an object on the way is missing or null. */
static int
find_member(struct reader *r, json_t *object, const char *path, json_t **value_r)
{
	const char *dot;

	*value_r = NULL;
	while ((dot = strchr(path, '.')) != NULL) {
		size_t n = (size_t)(dot - path);
		char name[64];
		assert(n < sizeof(name));
		memcpy(name, path, n);
		name[n] = '\0';
		object = json_object_get(object, name);
		if (object == NULL || json_is_null(object))
			return 0;
		if (!json_is_object(object)) {
			path_enter(r, name);
			return wrong_type(r, object, "an object");
		}
		path = dot + 1;
	}
	*value_r = json_object_get(object, path);
	if (*value_r != NULL && json_is_null(*value_r))
		*value_r = NULL;
	return 0;
}

static int
read_struct(struct reader *r, const struct fact_table *table, json_t *object, void *facts);

static int
read_strs(struct reader *r, json_t *value, struct strs *list)
{
	if (!json_is_array(value))
		return wrong_type(r, value, "an array of strings");
	for (size_t i = 0; i < json_array_size(value); i++) {
		json_t *element = json_array_get(value, i);
		if (!json_is_string(element)) {
			path_enter_index(r, i);
			return wrong_type(r, element, "a string");
		}
		strs_add_slice(list, r->arena,
		    slice_make(json_string_value(element), json_string_length(element)));
	}
	return 0;
}

/* arena_push and not one allocation: whoever appends to the list later counts on its capacity. */
static int
read_list(
    struct reader *r, const struct fact_field *field, json_t *value, void *elements, size_t *n)
{
	if (!json_is_array(value))
		return wrong_type(r, value, "an array of objects");
	for (size_t i = 0; i < json_array_size(value); i++) {
		size_t before = path_enter_index(r, i);
		void *element = arena_push(r->arena, elements, n, field->sub->size);
		if (read_struct(r, field->sub, json_array_get(value, i), element) != 0)
			return -1;
		path_leave(r, before);
	}
	return 0;
}

static int
read_keyed(
    struct reader *r, const struct fact_field *field, json_t *value, void *elements, size_t *n)
{
	const char *key;
	json_t *member;

	if (!json_is_object(value))
		return wrong_type(r, value, "an object of objects");
	json_object_foreach(value, key, member)
	{
		size_t before = path_enter(r, key);
		char *element = arena_push(r->arena, elements, n, field->sub->size);
		if (read_struct(r, field->sub, member, element) != 0)
			return -1;
		/* the key decides what the element is called */
		*(char **)(void *)(element + field->key_offset) = arena_strdup(r->arena, key);
		path_leave(r, before);
	}
	return 0;
}

static int
read_number(struct reader *r, const json_t *value, int64_t *number_r)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return wrong_type(r, value, "a whole number from 0");
	*number_r = json_integer_value(value);
	return 0;
}

static int
read_word(struct reader *r, const struct fact_field *field, const json_t *value, int *word_r)
{
	if (!json_is_string(value))
		return wrong_type(r, value, "a word");
	if (!field->word_parse(json_string_value(value), word_r))
		return fail_set(r->why, FAIL_MESSAGE, "%s has the unknown word \"%.100s\"",
		    buf_str(&r->path), json_string_value(value));
	return 0;
}

static int
read_time(struct reader *r, const json_t *value, int64_t *time_r)
{
	if (!json_is_string(value) || !json_time_parse(json_string_value(value), time_r))
		return wrong_type(r, value, "a time such as \"2026-01-31T12:00:00Z\"");
	return 0;
}

static int
read_secs(struct reader *r, const json_t *value, double *secs_r)
{
	if (!json_is_number(value) || !(json_number_value(value) >= 0))
		return wrong_type(r, value, "a number from 0");
	*secs_r = json_number_value(value);
	return 0;
}

static int
read_bool(struct reader *r, const json_t *value, bool *bool_r)
{
	if (!json_is_boolean(value))
		return wrong_type(r, value, "true or false");
	*bool_r = json_is_true(value);
	return 0;
}

static int
read_str(struct reader *r, const json_t *value, char **str_r)
{
	if (!json_is_string(value))
		return wrong_type(r, value, "a string");
	*str_r = arena_strndup(r->arena, json_string_value(value), json_string_length(value));
	return 0;
}

static int
read_value(struct reader *r, const struct fact_field *field, json_t *value, char *facts)
{
	void *p = facts + field->offset;
	void *n = facts + field->offset_n;
	bool yes = false;

	switch (field->kind) {
	case FACT_KIND_STR:
		return read_str(r, value, p);
	case FACT_KIND_STRS:
		return read_strs(r, value, p);
	case FACT_KIND_INT:
	case FACT_KIND_COUNT:
		return read_number(r, value, p);
	case FACT_KIND_BOOL:
		return read_bool(r, value, p);
	case FACT_KIND_TRI:
		if (read_bool(r, value, &yes) != 0)
			return -1;
		*(enum tri *)p = yes ? TRI_YES : TRI_NO;
		return 0;
	case FACT_KIND_SECS:
		return read_secs(r, value, p);
	case FACT_KIND_TIME:
		return read_time(r, value, p);
	case FACT_KIND_WORD:
		return read_word(r, field, value, p);
	case FACT_KIND_SUB:
		return read_struct(r, field->sub, value, p);
	case FACT_KIND_LIST:
		return read_list(r, field, value, p, n);
	case FACT_KIND_KEYED:
		return read_keyed(r, field, value, p, n);
	}
	return 0;
}

static int
read_struct(struct reader *r, const struct fact_table *table, json_t *object, void *facts)
{
	table->init(facts);
	if (!json_is_object(object))
		return wrong_type(r, object, "an object");
	for (size_t i = 0; i < table->field_count; i++) {
		const struct fact_field *field = &table->fields[i];
		json_t *value;
		if (find_member(r, object, field->path, &value) != 0)
			return -1;
		if (value == NULL)
			continue;
		size_t before = path_enter(r, field->path);
		if (read_value(r, field, value, facts) != 0)
			return -1;
		path_leave(r, before);
	}
	return 0;
}

int
facts_read_json(const struct fact_table *table, const char *json, size_t n, struct arena *arena,
    void *facts_r, struct fail *why)
{
	struct reader r = { .arena = arena, .why = why };
	json_t *root = json_parse(json, n, why);

	table->init(facts_r);
	if (root == NULL)
		return -1;
	buf_init(&r.path, 4096); /* keys of foreign input may be long: then the path is cut */
	buf_puts(&r.path, "");
	int result = read_struct(&r, table, root, facts_r);
	buf_free(&r.path);
	json_decref(root);
	return result;
}

static void
list_table(const struct fact_table *table, const char *prefix, FILE *out)
{
	static const char *const kinds[] = { "string or null", "strings", "integer or null",
		"integer", "boolean", "boolean or null", "seconds or null", "time or null", "word",
		"object", "list", "map" };

	for (size_t i = 0; i < table->field_count; i++) {
		const struct fact_field *field = &table->fields[i];
		fprintf(out, "%s%s\t%s\t%s", prefix, field->path, kinds[field->kind], field->doc);
		const char *word;
		for (int v = 0;
		     field->kind == FACT_KIND_WORD && (word = field->word_str(v)) != NULL; v++)
			fprintf(out, "%s%s", v == 0 ? ": " : ", ", word);
		fprintf(out, "\n");
		if (field->sub != NULL) {
			char below[256];
			snprintf(below, sizeof(below), "%s%s%s.", prefix, field->path,
			    field->kind == FACT_KIND_SUB ? "" : "[]");
			list_table(field->sub, below, out);
		}
	}
}

void
facts_list_fields(const struct fact_table *table, FILE *out)
{
	list_table(table, "", out);
}

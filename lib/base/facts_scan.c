#include "base/facts_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
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

struct scan {
	const char *p, *end, *begin;
	struct arena *arena;
	struct facts_scan_note *note;
	struct fail *why;
	int depth;
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

/* --- tokens -------------------------------------------------------------------------------------- */

static void
skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static int
expected(struct scan *s, const char *what)
{
	size_t column = (size_t)(s->p - s->begin) + 1;

	if (s->p >= s->end)
		return fail_set(s->why, FAIL_MESSAGE,
		    "not JSON: cut off at column %zu, expected %s", column, what);
	return fail_set(s->why, FAIL_MESSAGE, "not JSON: column %zu: expected %s", column, what);
}

/* Take one character, after space; false when another one stands there. */
static bool
take(struct scan *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* The bytes between two quotes as they stand; escaped_r: they hold a backslash. */
static int
raw_string(struct scan *s, struct slice *raw_r, bool *escaped_r)
{
	if (!take(s, '"'))
		return expected(s, "a string");
	const char *start = s->p;
	*escaped_r = false;
	for (;;) {
		const char *quote = memchr(s->p, '"', (size_t)(s->end - s->p));
		if (quote == NULL) {
			s->p = s->end;
			return expected(s, "the end of a string");
		}
		const char *back = memchr(s->p, '\\', (size_t)(quote - s->p));
		if (back == NULL) {
			*raw_r = slice_make(start, (size_t)(quote - start));
			s->p = quote + 1;
			return 0;
		}
		*escaped_r = true;
		s->p = back + 1 < s->end ? back + 2 : s->end;
	}
}

static int
hex4(struct scan *s, const char *p, const char *end, unsigned *value_r)
{
	unsigned char bytes[2];

	if (end - p < 4 || !text_unhex(slice_make(p, 4), bytes))
		return expected(s, "four hex digits after \\u");
	*value_r = (unsigned)bytes[0] << 8 | bytes[1];
	return 0;
}

static char *
put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* \uXXXX, and the second half of a pair behind it; *p_inout stands on the first digit. */
static int
unescape_unicode(struct scan *s, const char **p_inout, const char *end, char **out_inout)
{
	unsigned c, low;

	if (hex4(s, *p_inout, end, &c) != 0)
		return -1;
	*p_inout += 4;
	if (c >= 0xd800 && c < 0xdc00) {
		if (end - *p_inout < 6 || (*p_inout)[0] != '\\' || (*p_inout)[1] != 'u')
			return expected(s, "both halves of a surrogate pair");
		if (hex4(s, *p_inout + 2, end, &low) != 0)
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return expected(s, "both halves of a surrogate pair");
		*p_inout += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c == 0 || (c >= 0xdc00 && c < 0xe000)) {
		return expected(s, "a character that text may hold");
	}
	*out_inout = put_utf8(*out_inout, c);
	return 0;
}

/* A string's text in the arena; never longer than its escaped form. */
static int
unescape(struct scan *s, struct slice raw, char **text_r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char *text = arena_alloc(s->arena, raw.n + 1), *out = text;
	const char *p = raw.p, *end = raw.p + raw.n, *found;

	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		if (++p == end)
			return expected(s, "an escape");
		char c = *p++;
		if (c == 'u') {
			if (unescape_unicode(s, &p, end, &out) != 0)
				return -1;
		} else if (c != '\0' && (found = strchr(from, c)) != NULL) {
			*out++ = to[found - from];
		} else {
			return expected(s, "a known escape");
		}
	}
	*out = '\0';
	*text_r = text;
	return 0;
}

static int
read_string(struct scan *s, char **text_r)
{
	struct slice raw;
	bool escaped;

	if (raw_string(s, &raw, &escaped) != 0)
		return -1;
	if (escaped)
		return unescape(s, raw, text_r);
	*text_r = arena_strndup(s->arena, raw.p, raw.n);
	return 0;
}

/* A string where it stands, or in the arena when it has escapes, which names and words have not. */
static int
read_name(struct scan *s, struct slice *name_r)
{
	bool escaped;
	char *text;

	if (raw_string(s, name_r, &escaped) != 0)
		return -1;
	if (!escaped)
		return 0;
	if (unescape(s, *name_r, &text) != 0)
		return -1;
	*name_r = slice_str(text);
	return 0;
}

static struct slice
number_text(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && ((*s->p >= '0' && *s->p <= '9') || *s->p == '-' || *s->p == '+' ||
				    *s->p == '.' || *s->p == 'e' || *s->p == 'E'))
		s->p++;
	return slice_make(start, (size_t)(s->p - start));
}

static bool
take_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* --- what is not wanted -------------------------------------------------------------------------- */

static int
enter(struct scan *s)
{
	if (++s->depth > LIMIT_JSON_DEPTH)
		return fail_set(
		    s->why, FAIL_MESSAGE, "JSON is nested deeper than %d", LIMIT_JSON_DEPTH);
	return 0;
}

static int skip_value(struct scan *s);

/* Behind the opening bracket. */
static int
skip_members(struct scan *s, char close)
{
	struct slice raw;
	bool escaped;

	if (enter(s) != 0)
		return -1;
	if (!take(s, close)) {
		do {
			if (close == '}' && raw_string(s, &raw, &escaped) != 0)
				return -1;
			if (close == '}' && !take(s, ':'))
				return expected(s, "a colon");
			if (skip_value(s) != 0)
				return -1;
		} while (take(s, ','));
		if (!take(s, close))
			return expected(s, close == '}' ? "a comma or }" : "a comma or ]");
	}
	s->depth--;
	return 0;
}

static int
skip_value(struct scan *s)
{
	struct slice raw;
	bool escaped;

	skip_space(s);
	if (s->p >= s->end)
		return expected(s, "a value");
	switch (*s->p) {
	case '"':
		return raw_string(s, &raw, &escaped);
	case '{':
		s->p++;
		return skip_members(s, '}');
	case '[':
		s->p++;
		return skip_members(s, ']');
	default:
		if (take_word(s, "null") || take_word(s, "true") || take_word(s, "false") ||
		    number_text(s).n > 0)
			return 0;
		return expected(s, "a value");
	}
}

/* --- values -------------------------------------------------------------------------------------- */

static int read_object(struct scan *s, const struct node *object, char *facts);

static int
wrong_type(struct scan *s, const struct node *node, const char *want)
{
	return fail_set(s->why, FAIL_MESSAGE, "column %zu: \"%s\" should be %s",
	    (size_t)(s->p - s->begin) + 1, node->field != NULL ? node->field->path : node->name,
	    want);
}

static int
read_strs(struct scan *s, const struct node *node, struct strs *list)
{
	char *text;

	memset(list, 0, sizeof(*list));
	if (!take(s, '['))
		return wrong_type(s, node, "an array of strings");
	if (take(s, ']'))
		return 0;
	do {
		if (read_string(s, &text) != 0)
			return -1;
		strs_add(list, s->arena, text);
	} while (take(s, ','));
	return take(s, ']') ? 0 : expected(s, "a comma or ]");
}

static int
read_int(struct scan *s, const struct node *node, int64_t *value_r)
{
	struct slice text = number_text(s);
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
read_secs(struct scan *s, const struct node *node, double *value_r)
{
	struct slice text = number_text(s);
	char *end;

	double value = strtod(arena_slice(s->arena, text), &end);
	if (text.n == 0 || *end != '\0' || !(value >= 0))
		return wrong_type(s, node, "a number from 0");
	*value_r = value;
	return 0;
}

static int
read_bool(struct scan *s, const struct node *node, bool *value_r)
{
	*value_r = take_word(s, "true");
	return *value_r || take_word(s, "false") ? 0 : wrong_type(s, node, "true or false");
}

static int
read_word(struct scan *s, const struct node *node, int *value_r)
{
	struct slice raw;
	char word[64];

	if (s->p >= s->end || *s->p != '"')
		return wrong_type(s, node, "a word");
	if (read_name(s, &raw) != 0)
		return -1;
	size_t n = raw.n < sizeof(word) ? raw.n : sizeof(word) - 1;
	memcpy(word, raw.p, n);
	word[n] = '\0';
	if (node->field->word_parse(word, value_r))
		return 0;
	*value_r = 0;
	if (s->note != NULL) {
		s->note->unknown_words++;
		snprintf(s->note->word, sizeof(s->note->word), "%s: %s", node->field->path, word);
		text_sanitize(s->note->word);
	}
	return 0;
}

static int
read_time(struct scan *s, const struct node *node, int64_t *value_r)
{
	char *text;

	if (s->p >= s->end || *s->p != '"')
		return wrong_type(s, node, "a time");
	if (read_string(s, &text) != 0)
		return -1;
	if (!json_time_parse(text, value_r))
		return wrong_type(s, node, "a time such as \"2026-01-31T12:00:00Z\"");
	return 0;
}

static int
read_list(struct scan *s, const struct node *node, void *elements, size_t *n)
{
	const struct fact_table *table = node->field->sub;
	bool keyed = node->field->kind == FACT_KIND_KEYED;
	char *key = NULL;

	*n = 0;
	memset(elements, 0, sizeof(void *));
	if (enter(s) != 0)
		return -1;
	if (!take(s, keyed ? '{' : '['))
		return wrong_type(s, node, keyed ? "an object of objects" : "an array of objects");
	if (!take(s, keyed ? '}' : ']')) {
		do {
			if (keyed && read_string(s, &key) != 0)
				return -1;
			if (keyed && !take(s, ':'))
				return expected(s, "a colon");
			char *element = arena_push(s->arena, elements, n, table->size);
			table->init(element);
			if (read_object(s, node, element) != 0)
				return -1;
			if (keyed) /* the key decides what the element is called */
				*(char **)(void *)(element + node->field->key_offset) = key;
		} while (take(s, ','));
		if (!take(s, keyed ? '}' : ']'))
			return expected(s, keyed ? "a comma or }" : "a comma or ]");
	}
	s->depth--;
	return 0;
}

static int
read_value(struct scan *s, const struct node *node, char *facts)
{
	const struct fact_field *field = node->field;
	void *p = field == NULL ? facts : facts + field->offset;
	bool yes;

	skip_space(s);
	if (take_word(s, "null"))
		return 0;
	if (field == NULL)
		return read_object(s, node, facts);
	switch (field->kind) {
	case FACT_KIND_STR:
		return read_string(s, p);
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
read_object(struct scan *s, const struct node *object, char *facts)
{
	struct slice name;
	size_t hint = 0;

	if (enter(s) != 0)
		return -1;
	if (!take(s, '{'))
		return expected(s, "an object");
	if (!take(s, '}')) {
		do {
			if (read_name(s, &name) != 0)
				return -1;
			if (!take(s, ':'))
				return expected(s, "a colon");
			const struct node *node = find_node(object, name, &hint);
			if (node == NULL ? skip_value(s) != 0 : read_value(s, node, facts) != 0)
				return -1;
		} while (take(s, ','));
		if (!take(s, '}'))
			return expected(s, "a comma or }");
	}
	s->depth--;
	return 0;
}

int
facts_scan_read(const struct facts_scan *scan, const char *json, size_t n, struct arena *arena,
    void *facts_r, struct facts_scan_note *note, struct fail *why)
{
	struct scan s = {
		.p = json, .begin = json, .end = json + n, .arena = arena, .note = note, .why = why
	};

	scan->table->init(facts_r);
	if (read_object(&s, &scan->root, facts_r) != 0)
		return -1;
	skip_space(&s);
	return s.p == s.end ? 0 : expected(&s, "the end of the record");
}

bool
facts_scan_peek(const char *json, size_t n, const char *name, struct slice *value_r)
{
	struct scan s = { .p = json, .begin = json, .end = json + n };
	struct slice member;
	bool escaped;

	*value_r = slice_make("", 0);
	if (!take(&s, '{'))
		return false;
	for (int i = 0; i < PEEK_MEMBERS; i++) {
		if (raw_string(&s, &member, &escaped) != 0 || !take(&s, ':'))
			return false;
		skip_space(&s);
		if (slice_is(member, name)) {
			if (s.p >= s.end || *s.p != '"' || raw_string(&s, value_r, &escaped) != 0 ||
			    escaped) {
				*value_r = slice_make("", 0);
				return false;
			}
			return true;
		}
		if (skip_value(&s) != 0 || !take(&s, ','))
			return false;
	}
	return false;
}

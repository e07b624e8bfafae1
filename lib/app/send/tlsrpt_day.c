#include <stdlib.h>
#include <string.h>

#include "app/send/tlsrpt_store.h"
#include "base/buf.h"
#include "base/facts_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

/* The results of a day in memory: lines in, rows out. */

void
tlsrpt_day_init(struct tlsrpt_day *day)
{
	memset(day, 0, sizeof(*day));
	arena_init(&day->arena);
	map_init(&day->by_key);
}

void
tlsrpt_day_free(struct tlsrpt_day *day)
{
	map_free(&day->by_key);
	arena_free(&day->arena);
	free(day->rows);
}

static void
put_key(struct buf *key, const char *s)
{
	if (s != NULL)
		buf_puts(key, s);
	buf_append(key, "", 1); /* no string has a NUL in it */
}

/* What makes two lines the same. */
static void
make_key(const struct tlsrpt_session_facts *f, struct buf *key)
{
	buf_reset(key);
	put_key(key, f->domain);
	put_key(key, tlsrpt_policy_str(f->type));
	put_key(key, f->policy_domain);
	for (size_t i = 0; i < f->policy.n; i++)
		put_key(key, f->policy.v[i]);
	put_key(key, "");
	for (size_t i = 0; i < f->mx.n; i++)
		put_key(key, f->mx.v[i]);
	put_key(key, f->result);
	put_key(key, f->reason);
	put_key(key, f->source_ip);
	put_key(key, f->host);
	put_key(key, f->ip);
}

static char *
copy(struct arena *arena, const char *s)
{
	return s == NULL ? NULL : arena_strdup(arena, s);
}

static struct tlsrpt_session_facts *
copy_row(struct arena *arena, const struct tlsrpt_session_facts *f)
{
	struct tlsrpt_session_facts *row = arena_alloc(arena, sizeof(*row));

	facts_init_tlsrpt_session_facts(row);
	row->domain = copy(arena, f->domain);
	row->type = f->type;
	row->policy_domain = copy(arena, f->policy_domain);
	for (size_t i = 0; i < f->policy.n; i++)
		strs_add(&row->policy, arena, f->policy.v[i]);
	for (size_t i = 0; i < f->mx.n; i++)
		strs_add(&row->mx, arena, f->mx.v[i]);
	row->result = copy(arena, f->result);
	row->reason = copy(arena, f->reason);
	row->source_ip = copy(arena, f->source_ip);
	row->host = copy(arena, f->host);
	row->ip = copy(arena, f->ip);
	return row;
}

static void
add_row(struct tlsrpt_day *day, struct tlsrpt_session_facts *row, struct slice key)
{
	if (day->n == day->cap) {
		size_t cap = day->cap == 0 ? 64 : 2 * day->cap;
		struct tlsrpt_session_facts **rows = mem_array(cap, sizeof(*rows));
		if (day->n > 0)
			memcpy(rows, day->rows, day->n * sizeof(*rows));
		free(day->rows);
		day->rows = rows;
		day->cap = cap;
	}
	day->rows[day->n++] = row;
	map_set(&day->by_key, key, row);
}

static void
add(struct tlsrpt_day *day, struct tlsrpt_session_facts *f, struct buf *key)
{
	struct tlsrpt_session_facts *row;

	make_key(f, key);
	row = map_get(&day->by_key, slice_make(key->data, key->len));
	/* too many different ones: where a failure happened is given up first, what it was is kept */
	if (row == NULL && day->n >= LIMIT_TLSRPT_ROWS / 2 && f->result != NULL) {
		f->reason = f->source_ip = f->host = f->ip = NULL;
		make_key(f, key);
		row = map_get(&day->by_key, slice_make(key->data, key->len));
	}
	if (row == NULL && day->n >= LIMIT_TLSRPT_ROWS) {
		day->dropped += (uint64_t)f->sessions;
		return;
	}
	if (row == NULL) {
		row = copy_row(&day->arena, f);
		add_row(day, row, slice_make(key->data, key->len));
	}
	if (row->sessions < INT64_MAX / 2)
		row->sessions += f->sessions;
}

/* What the parser lets through, and we never write. */
static bool
is_good(const struct tlsrpt_session_facts *f)
{
	return f->domain != NULL && f->domain[0] != '\0' && f->sessions > 0 &&
	       f->sessions < INT64_MAX / 4 && f->policy.n <= LIMIT_TLSRPT_POLICY_LINES &&
	       f->mx.n <= LIMIT_TLSRPT_POLICY_LINES;
}

void
tlsrpt_day_read(struct tlsrpt_day *day, struct slice text)
{
	struct facts_scan *scan = facts_scan_new(&fact_table_tlsrpt_session_facts, NULL);
	struct tlsrpt_session_facts f;
	struct arena arena;
	struct buf key;

	arena_init(&arena);
	buf_init(&key, 4 * LIMIT_TLSRPT_LINE_BYTES);
	while (text.n > 0) {
		size_t end = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, end);
		bool whole = end < text.n;
		text = slice_sub(text, end + 1, text.n);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		arena_reset(&arena);
		/* what is not UTF-8 we did not write, and it would not come back as it is */
		if (!whole || line.n > LIMIT_TLSRPT_LINE_BYTES || !text_is_utf8(line) ||
		    facts_scan_read(scan, line.p, line.n, &arena, &f, NULL, NULL) != 0 ||
		    !is_good(&f))
			day->bad++;
		else
			add(day, &f, &key);
	}
	buf_free(&key);
	arena_free(&arena);
	facts_scan_free(scan);
}

int
tlsrpt_day_write(const struct tlsrpt_day *day, struct buf *out)
{
	for (size_t i = 0; i < day->n; i++)
		if (facts_write_json_brief(&fact_table_tlsrpt_session_facts, day->rows[i], out) !=
			0 ||
		    buf_putc(out, '\n') != 0)
			return -1;
	return 0;
}

/* --- order ---------------------------------------------------------------------------------------- */

static int
compare_str(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b);
}

static int
compare_strs(const struct strs *a, const struct strs *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		int order = strcmp(a->v[i], b->v[i]);
		if (order != 0)
			return order;
	}
	return (a->n > b->n) - (a->n < b->n);
}

static int
compare_rows(const void *pa, const void *pb)
{
	const struct tlsrpt_session_facts *a = *(struct tlsrpt_session_facts *const *)pa;
	const struct tlsrpt_session_facts *b = *(struct tlsrpt_session_facts *const *)pb;
	int order = compare_str(a->domain, b->domain);

	if (order == 0)
		order = (a->type > b->type) - (a->type < b->type);
	if (order == 0)
		order = compare_str(a->policy_domain, b->policy_domain);
	if (order == 0)
		order = compare_strs(&a->policy, &b->policy);
	if (order == 0)
		order = compare_strs(&a->mx, &b->mx);
	if (order == 0)
		order = compare_str(a->result, b->result);
	if (order == 0)
		order = compare_str(a->host, b->host);
	if (order == 0)
		order = compare_str(a->ip, b->ip);
	if (order == 0)
		order = compare_str(a->source_ip, b->source_ip);
	return order != 0 ? order : compare_str(a->reason, b->reason);
}

void
tlsrpt_day_sort(struct tlsrpt_day *day)
{
	if (day->n > 0)
		qsort(day->rows, day->n, sizeof(struct tlsrpt_session_facts *), compare_rows);
}

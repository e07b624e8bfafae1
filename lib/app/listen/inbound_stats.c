#include "app/listen/inbound_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define LOG_ROWS 20
#define KINDS_MAX 255 /* struct inbound_count.kind */

const char *const inbound_versions[INBOUND_VERSIONS] = { "other", "TLSv1.0", "TLSv1.1", "TLSv1.2",
	"TLSv1.3" };

/* --- tables --------------------------------------------------------------------------------------- */

static void
table_init(struct inbound_table *t, size_t rows)
{
	memset(t, 0, sizeof(*t));
	t->rows = mem_array(rows, sizeof(*t->rows));
	t->max = rows;
	map_init(&t->names);
}

static void
table_free(struct inbound_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->rows[i].name);
	free(t->rows);
	map_free(&t->names);
}

void
inbound_stats_init(struct inbound_stats *s, size_t rows, int64_t now)
{
	memset(s, 0, sizeof(*s));
	s->since = now;
	table_init(&s->domains, rows);
	table_init(&s->networks, rows);
	arena_init(&s->arena);
}

void
inbound_stats_free(struct inbound_stats *s)
{
	table_free(&s->domains);
	table_free(&s->networks);
	arena_free(&s->arena);
}

/* Add counts; kinds that find no place are in the totals only, so they show as "other". */
static void
counts_add(struct inbound_count *to, uint8_t kind, uint64_t n)
{
	for (size_t i = 0; kind != 0 && i < INBOUND_STATS_KINDS; i++)
		if (to[i].kind == kind || to[i].kind == 0) {
			to[i].kind = kind;
			to[i].n += n;
			return;
		}
}

static void
row_merge(struct inbound_row *to, const struct inbound_row *from)
{
	to->messages += from->messages;
	to->tls += from->tls;
	for (size_t i = 0; i < INBOUND_VERSIONS; i++)
		to->versions[i] += from->versions[i];
	for (size_t i = 0; i < INBOUND_STATS_KINDS; i++) {
		counts_add(to->ciphers, from->ciphers[i].kind, from->ciphers[i].n);
		counts_add(to->groups, from->groups[i].kind, from->groups[i].n);
	}
	if (from->last > to->last)
		to->last = from->last;
	if (from->last_clear > to->last_clear)
		to->last_clear = from->last_clear;
}

/*
 * A row of a full table that may go: one of the next few whose name came once. A flood of invented names pushes out
 * itself, not those that come again.
 */
static struct inbound_row *
make_room(struct inbound_table *t)
{
	for (int i = 0; i < 16; i++) {
		struct inbound_row *row = &t->rows[t->hand];
		t->hand = (t->hand + 1) % t->max;
		if (row->messages > 1)
			continue;
		row_merge(&t->other, row);
		map_remove(&t->names, slice_str(row->name));
		free(row->name);
		memset(row, 0, sizeof(*row));
		return row;
	}
	return NULL;
}

static struct inbound_row *
table_row(struct inbound_table *t, const char *name)
{
	struct inbound_row *row = map_get(&t->names, slice_str(name));

	if (row != NULL)
		return row;
	row = t->n < t->max ? &t->rows[t->n++] : make_room(t);
	if (row == NULL)
		return &t->other;
	row->name = mem_strdup(name);
	map_set(&t->names, slice_str(name), row);
	return row;
}

/* --- counting ------------------------------------------------------------------------------------- */

static uint8_t
kind_of(struct inbound_stats *s, const char *name)
{
	if (name == NULL)
		return 0;
	for (size_t i = 0; i < s->kinds.n; i++)
		if (strcmp(s->kinds.v[i], name) == 0)
			return (uint8_t)(i + 1);
	if (s->kinds.n >= KINDS_MAX)
		return 0;
	strs_add(&s->kinds, &s->arena, name);
	return (uint8_t)s->kinds.n;
}

static unsigned
version_of(const char *name)
{
	for (unsigned i = 1; name != NULL && i < INBOUND_VERSIONS; i++)
		if (strcmp(inbound_versions[i], name) == 0)
			return i;
	return 0;
}

void
inbound_stats_add(struct inbound_stats *s, const struct inbound_facts *f)
{
	struct inbound_row one = { .messages = 1, .last = f->time };

	if (f->event != INBOUND_MESSAGE || f->accepted != TRI_YES)
		return;
	if (f->tls == TRI_YES) {
		one.tls = 1;
		one.versions[version_of(f->tls_version)] = 1;
		counts_add(one.ciphers, kind_of(s, f->tls_cipher), 1);
		counts_add(one.groups, kind_of(s, f->tls_group), 1);
	} else {
		one.last_clear = f->time;
	}
	row_merge(&s->total, &one);
	row_merge(table_row(&s->domains, f->from_domain == NULL ? "" : f->from_domain), &one);
	row_merge(table_row(&s->networks, f->network == NULL ? "" : f->network), &one);
}

/* --- writing -------------------------------------------------------------------------------------- */

static void
put_count(struct json *j, const char *key, uint64_t n)
{
	json_key(j, slice_str(key));
	json_put_int(j, (int64_t)n);
}

static void
put_kinds(const struct inbound_stats *s, struct json *j, const char *key,
    const struct inbound_count *counts, uint64_t tls)
{
	json_key(j, slice_str(key));
	json_object_begin(j);
	for (size_t i = 0; i < INBOUND_STATS_KINDS && counts[i].kind != 0; i++) {
		put_count(j, s->kinds.v[counts[i].kind - 1], counts[i].n);
		tls -= counts[i].n;
	}
	if (tls > 0)
		put_count(j, "other", tls);
	json_object_end(j);
}

void
inbound_row_json(const struct inbound_stats *s, struct json *j, const struct inbound_row *row)
{
	json_object_begin(j);
	if (row->name != NULL) {
		json_key(j, slice_str("name"));
		json_put_str(j, row->name);
	}
	put_count(j, "messages", row->messages);
	put_count(j, "tls", row->tls);
	json_key(j, slice_str("versions"));
	json_object_begin(j);
	for (size_t i = INBOUND_VERSIONS; i-- > 0;)
		if (row->versions[i] > 0)
			put_count(j, inbound_versions[i], row->versions[i]);
	json_object_end(j);
	put_kinds(s, j, "ciphers", row->ciphers, row->tls);
	put_kinds(s, j, "groups", row->groups, row->tls);
	json_key(j, slice_str("last"));
	json_put_time(j, row->last);
	json_key(j, slice_str("last_clear"));
	json_put_time(j, row->last_clear);
	json_object_end(j);
}

static int
by_messages(const void *a, const void *b)
{
	const struct inbound_row *x = *(struct inbound_row *const *)a,
				 *y = *(struct inbound_row *const *)b;

	if (x->messages != y->messages)
		return x->messages > y->messages ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct inbound_row **
inbound_table_sorted(const struct inbound_table *t)
{
	struct inbound_row **rows = mem_array(t->n + 1, sizeof(struct inbound_row *));

	for (size_t i = 0; i < t->n; i++)
		rows[i] = &t->rows[i];
	qsort(rows, t->n, sizeof(struct inbound_row *), by_messages);
	return rows;
}

static void
put_table(
    const struct inbound_stats *s, struct json *j, const char *key, const struct inbound_table *t)
{
	struct inbound_row **rows = inbound_table_sorted(t);

	json_key(j, slice_str(key));
	json_array_begin(j);
	for (size_t i = 0; i < t->n; i++)
		inbound_row_json(s, j, rows[i]);
	json_array_end(j);
	free(rows);
}

int
inbound_stats_json(const struct inbound_stats *s, int64_t now, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	json_key(&j, slice_str("schema"));
	json_put_str(&j, "mxtls-inbound/1");
	json_key(&j, slice_str("since"));
	json_put_time(&j, s->since);
	json_key(&j, slice_str("written"));
	json_put_time(&j, now);
	json_key(&j, slice_str("total"));
	inbound_row_json(s, &j, &s->total);
	put_table(s, &j, "domains", &s->domains); /* as senders claim them */
	json_key(&j, slice_str("other_domains"));
	inbound_row_json(s, &j, &s->domains.other);
	put_table(s, &j, "networks", &s->networks);
	json_key(&j, slice_str("other_networks"));
	inbound_row_json(s, &j, &s->networks.other);
	json_object_end(&j);
	buf_putc(out, '\n');
	return out->full ? -1 : 0;
}

static int
write_new(const char *path, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return -1;
	int rc = file_write_all(fd, text->data, text->len);
	int error = errno;
	close(fd);
	errno = error;
	return rc;
}

int
inbound_stats_write(const struct inbound_stats *s, const char *path, int64_t now, struct fail *why)
{
	struct buf text, temporary;
	int rc = -1;

	buf_init(&text, INBOUND_STATS_BYTES);
	buf_init(&temporary, 8192);
	errno = E2BIG;
	if (inbound_stats_json(s, now, &text) == 0 && buf_printf(&temporary, "%s.new", path) == 0 &&
	    write_new(buf_str(&temporary), &text) == 0)
		rc = rename(buf_str(&temporary), path);
	if (rc != 0)
		fail_errno(why, FAIL_CANT_CREATE, "cannot write %s", path);
	buf_free(&temporary);
	buf_free(&text);
	return rc;
}

static void
log_row(const char *name, const struct inbound_row *row)
{
	char date[32] = "never";

	if (row->last_clear != 0)
		text_date_rfc3339(row->last_clear, date);
	log_info("%s: %llu messages, %llu (%.1f %%) encrypted; last in clear: %s", name,
	    (unsigned long long)row->messages, (unsigned long long)row->tls,
	    row->messages == 0 ? 0 : 100.0 * (double)row->tls / (double)row->messages, date);
}

void
inbound_stats_log(const struct inbound_stats *s)
{
	struct inbound_row **rows = inbound_table_sorted(&s->domains);

	log_row("all", &s->total);
	for (size_t i = 0; i < s->domains.n && i < LOG_ROWS; i++)
		log_row(rows[i]->name[0] == '\0' ? "<>" : rows[i]->name, rows[i]);
	if (s->domains.n > LOG_ROWS)
		log_info("and %zu domains more", s->domains.n - LOG_ROWS);
	free(rows);
}

#include "app/send/alias.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/text.h"
#include "smtp/address.h"
#include "smtp/header_address.h"

/* --- parsing ------------------------------------------------------------------------------------- */

static void
add_error(struct aliases *a, unsigned line, const char *why)
{
	if (a->errors_n >= 100)
		return;
	struct alias_error *e = arena_push(&a->arena, &a->errors, &a->errors_n, sizeof(*e));
	e->line = line;
	e->why = why;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && is_space(s.p[0]))
		s = slice_sub(s, 1, s.n);
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Where c stands outside of quotes and comments; s.n when nowhere. */
static size_t
find_outside(struct slice s, char c)
{
	bool quoted = false;
	unsigned depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"' && depth == 0)
			quoted = !quoted;
		else if (s.p[i] == '(' && !quoted)
			depth++;
		else if (s.p[i] == ')' && !quoted && depth > 0)
			depth--;
		else if (s.p[i] == c && !quoted && depth == 0)
			return i;
	}
	return s.n;
}

/* "text" as text. */
static const char *
unquoted(struct slice s, struct arena *arena)
{
	char *out = arena_alloc(arena, s.n + 1);
	bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
	size_t n = 0;

	if (quoted)
		s = slice_sub(s, 1, s.n - 1);
	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		out[n++] = s.p[i];
	}
	return out;
}

/* Is it what it looks like, with or without quotes around all of it? */
static bool
has_prefix(struct slice s, const char *prefix)
{
	if (s.n > 0 && s.p[0] == '"')
		s = slice_sub(s, 1, s.n);
	return slice_starts_case(s, prefix);
}

static bool
parse_value(struct aliases *a, struct slice s, struct alias_value *value_r)
{
	static const struct {
		const char *prefix;
		enum alias_kind kind;
		bool keep; /* the prefix belongs to the text */
	} kinds[] = { { "|", ALIAS_PROGRAM, false }, { "/", ALIAS_FILE, true },
		{ ":include:", ALIAS_INCLUDE, false } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!has_prefix(s, kinds[i].prefix))
			continue;
		const char *text = unquoted(s, &a->arena);
		value_r->kind = kinds[i].kind;
		value_r->text = text + (kinds[i].keep ? 0 : strlen(kinds[i].prefix));
		value_r->text += strspn(value_r->text, " ");
		return value_r->text[0] != '\0';
	}
	value_r->kind = ALIAS_ADDRESS;
	value_r->text = arena_slice(&a->arena, s);
	return true;
}

/* An address that cannot be understood is told here, where its line is known. */
static bool
check_address(struct aliases *a, const char *text, unsigned line)
{
	struct header_addresses list = { 0 };

	if (header_address_parse(
		slice_str(text), LIMIT_SUBMIT_RECIPIENTS, &a->arena, &list, NULL) != 0 ||
	    list.error_n > 0) {
		add_error(a, line,
		    arena_printf(&a->arena, "%.60s: %s", text,
			list.error_n > 0 ? list.errors[0].why : "too many addresses"));
		return false;
	}
	return list.n > 0;
}

/* Local parts are looked up as people mean them: in lower case, without quotes. */
static const char *
key_of(struct slice name, struct arena *arena)
{
	char *key = arena_strdup(arena, unquoted(name, arena));

	text_lower_str(key);
	return key;
}

static void
parse_entry(struct aliases *a, struct slice entry, unsigned line)
{
	size_t colon = find_outside(entry, ':');
	struct slice name = trim(slice_sub(entry, 0, colon));
	struct slice rest = slice_sub(entry, colon + 1, entry.n);

	if (colon == entry.n || name.n == 0) {
		add_error(a, line, "expected NAME: VALUE, ...");
		return;
	}
	for (size_t i = 0; i < name.n; i++)
		if (name.p[0] != '"' && (is_space(name.p[i]) || name.p[i] == '@')) {
			add_error(a, line, "a name is that of a local user, without domain");
			return;
		}
	struct alias_entry *e = arena_alloc(&a->arena, sizeof(*e));
	e->name = key_of(name, &a->arena);
	e->line = line;
	while (rest.n > 0) {
		size_t n = find_outside(rest, ',');
		struct slice word = trim(slice_sub(rest, 0, n));
		struct alias_value value;
		rest = slice_sub(rest, n + 1, rest.n);
		if (word.n == 0)
			continue;
		if (!parse_value(a, word, &value)) {
			add_error(a, line, "empty value");
			continue;
		}
		if (value.kind == ALIAS_ADDRESS && !check_address(a, value.text, line))
			continue;
		struct alias_value *slot = arena_push(&a->arena, &e->values, &e->n, sizeof(*slot));
		*slot = value;
	}
	const struct alias_entry *old = map_get(&a->entries, slice_str(e->name));
	if (old != NULL)
		add_error(a, line,
		    arena_printf(&a->arena, "%s is an alias already, in line %u, which counts",
			e->name, old->line));
	else if (e->n == 0)
		add_error(a, line, "no value");
	else
		map_set(&a->entries, slice_str(e->name), e);
}

static struct slice
next_line(struct slice *text)
{
	size_t n = slice_find(*text, '\n');
	struct slice line = slice_sub(*text, 0, n);

	*text = slice_sub(*text, n + 1, text->n);
	return line;
}

static struct slice
keep(struct aliases *a, const struct buf *entry)
{
	return slice_make(arena_strndup(&a->arena, entry->data, entry->len), entry->len);
}

void
aliases_parse(const char *file, struct slice text, struct aliases *aliases_r)
{
	unsigned first = 0;
	struct buf entry;

	memset(aliases_r, 0, sizeof(*aliases_r));
	arena_init(&aliases_r->arena);
	map_init(&aliases_r->entries);
	aliases_r->file = arena_strdup(&aliases_r->arena, file);
	if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL) {
		add_error(aliases_r, 0, "a NUL byte: not a text file");
		return;
	}
	buf_init(&entry, LIMIT_CONFIG_BYTES);
	for (unsigned line = 1; text.n > 0; line++) {
		struct slice l = next_line(&text), content = trim(l);
		if (content.n == 0 || content.p[0] == '#')
			continue;
		if (l.p[0] == ' ' || l.p[0] == '\t') { /* goes on with the line above */
			if (entry.len == 0)            /* of nothing: the first one */
				first = line;
			buf_putc(&entry, ' ');
			buf_append(&entry, content.p, content.n);
			continue;
		}
		if (entry.len > 0)
			parse_entry(aliases_r, keep(aliases_r, &entry), first);
		buf_reset(&entry);
		buf_append(&entry, content.p, content.n);
		first = line;
	}
	if (entry.len > 0)
		parse_entry(aliases_r, keep(aliases_r, &entry), first);
	buf_free(&entry);
}

/* --- files --------------------------------------------------------------------------------------- */

static int
read_file(const char *file, int flags, struct buf *out, struct stat *st_r, struct fail *why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags), rc = 0;
	ssize_t n = 0;
	char *to = NULL;

	if (fd < 0)
		return fail_errno(why, FAIL_CONFIG, "%s", file);
	if (fstat(fd, st_r) != 0 || !S_ISREG(st_r->st_mode))
		rc = fail_set(why, FAIL_CONFIG, "%s: no regular file", file);
	while (rc == 0 && (to = buf_reserve(out, 4096)) != NULL && (n = read(fd, to, 4096)) > 0)
		buf_commit(out, (size_t)n);
	if (rc == 0 && to == NULL)
		rc = fail_set(
		    why, FAIL_CONFIG, "%s: longer than %d bytes", file, LIMIT_CONFIG_BYTES);
	else if (rc == 0 && n < 0)
		rc = fail_errno(why, FAIL_CONFIG, "%s", file);
	close(fd);
	return rc;
}

int
aliases_load(const char *file, struct aliases *aliases_r, struct fail *why)
{
	struct stat st;
	struct buf text;

	buf_init(&text, LIMIT_CONFIG_BYTES);
	int rc = read_file(file, 0, &text, &st, why);
	if (rc != 0 && why->errnum != ENOENT && why->errnum != ENOTDIR) {
		buf_free(&text);
		return -1;
	}
	aliases_parse(file, slice_make(text.data, text.len), aliases_r);
	aliases_r->trusted = rc == 0 && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
	buf_free(&text);
	return 0;
}

void
aliases_free(struct aliases *aliases)
{
	map_free(&aliases->entries);
	arena_free(&aliases->arena);
}

const struct alias_entry *
aliases_find(const struct aliases *aliases, const char *local)
{
	struct arena arena;

	arena_init(&arena);
	const struct alias_entry *e =
	    map_get(&aliases->entries, slice_str(key_of(slice_str(local), &arena)));
	arena_free(&arena);
	return e;
}

/* --- programs and files as recipients ------------------------------------------------------------- */

#define SUM_CHARS 8

const char *
aliases_value_name(
    const struct alias_entry *entry, const struct alias_value *value, struct arena *arena)
{
	uint32_t sum = crc32c(value->kind == ALIAS_FILE, value->text, strlen(value->text));
	const char *plain = arena_printf(arena, "|%s.%08x", entry->name, sum);
	struct buf out;

	buf_init(&out, 4 * LIMIT_LOCAL_PART_BYTES);
	const char *written = smtp_local_quote(&out, slice_str(plain)) == 0
				  ? arena_strdup(arena, buf_str(&out))
				  : plain;
	buf_free(&out);
	return written;
}

/* "|NAME.XXXXXXXX" of a local part, quoted or not, as NAME; false when it is none. */
static bool
value_name(const char *local, struct buf *name)
{
	if (smtp_local_unquote(name, slice_str(local)) != 0 || name->len < SUM_CHARS + 3)
		return false;
	const char *text = buf_str(name), *sum = text + name->len - SUM_CHARS;
	return text[0] == '|' && sum[-1] == '.' && strspn(sum, "0123456789abcdef") == SUM_CHARS;
}

bool
aliases_is_value_name(const char *local)
{
	struct buf name;

	buf_init(&name, LIMIT_LOCAL_PART_BYTES);
	bool is = value_name(local, &name);
	buf_free(&name);
	return is;
}

const struct alias_value *
aliases_find_value(
    const struct aliases *aliases, const char *local, const struct alias_entry **entry_r)
{
	const struct alias_value *found = NULL;
	struct arena arena;
	struct buf name;

	*entry_r = NULL;
	arena_init(&arena);
	buf_init(&name, LIMIT_LOCAL_PART_BYTES);
	if (value_name(local, &name)) {
		struct slice key = slice_make(name.data + 1, name.len - SUM_CHARS - 2);
		const struct alias_entry *e = map_get(&aliases->entries, key);
		for (size_t i = 0; e != NULL && found == NULL && i < e->n; i++) {
			const struct alias_value *v = &e->values[i];
			if ((v->kind == ALIAS_PROGRAM || v->kind == ALIAS_FILE) &&
			    strcmp(aliases_value_name(e, v, &arena), local) == 0)
				found = v;
		}
		*entry_r = found != NULL ? e : NULL;
	}
	buf_free(&name);
	arena_free(&arena);
	return found;
}

int
aliases_include(const char *file, struct arena *arena, struct strs *lists_r, struct fail *why)
{
	struct stat st;
	struct buf text;

	buf_init(&text, LIMIT_CONFIG_BYTES);
	int rc = read_file(file, O_NOFOLLOW, &text, &st, why);
	struct slice rest = slice_make(text.data, text.len);
	while (rc == 0 && rest.n > 0) {
		struct slice line = trim(next_line(&rest));
		if (line.n > 0 && line.p[0] != '#' && memchr(line.p, '\0', line.n) == NULL)
			strs_add_slice(lists_r, arena, line);
	}
	buf_free(&text);
	return rc;
}

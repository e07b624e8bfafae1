#include "base/conf.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define CANDIDATES 256 /* names looked at for "did you mean" */

#define FAIL_AT(conf, at, ...) \
	(fail_set(why, FAIL_CONFIG, __VA_ARGS__), fail_prefix(why, "%s:%u", (conf)->name, at))

static bool
is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
			(s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-' || s.p[i] == '_'))
			return false;
	return s.n > 0;
}

/* One line that is neither empty nor a comment. */
static int
parse_line(struct slice line, unsigned number, const char **section, struct arena *arena,
    struct conf *conf, struct fail *why)
{
	if (text_has_control(line))
		return FAIL_AT(conf, number, "control character");
	if (line.p[0] == '[') {
		struct slice name = slice_trim(slice_sub(line, 1, line.n - 1));
		if (line.p[line.n - 1] != ']' || !is_name(name))
			return FAIL_AT(conf, number, "expected [command]");
		*section = arena_slice(arena, name);
		return 0;
	}
	size_t equals = slice_find(line, '=');
	struct slice key = slice_trim(slice_sub(line, 0, equals));
	struct slice value = slice_trim(slice_sub(line, equals + 1, line.n));
	if (equals == line.n || !is_name(key))
		return FAIL_AT(conf, number, "expected name = value, [command] or # comment");
	if (value.n > 0 && value.p[0] == '"') {
		if (value.n < 2 || value.p[value.n - 1] != '"')
			return FAIL_AT(conf, number, "no closing quote");
		value = slice_sub(value, 1, value.n - 1);
	}
	struct conf_line *l = arena_push(arena, &conf->v, &conf->n, sizeof(*l));
	l->section = *section;
	l->key = arena_slice(arena, key);
	l->value = arena_slice(arena, value);
	l->line = number;
	return 0;
}

int
conf_parse(
    const char *name, struct slice text, struct arena *arena, struct conf *conf_r, struct fail *why)
{
	const char *section = NULL;

	*conf_r = (struct conf){ .name = name };
	if (text.n > LIMIT_CONFIG_BYTES)
		return fail_set(
		    why, FAIL_CONFIG, "%s: longer than %d bytes", name, LIMIT_CONFIG_BYTES);
	for (unsigned number = 1; text.n > 0; number++) {
		struct slice line = slice_sub(text, 0, slice_find(text, '\n'));
		text = slice_sub(text, line.n + 1, text.n);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n > LIMIT_CONFIG_LINE_BYTES)
			return FAIL_AT(
			    conf_r, number, "line longer than %d bytes", LIMIT_CONFIG_LINE_BYTES);
		line = slice_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (parse_line(line, number, &section, arena, conf_r, why) != 0)
			return -1;
	}
	return 0;
}

static bool
in_file(const struct opt *row)
{
	return row != NULL && row->name != NULL && row->type != OPT_SET && row->type != OPT_COUNT &&
	       !row->not_in_file;
}

/* " did you mean X?" over the names of all tables that the line may mean. */
static const char *
hint(const struct conf_command *commands, const struct conf_line *line, struct arena *arena)
{
	const char *names[CANDIDATES];
	size_t n = 0;

	for (; commands->name != NULL; commands++) {
		if (line->section != NULL && strcmp(line->section, commands->name) != 0)
			continue;
		for (const struct opt *row = commands->table; row->type != OPT_END; row++)
			if (in_file(row) && n < CANDIDATES)
				names[n++] = row->name;
	}
	const char *near = text_nearest(line->key, names, n);
	return near == NULL ? "" : arena_printf(arena, ", did you mean \"%s\"?", near);
}

static const struct conf_command *
find_command(const struct conf_command *commands, const char *name)
{
	while (commands->name != NULL && strcmp(commands->name, name) != 0)
		commands++;
	return commands->name != NULL ? commands : NULL;
}

/* The row of the line in the table of the command; *known_r: some command that is meant has it. */
static const struct opt *
find_row(const struct conf_command *commands, const struct conf_line *line, const char *command,
    bool *known_r)
{
	const struct opt *found = NULL;

	*known_r = false;
	for (; commands->name != NULL; commands++) {
		if (line->section != NULL && strcmp(line->section, commands->name) != 0)
			continue;
		const struct opt *row = opt_find(commands->table, line->key);
		if (!in_file(row))
			continue;
		*known_r = true;
		if (strcmp(commands->name, command) == 0)
			found = row;
	}
	return found;
}

static int
unknown_section(const struct conf *conf, const struct conf_command *commands,
    const struct conf_line *line, struct arena *arena, struct fail *why)
{
	const char *names[CANDIDATES];
	size_t n = 0;

	for (; commands->name != NULL && n < CANDIDATES; commands++)
		names[n++] = commands->name;
	const char *near = text_nearest(line->section, names, n);
	return FAIL_AT(conf, line->line, "unknown command [%s]%s", line->section,
	    near == NULL ? "" : arena_printf(arena, ", did you mean [%s]?", near));
}

/* An earlier line that sets the same for the same commands, or NULL. */
static const struct conf_line *
earlier(const struct conf *conf, size_t at)
{
	const struct conf_line *line = &conf->v[at];

	for (size_t i = 0; i < at; i++) {
		const struct conf_line *old = &conf->v[i];
		bool same = old->section == NULL
				? line->section == NULL
				: line->section != NULL && strcmp(old->section, line->section) == 0;
		if (same && strcmp(old->key, line->key) == 0)
			return old;
	}
	return NULL;
}

int
conf_apply(const struct conf *conf, const struct conf_command *commands, const char *command,
    const void *given, struct arena *arena, void *options, struct fail *why)
{
	for (size_t i = 0; i < conf->n; i++) {
		const struct conf_line *line = &conf->v[i], *old;
		bool known;

		if (line->section != NULL && find_command(commands, line->section) == NULL)
			return unknown_section(conf, commands, line, arena, why);
		const struct opt *row = find_row(commands, line, command, &known);
		if (!known)
			return FAIL_AT(conf, line->line, "unknown setting \"%.60s\"%s", line->key,
			    hint(commands, line, arena));
		if (row == NULL)
			continue;
		if (row->type == OPT_STRS) {
			const struct strs *list =
			    given == NULL
				? NULL
				: (const struct strs *)(const void *)((const char *)given +
								      row->offset);
			if (list != NULL && list->n > 0)
				continue;
		} else if ((old = earlier(conf, i)) != NULL) {
			return FAIL_AT(conf, line->line, "%s is set twice, first in line %u",
			    line->key, old->line);
		}
		if (opt_set(row, line->value, arena, options, why) != 0) {
			why->code = FAIL_CONFIG;
			fail_prefix(why, "%s", line->key);
			return fail_prefix(why, "%s:%u", conf->name, line->line);
		}
	}
	return 0;
}

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "dns/dns.h"
#include "policy/rules_impl.h"

/* A name for a set of patterns; its lines add up. */
struct group {
	const char *name;
	struct rules_pattern *patterns;
	size_t n;
	const struct rule *rule; /* NULL until a policy line names it */
};

/* A policy line, kept until every group is known: the order of lines does not matter. */
struct policy_line {
	struct group target; /* the patterns named by a pattern; or only the name of a group */
	struct rule *rule;
};

struct parser {
	const char *name;   /* of the policy file */
	const char *folder; /* of it: "" or with final slash */
	rules_read_fn *read;
	void *ctx;
	size_t bytes_left; /* for @files */
	struct rules *rules;
	struct arena *arena; /* that of rules */
	struct group *groups;
	size_t groups_n;
	struct map group_index; /* name to index + 1: the array moves while it grows */
	struct policy_line *policies;
	size_t policies_n;
	unsigned default_line;
	/* what is being read, for errors */
	const char *file;
	unsigned line;
	struct fail *why;
};

typedef int line_fn(struct parser *p, struct slice line, void *arg);

/* How much of a word is shown in an error. */
static int
shown(struct slice word)
{
	return word.n > 100 ? 100 : (int)word.n;
}

static int
at_line(struct parser *p, const char *file, unsigned line)
{
	if (p->why != NULL)
		p->why->code = FAIL_POLICY_FILE;
	return fail_prefix(p->why, "%s:%u", file, line);
}

/* Put file and line in front of what fail_set said. */
#define FAIL_HERE(p, ...) \
	(fail_set((p)->why, FAIL_POLICY_FILE, __VA_ARGS__), at_line(p, (p)->file, (p)->line))

struct slice
rules_word(struct slice *line)
{
	struct slice word = slice_word(line);

	if (word.n > 0 && word.p[0] == '#')
		*line = word = slice_sub(word, 0, 0);
	return word;
}

const char *
rules_did_you_mean(struct slice word, const char *const *candidates, size_t n, struct arena *arena)
{
	const char *nearest = NULL;

	if (word.n < 32) /* no word of the language is longer */
		nearest = text_nearest(arena_slice(arena, word), candidates, n);
	return nearest == NULL ? "" : arena_printf(arena, ": did you mean \"%s\"?", nearest);
}

const char *
rules_path(const char *folder, struct slice path, struct arena *arena)
{
	if (path.n > 0 && path.p[0] == '/')
		folder = "";
	return arena_printf(arena, "%s%.*s", folder, (int)path.n, path.p);
}

/* What no line of a policy may hold; CR before LF was cut off. */
static int
check_line(struct parser *p, struct slice line)
{
	if (line.n > LIMIT_CONFIG_LINE_BYTES)
		return FAIL_HERE(p,
		    "line longer than %d bytes: put long lists into an @file, or give the group on "
		    "several lines",
		    LIMIT_CONFIG_LINE_BYTES);
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return FAIL_HERE(p, "%s in the line: expected text",
			    c == '\0'   ? "NUL byte"
			    : c == '\r' ? "carriage return"
					: "control character");
	}
	if (!text_is_utf8(line))
		return FAIL_HERE(p, "not UTF-8");
	return 0;
}

/* Call fn for each line of text that has more than a comment. */
static int
each_line(struct parser *p, const char *file, struct slice text, line_fn *fn, void *arg)
{
	const char *saved_file = p->file;
	unsigned saved_line = p->line;

	p->file = file;
	p->line = 1;
	if (slice_is(slice_sub(text, 0, 3), "\xef\xbb\xbf") ||
	    slice_is(slice_sub(text, 0, 2), "\xff\xfe") ||
	    slice_is(slice_sub(text, 0, 2), "\xfe\xff"))
		return FAIL_HERE(p, "starts with a byte order mark: expected UTF-8 without it");
	for (; text.n > 0; p->line++) {
		size_t end = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, end), rest = { NULL, 0 };
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (check_line(p, line) != 0)
			return -1;
		rest = line;
		if (rules_word(&rest).n > 0 && fn(p, line, arg) != 0)
			return -1;
		text = slice_sub(text, end + 1, text.n);
	}
	p->file = saved_file;
	p->line = saved_line;
	return 0;
}

/* Near misses. */
static int
check_pattern_form(struct parser *p, struct slice word)
{
	struct addr addr;

	if (slice_is(word, "*"))
		return FAIL_HERE(p, "\"*\" is no pattern: write \"default LEVEL\"");
	if (word.p[0] == '[' || addr_parse_ip(word, 0, &addr))
		return FAIL_HERE(p, "\"%.*s\" is an address: expected ip:ADDRESS or ip:NETWORK",
		    shown(word), word.p);
	if (word.p[0] != '.' && slice_find(word, '.') == word.n)
		return FAIL_HERE(p,
		    "\"%.*s\" is no pattern: expected DOMAIN, .DOMAIN, *.DOMAIN, mx:PATTERN, "
		    "ip:NETWORK or @FILE (a domain of one label is written \"%.*s.\")",
		    shown(word), word.p, shown(word), word.p);
	return 0;
}

static struct rules_pattern *
new_pattern(struct parser *p, struct group *group)
{
	struct rules_pattern *pattern =
	    arena_push(p->arena, &group->patterns, &group->n, sizeof(*pattern));

	pattern->file = p->file;
	pattern->line = p->line;
	return pattern;
}

/* ip:ADDRESS, ip:ADDRESS/BITS */
static int
add_network(struct parser *p, struct slice word, struct group *group)
{
	struct rules_network network;
	char ip[ADDR_TEXT_BYTES];
	struct addr addr;

	if (!rules_network_parse(slice_sub(word, 3, word.n), &network))
		return FAIL_HERE(p,
		    "pattern \"%.*s\": expected ip:ADDRESS or ip:ADDRESS/BITS, such as "
		    "ip:192.0.2.0/24",
		    shown(word), word.p);
	struct rules_pattern *pattern = new_pattern(p, group);
	pattern->is_ip = true;
	pattern->network = network;
	addr_from_bytes(network.bytes, network.n, 0, &addr);
	addr_ip_str(&addr, ip);
	pattern->text = arena_printf(p->arena, "ip:%s/%u", ip, network.bits);
	return 0;
}

/* Append a pattern to a group. */
static int
add_pattern(struct parser *p, struct slice word, struct group *group)
{
	bool mx = slice_starts_case(word, "mx:");
	const char *prefix = "", *domain;
	struct slice rest = mx ? slice_sub(word, 3, word.n) : word;
	struct fail why;

	if (slice_starts_case(word, "ip:"))
		return add_network(p, word, group);
	if (rest.n == 0)
		return FAIL_HERE(p, "\"mx:\": expected a pattern of host names behind it");
	if (check_pattern_form(p, rest) != 0)
		return -1;
	if (rest.p[0] == '.')
		prefix = ".";
	else if (rest.p[0] == '*' && rest.n > 1 && rest.p[1] == '.')
		prefix = "*.";
	rest = slice_sub(rest, strlen(prefix), rest.n);
	domain = dns_name_normalize(arena_slice(p->arena, rest), p->arena, &why);
	if (domain == NULL)
		return FAIL_HERE(p, "pattern \"%.*s\": %s", shown(word), word.p, why.text);
	struct rules_pattern *pattern = new_pattern(p, group);
	pattern->is_mx = mx;
	pattern->text = arena_printf(p->arena, "%s%s%s", mx ? "mx:" : "", prefix, domain);
	return 0;
}

/* One line of an @file: one pattern. No @file in an @file, so there are no loops. */
static int
list_line(struct parser *p, struct slice line, void *arg)
{
	struct slice word = rules_word(&line), more = rules_word(&line);

	if (more.n > 0)
		return FAIL_HERE(p, "\"%.*s\": expected one pattern a line", shown(more), more.p);
	if (word.p[0] == '@')
		return FAIL_HERE(
		    p, "\"%.*s\": an @file cannot name another one", shown(word), word.p);
	return add_pattern(p, word, arg);
}

static int
add_file(struct parser *p, struct slice word, struct group *group)
{
	const char *path = rules_path(p->folder, slice_sub(word, 1, word.n), p->arena);
	struct buf text;
	int result = -1;

	if (word.n == 1)
		return FAIL_HERE(p, "\"@\": expected a file name behind it");
	if (p->read == NULL)
		return FAIL_HERE(p, "\"%.*s\": no files can be read here", shown(word), word.p);
	buf_init(&text, p->bytes_left);
	if (p->read(p->ctx, path, &text, p->why) != 0 && !text.full) {
		at_line(p, p->file, p->line);
	} else if (text.full) {
		FAIL_HERE(p, "%s: the policy and its @files are longer than %d bytes", path,
		    LIMIT_CONFIG_BYTES);
	} else {
		p->bytes_left -= text.len;
		result = each_line(p, path, slice_make(buf_str(&text), text.len), list_line, group);
	}
	buf_free(&text);
	return result;
}

static int
add_patterns(struct parser *p, struct slice word, struct group *group)
{
	return word.p[0] == '@' ? add_file(p, word, group) : add_pattern(p, word, group);
}

/* Names of groups have no dot, so that none is taken for a domain. */
static bool
is_group_name(struct slice word)
{
	for (size_t i = 0; i < word.n; i++) {
		char c = text_lower(word.p[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return word.n > 0;
}

static struct group *
find_group(const struct parser *p, struct slice name)
{
	const size_t *index = map_get(&p->group_index, name);

	return index == NULL ? NULL : &p->groups[*index];
}

static struct group *
make_group(struct parser *p, struct slice name)
{
	size_t *index = arena_alloc(p->arena, sizeof(*index));
	struct group *group;

	*index = p->groups_n;
	group = arena_push(p->arena, &p->groups, &p->groups_n, sizeof(*group));
	group->name = arena_slice(p->arena, name);
	map_set(&p->group_index, name, index);
	return group;
}

static int
group_line(struct parser *p, struct slice rest)
{
	struct slice name = rules_word(&rest), word = rules_word(&rest);
	struct group *group;

	if (name.n == 0)
		return FAIL_HERE(p, "expected: group NAME PATTERN...");
	if (!is_group_name(name))
		return FAIL_HERE(p,
		    "\"%.*s\" is no name for a group: expected letters, digits, - "
		    "and _",
		    shown(name), name.p);
	if (word.n == 0)
		return FAIL_HERE(p,
		    "group %.*s has no patterns here: expected group NAME PATTERN...", shown(name),
		    name.p);
	group = find_group(p, name);
	if (group == NULL)
		group = make_group(p, name);
	for (; word.n > 0; word = rules_word(&rest))
		if (add_patterns(p, word, group) != 0)
			return -1;
	return 0;
}

static int
parse_level(struct parser *p, struct slice word, enum rule_level *level_r)
{
	const char *names[LEVEL_COUNT];

	for (int i = 0; i < LEVEL_COUNT; i++)
		names[i] = level_str((enum rule_level)i);
	if (word.n == 0)
		return FAIL_HERE(p, "expected a level: none, may, auto, encrypt, verify, secure, "
				    "fingerprint, dane or dane-only");
	if (!level_parse(word, level_r))
		return FAIL_HERE(p, "unknown level \"%.*s\"%s", shown(word), word.p,
		    rules_did_you_mean(word, names, LEVEL_COUNT, p->arena));
	return 0;
}

/* LEVEL [KEY=VALUE...] */
static struct rule *
parse_rule(struct parser *p, struct slice rest)
{
	struct rule *rule = arena_alloc(p->arena, sizeof(*rule));

	rule->file = p->name;
	rule->line = p->line;
	rule->text = arena_printf(p->arena, "%s:%u", p->name, p->line);
	if (parse_level(p, rules_word(&rest), &rule->level) != 0)
		return NULL;
	if (rules_keys_parse(rest, p->folder, p->arena, rule, p->why) != 0) {
		at_line(p, p->file, p->line);
		return NULL;
	}
	*(const struct rule **)arena_push(
	    p->arena, &p->rules->list, &p->rules->list_n, sizeof(rule)) = rule;
	return rule;
}

static int
policy_line(struct parser *p, struct slice rest)
{
	struct slice target = rules_word(&rest);
	struct policy_line *line;

	if (target.n == 0)
		return FAIL_HERE(p, "expected: policy GROUP|PATTERN LEVEL [KEY=VALUE...]");
	line = arena_push(p->arena, &p->policies, &p->policies_n, sizeof(*line));
	line->rule = parse_rule(p, rest);
	if (line->rule == NULL)
		return -1;
	if (!is_group_name(target))
		return add_patterns(p, target, &line->target);
	line->target.name = arena_slice(p->arena, target);
	return 0;
}

static int
default_line(struct parser *p, struct slice rest)
{
	struct rule *rule;

	if (p->default_line != 0)
		return FAIL_HERE(
		    p, "a second default: the first one is at %s:%u", p->name, p->default_line);
	p->default_line = p->line;
	rule = parse_rule(p, rest);
	if (rule == NULL)
		return -1;
	if (rule->lower)
		return FAIL_HERE(p, "default: lower= is for mx: and ip: patterns");
	rule->text = arena_printf(p->arena, "%s:%u (default)", p->name, p->line);
	p->rules->fallback = rule;
	return 0;
}

static int
statement(struct parser *p, struct slice line, void *arg)
{
	static const char *const words[] = { "group", "policy", "default" };
	struct slice word = rules_word(&line);

	(void)arg;
	if (slice_is(word, "group"))
		return group_line(p, line);
	if (slice_is(word, "policy"))
		return policy_line(p, line);
	if (slice_is(word, "default"))
		return default_line(p, line);
	return FAIL_HERE(p, "unknown word \"%.*s\": expected group, policy or default%s",
	    shown(word), word.p, rules_did_you_mean(word, words, 3, p->arena));
}

static int
unknown_group(struct parser *p, const char *name)
{
	const char **names = arena_alloc(p->arena, (p->groups_n + 1) * sizeof(*names));
	const char *hint;

	for (size_t i = 0; i < p->groups_n; i++)
		names[i] = p->groups[i].name;
	hint = rules_did_you_mean(slice_str(name), names, p->groups_n, p->arena);
	return FAIL_HERE(p,
	    "unknown group \"%.100s\"%s (a domain of one label is written \"%.100s.\")", name, hint,
	    name);
}

static void
take(struct rules *rules, struct rules_pattern *pattern)
{
	map_set(&rules->patterns, slice_str(pattern->text), pattern);
	rules->has_mx |= pattern->is_mx;
	if (pattern->is_ip)
		*(const struct rules_pattern **)arena_push(
		    &rules->arena, &rules->networks, &rules->networks_n, sizeof(pattern)) = pattern;
}

/* Give the patterns of a group or line their policy. Two policies for one pattern are an error. */
static int
assign(struct parser *p, struct group *group, const struct rule *rule)
{
	for (size_t i = 0; i < group->n; i++) {
		struct rules_pattern *pattern = &group->patterns[i];
		if (!pattern->is_ip && !pattern->is_mx && rule->lower) {
			p->file = pattern->file;
			p->line = pattern->line;
			return FAIL_HERE(
			    p, "%s: lower= is for mx: and ip: patterns", pattern->text);
		}
		if ((pattern->is_ip || pattern->is_mx) &&
		    rules_check_constraint(rule, pattern->is_ip, rule_str(rule), p->why) != 0)
			return at_line(p, pattern->file, pattern->line);
		const struct rules_pattern *old =
		    map_get(&p->rules->patterns, slice_str(pattern->text));
		pattern->rule = rule;
		if (old != NULL && old->rule != rule) {
			p->file = pattern->file;
			p->line = pattern->line;
			return FAIL_HERE(p, "%s is in two policies: %s and %s", pattern->text,
			    rule_str(old->rule), rule_str(rule));
		}
		if (old == NULL)
			take(p->rules, pattern);
	}
	return 0;
}

static int
resolve(struct parser *p, struct policy_line *line)
{
	const char *name = line->target.name;
	struct group *group = &line->target;

	p->file = p->name;
	p->line = line->rule->line;
	if (name != NULL) {
		group = find_group(p, slice_str(name));
		if (group == NULL)
			return unknown_group(p, name);
		if (group->rule != NULL)
			return FAIL_HERE(p, "group %s has a policy already, at %s:%u", name,
			    p->name, group->rule->line);
		group->rule = line->rule;
		line->rule->group = group->name;
		line->rule->text =
		    arena_printf(p->arena, "%s (group %s)", line->rule->text, group->name);
	}
	return assign(p, group, line->rule);
}

static int
longer_first(const void *a, const void *b)
{
	const struct rules_pattern *const *x = a, *const *y = b;

	return (int)(*y)->network.bits - (int)(*x)->network.bits;
}

static int
parse_all(struct parser *p, struct slice text)
{
	if (text.n > LIMIT_CONFIG_BYTES)
		return fail_set(p->why, FAIL_POLICY_FILE, "%s: longer than %d bytes", p->name,
		    LIMIT_CONFIG_BYTES);
	if (each_line(p, p->name, text, statement, NULL) != 0)
		return -1;
	for (size_t i = 0; i < p->policies_n; i++)
		if (resolve(p, &p->policies[i]) != 0)
			return -1;
	if (p->rules->networks_n > 0)
		qsort(p->rules->networks, p->rules->networks_n, sizeof(*p->rules->networks),
		    longer_first);
	for (size_t i = 0; i < p->groups_n; i++)
		if (p->groups[i].rule == NULL)
			strs_add(&p->rules->warnings, p->arena,
			    arena_printf(p->arena, "%s:%u: group %s has no policy",
				p->groups[i].n > 0 ? p->groups[i].patterns[0].file : p->name,
				p->groups[i].n > 0 ? p->groups[i].patterns[0].line : 0,
				p->groups[i].name));
	return 0;
}

struct rules *
rules_parse(const char *name, struct slice text, rules_read_fn *read, void *ctx, struct fail *why)
{
	struct rules *rules = rules_new();
	struct parser p = {
		.read = read, .ctx = ctx, .rules = rules, .arena = &rules->arena, .why = why
	};
	const char *slash = strrchr(name, '/');

	p.name = arena_strdup(p.arena, name);
	p.folder = arena_strndup(p.arena, name, slash == NULL ? 0 : (size_t)(slash - name) + 1);
	p.bytes_left = text.n > LIMIT_CONFIG_BYTES ? 0 : LIMIT_CONFIG_BYTES - text.n;
	map_init(&p.group_index);
	if (parse_all(&p, text) != 0) {
		rules_free(rules);
		rules = NULL;
	}
	map_free(&p.group_index);
	return rules;
}

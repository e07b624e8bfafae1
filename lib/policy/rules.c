#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "policy/rules_impl.h"

static const struct {
	const char *word;
	bool wants_tls, needs_tls, needs_identity, uses_dane, uses_sts;
} levels[LEVEL_COUNT] = {
	[LEVEL_NONE] = { "none", false, false, false, false, false },
	[LEVEL_MAY] = { "may", true, false, false, false, false },
	[LEVEL_AUTO] = { "auto", true, false, false, true, true },
	[LEVEL_ENCRYPT] = { "encrypt", true, true, false, true, true },
	[LEVEL_VERIFY] = { "verify", true, true, true, true, true },
	[LEVEL_SECURE] = { "secure", true, true, true, false, false },
	[LEVEL_FINGERPRINT] = { "fingerprint", true, true, true, false, false },
	[LEVEL_DANE] = { "dane", true, false, false, true, false },
	[LEVEL_DANE_ONLY] = { "dane-only", true, true, true, true, false },
};

const char *
level_str(enum rule_level level)
{
	return levels[level].word;
}

bool
level_parse(struct slice word, enum rule_level *level_r)
{
	for (int i = 0; i < LEVEL_COUNT; i++) {
		if (!slice_is(word, levels[i].word))
			continue;
		*level_r = (enum rule_level)i;
		return true;
	}
	return false;
}

bool
level_wants_tls(enum rule_level level)
{
	return levels[level].wants_tls;
}

bool
level_needs_tls(enum rule_level level)
{
	return levels[level].needs_tls;
}

bool
level_needs_identity(enum rule_level level)
{
	return levels[level].needs_identity;
}

bool
level_has_fallback(enum rule_level level)
{
	return level_wants_tls(level) && !level_needs_tls(level);
}

bool
level_uses_dane(enum rule_level level)
{
	return levels[level].uses_dane;
}

bool
level_uses_sts(enum rule_level level)
{
	return levels[level].uses_sts;
}

const char *
fallback_str(enum rule_fallback fallback)
{
	static const char *const words[] = {
		[FALLBACK_NEVER] = "never", [FALLBACK_DELAYED] = "delayed", [FALLBACK_NOW] = "now"
	};

	return words[fallback];
}

const char *
rule_str(const struct rule *rule)
{
	return rule->text;
}

const char *
rule_nexthop(const struct rule *rule, const char *domain)
{
	return rule->via_host != NULL ? rule->via_host : domain;
}

static const struct rule built_in = {
	.level = LEVEL_AUTO,
	.fallback = FALLBACK_DELAYED,
	.on_fail = ON_FAIL_DEFER,
	.match = RULE_MATCH_HOSTNAME,
	.tls_min = TLS_VERSION_1_0,
	.text = "built-in default",
};

struct rules *
rules_new(void)
{
	struct rules *rules = mem_alloc(sizeof(*rules));

	arena_init(&rules->arena);
	map_init(&rules->patterns);
	rules->fallback = &built_in;
	return rules;
}

struct rules *
rules_default(void)
{
	return rules_new();
}

void
rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	map_free(&rules->patterns);
	arena_free(&rules->arena);
	free(rules);
}

const struct rule *const *
rules_list(const struct rules *rules, size_t *n_r)
{
	*n_r = rules->list_n;
	return rules->list;
}

const struct rule *
rules_fallback(const struct rules *rules)
{
	return rules->fallback;
}

const struct strs *
rules_warnings(const struct rules *rules)
{
	return &rules->warnings;
}

/* Read a whole file; one that is longer than out takes leaves out's mark. */
static int
read_file(const char *path, struct buf *out, struct fail *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		do {
			char *to = buf_reserve(out, 1);
			if (to == NULL)
				break;
			n = read(fd, to, out->cap - out->len - 1);
			if (n > 0)
				buf_commit(out, (size_t)n);
		} while (n > 0 || (n < 0 && errno == EINTR));
	}
	if (n < 0)
		fail_errno(why, FAIL_POLICY_FILE, "cannot read %s", path);
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static int
read_list(void *ctx, const char *path, struct buf *out, struct fail *why)
{
	(void)ctx;
	return read_file(path, out, why);
}

/* Found now, with file and line, and not when the first message must be deferred. */
static int
check_files(const struct rules *rules, struct fail *why)
{
	for (size_t i = 0; i < rules->list_n; i++) {
		const struct rule *rule = rules->list[i];
		const char *const files[] = { rule->ca_file, rule->client_cert, rule->auth };
		for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++)
			if (files[k] != NULL && access(files[k], R_OK) != 0)
				return fail_errno(why, FAIL_POLICY_FILE, "%s:%u: cannot read %s",
				    rule->file, rule->line, files[k]);
	}
	return 0;
}

struct rules *
rules_load(const char *path, struct fail *why)
{
	struct rules *rules = NULL;
	struct buf text;

	buf_init(&text, LIMIT_CONFIG_BYTES);
	if (read_file(path, &text, why) != 0)
		goto out;
	if (text.full) {
		fail_set(
		    why, FAIL_POLICY_FILE, "%s: longer than %d bytes", path, LIMIT_CONFIG_BYTES);
		goto out;
	}
	rules = rules_parse(path, slice_make(buf_str(&text), text.len), read_list, NULL, why);
	if (rules != NULL && check_files(rules, why) != 0) {
		rules_free(rules);
		rules = NULL;
	}
out:
	buf_free(&text);
	return rules;
}

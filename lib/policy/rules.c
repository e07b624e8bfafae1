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
	bool supported, wants_tls, needs_tls, needs_identity;
} levels[LEVEL_COUNT] = {
	[LEVEL_NONE] = { "none", true, false, false, false },
	[LEVEL_MAY] = { "may", true, true, false, false },
	[LEVEL_AUTO] = { "auto", false, true, false, false },
	[LEVEL_ENCRYPT] = { "encrypt", true, true, true, false },
	[LEVEL_VERIFY] = { "verify", true, true, true, true },
	[LEVEL_SECURE] = { "secure", false, true, true, true },
	[LEVEL_FINGERPRINT] = { "fingerprint", false, true, true, true },
	[LEVEL_DANE] = { "dane", false, true, false, false },
	[LEVEL_DANE_ONLY] = { "dane-only", false, true, true, true },
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
level_is_supported(enum rule_level level)
{
	return levels[level].supported;
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
	.level = LEVEL_MAY,
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
		if (rule->ca_file != NULL && access(rule->ca_file, R_OK) != 0)
			return fail_errno(why, FAIL_POLICY_FILE, "%s:%u: cannot read %s",
			    rule->file, rule->line, rule->ca_file);
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

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/rules.h"

/*
 * A policy file, then behind a line of "%%" the content of its @files. Either every line is
 * understood, or there is an error that says where; and whatever is looked up, the rule is one
 * that decide() knows.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_list(void *ctx, const char *path, struct buf *out, struct fail *why)
{
	const struct slice *list = ctx;

	if (strstr(path, "none") != NULL)
		return fail_set(why, FAIL_NO_INPUT, "cannot read %s", path);
	return buf_append(out, list->p, list->n);
}

static void
check(const struct rules *rules, const char *domain)
{
	const struct rule *rule = rules_match(rules, domain);

	if (rule == NULL || rule->tls_min == TLS_VERSION_ANY ||
	    (rule->match == 0 && rule->match_names.n == 0) || rule_str(rule)[0] == '\0' ||
	    (rule->level == LEVEL_FINGERPRINT) != (rule->pins.n > 0))
		abort();
	struct addr addr;
	const struct rule *more[4];
	addr_parse_ip(slice_str("192.0.2.1"), 0, &addr);
	rules_constraints(rules, domain, &addr, more, 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *split = size == 0 ? NULL : memmem(data, size, "\n%%\n", 4);
	struct slice text = slice_make((const char *)data, size), list = { NULL, 0 };
	struct fail why = { .code = FAIL_NONE };

	if (split != NULL) {
		text.n = (size_t)(split - (const char *)data);
		list = slice_make(split + 4, size - text.n - 4);
	}
	struct rules *rules = rules_parse("dir/policy", text, read_list, &list, &why);
	if (rules == NULL) {
		if (why.code != FAIL_POLICY_FILE || strchr(why.text, ':') == NULL)
			abort();
		return 0;
	}
	check(rules, "bank.example");
	check(rules, "x.bank.example");
	check(rules, "[192.0.2.1]");
	check(rules, "");
	/* the input itself as a domain */
	char *domain = strndup(size == 0 ? "" : (const char *)data, size);
	if (domain == NULL)
		abort();
	check(rules, domain);
	free(domain);
	rules_free(rules);
	return 0;
}

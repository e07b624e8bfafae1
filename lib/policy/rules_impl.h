#ifndef POLICY_RULES_IMPL_H
#define POLICY_RULES_IMPL_H

#include "base/map.h"
#include "policy/rules.h"

/* Inside of rules.h, shared by rules.c, rules_parse.c, rules_keys.c and rules_match.c only. */

/*
 * A pattern with its policy. In the map by its text in one form: lower-case A-labels without final
 * dot, behind "", "." (any subdomain) or "*." (one label more).
 */
struct rules_pattern {
	const char *text;
	const char *file; /* where it stands: the policy file or an @file */
	unsigned line;
	const struct rule *rule;
};

struct rules {
	struct arena arena; /* of everything that the patterns and rules point at */
	struct map patterns;
	const struct rule *fallback; /* of the default line, or built in */
	const struct rule **list;    /* every rule of the file, for rules_load */
	size_t list_n;
};

/* An empty set with the built-in default rule. */
struct rules *rules_new(void);

/*
 * Take "key=value" words into a rule whose level, file and line are set, and fill in what was not
 * given. folder: of the policy file, "" or with final slash. Fails with POLICY_FILE, the text
 * without file and line.
 */
int rules_keys_parse(struct slice words, const char *folder, struct arena *arena,
    struct rule *rule_inout, struct fail *why);

/* path itself, or folder and path when it is relative. */
const char *rules_path(const char *folder, struct slice path, struct arena *arena);

/* Cut the next word off the line; empty at the end or where a comment starts. */
struct slice rules_word(struct slice *line);

/* ": did you mean "X"?" in arena, or "" when nothing is near. */
const char *
rules_did_you_mean(struct slice word, const char *const *candidates, size_t n, struct arena *arena);

#endif

#ifndef POLICY_RULES_IMPL_H
#define POLICY_RULES_IMPL_H

#include "base/map.h"
#include "policy/rules.h"

/* Inside of rules.h, shared by rules*.c only. */

/*
 * A pattern with its policy. In the map by its text in one form: lower-case A-labels without final
 * dot, behind "", "." (any subdomain) or "*." (one label more), those of MX hosts with "mx:" in front;
 * "ip:ADDRESS/BITS".
 */
struct rules_pattern {
	const char *text;
	const char *file; /* where it stands: the policy file or an @file */
	unsigned line;
	const struct rule *rule;
	/* of ip: patterns: bits is 0 for the others */
	bool is_ip, is_mx;
	struct rules_network {
		unsigned char bytes[16];
		unsigned n;    /* 4 or 16 */
		unsigned bits; /* of the prefix */
	} network;
};

struct rules {
	struct arena arena; /* of everything that the patterns and rules point at */
	struct map patterns;
	const struct rule *fallback; /* of the default line, or built in */
	const struct rule **list;    /* every rule of the file */
	size_t list_n;
	const struct rules_pattern **networks; /* longest prefix first */
	size_t networks_n;
	bool has_mx; /* any mx: pattern */
	struct strs warnings;
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

/* What a rule of an mx: or ip: pattern cannot have. pattern: for the error. Fails with POLICY_FILE. */
int
rules_check_constraint(const struct rule *rule, bool is_ip, const char *pattern, struct fail *why);

/* One line of key=value words, while it is read. */
struct rules_keys {
	struct rule *rule;
	const char *folder;
	struct arena *arena;
	struct fail *why;
};

/* Values of keys that need more than a few lines (rules_values.c). */
int rules_value_match(struct rules_keys *k, const char *key, struct slice value);
int rules_value_pins(struct rules_keys *k, const char *key, struct slice value);
int rules_value_source(struct rules_keys *k, const char *key, struct slice value);
int rules_value_rate(struct rules_keys *k, const char *key, struct slice value);
int rules_value_via(struct rules_keys *k, const char *key, struct slice value);
int
rules_bad_value(struct rules_keys *k, const char *key, struct slice value, const char *expected);

/* Network of an ip: pattern ("192.0.2.0/24", "2001:db8::/32", an address alone); false when it is none. */
bool rules_network_parse(struct slice text, struct rules_network *network_r);
bool rules_network_has(const struct rules_network *network, const struct addr *addr);

/* path itself, or folder and path when it is relative. */
const char *rules_path(const char *folder, struct slice path, struct arena *arena);

/* Cut the next word off the line; empty at the end or where a comment starts. */
struct slice rules_word(struct slice *line);

/* ": did you mean "X"?" in arena, or "" when nothing is near. */
const char *
rules_did_you_mean(struct slice word, const char *const *candidates, size_t n, struct arena *arena);

#endif

#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/slice.h"
#include "io/addr.h"
#include "tls/tls.h"

/*
 * The policy file: which destination domains get which TLS (mxtls-policy(5)). Parsing is pure over
 * the text and a function that reads @files; the result never changes afterwards, so every fiber
 * may read it.
 *
 * A rule that is not understood, or that cannot be honoured, is an error with file and line: it is
 * never taken for a weaker one. Any error refuses the whole file: the caller defers, it does not go
 * on with the rest.
 */

/*
 * Levels are not one order (a pin is not "more" than DANE), so they are never compared: ask the
 * predicates.
 */
enum rule_level {
	LEVEL_NONE,
	LEVEL_MAY,
	LEVEL_AUTO,
	LEVEL_ENCRYPT,
	LEVEL_VERIFY,
	LEVEL_SECURE,
	LEVEL_FINGERPRINT,
	LEVEL_DANE,
	LEVEL_DANE_ONLY
};
#define LEVEL_COUNT (LEVEL_DANE_ONLY + 1)

/* "none", "dane-only"... */
const char *level_str(enum rule_level level);
/* False for a word that is no level. */
bool level_parse(struct slice word, enum rule_level *level_r);
/* STARTTLS is asked for where it is offered: every level but none. */
bool level_wants_tls(enum rule_level level);
/*
 * A message never leaves in clear. False for auto and dane: there, what the domain publishes
 * decides.
 */
bool level_needs_tls(enum rule_level level);
/*
 * A message leaves only to a server that has proved who it is. False for auto and dane, as above.
 */
bool level_needs_identity(enum rule_level level);
/* fallback= decides what happens when TLS was offered and fails: TLS is wanted, but not needed. */
bool level_has_fallback(enum rule_level level);
/* What the domain publishes makes the level stronger: its TLSA records; its MTA-STS policy. */
bool level_uses_dane(enum rule_level level);
bool level_uses_sts(enum rule_level level);

enum rule_fallback {
	FALLBACK_NEVER,   /* no clear text once STARTTLS was advertised */
	FALLBACK_DELAYED, /* after a failed handshake, when the message is 5 minutes old */
	FALLBACK_NOW      /* after a failed handshake, at once */
};
const char *fallback_str(enum rule_fallback fallback);

/* What becomes of a message whose TLS no host can satisfy. Other failures always defer. */
enum rule_on_fail {
	ON_FAIL_DEFER,
	ON_FAIL_BOUNCE, /* failed for good at once */
	ON_FAIL_AFTER   /* when the message is on_fail_after_s old */
};

enum rule_family { FAMILY_ANY, FAMILY_IPV6_FIRST, FAMILY_IPV6_ONLY, FAMILY_IPV4_ONLY };

/* Names that a certificate may prove, as a set: one of them is enough. */
#define RULE_MATCH_HOSTNAME 1u    /* the MX host, or the [host] of via= (verify_facts.matches_mx) */
#define RULE_MATCH_NEXTHOP 2u     /* rule_nexthop() (verify_facts.matches_domain) */
#define RULE_MATCH_DOT_NEXTHOP 4u /* any name below it */

#define RULE_PORT_SUBMISSIONS 465 /* TLS from the first byte there (RFC 8314 s3.3) */

struct rule {
	enum rule_level level;
	enum rule_fallback fallback; /* where level_has_fallback */
	enum rule_on_fail on_fail;
	int64_t on_fail_after_s;
	/* RULE_MATCH_*, and names of match=NAME; not both empty at verify and secure */
	unsigned match;
	struct strs match_names; /* A-labels */
	struct strs pins;        /* SHA-256 of certificate or public key, lower-case hex */
	/* never ANY: 1.2 where the level needs identity, else 1.0; given: by min= */
	enum tls_version tls_min, tls_max;
	bool min_given;
	const char *ciphers;     /* OpenSSL's list for TLS up to 1.2; NULL: the default */
	const char *ca_file;     /* trust these roots only; NULL: the default store */
	const char *client_cert; /* PEM with certificate and key to show; NULL: none */
	const char *sni;         /* server name to send instead of the host's; NULL */
	bool no_dane, no_sts;    /* dane=no, sts=no: what is published does not count */
	bool lower;              /* of mx: and ip: patterns: may weaken, see decide.h */
	const char
	    *via_host;     /* smarthost as A-labels or address text; NULL: the domain's MX hosts */
	bool via_brackets; /* via_host is a host: no MX lookup */
	uint16_t port;     /* 0: not given */
	bool implicit_tls; /* TLS from the first byte: port 465 (RFC 8314 s3.3) */
	const char *auth;  /* file of the credentials (app/send/credentials.h), or NULL */
	bool auth_insecure;
	/* where connections come from, by family: 0 IPv4, 1 IPv6; len 0: not given */
	struct addr source[2];
	enum rule_family family;
	bool no_pipelining;   /* pipelining=no: one command at a time, whatever the server offers */
	bool private_deny;    /* addresses from DNS that are private are refused */
	unsigned concurrency; /* connections at once; 0: no bound */
	unsigned rate;        /* connections in rate_ms; 0: no bound */
	int64_t rate_ms;
	bool sticky;       /* less than was seen before is not enough (policy/sticky.h) */
	bool trace;        /* log=trace: the dialogue on stderr */
	const char *group; /* NULL when the rule is for a pattern, or the default */
	const char *file;  /* as it was named to the parser; NULL: built in */
	unsigned line;
	const char *text; /* for rule_str */
};

/* "policy:12 (group banks)", "policy:3", "policy:20 (default)", "built-in default": for reports. */
const char *rule_str(const struct rule *rule);

/*
 * The name of the destination that the rule is about: the smarthost, or else domain. It is what
 * tls_verify takes as "domain" (RULE_MATCH_NEXTHOP).
 */
const char *rule_nexthop(const struct rule *rule, const char *domain);

/*
 * Take a smarthost into a rule, as via= and --via write it: HOST, HOST:PORT, [HOST], [HOST]:PORT;
 * the HOST in brackets may be an IPv4 or IPv6 address (also with "IPv6:" in front, as RFC 5321
 * writes it). Sets via_host, via_brackets, port (if given), implicit_tls and match: nexthop, and
 * hostname too for a host in brackets, where both are one name. The strings live in arena.
 * Fails with USAGE naming the text and what was expected; then *rule_inout is unchanged.
 */
int
rule_via_parse(struct slice text, struct arena *arena, struct rule *rule_inout, struct fail *why);

struct rules;

/*
 * Append the content of an @file to out, whose maximum is what may still be read. path: as in the
 * policy, relative ones put behind the folder of the policy file. Returns 0, or -1 with why (any
 * code; its text is put behind file and line). When out is full, returns -1 or leaves the mark of
 * buf.h.
 */
typedef int rules_read_fn(void *ctx, const char *path, struct buf *out, struct fail *why);

/*
 * Parse a policy. name: the file's name, for messages and to find relative @files and ca= files;
 * read: NULL means that an @file is an error. Returns rules to be freed, or NULL with why:
 * POLICY_FILE, text "NAME:LINE: what is wrong, what was expected". Pure, apart from read.
 */
struct rules *
rules_parse(const char *name, struct slice text, rules_read_fn *read, void *ctx, struct fail *why);

/*
 * Read and parse a policy file and its @files (blocks: before the loop starts). A ca= file
 * must be readable, too. Fails with POLICY_FILE.
 */
struct rules *rules_load(const char *path, struct fail *why);

/*
 * The rules without a policy file: level auto, fallback delayed, for every domain. The same holds
 * for domains that a file without a default line does not list.
 */
struct rules *rules_default(void);

/* NULL is allowed. */
void rules_free(struct rules *rules);

/*
 * The rule for a recipient domain: the most specific pattern wins, whatever the order of lines
 * (exact, then the longest suffix, *.SUFFIX before .SUFFIX), else the default rule. Never NULL.
 *
 * domain  A-labels; any case, one final dot allowed. An address literal ("[192.0.2.1]",
 *         "[IPv6:2001:db8::1]") matches ip: patterns only, the longest network first.
 */
const struct rule *rules_match(const struct rules *rules, const char *domain);

/*
 * The rules of all mx: patterns that match a host's name and all ip: patterns that match its
 * address, each once; they go with the rule of the domain (decide.h). host, addr: NULL for none.
 * Returns how many there are, which may be more than max; that many are in out.
 */
size_t rules_constraints(const struct rules *rules, const char *host, const struct addr *addr,
    const struct rule **out, size_t max);
/* For "policy check" and reports: every rule with a line of its own, in the order of the file. */
const struct rule *const *rules_list(const struct rules *rules, size_t *n_r);
/* The default rule. */
const struct rule *rules_fallback(const struct rules *rules);
/* Group names that no policy line names, as text "FILE:LINE: group NAME ..."; findings of parsing. */
const struct strs *rules_warnings(const struct rules *rules);
/* Call fn for every pattern of domains with its rule: text as "a.example", ".a.example", "*.a.example". */
void rules_each_pattern(const struct rules *rules,
    void (*fn)(void *ctx, const char *text, const struct rule *rule), void *ctx);

#endif

#include "app/send/live.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/queue/scan.h"
#include "app/send/explain.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "io/sched.h"
#include "io/socket.h"
#include "policy/dane.h"
#include "policy/mtasts.h"
#include "policy/mx.h"
#include "policy/spf.h"
#include "policy/txt.h"
#include "tls/sign.h"

#define RUNNER_SILENT_S 3600

struct live {
	const struct live_options *options;
	struct arena arena;
	struct addr addrs[8]; /* ours */
	size_t addrs_n;
	enum live_state worst;
};

const char *
live_state_str(enum live_state state)
{
	static const char *const words[] = { "ok", "warn", "fail" };

	return words[state];
}

__attribute__((format(printf, 4, 5))) static void
tell(struct live *l, const char *check, enum live_state state, const char *fmt, ...)
{
	struct live_line line = { .check = check, .state = state };
	va_list args;
	char text[1000];

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text_sanitize(text);
	line.text = text;
	if (state > l->worst)
		l->worst = state;
	l->options->line(l->options->ctx, &line);
}

static int64_t
deadline(const struct live *l)
{
	return clock_deadline(l->options->timeout_ms);
}

/* --- this host ------------------------------------------------------------------------------------ */

/*
 * The addresses that connections to the world come from: those towards addresses that nobody has (RFC 5737, RFC 3849);
 * nothing is sent.
 */
static void
find_addresses(struct live *l)
{
	static const char *const nowhere[] = { "192.0.2.1", "2001:db8::1" };
	const struct strs *given = &l->options->addresses;
	struct addr to;

	for (size_t i = 0; i < given->n && l->addrs_n < sizeof(l->addrs) / sizeof(l->addrs[0]); i++)
		if (addr_parse_ip(slice_str(given->v[i]), 0, &l->addrs[l->addrs_n]))
			l->addrs_n++;
	for (size_t i = 0; given->n == 0 && i < 2; i++) {
		if (addr_parse_ip(slice_str(nowhere[i]), 0, &to) &&
		    socket_source(&to, &l->addrs[l->addrs_n]))
			l->addrs_n++;
	}
}

static bool
is_public(struct live *l, const struct addr *addr, const char *check)
{
	char ip[ADDR_TEXT_BYTES];

	if (!addr_is_private(addr) && !addr_is_loopback(addr))
		return true;
	addr_ip_str(addr, ip);
	tell(l, check, LIVE_WARN,
	    "connections come from %s, which the net sees as another address: name it with "
	    "--address",
	    ip);
	return false;
}

/* Whether an address is among those of a name. -1: cannot be looked up now. */
static int
name_has(struct live *l, const char *name, const struct addr *addr)
{
	struct mx_host host = { .name = name, .primary = true };
	struct exchange_facts unused;
	struct addr *addrs;
	struct fail why;
	size_t n;
	bool six = addr->sa.ss_family == AF_INET6;

	if (mx_addresses(l->options->deliver->resolver, &host,
		six ? MX_FAMILY_IPV6 : MX_FAMILY_IPV4, &l->arena, &addrs, &n, &unused, deadline(l),
		&why) != 0)
		return why.code == FAIL_NO_MX_ADDRESS || why.code == FAIL_NXDOMAIN ||
			       why.code == FAIL_DNS_NAME
			   ? 0
			   : -1;
	for (size_t i = 0; i < n; i++)
		if (addr_equal_ip(&addrs[i], addr))
			return 1;
	return 0;
}

static void
check_name(struct live *l)
{
	const char *helo = l->options->deliver->helo;

	if (helo == NULL) {
		tell(l, "name", LIVE_FAIL,
		    "this host has no full name, so it greets with its address, which many servers "
		    "refuse: --helo NAME, or a name in /etc/hosts");
		return;
	}
	for (size_t i = 0; i < l->addrs_n; i++) {
		char ip[ADDR_TEXT_BYTES];
		addr_ip_str(&l->addrs[i], ip);
		if (!is_public(l, &l->addrs[i], "name"))
			continue;
		int has = name_has(l, helo, &l->addrs[i]);
		if (has < 0)
			tell(l, "name", LIVE_WARN, "%s cannot be looked up now", helo);
		else
			tell(l, "name", has ? LIVE_OK : LIVE_FAIL,
			    "%s, the name that we greet with, %s %s", helo,
			    has ? "has the address" : "lacks the address", ip);
	}
}

/* Receivers want a PTR record whose name leads back (RFC 1912 s2.1; Google and Yahoo refuse mail without). */
static void
check_ptr(struct live *l, const struct addr *addr)
{
	const struct dns_answer *answer;
	const char *helo = l->options->deliver->helo, *first = NULL;
	char ip[ADDR_TEXT_BYTES];
	struct fail why;
	bool back = false, same = false;

	addr_ip_str(addr, ip);
	if (!is_public(l, addr, "ptr"))
		return;
	if (dns_query(l->options->deliver->resolver, dns_reverse_name(addr, &l->arena), DNS_PTR,
		&answer, deadline(l), &why) != 0) {
		tell(l, "ptr", LIVE_WARN, "%s: %s", ip, why.text);
		return;
	}
	enum fail_code code = dns_answer_fail(answer);
	for (size_t i = 0; answer->status == DNS_OK && i < answer->n && i < 10; i++) {
		const char *name = arena_strdup(&l->arena, answer->records[i].name);
		bool leads_back = name_has(l, name, addr) == 1;
		if (first == NULL || (leads_back && !back))
			first = name;
		back |= leads_back;
		same |= leads_back && helo != NULL && strcmp(name, helo) == 0;
	}
	dns_answer_release(answer);
	if (code != FAIL_NONE && code != FAIL_NXDOMAIN)
		tell(l, "ptr", LIVE_WARN, "%s: %s", ip, fail_info(code)->text);
	else if (first == NULL)
		tell(
		    l, "ptr", LIVE_FAIL, "%s has no PTR record: big receivers refuse its mail", ip);
	else if (!back)
		tell(l, "ptr", LIVE_FAIL,
		    "the PTR record of %s names %s, which does not have that address", ip, first);
	else
		tell(l, "ptr", same ? LIVE_OK : LIVE_WARN, "%s is %s%s", ip, same ? helo : first,
		    same ? ", and back" : ", and back, but we greet with another name");
}

/* --- SPF ------------------------------------------------------------------------------------------ */

static void
check_spf(struct live *l, const struct addr *addr)
{
	const char *domain = l->options->maildomain, *text;
	enum spf_result result;
	char ip[ADDR_TEXT_BYTES];
	struct fail why;

	addr_ip_str(addr, ip);
	if (!is_public(l, addr, "spf"))
		return;
	if (spf_check(l->options->deliver->resolver, domain, addr, &l->arena, &result, &text,
		deadline(l), &why) != 0) {
		tell(l, "spf", LIVE_WARN, "%s: %s", domain, why.text);
		return;
	}
	tell(l, "spf",
	    result == SPF_PASS                                                    ? LIVE_OK
	    : result == SPF_FAIL || result == SPF_PERMERROR || result == SPF_NONE ? LIVE_FAIL
										  : LIVE_WARN,
	    "%s for senders at %s: %s (%s)", ip, domain, spf_result_str(result), text);
}

/* --- DKIM ----------------------------------------------------------------------------------------- */

static void
check_dkim(struct live *l, const struct dkim_key *key)
{
	bool rsa = tls_sign_key_type(key->key) == TLS_SIGN_RSA, testing = false;
	const char *prefix = arena_printf(&l->arena, "%s._domainkey", key->selector);
	struct buf public, text;
	struct txt txt;
	struct fail why;

	buf_init(&public, 65536);
	buf_init(&text, 131072);
	if (tls_sign_key_public(key->key, &public, &why) != 0 ||
	    txt_lookup(l->options->deliver->resolver, prefix, key->domain, &l->arena, &txt,
		deadline(l), &why) != 0) {
		tell(l, "dkim", LIVE_WARN, "%s.%s: %s", prefix, key->domain, why.text);
	} else if (txt.error != NULL) {
		tell(l, "dkim", LIVE_WARN, "%s.%s: %s", prefix, key->domain, txt.error);
	} else if (txt.n != 1) {
		tell(l, "dkim", LIVE_FAIL, "%s.%s has %s, so our signatures prove nothing", prefix,
		    key->domain, txt.n == 0 ? "no record" : "more than one record");
	} else {
		text_base64(slice_make(public.data, public.len), &text);
		const char *wrong = live_dkim_judge(
		    txt.texts[0], rsa ? "rsa" : "ed25519", buf_str(&text), &testing);
		tell(l, "dkim",
		    wrong != NULL ? LIVE_FAIL
		    : testing     ? LIVE_WARN
				  : LIVE_OK,
		    "%s.%s %s (%s)", prefix, key->domain,
		    wrong != NULL ? wrong
		    : testing     ? "has our key, but says that it is being tested (t=y)"
				  : "has our key",
		    key->file);
	}
	buf_free(&public);
	buf_free(&text);
}

const char *
live_dkim_judge(struct slice record, const char *key_type, const char *key, bool *testing_r)
{
	struct slice p = { 0 }, k = slice_str("rsa");
	bool has_p = false, version = true;
	size_t same = 0;

	while (record.n > 0) {
		struct slice tag = slice_trim(slice_cut(&record, ';'));
		size_t equals = slice_find(tag, '=');
		struct slice name = slice_trim(slice_sub(tag, 0, equals));
		struct slice value = slice_trim(slice_sub(tag, equals + 1, tag.n));
		if (slice_is(name, "p")) {
			p = value;
			has_p = true;
		} else if (slice_is(name, "k")) {
			k = value;
		} else if (slice_is(name, "v")) {
			version = slice_is(value, "DKIM1");
		} else if (slice_is(name, "t")) {
			while (value.n > 0)
				*testing_r |= slice_is(slice_trim(slice_cut(&value, ':')), "y");
		}
	}
	if (!version || !has_p)
		return "is no DKIM record (RFC 6376 s3.6.1)";
	if (p.n == 0)
		return "says that the key is revoked";
	if (!slice_is_case(k, key_type))
		return "has a key of another kind";
	for (size_t i = 0; i < p.n; i++) {
		if (p.p[i] == ' ' || p.p[i] == '\t')
			continue;
		if (key[same] == '\0' || key[same] != p.p[i])
			return "has another key than ours";
		same++;
	}
	return key[same] == '\0' ? NULL : "has another key than ours";
}

/* --- resolver, runner ----------------------------------------------------------------------------- */

static void
check_resolver(struct live *l)
{
	struct fail why;

	fail_clear(&why);
	if (dns_resolver_validates(l->options->deliver->resolver, deadline(l), &why) == TRI_YES)
		tell(l, "resolver", LIVE_OK, "the resolver validates DNSSEC: DANE can be used");
	else
		tell(l, "resolver", LIVE_WARN, "DANE is not used: %s", why.text);
}

static void
check_runner(struct live *l)
{
	if (l->options->spool == NULL) {
		tell(l, "runner", LIVE_WARN, "the queue: %s", l->options->spool_why);
		return;
	}
	int64_t last = spool_last_run(l->options->spool), age = clock_wall() - last;
	if (last == 0)
		tell(l, "runner", LIVE_FAIL,
		    "nobody has ever run the queue: what cannot be delivered at once stays; see "
		    "mxtls-queue(1)");
	else
		tell(l, "runner", age > RUNNER_SILENT_S ? LIVE_FAIL : LIVE_OK,
		    "the queue was run %" PRId64 " minutes ago", age < 0 ? 0 : age / 60);
}

/* --- rules ---------------------------------------------------------------------------------------- */

struct rule_walk {
	struct live *live;
	size_t seen, weaker, unknown;
};

/* What the rule leaves unused of what could be published. */
static bool
may_be_weaker(const struct rule *rule)
{
	if (level_needs_identity(rule->level) || rule->via_host != NULL)
		return false;
	return !level_uses_dane(rule->level) || !level_uses_sts(rule->level) || rule->no_dane ||
	       rule->no_sts;
}

static const char *
published(const struct explain *e, const struct rule *rule, struct arena *arena)
{
	bool dane = false;
	bool sts = e->sts != NULL && mtasts_is_enforced(e->sts);

	for (size_t i = 0; i < e->n; i++)
		dane |= e->hosts[i].tlsa != NULL && dane_needs_tls(e->hosts[i].tlsa->status);
	dane = dane && (!level_uses_dane(rule->level) || rule->no_dane);
	sts = sts && (!level_uses_sts(rule->level) || rule->no_sts);
	return !dane && !sts
		   ? NULL
		   : arena_printf(arena, "%s%s%s", dane ? "DANE" : "", dane && sts ? " and " : "",
			 sts ? "an enforced MTA-STS policy" : "");
}

static void
check_rule(void *ctx, const char *pattern, const struct rule *rule)
{
	struct rule_walk *walk = ctx;
	struct live *l = walk->live;
	struct deliver_options deliver = *l->options->deliver;
	struct explain_options options = { .deliver = &deliver };
	struct arena arena;
	struct explain e;
	struct fail why;

	/* which names there are below a domain nobody knows */
	if (pattern[0] == '.' || pattern[0] == '*' || !may_be_weaker(rule) || sched_stopping() ||
	    walk->seen++ >= LIVE_RULES_MAX)
		return;
	/* the same lookups as for level auto, whatever the policy says */
	struct rules *rules = rules_default();
	deliver.rules = rules;
	deliver.via = NULL;
	arena_init(&arena);
	if (explain(&options, pattern, &arena, &e, deadline(l), &why) != 0 ||
	    (e.why.code != FAIL_NONE && fail_is_temporary(&e.why))) {
		walk->unknown++;
	} else {
		const char *what = published(&e, rule, &arena);
		walk->weaker += what != NULL;
		if (what != NULL)
			tell(l, "rule", LIVE_WARN,
			    "%s: level %s%s%s is weaker than what %s publishes: %s", rule_str(rule),
			    level_str(rule->level), rule->no_dane ? " dane=no" : "",
			    rule->no_sts ? " sts=no" : "", pattern, what);
	}
	arena_free(&arena);
	rules_free(rules);
}

static void
check_rules(struct live *l)
{
	struct rule_walk walk = { .live = l };

	rules_each_pattern(l->options->deliver->rules, check_rule, &walk);
	if (walk.unknown > 0)
		tell(l, "rule", LIVE_WARN, "%zu domains of the policy cannot be looked up now",
		    walk.unknown);
	if (walk.seen > LIVE_RULES_MAX)
		tell(l, "rule", LIVE_WARN, "only the first %d domains of the policy were looked at",
		    LIVE_RULES_MAX);
	if (walk.unknown == 0 && walk.weaker == 0)
		tell(l, "rule", LIVE_OK,
		    "no rule is weaker than what its domain publishes (%zu looked at)", walk.seen);
}

/* -------------------------------------------------------------------------------------------------- */

enum live_state
live_check(const struct live_options *options)
{
	struct live l = { .options = options };

	arena_init(&l.arena);
	find_addresses(&l);
	check_name(&l);
	if (l.addrs_n == 0)
		tell(&l, "ptr", LIVE_WARN,
		    "no way out of this host, so neither PTR nor SPF can be looked at: --address");
	else if (options->maildomain == NULL)
		tell(&l, "spf", LIVE_WARN, "the domain of senders is not known: --maildomain");
	for (size_t i = 0; i < l.addrs_n; i++)
		check_ptr(&l, &l.addrs[i]);
	for (size_t i = 0; i < l.addrs_n && options->maildomain != NULL; i++)
		check_spf(&l, &l.addrs[i]);
	for (size_t i = 0; i < options->dkim->n; i++)
		check_dkim(&l, &options->dkim->keys[i]);
	if (options->dkim->n == 0)
		tell(&l, "dkim", LIVE_WARN,
		    "no key: mail is not signed, which big receivers want; dkim =");
	check_resolver(&l);
	check_runner(&l);
	check_rules(&l);
	arena_free(&l.arena);
	return l.worst;
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/send/credentials.h"
#include "app/send/explain.h"
#include "app/send/live.h"
#include "app/store/places.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "policy.h"
#include "policy/mtasts_cache.h"
#include "policy/sticky.h"
#include "tls/verify.h"

#define ROW(kind, member, ...) OPT_ROW(kind, struct policy_options, member, __VA_ARGS__)
static const struct opt policy_opts[] = {
	OPT_GROUP("Check"),
	ROW(FLAG, live, "live", 0, NULL,
	    "look at this host, too, as receivers of its mail do: name, SPF, DKIM, and more",
	    .not_in_file = true),
	ROW(STRS, addresses, "address", 0, "IP",
	    "this host's address as the net sees it (default: that of its connections)",
	    .not_in_file = true),
	ROW(STR, queue, "queue", 0, "DIR", "the queue (default: ~/.local/state/mxtls/queue)"),
	ROUTE_OPTS_DKIM(struct policy_options),

	OPT_GROUP("Explain"),
	ROW(FLAG, connect, "connect", 0, NULL,
	    "connect to every address, up to the handshake; nothing is sent", .not_in_file = true),
	ROW(FLAG, requiretls, "requiretls", 0, NULL,
	    "for a message that asks for REQUIRETLS (RFC 8689)", .not_in_file = true),
	ROW(FLAG, tls_required_no, "tls-required-no", 0, NULL,
	    "for a message with the field TLS-Required: No", .not_in_file = true),

	OPT_GROUP("Suggest"),
	ROW(STRS, logs, "log", 0, "FILE",
	    "the log of deliveries, as --log-format json writes it; - is standard input",
	    .not_in_file = true),
	ROW(INT, min_seen, "min-seen", 0, "N", "say nothing about what was seen less often",
	    .min = 1, .max = 1000000, .initial = "3", .not_in_file = true),
	ROW(FLAG, none, "none", 0, NULL, "propose level none for what never had TLS",
	    .not_in_file = true),

	OPT_GROUP("Reports about TLS"),
	ROW(STR, day, "day", 0, "DATE", "of this day, UTC, as 2026-01-31 (default: yesterday)",
	    .not_in_file = true),
	ROW(STRS, domains, "domain", 0, "DOMAIN", "only about this domain", .not_in_file = true),
	ROW(FLAG, plain, "plain", 0, NULL, "do not compress them"),
	ROW(STR, organization, "organization", 0, "NAME",
	    "who reports (default: the domain of this host's mail)"),
	ROW(STR, contact, "contact", 0, "ADDRESS",
	    "whom to ask about them (default: postmaster of that domain)"),
	ROW(STR, maildomain, "maildomain", 0, "DOMAIN",
	    "that domain (default: /etc/mailname, or this host's name)"),

	ROUTE_OPTS(struct policy_options),
	ROW(STR, config, "config", 0, "FILE", "settings (default: mxtls.conf of the configuration)",
	    .not_in_file = true),

	ROUTE_OPTS_CONNECTION(struct policy_options, "30s"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "give up after", .min = 1,
	    .initial = "3m"),
	ROUTE_OPTS_RESOLVER(struct policy_options),

	OPT_GROUP("Output"),
	ROW(FLAG, json, "json", 0, NULL, "one JSON object an address on standard output"),
	ROW(FLAG, route.verbose, "verbose", 'v', NULL, "show the SMTP dialogue on standard error"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "check [OPTION]... [FILE]",
	"explain [OPTION]... ADDRESS|DOMAIN...", "forget [OPTION]... DOMAIN...",
	"suggest [OPTION]... [SURVEY]...", "tlsrpt [OPTION]... [DIR]", NULL };

static const char *const actions[] = { "check", "explain", "forget", "suggest", "tlsrpt", NULL };

static const char *const examples[] = {
	"mxtls policy check policy",
	"Is the file understood, and can everything in it be used?",
	"mxtls policy check --live",
	"And will others take mail from this host?",
	"mxtls policy explain bob@example.com",
	"Which rule applies, what is published, what would happen at each host.",
	"mxtls policy explain --connect example.com",
	"The same with a handshake at each address.",
	"mxtls policy suggest --log mail.log survey.ndjson",
	"Which domains could have a stronger level, by what was seen of them.",
	"mxtls policy tlsrpt reports",
	"Write what yesterday's sessions were like, for those who want to know (RFC 8460).",
	NULL,
};

/* --- check ----------------------------------------------------------------------------------------- */

/* Whether what a rule names can be used: certificates, keys, credentials. */
static int
check_rule(const struct rule *rule, struct arena *arena, struct fail *why)
{
	struct credentials unused;

	if (rule->ca_file != NULL) {
		struct tls_trust *trust = tls_trust_new(rule->ca_file, NULL, why);
		if (trust == NULL)
			return -1;
		tls_trust_free(trust);
	}
	if (rule->client_cert != NULL) {
		struct tls_client_options tls = { .cert_file = rule->client_cert };
		struct tls_ctx *ctx = tls_ctx_client(&tls, why);
		if (ctx == NULL)
			return -1;
		tls_ctx_free(ctx);
	}
	return rule->auth == NULL ? 0 : credentials_load(rule->auth, arena, &unused, why);
}

static void
count_pattern(void *ctx, const char *text, const struct rule *rule)
{
	(void)text, (void)rule;
	++*(size_t *)ctx;
}

static void
tell_good(const struct policy_options *options, const char *text)
{
	if (options->json)
		policy_check_json(&(struct live_line){ "policy", LIVE_OK, text });
	else
		printf("%s\n", text);
}

static int
tell_bad(const struct policy_options *options, const struct fail *why)
{
	if (options->json)
		policy_check_json(&(struct live_line){ "policy", LIVE_FAIL, why->text });
	return command_fail(&cmd_policy, why);
}

static void
tell_warnings(const struct policy_options *options, const struct strs *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		if (options->json)
			policy_check_json(
			    &(struct live_line){ "policy", LIVE_WARN, warnings->v[i] });
		else
			fprintf(stderr, "mxtls policy: warning: %s\n", warnings->v[i]);
}

static int
check(const struct policy_options *options, const struct strs *operands, struct arena *arena)
{
	const char *path = operands->n > 1 ? operands->v[1] : options->route.policy;
	struct fail why;
	struct rules *rules;
	size_t n, patterns = 0;
	int status = EX_OK;

	if (operands->n > 2)
		return command_usage_error(&cmd_policy, "check takes one file");
	if (path == NULL && (path = places_config("policy", arena)) == NULL) {
		tell_good(options, "there is no policy file: level auto for every domain");
		return EX_OK;
	}
	if ((rules = rules_load(path, &why)) == NULL)
		return tell_bad(options, &why);
	const struct rule *const *list = rules_list(rules, &n);
	for (size_t i = 0; i < n; i++) {
		if (check_rule(list[i], arena, &why) == 0)
			continue;
		fail_prefix(&why, "%s", rule_str(list[i]));
		status = tell_bad(options, &why);
	}
	tell_warnings(options, rules_warnings(rules));
	rules_each_pattern(rules, count_pattern, &patterns);
	if (status == EX_OK)
		tell_good(options,
		    arena_printf(arena,
			"%s: good: %zu policies for %zu patterns of domains; all others: %s, %s",
			path, n, patterns, level_str(rules_fallback(rules)->level),
			rule_str(rules_fallback(rules))));
	rules_free(rules);
	return status;
}

static int
check_live(const struct policy_options *options, const struct strs *operands, struct arena *arena)
{
	struct policy_options o = *options;
	int status = check(options, operands, arena);

	if (operands->n > 1)
		o.route.policy = operands->v[1];
	return status == EX_OK && options->live ? policy_live(&o, arena) : status;
}

/* --- explain --------------------------------------------------------------------------------------- */

struct explain_job {
	const struct policy_options *options;
	const struct strs *operands;
	struct explain_options explain;
	int status;
};

static int
worse(int a, int b)
{
	if (a == EX_TEMPFAIL || b == EX_TEMPFAIL)
		return EX_TEMPFAIL;
	return a == EX_OK ? b : b == EX_OK || a == b ? a : EX_UNAVAILABLE;
}

static void
explain_one(struct explain_job *job, const char *text, struct buf *out)
{
	struct arena arena;
	struct explain e;
	struct fail why;

	arena_init(&arena);
	buf_reset(out);
	if (explain(&job->explain, text, &arena, &e, clock_deadline(job->options->deadline_ms),
		&why) != 0) {
		fail_prefix(&why, "%s", text);
		job->status = worse(job->status, command_fail(&cmd_policy, &why));
	} else {
		if (job->options->json)
			explain_json(&e, out);
		else
			explain_text(&e, out);
		printf("%s%s", buf_str(out), job->options->json ? "\n" : "");
		job->status = worse(job->status, e.exit_status);
	}
	arena_free(&arena);
}

static void
explain_main(void *arg)
{
	struct explain_job *job = arg;
	struct buf out;

	signals_stop_on(1000);
	buf_init(&out, LIMIT_RECORD_BYTES);
	for (size_t i = 1; i < job->operands->n && !ferror(stdout); i++)
		explain_one(job, job->operands->v[i], &out);
	buf_free(&out);
}

static int
explain_all(const struct policy_options *o, const struct strs *operands, struct arena *arena)
{
	struct route_options r = o->route;
	struct route route;
	struct fail why;

	if (operands->n < 2)
		return command_usage_error(
		    &cmd_policy, "explain what? Expected addresses or domains");
	r.read_only = true;
	if (route_open(&route, &r, arena, &why) != 0)
		return command_fail(&cmd_policy, &why);
	struct explain_job job = { .options = o,
		.operands = operands,
		.explain = { .deliver = &route.deliver,
		    .connect = o->connect,
		    .require_tls = o->requiretls,
		    .tls_required_no = o->tls_required_no } };
	sched_run(explain_main, &job);
	route_close(&route);
	return job.status;
}

/* --- forget ---------------------------------------------------------------------------------------- */

/* What sticky=yes has seen; nothing is said where there was nothing. */
static int
forget_sticky(const char *dir, const struct strs *operands, struct arena *arena)
{
	struct fail why;

	if (dir == NULL || access(dir, F_OK) != 0)
		return EX_OK;
	struct sticky_store *store = sticky_new(dir, false);
	int status = EX_OK;
	for (size_t i = 1; i < operands->n; i++) {
		const char *domain = dns_name_normalize(operands->v[i], arena, NULL);
		int found = domain == NULL ? 0 : sticky_forget(store, domain, &why);
		if (found < 0)
			status = command_fail(&cmd_policy, &why);
		else if (found > 0)
			printf("%s: what was seen of it forgotten\n", domain);
	}
	sticky_free(store);
	return status;
}

static int
forget(const struct strs *operands, struct arena *arena)
{
	struct fail why;
	const char *dir = places_state("sts", arena, &why);
	const char *sticky_dir = places_state("sticky", arena, NULL);
	struct mtasts_cache *cache;
	int status = EX_OK;

	if (operands->n < 2)
		return command_usage_error(&cmd_policy, "forget what? Expected domains");
	if (dir == NULL || (cache = mtasts_cache_open(dir, false, &why)) == NULL)
		return command_fail(&cmd_policy, &why);
	for (size_t i = 1; i < operands->n; i++) {
		const char *domain = dns_name_normalize(operands->v[i], arena, &why);
		int found = domain == NULL ? -1 : mtasts_cache_forget(cache, domain, &why);
		if (found < 0)
			status = command_fail(&cmd_policy, &why);
		else
			printf("%s: %s\n", domain,
			    found ? "MTA-STS policy forgotten"
				  : "no MTA-STS policy was remembered");
	}
	mtasts_cache_free(cache);
	int other = forget_sticky(sticky_dir, operands, arena);
	return status == EX_OK ? other : status;
}

static int
policy_run(const void *arg, const struct strs *operands)
{
	const struct policy_options *options = arg;
	const char *action = operands->n > 0 ? operands->v[0] : NULL;
	struct arena arena;
	int status;

	if (action == NULL)
		return command_usage_error(
		    &cmd_policy, "no action: expected check, explain, forget, suggest or tlsrpt");
	arena_init(&arena);
	tls_init();
	if (strcmp(action, "check") == 0)
		status = check_live(options, operands, &arena);
	else if (strcmp(action, "explain") == 0)
		status = explain_all(options, operands, &arena);
	else if (strcmp(action, "forget") == 0)
		status = forget(operands, &arena);
	else if (strcmp(action, "suggest") == 0)
		status = policy_suggest(options, operands, &arena);
	else if (strcmp(action, "tlsrpt") == 0)
		status = policy_tlsrpt(options, operands, &arena);
	else
		status = command_usage_error(&cmd_policy,
		    "unknown action \"%.40s\": expected check, explain, forget, suggest or tlsrpt",
		    action);
	arena_free(&arena);
	return status;
}

const struct command cmd_policy = {
	.name = "policy",
	.summary = "check the TLS policy, and tell what it means for an address",
	.usage = usage,
	.description =
	    "check reads a policy file and everything that it names, and with --live looks at this "
	    "host. explain tells for addresses "
	    "or domains which rule applies, what they publish (DANE, MTA-STS), and what would "
	    "happen at each of their hosts; nothing is sent. forget drops remembered MTA-STS "
	    "policies, and what sticky=yes has seen. suggest proposes lines by what surveys and "
	    "the delivery log tell. tlsrpt "
	    "shows what the sessions of a day were like, or writes the reports "
	    "about it that domains ask for.",
	.opts = policy_opts,
	.options_size = sizeof(struct policy_options),
	.config = true,
	.order = OPT_ANYWHERE,
	.operand_words = actions,
	.examples = examples,
	.run = policy_run,
};

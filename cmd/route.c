#include "route.h"

#include <unistd.h>

#include "app/identity.h"
#include "app/message/masquerade.h"
#include "app/queue/system.h"
#include "app/send/credentials.h"
#include "app/store/places.h"
#include "command.h"
#include "net/helo.h"
#include "policy/mtasts_cache.h"
#include "policy/mx.h"
#include "tls/verify.h"

/* The policy: a file that is named or lies where it belongs; any error in it and nothing is sent. */
static int
load_policy(
    struct route *route, const struct route_options *options, struct arena *arena, struct fail *why)
{
	const char *path = options->policy;

	if (path == NULL)
		path = places_config("policy", arena);
	if (options->store_only && options->no_policy)
		path = NULL;
	route->rules = path == NULL ? rules_default() : rules_load(path, why);
	return route->rules == NULL ? -1 : 0;
}

static bool
is_address(const struct rule *via)
{
	struct addr a;

	return via->via_brackets && addr_parse_ip(slice_str(via->via_host), 0, &a);
}

/* Certificates that were named must be there, whether this message needs them or not. */
static int
check_trust(const struct route_options *options, struct fail *why)
{
	if (options->ca_file == NULL && options->ca_dir == NULL)
		return 0;
	struct tls_trust *trust = tls_trust_new(options->ca_file, options->ca_dir, why);
	if (trust == NULL)
		return -1;
	tls_trust_free(trust);
	return 0;
}

/* Read once for its errors; the delivery reads it again. */
static int
check_credentials(const char *path, struct arena *arena, struct fail *why)
{
	struct credentials unused;

	return credentials_load(path, arena, &unused, why);
}

/* Which domains are this host's, and where their mail goes. */
static int
set_up_local(
    struct route *route, const struct route_options *options, struct arena *arena, struct fail *why)
{
	if (options->local != NULL && local_parse(options->local, arena, &route->local, why) != 0)
		return fail_prefix(why, "option --local");
	route->local.aliases = options->aliases;
	route->local.alias_user = options->alias_user;
	route->local.alias_programs = options->alias_programs;
	route->local.alias_files = options->alias_files;
	masquerade_names(NULL, arena, &route->local.domains);
	for (size_t i = 0; i < options->local_domains.n; i++) {
		const char *name = dns_name_normalize(options->local_domains.v[i], arena, why);
		if (name == NULL)
			return fail_prefix(why, "option --local-domain");
		strs_add(&route->local.domains, arena, name);
	}
	route->deliver.local = &route->local;
	return 0;
}

static int
set_up(
    struct route *route, const struct route_options *options, struct arena *arena, struct fail *why)
{
	struct deliver_options *d = &route->deliver;

	if (options->via != NULL) {
		if (rule_via_parse(slice_str(options->via), arena, &route->via, why) != 0)
			return fail_prefix(why, "option --via");
		route->via.auth = options->auth;
		d->via = &route->via;
	} else if (options->auth != NULL) {
		return fail_set(why, FAIL_USAGE, "option --auth needs --via");
	}
	if (options->auth != NULL && check_credentials(options->auth, arena, why) != 0)
		return -1;
	if (set_up_local(route, options, arena, why) != 0)
		return -1;
	if (dkim_open(&route->dkim, &options->dkim, arena, why) != 0)
		return fail_prefix(why, "option --dkim");
	d->dkim = &route->dkim;
	d->rules = route->rules;
	d->ca_file = options->ca_file;
	d->ca_dir = options->ca_dir;
	if (check_trust(options, why) != 0)
		return -1;
	d->port = (uint16_t)options->port;
	d->throttle_dir = places_state("throttle", arena, NULL);
	d->timeout_ms = options->timeout_ms;
	d->verbose = options->verbose;
	d->seed = mx_seed();
	d->helo = options->helo != NULL ? helo_parse(options->helo, arena, why)
					: identity_hostname(arena);
	if (options->helo != NULL && d->helo == NULL)
		return fail_prefix(why, "option --helo");
	if (options->store_only && options->resolvers.n == 0)
		return 0;
	/* a smarthost given by its address asks no DNS: no resolv.conf is no reason to fail then */
	if (d->via != NULL && is_address(d->via) && options->resolvers.n == 0)
		return 0;
	return command_resolver(&options->resolvers, options->trust_ad, arena, &d->resolver, why);
}

/*
 * Policies are kept beside the queue, and results for reports. Who asks another resolver, or believes other
 * certificates, may see other policies than everybody else, so he leaves the shared ones as they are (DECISIONS A7).
 */
static int
set_up_sts(
    struct route *route, const struct route_options *options, struct arena *arena, struct fail *why)
{
	bool own_view = options->resolvers.n > 0 || options->trust_ad || options->ca_file != NULL ||
			options->ca_dir != NULL || options->read_only;
	struct mtasts_options sts = { .resolver = route->deliver.resolver };
	const char *dir = places_state("sts", arena, NULL);
	const char *sticky = places_state("sticky", arena, NULL);

	if (sticky != NULL)
		route->deliver.sticky = route->sticky = sticky_new(sticky, own_view);
	if (route->deliver.resolver == NULL)
		return 0;
	if (!own_view)
		route->deliver.tlsrpt_dir = places_state("tlsrpt", arena, NULL);
	route->trust = tls_trust_new(options->ca_file, options->ca_dir, why);
	if (route->trust == NULL)
		return -1;
	/* without a place for it nothing was ever remembered; one that cannot be read is no reason to forget */
	if (dir != NULL)
		route->cache = mtasts_cache_open(dir, own_view, why);
	if (dir != NULL && route->cache == NULL && access(dir, F_OK) == 0)
		return -1;
	route->http = http_new(
	    &(struct http_options){ .resolver = route->deliver.resolver, .trust = route->trust });
	sts.http = route->http;
	sts.store = route->cache == NULL ? NULL : mtasts_cache_store(route->cache);
	route->deliver.mtasts = mtasts_new(&sts);
	return 0;
}

int
route_open(
    struct route *route, const struct route_options *options, struct arena *arena, struct fail *why)
{
	*route = (struct route){ 0 };
	if (load_policy(route, options, arena, why) == 0 &&
	    set_up(route, options, arena, why) == 0 &&
	    (options->store_only || set_up_sts(route, options, arena, why) == 0))
		return 0;
	route_close(route);
	return -1;
}

int
route_reload_policy(struct route *route, const struct route_options *options, struct fail *why)
{
	struct rules *old = route->rules;
	struct arena arena;

	arena_init(&arena);
	int rc = load_policy(route, options, &arena, why);
	arena_free(&arena);
	if (rc != 0) {
		route->rules = old;
		return -1;
	}
	rules_free(old);
	route->deliver.rules = route->rules;
	return 0;
}

void
route_close(struct route *route)
{
	mtasts_free(route->deliver.mtasts);
	http_free(route->http);
	mtasts_cache_free(route->cache);
	sticky_free(route->sticky);
	tls_trust_free(route->trust);
	dns_resolver_free(route->deliver.resolver);
	rules_free(route->rules);
	dkim_close(&route->dkim);
	*route = (struct route){ 0 };
}

int
route_spool(struct spool *spool, const char *path, struct arena *arena, struct fail *why)
{
	if (path == NULL && system_mode())
		path = SYSTEM_SPOOL;
	if (path == NULL && (path = places_state("queue", arena, why)) == NULL)
		return -1;
	return spool_open(spool, path, why);
}

void
route_work(struct queue_work *work, struct spool *spool, const struct route *route,
    const char *maildomain, struct arena *arena)
{
	const char *host = route->deliver.helo;

	if (host == NULL)
		host = identity_nodename(arena);
	if (maildomain == NULL)
		maildomain = identity_maildomain(arena);
	*work = (struct queue_work){ .spool = spool,
		.deliver = route->deliver,
		.host = host,
		.domain = maildomain != NULL ? maildomain : host,
		.lifetime_s = QUEUE_LIFETIME_S,
		.delay_notice_s = QUEUE_DELAY_NOTICE_S };
}

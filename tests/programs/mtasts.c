/*
 * Policies as a sender finds them, with a cache that stays:
 *
 *   mtasts [-c CACHE-DIR] [-r] [-a] [-C CA-FILE] [-m MX] DOMAIN...
 *
 * Prints "DOMAIN status mode cached|fetched|- reason" for each; with -m also whether the policy names
 * that host. -r: the cache is only read; -a: ask anew, whatever failed a moment ago. Asks the
 * resolver of resolv.conf. Exit status 0, 75 when a lookup failed so that a sender would defer.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/sched.h"
#include "policy/mtasts_cache.h"

struct run {
	struct mtasts *mtasts;
	char **domains;
	unsigned flags;
	const char *mx;
	int status;
};

static void
look(void *arg)
{
	struct run *run = arg;

	for (char **domain = run->domains; *domain != NULL; domain++) {
		struct sts_facts facts;
		struct arena arena;
		struct fail why;
		arena_init(&arena);
		if (mtasts_lookup(run->mtasts, *domain, run->flags, &arena, &facts,
			clock_deadline(20000), &why) != 0) {
			printf("%s failed %s %s\n", *domain, fail_info(why.code)->token, why.text);
			run->status = 75;
		} else {
			printf("%s %s %s %s %s%s\n", *domain, sts_status_str(facts.status),
			    sts_mode_str(facts.mode),
			    facts.status != STS_VALID ? "-"
			    : facts.cached            ? "cached"
						      : "fetched",
			    facts.reason == NULL ? "" : facts.reason,
			    run->mx == NULL                         ? ""
			    : mtasts_mx_matches(&facts.mx, run->mx) ? " named"
								    : " not named");
		}
		arena_free(&arena);
	}
}

int
main(int argc, char **argv)
{
	const char *cache_dir = NULL, *ca_file = NULL;
	struct run run = { .flags = 0 };
	bool read_only = false;
	struct fail why = { .code = FAIL_NONE };
	int c;

	while ((c = getopt(argc, argv, "c:raC:m:")) != -1) {
		if (c == 'c')
			cache_dir = optarg;
		else if (c == 'C')
			ca_file = optarg;
		else if (c == 'm')
			run.mx = optarg;
		else if (c == 'r')
			read_only = true;
		else if (c == 'a')
			run.flags = MTASTS_AGAIN;
		else
			return 64;
	}
	struct mtasts_cache *cache =
	    cache_dir == NULL ? NULL : mtasts_cache_open(cache_dir, read_only, &why);
	struct dns_resolver *resolver = dns_resolver_new(&(struct dns_options){ .n = 0 }, &why);
	struct tls_trust *trust = tls_trust_new(ca_file, NULL, &why);
	if ((cache_dir != NULL && cache == NULL) || resolver == NULL || trust == NULL) {
		fprintf(stderr, "mtasts: %s\n", why.text);
		return 71;
	}
	struct http *http =
	    http_new(&(struct http_options){ .resolver = resolver, .trust = trust });
	run.mtasts = mtasts_new(&(struct mtasts_options){ .resolver = resolver,
	    .http = http,
	    .store = cache == NULL ? NULL : mtasts_cache_store(cache),
	    .timeout_ms = 5000 });
	run.domains = argv + optind;
	sched_run(look, &run);
	mtasts_free(run.mtasts);
	http_free(http);
	tls_trust_free(trust);
	dns_resolver_free(resolver);
	mtasts_cache_free(cache);
	return run.status;
}

#ifndef ROUTE_H
#define ROUTE_H

#include "app/local.h"
#include "app/queue_work.h"
#include "base/arena.h"
#include "policy/rules.h"

/* The way of mail out of this host, as options and mxtls.conf describe it: for send and for the queue. */
struct route_options {
	const char *policy, *via, *auth, *helo, *ca_file, *ca_dir; /* NULL: not given */
	const char *local;         /* where mail for users of this host goes; NULL: it is kept */
	struct strs local_domains; /* beside localhost and this host's name */
	struct strs resolvers;     /* ADDR[:PORT] each */
	int64_t port, timeout_ms;
	bool trust_ad, verbose;
	bool read_only; /* MTA-STS policies that are fetched are not remembered */
};

struct route {
	struct rules *rules;
	/* for MTA-STS policies */
	struct tls_trust *trust;
	struct http *http;
	struct mtasts_cache *cache;
	struct rule via;
	struct local local;
	struct deliver_options deliver; /* points into the route, which must not move */
};

/*
 * Read the policy, look at the certificates, make the resolver. Everything lives in arena or in the route.
 * On failure there is nothing to close. Fails with POLICY_FILE, USAGE, CONFIG, TLS_CONFIG, DNS_NAME.
 */
int route_open(struct route *route, const struct route_options *options, struct arena *arena,
    struct fail *why);
void route_close(struct route *route);

/*
 * Open the spool: path, or the user's own where NULL. Fails as spool_open.
 */
int route_spool(struct spool *spool, const char *path, struct arena *arena, struct fail *why);

/* What working on the queue needs. helo and maildomain: as given, NULL: the host's. */
void route_work(struct queue_work *work, struct spool *spool, const struct route *route,
    const char *maildomain, struct arena *arena);

#endif

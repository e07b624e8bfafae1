#ifndef ROUTE_H
#define ROUTE_H

#include "app/message/dkim.h"
#include "app/queue/work.h"
#include "app/store/local.h"
#include "base/arena.h"
#include "base/opt.h"
#include "policy/rules.h"

/* The way of mail out of this host, as options and mxtls.conf describe it: for send and for the queue. */
struct route_options {
	const char *policy, *via, *auth, *helo, *ca_file, *ca_dir; /* NULL: not given */
	const char *local; /* where mail for users of this host goes; NULL: it is kept */
	const char *aliases, *alias_user;
	bool alias_programs, alias_files;
	struct strs dkim;          /* "DOMAIN SELECTOR FILE" each */
	struct strs local_domains; /* beside localhost and this host's name */
	struct strs resolvers;     /* ADDR[:PORT] each */
	int64_t port, timeout_ms;
	bool trust_ad, verbose;
	bool read_only;  /* MTA-STS policies that are fetched are not remembered */
	bool store_only; /* nothing is delivered: options are checked, and that is all */
	bool no_policy;  /* with store_only: the policy is not even read */
};

/*
 * Their rows in the option table of a command whose struct s has them as its member route. timeout: the
 * default of --timeout.
 */
#define ROUTE_OPTS(s) \
	OPT_GROUP("Route and policy"), \
	    OPT_ROW(STR, s, route.policy, "policy", 0, "FILE", \
		"TLS policy (default: that of the configuration)"), \
	    OPT_ROW(STR, s, route.via, "via", 0, "HOST:PORT", \
		"hand all mail to this smarthost; [HOST] looks up no MX"), \
	    OPT_ROW(STR, s, route.auth, "auth", 0, "FILE", \
		"log in there with the credentials in FILE, once the server has proved who it " \
		"is"), \
	    OPT_ROW(INT, s, route.port, "port", 0, "PORT", "TCP port of MX hosts", .min = 1, \
		.max = 65535, .initial = "25"), \
	    OPT_ROW(STR, s, route.ca_file, "ca-file", 0, "FILE", \
		"trust the root certificates in FILE (PEM)"), \
	    OPT_ROW(STR, s, route.ca_dir, "ca-dir", 0, "DIR", \
		"trust the root certificates in DIR (hashed names)")
#define ROUTE_OPTS_DKIM(s) \
	OPT_ROW(STRS, s, route.dkim, "dkim", 0, "KEY", \
	    "sign mail from DOMAIN by DKIM: \"DOMAIN SELECTOR FILE\", a private key (PEM)")
#define ROUTE_OPTS_LOCAL(s) \
	OPT_ROW(STR, s, route.aliases, "aliases", 0, "FILE", "who gets whose mail", \
	    .initial = "/etc/aliases"), \
	    OPT_ROW(FLAG, s, route.alias_files, "alias-files", 0, NULL, \
		"/FILE and :include:FILE count in an alias file that only root may write to"), \
	    OPT_ROW(FLAG, s, route.alias_programs, "alias-programs", 0, NULL, \
		"|COMMAND counts in an alias file that only root may write to"), \
	    OPT_ROW(STR, s, route.alias_user, "alias-user", 0, "USER", \
		"who runs programs and writes files of aliases", .initial = "nobody"), \
	    OPT_ROW(STR, s, route.local, "local", 0, "WHERE", \
		"users' mailboxes: mbox[:DIR], maildir[:DIR], lmtp:unix:PATH or " \
		"lmtp:ADDRESS:PORT"), \
	    OPT_ROW(STRS, s, route.local_domains, "local-domain", 0, "DOMAIN", \
		"mail to it is for users, as that to localhost and this host's name")
#define ROUTE_OPTS_BOUNDS(s) \
	OPT_ROW(INT, s, bounds.messages, "queue-max-messages", 0, "N", \
	    "take no more when so many wait; 0: no limit", .min = 0, .max = INT32_MAX, \
	    .initial = "200000"), \
	    OPT_ROW(SIZE, s, bounds.bytes, "queue-max-bytes", 0, "SIZE", \
		"take no more when so much waits; 0: no limit", .initial = "20G"), \
	    OPT_ROW(SIZE, s, bounds.min_free, "queue-min-free", 0, "SIZE", \
		"take no more when less is free on its disk, or a twentieth of it", \
		.initial = "16M")
#define ROUTE_OPTS_CONNECTION(s, timeout) \
	OPT_GROUP("Connections"), \
	    OPT_ROW(STR, s, route.helo, "helo", 0, "NAME", \
		"name to greet with (default: this host's full name)"), \
	    OPT_ROW(DURATION, s, route.timeout_ms, "timeout", 0, "TIME", \
		"wait for one reply at most", .min = 1, .initial = timeout)
#define ROUTE_OPTS_RESOLVER(s) \
	OPT_ROW(STRS, s, route.resolvers, "resolver", 0, "ADDRESS[:PORT]", \
	    "ask this resolver (default: those of /etc/resolv.conf)"), \
	    OPT_ROW(FLAG, s, route.trust_ad, "trust-ad", 0, NULL, \
		"believe the resolver that it validated DNSSEC, although it is not on this host")

struct route {
	struct rules *rules;
	/* for MTA-STS policies */
	struct tls_trust *trust;
	struct http *http;
	struct mtasts_cache *cache;
	struct sticky_store *sticky;
	struct rule via;
	struct local local;
	struct dkim dkim;
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
 * Read the policy anew, for a process that stays: the file that options name, or the one that lies where it belongs
 * now. On failure the old one stays in the route, and nobody should deliver by it: what the new one was to say is not
 * known. Fails with POLICY_FILE.
 */
int route_reload_policy(struct route *route, const struct route_options *options, struct fail *why);

/*
 * Open the spool: path, or where NULL the system's or the user's own (app/queue/system.h; system_enter goes before). Fails as spool_open.
 */
int route_spool(struct spool *spool, const char *path, struct arena *arena, struct fail *why);

/* What working on the queue needs. helo and maildomain: as given, NULL: the host's. */
void route_work(struct queue_work *work, struct spool *spool, const struct route *route,
    const char *maildomain, struct arena *arena);

#endif

#ifndef DNS_RESOLVCONF_H
#define DNS_RESOLVCONF_H

#include "dns/dns.h"

/*
 * resolv.conf(5): which resolvers, how long, how often. Lines other than nameserver and options
 * (search, domain, sortlist) do not concern us: names are never relative here.
 */

#define RESOLVCONF_SERVERS 3 /* resolv.conf(5), MAXNS: libc ignores more */
#define RESOLVCONF_ZONE_BYTES 16

struct resolvconf {
	struct addr servers[RESOLVCONF_SERVERS];
	/* interface of a link-local address ("fe80::1%eth0"), "" without; resolvconf_load looks it up */
	char zones[RESOLVCONF_SERVERS][RESOLVCONF_ZONE_BYTES];
	size_t n;
	int64_t timeout_ms; /* options timeout:N (1 to 30 s), -1 without */
	int attempts;       /* options attempts:N (1 to 5), -1 without */
	bool trust_ad;
};

/*
 * Pure: read the text of the file, as libc does: what it does not know is passed over, a
 * nameserver that is no address too. Without any the server is 127.0.0.1.
 */
void resolvconf_parse(struct slice text, struct resolvconf *rc_r);

/*
 * Read the file; may block, so only before the loop starts. A missing default file is an empty one.
 * path     NULL: /etc/resolv.conf
 * Fails with CONFIG.
 */
int resolvconf_load(const char *path, struct resolvconf *rc_r, struct fail *why);

#endif

#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"
#include "dns/dns.h"
#include "tls/verify.h"

/*
 * HTTPS requests, from a fiber or outside of one. This folder is the only user of libcurl, and
 * opens it with dlopen on the first request: whoever makes none does not pay for it, and it may be
 * missing. What a request never does: follow a redirect, go through a proxy, speak anything but
 * HTTPS, read .netrc or cookies, ask another DNS than the resolver given, connect to a private
 * address (DECISIONS A9), or believe a certificate that is not trusted or does not name the host by a
 * subject alternative name.
 *
 * Servers are asked by at most LIMIT_HTTP_PER_SERVER requests at once; many host names that are aliases
 * of one, or have one address, are one server. Waiting for that counts against no time limit.
 */
struct http;

struct http_options {
	struct dns_resolver *resolver;
	const struct tls_trust *trust; /* whose CA certificates count */
	int family;                    /* 0 both, 4 or 6: of the addresses to connect to */
	bool allow_private;
	uint16_t port; /* 0: 443 */
};

/* Nothing is opened or sent yet. Both pointers must outlive it. */
struct http *http_new(const struct http_options *options);
/*
 * Who is not to be asked: refuse is called for each host and what it is an alias of (addr NULL), and
 * for each of its addresses (name NULL); must not wait.
 */
typedef bool http_refuse_fn(const void *ctx, const char *name, const struct addr *addr);
void http_refuse(struct http *http, http_refuse_fn *refuse, const void *ctx);
/* No request may be under way. NULL is allowed. */
void http_free(struct http *http);

struct http_request {
	const char *host;   /* A-labels, without trailing dot */
	const char *path;   /* begins with a slash; printable ASCII without space */
	size_t max_bytes;   /* of the body */
	int64_t timeout_ms; /* from the connection on */
};

struct http_reply {
	int status;               /* 200, 404, ... */
	const char *content_type; /* NULL: none was sent. Remote bytes */
	struct slice body;        /* remote bytes; empty unless the status is 200 */
	const char *location;     /* where a redirect points, else NULL. Remote bytes */
	const char *ip;           /* who answered, "" when nobody did */
	/* from when until when the server's certificate is valid, Unix seconds; 0 unknown */
	int64_t cert_starts, cert_expires;
	double duration_s; /* from the connection on */
};

/*
 * GET https://host/path. Every complete reply is 0, whatever its status; all of it lives in arena.
 *
 * reply_r   ip and duration_s are set after a failure, too, where there was a connection
 * deadline  for looking the host up, and for all of it
 * Fails with HTTP (libcurl not installed; refused, closed, no TLS; body or header too big; no
 * address), HTTP_CERT, CONNECT_PRIVATE (also: refused), TIMEOUT, CANCELLED, DNS_* (the lookup of the host failed).
 */
int http_get(struct http *http, const struct http_request *request, struct arena *arena,
    struct http_reply *reply_r, int64_t deadline, struct fail *why);

#endif

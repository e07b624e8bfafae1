#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include "base/limits.h"
#include "base/map.h"
#include "http/curl.h"
#include "http/http.h"
#include "io/addr.h"
#include "io/gate.h"

/* The parts of this folder among themselves. */

#define HTTP_ADDRESSES 8 /* of a host: more are of no use within a minute */

struct http_session;

struct http {
	struct http_options options;
	http_refuse_fn *refuse; /* NULL: nobody is refused */
	const void *refuse_ctx;
	struct map servers; /* struct http_server by its name, while somebody is there or waits */
	struct http_session *idle[LIMIT_HTTP_SESSIONS];
	size_t idle_n;
};

/* Where a request goes to. */
struct http_target {
	struct addr addrs[HTTP_ADDRESSES];
	size_t n;
	char server[LIMIT_DOMAIN_BYTES + 1]; /* what the requests of one server have in common */
};

/* Look the host up, leave out what may not be connected to. Fails as http_get. */
int http_resolve(const struct http *http, const char *host, struct http_target *target_r,
    int64_t deadline, struct fail *why);

/* One request, to an address of target. */
int http_transfer(struct http *http, const struct http_request *request,
    const struct http_target *target, struct arena *arena, struct http_reply *reply_r,
    int64_t deadline, struct fail *why);

void http_session_free(struct http_session *session);

#endif

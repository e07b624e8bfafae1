#include "http/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/internal.h"

struct http_server {
	struct gate gate;
	unsigned users;
};

struct http *
http_new(const struct http_options *options)
{
	struct http *http = mem_alloc(sizeof(*http));

	http->options = *options;
	map_init(&http->servers);
	return http;
}

void
http_refuse(struct http *http, http_refuse_fn *refuse, const void *ctx)
{
	http->refuse = refuse;
	http->refuse_ctx = ctx;
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	while (http->idle_n > 0)
		http_session_free(http->idle[--http->idle_n]);
	map_free(&http->servers);
	free(http);
}

static struct http_server *
server_hold(struct http *http, struct slice name)
{
	struct http_server *server = map_get(&http->servers, name);

	if (server == NULL) {
		server = mem_alloc(sizeof(*server));
		gate_init(&server->gate, LIMIT_HTTP_PER_SERVER);
		map_set(&http->servers, name, server);
	}
	server->users++;
	return server;
}

static void
server_release(struct http *http, struct slice name, struct http_server *server)
{
	if (--server->users > 0)
		return;
	map_remove(&http->servers, name);
	free(server);
}

int
http_get(struct http *http, const struct http_request *request, struct arena *arena,
    struct http_reply *reply, int64_t deadline, struct fail *why)
{
	struct http_target target;
	int result = -1;

	*reply = (struct http_reply){ .ip = "", .duration_s = -1 };
	/* before anything is asked: without libcurl it would be for nothing */
	if (curl_open(why) == NULL ||
	    http_resolve(http, request->host, &target, deadline, why) != 0)
		return -1;
	struct http_server *server = server_hold(http, slice_str(target.server));
	if (gate_enter(&server->gate, DEADLINE_NEVER, why) == 0) {
		result = http_transfer(http, request, &target, arena, reply, deadline, why);
		gate_leave(&server->gate);
	}
	server_release(http, slice_str(target.server), server);
	return result;
}

#include <string.h>
#include <sysexits.h>

#include "app/identity.h"
#include "app/queue/system.h"
#include "app/send/live.h"
#include "base/json.h"
#include "base/limits.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "policy.h"

/* policy check --live: what receivers of our mail look at. */

struct job {
	const struct policy_options *options;
	struct live_options live;
	enum live_state worst;
};

void
policy_check_json(const struct live_line *line)
{
	struct buf out;
	struct json j;

	buf_init(&out, LIMIT_RECORD_BYTES);
	json_init(&j, &out);
	json_object_begin(&j);
	json_key(&j, slice_str("check"));
	json_put_str(&j, line->check);
	json_key(&j, slice_str("status"));
	json_put_str(&j, live_state_str(line->state));
	json_key(&j, slice_str("text"));
	json_put_str(&j, line->text);
	json_object_end(&j);
	printf("%s\n", buf_str(&out));
	buf_free(&out);
}

static void
print_line(void *ctx, const struct live_line *line)
{
	struct job *job = ctx;

	if (job->options->json)
		policy_check_json(line);
	else
		printf("%-4s %s: %s\n", live_state_str(line->state), line->check, line->text);
	/* lookups may take long */
	fflush(stdout);
}

static void
live_main(void *arg)
{
	struct job *job = arg;

	signals_stop_on(1000);
	job->worst = live_check(&job->live);
}

static int
set_up(struct job *job, const struct route *route, struct arena *arena, struct fail *why)
{
	const struct policy_options *o = job->options;
	const char *domain = o->maildomain;
	struct addr addr;

	for (size_t i = 0; i < o->addresses.n; i++)
		if (!addr_parse_ip(slice_str(o->addresses.v[i]), 0, &addr))
			return fail_set(why, FAIL_USAGE,
			    "option --address: \"%.60s\" is not an IPv4 or IPv6 address",
			    o->addresses.v[i]);
	if (domain == NULL)
		domain = identity_maildomain(arena);
	if (domain != NULL && (domain = dns_name_normalize(domain, arena, why)) == NULL)
		return fail_prefix(why, "option --maildomain");
	job->live = (struct live_options){ .deliver = &route->deliver,
		.dkim = &route->dkim,
		.maildomain = domain,
		.addresses = o->addresses,
		.timeout_ms = o->route.timeout_ms,
		.line = print_line,
		.ctx = job };
	return 0;
}

int
policy_live(const struct policy_options *options, struct arena *arena)
{
	struct route_options r = options->route;
	struct job job = { .options = options };
	struct route route;
	struct spool spool;
	struct fail why, spool_why;

	r.read_only = true;
	if (system_enter(options->queue, false, &why) != 0 ||
	    route_open(&route, &r, arena, &why) != 0)
		return command_fail(&cmd_policy, &why);
	int rc = set_up(&job, &route, arena, &why);
	if (rc == 0 && route.deliver.resolver == NULL)
		rc = command_resolver(
		    &r.resolvers, r.trust_ad, arena, &route.deliver.resolver, &why);
	if (rc != 0) {
		route_close(&route);
		return command_fail(&cmd_policy, &why);
	}
	bool has_spool = route_spool(&spool, options->queue, arena, &spool_why) == 0;
	job.live.spool = has_spool ? &spool : NULL;
	job.live.spool_why = spool_why.text;
	sched_run(live_main, &job);
	if (has_spool)
		spool_close(&spool);
	route_close(&route);
	return job.worst == LIVE_FAIL ? EX_UNAVAILABLE : EX_OK;
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "app/send/alias.h"
#include "app/send/deliver_impl.h"
#include "app/store/local.h"
#include "base/mem.h"

/* Recipients of this host's domains: no MX, no policy. */

bool
deliver_is_local(const struct deliver_options *options, const char *domain)
{
	const struct local *local = options->local;

	return local_is_domain(local != NULL && local->kind != LOCAL_NONE ? local : NULL, domain);
}

static void
note(struct deliver_group *g, struct deliver_result *r, const char *reply)
{
	r->status = DELIVER_DONE;
	fail_clear(&r->why);
	r->exit_status = EX_OK;
	r->reply = reply;
	if (r->enhanced[0] == '\0')
		snprintf(r->enhanced, sizeof(r->enhanced), "2.0.0");
	if (g->options->delivered != NULL)
		g->options->delivered(g->options->delivered_ctx, &r, 1);
}

static void
note_failure(struct deliver_result *r, const struct fail *why, const char *enhanced)
{
	const struct fail_info *info = fail_info(why->code);

	r->why = *why;
	r->status = info->enhanced[0] == '5' ? DELIVER_FAILED : DELIVER_DEFERRED;
	r->exit_status = info->exit_status;
	snprintf(r->enhanced, sizeof(r->enhanced), "%s",
	    enhanced[0] != '\0' ? enhanced : info->enhanced);
}

static void
by_lmtp(struct deliver_group *g)
{
	struct lmtp_rcpt *rcpts = mem_array(g->n, sizeof(*rcpts));
	struct deliver_result **members = mem_array(g->n, sizeof(struct deliver_result *));
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (g->members[i]->status != DELIVER_PENDING)
			continue;
		members[n] = g->members[i];
		rcpts[n++].mailbox = g->members[i]->to->mailbox;
	}
	lmtp_deliver(&g->options->local->lmtp,
	    g->options->helo != NULL ? g->options->helo : "localhost", g->message, rcpts, n,
	    g->options->timeout_ms, g->deadline);
	for (size_t i = 0; i < n; i++) {
		struct deliver_result *r = members[i];
		r->reply =
		    rcpts[i].reply[0] == '\0' ? NULL : arena_strdup(g->arena, rcpts[i].reply);
		if (!rcpts[i].done) {
			note_failure(r, &rcpts[i].why, rcpts[i].enhanced);
			if (rcpts[i].why.code == FAIL_REPLY_PERMANENT)
				r->exit_status = deliver_refusal_exit(
				    rcpts[i].why.smtp_code, rcpts[i].enhanced, true);
			continue;
		}
		snprintf(r->enhanced, sizeof(r->enhanced), "%s", rcpts[i].enhanced);
		note(g, r, r->reply);
	}
	free(rcpts);
	free(members);
}

static void
to_mailboxes(struct deliver_group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct deliver_result *r = g->members[i];
		const char *place;
		struct fail why;

		if (r->status != DELIVER_PENDING)
			continue;
		if (local_deliver(g->options->local, g->message, r->to->mailbox, r->to->local,
			g->arena, &place, g->deadline, &why) == 0)
			note(g, r, arena_printf(g->arena, "delivered to %s", place));
		else
			note_failure(r, &why, "");
	}
}

static void
to_aliases(struct deliver_group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct deliver_result *r = g->members[i];
		const char *place;
		char enhanced[16];
		struct fail why;

		if (r->status != DELIVER_PENDING || !aliases_is_value_name(r->to->local))
			continue;
		if (local_deliver_alias(g->options->local, g->message, r->to->local, g->arena,
			&place, enhanced, g->deadline, &why) == 0)
			note(g, r, arena_printf(g->arena, "delivered to %s", place));
		else
			note_failure(r, &why, enhanced);
	}
}

void
deliver_local(struct deliver_group *g)
{
	const struct local *local = g->options->local;
	struct fail why;

	if (local != NULL)
		to_aliases(g);
	if (local == NULL || local->kind == LOCAL_NONE) {
		fail_set(&why, FAIL_LOCAL_DELIVERY, "%s", LOCAL_ADVICE);
		deliver_fail_pending(g, &why);
	} else if (local->kind == LOCAL_LMTP) {
		by_lmtp(g);
	} else {
		to_mailboxes(g);
	}
}

void
deliver_own_name(struct deliver_group *g)
{
	const struct local *local = g->options->local;
	struct fail why;

	if (local == NULL || local->kind != LOCAL_NONE || g->rule.via_host != NULL || g->literal ||
	    !local_is_domain(local, g->domain))
		return;
	fail_set(&why, FAIL_LOCAL_DELIVERY, "%s", LOCAL_ADVICE);
	for (size_t i = 0; i < g->n; i++) {
		struct deliver_result *r = g->members[i];
		enum fail_code code = r->why.code;
		bool here =
		    code == FAIL_CONNECT_SELF || code == FAIL_NXDOMAIN || code == FAIL_NO_MX;
		/* the host is its own MX, and nothing listens there */
		here |= code == FAIL_CONNECT_REFUSED && r->exchange != NULL &&
			strcmp(r->exchange, g->domain) == 0;
		if (r->status != DELIVER_DONE && here)
			note_failure(r, &why, "");
	}
}

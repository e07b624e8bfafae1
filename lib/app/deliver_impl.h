#ifndef APP_DELIVER_IMPL_H
#define APP_DELIVER_IMPL_H

#include "app/deliver.h"
#include "policy/mx.h"
#include "tls/verify.h"

/* Private to deliver*.c: recipients that go the same way. */
struct deliver_group {
	const struct deliver_options *options;
	const struct message *message;
	struct arena *arena;
	int64_t deadline;

	const char *domain; /* of the recipients; with a smarthost of all, only for reports */
	struct rule rule;   /* by value: --via changes it */
	const struct rule *origin; /* as matched, for reports */
	bool literal;              /* domain is an address literal */
	struct deliver_result **members;
	size_t n;

	struct tls_ctx *tls;
	struct tls_trust *trust;
};

/* Members without a final answer: not tried, or deferred in a way that another host may mend. */
size_t deliver_pending(const struct deliver_group *g);

/*
 * End every pending member, deferred or failed: by what a host said to it, where one did, else by why. NULL:
 * every host was found and asked.
 */
void deliver_fail_pending(struct deliver_group *g, const struct fail *why);

/*
 * Try one address of one host for all pending members. clear_retry: as of decide(). Returns true when the
 * policy allows another connection to this address in clear now (DECIDE_RECONNECT_CLEAR).
 */
bool deliver_attempt(
    struct deliver_group *g, const struct mx_host *host, const struct addr *to, bool clear_retry);

#endif

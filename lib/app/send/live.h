#ifndef APP_SEND_LIVE_H
#define APP_SEND_LIVE_H

#include "app/message/dkim.h"
#include "app/queue/queuefile.h"
#include "app/send/deliver.h"

/*
 * What receivers of our mail look at, and what we need to see of theirs (DECISIONS E39): the name and addresses of this
 * host, SPF, DKIM keys, a resolver that validates, a runner, and rules of the policy that are weaker than what their
 * domains publish. Everything is asked for, nothing is sent by mail.
 */
enum live_state {
	LIVE_OK,
	LIVE_WARN, /* may do harm, or cannot be told */
	LIVE_FAIL  /* mail will be refused, or stays */
};
const char *live_state_str(enum live_state state);

struct live_line {
	const char *check; /* name, ptr, spf, dkim, resolver, runner, rule */
	enum live_state state;
	const char *text; /* one line for people; remote bytes sanitised */
};

struct live_options {
	const struct deliver_options *deliver; /* resolver, helo, rules, mtasts */
	const struct dkim *dkim;
	const char *maildomain; /* of senders; NULL: not known */
	struct strs
	    addresses; /* ours, as the net sees them; empty: those that connections come from */
	const struct spool *spool; /* NULL: cannot be opened, spool_why says why */
	const char *spool_why;
	int64_t timeout_ms; /* of one lookup; of all about one domain of the policy */
	void (*line)(void *ctx, const struct live_line *line);
	void *ctx;
};

#define LIVE_RULES_MAX 1000 /* domains of a policy that are looked at */

/* Tells each line as soon as it is known; inside sched_run. Returns the worst state. */
enum live_state live_check(const struct live_options *options);

/*
 * Pure: what a DKIM record says about a public key (in base64). NULL: it is that key; else what is wrong. revoked_r and
 * testing_r may be NULL.
 */
const char *
live_dkim_judge(struct slice record, const char *key_type, const char *key, bool *testing_r);

#endif

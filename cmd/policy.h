#ifndef POLICY_CMD_H
#define POLICY_CMD_H

#include "route.h"

/* Private to policy*.c: the options, and the actions that have a file of their own. */
struct policy_options {
	struct route_options route;
	const char *config, *maildomain;
	int64_t deadline_ms;
	bool json, connect, requiretls, tls_required_no;
	/* tlsrpt */
	const char *day, *organization, *contact;
	struct strs domains;
	bool plain;
	/* check */
	bool live;
	const char *queue;
	struct strs addresses;
	/* suggest */
	struct strs logs;
	int64_t min_seen;
	bool none;
};

/* Each returns the exit status; operands[0] is the action's name. */
int policy_tlsrpt(
    const struct policy_options *options, const struct strs *operands, struct arena *arena);
int policy_suggest(
    const struct policy_options *options, const struct strs *operands, struct arena *arena);
/* check --json: a line of what it found, as an object on standard output. */
struct live_line;
void policy_check_json(const struct live_line *line);
/* check --live, once the file is known to be good. */
int policy_live(const struct policy_options *options, struct arena *arena);

#endif

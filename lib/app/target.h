#ifndef APP_TARGET_H
#define APP_TARGET_H

#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/addr.h"

/*
 * What can be probed (DECISIONS C25):
 *   example.com  user@example.com   a mail domain: its MX hosts are looked up
 *   [mx.example.com]                a host: brackets alone suppress the MX lookup
 *   192.0.2.1  2001:db8::1  [192.0.2.1]  [2001:db8::1]  [IPv6:2001:db8::1]  user@[192.0.2.1]
 *                                   an address
 * each with ":PORT" behind it; a bare IPv6 address takes none. Domains and hosts may be U-labels.
 */
enum target_kind { TARGET_DOMAIN, TARGET_HOST, TARGET_ADDRESS };

struct target {
	const char *text; /* as it was given, without white space around it */
	enum target_kind kind;
	const char *name; /* domain or host as A-labels; address without brackets */
	struct addr addr; /* ADDRESS; its port is 0 */
	uint16_t port;    /* 0: none was given */
	int64_t rank;     /* of a list of rank,domain lines; -1: none */
};

/*
 * Pure. White space around text is ignored; strings live in arena.
 * Returns 0, or -1 with why (USAGE), whose text names the target, what is wrong with it and what was
 * expected.
 */
int target_parse(struct slice text, struct arena *arena, struct target *target_r, struct fail *why);

/*
 * A line of a list of targets: one target, or RANK,TARGET as in the lists of popular domains; nothing
 * on empty lines and behind a # at the start or after white space. Pure.
 * Returns 1 with a target, 0 for a line without one, or -1 as target_parse.
 */
int target_parse_line(
    struct slice line, struct arena *arena, struct target *target_r, struct fail *why);

#endif

#ifndef APP_EXCLUDE_H
#define APP_EXCLUDE_H

#include <stdbool.h>

#include "base/fail.h"
#include "base/map.h"
#include "base/slice.h"
#include "io/addr.h"

/*
 * Who does not want to be asked: domains with all names below them, addresses, networks (CIDR). One a
 * line; # begins a comment. A line that is none of these is an error: an opt-out must not be lost to a
 * slip.
 */
struct exclude {
	struct map names;
	struct map networks; /* by length and masked address */
	bool lengths[2][129];
};

void exclude_init(struct exclude *e);
void exclude_free(struct exclude *e);

/* Pure. 0, or -1 with why (CONFIG) naming what is wrong. Empty lines are fine. */
int exclude_add(struct exclude *e, struct slice line, struct fail *why);
/* A whole file. Fails with NO_INPUT, CONFIG (naming file and line). Blocks: before the loop starts. */
int exclude_load(struct exclude *e, const char *path, struct fail *why);

/* name: A-labels. */
bool exclude_name(const struct exclude *e, const char *name);
bool exclude_addr(const struct exclude *e, const struct addr *addr);

#endif

#ifndef APP_REPORT_SET_H
#define APP_REPORT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * A small number for each of many names: which servers were counted, what the verdict on a domain was.
 * Of a name only its keyed 64-bit hash is kept, 12 bytes an entry: with ten million names two of them
 * are taken for one with a probability of 3 in a million. Bounded: a full set takes no new name.
 */
struct report_set {
	uint64_t *hashes; /* 0: free */
	uint32_t *values;
	size_t n, cap, max;
};

/* max  names at most */
void report_set_init(struct report_set *set, size_t max);
void report_set_free(struct report_set *set);
/*
 * The value of a name, which is added with value 0 when it is new (added_r). NULL when the set is
 * full. Valid until the next call.
 */
uint32_t *report_set_add(struct report_set *set, struct slice name, bool *added_r);
/* NULL when it is not there. */
uint32_t *report_set_find(const struct report_set *set, struct slice name);

#endif

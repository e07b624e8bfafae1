#ifndef BASE_FLOOD_H
#define BASE_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * A bound on lines of a log that a peer can cause (reference listen.md S33): so many in a window for each
 * key, such as an event and a client's network. What is left out is counted, and the count told. A table of fixed
 * size: when it is full, keys share their lines. Zeroed memory is an empty one.
 */
#define FLOOD_SLOTS 256
#define FLOOD_LINES 100 /* of one key in a window */
#define FLOOD_WINDOW_MS 10000

struct flood {
	struct flood_slot {
		int64_t until_ms; /* end of the window */
		unsigned lines, dropped;
		char name[64]; /* of the key that began the window */
	} slots[FLOOD_SLOTS];
};

/*
 * May a line about this key be written now? *dropped_r: how many were left out since the last that might. now_ms: any
 * clock that does not jump.
 */
bool flood_pass(struct flood *f, struct slice key, int64_t now_ms, unsigned *dropped_r);

/*
 * Counts whose window is over (now_ms INT64_MAX: all): the name of the key, cut to 63 bytes, and how many were left
 * out. False when there is none left; call again until then.
 */
bool flood_next(struct flood *f, int64_t now_ms, char name_r[64], unsigned *dropped_r);

#endif

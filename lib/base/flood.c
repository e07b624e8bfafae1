#include "base/flood.h"

#include <string.h>

#include "base/map.h"

bool
flood_pass(struct flood *f, struct slice key, int64_t now_ms, unsigned *dropped_r)
{
	struct flood_slot *slot = &f->slots[map_hash(key) % FLOOD_SLOTS];

	*dropped_r = 0;
	if (now_ms >= slot->until_ms) {
		size_t n = key.n < sizeof(slot->name) ? key.n : sizeof(slot->name) - 1;
		slot->until_ms = now_ms + FLOOD_WINDOW_MS;
		slot->lines = 0;
		memcpy(slot->name, key.p, n);
		slot->name[n] = '\0';
	}
	if (slot->lines >= FLOOD_LINES) {
		slot->dropped++;
		return false;
	}
	slot->lines++;
	*dropped_r = slot->dropped;
	slot->dropped = 0;
	return true;
}

bool
flood_next(struct flood *f, int64_t now_ms, char name_r[64], unsigned *dropped_r)
{
	for (size_t i = 0; i < FLOOD_SLOTS; i++) {
		struct flood_slot *slot = &f->slots[i];
		if (slot->dropped == 0 || now_ms < slot->until_ms)
			continue;
		memcpy(name_r, slot->name, sizeof(slot->name));
		*dropped_r = slot->dropped;
		slot->dropped = 0;
		return true;
	}
	return false;
}

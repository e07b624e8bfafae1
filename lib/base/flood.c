#include "base/flood.h"

#include <string.h>

#include "base/map.h"

#define PROBES 8

static size_t
name_length(struct slice key)
{
	const struct flood_slot *slot;

	return key.n < sizeof(slot->name) ? key.n : sizeof(slot->name) - 1;
}

static bool
is_of(const struct flood_slot *slot, struct slice key)
{
	size_t n = name_length(key);

	return memcmp(slot->name, key.p, n) == 0 && slot->name[n] == '\0';
}

/* Its own, or a free one near its place, or when there is none that place with whoever has it. */
static struct flood_slot *
slot_of(struct flood *f, struct slice key, int64_t now_ms)
{
	size_t at = map_hash(key) % FLOOD_SLOTS;
	struct flood_slot *unused = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct flood_slot *slot = &f->slots[(at + i) % FLOOD_SLOTS];
		if (slot->until_ms != 0 && is_of(slot, key))
			return slot;
		if (unused == NULL && now_ms >= slot->until_ms && slot->dropped == 0)
			unused = slot;
	}
	return unused != NULL ? unused : &f->slots[at];
}

bool
flood_pass(struct flood *f, struct slice key, int64_t now_ms, unsigned *dropped_r)
{
	struct flood_slot *slot = slot_of(f, key, now_ms);

	*dropped_r = 0;
	if (now_ms >= slot->until_ms) {
		size_t n = name_length(key);
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

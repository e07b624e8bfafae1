/*
 * What is remembered of a domain's policy, and what that means.
 */
#include <string.h>

#include "policy/mtasts_lookup.h"

#define REFRESH_S 86400 /* RFC 8461 s10.2: daily */
#define BACK_OFF_S 300  /* s3.3: five minutes or longer */
#define BACK_OFF_MAX_S 86400

void
mtasts_entry_init(struct mtasts_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	arena_init(&entry->arena);
}

void
mtasts_entry_free(struct mtasts_entry *entry)
{
	arena_free(&entry->arena);
}

int64_t
mtasts_entry_expires(const struct mtasts_entry *entry)
{
	return entry->has_policy ? entry->fetched + entry->policy.max_age : 0;
}

static bool
is_fresh(const struct mtasts_entry *entry, int64_t now)
{
	int64_t half = entry->policy.max_age / 2;

	return now < entry->fetched + (half < REFRESH_S ? half : REFRESH_S);
}

static bool
backs_off(const struct mtasts_entry *entry, const char *id, int64_t now)
{
	int64_t wait = BACK_OFF_S;

	if (entry->failures == 0 || entry->failed_id == NULL || strcmp(entry->failed_id, id) != 0)
		return false;
	for (int64_t i = 1; i < entry->failures && wait < BACK_OFF_MAX_S; i++)
		wait *= 2;
	if (wait > BACK_OFF_MAX_S)
		wait = BACK_OFF_MAX_S;
	/* a clock that was set back must not hold us for longer */
	return now >= entry->failed && now < entry->failed + wait;
}

enum mtasts_step
mtasts_plan(const struct mtasts_entry *entry, enum sts_status record, const char *id, bool again,
    int64_t now)
{
	bool unexpired = entry->has_policy && now < mtasts_entry_expires(entry);
	enum mtasts_step without = unexpired ? MTASTS_USE : MTASTS_NOTHING;

	if (record != STS_VALID) /* s3.3: the policy outlives its record */
		return without;
	if (unexpired && entry->id != NULL && strcmp(entry->id, id) == 0 && is_fresh(entry, now) &&
	    now >= entry->fetched)
		return MTASTS_USE;
	return !again && backs_off(entry, id, now) ? without : MTASTS_FETCH;
}

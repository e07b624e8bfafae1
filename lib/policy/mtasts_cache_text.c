/*
 * The text of a file of the cache: lines of "key: value", an empty line, and the policy as it was
 * fetched. The first line is a checksum of all that follows it.
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "base/text.h"
#include "policy/mtasts_cache.h"

#define MAGIC "mxtls-sts-1 " /* and eight hex digits */
#define DIGITS 8

void
mtasts_cache_write(const struct mtasts_entry *entry, const char *domain, struct buf *out)
{
	struct buf body;

	buf_init(&body, LIMIT_STS_CACHE_BYTES);
	buf_printf(&body, "domain: %s\n", domain);
	if (entry->has_policy)
		buf_printf(&body, "id: %s\nfetched: %lld\n", entry->id, (long long)entry->fetched);
	if (entry->failures > 0) {
		buf_printf(&body,
		    "failures: %lld\nfailed: %lld\nfailed-id: %s\nfailed-status: %s\n",
		    (long long)entry->failures, (long long)entry->failed, entry->failed_id,
		    sts_status_str(entry->failed_status));
		/* sanitised: it has no line ends */
		if (entry->failed_reason != NULL)
			buf_printf(&body, "failed-reason: %s\n", entry->failed_reason);
	}
	buf_putc(&body, '\n');
	if (entry->has_policy)
		buf_append(&body, entry->text, entry->text_n);
	buf_printf(out, MAGIC "%08x\n", crc32c(0, body.data, body.len));
	buf_append(out, body.data, body.len);
	buf_free(&body);
}

static int
damaged(struct fail *why, const char *what)
{
	return fail_set(why, FAIL_STORAGE, "damaged: %s", what);
}

/* The first line off, and whether it fits what follows. */
static bool
check_sum(struct slice *text)
{
	size_t magic = strlen(MAGIC);
	unsigned char sum[DIGITS / 2];

	if (text->n < magic + DIGITS + 1 || !slice_is(slice_sub(*text, 0, magic), MAGIC) ||
	    text->p[magic + DIGITS] != '\n' ||
	    !text_unhex(slice_sub(*text, magic, magic + DIGITS), sum))
		return false;
	*text = slice_sub(*text, magic + DIGITS + 1, text->n);
	uint32_t want = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 |
			(uint32_t)sum[3];
	return crc32c(0, text->p, text->n) == want;
}

/* A time or a count: what we wrote is never negative. */
static bool
read_number(struct slice value, int64_t *number_r)
{
	unsigned long long number;

	if (!slice_number(value, INT64_MAX / 4, &number))
		return false;
	*number_r = (int64_t)number;
	return true;
}

static bool
read_failed_status(struct slice value, struct mtasts_entry *entry)
{
	char word[32];

	if (value.n >= sizeof(word))
		return false;
	memcpy(word, value.p, value.n);
	word[value.n] = '\0';
	return sts_status_parse(word, &entry->failed_status) &&
	       (entry->failed_status == STS_FETCH_ERROR ||
		   entry->failed_status == STS_WEBPKI_INVALID ||
		   entry->failed_status == STS_POLICY_INVALID);
}

/* Keys of later versions are passed over. */
static bool
read_line(struct slice key, struct slice value, const char *domain, struct mtasts_entry *entry)
{
	if (slice_is(key, "domain"))
		return slice_is(value, domain);
	if (slice_is(key, "id"))
		entry->id = arena_slice(&entry->arena, value);
	else if (slice_is(key, "fetched"))
		return read_number(value, &entry->fetched);
	else if (slice_is(key, "failures"))
		return read_number(value, &entry->failures);
	else if (slice_is(key, "failed"))
		return read_number(value, &entry->failed);
	else if (slice_is(key, "failed-id"))
		entry->failed_id = arena_slice(&entry->arena, value);
	else if (slice_is(key, "failed-status"))
		return read_failed_status(value, entry);
	else if (slice_is(key, "failed-reason"))
		entry->failed_reason = arena_slice(&entry->arena, value);
	return true;
}

static int
read_policy(struct slice text, struct mtasts_entry *entry, struct fail *why)
{
	struct fail reason;

	if (entry->id == NULL)
		return text.n == 0 ? 0 : damaged(why, "a policy without id");
	if (mtasts_policy_parse(text, &entry->arena, &entry->policy, NULL, &reason) != 0)
		return damaged(why, reason.text);
	entry->has_policy = true;
	entry->text = arena_strndup(&entry->arena, text.p, text.n);
	entry->text_n = text.n;
	return 0;
}

int
mtasts_cache_parse(
    struct slice text, const char *domain, struct mtasts_entry *entry, struct fail *why)
{
	bool has_domain = false;

	if (text.n > LIMIT_STS_CACHE_BYTES)
		return damaged(why, "too long");
	if (!check_sum(&text))
		return damaged(why, "the checksum does not fit");
	for (;;) {
		size_t end = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, end);
		if (end == text.n)
			return damaged(why, "cut short");
		text = slice_sub(text, end + 1, text.n);
		if (line.n == 0)
			break;
		size_t colon = slice_find(line, ':');
		struct slice key = slice_sub(line, 0, colon);
		if (!read_line(key, slice_trim(slice_sub(line, colon + 1, line.n)), domain, entry))
			return damaged(why, "a line that means nothing");
		has_domain |= slice_is(key, "domain");
	}
	if (!has_domain || (entry->failures > 0 && (entry->failed_id == NULL ||
						       entry->failed_status == STS_NOT_CHECKED)))
		return damaged(why, "a line is missing");
	return read_policy(text, entry, why);
}

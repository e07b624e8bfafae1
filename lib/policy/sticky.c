#include "policy/sticky.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "policy/domain_store.h"

#define FILE_BYTES (FILE_BLOCK_BYTES + 1024)

static const char *const words[] = { "none", "tls", "certificate" };

const char *
sticky_str(enum sticky level)
{
	return words[level];
}

/* --- text ------------------------------------------------------------------------------------------- */

void
sticky_write(const struct sticky_entry *entry, const char *domain, struct buf *out)
{
	buf_printf(
	    out, "mxtls-sticky 1 %s %s %" PRId64 "\n", domain, words[entry->level], entry->since);
}

int
sticky_parse(struct slice text, const char *domain, struct sticky_entry *entry_r, struct fail *why)
{
	unsigned long long since;
	bool end = text.n > 0 && text.p[text.n - 1] == '\n';
	struct slice line = slice_sub(text, 0, end ? text.n - 1 : text.n);
	bool good = end && slice_is(slice_cut(&line, ' '), "mxtls-sticky") &&
		    slice_is(slice_cut(&line, ' '), "1") && slice_is(slice_cut(&line, ' '), domain);
	struct slice word = slice_cut(&line, ' ');

	for (int level = STICKY_TLS; good && level <= STICKY_CERT; level++)
		if (slice_is(word, words[level]) && slice_number(line, INT64_MAX, &since)) {
			*entry_r = (struct sticky_entry){ (enum sticky)level, (int64_t)since };
			return 0;
		}
	return fail_set(why, FAIL_STORAGE, "damaged");
}

/* --- store ------------------------------------------------------------------------------------------ */

struct sticky_store {
	struct domain_store *domains; /* NULL: not opened yet */
	char *path;
	bool read_only;
};

struct sticky_store *
sticky_new(const char *dir, bool read_only)
{
	struct sticky_store *store = mem_alloc(sizeof(*store));

	*store = (struct sticky_store){ NULL, mem_strdup(dir), read_only };
	return store;
}

void
sticky_free(struct sticky_store *store)
{
	if (store == NULL)
		return;
	domain_store_close(store->domains);
	free(store->path);
	free(store);
}

static int
ready(struct sticky_store *store, struct fail *why)
{
	if (store->domains == NULL)
		store->domains = domain_store_open(store->path, store->read_only, why);
	return store->domains == NULL ? -1 : 0;
}

int
sticky_load(
    struct sticky_store *store, const char *domain, struct sticky_entry *entry_r, struct fail *why)
{
	struct buf text;

	*entry_r = (struct sticky_entry){ STICKY_NONE, 0 };
	if (ready(store, why) != 0)
		return -1;
	buf_init(&text, FILE_BYTES);
	int rc = domain_store_read(store->domains, domain, &text, why);
	if (rc > 0 &&
	    (rc = sticky_parse(slice_make(text.data, text.len), domain, entry_r, why)) != 0)
		fail_prefix(why, "%s/%s", store->path, domain);
	buf_free(&text);
	return rc;
}

int
sticky_seen(struct sticky_store *store, const char *domain, enum sticky level, struct fail *why)
{
	struct sticky_entry entry;
	struct buf text;

	if (store->read_only)
		return 0;
	if (sticky_load(store, domain, &entry, why) != 0)
		return -1;
	if (level <= entry.level)
		return 0;
	if (entry.level == STICKY_NONE) {
		long n = domain_store_count(store->domains, LIMIT_STICKY_DOMAINS, why);
		if (n < 0)
			return -1;
		if (n >= LIMIT_STICKY_DOMAINS)
			return fail_set(why, FAIL_STORAGE_FULL,
			    "%s: %d domains are remembered, and no more may be", store->path,
			    LIMIT_STICKY_DOMAINS);
	}
	entry = (struct sticky_entry){ level, clock_wall() };
	buf_init(&text, FILE_BYTES);
	sticky_write(&entry, domain, &text);
	int rc = domain_store_write(store->domains, domain, &text, why);
	buf_free(&text);
	return rc;
}

int
sticky_forget(struct sticky_store *store, const char *domain, struct fail *why)
{
	return ready(store, why) == 0 ? domain_store_forget(store->domains, domain, why) : -1;
}

/*
 * Files of the MTA-STS cache. The checksum is made right first, or nothing would get past it; what
 * is read must come out the same when it is written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "policy/mtasts_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
read_back(struct slice text)
{
	struct mtasts_entry entry, again;
	struct fail why;
	struct buf out;

	mtasts_entry_init(&entry);
	buf_init(&out, 2 * LIMIT_STS_CACHE_BYTES);
	if (mtasts_cache_parse(text, "a.test", &entry, &why) != 0) {
		must(why.code == FAIL_STORAGE);
	} else if (strlen(entry.id == NULL ? "" : entry.id) < 100) {
		mtasts_cache_write(&entry, "a.test", &out);
		mtasts_entry_init(&again);
		must(
		    mtasts_cache_parse(slice_make(out.data, out.len), "a.test", &again, &why) == 0);
		must(again.has_policy == entry.has_policy);
		must(again.text_n == entry.text_n && again.policy.mx.n == entry.policy.mx.n);
		must(mtasts_entry_expires(&again) == mtasts_entry_expires(&entry));
		must(again.failures == entry.failures);
		mtasts_entry_free(&again);
	}
	buf_free(&out);
	mtasts_entry_free(&entry);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text;

	buf_init(&text, size + 100);
	buf_printf(&text, "mxtls-sts-1 %08x\n", crc32c(0, data, size));
	buf_append(&text, data, size);
	read_back(slice_make(text.data, text.len));
	buf_free(&text);
	read_back(slice_make((const char *)data, size));
	return 0;
}

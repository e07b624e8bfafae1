/* SPF records, and DKIM ones, as strangers publish them. */
#include <stdint.h>
#include <stdlib.h>

#include "app/send/live.h"
#include "policy/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct spf_record record;
	struct arena arena;
	struct fail why;
	struct addr addr;
	bool testing = false;

	arena_init(&arena);
	if (spf_is_record(text) && spf_parse(text, &arena, &record, &why) == 0) {
		for (size_t i = 0; i < record.n; i++) {
			const struct spf_term *t = &record.terms[i];
			if (t->prefix4 > 32 || t->prefix6 > 128)
				abort();
			if ((t->mechanism == SPF_INCLUDE || t->mechanism == SPF_EXISTS) &&
			    t->domain == NULL)
				abort();
			addr_parse_ip(slice_str("2001:db8::1"), 0, &addr);
			if (t->mechanism == SPF_IP6)
				spf_in_network(&addr, &t->addr, t->prefix6);
		}
	}
	arena_free(&arena);
	live_dkim_judge(text, "rsa", "QUJD", &testing);
	return 0;
}

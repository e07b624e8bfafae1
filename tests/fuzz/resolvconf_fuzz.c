#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/resolvconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolvconf rc;

	resolvconf_parse(slice_make((const char *)data, size), &rc);
	if (rc.n == 0 || rc.n > RESOLVCONF_SERVERS)
		abort();
	for (size_t i = 0; i < rc.n; i++)
		if (addr_port(&rc.servers[i]) != 53 ||
		    memchr(rc.zones[i], '\0', RESOLVCONF_ZONE_BYTES) == NULL)
			abort();
	if (rc.timeout_ms != -1 && (rc.timeout_ms < 1000 || rc.timeout_ms > 30000))
		abort();
	if (rc.attempts != -1 && (rc.attempts < 1 || rc.attempts > 5))
		abort();
	return 0;
}

#include <netinet/in.h>

#include "base/buf.h"
#include "dns/dns.h"

const char *
dns_reverse_name(const struct addr *addr, struct arena *arena)
{
	struct buf name;

	if (addr->sa.ss_family == AF_INET) {
		const unsigned char *b =
		    (const unsigned char *)&((const struct sockaddr_in *)(const void *)&addr->sa)
			->sin_addr;
		return arena_printf(arena, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
	}
	const unsigned char *b =
	    (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)&addr->sa)
		->sin6_addr;
	buf_init(&name, 128);
	for (int i = 15; i >= 0; i--)
		buf_printf(&name, "%x.%x.", b[i] & 15, b[i] >> 4);
	buf_puts(&name, "ip6.arpa");
	const char *text = arena_strdup(arena, buf_str(&name));
	buf_free(&name);
	return text;
}

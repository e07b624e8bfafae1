#include "net/helo.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "dns/dns.h"
#include "io/addr.h"

const char *
helo_literal(int fd, struct arena *arena)
{
	struct addr local;
	char text[ADDR_TEXT_BYTES];

	local.len = sizeof(local.sa);
	if (getsockname(fd, (struct sockaddr *)&local.sa, &local.len) != 0)
		return "[127.0.0.1]";
	addr_ip_str(&local, text);
	/* RFC 5321 s4.1.3 */
	return arena_printf(arena, local.sa.ss_family == AF_INET6 ? "[IPv6:%s]" : "[%s]", text);
}

static bool
is_literal(struct slice text)
{
	struct addr addr;
	struct slice inside = slice_sub(text, 1, text.n - 1);

	if (slice_starts_case(inside, "IPv6:"))
		return addr_parse_ip(slice_sub(inside, 5, inside.n), 0, &addr) &&
		       addr.sa.ss_family == AF_INET6;
	return addr_parse_ip(inside, 0, &addr) && addr.sa.ss_family == AF_INET;
}

const char *
helo_parse(const char *text, struct arena *arena, struct fail *why)
{
	struct slice s = slice_str(text);

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
		if (is_literal(s))
			return arena_slice(arena, s);
		fail_set(why, FAIL_USAGE,
		    "\"%s\" is no address literal: expected [192.0.2.1] or [IPv6:2001:db8::1]",
		    text);
		return NULL;
	}
	const char *name = dns_name_normalize(text, arena, why);
	if (name == NULL && why != NULL)
		why->code = FAIL_USAGE;
	return name;
}

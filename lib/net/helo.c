#include "net/helo.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "dns/dns.h"
#include "io/addr.h"

#define HOSTS_BYTES 65536 /* more of /etc/hosts is not looked at */

/* A name that says something to a stranger: with a dot, and not one of localhost's. */
static bool
is_full(struct slice name)
{
	static const char local[] = ".localdomain";
	size_t n = sizeof(local) - 1;

	if (slice_find(name, '.') == name.n || name.p[0] == '.')
		return false;
	if (slice_starts_case(name, "localhost"))
		return false;
	if (name.n >= n && slice_is_case(slice_sub(name, name.n - n, name.n), local))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = text_lower(name.p[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			c == '.'))
			return false;
	}
	return true;
}

/* A line of hosts(5): the address, then names. The first full one, if host is among them. */
static struct slice
full_name_of_line(struct slice line, struct slice host)
{
	struct slice full = slice_make(NULL, 0), name;
	bool found = false;

	line = slice_sub(line, 0, slice_find(line, '#'));
	slice_word(&line);
	while ((name = slice_word(&line)).n > 0) {
		if (full.n == 0 && is_full(name))
			full = name;
		if (slice_eq_case(name, host))
			found = true;
	}
	return found ? full : slice_make(NULL, 0);
}

const char *
helo_fqdn_choose(const char *host_name, struct slice hosts, struct arena *arena)
{
	struct slice host = slice_str(host_name);

	if (is_full(host))
		return arena_slice(arena, host);
	while (host.n > 0 && hosts.n > 0) {
		size_t end = slice_find(hosts, '\n');
		struct slice full = full_name_of_line(slice_sub(hosts, 0, end), host);
		if (full.n > 0)
			return arena_slice(arena, full);
		hosts = slice_sub(hosts, end + 1, hosts.n);
	}
	return NULL;
}

const char *
helo_fqdn(struct arena *arena)
{
	char host[256] = "";
	char *hosts = arena_alloc(arena, HOSTS_BYTES);
	size_t n = 0;

	if (gethostname(host, sizeof(host) - 1) != 0)
		return NULL;
	FILE *file = fopen("/etc/hosts", "re");
	if (file != NULL) {
		n = fread(hosts, 1, HOSTS_BYTES, file);
		fclose(file);
	}
	return helo_fqdn_choose(host, slice_make(hosts, n), arena);
}

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

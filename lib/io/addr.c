#include "io/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static struct sockaddr_in *
in4(const struct addr *a)
{
	return (struct sockaddr_in *)(uintptr_t)&a->sa;
}

static struct sockaddr_in6 *
in6(const struct addr *a)
{
	return (struct sockaddr_in6 *)(uintptr_t)&a->sa;
}

void
addr_from_bytes(const void *bytes, size_t n, uint16_t port, struct addr *addr_r)
{
	memset(addr_r, 0, sizeof(*addr_r));
	if (n == 4) {
		in4(addr_r)->sin_family = AF_INET;
		memcpy(&in4(addr_r)->sin_addr, bytes, 4);
		addr_r->len = sizeof(struct sockaddr_in);
	} else {
		in6(addr_r)->sin6_family = AF_INET6;
		memcpy(&in6(addr_r)->sin6_addr, bytes, 16);
		addr_r->len = sizeof(struct sockaddr_in6);
	}
	addr_set_port(addr_r, port);
}

void
addr_unmap(struct addr *a)
{
	struct in6_addr ip;

	if (a->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6(a)->sin6_addr))
		return;
	ip = in6(a)->sin6_addr;
	addr_from_bytes(ip.s6_addr + 12, 4, ntohs(in6(a)->sin6_port), a);
}

bool
addr_parse_ip(struct slice text, uint16_t port, struct addr *addr_r)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		addr_from_bytes(bytes, 4, port, addr_r);
	else if (inet_pton(AF_INET6, copy, bytes) == 1)
		addr_from_bytes(bytes, 16, port, addr_r);
	else
		return false;
	return true;
}

bool
addr_is_literal(const char *text)
{
	struct slice s = slice_str(text);
	struct addr addr;

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = slice_sub(s, 1, s.n - 1);
	return addr_parse_ip(s, 0, &addr);
}

static bool
is_digits(struct slice s)
{
	unsigned long long v;

	return slice_number(s, UINT64_MAX, &v);
}

int
addr_parse(struct slice text, int default_port, struct addr *addr_r, struct fail *why)
{
	static const unsigned char any4[4];
	struct slice host = text, port_text = slice_str("");
	unsigned long long port = default_port < 0 ? 0 : (unsigned long long)default_port;
	size_t close;
	bool any = false, literal;

	if (text.n > 0 && text.p[0] == '[') {
		close = slice_find(text, ']');
		host = slice_sub(text, 1, close);
		port_text = slice_sub(text, close + 1, text.n);
		if (port_text.n > 0 && port_text.p[0] != ':')
			goto bad;
		port_text = slice_sub(port_text, 1, port_text.n);
		if (close == text.n)
			goto bad;
	} else if (addr_parse_ip(text, 0, addr_r) && addr_r->sa.ss_family == AF_INET6) {
		/* a bare IPv6 address has no port: its last colon is no separator */
		port_text = slice_str("");
	} else if (default_port < 0 && is_digits(text)) {
		host = slice_str("");
		port_text = text;
	} else if (slice_find(text, ':') < text.n) {
		host = slice_sub(text, 0, slice_find(text, ':'));
		port_text = slice_sub(text, host.n + 1, text.n);
		if (port_text.n == 0)
			goto bad;
	}
	any = host.n == 0 || slice_is(host, "*");
	if (port_text.n > 0 ? !slice_number(port_text, 65535, &port) : default_port < 0)
		goto bad;
	if (any)
		addr_from_bytes(any4, 4, (uint16_t)port, addr_r);
	literal = any || addr_parse_ip(host, (uint16_t)port, addr_r);
	if (literal)
		return 0;
bad:
	return fail_set(why, FAIL_USAGE,
	    "'%.*s' is no address%s: expected 192.0.2.1%s or [2001:db8::1]%s", (int)text.n,
	    text.p == NULL ? "" : text.p, default_port < 0 ? " with port" : "",
	    default_port < 0 ? ":25" : "[:25]", default_port < 0 ? ":25" : "[:25]");
}

uint16_t
addr_port(const struct addr *a)
{
	return ntohs(a->sa.ss_family == AF_INET ? in4(a)->sin_port : in6(a)->sin6_port);
}

void
addr_set_port(struct addr *a, uint16_t port)
{
	if (a->sa.ss_family == AF_INET)
		in4(a)->sin_port = htons(port);
	else
		in6(a)->sin6_port = htons(port);
}

void
addr_ip_str(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
	const void *ip = a->sa.ss_family == AF_INET ? (const void *)&in4(a)->sin_addr
						    : (const void *)&in6(a)->sin6_addr;

	if (inet_ntop(a->sa.ss_family, ip, out, ADDR_TEXT_BYTES) == NULL)
		snprintf(out, ADDR_TEXT_BYTES, "?");
}

void
addr_str(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
	char ip[ADDR_TEXT_BYTES];

	addr_ip_str(a, ip);
	snprintf(out, ADDR_TEXT_BYTES, a->sa.ss_family == AF_INET ? "%.46s:%u" : "[%.46s]:%u", ip,
	    addr_port(a));
}

void
addr_network_str(
    const struct addr *a, unsigned v4_bits, unsigned v6_bits, char out[ADDR_TEXT_BYTES])
{
	struct addr network = *a;
	bool v4 = a->sa.ss_family == AF_INET;
	unsigned bits = v4 ? v4_bits : v6_bits;
	unsigned char *bytes =
	    v4 ? (unsigned char *)&in4(&network)->sin_addr : in6(&network)->sin6_addr.s6_addr;
	char ip[ADDR_TEXT_BYTES];

	for (unsigned i = bits; i < (v4 ? 32U : 128U); i++)
		bytes[i / 8] &= (unsigned char)~(0x80U >> (i % 8));
	addr_ip_str(&network, ip);
	snprintf(out, ADDR_TEXT_BYTES, "%.46s/%u", ip, bits);
}

/* The IPv4 address that decides about a, in host order: its own, or the one inside a mapped or NAT64 address. */
static bool
effective_ipv4(const struct addr *a, uint32_t *ip_r)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	static const unsigned char nat64[12] = { 0, 0x64, 0xff, 0x9b };
	const unsigned char *b;

	if (a->sa.ss_family == AF_INET) {
		*ip_r = ntohl(in4(a)->sin_addr.s_addr);
		return true;
	}
	b = in6(a)->sin6_addr.s6_addr;
	if (memcmp(b, mapped, 12) != 0 && memcmp(b, nat64, 12) != 0)
		return false;
	*ip_r = (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
	return true;
}

bool
addr_equal_ip(const struct addr *a, const struct addr *b)
{
	uint32_t x, y;

	if (effective_ipv4(a, &x) && effective_ipv4(b, &y))
		return x == y;
	return a->sa.ss_family == b->sa.ss_family && a->sa.ss_family == AF_INET6 &&
	       memcmp(&in6(a)->sin6_addr, &in6(b)->sin6_addr, 16) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	uint32_t ip;

	if (effective_ipv4(a, &ip))
		return ip >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6(a)->sin6_addr);
}

bool
addr_is_unspecified(const struct addr *a)
{
	uint32_t ip;

	if (effective_ipv4(a, &ip))
		return ip >> 24 == 0;
	return IN6_IS_ADDR_UNSPECIFIED(&in6(a)->sin6_addr);
}

bool
addr_is_private(const struct addr *a)
{
	uint32_t ip;

	if (addr_is_loopback(a) || addr_is_unspecified(a))
		return true;
	if (effective_ipv4(a, &ip))
		return ip >> 24 == 10 ||               /* RFC 1918 */
		       ip >> 20 == 0xac1 ||            /* 172.16/12 */
		       ip >> 16 == 0xc0a8 ||           /* 192.168/16 */
		       ip >> 16 == 0xa9fe ||           /* link-local, RFC 3927 */
		       ip >> 22 == (0x64400000 >> 22); /* 100.64/10, RFC 6598 */
	const unsigned char *b = in6(a)->sin6_addr.s6_addr;
	return (b[0] & 0xfe) == 0xfc ||                 /* ULA, RFC 4193 */
	       (b[0] == 0xfe && (b[1] & 0xc0) == 0x80); /* link-local */
}

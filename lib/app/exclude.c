#include "app/exclude.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/text.h"
#include "dns/dns.h"

static char present; /* what the maps' values point at */

void
exclude_init(struct exclude *e)
{
	memset(e, 0, sizeof(*e));
	map_init(&e->names);
	map_init(&e->networks);
}

void
exclude_free(struct exclude *e)
{
	map_free(&e->names);
	map_free(&e->networks);
}

/* --- networks ------------------------------------------------------------------------------------ */

static size_t
bytes_of(const struct addr *addr, unsigned char out[16])
{
	if (addr->sa.ss_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)&addr->sa)->sin6_addr, 16);
		return 16;
	}
	memcpy(out, &((const struct sockaddr_in *)(const void *)&addr->sa)->sin_addr, 4);
	return 4;
}

/* Length of the prefix, then the address without what lies behind it. */
static struct slice
network_key(const struct addr *addr, unsigned bits, unsigned char out[17])
{
	size_t n = bytes_of(addr, out + 1);

	out[0] = (unsigned char)bits;
	for (size_t i = 0; i < n; i++) {
		unsigned left = bits > 8 * i ? bits - (unsigned)(8 * i) : 0;
		if (left < 8)
			out[i + 1] &= (unsigned char)(0xff00 >> left);
	}
	return slice_make((const char *)out, n + 1);
}

static bool
is_ip6(const struct addr *addr)
{
	return addr->sa.ss_family == AF_INET6;
}

static int
add_network(struct exclude *e, const struct addr *addr, struct slice length, struct fail *why)
{
	unsigned long long most = is_ip6(addr) ? 128 : 32, bits = most;
	unsigned char key[17];

	if (length.p != NULL && !slice_number(length, most, &bits))
		return fail_set(why, FAIL_CONFIG,
		    "the length of the network is not a number from 0 to %llu", most);
	e->lengths[is_ip6(addr)][bits] = true;
	map_set(&e->networks, network_key(addr, (unsigned)bits, key), &present);
	return 0;
}

bool
exclude_addr(const struct exclude *e, const struct addr *addr)
{
	unsigned char key[17];

	for (unsigned bits = 0; bits <= 128; bits++)
		if (e->lengths[is_ip6(addr)][bits] &&
		    map_get(&e->networks, network_key(addr, bits, key)) != NULL)
			return true;
	return false;
}

/* --- names --------------------------------------------------------------------------------------- */

bool
exclude_name(const struct exclude *e, const char *name)
{
	char lower[LIMIT_DOMAIN_BYTES + 1];
	size_t n = strlen(name);

	if (n > LIMIT_DOMAIN_BYTES || e->names.n == 0)
		return false;
	memcpy(lower, name, n + 1);
	text_lower_str(lower);
	if (n > 0 && lower[n - 1] == '.')
		lower[n - 1] = '\0';
	for (const char *p = lower;;) {
		if (map_get(&e->names, slice_str(p)) != NULL)
			return true;
		p = strchr(p, '.');
		if (p == NULL)
			return false;
		p++;
	}
}

static int
add_name(struct exclude *e, struct slice text, struct fail *why)
{
	struct arena arena;
	struct fail name_why;

	if (text.n > 2 && text.p[0] == '*' && text.p[1] == '.')
		text = slice_sub(text, 2, text.n);
	else if (text.n > 1 && text.p[0] == '.')
		text = slice_sub(text, 1, text.n);
	arena_init(&arena);
	const char *name = slice_find(text, '\0') < text.n
			       ? NULL
			       : dns_name_normalize(arena_slice(&arena, text), &arena, &name_why);
	if (name != NULL)
		map_set(&e->names, slice_str(name), &present);
	arena_free(&arena);
	return name != NULL
		   ? 0
		   : fail_set(why, FAIL_CONFIG,
			 "\"%.*s\" is no domain, address or network (expected example.com, "
			 "192.0.2.1, 2001:db8::1, 192.0.2.0/24 or 2001:db8::/32)",
			 text.n > 80 ? 80 : (int)text.n, text.p);
}

int
exclude_add(struct exclude *e, struct slice line, struct fail *why)
{
	struct addr addr;

	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '#')
			line.n = i;
	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
		line.n--;
	line = slice_trim(line);
	if (line.n == 0)
		return 0;
	size_t slash = slice_find(line, '/');
	if (!addr_parse_ip(slice_sub(line, 0, slash), 0, &addr))
		return add_name(e, line, why);
	return add_network(e, &addr,
	    slash < line.n ? slice_sub(line, slash + 1, line.n) : slice_make(NULL, 0), why);
}

int
exclude_load(struct exclude *e, const char *path, struct fail *why)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, number = 0;
	ssize_t n;
	int ret = 0;

	if (file == NULL)
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
	while (ret == 0 && (n = getline(&line, &size, file)) >= 0) {
		number++;
		ret = exclude_add(e, slice_make(line, (size_t)n), why);
		if (ret != 0)
			fail_prefix(why, "%s:%zu", path, number);
	}
	if (ret == 0 && ferror(file))
		ret = fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
	free(line);
	fclose(file);
	return ret;
}

#include "app/target.h"

#include <string.h>

#include "base/limits.h"
#include "dns/dns.h"
#include "smtp/address.h"

#define TARGET_BYTES 1024 /* longest that can be right: a mailbox in U-labels with a port */

/* "... is no target: REASON: expected ..." */
static int
refuse(const char *text, const char *reason, struct fail *why)
{
	return fail_set(why, FAIL_USAGE,
	    "\"%.80s\" is no target: %.250s; expected a mail domain, a mailbox, [host] or an "
	    "address, each with :port or without",
	    text, reason);
}

/* ":25" behind a target; "" is no port. */
static int
parse_port(struct target *t, struct slice tail, struct fail *why)
{
	unsigned long long port;

	if (tail.n == 0)
		return 0;
	if (tail.p[0] != ':')
		return refuse(t->text, "something follows the bracket", why);
	if (!slice_number(slice_sub(tail, 1, tail.n), 65535, &port) || port == 0)
		return refuse(t->text, "the port is not a number from 1 to 65535", why);
	t->port = (uint16_t)port;
	return 0;
}

static bool
parse_address(struct target *t, struct slice text, struct arena *arena)
{
	if (!addr_parse_ip(text, 0, &t->addr))
		return false;
	char *name = arena_alloc(arena, ADDR_TEXT_BYTES);
	addr_ip_str(&t->addr, name);
	t->kind = TARGET_ADDRESS;
	t->name = name;
	return true;
}

/* RFC 3696 s2: no top-level domain is all digits; such a name is an address with a slip in it. */
static bool
ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *label = dot == NULL ? name : dot + 1;

	return strspn(label, "0123456789") == strlen(label);
}

static int
parse_name(struct target *t, enum target_kind kind, struct slice text, struct arena *arena,
    struct fail *why)
{
	struct fail name_why;

	t->kind = kind;
	if (slice_find(text, '\0') < text.n)
		return refuse(t->text, "a NUL in it", why);
	t->name = dns_name_normalize(arena_slice(arena, text), arena, &name_why);
	if (t->name == NULL)
		return refuse(t->text, name_why.text, why);
	if (ends_in_number(t->name))
		return refuse(t->text, "neither a name nor an address", why);
	return 0;
}

/* [192.0.2.1], [IPv6:2001:db8::1], [2001:db8::1], [mx.example.com] */
static int
parse_bracketed(struct target *t, struct slice text, struct arena *arena, struct fail *why)
{
	size_t end = slice_find(text, ']');

	if (end == text.n)
		return refuse(t->text, "the closing bracket is missing", why);
	struct slice inside = slice_sub(text, 1, end);
	if (parse_port(t, slice_sub(text, end + 1, text.n), why) != 0)
		return -1;
	if (slice_starts_case(inside, "IPv6:")) { /* RFC 5321 s4.1.3 */
		if (parse_address(t, slice_sub(inside, 5, inside.n), arena) &&
		    t->addr.sa.ss_family == AF_INET6)
			return 0;
		return refuse(t->text, "no IPv6 address behind IPv6:", why);
	}
	if (parse_address(t, inside, arena))
		return 0;
	if (slice_find(inside, ':') < inside.n)
		return refuse(t->text, "no address; a port stands behind the bracket", why);
	return parse_name(t, TARGET_HOST, inside, arena, why);
}

static int
parse_place(struct target *t, struct slice text, struct arena *arena, struct fail *why)
{
	if (text.n == 0)
		return refuse(t->text, "it is empty", why);
	if (text.p[0] == '[')
		return parse_bracketed(t, text, arena, why);
	if (parse_address(t, text, arena))
		return 0;
	size_t colon = slice_find(text, ':');
	if (slice_find(slice_sub(text, colon + 1, text.n), ':') < text.n - colon - (colon < text.n))
		return refuse(t->text, "no IPv6 address; with a port it takes brackets", why);
	struct slice name = slice_sub(text, 0, colon);
	if (parse_port(t, slice_sub(text, colon, text.n), why) != 0)
		return -1;
	if (name.n == 0)
		return refuse(t->text, "a port alone", why);
	if (parse_address(t, name, arena))
		return 0;
	return parse_name(t, TARGET_DOMAIN, name, arena, why);
}

/* Where the domain of a mailbox starts: behind the last @ (a quoted local part may hold others). */
static size_t
domain_start(struct slice text)
{
	for (size_t i = text.n; i > 0; i--)
		if (text.p[i - 1] == '@')
			return i;
	return 0;
}

/* The mailbox itself must be one; its port is none of its business. */
static int
check_local(struct target *t, struct slice text, size_t at, struct fail *why)
{
	struct smtp_path path;
	struct fail path_why;
	char sample[LIMIT_LOCAL_PART_BYTES + 4];

	if (at > LIMIT_LOCAL_PART_BYTES + 1)
		return refuse(t->text, "the part before the @ is too long", why);
	memcpy(sample, text.p, at);
	sample[at] = 'x';
	if (smtp_mailbox_parse(slice_make(sample, at + 1), &path, &path_why) != 0)
		return refuse(t->text, path_why.text, why);
	return 0;
}

int
target_parse(struct slice text, struct arena *arena, struct target *target_r, struct fail *why)
{
	memset(target_r, 0, sizeof(*target_r));
	target_r->rank = -1;
	while (text.n > 0 && (text.p[text.n - 1] == '\r' || text.p[text.n - 1] == '\n'))
		text.n--;
	text = slice_trim(text);
	target_r->text = arena_slice(arena, slice_sub(text, 0, TARGET_BYTES));
	if (text.n > TARGET_BYTES)
		return refuse(target_r->text, "it is too long", why);
	size_t at = domain_start(text);
	if (at > 0 && check_local(target_r, text, at, why) != 0)
		return -1;
	return parse_place(target_r, slice_sub(text, at, text.n), arena, why);
}

static struct slice
without_comment(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
			line.n = i;
	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
		line.n--;
	return slice_trim(line);
}

int
target_parse_line(struct slice line, struct arena *arena, struct target *target_r, struct fail *why)
{
	unsigned long long rank = 0;
	struct slice text = without_comment(line);
	size_t comma = slice_find(text, ',');
	bool ranked =
	    comma < text.n && slice_number(slice_trim(slice_sub(text, 0, comma)), INT64_MAX, &rank);

	if (text.n == 0)
		return 0;
	if (ranked)
		text = slice_sub(text, comma + 1, text.n);
	if (target_parse(text, arena, target_r, why) != 0)
		return -1;
	if (ranked)
		target_r->rank = (int64_t)rank;
	return 1;
}

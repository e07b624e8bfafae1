#include "app/listen/accept.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "dns/dns.h"
#include "policy/rules.h"

static char present; /* what the maps' values point at */

void
accept_init(struct accept *a, const char *hostname)
{
	memset(a, 0, sizeof(*a));
	a->hostname = hostname;
	map_init(&a->domains);
	map_init(&a->addresses);
	map_init(&a->address_domains);
	exclude_init(&a->relay_from);
}

void
accept_free(struct accept *a)
{
	map_free(&a->domains);
	map_free(&a->addresses);
	map_free(&a->address_domains);
	exclude_free(&a->relay_from);
}

/* --- set-up -------------------------------------------------------------------------------------- */

/* A domain as it is kept; NULL with why. */
static const char *
normal_domain(struct slice domain, struct arena *arena, struct fail *why)
{
	if (slice_find(domain, '\0') < domain.n) {
		fail_set(why, FAIL_DNS_NAME, NULL);
		return NULL;
	}
	return dns_name_normalize(arena_slice(arena, domain), arena, why);
}

/* user@domain, as addresses are kept and looked up. */
static struct slice
address_key(const char *user, size_t user_n, const char *domain, struct buf *space)
{
	buf_reset(space);
	buf_append(space, user, user_n);
	buf_putc(space, '@');
	buf_puts(space, domain);
	return slice_make(space->data, space->len);
}

static int
user_of(struct slice local, char out[LIMIT_LOCAL_PART_BYTES + 1])
{
	struct buf meaning;

	buf_init(&meaning, LIMIT_LOCAL_PART_BYTES);
	int rc = smtp_local_unquote(&meaning, local);
	if (rc == 0)
		memcpy(out, buf_str(&meaning), meaning.len + 1);
	buf_free(&meaning);
	text_lower_str(out);
	return rc;
}

static int
add_address(struct accept *a, struct slice text, struct arena *arena, struct fail *why)
{
	char user[LIMIT_LOCAL_PART_BYTES + 1] = "";
	struct smtp_path path;
	struct buf key;

	if (smtp_mailbox_parse(text, &path, why) != 0)
		return -1;
	if (path.literal)
		return fail_set(why, FAIL_ADDRESS, "an address literal is no domain of ours");
	const char *domain = normal_domain(path.domain, arena, why);
	if (domain == NULL)
		return -1;
	if (user_of(path.local, user) != 0)
		return fail_set(why, FAIL_ADDRESS, "the local part is too long");
	buf_init(&key, LIMIT_LOCAL_PART_BYTES + LIMIT_DOMAIN_BYTES + 1);
	map_set(&a->addresses, address_key(user, strlen(user), domain, &key), &present);
	map_set(&a->address_domains, slice_str(domain), &present);
	buf_free(&key);
	return 0;
}

/* A domain or an address. Fails with whatever says why it is neither. */
static int
add_one(struct accept *a, struct slice text, struct fail *why)
{
	struct arena arena;
	const char *name;
	int rc = 0;

	arena_init(&arena);
	if (slice_find(text, '@') < text.n)
		rc = add_address(a, text, &arena, why);
	else if ((name = normal_domain(text, &arena, why)) != NULL)
		map_set(&a->domains, slice_str(name), &present);
	else
		rc = -1;
	arena_free(&arena);
	return rc;
}

static int
add_line(struct accept *a, struct slice line, struct fail *why)
{
	struct fail reason;

	line.n = slice_find(line, '#');
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	line = slice_trim(line);
	if (line.n == 0 || add_one(a, line, &reason) == 0)
		return 0;
	return fail_set(why, FAIL_CONFIG, "\"%.*s\" is neither domain nor address: %s",
	    line.n > 80 ? 80 : (int)line.n, line.p, reason.text);
}

static int
add_file(struct accept *a, const char *path, struct fail *why)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, number = 0;
	ssize_t n;
	int rc = 0;

	if (file == NULL)
		return fail_errno(why, FAIL_NO_INPUT, "--accept: cannot read %s", path);
	while (rc == 0 && (n = getline(&line, &size, file)) >= 0) {
		number++;
		rc = add_line(a, slice_make(line, (size_t)n), why);
		if (rc != 0)
			fail_prefix(why, "%s:%zu", path, number);
	}
	if (rc == 0 && ferror(file))
		rc = fail_errno(why, FAIL_NO_INPUT, "--accept: cannot read %s", path);
	free(line);
	fclose(file);
	return rc;
}

int
accept_add(struct accept *a, const char *text, struct fail *why)
{
	struct fail reason;

	if (strchr(text, '/') != NULL && strchr(text, '@') == NULL)
		return add_file(a, text, why);
	if (add_one(a, slice_str(text), &reason) == 0)
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "--accept: '%s' is no mail domain, address or file (with a slash): %s", text,
	    reason.text);
}

int
accept_relay_from(struct accept *a, const char *text, struct fail *why)
{
	struct slice whole = slice_str(text);
	size_t slash = slice_find(whole, '/');
	struct slice length = slice_sub(whole, slash + 1, whole.n);
	unsigned long long bits = 128;
	struct fail reason;
	struct addr addr;

	if (!addr_parse_ip(slice_sub(whole, 0, slash), 0, &addr))
		return fail_set(why, FAIL_USAGE,
		    "--relay-from: '%s' is no address or network (expected 192.0.2.1, "
		    "192.0.2.0/24 or 2001:db8::/32)",
		    text);
	const struct in6_addr *six =
	    &((const struct sockaddr_in6 *)(const void *)&addr.sa)->sin6_addr;
	bool mapped = addr.sa.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six);
	if (slash < whole.n && slice_number(length, 128, &bits) &&
	    (bits == 0 || (mapped && bits <= 96)))
		return fail_set(why, FAIL_USAGE,
		    "--relay-from: '%s' is everybody: that would be an open relay", text);
	if (exclude_add(&a->relay_from, whole, &reason) != 0)
		return fail_set(why, FAIL_USAGE, "--relay-from: '%s': %s", text, reason.text);
	a->relays = true;
	return 0;
}

/* --- deciding ------------------------------------------------------------------------------------ */

bool
accept_is_relay_client(const struct accept *a, const struct addr *peer)
{
	return peer != NULL && a->relays && exclude_addr(&a->relay_from, peer);
}

/*
 * Local parts that another server may take for a route to somewhere else (reference S12): user%far, far!user,
 * "user@far". Nobody's real mailbox is worth being an open relay.
 */
static bool
has_route(const char *user)
{
	return user[strcspn(user, "%!@")] != '\0';
}

static bool
is_in(const struct map *m, const char *domain)
{
	return map_get(m, slice_str(domain)) != NULL;
}

static int
no_mail(const struct smtp_path *path, enum fail_code code, struct fail *why)
{
	return fail_set(why, code, "No mail for <%.*s@%.*s> here", (int)path->local.n,
	    path->local.p, (int)path->domain.n, path->domain.p);
}

static bool
literal_is_listed(const struct accept *a, const char *literal)
{
	return a->rules != NULL && rules_match(a->rules, literal) != rules_fallback(a->rules);
}

/* The address, or the one without its detail, whose name is cut to it then. */
static bool
is_listed(const struct accept *a, struct accept_name *name)
{
	size_t n = strlen(name->user), plus = strcspn(name->user, "+");
	struct buf key;

	buf_init(&key, sizeof(name->user) + sizeof(name->domain));
	name->listed =
	    map_get(&a->addresses, address_key(name->user, n, name->domain, &key)) != NULL;
	if (!name->listed && plus > 0 && plus < n &&
	    map_get(&a->addresses, address_key(name->user, plus, name->domain, &key)) != NULL) {
		name->listed = true;
		name->user[plus] = '\0';
	}
	buf_free(&key);
	return name->listed;
}

static int
decide(const struct accept *a, bool may_relay, const struct smtp_path *path,
    struct accept_name *name, struct fail *why)
{
	bool whole = is_in(&a->domains, name->domain),
	     some = is_in(&a->address_domains, name->domain);

	if (has_route(name->user) && (whole || some || may_relay))
		return fail_set(why, FAIL_REFUSED, "Source routes are not followed");
	if (is_listed(a, name))
		return 0;
	if ((whole || some) && strcmp(name->user, "postmaster") == 0) {
		name->listed = true;
		return 0;
	}
	if (whole || may_relay)
		return 0;
	return some ? no_mail(path, FAIL_NO_USER, why) : no_mail(path, FAIL_NXDOMAIN, why);
}

int
accept_rcpt(const struct accept *a, const struct addr *peer, const struct smtp_path *path,
    struct accept_name *name_r, struct fail *why)
{
	bool may_relay = accept_is_relay_client(a, peer);
	struct accept_name space = { 0 }, *name = name_r != NULL ? name_r : &space;
	const char *domain = NULL;
	struct arena arena;
	int rc;

	memset(name, 0, sizeof(*name));
	if (user_of(path->local, name->user) != 0)
		return no_mail(path, FAIL_NO_USER, why);
	if (path->domain.n == 0) { /* RFC 5321 s4.5.1: the bare postmaster */
		snprintf(name->domain, sizeof(name->domain), "%s", a->hostname);
		name->listed = true;
		return 0;
	}
	arena_init(&arena);
	if (path->literal)
		domain = arena_slice(&arena, path->domain);
	else
		domain = normal_domain(path->domain, &arena, NULL);
	if (domain == NULL || (path->literal && !may_relay)) {
		rc = no_mail(path, FAIL_NXDOMAIN, why);
	} else if (path->literal && !literal_is_listed(a, domain)) {
		rc = fail_set(why, FAIL_REFUSED, "Nothing is relayed to that address literal");
	} else {
		snprintf(name->domain, sizeof(name->domain), "%s", domain);
		rc = decide(a, may_relay, path, name, why);
	}
	arena_free(&arena);
	return rc;
}

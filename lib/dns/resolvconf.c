#include "dns/resolvconf.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"

#define DNS_PORT 53
#define DEFAULT_PATH "/etc/resolv.conf"
#define TIMEOUT_MAX_S 30 /* resolv.conf(5): "silently capped to 30" */
#define ATTEMPTS_MAX 5   /* likewise, to 5 */

static void
parse_nameserver(struct slice value, struct resolvconf *rc)
{
	size_t percent = slice_find(value, '%');
	struct slice zone = slice_sub(value, percent + 1, value.n);

	if (rc->n == RESOLVCONF_SERVERS || zone.n >= RESOLVCONF_ZONE_BYTES)
		return;
	if (!addr_parse_ip(slice_sub(value, 0, percent), DNS_PORT, &rc->servers[rc->n]))
		return;
	for (size_t i = 0; i < zone.n; i++)
		rc->zones[rc->n][i] = zone.p[i];
	rc->n++;
}

static void
parse_option(struct slice word, struct resolvconf *rc)
{
	size_t colon = slice_find(word, ':');
	struct slice name = slice_sub(word, 0, colon);
	struct slice value = slice_sub(word, colon + 1, word.n);
	unsigned long long n;

	if (slice_is(word, "trust-ad"))
		rc->trust_ad = true;
	if (!slice_number(value, 1000000, &n) || n == 0)
		return;
	if (slice_is(name, "timeout"))
		rc->timeout_ms = (int64_t)(n > TIMEOUT_MAX_S ? TIMEOUT_MAX_S : n) * 1000;
	else if (slice_is(name, "attempts"))
		rc->attempts = (int)(n > ATTEMPTS_MAX ? ATTEMPTS_MAX : n);
}

static void
parse_line(struct slice line, struct resolvconf *rc)
{
	/* libc: a keyword starts in the first column, ';' and '#' there are comments */
	if (line.n == 0 || line.p[0] == ' ' || line.p[0] == '\t')
		return;
	if (line.p[line.n - 1] == '\r')
		line.n--;
	struct slice keyword = slice_word(&line);
	if (slice_is(keyword, "nameserver")) {
		parse_nameserver(slice_word(&line), rc);
	} else if (slice_is(keyword, "options")) {
		struct slice word;
		while ((word = slice_word(&line)).n > 0)
			parse_option(word, rc);
	}
}

void
resolvconf_parse(struct slice text, struct resolvconf *rc_r)
{
	memset(rc_r, 0, sizeof(*rc_r));
	rc_r->timeout_ms = rc_r->attempts = -1;
	while (text.n > 0) {
		size_t end = slice_find(text, '\n');
		parse_line(slice_sub(text, 0, end), rc_r);
		text = slice_sub(text, end + 1, text.n);
	}
	if (rc_r->n == 0)
		addr_parse_ip(slice_str("127.0.0.1"), DNS_PORT, &rc_r->servers[rc_r->n++]);
}

/* RFC 4007 s11: a link-local address means nothing without its interface. */
static void
set_zone(struct addr *a, const char *zone)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&a->sa;

	if (zone[0] != '\0' && a->sa.ss_family == AF_INET6)
		in6->sin6_scope_id = if_nametoindex(zone);
}

static int
read_file(const char *path, struct buf *out, struct fail *why)
{
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return fail_errno(why, FAIL_CONFIG, "%s", path);
	char *at = buf_reserve(out, LIMIT_RESOLV_CONF_BYTES);
	size_t n = fread(at, 1, LIMIT_RESOLV_CONF_BYTES, f);
	buf_commit(out, n);
	bool failed = ferror(f) != 0;
	fclose(f);
	if (failed)
		return fail_set(why, FAIL_CONFIG, "%s: cannot be read", path);
	if (n == LIMIT_RESOLV_CONF_BYTES)
		return fail_set(why, FAIL_CONFIG, "%s: larger than %d bytes", path, (int)n);
	return 0;
}

int
resolvconf_load(const char *path, struct resolvconf *rc_r, struct fail *why)
{
	struct fail failed;
	struct buf text;
	int rc = 0;

	buf_init(&text, LIMIT_RESOLV_CONF_BYTES);
	if (read_file(path == NULL ? DEFAULT_PATH : path, &text, &failed) != 0) {
		/* libc takes a missing file for "ask this machine"; a file that was named must exist */
		if (path != NULL || failed.errnum != ENOENT)
			rc = fail_set(why, failed.code, "%s", failed.text);
	}
	resolvconf_parse(slice_make(buf_str(&text), text.len), rc_r);
	for (size_t i = 0; i < rc_r->n; i++)
		set_zone(&rc_r->servers[i], rc_r->zones[i]);
	buf_free(&text);
	return rc;
}

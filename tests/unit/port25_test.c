#include <stdio.h>

#include "base/arena.h"
#include "policy/port25.h"
#include "test.h"

/*
 * Servers in a short notation, separated by spaces: NAME/ADDRESS/what it did
 *   t  timed out when connecting    -  no route    r  refused    p  private, not tried
 *   else: its greeting
 */
static void
note(struct port25 *p, const char *servers, int port, struct target_facts *facts)
{
	struct arena arena;
	struct slice rest = slice_str(servers);

	arena_init(&arena);
	facts_init_target_facts(facts);
	while (rest.n > 0) {
		struct slice word = slice_word(&rest);
		size_t a = slice_find(word, '/');
		struct slice tail = slice_sub(word, a + 1, word.n);
		size_t b = slice_find(tail, '/');
		char *did = arena_slice(&arena, slice_sub(tail, b + 1, tail.n));
		struct exchange_facts *mx =
		    arena_push(&arena, &facts->exchanges, &facts->exchanges_n, sizeof(*mx));
		facts_init_exchange_facts(mx);
		mx->name = arena_slice(&arena, slice_sub(word, 0, a));
		struct host_facts *host =
		    arena_push(&arena, &mx->hosts, &mx->hosts_n, sizeof(*host));
		facts_init_host_facts(host);
		host->ip = arena_slice(&arena, slice_sub(tail, 0, b));
		host->port = port;
		host->attempts = strcmp(did, "p") != 0;
		host->status = strcmp(did, "t") == 0   ? HOST_CONNECT_TIMEOUT
			       : strcmp(did, "-") == 0 ? HOST_CONNECT_UNREACHABLE
			       : strcmp(did, "r") == 0 ? HOST_CONNECT_REFUSED
			       : strcmp(did, "p") == 0 ? HOST_BLOCKLISTED
						       : HOST_SUCCESS;
		if (host->status == HOST_SUCCESS)
			host->banner = arena_printf(&arena, "%s ESMTP ready\nmore", did);
	}
	port25_note(p, facts);
	CHECK_INT(port25_concerns(p, facts),
	    port25_finding(p) != NULL && port == 25 && facts->exchanges_n > 0);
	arena_free(&arena);
}

static const struct {
	const char *servers;
	const char *finding; /* part of it */
} rows[] = {
	{ "", NULL },
	/* blocked */
	{ "a.test/192.0.2.1/t", NULL },
	{ "a.test/192.0.2.1/t a.test/2001:db8::1/t", NULL },
	{ "a.test/192.0.2.1/t a.test/192.0.2.2/t", NULL },
	{ "a.test/192.0.2.1/t a.test/198.51.100.1/t", "no server answered" },
	{ "a.test/192.0.2.1/t b.test/198.51.100.1/t", "no server answered" },
	{ "a.test/2001:db8::1/t b.test/2001:db8:1::1/t", "no server answered" },
	{ "a.test/2001:db8::1/t b.test/192.0.2.1/t c.test/198.51.100.1/t", "no server answered" },
	{ "a.test/192.0.2.1/t b.test/198.51.100.1/t c.test/203.0.113.1/-", "no server answered" },
	{ "a.test/192.0.2.1/t b.test/198.51.100.1/t c.test/10.0.0.1/p", "no server answered" },
	{ "a.test/192.0.2.1/t b.test/198.51.100.1/t c.test/203.0.113.1/r", NULL },
	{ "a.test/192.0.2.1/t b.test/198.51.100.1/t c.test/203.0.113.1/c.test", NULL },
	/* intercepted */
	{ "mx.a.test/192.0.2.1/proxy.isp.test mx.b.test/198.51.100.1/proxy.isp.test", NULL },
	{ "mx.a.example/192.0.2.1/proxy.isp.test mx.b.example/198.51.100.1/proxy.isp.test "
	  "mx.c.example/203.0.113.1/proxy.isp.test",
	    "name of one host" },
	{ "mx.a.example/192.0.2.1/proxy.isp.test mx.b.example/198.51.100.1/PROXY.isp.test "
	  "mx.c.example/2001:db8::1/proxy.isp.test",
	    "name of one host" },
	{ "192.0.2.1/192.0.2.1/proxy.isp.test 198.51.100.1/198.51.100.1/proxy.isp.test "
	  "203.0.113.1/203.0.113.1/proxy.isp.test",
	    "name of one host" },
	/* one network, one domain, one that is different, the servers' own provider */
	{ "mx.a.example/192.0.2.1/proxy.isp.test mx.b.example/192.0.2.2/proxy.isp.test "
	  "mx.c.example/192.0.2.3/proxy.isp.test",
	    NULL },
	{ "mx1.a.example/192.0.2.1/proxy.isp.test mx2.a.example/198.51.100.1/proxy.isp.test "
	  "mx3.a.example/203.0.113.1/proxy.isp.test",
	    NULL },
	{ "mx.a.example/192.0.2.1/proxy.isp.test mx.b.example/198.51.100.1/proxy.isp.test "
	  "mx.c.example/203.0.113.1/proxy.isp.test mx.d.example/203.0.113.9/mx.d.example",
	    NULL },
	{ "mx.a.example/192.0.2.1/in.isp.test mx.b.example/198.51.100.1/in.isp.test "
	  "mx.c.example/203.0.113.1/in.isp.test mx.isp.test/203.0.113.9/in.isp.test",
	    NULL },
	/* nobody's name */
	{ "mx.a.example/192.0.2.1/*** mx.b.example/198.51.100.1/*** mx.c.example/203.0.113.1/***",
	    NULL },
	{ "mx.a.example/192.0.2.1/ESMTP mx.b.example/198.51.100.1/ESMTP "
	  "mx.c.example/203.0.113.1/ESMTP",
	    NULL },
};

TEST(port_25_is_blocked_or_intercepted_where_unrelated_servers_agree)
{
	struct target_facts facts;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct port25 p = { 0 }, other = { 0 };
		TEST_ROW("%s", rows[i].servers);
		note(&p, rows[i].servers, 25, &facts);
		const char *finding = port25_finding(&p);
		CHECK((finding == NULL) == (rows[i].finding == NULL));
		if (finding != NULL && rows[i].finding != NULL) {
			CHECK(strstr(finding, rows[i].finding) != NULL);
			CHECK(
			    strncmp(finding, "your network blocks or intercepts port 25", 41) == 0);
		}
		/* another port says nothing about this one */
		note(&other, rows[i].servers, 587, &facts);
		CHECK(port25_finding(&other) == NULL);
	}
}

TEST(port_25_over_several_records)
{
	struct port25 p = { 0 };
	struct target_facts facts;

	note(&p, "a.test/192.0.2.1/t", 25, &facts);
	CHECK(port25_finding(&p) == NULL);
	note(&p, "b.test/198.51.100.1/t", 25, &facts);
	CHECK(port25_finding(&p) != NULL);
	note(&p, "", 25, &facts); /* a null MX */
	CHECK(!port25_concerns(&p, &facts));
	note(&p, "c.test/203.0.113.1/mx.c.test", 25, &facts);
	CHECK(port25_finding(&p) == NULL);
}

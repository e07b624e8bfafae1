#include "dns_peer.h"

struct trust_row {
	const char *what, *ip;
	enum root root;
	bool trust_ad;
	enum dnssec secure, insecure;
	unsigned sent;
	enum tri validates;
	const char *why;
};

static const struct trust_row trust_rows[] = {
	{ "loopback", "127.0.0.1", ROOT_AD, false, DNSSEC_SECURE, DNSSEC_INSECURE, 3, TRI_YES, "" },
	{ "loopback IPv6", "::1", ROOT_AD, false, DNSSEC_SECURE, DNSSEC_INSECURE, 3, TRI_YES, "" },
	{ "loopback, another address", "127.0.0.53", ROOT_AD, false, DNSSEC_SECURE, DNSSEC_INSECURE,
	    3, TRI_YES, "" },
	{ "Docker's forwarder", "127.0.0.11", ROOT_AD, false, DNSSEC_NOT_CHECKED,
	    DNSSEC_NOT_CHECKED, 2, TRI_NO, "not trusted" },
	{ "trust_ad", "127.0.0.11", ROOT_AD, true, DNSSEC_SECURE, DNSSEC_INSECURE, 3, TRI_YES, "" },
	{ "no AD on the root", "127.0.0.1", ROOT_PLAIN, false, DNSSEC_NOT_CHECKED,
	    DNSSEC_NOT_CHECKED, 3, TRI_NO, "does not validate" },
	{ "root refused", "127.0.0.1", ROOT_REFUSED, false, DNSSEC_NOT_CHECKED, DNSSEC_NOT_CHECKED,
	    3, TRI_NO, "does not validate" },
	{ "trusted, but no AD on the root", "127.0.0.1", ROOT_PLAIN, true, DNSSEC_NOT_CHECKED,
	    DNSSEC_NOT_CHECKED, 3, TRI_NO, "does not validate" },
	/* that it cannot be found out must not look like "not signed" */
	{ "root silent", "127.0.0.1", ROOT_SILENT, false, DNSSEC_INDETERMINATE,
	    DNSSEC_INDETERMINATE, 4, TRI_UNKNOWN, "no answer from" },
	{ "root fails", "127.0.0.1", ROOT_SERVFAIL, false, DNSSEC_INDETERMINATE,
	    DNSSEC_INDETERMINATE, 4, TRI_UNKNOWN, "SERVFAIL" },
};

struct trust_arg {
	const struct trust_row *row;
	struct peer peer;
};

static void
run_trust(void *arg)
{
	struct trust_arg *t = arg;
	const struct trust_row *row = t->row;
	struct fail why;

	TEST_ROW("%s%s", row->what, sched_has_fibers() ? " in a fiber" : "");
	struct dns_resolver *r = resolver(&t->peer.addr, 1, 200, 2, row->trust_ad);
	const struct dns_answer *a = query(r, "secure.test", DNS_A);
	CHECK_STR(dnssec_str(a->dnssec), dnssec_str(row->secure));
	CHECK_INT(a->status, DNS_OK);
	dns_answer_release(a);
	a = query(r, "nodata.test", DNS_A);
	CHECK_STR(dnssec_str(a->dnssec), dnssec_str(row->insecure));
	dns_answer_release(a);
	CHECK_INT(dns_queries_sent(r), row->sent);
	fail_clear(&why);
	CHECK_INT(dns_resolver_validates(r, clock_deadline(5000), &why), row->validates);
	if (row->why[0] == '\0')
		CHECK_STR(why.text, "");
	else if (strstr(why.text, row->why) == NULL)
		CHECK_STR(why.text, row->why);
	CHECK_INT(dns_queries_sent(r), row->sent);
	dns_resolver_free(r);
}

TEST(ad_counts_from_a_trusted_resolver_that_has_shown_that_it_validates)
{
	for (size_t i = 0; i < sizeof(trust_rows) / sizeof(*trust_rows); i++) {
		struct trust_arg arg = { .row = &trust_rows[i] };
		/* a machine may be without IPv6 */
		if (!peer_start(&arg.peer, arg.row->ip, arg.row->root) && arg.row->ip[0] == ':')
			continue;
		both(run_trust, &arg);
		peer_stop(&arg.peer);
	}
}

struct servers {
	struct addr addr[2];
	const char *name;
	enum dns_status status;
	enum dnssec dnssec;
	unsigned sent;
};

static void
run_servers(void *arg)
{
	struct servers *s = arg;
	struct dns_resolver *r = resolver(s->addr, 2, 100, 2, false);

	const struct dns_answer *a = query(r, s->name, DNS_A);
	CHECK_STR(dns_status_str(a->status), dns_status_str(s->status));
	CHECK_STR(dnssec_str(a->dnssec), dnssec_str(s->dnssec));
	CHECK_INT(dns_queries_sent(r), s->sent);
	dns_answer_release(a);
	dns_resolver_free(r);
}

TEST(query_goes_to_the_next_server_and_says_so_when_that_one_cannot_be_trusted_as_much)
{
	struct peer local, docker, plain;
	struct addr dead, closed;

	CHECK(peer_start(&local, "127.0.0.1", ROOT_AD));
	CHECK(peer_start(&docker, "127.0.0.11", ROOT_AD));
	CHECK(peer_start(&plain, "127.0.0.1", ROOT_PLAIN));
	addr_parse_ip(slice_str("127.0.0.1"), 0, &dead);
	closed = dead;
	int fd = bind_socket(&dead, SOCK_DGRAM); /* bound, never read */
	close(bind_socket(&closed, SOCK_DGRAM));

	struct servers table[] = {
		/* no answer, then the second */
		{ { dead, local.addr }, "secure.test", DNS_OK, DNSSEC_SECURE, 3 },
		{ { closed, local.addr }, "secure.test", DNS_OK, DNSSEC_SECURE, 3 },
		{ { docker.addr, local.addr }, "secure.test", DNS_OK, DNSSEC_NOT_CHECKED, 1 },
		/* both do not answer, two rounds */
		{ { dead, dead }, "secure.test", DNS_TIMEOUT, DNSSEC_INDETERMINATE, 4 },
		{ { closed, dead }, "a.test", DNS_TIMEOUT, DNSSEC_INDETERMINATE, 4 },
		/* the trusted one failed: what the other says is not "not signed" */
		{ { dead, docker.addr }, "secure.test", DNS_OK, DNSSEC_INDETERMINATE, 2 },
		/* the failure that says more is told */
		{ { dead, local.addr }, "refused.test", DNS_REFUSED, DNSSEC_INDETERMINATE, 3 },
		{ { local.addr, docker.addr }, "servfail.test", DNS_SERVFAIL, DNSSEC_INDETERMINATE,
		    4 },
		/* bogus is final */
		{ { local.addr, docker.addr }, "bogus.test", DNS_SERVFAIL, DNSSEC_BOGUS, 1 },
		/* without a word: ". NS", with checking disabled, and once more */
		{ { local.addr, docker.addr }, "quiet.test", DNS_SERVFAIL, DNSSEC_BOGUS, 4 },
		/* a failure that passes is none */
		{ { local.addr, docker.addr }, "flaky.test", DNS_OK, DNSSEC_INSECURE, 4 },
		/* a server that is not trusted, or does not validate, cannot tell */
		{ { docker.addr, docker.addr }, "quiet.test", DNS_SERVFAIL, DNSSEC_NOT_CHECKED, 2 },
		{ { plain.addr, plain.addr }, "quiet.test", DNS_SERVFAIL, DNSSEC_INDETERMINATE, 4 },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		TEST_ROW("row %zu", i);
		both(run_servers, &table[i]);
	}
	close(fd);
	peer_stop(&local);
	peer_stop(&docker);
	peer_stop(&plain);
}

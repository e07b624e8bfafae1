#include <errno.h>

#include "dns_peer.h"

struct row {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	enum dnssec dnssec;
	size_t n;
	unsigned sent; /* ". NS" is asked after the first usable answer */
	const char *cname, *error;
};

static const struct row rows[] = {
	{ "a.test", DNS_A, DNS_OK, DNSSEC_INSECURE, 1, 2, NULL, NULL },
	{ "A.Test.", DNS_A, DNS_OK, DNSSEC_INSECURE, 1, 2, NULL, NULL },
	{ "secure.test", DNS_A, DNS_OK, DNSSEC_SECURE, 1, 2, NULL, NULL },
	{ "wrongid.test", DNS_A, DNS_OK, DNSSEC_INSECURE, 1, 2, NULL, NULL },
	{ "trunc.test", DNS_A, DNS_OK, DNSSEC_INSECURE, 100, 3, NULL, NULL },
	{ "large.test", DNS_A, DNS_OK, DNSSEC_INSECURE, 100, 3, NULL, NULL },
	{ "formerr.test", DNS_A, DNS_OK, DNSSEC_INSECURE, 1, 3, NULL, NULL },
	{ "alias.test", DNS_A, DNS_OK, DNSSEC_INSECURE, 1, 2, "c.test", NULL },
	{ "nodata.test", DNS_A, DNS_NODATA, DNSSEC_INSECURE, 0, 2, NULL, NULL },
	{ "nxdomain.test", DNS_A, DNS_NXDOMAIN, DNSSEC_SECURE, 0, 2, NULL, NULL },
	{ "null.test", DNS_MX, DNS_OK, DNSSEC_INSECURE, 1, 2, NULL, NULL },
	{ "literal.test", DNS_MX, DNS_OK, DNSSEC_INSECURE, 1, 2, NULL, NULL },
	/* a definite failure is not asked for again, nonsense and silence are; SERVFAIL may be bogus */
	{ "servfail.test", DNS_A, DNS_SERVFAIL, DNSSEC_INDETERMINATE, 0, 3, NULL, "SERVFAIL" },
	{ "quiet.test", DNS_A, DNS_SERVFAIL, DNSSEC_BOGUS, 0, 4, NULL, "checking disabled" },
	{ "bogus.test", DNS_A, DNS_SERVFAIL, DNSSEC_BOGUS, 0, 1, NULL, "signature of test." },
	{ "refused.test", DNS_A, DNS_REFUSED, DNSSEC_INDETERMINATE, 0, 1, NULL, "REFUSED" },
	{ "loop.test", DNS_A, DNS_MALFORMED, DNSSEC_INDETERMINATE, 0, 2, NULL, "alias loop" },
	{ "malformed.test", DNS_A, DNS_MALFORMED, DNSSEC_INDETERMINATE, 0, 2, NULL, "record data" },
	{ "silent.test", DNS_A, DNS_TIMEOUT, DNSSEC_INDETERMINATE, 0, 2, NULL, "within 200 ms" },
	{ "cut.test", DNS_A, DNS_TIMEOUT, DNSSEC_INDETERMINATE, 0, 4, NULL,
	    "over TCP: connection closed" },
};

static void
run_rows(void *arg)
{
	struct peer *p = arg;
	char text[ADDR_TEXT_BYTES];

	addr_str(&p->addr, text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		TEST_ROW("%s%s", row->name, sched_has_fibers() ? " in a fiber" : "");
		struct dns_resolver *r = resolver(&p->addr, 1, 200, 2, false);
		const struct dns_answer *a = query(r, row->name, row->type);
		CHECK_STR(dns_status_str(a->status), dns_status_str(row->status));
		CHECK_STR(dnssec_str(a->dnssec), dnssec_str(row->dnssec));
		CHECK_INT(a->n, row->n);
		CHECK_STR(a->cname, row->cname);
		CHECK_INT(dns_queries_sent(r), row->sent);
		CHECK_STR(a->resolver, row->status == DNS_TIMEOUT ? "" : text);
		CHECK(a->duration_s >= 0 && a->duration_s < 5);
		if (row->error == NULL)
			CHECK_STR(a->error, NULL);
		else if (a->error == NULL || strstr(a->error, row->error) == NULL)
			CHECK_STR(a->error, row->error);
		dns_answer_release(a);
		dns_resolver_free(r);
	}
}

TEST(query_tells_each_outcome_apart)
{
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	both(run_rows, &p);
	peer_stop(&p);
}

static void
run_null_mx(void *arg)
{
	struct peer *p = arg;
	struct dns_resolver *r = resolver(&p->addr, 1, 1000, 2, false);

	const struct dns_answer *a = query(r, "null.test", DNS_MX);
	CHECK_STR(a->n == 1 ? a->records[0].name : NULL, "");
	dns_answer_release(a);
	a = query(r, "a.test", DNS_MX);
	CHECK_STR(a->n == 1 ? a->records[0].name : NULL, "mx.test");
	dns_answer_release(a);
	a = query(r, "wrongid.test", DNS_A);
	CHECK_INT(a->n == 1 ? a->records[0].address[3] : 0, 1);
	dns_answer_release(a);
	dns_resolver_free(r);
}

TEST(query_gives_the_records_and_not_those_of_forged_replies)
{
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	both(run_null_mx, &p);
	peer_stop(&p);
}

static void
run_cache(void *arg)
{
	struct peer *p = arg;
	struct dns_resolver *r = resolver(&p->addr, 1, 1000, 2, false);
	const struct dns_answer *first = query(r, "a.test", DNS_A);

	CHECK_INT(dns_queries_sent(r), 2);
	const struct dns_answer *again = query(r, "A.TEST.", DNS_A);
	CHECK(again == first);
	CHECK_INT(dns_queries_sent(r), 2);
	dns_answer_release(again);
	dns_answer_release(query(r, "a.test", DNS_MX));
	CHECK_INT(dns_queries_sent(r), 3);
	dns_answer_release(query(r, "nxdomain.test", DNS_A));
	dns_answer_release(query(r, "nxdomain.test", DNS_A));
	CHECK_INT(dns_queries_sent(r), 4);
	dns_answer_release(query(r, "servfail.test", DNS_A));
	dns_answer_release(query(r, "servfail.test", DNS_A));
	CHECK_INT(dns_queries_sent(r), 6); /* with checking disabled, too */
	dns_resolver_free(r);
	/* an answer outlives its resolver */
	CHECK_INT(first->n, 1);
	dns_answer_release(first);
}

TEST(query_sends_nothing_for_what_is_in_the_cache)
{
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	both(run_cache, &p);
	peer_stop(&p);
}
static void
run_refused_port(void *arg)
{
	struct addr *closed = arg;
	struct dns_resolver *r = resolver(closed, 1, 5000, 2, false);
	int64_t start = clock_ms();

	const struct dns_answer *a = query(r, "a.test", DNS_A);
	CHECK_INT(a->status, DNS_TIMEOUT);
	CHECK_INT(dns_answer_fail(a), FAIL_DNS_TIMEOUT);
	CHECK(a->error != NULL && strstr(a->error, strerror(ECONNREFUSED)) != NULL);
	CHECK(clock_ms() - start < 3000);
	dns_answer_release(a);
	dns_resolver_free(r);
}

TEST(query_does_not_wait_for_a_resolver_that_is_not_there)
{
	struct addr closed;

	addr_parse_ip(slice_str("127.0.0.1"), 0, &closed);
	close(bind_socket(&closed, SOCK_DGRAM));
	both(run_refused_port, &closed);
}

static void
run_deadline(void *arg)
{
	struct peer *p = arg;
	struct dns_resolver *r = resolver(&p->addr, 1, 400, 1, false);
	const struct dns_answer *a = NULL;
	struct fail why;
	int64_t start = clock_ms();

	CHECK_INT(dns_query(r, "silent.test", DNS_A, &a, clock_deadline(50), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	CHECK(clock_ms() - start < 350);
	CHECK_INT(dns_query(r, "a..test", DNS_A, &a, clock_deadline(50), &why), -1);
	CHECK_INT(why.code, FAIL_DNS_NAME);
	CHECK_INT(dns_query(r, "a b.test", DNS_A, &a, clock_deadline(50), &why), -1);
	CHECK_INT(why.code, FAIL_DNS_NAME);
	/* in a fiber the shared lookup of silent.test is still in flight */
	dns_resolver_free(r);
}

TEST(query_ends_at_its_own_deadline)
{
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	both(run_deadline, &p);
	peer_stop(&p);
}

struct shared {
	struct dns_resolver *r;
	const struct dns_answer *answers[60];
	size_t n;
	bool same; /* all ask the same name */
};

static void
asker(void *arg)
{
	struct shared *s = arg;
	size_t i = s->n++;
	char name[32];

	snprintf(name, sizeof(name), "a%zu.test", s->same ? (size_t)0 : i);
	s->answers[i] = query(s->r, name, DNS_A);
}

static void
spawn_askers(void *arg)
{
	for (int i = 0; i < 50; i++)
		fiber_spawn(asker, arg, "asker", DEADLINE_NEVER, NULL);
}

TEST(fibers_that_ask_the_same_at_once_send_one_query)
{
	struct shared s = { .same = true };
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	s.r = resolver(&p.addr, 1, 1000, 2, false);
	sched_run(spawn_askers, &s);
	CHECK_INT(s.n, 50);
	CHECK_INT(dns_queries_sent(s.r), 2); /* and one for ". NS" */
	for (size_t i = 0; i < s.n; i++) {
		CHECK(s.answers[i] == s.answers[0]);
		CHECK_STR(dnssec_str(s.answers[i]->dnssec), "insecure");
	}
	for (size_t i = 0; i < s.n; i++)
		dns_answer_release(s.answers[i]);
	dns_resolver_free(s.r);
	peer_stop(&p);
}

TEST(fibers_that_ask_different_names_share_the_question_whether_the_resolver_validates)
{
	struct shared s = { .same = false };
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	s.r = resolver(&p.addr, 1, 1000, 2, false);
	sched_run(spawn_askers, &s);
	CHECK_INT(s.n, 50);
	CHECK_INT(dns_queries_sent(s.r), 51);
	for (size_t i = 0; i < s.n; i++) {
		CHECK_STR(dnssec_str(s.answers[i]->dnssec), "insecure");
		dns_answer_release(s.answers[i]);
	}
	dns_resolver_free(s.r);
	peer_stop(&p);
}

static void
cancelled(void *arg)
{
	struct dns_resolver *r = arg;
	const struct dns_answer *a = NULL;
	struct fail why;

	CHECK_INT(dns_query(r, "silent.test", DNS_A, &a, DEADLINE_NEVER, &why), -1);
	CHECK_INT(why.code, FAIL_CANCELLED);
}

static void
patient(void *arg)
{
	struct dns_resolver *r = arg;
	const struct dns_answer *a = query(r, "silent.test", DNS_A);

	CHECK_INT(a->status, DNS_TIMEOUT);
	dns_answer_release(a);
	CHECK_INT(dns_queries_sent(r), sched_has_fibers() ? 1 : 2);
	dns_resolver_free(r);
}

static void
spawn_cancelled(void *arg)
{
	fiber_spawn(cancelled, arg, "cancelled", clock_deadline(50), NULL);
	fiber_spawn(patient, arg, "patient", DEADLINE_NEVER, NULL);
}

TEST(a_fiber_that_is_cancelled_does_not_cancel_the_lookup_of_others)
{
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	sched_run(spawn_cancelled, resolver(&p.addr, 1, 300, 1, false));
	peer_stop(&p);
}

static void
stop_all(void *arg)
{
	struct dns_resolver *r = arg;
	const struct dns_answer *a = NULL;
	struct fail why;

	sched_stop(clock_deadline(50));
	CHECK_INT(dns_query(r, "silent.test", DNS_A, &a, DEADLINE_NEVER, &why), -1);
	CHECK_INT(why.code, FAIL_CANCELLED);
	dns_resolver_free(r);
}

TEST(a_stop_ends_lookups)
{
	struct peer p;

	CHECK(peer_start(&p, "127.0.0.1", ROOT_AD));
	sched_run(stop_all, resolver(&p.addr, 1, 20000, 1, false));
	peer_stop(&p);
}

TEST(resolver_new_takes_servers_timeout_and_trust_from_resolv_conf)
{
	char path[] = "/tmp/dns-query-test-XXXXXX";
	struct dns_options options = { .resolv_conf = path };
	struct addr many[17];
	struct fail why;

	int fd = mkstemp(path);
	/* TEST-NET: nothing is sent to it */
	static const char text[] = "nameserver 192.0.2.1\noptions trust-ad\n";
	CHECK_INT(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	struct dns_resolver *r = dns_resolver_new(&options, &why);
	CHECK(r != NULL);
	CHECK_INT(dns_queries_sent(r), 0);
	dns_resolver_free(r);
	unlink(path);
	CHECK(dns_resolver_new(&options, &why) == NULL);
	CHECK_INT(why.code, FAIL_CONFIG);
	memset(many, 0, sizeof(many));
	CHECK(resolver(many, 17, 0, 0, false) == NULL);
	dns_resolver_free(NULL);
}

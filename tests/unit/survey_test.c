#include <stdio.h>
#include <stdlib.h>

#include "app/exclude.h"
#include "app/survey/join.h"
#include "app/survey/line.h"
#include "app/survey/polite.h"
#include "app/survey/table.h"
#include "base/pool.h"
#include "test.h"

static struct addr
ip(const char *text)
{
	struct addr addr;

	CHECK(addr_parse_ip(slice_str(text), 25, &addr));
	return addr;
}

/* --- pool, table --------------------------------------------------------------------------------- */

TEST(a_pool_keeps_what_is_in_it_where_it_is_and_uses_again_what_came_back)
{
	struct pool pool;
	uint32_t first, last = 0;

	pool_init(&pool, 16);
	first = pool_take(&pool);
	CHECK_INT(first, 1);
	uint64_t *at = pool_at(&pool, first);
	*at = 7;
	for (int i = 0; i < 5000; i++)
		last = pool_take(&pool);
	CHECK_INT(last, 5001);
	CHECK(pool_at(&pool, first) == at && *at == 7);
	pool_give(&pool, 17);
	pool_give(&pool, 4000);
	CHECK_INT(pool_take(&pool), 4000);
	CHECK_INT(pool_take(&pool), 17);
	CHECK_INT(*(uint64_t *)pool_at(&pool, 17), 0);
	CHECK_INT(pool_take(&pool), 5002);
	pool_free(&pool);
}

TEST(a_server_is_address_port_name_and_tlsa_records)
{
	struct survey_table t;
	struct addr a = ip("192.0.2.1"), b = ip("2001:db8::1"), other_port = ip("192.0.2.1");
	bool made;

	addr_set_port(&other_port, 2525);
	survey_table_init(&t);
	uint32_t n = survey_server(&t, &a, "mx.test", NULL, &made);
	CHECK(made);
	CHECK_INT(survey_server(&t, &a, "mx.test", NULL, &made), n);
	CHECK(!made);
	CHECK(survey_server(&t, &a, "mx2.test", NULL, &made) != n);
	CHECK(survey_server(&t, &a, NULL, NULL, &made) != n);
	CHECK(survey_server(&t, &a, "mx.test", "0123456789abcdef", &made) != n);
	CHECK(survey_server(&t, &b, "mx.test", NULL, &made) != n);
	CHECK(survey_server(&t, &other_port, "mx.test", NULL, &made) != n);
	CHECK_INT(t.servers.used, 6);
	CHECK(survey_address(&t, &a) == survey_address(&t, &a));
	CHECK(survey_address(&t, &a) != survey_address(&t, &other_port));
	/* many: none gets lost when the table grows, and each costs little */
	for (unsigned i = 0; i < 20000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mx%u.test", i);
		survey_server_at(&t, survey_server(&t, &a, name, NULL, &made))->at = i + 1;
	}
	for (unsigned i = 0; i < 20000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mx%u.test", i);
		uint32_t number = survey_server(&t, &a, name, NULL, &made);
		CHECK(!made && survey_server_at(&t, number)->at == i + 1);
	}
	CHECK(sizeof(struct survey_server) + sizeof(struct survey_address) + 2 * 4 * 8 / 3 * 2 <=
	      100);
	survey_table_free(&t);
}

TEST(a_domain_is_ready_when_its_last_server_is)
{
	struct survey_table t;
	struct addr a = ip("192.0.2.1"), b = ip("192.0.2.2");
	bool made;

	survey_table_init(&t);
	uint32_t one = survey_server(&t, &a, "mx.test", NULL, &made);
	uint32_t two = survey_server(&t, &b, "mx.test", NULL, &made);
	uint32_t x = survey_waiting_new(&t, 1, 1), y = survey_waiting_new(&t, 2, 2);
	survey_wait(&t, one, x);
	survey_wait(&t, two, x);
	survey_wait(&t, two, x); /* twice the same: skipped names of one address */
	survey_wait(&t, one, y);
	CHECK_INT(t.waiting_n, 2);
	CHECK_INT(survey_wake(&t, one), y);
	CHECK_INT(survey_waiting_at(&t, y)->next, 0);
	CHECK_INT(survey_wake(&t, one), 0);
	CHECK_INT(survey_wake(&t, two), x);
	survey_waiting_free(&t, x);
	survey_waiting_free(&t, y);
	CHECK_INT(t.waiting_n, 0);
	survey_table_free(&t);
}

/* --- politeness ---------------------------------------------------------------------------------- */

#define JOBS 400

struct farm {
	struct survey_polite polite;
	struct survey_job jobs[JOBS];
	size_t n;
};

static struct survey_job *
add(struct farm *f, const char *address, const char *provider, bool exempt, int64_t now)
{
	struct addr to = ip(address);
	struct survey_job *job = &f->jobs[f->n++];

	survey_polite_add(&f->polite, job, &to, slice_str(provider), exempt, now);
	return job;
}

static void
farm_init(struct farm *f, const struct survey_limits *limits)
{
	memset(f, 0, sizeof(*f));
	survey_polite_init(&f->polite, limits, 7, 0);
}

/* How many begin now. */
static size_t
begin_all(struct farm *f, struct survey_job **begun, int64_t now, int64_t *when_r)
{
	size_t n = 0;
	struct survey_job *job;

	while ((job = survey_polite_next(&f->polite, now, when_r)) != NULL)
		begun[n++] = job;
	return n;
}

TEST(one_session_at_a_time_at_an_address_and_a_pause_between_two)
{
	struct survey_limits limits = survey_limits_default(1);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;

	farm_init(&f, &limits);
	add(&f, "192.0.2.1", "a.test", false, 0);
	add(&f, "192.0.2.1", "b.test", false, 0);
	CHECK_INT(begin_all(&f, begun, 0, &when), 1);
	CHECK_INT(when, INT64_MAX); /* nothing but its end can change that */
	CHECK_INT(f.polite.queued, 1);
	survey_polite_done(&f.polite, begun[0], false, 500);
	CHECK_INT(begin_all(&f, begun, 500, &when), 0);
	CHECK_INT(when, 1500);
	CHECK_INT(begin_all(&f, begun, 1499, &when), 0);
	CHECK_INT(begin_all(&f, begun, 1500, &when), 1);
	survey_polite_done(&f.polite, begun[0], false, 1600);
	/* an address that nobody asks for any more is forgotten when its pause is over */
	CHECK_INT(begin_all(&f, begun, 2599, &when), 0);
	CHECK_INT(f.polite.places.n, 1);
	CHECK_INT(begin_all(&f, begun, 2600, &when), 0);
	CHECK_INT(f.polite.places.n, 0);
	CHECK_INT(f.polite.lanes.n, 0);
	survey_polite_free(&f.polite);
}

TEST(our_own_servers_are_spared_the_second_session_only)
{
	struct survey_limits limits = survey_limits_default(1);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;
	char text[32];

	farm_init(&f, &limits);
	for (int i = 1; i <= 100; i++) {
		snprintf(text, sizeof(text), "127.0.0.%d", i);
		add(&f, text, "a.test", true, 0);
		add(&f, text, "a.test", true, 0);
	}
	CHECK_INT(begin_all(&f, begun, 0, &when), 100);
	for (int i = 0; i < 100; i++)
		survey_polite_done(&f.polite, begun[i], false, 10);
	CHECK_INT(begin_all(&f, begun, 10, &when), 100);
	survey_polite_free(&f.polite);
}

TEST(a_network_takes_five_a_second_and_ten_at_once)
{
	struct survey_limits limits = survey_limits_default(1);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;
	size_t n = 0;
	char text[32];

	farm_init(&f, &limits);
	for (int i = 1; i <= 40; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		char provider[32];
		snprintf(provider, sizeof(provider), "p%d.test", i);
		add(&f, text, provider, false, 0);
	}
	CHECK_INT(n += begin_all(&f, begun, 0, &when), 5);
	CHECK(when > 190 && when < 210);
	for (int64_t now = 0; now <= 3000; now += 50)
		n += begin_all(&f, begun + n, now, &when);
	CHECK_INT(n, 10);
	survey_polite_done(&f.polite, begun[0], false, 3000);
	survey_polite_done(&f.polite, begun[1], false, 3000);
	CHECK_INT(begin_all(&f, begun + n, 3000, &when), 2);
	/* another network is not concerned */
	add(&f, "198.51.100.1", "other.test", false, 3000);
	add(&f, "2001:db8::1", "other6.test", false, 3000);
	CHECK_INT(begin_all(&f, begun + n, 3000, &when), 2);
	survey_polite_free(&f.polite);
}

TEST(a_provider_takes_twenty_at_once_google_forty)
{
	struct survey_limits limits = survey_limits_default(1);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;
	char text[32];

	farm_init(&f, &limits);
	for (int i = 1; i <= 60; i++) {
		snprintf(text, sizeof(text), "10.%d.0.1", i);
		add(&f, text, "hoster.test", false, 0);
		snprintf(text, sizeof(text), "11.%d.0.1", i);
		add(&f, text, "google.com", false, 0);
	}
	size_t n = begin_all(&f, begun, 0, &when);
	CHECK_INT(n, 60);
	/* whoever ends makes room for one, and nobody is forgotten */
	for (size_t done = 0; done < n; done++) {
		survey_polite_done(&f.polite, begun[done], false, 1);
		n += begin_all(&f, begun + n, 1, &when);
	}
	CHECK_INT(n, 120);
	survey_polite_free(&f.polite);
}

TEST(room_that_one_cannot_use_goes_to_another)
{
	struct survey_limits limits = survey_limits_default(1);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;
	char text[32];

	limits.network_at_once = 1;
	limits.network_a_second = 1000;
	limits.provider_at_once = 1;
	farm_init(&f, &limits);
	add(&f, "192.0.2.1", "busy.test", false, 0);
	add(&f, "198.51.100.1", "busy.test", false, 0);
	CHECK_INT(begin_all(&f, begun, 0, &when), 1);
	/* waits in the network of the first, then for the provider; those behind it may go on */
	for (int i = 2; i < 20; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		add(&f, text, i < 5 ? "busy.test" : "idle.test", false, 0);
	}
	size_t n = 1;
	for (size_t done = 0; done < n; done++) {
		survey_polite_done(&f.polite, begun[done], false, (int64_t)done * 10);
		n += begin_all(&f, begun + n, (int64_t)done * 10, &when);
	}
	CHECK_INT(n, 20);
	survey_polite_free(&f.polite);
}

TEST(who_says_421_is_left_alone_longer_each_time)
{
	struct survey_limits limits = survey_limits_default(1);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;

	farm_init(&f, &limits);
	for (int i = 0; i < 8; i++)
		add(&f, "192.0.2.1", "a.test", false, 0);
	const int64_t pauses[] = { 60, 120, 240, 480, 900, 900 };
	int64_t now = 0;
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		TEST_ROW("%zu", i);
		CHECK_INT(begin_all(&f, begun, now, &when), 1);
		survey_polite_done(&f.polite, begun[0], true, now);
		CHECK_INT(begin_all(&f, begun, now, &when), 0);
		CHECK_INT(when - now, pauses[i] * 1000);
		now = when;
	}
	CHECK_INT(begin_all(&f, begun, now, &when), 1);
	survey_polite_done(&f.polite, begun[0], false, now);
	begin_all(&f, begun, now, &when);
	CHECK_INT(when - now, 1000);
	survey_polite_free(&f.polite);
}

TEST(a_rate_for_all_and_an_nth_for_each_of_n_machines)
{
	struct survey_limits limits = survey_limits_default(4);
	struct survey_job *begun[JOBS];
	struct farm f;
	int64_t when;
	size_t n = 0;
	char text[32];

	CHECK_INT(limits.apart_ms, 4000);
	CHECK_INT(limits.network_at_once, 2);
	CHECK_INT(limits.provider_at_once, 5);
	CHECK_INT(limits.big_at_once, 10);
	CHECK_INT(survey_limits_default(100).network_at_once, 1);
	limits = survey_limits_default(1);
	limits.a_second = 10;
	farm_init(&f, &limits);
	for (int i = 1; i <= 100; i++) {
		snprintf(text, sizeof(text), "127.0.%d.1", i);
		add(&f, text, "x.test", true, 0);
	}
	for (int64_t now = 0; now <= 5000; now += 10)
		n += begin_all(&f, begun, now, &when);
	CHECK(n >= 49 && n <= 52);
	survey_polite_free(&f.polite);
}

/* --- lines --------------------------------------------------------------------------------------- */

#define HEAD "{\"schema\":\"mxtls-probe/1\",\"type\":"

TEST(lines_of_a_survey_are_known_and_torn_ones_too)
{
	static const struct {
		const char *line;
		enum survey_line kind;
		unsigned seq;
	} rows[] = {
		{ HEAD "\"domain\",\"seq\":12,\"domain\":\"a\"}", SURVEY_LINE_DOMAIN, 12 },
		{ HEAD "\"domain\",\"seq\":12,\"domain\":\"a}\"}", SURVEY_LINE_DOMAIN, 12 },
		{ HEAD "\"domain\",\"seq\":1,\"x\":[{\"y\":\"\\\"]\"}]}", SURVEY_LINE_DOMAIN, 1 },
		{ HEAD "\"meta\",\"version\":\"0\"}", SURVEY_LINE_META, 0 },
		{ HEAD "\"host\",\"ref\":\"0\"}", SURVEY_LINE_HOST, 0 },
		{ HEAD "\"certificate\",\"certificate\":{}}", SURVEY_LINE_CERTIFICATE, 0 },
		{ HEAD "\"domain\",\"seq\":12,\"domain\":\"a\"", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"seq\":12,\"domain\":\"a}", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"seq\":12,\"x\":[{\"y\":1}}", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"seq\":12}{", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"seq\":12,\"x\":1} ", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"seq\":0,\"x\":1}", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"seq\":null,\"x\":1}", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"domain\",\"x\":1}", SURVEY_LINE_FOREIGN, 0 },
		{ HEAD "\"other\"}", SURVEY_LINE_FOREIGN, 0 },
		{ "{\"schema\":\"mxtls-probe/2\",\"type\":\"meta\"}", SURVEY_LINE_FOREIGN, 0 },
		{ "", SURVEY_LINE_FOREIGN, 0 },
		{ "hello", SURVEY_LINE_FOREIGN, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t seq;
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(survey_line_kind(slice_str(rows[i].line), &seq), rows[i].kind);
		CHECK_INT(seq, rows[i].seq);
	}
}

/* --- joining ------------------------------------------------------------------------------------- */

TEST(a_reference_leads_back_to_the_server)
{
	static const struct {
		const char *address, *name, *digest, *ref;
	} rows[] = {
		{ "192.0.2.1", "mx.test", NULL, "192.0.2.1:25/mx.test" },
		{ "2001:db8::1", "mx.test", "0123456789abcdef",
		    "[2001:db8::1]:25/mx.test#0123456789abcdef" },
		{ "192.0.2.1", NULL, NULL, "192.0.2.1:25" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr to = ip(rows[i].address), back;
		const char *name, *digest;
		TEST_ROW("%s", rows[i].ref);
		char *ref = survey_ref(&to, rows[i].name, rows[i].digest, &arena);
		CHECK_STR(ref, rows[i].ref);
		CHECK(survey_ref_parse(ref, &arena, &back, &name, &digest));
		CHECK(addr_equal_ip(&to, &back) && addr_port(&back) == 25);
		CHECK_STR(name, rows[i].name);
		CHECK_STR(digest, rows[i].digest);
	}
	struct addr to;
	const char *name, *digest;
	CHECK(!survey_ref_parse("nonsense/x", &arena, &to, &name, &digest));
	arena_free(&arena);
}

/* A host with one DANE-TA record, and a server whose certificate was of no use to the host's name. */
static enum dane
joined(const char *cert_name, enum tlsa_status status, const char *note)
{
	struct arena arena;
	struct target_facts target;
	struct exchange_facts mx;
	struct host_facts host;
	struct server_facts server;
	struct tlsa_record_facts here, there;
	struct tls_facts tls;
	struct cert_facts cert;

	arena_init(&arena);
	facts_init_target_facts(&target);
	facts_init_exchange_facts(&mx);
	facts_init_host_facts(&host);
	facts_init_server_facts(&server);
	facts_init_tlsa_record_facts(&here);
	facts_init_tls_facts(&tls);
	facts_init_cert_facts(&cert);
	here.usage = 2;
	here.selector = here.matching_type = 1;
	here.data = arena_strdup(&arena, "aa");
	here.usable = true;
	there = here;
	there.matched = TRI_NO;
	there.note = note == NULL ? NULL : arena_strdup(&arena, note);
	mx.tlsa.status = status;
	mx.tlsa.records = &here;
	mx.tlsa.records_n = 1;
	cert.fingerprint = arena_strdup(&arena, "ff");
	strs_add(&cert.names, &arena, cert_name);
	tls.complete = TRI_YES;
	tls.dane = DANE_MISMATCH;
	strs_add(&tls.chain, &arena, "ff");
	server.host.tls = &tls;
	server.host.tls_n = 1;
	server.records = &there;
	server.records_n = 1;
	server.certs = &cert;
	server.certs_n = 1;
	survey_join(&target, &mx, &host, &server, "domain.test", 0, &arena);
	enum dane dane = host.tls[0].dane;
	CHECK_INT(host.tls[0].verify.matches_domain,
	    strcmp(cert_name, "domain.test") == 0 ? TRI_YES : TRI_NO);
	CHECK_INT(here.matched, dane == DANE_VALID ? TRI_YES : TRI_NO);
	CHECK_INT(target.certs_n, 1);
	CHECK_INT(tls.dane, DANE_MISMATCH); /* what others share stays as it is */
	arena_free(&arena);
	return dane;
}

TEST(behind_secure_mx_records_dane_ta_may_name_the_mail_domain_rfc7672_s3_2_3)
{
	const char *other = "the certificate names another host";

	CHECK_INT(joined("domain.test", TLSA_USABLE, other), DANE_VALID);
	CHECK_INT(joined("else.test", TLSA_USABLE, other), DANE_MISMATCH);
	CHECK_INT(joined("domain.test", TLSA_INSECURE_MX, other), DANE_MISMATCH);
	CHECK_INT(joined("domain.test", TLSA_USABLE, NULL), DANE_MISMATCH);
	CHECK_INT(joined("domain.test", TLSA_USABLE, "depth 1: expired"), DANE_MISMATCH);
}

TEST(the_digest_of_tlsa_records_does_not_depend_on_their_order)
{
	struct arena arena;
	struct tlsa_record_facts records[2];
	struct tlsa_facts tlsa;

	arena_init(&arena);
	facts_init_tlsa_facts(&tlsa);
	for (int i = 0; i < 2; i++) {
		facts_init_tlsa_record_facts(&records[i]);
		records[i].usage = 3;
		records[i].selector = records[i].matching_type = 1;
		records[i].data = arena_strdup(&arena, i == 0 ? "aa" : "bb");
	}
	tlsa.records = records;
	tlsa.records_n = 2;
	tlsa.status = TLSA_NONE;
	CHECK(survey_tlsa_digest(&tlsa, &arena) == NULL);
	tlsa.status = TLSA_USABLE;
	char *a = survey_tlsa_digest(&tlsa, &arena);
	struct tlsa_record_facts first = records[0];
	records[0] = records[1];
	records[1] = first;
	CHECK_STR(survey_tlsa_digest(&tlsa, &arena), a);
	tlsa.status = TLSA_INSECURE_MX; /* the same question to the server */
	CHECK_STR(survey_tlsa_digest(&tlsa, &arena), a);
	records[0].usage = 2;
	CHECK(strcmp(survey_tlsa_digest(&tlsa, &arena), a) != 0);
	arena_free(&arena);
}

/* --- who does not want to be asked --------------------------------------------------------------- */

TEST(exclude_lists_take_names_addresses_and_networks)
{
	static const char *const lines[] = { "example.test # asked in May", "*.wild.test",
		".dot.test", "192.0.2.7", "198.51.100.0/25", "2001:db8:1::/48", "  ", "# nothing",
		"10.1.2.3/8", "MÜNCHEN.test" };
	static const struct {
		const char *what;
		bool want;
	} rows[] = { { "example.test", true }, { "EXAMPLE.test.", true },
		{ "a.b.example.test", true }, { "xexample.test", false }, { "test", false },
		{ "wild.test", true }, { "a.wild.test", true }, { "a.dot.test", true },
		{ "xn--mnchen-3ya.test", true }, { "192.0.2.7", true }, { "192.0.2.8", false },
		{ "198.51.100.127", true }, { "198.51.100.128", false },
		{ "2001:db8:1:ffff::1", true }, { "2001:db8:2::1", false }, { "10.255.0.1", true },
		{ "11.0.0.1", false } };
	static const char *const bad[] = { "192.0.2.0/33", "192.0.2.0/", "2001:db8::/129",
		"two words", "a..b", "192.0.2.0/24 extra", "http://example.test/" };
	struct exclude e;
	struct fail why;

	exclude_init(&e);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		TEST_ROW("%s", lines[i]);
		CHECK_INT(exclude_add(&e, slice_str(lines[i]), &why), 0);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr addr;
		TEST_ROW("%s", rows[i].what);
		if (addr_parse_ip(slice_str(rows[i].what), 0, &addr))
			CHECK_INT(exclude_addr(&e, &addr), rows[i].want);
		else
			CHECK_INT(exclude_name(&e, rows[i].what), rows[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEST_ROW("%s", bad[i]);
		CHECK_INT(exclude_add(&e, slice_str(bad[i]), &why), -1);
		CHECK_INT(why.code, FAIL_CONFIG);
	}
	exclude_free(&e);
}

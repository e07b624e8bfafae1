#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "policy/mx.h"
#include "test.h"

/*
 * The resolver is replaced at link time by a table of answers: dns_query below is the only function
 * of dns/resolver.c that mx.c needs.
 */
struct zone_row {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	const char *data; /* "10 mx.example, 20 b.example" or "192.0.2.1, 192.0.2.2" */
	const char *cname;
	enum dnssec dnssec;
	uint32_t ttl;
	enum fail_code fail; /* no outcome at all */
};

static const struct zone_row *zone; /* ended by a row without name; anything else is NXDOMAIN */
static char asked[1000];            /* "MX example, A example" */

struct made {
	struct dns_answer answer;
	struct dns_record records[400];
	char text[400 * 40];
};

static void
parse_record(const char *text, enum dns_type type, struct dns_record *record, char **at)
{
	struct addr addr;
	int preference = 0, used = 0;

	record->ttl = 300;
	if (type == DNS_MX) {
		if (sscanf(text, "%d %n", &preference, &used) != 1)
			abort();
		record->preference = (uint16_t)preference;
		record->name = strcpy(*at, text + used);
		*at += strlen(*at) + 1;
		return;
	}
	if (!addr_parse_ip(slice_str(text), 0, &addr))
		abort();
	if (type == DNS_A)
		memcpy(record->address, &((struct sockaddr_in *)(void *)&addr.sa)->sin_addr, 4);
	else
		memcpy(record->address, &((struct sockaddr_in6 *)(void *)&addr.sa)->sin6_addr, 16);
}

/* A hand-made answer; data is cut at ", ". */
static struct made *
make_answer(const struct zone_row *row)
{
	struct made *made = calloc(1, sizeof(*made));
	char *at = made == NULL ? NULL : made->text;

	if (made == NULL)
		abort();
	made->answer = (struct dns_answer){ .refs = 1,
		.status = row->status,
		.dnssec = row->dnssec,
		.rcode = 0,
		.ede = -1,
		.cname = row->cname,
		.ttl = row->ttl,
		.duration_s = 0.25,
		.records = made->records };
	strcpy(made->answer.resolver, "192.0.2.53");
	if (row->status > DNS_NXDOMAIN)
		made->answer.error = "made to fail";
	for (const char *p = row->data; p != NULL && *p != '\0';) {
		char one[300];
		size_t n = strcspn(p, ",");
		snprintf(one, sizeof(one), "%.*s", (int)n, p);
		parse_record(one, row->type, &made->records[made->answer.n++], &at);
		p += n;
		p += strspn(p, ", ");
	}
	return made;
}

int
dns_query(struct dns_resolver *resolver, const char *name, enum dns_type type,
    const struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	static const struct zone_row nothing = { .status = DNS_NXDOMAIN };
	const struct zone_row *row = zone;
	size_t used = strlen(asked);

	(void)resolver;
	(void)deadline;
	snprintf(asked + used, sizeof(asked) - used, "%s%s %s", used == 0 ? "" : ", ",
	    type == DNS_MX  ? "MX"
	    : type == DNS_A ? "A"
			    : "AAAA",
	    name);
	while (row->name != NULL && (row->type != type || strcmp(row->name, name) != 0))
		row++;
	if (row->fail != FAIL_NONE)
		return fail_set(why, row->fail, NULL);
	*answer_r = &make_answer(row->name == NULL ? &nothing : row)->answer;
	return 0;
}

/* "10 a.example, 20 b.example" */
static const char *
list_str(const struct mx_list *list)
{
	static char out[4000];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->n && used < sizeof(out); i++)
		used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%u %s%s",
		    i == 0 ? "" : ", ", list->hosts[i].preference, list->hosts[i].name,
		    list->hosts[i].primary ? "!" : "");
	return out;
}

static void
from_data(const char *data, uint32_t seed, struct arena *arena, struct mx_list *list)
{
	struct zone_row row = { "example.com", DNS_MX, DNS_OK, data, NULL, DNSSEC_SECURE, 60, 0 };
	struct made *made = make_answer(&row);

	mx_from_answer(&made->answer, "example.com", seed, arena, list);
	free(made); /* nothing may point into the answer */
}

TEST(mx_from_answer_sorts_merges_and_marks_primaries)
{
	static const struct {
		const char *name, *data;
		enum mx_status status;
		const char *want;
	} rows[] = {
		{ "one", "10 mx.example.com", MX_HAS_MX, "10 mx.example.com!" },
		{ "by preference", "30 c.example, 10 a.example, 20 b.example", MX_HAS_MX,
		    "10 a.example!, 20 b.example, 30 c.example" },
		{ "not as text", "9 a.example, 10 b.example, 100 c.example", MX_HAS_MX,
		    "9 a.example!, 10 b.example, 100 c.example" },
		{ "0 and 65535", "65535 b.example, 0 a.example", MX_HAS_MX,
		    "0 a.example!, 65535 b.example" },
		{ "named twice at one preference", "10 a.example, 10 a.example", MX_HAS_MX,
		    "10 a.example!" },
		{ "named twice: the lower preference", "20 a.example, 10 a.example, 15 b.example",
		    MX_HAS_MX, "10 a.example!, 15 b.example" },
		{ "RFC 7505 s3: null MX", "0 ", MX_NULL, "" },
		{ "null MX of another preference", "10 ", MX_NULL, "" },
		{ "null MX twice", "0 , 10 ", MX_NULL, "" },
		{ "null MX beside others", "0 , 10 a.example", MX_NULL_WITH_OTHER,
		    "10 a.example!" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct mx_list list;
		arena_init(&arena);
		TEST_ROW("%s", rows[i].name);
		from_data(rows[i].data, 1, &arena, &list);
		CHECK_STR(mx_status_str(list.status), mx_status_str(rows[i].status));
		CHECK_STR(list_str(&list), rows[i].want);
		CHECK_INT(list.dropped, 0);
		CHECK_STR(list.dns.resolver, "192.0.2.53");
		CHECK_INT(list.dns.dnssec, DNSSEC_SECURE);
		CHECK_INT(list.dns.ttl, 60);
		CHECK(list.dns.duration > 0.2);
		for (size_t j = 0; j < list.n; j++)
			CHECK(list.hosts[j].from_mx && list.hosts[j].finding == NULL);
		arena_free(&arena);
	}
}

TEST(mx_from_answer_shuffles_equal_preferences_by_the_seed_only)
{
	struct arena arena;
	struct mx_list list;
	unsigned first[4] = { 0 };
	char before[200];

	arena_init(&arena);
	for (uint32_t seed = 0; seed < 1000; seed++) {
		from_data("10 a.test, 10 b.test, 10 c.test, 10 d.test, 5 z.test, 20 y.test", seed,
		    &arena, &list);
		CHECK_INT(list.n, 6);
		CHECK_STR(list.hosts[0].name, "z.test");
		CHECK_STR(list.hosts[5].name, "y.test");
		CHECK(list.hosts[1].name[0] >= 'a' && list.hosts[1].name[0] <= 'd');
		first[(unsigned)(list.hosts[1].name[0] - 'a') & 3]++;
		snprintf(before, sizeof(before), "%s", list_str(&list));
		/* another order of records, the same order of hosts */
		from_data("20 y.test, 10 d.test, 10 b.test, 5 z.test, 10 c.test, 10 a.test", seed,
		    &arena, &list);
		CHECK_STR(list_str(&list), before);
	}
	/* the load is spread (RFC 5321 s5.1): 250 each is even */
	for (size_t i = 0; i < 4; i++)
		CHECK(first[i] > 180 && first[i] < 320);
	arena_free(&arena);
}

TEST(mx_from_answer_keeps_the_best_hosts_of_too_many)
{
	struct arena arena;
	struct mx_list list;
	struct buf data;

	arena_init(&arena);
	buf_init(&data, 100000);
	for (int i = LIMIT_MX_HOSTS + 30; i > 0; i--)
		buf_printf(&data, "%d h%d.test, ", i, i);
	from_data(buf_str(&data), 1, &arena, &list);
	CHECK_INT(list.n, LIMIT_MX_HOSTS);
	CHECK_INT(list.dropped, 30);
	CHECK_STR(list.hosts[0].name, "h1.test");
	CHECK_INT(list.hosts[LIMIT_MX_HOSTS - 1].preference, LIMIT_MX_HOSTS);
	buf_free(&data);
	arena_free(&arena);
}

TEST(mx_from_answer_finds_faults_of_the_record)
{
	static const struct {
		const char *name, *finding; /* NULL: none */
	} rows[] = {
		{ "mx.example.com", NULL },
		{ "example.com", NULL },
		{ "mx_1.example.com", NULL },
		{ "mx.notexample.com.example.com", NULL },
		{ "mx.example.com.example.com",
		    "the MX record ends in example.com.example.com: in the zone file the final dot "
		    "seems to be missing" },
		{ "example.com.example.com",
		    "the MX record ends in example.com.example.com: in the zone file the final dot "
		    "seems to be missing" },
		{ "192.0.2.1",
		    "the MX record names an address, not a host (RFC 1035 s3.3.9): give the "
		    "address "
		    "a name with an A or AAAA record, and put that name into the MX record" },
		{ "[192.0.2.1]",
		    "the MX record names an address, not a host (RFC 1035 s3.3.9): give the "
		    "address "
		    "a name with an A or AAAA record, and put that name into the MX record" },
		{ "2001:db8::1",
		    "the MX record names an address, not a host (RFC 1035 s3.3.9): give the "
		    "address "
		    "a name with an A or AAAA record, and put that name into the MX record" },
		{ "mx.example.com;",
		    "the MX record does not name a host: \"mx.example.com;\" is not a domain name: "
		    "character ';' in it" },
		{ "10\\032mx.example.com",
		    "the MX record does not name a host: \"10\\032mx.example.com\" is not a domain "
		    "name: character '\\' in it" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct mx_list list;
		char data[200];
		arena_init(&arena);
		TEST_ROW("%s", rows[i].name);
		snprintf(data, sizeof(data), "10 %s", rows[i].name);
		from_data(data, 1, &arena, &list);
		CHECK_INT(list.status, MX_HAS_MX);
		CHECK_INT(list.n, 1);
		CHECK_STR(list.hosts[0].finding, rows[i].finding);
		arena_free(&arena);
	}
}

static const struct zone_row lookup_zone[] = {
	{ "has.test", DNS_MX, DNS_OK, "10 mx.test", NULL, DNSSEC_INSECURE, 300, 0 },
	{ "null.test", DNS_MX, DNS_OK, "0 ", NULL, DNSSEC_SECURE, 300, 0 },
	{ "a.test", DNS_MX, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "a.test", DNS_A, DNS_OK, "192.0.2.1", NULL, 0, 300, 0 },
	{ "aaaa.test", DNS_MX, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "aaaa.test", DNS_A, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "aaaa.test", DNS_AAAA, DNS_OK, "2001:db8::1", NULL, 0, 300, 0 },
	{ "none.test", DNS_MX, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "none.test", DNS_A, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "none.test", DNS_AAAA, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "vague.test", DNS_MX, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "vague.test", DNS_A, DNS_SERVFAIL, NULL, NULL, 0, 0, 0 },
	{ "vague.test", DNS_AAAA, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "half.test", DNS_MX, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "half.test", DNS_A, DNS_TIMEOUT, NULL, NULL, 0, 0, 0 },
	{ "half.test", DNS_AAAA, DNS_OK, "2001:db8::1", NULL, 0, 300, 0 },
	{ "servfail.test", DNS_MX, DNS_SERVFAIL, NULL, NULL, DNSSEC_INDETERMINATE, 0, 0 },
	{ "bogus.test", DNS_MX, DNS_SERVFAIL, NULL, NULL, DNSSEC_BOGUS, 0, 0 },
	{ "timeout.test", DNS_MX, DNS_TIMEOUT, NULL, NULL, 0, 0, 0 },
	{ "malformed.test", DNS_MX, DNS_MALFORMED, NULL, NULL, 0, 0, 0 },
	{ "deadline.test", DNS_MX, 0, NULL, NULL, 0, 0, FAIL_TIMEOUT },
	{ "late.test", DNS_MX, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "late.test", DNS_A, 0, NULL, NULL, 0, 0, FAIL_CANCELLED },
	{ NULL, 0, 0, NULL, NULL, 0, 0, 0 },
};

TEST(mx_lookup_tells_every_outcome)
{
	static const struct {
		const char *domain;
		enum mx_status status;
		const char *hosts, *asked;
		enum fail_code code; /* of mx_list_check */
		const char *why;
	} rows[] = {
		{ "has.test", MX_HAS_MX, "10 mx.test!", "MX has.test", 0, "" },
		{ "null.test", MX_NULL, "", "MX null.test", FAIL_NULL_MX,
		    "null.test accepts no mail (null MX)" },
		{ "a.test", MX_IMPLICIT, "0 a.test!", "MX a.test, A a.test", 0, "" },
		{ "aaaa.test", MX_IMPLICIT, "0 aaaa.test!",
		    "MX aaaa.test, A aaaa.test, AAAA "
		    "aaaa.test",
		    0, "" },
		{ "half.test", MX_IMPLICIT, "0 half.test!",
		    "MX half.test, A half.test, AAAA "
		    "half.test",
		    0, "" },
		{ "none.test", MX_NONE, "", "MX none.test, A none.test, AAAA none.test", FAIL_NO_MX,
		    "none.test has neither an MX record nor an address" },
		{ "vague.test", MX_DNS_ERROR, "", "MX vague.test, A vague.test, AAAA vague.test",
		    FAIL_DNS_SERVFAIL, "MX lookup of vague.test: made to fail" },
		{ "gone.test", MX_NXDOMAIN, "", "MX gone.test", FAIL_NXDOMAIN,
		    "the domain gone.test does not exist" },
		{ "servfail.test", MX_DNS_ERROR, "", "MX servfail.test", FAIL_DNS_SERVFAIL,
		    "MX lookup of servfail.test: made to fail" },
		{ "bogus.test", MX_DNS_ERROR, "", "MX bogus.test", FAIL_DNS_BOGUS,
		    "MX lookup of bogus.test: made to fail" },
		{ "timeout.test", MX_DNS_ERROR, "", "MX timeout.test", FAIL_DNS_TIMEOUT,
		    "MX lookup of timeout.test: made to fail" },
		{ "malformed.test", MX_DNS_ERROR, "", "MX malformed.test", FAIL_DNS_MALFORMED,
		    "MX lookup of malformed.test: made to fail" },
	};

	zone = lookup_zone;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct mx_list list;
		struct fail why = { .code = FAIL_NONE };
		arena_init(&arena);
		asked[0] = '\0';
		TEST_ROW("%s", rows[i].domain);
		CHECK_INT(mx_lookup(NULL, rows[i].domain, 1, &arena, &list, 0, &why), 0);
		CHECK_STR(mx_status_str(list.status), mx_status_str(rows[i].status));
		CHECK_STR(list_str(&list), rows[i].hosts);
		CHECK_STR(asked, rows[i].asked);
		CHECK_INT(mx_list_check(&list, rows[i].domain, &why), rows[i].code ? -1 : 0);
		CHECK_STR(fail_info(why.code)->token, fail_info(rows[i].code)->token);
		CHECK_STR(why.text, rows[i].why);
		arena_free(&arena);
	}
}

TEST(mx_lookup_passes_on_that_there_was_no_outcome)
{
	struct arena arena;
	struct mx_list list;
	struct fail why;

	zone = lookup_zone;
	arena_init(&arena);
	CHECK_INT(mx_lookup(NULL, "deadline.test", 1, &arena, &list, 0, &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	CHECK_INT(list.status, MX_UNKNOWN);
	CHECK_INT(mx_lookup(NULL, "late.test", 1, &arena, &list, 0, &why), -1);
	CHECK_INT(why.code, FAIL_CANCELLED);
	arena_free(&arena);
}

static const struct zone_row address_zone[] = {
	{ "both.test", DNS_A, DNS_OK, "192.0.2.1, 192.0.2.2", NULL, DNSSEC_SECURE, 300, 0 },
	{ "both.test", DNS_AAAA, DNS_OK, "2001:db8::1", NULL, DNSSEC_SECURE, 200, 0 },
	{ "four.test", DNS_A, DNS_OK, "192.0.2.1", NULL, DNSSEC_SECURE, 300, 0 },
	{ "four.test", DNS_AAAA, DNS_NODATA, NULL, NULL, DNSSEC_INSECURE, 60, 0 },
	{ "six.test", DNS_A, DNS_NODATA, NULL, NULL, DNSSEC_SECURE, 60, 0 },
	{ "six.test", DNS_AAAA, DNS_OK, "2001:db8::1", NULL, DNSSEC_SECURE, 200, 0 },
	{ "twice.test", DNS_A, DNS_OK, "192.0.2.1, 192.0.2.1, 192.0.2.3", NULL, 0, 1, 0 },
	{ "twice.test", DNS_AAAA, DNS_OK, "2001:db8::1, 2001:db8:0::1", NULL, 0, 1, 0 },
	{ "alias.test", DNS_A, DNS_OK, "192.0.2.1", "real.test", 0, 1, 0 },
	{ "alias.test", DNS_AAAA, DNS_NODATA, NULL, "real.test", 0, 1, 0 },
	{ "empty.test", DNS_A, DNS_NODATA, NULL, NULL, 0, 1, 0 },
	{ "empty.test", DNS_AAAA, DNS_NODATA, NULL, NULL, 0, 1, 0 },
	{ "broken.test", DNS_A, DNS_SERVFAIL, NULL, NULL, DNSSEC_BOGUS, 0, 0 },
	{ "broken.test", DNS_AAAA, DNS_NODATA, NULL, NULL, DNSSEC_SECURE, 60, 0 },
	{ "broken6.test", DNS_A, DNS_NODATA, NULL, NULL, 0, 60, 0 },
	{ "broken6.test", DNS_AAAA, DNS_TIMEOUT, NULL, NULL, 0, 0, 0 },
	{ "lame.test", DNS_A, DNS_OK, "192.0.2.1", NULL, DNSSEC_SECURE, 300, 0 },
	{ "lame.test", DNS_AAAA, DNS_SERVFAIL, NULL, NULL, DNSSEC_INDETERMINATE, 0, 0 },
	{ "slow.test", DNS_A, 0, NULL, NULL, 0, 0, FAIL_TIMEOUT },
	{ "slow6.test", DNS_A, DNS_OK, "192.0.2.1", NULL, 0, 300, 0 },
	{ "slow6.test", DNS_AAAA, 0, NULL, NULL, 0, 0, FAIL_TIMEOUT },
	{ NULL, 0, 0, NULL, NULL, 0, 0, 0 },
};

static const char *
addrs_str(const struct addr *addrs, size_t n)
{
	static char out[2000];
	char one[ADDR_TEXT_BYTES];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		addr_ip_str(&addrs[i], one);
		used += (size_t)snprintf(
		    out + used, sizeof(out) - used, "%s%s", i == 0 ? "" : " ", one);
	}
	return out;
}

#define ALIAS_FINDING "the MX record names an alias (CNAME, RFC 2181 s10.3): put real.test into it"
TEST(mx_addresses_asks_both_families_and_fills_the_facts)
{
	static const struct {
		const char *host;
		enum mx_family family;
		const char *addrs;
		enum fail_code code;
		enum dns_status status;
		enum dnssec dnssec;
		int ttl;
		const char *finding, *asked;
	} rows[] = {
		{ "both.test", 0, "192.0.2.1 2001:db8::1 192.0.2.2", 0, DNS_OK, DNSSEC_SECURE, 200,
		    NULL, "A both.test, AAAA both.test" },
		{ "both.test", 4, "192.0.2.1 192.0.2.2", 0, DNS_OK, DNSSEC_SECURE, 300, NULL,
		    "A both.test" },
		{ "both.test", 6, "2001:db8::1", 0, DNS_OK, DNSSEC_SECURE, 200, NULL,
		    "AAAA both.test" },
		{ "four.test", 0, "192.0.2.1", 0, DNS_OK, DNSSEC_INSECURE, 300, NULL,
		    "A four.test, AAAA four.test" },
		{ "four.test", 6, "", FAIL_NO_MX_ADDRESS, DNS_NODATA, DNSSEC_INSECURE, -1, NULL,
		    "AAAA four.test" },
		{ "six.test", 0, "2001:db8::1", 0, DNS_OK, DNSSEC_SECURE, 200, NULL,
		    "A six.test, AAAA six.test" },
		{ "twice.test", 0, "192.0.2.1 2001:db8::1 192.0.2.3", 0, DNS_OK, DNSSEC_NOT_CHECKED,
		    1, NULL, "A twice.test, AAAA twice.test" },
		{ "alias.test", 0, "192.0.2.1", 0, DNS_OK, DNSSEC_NOT_CHECKED, 1, ALIAS_FINDING,
		    "A alias.test, AAAA alias.test" },
		{ "empty.test", 0, "", FAIL_NO_MX_ADDRESS, DNS_NODATA, DNSSEC_NOT_CHECKED, -1, NULL,
		    "A empty.test, AAAA empty.test" },
		{ "gone.test", 0, "", FAIL_NO_MX_ADDRESS, DNS_NXDOMAIN, DNSSEC_NOT_CHECKED, -1,
		    NULL, "A gone.test, AAAA gone.test" },
		{ "broken.test", 0, "", FAIL_DNS_BOGUS, DNS_SERVFAIL, DNSSEC_BOGUS, -1, NULL,
		    "A broken.test, AAAA broken.test" },
		{ "broken6.test", 0, "", FAIL_DNS_TIMEOUT, DNS_TIMEOUT, DNSSEC_NOT_CHECKED, -1,
		    NULL, "A broken6.test, AAAA broken6.test" },
		{ "lame.test", 0, "192.0.2.1", 0, DNS_OK, DNSSEC_INDETERMINATE, 300, NULL,
		    "A lame.test, AAAA lame.test" },
		{ "slow.test", 0, "", FAIL_TIMEOUT, DNS_TIMEOUT, DNSSEC_NOT_CHECKED, -1, NULL,
		    "A slow.test" },
		{ "slow6.test", 0, "192.0.2.1", 0, DNS_OK, DNSSEC_NOT_CHECKED, 300, NULL,
		    "A slow6.test, AAAA slow6.test" },
		{ "192.0.2.9", 0, "", FAIL_MX_LITERAL, DNS_NOT_ASKED, DNSSEC_NOT_CHECKED, -1, NULL,
		    "" },
		{ "[2001:db8::9]", 0, "", FAIL_MX_LITERAL, DNS_NOT_ASKED, DNSSEC_NOT_CHECKED, -1,
		    NULL, "" },
	};

	zone = address_zone;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mx_host host = {
			.name = rows[i].host, .preference = 10, .primary = true, .from_mx = true
		};
		struct exchange_facts facts;
		struct addr *addrs;
		struct arena arena;
		struct fail why = { .code = FAIL_NONE };
		size_t n;
		arena_init(&arena);
		asked[0] = '\0';
		TEST_ROW("%s family %d", rows[i].host, rows[i].family);
		int result =
		    mx_addresses(NULL, &host, rows[i].family, &arena, &addrs, &n, &facts, 0, &why);
		CHECK_INT(result, rows[i].code == FAIL_NONE ? 0 : -1);
		if (result != 0)
			CHECK_STR(fail_info(why.code)->token, fail_info(rows[i].code)->token);
		CHECK_STR(addrs_str(addrs, n), rows[i].addrs);
		CHECK_STR(dns_status_str(facts.dns_status), dns_status_str(rows[i].status));
		CHECK_STR(dnssec_str(facts.dnssec), dnssec_str(rows[i].dnssec));
		CHECK_INT(facts.ttl, rows[i].ttl);
		CHECK_STR(facts.finding, rows[i].finding);
		CHECK_STR(facts.name, rows[i].host);
		CHECK_INT(facts.preference, 10);
		CHECK(facts.primary);
		CHECK_INT(facts.ipv4_addresses.n + facts.ipv6_addresses.n, n);
		CHECK_STR(asked, rows[i].asked);
		arena_free(&arena);
	}
}

TEST(mx_addresses_of_what_no_mx_record_named)
{
	static const struct {
		const char *host;
		enum mx_family family;
		const char *addrs;
	} rows[] = {
		{ "192.0.2.9", 0, "192.0.2.9" }, { "[2001:db8::9]", 6, "2001:db8::9" },
		{ "192.0.2.9", 6, "" },
		{ "alias.test", 0, "192.0.2.1" }, /* RFC 5321 s5.1: an alias is followed */
	};

	zone = address_zone;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mx_host host = { .name = rows[i].host };
		struct exchange_facts facts;
		struct addr *addrs;
		struct arena arena;
		struct fail why = { .code = FAIL_NONE };
		size_t n;
		arena_init(&arena);
		TEST_ROW("%s family %d", rows[i].host, rows[i].family);
		mx_addresses(NULL, &host, rows[i].family, &arena, &addrs, &n, &facts, 0, &why);
		CHECK_STR(addrs_str(addrs, n), rows[i].addrs);
		CHECK_INT(why.code, n == 0 ? FAIL_NO_MX_ADDRESS : FAIL_NONE);
		CHECK(facts.finding == NULL);
		CHECK_INT(facts.preference, -1);
		arena_free(&arena);
	}
}

TEST(mx_addresses_keeps_both_families_of_too_many)
{
	struct buf four, six;
	struct arena arena;
	struct exchange_facts facts;
	struct addr *addrs;
	struct fail why;
	size_t n;

	arena_init(&arena);
	buf_init(&four, 10000);
	buf_init(&six, 10000);
	for (int i = 1; i <= 60; i++) {
		buf_printf(&four, "192.0.2.%d, ", i);
		buf_printf(&six, "2001:db8::%d, ", i);
	}
	struct zone_row rows[] = {
		{ "many.test", DNS_A, DNS_OK, buf_str(&four), NULL, 0, 1, 0 },
		{ "many.test", DNS_AAAA, DNS_OK, buf_str(&six), NULL, 0, 1, 0 },
		{ NULL, 0, 0, NULL, NULL, 0, 0, 0 },
	};
	struct mx_host host = {
		.name = "many.test", .from_mx = true, .finding = "a finding of the record"
	};
	zone = rows;
	CHECK_INT(mx_addresses(NULL, &host, 0, &arena, &addrs, &n, &facts, 0, &why), 0);
	CHECK_INT(n, LIMIT_MX_ADDRESSES);
	CHECK_INT(facts.ipv4_addresses.n, LIMIT_MX_ADDRESSES / 2);
	CHECK_INT(facts.ipv6_addresses.n, LIMIT_MX_ADDRESSES / 2);
	CHECK_INT(facts.addresses_left_out, 120 - LIMIT_MX_ADDRESSES);
	CHECK_STR(facts.finding, "a finding of the record");
	buf_free(&four);
	buf_free(&six);
	arena_free(&arena);
}

TEST(mx_seed_is_the_number_in_the_environment_or_random)
{
	setenv("MXTLS_SEED", "4294967295", 1);
	CHECK_INT(mx_seed(), 4294967295);
	setenv("MXTLS_SEED", "7", 1);
	CHECK_INT(mx_seed(), 7);
	unsetenv("MXTLS_SEED");
	uint32_t a = mx_seed(), b = mx_seed(), c = mx_seed();
	CHECK(a != b || b != c);
}

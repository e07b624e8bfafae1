#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"
#include "policy/dane.h"
#include "test.h"

/*
 * The resolver is replaced at link time by a table of answers: dns_query and dns_resolver_validates
 * below are all that dane.c needs of dns/resolver.c.
 */
struct zone_row {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	enum dnssec dnssec;
	const char *records; /* "311 210": usage, selector, matching type; data by its form */
	enum fail_code fail; /* no outcome at all */
};

static const struct zone_row
    *zone;               /* ended by a row without name; anything else is secure NXDOMAIN */
static char asked[1000]; /* "TLSA _25._tcp.a.test, CNAME a.test" */
static enum tri validates = TRI_YES;

struct made {
	struct dns_answer answer;
	struct dns_record records[LIMIT_DNS_RECORDS];
	unsigned char data[64];
};

static struct made *
make_answer(const struct zone_row *row)
{
	struct made *made = calloc(1, sizeof(*made));

	if (made == NULL)
		abort();
	made->answer = (struct dns_answer){ .refs = 1,
		.status = row->status,
		.dnssec = row->dnssec,
		.ttl = 300,
		.ede = -1,
		.records = made->records };
	if (row->status > DNS_NXDOMAIN)
		made->answer.error = "made to fail";
	memset(made->data, 0xab, sizeof(made->data));
	for (const char *p = row->records; p != NULL && *p != '\0'; p += strspn(p, " ")) {
		struct dns_record *r = &made->records[made->answer.n++];
		r->name = row->type == DNS_CNAME ? "target.test" : NULL;
		r->usage = (uint8_t)(p[0] - '0');
		r->selector = (uint8_t)(p[1] - '0');
		r->matching = (uint8_t)(p[2] - '0');
		r->data = made->data;
		r->data_len = p[2] == '1' ? 32 : p[2] == '2' ? 64 : 3;
		p += strcspn(p, " ");
	}
	return made;
}

int
dns_query(struct dns_resolver *resolver, const char *name, enum dns_type type,
    const struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	static const struct zone_row nothing = { .status = DNS_NXDOMAIN, .dnssec = DNSSEC_SECURE };
	const struct zone_row *row = zone;
	size_t used = strlen(asked);

	(void)resolver;
	(void)deadline;
	snprintf(asked + used, sizeof(asked) - used, "%s%s %s", used == 0 ? "" : ", ",
	    type == DNS_TLSA ? "TLSA" : "CNAME", name);
	while (row->name != NULL && (row->type != type || strcmp(row->name, name) != 0))
		row++;
	if (row->fail != FAIL_NONE)
		return fail_set(why, row->fail, NULL);
	*answer_r = &make_answer(row->name == NULL ? &nothing : row)->answer;
	return 0;
}

enum tri
dns_resolver_validates(struct dns_resolver *resolver, int64_t deadline, struct fail *why)
{
	(void)resolver;
	(void)deadline;
	if (validates != TRI_YES)
		fail_set(why, FAIL_CONFIG, "resolver 192.0.2.53 does not validate");
	return validates;
}

static void
make_mx(struct exchange_facts *mx, const char *name, const char *cname, enum dnssec dnssec,
    struct arena *arena)
{
	facts_init_exchange_facts(mx);
	mx->name = name == NULL ? NULL : arena_strdup(arena, name);
	mx->cname = cname == NULL ? NULL : arena_strdup(arena, cname);
	mx->dnssec = dnssec;
	mx->dns_status = DNS_OK;
}

#define S DNSSEC_SECURE
#define I DNSSEC_INSECURE
#define B DNSSEC_BOGUS
#define U DNSSEC_INDETERMINATE
#define N DNSSEC_NOT_CHECKED

static const struct zone_row hosts[] = {
	{ "_25._tcp.usable.test", DNS_TLSA, DNS_OK, S, "311 211", 0 },
	{ "_25._tcp.unusable.test", DNS_TLSA, DNS_OK, S, "111 011", 0 },
	{ "_25._tcp.some.test", DNS_TLSA, DNS_OK, S, "111 311", 0 },
	{ "_25._tcp.unsigned.test", DNS_TLSA, DNS_OK, I, "311", 0 },
	{ "_25._tcp.nodata.test", DNS_TLSA, DNS_NODATA, S, NULL, 0 },
	{ "_25._tcp.unsigned-nodata.test", DNS_TLSA, DNS_NODATA, I, NULL, 0 },
	{ "_25._tcp.unsigned-nxdomain.test", DNS_TLSA, DNS_NXDOMAIN, I, NULL, 0 },
	{ "_25._tcp.bogus.test", DNS_TLSA, DNS_SERVFAIL, B, NULL, 0 },
	{ "_25._tcp.servfail.test", DNS_TLSA, DNS_SERVFAIL, U, NULL, 0 },
	{ "_25._tcp.refused.test", DNS_TLSA, DNS_REFUSED, U, NULL, 0 },
	{ "_25._tcp.timeout.test", DNS_TLSA, DNS_TIMEOUT, U, NULL, 0 },
	{ "_25._tcp.malformed.test", DNS_TLSA, DNS_MALFORMED, U, NULL, 0 },
	{ "_25._tcp.undecided.test", DNS_TLSA, DNS_OK, U, "311", 0 },
	{ "_25._tcp.undecided-nodata.test", DNS_TLSA, DNS_NODATA, U, NULL, 0 },
	{ "_25._tcp.undecided-nxdomain.test", DNS_TLSA, DNS_NXDOMAIN, U, NULL, 0 },
	{ "_25._tcp.unchecked.test", DNS_TLSA, DNS_NXDOMAIN, N, NULL, 0 },
	{ "_25._tcp.cancelled.test", DNS_TLSA, DNS_OK, S, NULL, FAIL_CANCELLED },
	{ "_25._tcp.deadline.test", DNS_TLSA, DNS_OK, S, NULL, FAIL_TIMEOUT },
	{ "_25._tcp.toolong.test", DNS_TLSA, DNS_OK, S, NULL, FAIL_DNS_NAME },
	{ "_465._tcp.usable.test", DNS_TLSA, DNS_OK, S, "111", 0 },
	{ "alias.test", DNS_CNAME, DNS_OK, S, "000", 0 },
	{ "usable.test", DNS_CNAME, DNS_OK, S, "000", 0 },
	{ "unsigned-alias.test", DNS_CNAME, DNS_OK, I, "000", 0 },
	{ "bogus-alias.test", DNS_CNAME, DNS_SERVFAIL, B, NULL, 0 },
	{ "failing-alias.test", DNS_CNAME, DNS_SERVFAIL, U, NULL, 0 },
	{ "undecided-alias.test", DNS_CNAME, DNS_OK, U, "000", 0 },
	{ "unchecked-alias.test", DNS_CNAME, DNS_OK, N, "000", 0 },
	{ "cancelled-alias.test", DNS_CNAME, DNS_OK, S, NULL, FAIL_CANCELLED },
	{ 0 },
};

TEST(tlsa_records_are_looked_up_by_rfc_7672_s2_2)
{
	static const struct {
		const char *title, *host, *cname;
		enum dnssec mx, address;
		int port;
		const char *status, *base, *asked;
		enum fail_code code;
	} rows[] = {
		/* one name, everything secure */
		{ "records", "usable.test", NULL, S, S, 25, "usable", "usable.test",
		    "TLSA _25._tcp.usable.test", 0 },
		{ "another port", "usable.test", NULL, S, S, 465, "unusable", "usable.test",
		    "TLSA _465._tcp.usable.test", 0 },
		{ "none of a form that SMTP uses", "unusable.test", NULL, S, S, 25, "unusable",
		    "unusable.test", "TLSA _25._tcp.unusable.test", 0 },
		{ "one of them", "some.test", NULL, S, S, 25, "usable", "some.test",
		    "TLSA _25._tcp.some.test", 0 },
		{ "NXDOMAIN", "nothing.test", NULL, S, S, 25, "none", "nothing.test",
		    "TLSA _25._tcp.nothing.test", 0 },
		{ "NODATA", "nodata.test", NULL, S, S, 25, "none", "nodata.test",
		    "TLSA _25._tcp.nodata.test", 0 },
		{ "records that are not signed", "unsigned.test", NULL, S, S, 25, "insecure",
		    "unsigned.test", "TLSA _25._tcp.unsigned.test", 0 },
		{ "NODATA that is not signed", "unsigned-nodata.test", NULL, S, S, 25, "insecure",
		    "unsigned-nodata.test", "TLSA _25._tcp.unsigned-nodata.test", 0 },
		{ "NXDOMAIN that is not signed", "unsigned-nxdomain.test", NULL, S, S, 25,
		    "insecure", "unsigned-nxdomain.test", "TLSA _25._tcp.unsigned-nxdomain.test",
		    0 },
		{ "a name that is too long with its prefix", "toolong.test", NULL, S, S, 25, "none",
		    "toolong.test", "TLSA _25._tcp.toolong.test", 0 },
		/* a failure is never "no TLSA" (s2.1.1) */
		{ "bogus", "bogus.test", NULL, S, S, 25, "bogus", "bogus.test",
		    "TLSA _25._tcp.bogus.test", 0 },
		{ "SERVFAIL", "servfail.test", NULL, S, S, 25, "error", "servfail.test",
		    "TLSA _25._tcp.servfail.test", 0 },
		{ "REFUSED", "refused.test", NULL, S, S, 25, "error", "refused.test",
		    "TLSA _25._tcp.refused.test", 0 },
		{ "no answer", "timeout.test", NULL, S, S, 25, "error", "timeout.test",
		    "TLSA _25._tcp.timeout.test", 0 },
		{ "malformed answer", "malformed.test", NULL, S, S, 25, "error", "malformed.test",
		    "TLSA _25._tcp.malformed.test", 0 },
		{ "records, state unknown", "undecided.test", NULL, S, S, 25, "error",
		    "undecided.test", "TLSA _25._tcp.undecided.test", 0 },
		{ "NODATA, state unknown", "undecided-nodata.test", NULL, S, S, 25, "error",
		    "undecided-nodata.test", "TLSA _25._tcp.undecided-nodata.test", 0 },
		{ "NXDOMAIN, state unknown", "undecided-nxdomain.test", NULL, S, S, 25, "error",
		    "undecided-nxdomain.test", "TLSA _25._tcp.undecided-nxdomain.test", 0 },
		{ "NXDOMAIN by a resolver that may not be believed", "unchecked.test", NULL, S, S,
		    25, "error", "unchecked.test", "TLSA _25._tcp.unchecked.test", 0 },
		{ "cancelled", "cancelled.test", NULL, S, S, 25, "error", "cancelled.test",
		    "TLSA _25._tcp.cancelled.test", FAIL_CANCELLED },
		{ "our deadline", "deadline.test", NULL, S, S, 25, "error", "deadline.test",
		    "TLSA _25._tcp.deadline.test", FAIL_TIMEOUT },
		/* addresses: no query at all unless they are secure (s2.2) */
		{ "address not signed", "usable.test", NULL, S, I, 25, "insecure", NULL, "", 0 },
		{ "address bogus", "usable.test", NULL, S, B, 25, "bogus", NULL, "", 0 },
		{ "address, state unknown", "usable.test", NULL, S, U, 25, "error", NULL, "", 0 },
		{ "address, resolver not trusted", "usable.test", NULL, S, N, 25, "not_checked",
		    NULL, "", 0 },
		{ "neither is signed", "usable.test", NULL, I, I, 25, "insecure", NULL, "", 0 },
		{ "an address literal", "192.0.2.1", NULL, S, S, 25, "none", NULL, "", 0 },
		{ "an IPv6 literal", "[2001:db8::1]", NULL, S, S, 25, "none", NULL, "", 0 },
		{ "no name", NULL, NULL, S, S, 25, "none", NULL, "", 0 },
		/* MX (DECISIONS B12) */
		{ "MX not signed", "usable.test", NULL, I, S, 25, "dane-insecure-mx", "usable.test",
		    "TLSA _25._tcp.usable.test", 0 },
		{ "MX not validated", "usable.test", NULL, N, S, 25, "dane-insecure-mx",
		    "usable.test", "TLSA _25._tcp.usable.test", 0 },
		{ "MX not signed, records not usable", "unusable.test", NULL, I, S, 25, "unusable",
		    "unusable.test", "TLSA _25._tcp.unusable.test", 0 },
		{ "MX not signed, no records", "nothing.test", NULL, I, S, 25, "none",
		    "nothing.test", "TLSA _25._tcp.nothing.test", 0 },
		{ "MX not signed, records bogus", "bogus.test", NULL, I, S, 25, "bogus",
		    "bogus.test", "TLSA _25._tcp.bogus.test", 0 },
		{ "MX bogus", "usable.test", NULL, B, S, 25, "bogus", NULL, "", 0 },
		{ "MX, state unknown", "usable.test", NULL, U, S, 25, "error", NULL, "", 0 },
		/* aliases (s2.2.2, s2.2.3) */
		{ "canonical name first", "alias.test", "usable.test", S, S, 25, "usable",
		    "usable.test", "TLSA _25._tcp.usable.test", 0 },
		{ "then the alias", "usable.test", "nothing.test", S, S, 25, "usable",
		    "usable.test", "TLSA _25._tcp.nothing.test, TLSA _25._tcp.usable.test", 0 },
		{ "also when the former is not signed", "usable.test", "unsigned.test", S, S, 25,
		    "usable", "usable.test",
		    "TLSA _25._tcp.unsigned.test, TLSA _25._tcp.usable.test", 0 },
		{ "records that are not usable settle it", "usable.test", "unusable.test", S, S, 25,
		    "unusable", "unusable.test", "TLSA _25._tcp.unusable.test", 0 },
		{ "neither has any", "alias.test", "nothing.test", S, S, 25, "none", "alias.test",
		    "TLSA _25._tcp.nothing.test, TLSA _25._tcp.alias.test", 0 },
		{ "a failure is final", "usable.test", "servfail.test", S, S, 25, "error",
		    "servfail.test", "TLSA _25._tcp.servfail.test", 0 },
		{ "a bogus answer is final", "usable.test", "bogus.test", S, S, 25, "bogus",
		    "bogus.test", "TLSA _25._tcp.bogus.test", 0 },
		{ "unsigned behind a signed alias", "usable.test", "elsewhere.test", S, I, 25,
		    "usable", "usable.test", "CNAME usable.test, TLSA _25._tcp.usable.test", 0 },
		{ "the same without records", "alias.test", "usable.test", S, I, 25, "none",
		    "alias.test", "CNAME alias.test, TLSA _25._tcp.alias.test", 0 },
		{ "neither is signed", "unsigned-alias.test", "usable.test", S, I, 25, "insecure",
		    NULL, "CNAME unsigned-alias.test", 0 },
		{ "alias bogus", "bogus-alias.test", "usable.test", S, I, 25, "bogus", NULL,
		    "CNAME bogus-alias.test", 0 },
		{ "alias fails", "failing-alias.test", "usable.test", S, I, 25, "error", NULL,
		    "CNAME failing-alias.test", 0 },
		{ "alias, state unknown", "undecided-alias.test", "usable.test", S, I, 25, "error",
		    NULL, "CNAME undecided-alias.test", 0 },
		{ "alias, not to be believed", "unchecked-alias.test", "usable.test", S, I, 25,
		    "error", NULL, "CNAME unchecked-alias.test", 0 },
		{ "alias gone", "gone.test", "usable.test", S, I, 25, "error", NULL,
		    "CNAME gone.test", 0 },
		{ "cancelled at the alias", "cancelled-alias.test", "usable.test", S, I, 25,
		    "error", NULL, "CNAME cancelled-alias.test", FAIL_CANCELLED },
		{ "bogus behind an alias", "alias.test", "usable.test", S, B, 25, "bogus", NULL, "",
		    0 },
	};

	zone = hosts;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exchange_facts mx;
		struct tlsa_facts tlsa;
		struct arena arena;
		struct fail why;

		TEST_ROW("%s", rows[i].title);
		arena_init(&arena);
		fail_clear(&why);
		asked[0] = '\0';
		make_mx(&mx, rows[i].host, rows[i].cname, rows[i].address, &arena);
		CHECK_INT(dane_lookup(NULL, &mx, (uint16_t)rows[i].port, rows[i].mx, &arena, &tlsa,
			      0, &why),
		    rows[i].code == FAIL_NONE ? 0 : -1);
		CHECK_INT(why.code, rows[i].code);
		CHECK_STR(tlsa_status_str(tlsa.status), rows[i].status);
		CHECK_STR(tlsa.base_domain, rows[i].base);
		CHECK_STR(asked, rows[i].asked);
		/* whoever reads the record is told why */
		CHECK(
		    tlsa.reason != NULL || tlsa.status == TLSA_USABLE || tlsa.status == TLSA_NONE);
		CHECK((tlsa.records_n > 0) == dane_needs_tls(tlsa.status));
		arena_free(&arena);
	}
}

TEST(an_address_that_was_not_asked_for_is_not_checked)
{
	struct exchange_facts mx;
	struct tlsa_facts tlsa;
	struct arena arena;

	arena_init(&arena);
	asked[0] = '\0';
	make_mx(&mx, "usable.test", NULL, DNSSEC_NOT_CHECKED, &arena);
	mx.dns_status = DNS_NOT_ASKED;
	CHECK_INT(dane_lookup(NULL, &mx, 25, S, &arena, &tlsa, 0, NULL), 0);
	CHECK_STR(tlsa_status_str(tlsa.status), "not_checked");
	CHECK_STR(tlsa.reason, "the address was not looked up");
	/* the resolver's own words where it was */
	mx.dns_status = DNS_OK;
	validates = TRI_NO;
	CHECK_INT(dane_lookup(NULL, &mx, 25, N, &arena, &tlsa, 0, NULL), 0);
	CHECK_STR(tlsa_status_str(tlsa.status), "not_checked");
	CHECK_STR(tlsa.reason, "resolver 192.0.2.53 does not validate");
	validates = TRI_YES;
	CHECK_STR(asked, "");
	arena_free(&arena);
}

TEST(records_become_facts)
{
	static const struct zone_row row = { "x", DNS_TLSA, DNS_OK, S, "311 110 212", 0 };
	struct made *made = make_answer(&row);
	struct tlsa_facts tlsa;
	struct arena arena;

	arena_init(&arena);
	facts_init_tlsa_facts(&tlsa);
	CHECK(dane_from_answer(&made->answer, S, &arena, &tlsa));
	free(made); /* nothing may point into the answer */
	CHECK_INT(tlsa.ttl, 300);
	CHECK_INT(tlsa.records_n, 3);
	CHECK_INT(tlsa.records[0].usage, 3);
	CHECK_INT(tlsa.records[0].selector, 1);
	CHECK_INT(tlsa.records[0].matching_type, 1);
	CHECK_STR(tlsa.records[0].data,
	    "abababababababababababababababababababababababababababababababab");
	CHECK(tlsa.records[0].usable);
	CHECK_STR(tlsa.records[0].note, NULL);
	CHECK_INT(tlsa.records[0].matched, TRI_UNKNOWN);
	CHECK_INT(tlsa.records[0].depth, -1);
	CHECK_STR(tlsa.records[1].data, "ababab");
	CHECK(!tlsa.records[1].usable);
	CHECK_INT(strlen(tlsa.records[2].data), 128);
	arena_free(&arena);
}

TEST(more_records_than_anybody_needs_are_dropped_and_that_is_said)
{
	char records[LIMIT_DNS_RECORDS * 4 + 1] = "";
	struct zone_row row = { "x", DNS_TLSA, DNS_OK, S, records, 0 };
	struct tlsa_facts tlsa;
	struct arena arena;

	for (int i = 0; i < LIMIT_TLSA_RECORDS + 7; i++)
		strcat(records, "311 ");
	struct made *made = make_answer(&row);
	arena_init(&arena);
	facts_init_tlsa_facts(&tlsa);
	CHECK(dane_from_answer(&made->answer, S, &arena, &tlsa));
	CHECK_INT(tlsa.records_n, LIMIT_TLSA_RECORDS);
	CHECK_STR(tlsa.reason, "7 more records were not looked at");
	CHECK(dane_from_answer(&made->answer, I, &arena, &tlsa));
	CHECK_STR(tlsa.reason, "the MX records are not signed; 7 more records were not looked at");
	free(made);
	arena_free(&arena);
}

/* --- records ------------------------------------------------------------------------------------- */

#define SHA256 "abababababababababababababababababababababababababababababababab"

/* "311": data of the right length; "311-" of the wrong one. */
static void
add_record(struct tlsa_facts *tlsa, const char *text, struct arena *arena)
{
	struct tlsa_record_facts *r =
	    arena_push(arena, &tlsa->records, &tlsa->records_n, sizeof(*r));

	facts_init_tlsa_record_facts(r);
	r->usage = text[0] - '0';
	r->selector = text[1] - '0';
	r->matching_type = text[2] - '0';
	r->data = arena_printf(
	    arena, "%s%s%s", SHA256, text[2] == '2' ? SHA256 : "", text[3] == '-' ? "00" : "");
}

static void
add_records(struct tlsa_facts *tlsa, const char *text, struct arena *arena)
{
	facts_init_tlsa_facts(tlsa);
	for (const char *p = text; *p != '\0'; p += strcspn(p, " "), p += strspn(p, " "))
		add_record(tlsa, p, arena);
}

TEST(only_the_strongest_digest_of_a_usage_and_selector_counts)
{
	static const struct {
		const char *records, *usable; /* + counts, - not, . superseded */
	} rows[] = {
		{ "311", "+" },
		{ "301", "+" },
		{ "211", "+" },
		{ "201", "+" },
		{ "312", "+" },
		{ "011", "-" },
		{ "111", "-" },
		{ "411", "-" },
		{ "321", "-" },
		{ "313", "-" },
		{ "311-", "-" },
		{ "312-", "-" },
		{ "310", "-" }, /* the digest is no key */
		{ "200", "-" },
		/* RFC 7671 s9 */
		{ "311 312", ".+" },
		{ "312 311", "+." },
		{ "311 311", "++" },
		{ "311 302", "++" },
		{ "311 212", "++" },
		{ "211 212", ".+" },
		{ "201 212", "++" },
		{ "311 311 312 301", "..++" },
		/* what does not count takes no place */
		{ "311 312-", "+-" },
		{ "311 112", "+-" },
		{ "311 313", "+-" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlsa_facts tlsa;
		struct arena arena;
		char got[10] = "";
		size_t usable = 0;

		TEST_ROW("%s", rows[i].records);
		arena_init(&arena);
		add_records(&tlsa, rows[i].records, &arena);
		for (const char *p = rows[i].usable; *p != '\0'; p++)
			usable += *p == '+';
		CHECK_INT(dane_judge_records(tlsa.records, tlsa.records_n, &arena), usable);
		for (size_t k = 0; k < tlsa.records_n; k++) {
			const struct tlsa_record_facts *r = &tlsa.records[k];
			got[k] = r->usable ? '+' : dane_is_superseded(r) ? '.' : '-';
			CHECK((r->note == NULL) == r->usable);
		}
		CHECK_STR(got, rows[i].usable);
		arena_free(&arena);
	}
}

TEST(records_keep_the_best_of_all_handshakes)
{
	static const struct tls_dane_fit no = { TRI_NO, -1, NULL }, yes = { TRI_YES, 0, NULL },
					 close = { TRI_NO, 1, "expired" },
					 unknown = { TRI_UNKNOWN, -1, NULL };
	static const struct {
		const char *title;
		const struct tls_dane_fit *fits[3];
		enum tri matched;
		int depth;
		const char *note;
	} rows[] = {
		{ "nothing", { &unknown, &unknown, &unknown }, TRI_UNKNOWN, -1, NULL },
		{ "no", { &no, &unknown, &no }, TRI_NO, -1, NULL },
		{ "yes", { &yes, &no, &close }, TRI_YES, 0, NULL },
		{ "yes at last", { &no, &close, &yes }, TRI_YES, 0, NULL },
		{ "nearly", { &no, &close, &no }, TRI_NO, 1, "expired" },
		{ "nearly, first", { &close, &no, &unknown }, TRI_NO, 1, "expired" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlsa_facts tlsa;
		struct arena arena;

		TEST_ROW("%s", rows[i].title);
		arena_init(&arena);
		add_records(&tlsa, "211", &arena);
		dane_judge_records(tlsa.records, 1, &arena);
		tlsa.status = TLSA_USABLE;
		for (size_t k = 0; k < 3; k++)
			CHECK_INT(
			    dane_note_fits(&tlsa, DANE_VALID, rows[i].fits[k], &arena), DANE_VALID);
		CHECK_INT(tlsa.records[0].matched, rows[i].matched);
		CHECK_INT(tlsa.records[0].depth, rows[i].depth);
		CHECK_STR(tlsa.records[0].note, rows[i].note);
		arena_free(&arena);
	}
}

TEST(a_handshake_says_what_the_records_allow_it_to_say)
{
	static const struct {
		enum tlsa_status status;
		enum dane match, dane;
	} rows[] = {
		{ TLSA_NOT_CHECKED, DANE_UNUSABLE, DANE_NOT_CHECKED },
		{ TLSA_BOGUS, DANE_UNUSABLE, DANE_NOT_CHECKED },
		{ TLSA_ERROR, DANE_UNUSABLE, DANE_NOT_CHECKED },
		{ TLSA_NONE, DANE_UNUSABLE, DANE_NONE },
		{ TLSA_INSECURE, DANE_UNUSABLE, DANE_NONE },
		{ TLSA_UNUSABLE, DANE_UNUSABLE, DANE_UNUSABLE },
		{ TLSA_USABLE, DANE_VALID, DANE_VALID },
		{ TLSA_USABLE, DANE_MISMATCH, DANE_MISMATCH },
		{ TLSA_INSECURE_MX, DANE_VALID, DANE_VALID },
		{ TLSA_INSECURE_MX, DANE_MISMATCH, DANE_MISMATCH },
	};
	struct tlsa_facts tlsa;
	struct arena arena;

	arena_init(&arena);
	facts_init_tlsa_facts(&tlsa);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", tlsa_status_str(rows[i].status));
		tlsa.status = rows[i].status;
		CHECK_STR(dane_str(dane_note_fits(&tlsa, rows[i].match, NULL, &arena)),
		    dane_str(rows[i].dane));
	}
	arena_free(&arena);
}

TEST(reference_names_are_those_that_are_known_for_sure)
{
	static const struct {
		const char *host, *cname, *base, *domain;
		enum dnssec mx, address;
		const char *names;
	} rows[] = {
		{ "mx.test", NULL, "mx.test", "example.test", S, S, "mx.test example.test" },
		{ "mx.test", NULL, "mx.test", "example.test", I, S, "mx.test" },
		{ "mx.test", NULL, "mx.test", NULL, S, S, "mx.test" },
		{ "mx.test", "real.test", "real.test", "example.test", S, S,
		    "real.test mx.test example.test" },
		{ "mx.test", "real.test", "mx.test", "example.test", S, S,
		    "mx.test real.test example.test" },
		{ "mx.test", "real.test", "mx.test", "example.test", S, I, "mx.test example.test" },
		{ "example.test", NULL, "example.test", "Example.Test", S, S, "example.test" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *names[DANE_NAMES];
		struct exchange_facts mx;
		struct arena arena;
		char got[200] = "";

		TEST_ROW("%zu", i);
		arena_init(&arena);
		make_mx(&mx, rows[i].host, rows[i].cname, rows[i].address, &arena);
		mx.tlsa.base_domain = arena_strdup(&arena, rows[i].base);
		size_t n = dane_names(&mx, rows[i].domain, rows[i].mx, names);
		for (size_t k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
			    k == 0 ? "" : " ", names[k]);
		CHECK_STR(got, rows[i].names);
		arena_free(&arena);
	}
}

/* --- advice -------------------------------------------------------------------------------------- */

/*
 * Handshakes by letter, one address: r RSA, e ECDSA, both asked for by name; a ECDSA, whatever was
 * offered; '+' behind it matched, '-' not, '?' nothing to match; x the other kind is absent.
 */
static void
add_handshakes(struct exchange_facts *mx, const char *text, struct arena *arena)
{
	struct host_facts *host = arena_push(arena, &mx->hosts, &mx->hosts_n, sizeof(*host));

	facts_init_host_facts(host);
	host->port = 25;
	for (const char *p = text; *p != '\0'; p++) {
		struct tls_facts *tls = arena_push(arena, &host->tls, &host->tls_n, sizeof(*tls));
		facts_init_tls_facts(tls);
		tls->complete = *p == 'x' ? TRI_NO : TRI_YES;
		tls->offer = *p == 'a' ? KEY_ANY : *p == 'r' ? KEY_RSA : KEY_ECDSA;
		if (*p == 'x')
			continue;
		strs_add(&tls->chain, arena, *p == 'r' ? "rsa" : "ecdsa");
		p++;
		tls->dane = *p == '+' ? DANE_VALID : *p == '-' ? DANE_MISMATCH : DANE_UNUSABLE;
	}
}

#define ONE "there is only one TLSA record: " BEFORE
#define ALL "every TLSA record is about a present key: " BEFORE
#define BEFORE \
	"before the key changes, publish the record of the next key (3 1 1) or of the issuer (2 " \
	"1 " \
	"1), or mail is deferred meanwhile"
#define ISSUER \
	"the TLSA records name the present issuer only: before another one signs, publish its " \
	"record (2 1 1) or that of the server's key (3 1 1)"
#define ADD_RSA \
	"no TLSA record matches the RSA key of the server: publish _25._tcp.mx.test. IN TLSA 3 1 " \
	"1 " \
	"aa"
#define ADD_ECDSA \
	"no TLSA record matches the ECDSA key of the server: publish _25._tcp.mx.test. IN TLSA 3 " \
	"1 " \
	"1 bb"

TEST(advice_about_the_next_key_and_each_finding)
{
	static const struct {
		const char *records, *matched; /* + or - for each record */
		const char *handshakes;
		enum tlsa_status status;
		const char *rollover, *advice;
	} rows[] = {
		{ "311", "+", "a+x", TLSA_USABLE, "none", ONE },
		{ "311 311", "+-", "a+x", TLSA_USABLE, "cur+next", "" },
		{ "311 211", "++", "a+x", TLSA_USABLE, "ee+ta", "" },
		{ "311 201", "++", "a+x", TLSA_USABLE, "ee+ta", "" },
		{ "311 301", "++", "a+x", TLSA_USABLE, "none",
		    "the TLSA record 3 0 1 has to change with every certificate: 3 1 1 stays "
		    "while the key stays | " ALL },
		{ "211", "+", "a+x", TLSA_USABLE, "none", ISSUER },
		{ "211 211", "+-", "a+x", TLSA_USABLE, "cur+next", "" },
		{ "211 211", "++", "a+x", TLSA_USABLE, "none", ISSUER },
		/* a record for each kind of key is no scheme (Internet.nl#664) */
		{ "311 311", "++", "r+e+", TLSA_USABLE, "none", ALL },
		{ "311 311 311", "++-", "r+e+", TLSA_USABLE, "cur+next", "" },
		{ "311 311 211", "+++", "r+e+", TLSA_USABLE, "ee+ta", "" },
		{ "311 311", "+-", "r+e-", TLSA_USABLE, "cur+next", ADD_ECDSA },
		/* and unless both were asked for nobody knows */
		{ "311 311", "+-", "a+", TLSA_USABLE, "unknown", "" },
		{ "311", "+", "a+", TLSA_USABLE, "none", ONE },
		/* mismatches */
		{ "311", "-", "r-x", TLSA_USABLE, "none", ADD_RSA },
		{ "311 311", "--", "r-e-", TLSA_USABLE, "none", ADD_RSA " | " ADD_ECDSA },
		{ "311", "-", "a-", TLSA_INSECURE_MX, "none",
		    ADD_ECDSA " | the MX host has TLSA records, but the MX records are not "
			      "signed: sign the zone of the mail domain" },
		{ "311 211", "+-", "a+x", TLSA_USABLE, "none", ALL },
		/* no handshake */
		{ "311", "?", "", TLSA_USABLE, "unknown", "" },
		{ "311", "?", "x", TLSA_USABLE, "unknown", "" },
		/* form */
		{ "111", "?", "a?x", TLSA_UNUSABLE, "none",
		    "no usable TLSA record matches the ECDSA key of the server: publish "
		    "_25._tcp.mx.test. IN TLSA 3 1 1 bb | remove the TLSA record 1 1 1: usages 0 "
		    "and 1 are not used for SMTP (RFC 7672 s3.1.3)" },
		{ "311 311 011", "+-?", "a+x", TLSA_USABLE, "cur+next",
		    "remove the TLSA record 0 1 1: usages 0 and 1 are not used for SMTP (RFC 7672 "
		    "s3.1.3)" },
		{ "312 312", "+-", "a+x", TLSA_USABLE, "cur+next",
		    "the TLSA records have SHA-512 digests only, which not every sender knows: "
		    "publish SHA-256, too (3 1 1)" },
		{ "312 312 311 311", "+-+-", "a+x", TLSA_USABLE, "cur+next", "" },
		/* a superseded record is no spare one */
		{ "312 311", "+-", "a+x", TLSA_USABLE, "none", ONE },
		/* nothing to say without records */
		{ "", "", "a+x", TLSA_NONE, "unknown", "" },
		{ "", "", "a-", TLSA_BOGUS, "unknown",
		    "DNSSEC validation fails: sign the zone again, and check the DS record at its "
		    "parent" },
		{ "", "", "a-", TLSA_ERROR, "unknown",
		    "if it stays like this, the name servers of the host answer TLSA queries "
		    "wrongly or not at all: senders that use DANE defer mail" },
		{ "311", "-", "a-", TLSA_NOT_CHECKED, "unknown", "" },
	};
	struct cert_facts certs[2];

	facts_init_cert_facts(&certs[0]);
	facts_init_cert_facts(&certs[1]);
	certs[0].fingerprint = (char *)(uintptr_t) "rsa";
	certs[0].spki_fingerprint = (char *)(uintptr_t) "aa";
	certs[0].key_type = KEY_RSA;
	certs[1].fingerprint = (char *)(uintptr_t) "ecdsa";
	certs[1].spki_fingerprint = (char *)(uintptr_t) "bb";
	certs[1].key_type = KEY_ECDSA;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct strs *advice;
		struct exchange_facts mx;
		struct arena arena;
		struct buf joined;

		TEST_ROW("%s %s %s", rows[i].records, rows[i].matched, rows[i].handshakes);
		arena_init(&arena);
		make_mx(&mx, "mx.test", NULL, S, &arena);
		add_records(&mx.tlsa, rows[i].records, &arena);
		dane_judge_records(mx.tlsa.records, mx.tlsa.records_n, &arena);
		for (size_t k = 0; k < mx.tlsa.records_n; k++)
			mx.tlsa.records[k].matched = rows[i].matched[k] == '+'   ? TRI_YES
						     : rows[i].matched[k] == '-' ? TRI_NO
										 : TRI_UNKNOWN;
		mx.tlsa.status = rows[i].status;
		mx.tlsa.base_domain = arena_strdup(&arena, "mx.test");
		add_handshakes(&mx, rows[i].handshakes, &arena);
		dane_advise(&mx, certs, 2, &arena);
		advice = &mx.tlsa.advice;
		CHECK_STR(rollover_str(mx.tlsa.rollover), rows[i].rollover);
		buf_init(&joined, 10000);
		for (size_t k = 0; k < advice->n; k++)
			buf_printf(&joined, "%s%s", k == 0 ? "" : " | ", advice->v[k]);
		CHECK_STR(buf_str(&joined), rows[i].advice);
		buf_free(&joined);
		arena_free(&arena);
	}
}

TEST(the_same_advice_is_given_once_for_all_addresses)
{
	struct cert_facts cert;
	struct exchange_facts mx;
	struct arena arena;

	arena_init(&arena);
	facts_init_cert_facts(&cert);
	cert.fingerprint = (char *)(uintptr_t) "ecdsa";
	cert.spki_fingerprint = (char *)(uintptr_t) "bb";
	cert.key_type = KEY_ECDSA;
	make_mx(&mx, "mx.test", NULL, S, &arena);
	add_records(&mx.tlsa, "311", &arena);
	mx.tlsa.records[0].usable = true;
	mx.tlsa.records[0].matched = TRI_NO;
	mx.tlsa.status = TLSA_USABLE;
	mx.tlsa.base_domain = arena_strdup(&arena, "mx.test");
	for (int i = 0; i < 3; i++)
		add_handshakes(&mx, "a-", &arena);
	dane_advise(&mx, &cert, 1, &arena);
	CHECK_INT(mx.tlsa.advice.n, 1);
	/* a certificate that nobody kept */
	dane_advise(&mx, NULL, 0, &arena);
	CHECK_INT(mx.tlsa.advice.n, 0);
	arena_free(&arena);
}

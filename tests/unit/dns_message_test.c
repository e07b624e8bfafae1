#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dns/answer.h"
#include "dns/message.h"
#include "dns_build.h"
#include "test.h"

#define REPLY (MSG_QR | MSG_RD | MSG_RA)

static struct msg m;

/* Parse m as the answer to (name, type); exactly sized, so that a sanitizer sees reads past its end. */
static struct dns_answer *
parse(const char *name, enum dns_type type, bool trust_ad)
{
	unsigned char *copy = malloc(m.n == 0 ? 1 : m.n);

	memcpy(copy, m.d, m.n);
	struct dns_answer *a = dns_message_parse(copy, m.n, name, type, trust_ad);
	free(copy);
	return a;
}

static void
check(struct dns_answer *a, enum dns_status status, const char *error_part)
{
	CHECK_STR(dns_status_str(a->status), dns_status_str(status));
	if (error_part == NULL)
		CHECK_STR(a->error, NULL);
	else if (a->error == NULL || strstr(a->error, error_part) == NULL)
		CHECK_STR(a->error, error_part);
	dns_answer_release(a);
}

TEST(message_build_asks_with_rd_ad_and_edns0_1232_do)
{
	static const unsigned char want[] = "\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01"
					    "\x02mx\x04test\x00\x00\x0f\x00\x01"
					    "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";
	unsigned char out[DNS_QUERY_BYTES];

	size_t n = dns_message_build(out, 0x1234, "mx.test", DNS_MX, true, false);
	CHECK_MEM(out, n, want, sizeof(want) - 1);
	CHECK_INT(dns_message_build(out, 0x1234, "mx.test", DNS_MX, false, false), n - 11);
	CHECK_INT(out[11], 0);
	CHECK_INT(dns_message_build(out, 1, ".", DNS_NS, false, false), 12 + 1 + 4);
	/* RFC 4035 s3.2.2: CD instead of AD, all else the same */
	unsigned char cd[DNS_QUERY_BYTES];
	n = dns_message_build(out, 0x1234, "mx.test", DNS_MX, true, false);
	CHECK_INT(dns_message_build(cd, 0x1234, "mx.test", DNS_MX, true, true), n);
	CHECK_INT(out[3], 0x20);
	CHECK_INT(cd[3], 0x10);
	cd[3] = out[3];
	CHECK(memcmp(out, cd, n) == 0);
	CHECK_INT(dns_message_build(out, 1, "a..b", DNS_NS, false, false), 0);
}

TEST(message_build_fits_the_longest_name)
{
	unsigned char out[DNS_QUERY_BYTES];
	char name[254];

	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	CHECK_INT(dns_message_build(out, 1, name, DNS_NS, true, false), DNS_QUERY_BYTES);
}

TEST(message_match_ignores_all_but_the_reply_to_the_query)
{
	static const struct {
		const char *what;
		unsigned id, flags;
		const char *name;
		unsigned type;
		enum dns_match want;
	} rows[] = {
		{ "reply", 7, REPLY, "a.test", DNS_A, DNS_MATCH_REPLY },
		{ "another case", 7, REPLY, "A.TesT", DNS_A, DNS_MATCH_REPLY },
		{ "NXDOMAIN", 7, REPLY | 3, "a.test", DNS_A, DNS_MATCH_REPLY },
		{ "truncated", 7, REPLY | MSG_TC, "a.test", DNS_A, DNS_MATCH_TRUNCATED },
		{ "another id", 8, REPLY, "a.test", DNS_A, DNS_MATCH_NOT_OURS },
		{ "a query", 7, MSG_RD, "a.test", DNS_A, DNS_MATCH_NOT_OURS },
		{ "a notify", 7, REPLY | 4 << 11, "a.test", DNS_A, DNS_MATCH_NOT_OURS },
		{ "another name", 7, REPLY, "b.test", DNS_A, DNS_MATCH_NOT_OURS },
		{ "a longer name", 7, REPLY, "a.test.test", DNS_A, DNS_MATCH_NOT_OURS },
		{ "a shorter name", 7, REPLY, "test", DNS_A, DNS_MATCH_NOT_OURS },
		{ "another type", 7, REPLY, "a.test", DNS_AAAA, DNS_MATCH_NOT_OURS },
		{ "truncated, another name", 7, REPLY | MSG_TC, "b.test", DNS_A,
		    DNS_MATCH_NOT_OURS },
		{ "FORMERR", 7, REPLY | 1, "a.test", DNS_A, DNS_MATCH_NO_EDNS },
		{ "NOTIMP", 7, REPLY | 4, "a.test", DNS_A, DNS_MATCH_NO_EDNS },
		{ "FORMERR without question", 7, REPLY | 1, NULL, 0, DNS_MATCH_NO_EDNS },
		{ "REFUSED without question", 7, REPLY | 5, NULL, 0, DNS_MATCH_REPLY },
		{ "NOERROR without question", 7, REPLY, NULL, 0, DNS_MATCH_NOT_OURS },
		{ "NXDOMAIN without question", 7, REPLY | 3, NULL, 0, DNS_MATCH_NOT_OURS },
	};
	unsigned char query[DNS_QUERY_BYTES];

	size_t n = dns_message_build(query, 7, "a.test", DNS_A, true, false);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].what);
		msg_start(&m, rows[i].id, rows[i].flags);
		if (rows[i].name != NULL)
			msg_question(&m, rows[i].name, rows[i].type);
		CHECK_INT(dns_message_match(m.d, m.n, query, n), rows[i].want);
		if (rows[i].name != NULL)
			CHECK_INT(dns_message_match(m.d, m.n - 1, query, n), DNS_MATCH_NOT_OURS);
	}
	CHECK_INT(dns_message_match(m.d, 11, query, n), DNS_MATCH_NOT_OURS);
	CHECK_INT(dns_message_match(m.d, 0, query, n), DNS_MATCH_NOT_OURS);
}

TEST(parse_reads_mx_records_lower_case_without_final_dot_and_the_smallest_ttl)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "Example.Test", DNS_MX);
	msg_mx(&m, "EXAMPLE.test", 10, "MX1.Example.Test");
	size_t at = msg_begin(&m, 1, "example.test", DNS_MX, 60);
	msg_u16(&m, 20);
	msg_raw(&m, "\003mx2\xc0\x0c", 6); /* compressed: mx2, then the name of the question */
	msg_end(&m, at);
	msg_mx(&m, "other.test", 5, "mx.other.test");
	msg_rr(&m, 1, "example.test", ns_t_rrsig, 1, "signature", 9);
	struct dns_answer *a = parse("example.test.", DNS_MX, false);
	CHECK_INT(a->n, 2);
	CHECK_STR(a->records[0].name, "mx1.example.test");
	CHECK_INT(a->records[0].preference, 10);
	CHECK_INT(a->records[0].ttl, 300);
	CHECK_STR(a->records[1].name, "mx2.example.test");
	CHECK_INT(a->records[1].preference, 20);
	CHECK_INT(a->ttl, 60);
	CHECK_INT(a->rcode, 0);
	CHECK_INT(a->ede, -1);
	CHECK_STR(a->cname, NULL);
	CHECK_INT(a->dnssec, DNSSEC_NOT_CHECKED);
	CHECK_INT(dns_answer_fail(a), FAIL_NONE);
	check(a, DNS_OK, NULL);
}

TEST(parse_gives_the_null_mx_of_rfc_7505_an_empty_name)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_MX);
	msg_mx(&m, "a.test", 0, ".");
	struct dns_answer *a = parse("a.test", DNS_MX, false);
	CHECK_INT(a->n, 1);
	CHECK_STR(a->n == 1 ? a->records[0].name : NULL, "");
	check(a, DNS_OK, NULL);
}

TEST(parse_escapes_odd_bytes_in_names_so_that_they_stay_printable)
{
	static const struct {
		const char *label;
		size_t n;
		const char *want;
	} rows[] = {
		{ "a b", 3, "a\\032b.test" },
		{ "a.b", 3, "a\\.b.test" },
		{ "a\0b", 3, "a\\000b.test" },
		{ "a\nb", 3, "a\\010b.test" },
		{ "a\\b", 3, "a\\\\b.test" },
		{ "\xc3\xbc", 2, "\\195\\188.test" },
		{ "mx,", 3, "mx,.test" },
		{ "A;\"", 3, "a\\;\\\".test" },
		{ "_25", 3, "_25.test" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].want);
		msg_start(&m, 1, REPLY);
		msg_question(&m, "a.test", DNS_NS);
		size_t at = msg_begin(&m, 1, "a.test", DNS_NS, 1);
		msg_u8(&m, (unsigned)rows[i].n);
		msg_raw(&m, rows[i].label, rows[i].n);
		msg_name(&m, "test");
		msg_end(&m, at);
		struct dns_answer *a = parse("a.test", DNS_NS, false);
		CHECK_INT(a->n, 1);
		CHECK_STR(a->n == 1 ? a->records[0].name : NULL, rows[i].want);
		/* and such a name is not asked for */
		if (a->n == 1 && strpbrk(rows[i].want, "\\,") != NULL)
			CHECK(dns_name_normalize(a->records[0].name, &arena, NULL) == NULL);
		check(a, DNS_OK, NULL);
	}
	arena_free(&arena);
}

TEST(parse_does_not_take_a_dot_inside_a_label_for_a_separator)
{
	/* the owner is one label "a.test", which is not the name asked for */
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	msg_count(&m, 1);
	msg_raw(&m, "\006a.test\0\0\001\0\001\0\0\0\001\0\004\300\0\002\001", 22);
	check(parse("a.test", DNS_A, false), DNS_NODATA, NULL);
}

TEST(parse_reads_addresses)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	msg_rr(&m, 1, "a.test", DNS_A, 9, "\300\000\002\001", 4);
	struct dns_answer *a = parse("a.test", DNS_A, false);
	CHECK_INT(a->n, 1);
	CHECK_MEM(a->records[0].address, 4, "\300\000\002\001", 4);
	check(a, DNS_OK, NULL);

	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_AAAA);
	msg_rr(&m, 1, "a.test", DNS_AAAA, 9, " \001\r\270\0\0\0\0\0\0\0\0\0\0\0\001", 16);
	a = parse("a.test", DNS_AAAA, false);
	CHECK_INT(a->n, 1);
	CHECK_MEM(a->records[0].address, 16, " \001\r\270\0\0\0\0\0\0\0\0\0\0\0\001", 16);
	check(a, DNS_OK, NULL);
}

TEST(parse_joins_the_strings_of_a_txt_record_and_counts_its_bytes)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_TXT);
	msg_rr(&m, 1, "a.test", DNS_TXT, 9, "\007v=STSv1\000\005; id=\003a\0b", 19);
	msg_rr(&m, 1, "a.test", DNS_TXT, 9, "\000", 1);
	struct dns_answer *a = parse("a.test", DNS_TXT, false);
	CHECK_INT(a->n, 2);
	CHECK_MEM(a->records[0].data, a->records[0].data_len, "v=STSv1; id=a\0b", 15);
	CHECK_INT(a->records[0].data[15], 0);
	CHECK_INT(a->records[1].data_len, 0);
	check(a, DNS_OK, NULL);
}

TEST(parse_reads_tlsa_records)
{
	msg_start(&m, 1, REPLY | MSG_AD);
	msg_question(&m, "_25._tcp.mx.test", DNS_TLSA);
	msg_rr(&m, 1, "_25._tcp.mx.test", DNS_TLSA, 9, "\003\001\001\0\001\002", 6);
	msg_rr(&m, 1, "_25._tcp.mx.test", DNS_TLSA, 9, "\002\000\002", 3);
	struct dns_answer *a = parse("_25._tcp.mx.test", DNS_TLSA, true);
	CHECK_INT(a->n, 2);
	CHECK_INT(a->records[0].usage, 3);
	CHECK_INT(a->records[0].selector, 1);
	CHECK_INT(a->records[0].matching, 1);
	CHECK_MEM(a->records[0].data, a->records[0].data_len, "\0\001\002", 3);
	CHECK_INT(a->records[1].usage, 2);
	CHECK_INT(a->records[1].data_len, 0);
	CHECK_INT(a->dnssec, DNSSEC_SECURE);
	check(a, DNS_OK, NULL);
}

TEST(parse_reads_caa_records)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_CAA);
	msg_rr(&m, 1, "a.test", DNS_CAA, 9, "\000\005issueca.test; x=1", 19);
	msg_rr(&m, 1, "a.test", DNS_CAA, 9, "\200\011IssueWild", 11);
	struct dns_answer *a = parse("a.test", DNS_CAA, false);
	CHECK_INT(a->n, 2);
	CHECK_INT(a->records[0].flags, 0);
	CHECK_STR(a->records[0].name, "issue");
	CHECK_MEM(a->records[0].data, a->records[0].data_len, "ca.test; x=1", 12);
	CHECK_INT(a->records[1].flags, 128);
	CHECK_STR(a->records[1].name, "issuewild");
	CHECK_INT(a->records[1].data_len, 0);
	check(a, DNS_OK, NULL);
}

TEST(parse_refuses_data_that_does_not_have_the_form_of_its_type)
{
	static const struct {
		enum dns_type type;
		const char *data;
		size_t n;
	} rows[] = {
		{ DNS_A, "", 0 },
		{ DNS_A, "123", 3 },
		{ DNS_A, "12345", 5 },
		{ DNS_AAAA, "1234", 4 },
		{ DNS_AAAA, "12345678901234567", 17 },
		{ DNS_MX, "", 0 },
		{ DNS_MX, "\0\n", 2 },
		{ DNS_MX, "\0\n\003mx", 5 },     /* the name runs out of the data */
		{ DNS_MX, "\0\n\001a\000x", 6 }, /* bytes behind the name */
		{ DNS_MX, "\0\n\300\377", 4 },   /* a pointer out of the message */
		{ DNS_NS, "", 0 },
		{ DNS_NS, "\300", 1 },
		{ DNS_NS, "\100a", 2 }, /* a label type that does not exist */
		{ DNS_PTR, "\001a", 2 },
		{ DNS_CNAME, "\001a\000\000", 4 },
		{ DNS_TXT, "", 0 },
		{ DNS_TXT, "\002a", 2 },
		{ DNS_TXT, "\001a\377", 3 },
		{ DNS_TLSA, "", 0 },
		{ DNS_TLSA, "\003\001", 2 },
		{ DNS_CAA, "", 0 },
		{ DNS_CAA, "\000", 1 },
		{ DNS_CAA, "\000\000", 2 },
		{ DNS_CAA, "\000\000x", 3 },     /* no tag */
		{ DNS_CAA, "\000\006issue", 7 }, /* the tag runs out of the data */
		{ DNS_CAA, "\000\001.", 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%d of %zu bytes", rows[i].type, rows[i].n);
		msg_start(&m, 1, REPLY);
		msg_question(&m, "a.test", rows[i].type);
		msg_rr(&m, 1, "a.test", rows[i].type, 9, rows[i].data, rows[i].n);
		struct dns_answer *a = parse("a.test", rows[i].type, true);
		CHECK_INT(a->n, 0);
		CHECK_INT(a->ttl, 0);
		CHECK_INT(a->dnssec, DNSSEC_INDETERMINATE);
		CHECK_INT(dns_answer_fail(a), FAIL_DNS_MALFORMED);
		check(a, DNS_MALFORMED, "malformed record data");
	}
}

TEST(parse_stops_at_compression_loops)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_NS);
	size_t at = msg_begin(&m, 1, "a.test", DNS_NS, 9);
	size_t self = m.n;
	msg_u16(&m, 0xc000 | (unsigned)self);
	msg_end(&m, at);
	check(parse("a.test", DNS_NS, false), DNS_MALFORMED, "malformed record data");

	msg_start(&m, 1, REPLY);
	msg_count(&m, 0);
	msg_u16(&m, 0xc00c); /* the question's name points at itself */
	msg_u16(&m, DNS_A);
	msg_u16(&m, 1);
	check(parse("a.test", DNS_A, false), DNS_MALFORMED, "malformed question");
}

TEST(parse_follows_aliases_in_any_order_to_the_records_of_the_canonical_name)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	msg_rr(&m, 1, "c.test", DNS_A, 50, "\300\000\002\003", 4);
	msg_target(&m, "b.test", DNS_CNAME, 40, "C.test");
	msg_target(&m, "a.test", DNS_CNAME, 30, "B.test");
	msg_rr(&m, 1, "x.test", DNS_A, 10, "\300\000\002\004", 4);
	struct dns_answer *a = parse("a.test", DNS_A, false);
	CHECK_INT(a->n, 1);
	CHECK_STR(a->cname, "c.test");
	CHECK_INT(a->ttl, 30);
	check(a, DNS_OK, NULL);

	/* asked for the alias itself it is a record */
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_CNAME);
	msg_target(&m, "a.test", DNS_CNAME, 30, "B.test");
	a = parse("a.test", DNS_CNAME, false);
	CHECK_INT(a->n, 1);
	CHECK_STR(a->records[0].name, "b.test");
	CHECK_STR(a->cname, NULL);
	check(a, DNS_OK, NULL);
}

TEST(parse_keeps_the_canonical_name_of_a_negative_answer)
{
	msg_start(&m, 1, REPLY | ns_r_nxdomain);
	msg_question(&m, "a.test", DNS_A);
	msg_target(&m, "a.test", DNS_CNAME, 100, "b.test");
	msg_soa(&m, "test", 300, 200);
	struct dns_answer *a = parse("a.test", DNS_A, false);
	CHECK_STR(a->cname, "b.test");
	CHECK_INT(a->ttl, 100);
	CHECK_INT(dns_answer_fail(a), FAIL_NXDOMAIN);
	check(a, DNS_NXDOMAIN, NULL);
}

/* a0.test -> a1.test -> ... with n aliases, then (end) an address at the last. */
static void
chain(int n, bool address)
{
	char from[16], to[16];

	msg_start(&m, 1, REPLY);
	msg_question(&m, "a0.test", DNS_A);
	for (int i = 0; i < n; i++) {
		snprintf(from, sizeof(from), "a%d.test", i);
		snprintf(to, sizeof(to), "a%d.test", i + 1);
		msg_target(&m, from, DNS_CNAME, 30, to);
	}
	if (address)
		msg_rr(&m, 1, to, DNS_A, 50, "\300\000\002\003", 4);
}

TEST(parse_follows_a_limited_number_of_aliases_and_no_loop)
{
	chain(LIMIT_CNAME_CHAIN, true);
	check(parse("a0.test", DNS_A, false), DNS_OK, NULL);
	chain(LIMIT_CNAME_CHAIN + 1, true);
	check(parse("a0.test", DNS_A, false), DNS_MALFORMED, "too many aliases");
	chain(3, false);
	msg_target(&m, "a3.test", DNS_CNAME, 30, "A1.test");
	check(parse("a0.test", DNS_A, false), DNS_MALFORMED, "alias loop");
	chain(0, false);
	msg_target(&m, "a0.test", DNS_CNAME, 30, "a0.test");
	struct dns_answer *a = parse("a0.test", DNS_A, false);
	CHECK_STR(a->cname, NULL);
	check(a, DNS_MALFORMED, "alias loop");
}

TEST(parse_takes_the_negative_ttl_of_rfc_2308_from_the_soa)
{
	static const struct {
		uint32_t ttl, minimum, want;
	} rows[] = { { 300, 60, 60 }, { 60, 300, 60 }, { 0x80000000, 60, 0 },
		{ 60, UINT32_MAX, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%u %u", rows[i].ttl, rows[i].minimum);
		msg_start(&m, 1, REPLY);
		msg_question(&m, "a.test", DNS_A);
		msg_soa(&m, "test", rows[i].ttl, rows[i].minimum);
		struct dns_answer *a = parse("a.test", DNS_A, false);
		CHECK_INT(a->ttl, rows[i].want);
		CHECK_INT(a->rcode, 0);
		check(a, DNS_NODATA, NULL);
	}
	/* without SOA: not to be kept (s5) */
	msg_start(&m, 1, REPLY | ns_r_nxdomain);
	msg_question(&m, "a.test", DNS_A);
	struct dns_answer *a = parse("a.test", DNS_A, false);
	CHECK_INT(a->ttl, 0);
	check(a, DNS_NXDOMAIN, NULL);
}

TEST(parse_does_not_take_a_referral_for_no_such_record)
{
	static const struct {
		unsigned flags;
		enum dns_status want;
	} rows[] = { { MSG_QR, DNS_REFUSED }, { MSG_QR | MSG_AA, DNS_NODATA },
		{ REPLY, DNS_NODATA } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("flags %x", rows[i].flags);
		msg_start(&m, 1, rows[i].flags);
		msg_question(&m, "a.test", DNS_A);
		msg_rr(&m, 2, "test", DNS_NS, 300, "\002ns\004test", 9);
		check(parse("a.test", DNS_A, false), rows[i].want,
		    rows[i].want == DNS_REFUSED ? "not a resolver" : NULL);
	}
}

TEST(parse_tells_the_dnssec_state_by_ad_trust_and_extended_error)
{
	static const struct {
		unsigned flags;
		int ede;
		bool trust;
		enum dns_status status;
		enum dnssec want;
		enum fail_code fail;
	} rows[] = {
		{ MSG_AD, -1, true, DNS_NODATA, DNSSEC_SECURE, FAIL_NONE },
		{ 0, -1, true, DNS_NODATA, DNSSEC_INSECURE, FAIL_NONE },
		{ MSG_AD, -1, false, DNS_NODATA, DNSSEC_NOT_CHECKED, FAIL_NONE },
		{ 0, -1, false, DNS_NODATA, DNSSEC_NOT_CHECKED, FAIL_NONE },
		{ MSG_AD | 3, -1, true, DNS_NXDOMAIN, DNSSEC_SECURE, FAIL_NXDOMAIN },
		{ 2, -1, true, DNS_SERVFAIL, DNSSEC_INDETERMINATE, FAIL_DNS_SERVFAIL },
		{ 2, -1, false, DNS_SERVFAIL, DNSSEC_NOT_CHECKED, FAIL_DNS_SERVFAIL },
		{ 2, 5, true, DNS_SERVFAIL, DNSSEC_INDETERMINATE, FAIL_DNS_SERVFAIL },
		{ 2, 6, true, DNS_SERVFAIL, DNSSEC_BOGUS, FAIL_DNS_BOGUS },
		{ 2, 6, false, DNS_SERVFAIL, DNSSEC_BOGUS, FAIL_DNS_BOGUS },
		{ 2, 12, true, DNS_SERVFAIL, DNSSEC_BOGUS, FAIL_DNS_BOGUS },
		{ 2, 13, true, DNS_SERVFAIL, DNSSEC_INDETERMINATE, FAIL_DNS_SERVFAIL },
		{ 0, 6, true, DNS_NODATA, DNSSEC_INSECURE, FAIL_NONE },
		{ 5, -1, true, DNS_REFUSED, DNSSEC_INDETERMINATE, FAIL_DNS_REFUSED },
		{ 1, -1, false, DNS_REFUSED, DNSSEC_NOT_CHECKED, FAIL_DNS_REFUSED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("flags %x ede %d trust %d", rows[i].flags, rows[i].ede, rows[i].trust);
		msg_start(&m, 1, REPLY | rows[i].flags);
		msg_question(&m, "a.test", DNS_A);
		msg_opt(&m, 0, rows[i].ede, "");
		struct dns_answer *a = parse("a.test", DNS_A, rows[i].trust);
		CHECK_STR(dns_status_str(a->status), dns_status_str(rows[i].status));
		CHECK_STR(dnssec_str(a->dnssec), dnssec_str(rows[i].want));
		CHECK_INT(dns_answer_fail(a), rows[i].fail);
		CHECK_INT(a->ede, rows[i].ede);
		CHECK((a->error != NULL) == !dns_answer_usable(a));
		dns_answer_release(a);
	}
}

TEST(parse_says_in_words_why_the_resolver_failed)
{
	static const struct {
		unsigned rcode, upper;
		int ede;
		const char *text, *want;
	} rows[] = {
		{ 2, 0, -1, "", "SERVFAIL" },
		{ 2, 0, 7, "", "SERVFAIL: signature expired" },
		{ 2, 0, 7, "of a.test\n\xff", "SERVFAIL: signature expired: of a.test\\x0a\\xff" },
		{ 2, 0, 4711, "x", "SERVFAIL: extended error 4711: x" },
		{ 5, 0, 18, "", "REFUSED: prohibited" },
		{ 9, 0, -1, "", "response code 9" },
		{ 0, 1, -1, "", "BADVERS" },
		{ 7, 1, -1, "", "response code 23" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].want);
		msg_start(&m, 1, REPLY | rows[i].rcode);
		msg_question(&m, "a.test", DNS_A);
		msg_opt(&m, rows[i].upper, rows[i].ede, rows[i].text);
		struct dns_answer *a = parse("a.test", DNS_A, false);
		CHECK_STR(a->error, rows[i].want);
		CHECK_INT(a->rcode, rows[i].upper << 4 | rows[i].rcode);
		dns_answer_release(a);
	}
}

TEST(parse_prefers_the_extended_error_that_says_bogus_and_bounds_its_text)
{
	char text[1000];

	msg_start(&m, 1, REPLY | ns_r_servfail);
	msg_question(&m, "a.test", DNS_A);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	msg_opt(&m, 0, 22, "first");
	size_t rdlen = m.n - 11 - 2;
	msg_raw(&m, "\000\012\000\010clientid", 12); /* another option: a cookie */
	msg_u16(&m, 15);
	msg_u16(&m, (unsigned)(2 + strlen(text)));
	msg_u16(&m, 9);
	msg_raw(&m, text, strlen(text));
	msg_u16(&m, 15);
	msg_u16(&m, 2);
	msg_u16(&m, 3);
	msg_end(&m, rdlen + 2);
	struct dns_answer *a = parse("a.test", DNS_A, false);
	CHECK_INT(a->ede, 9);
	CHECK_INT(a->dnssec, DNSSEC_BOGUS);
	CHECK(a->error != NULL && strlen(a->error) < 300);
	check(a, DNS_SERVFAIL, "SERVFAIL: DNSKEY missing: xxx");
}

TEST(parse_refuses_what_is_no_whole_answer_to_the_question)
{
	static const struct {
		const char *what;
		unsigned flags;
		const char *name;
		unsigned type;
		const char *error;
	} rows[] = {
		{ "a query", 0, "a.test", DNS_A, "not a reply" },
		{ "an update", MSG_QR | 5 << 11, "a.test", DNS_A, "not a reply" },
		{ "truncated", REPLY | MSG_TC, "a.test", DNS_A, "truncated" },
		{ "another name", REPLY, "b.test", DNS_A, "another question" },
		{ "another type", REPLY, "a.test", DNS_AAAA, "another question" },
		{ "no question", REPLY, NULL, 0, "malformed question" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].what);
		msg_start(&m, 1, rows[i].flags);
		if (rows[i].name != NULL)
			msg_question(&m, rows[i].name, rows[i].type);
		check(parse("a.test", DNS_A, false), DNS_MALFORMED, rows[i].error);
	}
	TEST_ROW("two questions");
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	msg_question(&m, "a.test", DNS_A);
	check(parse("a.test", DNS_A, false), DNS_MALFORMED, "malformed question");
	TEST_ROW("NXDOMAIN with records");
	msg_start(&m, 1, REPLY | ns_r_nxdomain);
	msg_question(&m, "a.test", DNS_A);
	msg_rr(&m, 1, "a.test", DNS_A, 9, "\300\000\002\001", 4);
	check(parse("a.test", DNS_A, false), DNS_MALFORMED, "NXDOMAIN with records");
	TEST_ROW("a malformed OPT record");
	msg_start(&m, 1, REPLY | ns_r_servfail);
	msg_question(&m, "a.test", DNS_A);
	msg_rr(&m, 3, ".", ns_t_opt, 0, "\000\017\000\003\000\006", 6);
	check(parse("a.test", DNS_A, false), DNS_MALFORMED, "malformed OPT");
	TEST_ROW("bytes behind the message");
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	msg_u8(&m, 0);
	check(parse("a.test", DNS_A, false), DNS_MALFORMED, "not a DNS message");
}

TEST(parse_takes_every_shorter_piece_of_an_answer_for_malformed)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_MX);
	msg_target(&m, "a.test", DNS_CNAME, 1, "b.test");
	msg_mx(&m, "b.test", 10, "mx.b.test");
	msg_soa(&m, "test", 1, 1);
	msg_opt(&m, 0, 3, "stale");
	size_t whole = m.n;
	check(parse("a.test", DNS_MX, false), DNS_OK, NULL);
	for (m.n = 0; m.n < whole; m.n++) {
		TEST_ROW("%zu bytes", m.n);
		check(parse("a.test", DNS_MX, false), DNS_MALFORMED, "");
	}
}

TEST(parse_keeps_a_limited_number_of_records)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	for (int i = 0; i < LIMIT_DNS_RECORDS + 50; i++)
		msg_rr(&m, 1, "a.test", DNS_A, 9, "\300\000\002\001", 4);
	struct dns_answer *a = parse("a.test", DNS_A, false);
	CHECK_INT(a->n, LIMIT_DNS_RECORDS);
	check(a, DNS_OK, NULL);
}

TEST(parse_passes_over_other_classes)
{
	msg_start(&m, 1, REPLY);
	msg_question(&m, "a.test", DNS_A);
	msg_rr(&m, 1, "a.test", DNS_A, 9, "\300\000\002\001", 4);
	m.d[m.n - 4 - 2 - 4 - 1] = 3; /* CHAOS */
	check(parse("a.test", DNS_A, false), DNS_NODATA, NULL);
}

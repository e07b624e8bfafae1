#include <stdio.h>

#include "app/send/live.h"
#include "policy/spf.h"
#include "test.h"

TEST(records_are_read_to_the_letter)
{
	static const struct {
		const char *text, *want; /* as below; "!" and the error */
	} rows[] = {
		{ "v=spf1", "" },
		{ "v=spf1 -all", "-all" },
		{ "V=SPF1  +ALL ", "+all" },
		{ "v=spf1 a mx:b.test ~all", "+a +mx:b.test ~all" },
		{ "v=spf1 a/24 a:b.test/24//64 mx//96 ?all",
		    "+a/24 +a:b.test/24//64 +mx//96 ?all" },
		{ "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32",
		    "+ip4:192.0.2.0/24 +ip6:2001:db8::/32" },
		{ "v=spf1 ip4:192.0.2.1", "+ip4:192.0.2.1" },
		{ "v=spf1 include:_spf.b.test redirect=c.test", "+include:_spf.b.test >c.test" },
		{ "v=spf1 exp=x.test other=1 exists:%{i}.b.test", "+exists:%{i}.b.test" },
		{ "v=spf1 ptr ptr:b.test", "+ptr +ptr:b.test" },
		{ "v=spf1 nonsense", "!\"nonsense\": no such mechanism" },
		{ "v=spf1 ip4:192.0.2.300", "!\"ip4:192.0.2.300\": not a network" },
		{ "v=spf1 ip4:192.0.2.0/33", "!\"ip4:192.0.2.0/33\": not a network" },
		{ "v=spf1 ip4:192.0.2.0/024", "!\"ip4:192.0.2.0/024\": not a network" },
		{ "v=spf1 ip4:2001:db8::", "!\"ip4:2001:db8::\": not a network" },
		{ "v=spf1 ip6:192.0.2.1", "!\"ip6:192.0.2.1\": not a network" },
		{ "v=spf1 ip4", "!\"ip4\": not a network" },
		{ "v=spf1 include", "!\"include\": not a domain behind it" },
		{ "v=spf1 include:", "!\"include:\": not a domain behind it" },
		{ "v=spf1 all:b.test", "!\"all:b.test\": not a domain behind it" },
		{ "v=spf1 a/33", "!\"a/33\": the length of a prefix is wrong" },
		{ "v=spf1 a//129", "!\"a//129\": the length of a prefix is wrong" },
		{ "v=spf1 redirect=a.test redirect=b.test",
		    "!\"redirect=b.test\": not one domain to go to" },
		{ "v=spf1 redirect=", "!\"redirect=\": not one domain to go to" },
		{ "v=spf1 -", "!\"\": no such mechanism" },
	};
	static const char *const names[] = { "all", "include", "a", "mx", "ptr", "ip4", "ip6",
		"exists" };
	static const char signs[] = {
		[SPF_PASS] = '+', [SPF_FAIL] = '-', [SPF_SOFTFAIL] = '~', [SPF_NEUTRAL] = '?'
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spf_record record;
		struct arena arena;
		struct fail why;
		struct buf got;
		char ip[ADDR_TEXT_BYTES];
		TEST_ROW("%s", rows[i].text);
		arena_init(&arena);
		buf_init(&got, 1000);
		CHECK(spf_is_record(slice_str(rows[i].text)));
		if (spf_parse(slice_str(rows[i].text), &arena, &record, &why) != 0) {
			buf_printf(&got, "!%s", why.text);
			record = (struct spf_record){ 0 };
		}
		for (size_t k = 0; k < record.n; k++) {
			const struct spf_term *t = &record.terms[k];
			buf_printf(&got, "%s%c%s", k == 0 ? "" : " ", signs[t->result],
			    names[t->mechanism]);
			if (t->domain != NULL)
				buf_printf(&got, ":%s", t->domain);
			if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6) {
				addr_ip_str(&t->addr, ip);
				buf_printf(&got, ":%s", ip);
			}
			if (t->prefix4 != 0 && t->prefix4 != 32)
				buf_printf(&got, "/%u", t->prefix4);
			if (t->prefix6 != 0 && t->prefix6 != 128)
				buf_printf(
				    &got, "%s/%u", t->mechanism == SPF_IP6 ? "" : "/", t->prefix6);
		}
		if (record.redirect != NULL)
			buf_printf(&got, " >%s", record.redirect);
		CHECK_STR(buf_str(&got), rows[i].want);
		buf_free(&got);
		arena_free(&arena);
	}
	CHECK(!spf_is_record(slice_str("v=spf10 -all")));
	CHECK(!spf_is_record(slice_str("v=spf")));
	CHECK(!spf_is_record(slice_str("spf2.0/pra -all")));
}

TEST(networks_hold_their_addresses)
{
	static const struct {
		const char *addr, *network;
		unsigned bits;
		bool in;
	} rows[] = { { "192.0.2.1", "192.0.2.0", 24, true },
		{ "192.0.3.1", "192.0.2.0", 24, false }, { "192.0.3.1", "192.0.2.0", 23, true },
		{ "192.0.2.1", "192.0.2.1", 32, true }, { "192.0.2.1", "192.0.2.0", 32, false },
		{ "10.0.0.1", "192.0.2.0", 0, true }, { "192.0.2.129", "192.0.2.0", 25, false },
		{ "2001:db8::1", "2001:db8::", 32, true },
		{ "2001:db9::1", "2001:db8::", 32, false },
		{ "2001:db9::1", "2001:db8::", 31, true }, { "192.0.2.1", "::", 0, false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a, n;
		TEST_ROW("%s in %s/%u", rows[i].addr, rows[i].network, rows[i].bits);
		CHECK(addr_parse_ip(slice_str(rows[i].addr), 0, &a));
		CHECK(addr_parse_ip(slice_str(rows[i].network), 0, &n));
		CHECK_INT(spf_in_network(&a, &n, rows[i].bits), rows[i].in);
	}
}

TEST(a_dkim_record_is_held_against_our_key)
{
	static const struct {
		const char *record, *type, *want;
		bool testing;
	} rows[] = { { "v=DKIM1; k=rsa; p=QUJD", "rsa", NULL, false },
		{ "p=QUJD", "rsa", NULL, false }, { "v=DKIM1;p=QU JD\t;", "rsa", NULL, false },
		{ "v=DKIM1; k=ed25519; p=QUJD", "ed25519", NULL, false },
		{ "v=DKIM1; t=s : y; p=QUJD", "rsa", NULL, true },
		{ "v=DKIM1; k=ed25519; p=QUJD", "rsa", "has a key of another kind", false },
		{ "v=DKIM1; p=QUJDRA==", "rsa", "has another key than ours", false },
		{ "v=DKIM1; p=QUJ", "rsa", "has another key than ours", false },
		{ "v=DKIM1; p=", "rsa", "says that the key is revoked", false },
		{ "v=DKIM2; p=QUJD", "rsa", "is no DKIM record (RFC 6376 s3.6.1)", false },
		{ "hello", "rsa", "is no DKIM record (RFC 6376 s3.6.1)", false },
		{ "", "rsa", "is no DKIM record (RFC 6376 s3.6.1)", false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool testing = false;
		TEST_ROW("%s", rows[i].record);
		const char *got =
		    live_dkim_judge(slice_str(rows[i].record), rows[i].type, "QUJD", &testing);
		CHECK_STR(got == NULL ? "" : got, rows[i].want == NULL ? "" : rows[i].want);
		CHECK_INT(testing, rows[i].testing);
	}
}

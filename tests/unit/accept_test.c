#include <string.h>

#include "app/listen/accept.h"
#include "policy/rules.h"
#include "scratch.h"
#include "test.h"

/* Who may send to whom. */

static const struct addr *
client(const char *ip)
{
	static struct addr peer;

	return ip != NULL && addr_parse_ip(slice_str(ip), 1025, &peer) ? &peer : NULL;
}

static enum fail_code
ask(const struct accept *a, const char *from, const char *to, struct accept_name *name_r)
{
	struct smtp_path path;
	struct fail why;

	if (smtp_path_parse(slice_str(to), false, true, &path, NULL, &why) != 0)
		return why.code;
	return accept_rcpt(a, client(from), &path, name_r, &why) == 0 ? FAIL_NONE : why.code;
}

TEST(recipients_are_taken_by_domain_by_address_or_from_relay_clients_and_routes_never_reference_S12)
{
	static const struct {
		const char *from, *to;
		enum fail_code code;
		const char *user, *domain;
		bool listed;
	} rows[] = {
		{ NULL, "<u@ok.test>", FAIL_NONE, "u", "ok.test", false },
		{ NULL, "<U.V@OK.test>", FAIL_NONE, "u.v", "ok.test", false },
		{ NULL, "<\"a b\"@ok.test>", FAIL_NONE, "a b", "ok.test", false },
		{ NULL, "<u+x@ok.test>", FAIL_NONE, "u+x", "ok.test", false },
		{ NULL, "<known@some.test>", FAIL_NONE, "known", "some.test", true },
		{ NULL, "<KNOWN+detail@Some.test>", FAIL_NONE, "known", "some.test", true },
		{ NULL, "<\"known\"@some.test>", FAIL_NONE, "known", "some.test", true },
		{ NULL, "<plus+s@some.test>", FAIL_NONE, "plus+s", "some.test", true },
		{ NULL, "<plus@some.test>", FAIL_NO_USER, NULL, NULL, false },
		{ NULL, "<other@some.test>", FAIL_NO_USER, NULL, NULL, false },
		{ NULL, "<+@some.test>", FAIL_NO_USER, NULL, NULL, false },
		{ NULL, "<postmaster>", FAIL_NONE, "postmaster", "mx.test", true },
		{ NULL, "<Postmaster@some.test>", FAIL_NONE, "postmaster", "some.test", true },
		{ NULL, "<postmaster@ok.test>", FAIL_NONE, "postmaster", "ok.test", true },
		{ NULL, "<postmaster@far.test>", FAIL_NXDOMAIN, NULL, NULL, false },
		{ NULL, "<u@far.test>", FAIL_NXDOMAIN, NULL, NULL, false },
		{ NULL, "<u@[192.0.2.7]>", FAIL_NXDOMAIN, NULL, NULL, false },
		/* nobody's route */
		{ NULL, "<u%far.test@ok.test>", FAIL_REFUSED, NULL, NULL, false },
		{ NULL, "<far.test!u@ok.test>", FAIL_REFUSED, NULL, NULL, false },
		{ NULL, "<\"u@far.test\"@ok.test>", FAIL_REFUSED, NULL, NULL, false },
		{ NULL, "<\"u\\@far.test\"@ok.test>", FAIL_REFUSED, NULL, NULL, false },
		{ NULL, "<@ok.test,@b.test:u@far.test>", FAIL_ADDRESS, NULL, NULL, false },
		/* outside of the networks */
		{ "192.0.3.1", "<u@far.test>", FAIL_NXDOMAIN, NULL, NULL, false },
		{ "2001:db8:1::1", "<u@far.test>", FAIL_NXDOMAIN, NULL, NULL, false },
		/* inside */
		{ "192.0.2.9", "<u@far.test>", FAIL_NONE, "u", "far.test", false },
		{ "2001:db8::9", "<u@Far.test>", FAIL_NONE, "u", "far.test", false },
		{ "192.0.2.9", "<other@some.test>", FAIL_NONE, "other", "some.test", false },
		{ "192.0.2.9", "<u%far.test@near.test>", FAIL_REFUSED, NULL, NULL, false },
		{ "192.0.2.9", "<\"u@far.test\"@ok.test>", FAIL_REFUSED, NULL, NULL, false },
		{ "192.0.2.9", "<u@[203.0.113.7]>", FAIL_NONE, "u", "[203.0.113.7]", false },
		{ "192.0.2.9", "<u@[203.0.113.8]>", FAIL_REFUSED, NULL, NULL, false },
		{ "192.0.3.9", "<u@[203.0.113.7]>", FAIL_NXDOMAIN, NULL, NULL, false },
	};
	struct accept a;
	struct fail why;
	struct rules *rules = rules_parse(
	    "policy", slice_str("default may\npolicy ip:203.0.113.7 encrypt\n"), NULL, NULL, &why);

	accept_init(&a, "mx.test");
	CHECK(rules != NULL);
	a.rules = rules;
	CHECK_INT(accept_add(&a, "OK.test", &why), 0);
	CHECK_INT(accept_add(&a, "Known@Some.test", &why), 0);
	CHECK_INT(accept_add(&a, "plus+s@some.test", &why), 0);
	CHECK_INT(accept_relay_from(&a, "192.0.2.0/24", &why), 0);
	CHECK_INT(accept_relay_from(&a, "2001:db8::/64", &why), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct accept_name name;

		TEST_ROW("%s from %s", rows[i].to, rows[i].from == NULL ? "nobody" : rows[i].from);
		CHECK_INT(ask(&a, rows[i].from, rows[i].to, &name), rows[i].code);
		if (rows[i].code != FAIL_NONE)
			continue;
		CHECK_STR(name.user, rows[i].user);
		CHECK_STR(name.domain, rows[i].domain);
		CHECK_INT(name.listed, rows[i].listed);
	}
	accept_free(&a);
	rules_free(rules);
}

TEST(nothing_is_taken_but_the_bare_postmaster_until_it_is_told_RFC_5321_s4_5_1)
{
	struct accept a;

	accept_init(&a, "mx.test");
	CHECK_INT(ask(&a, "127.0.0.1", "<u@ok.test>", NULL), FAIL_NXDOMAIN);
	CHECK_INT(ask(&a, "127.0.0.1", "<postmaster@mx.test>", NULL), FAIL_NXDOMAIN);
	CHECK_INT(ask(&a, "127.0.0.1", "<postmaster>", NULL), FAIL_NONE);
	CHECK(!accept_is_relay_client(&a, client("127.0.0.1")));
	accept_free(&a);
}

TEST(relay_from_refuses_everybody_and_what_is_no_network_DECISIONS_F43)
{
	static const char *const bad[] = { "0.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:0:0/0",
		"192.0.2.1/0", "", "example.com", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/",
		"192.0.2.0/x", "192.0.2/24", "/0", "192.0.2.0/24 ::/0" };
	static const char *const good[] = { "192.0.2.1", "192.0.2.0/24", "::1", "2001:db8::/32",
		"10.0.0.0/8", "::ffff:192.0.2.0/120" };
	struct accept a;
	struct fail why;

	accept_init(&a, "mx.test");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEST_ROW("%s", bad[i]);
		CHECK_INT(accept_relay_from(&a, bad[i], &why), -1);
		CHECK_INT(why.code, FAIL_USAGE);
		CHECK(!a.relays);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		TEST_ROW("%s", good[i]);
		CHECK_INT(accept_relay_from(&a, good[i], &why), 0);
	}
	CHECK(a.relays);
	CHECK(accept_is_relay_client(&a, client("10.255.0.1")));
	CHECK(!accept_is_relay_client(&a, client("11.0.0.1")));
	CHECK(!accept_is_relay_client(&a, NULL));
	accept_free(&a);
}

TEST(accept_takes_a_file_and_names_the_line_that_is_wrong)
{
	static const struct {
		const char *text, *why; /* NULL: fine */
	} rows[] = {
		{ "ok.test\n# a comment\n\n  u@some.test # why\r\nlast.test", NULL },
		{ "", NULL },
		{ "ok.test\nnot a domain\n", ":2: \"not a domain\" is neither domain nor address" },
		{ "u@[192.0.2.1]\n", ":1: \"u@[192.0.2.1]\" is neither domain nor address" },
		{ "@ok.test\n", ":1: " },
		{ "a..b\n", ":1: " },
	};
	struct scratch dir;

	scratch_begin(&dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct accept a;
		struct fail why;

		TEST_ROW("%zu", i);
		scratch_write(&dir, "accept", rows[i].text, strlen(rows[i].text));
		accept_init(&a, "mx.test");
		CHECK_INT(accept_add(&a, scratch_path(&dir, "accept"), &why),
		    rows[i].why == NULL ? 0 : -1);
		if (rows[i].why != NULL) {
			CHECK_INT(why.code, FAIL_CONFIG);
			CHECK(strstr(why.text, rows[i].why) != NULL);
		} else if (rows[i].text[0] != '\0') {
			CHECK_INT(ask(&a, NULL, "<u@some.test>", NULL), FAIL_NONE);
			CHECK_INT(ask(&a, NULL, "<x@last.test>", NULL), FAIL_NONE);
		}
		accept_free(&a);
	}
	scratch_end(&dir);
	struct accept a;
	struct fail why;
	accept_init(&a, "mx.test");
	CHECK_INT(accept_add(&a, "/nowhere/at/all", &why), -1);
	CHECK_INT(why.code, FAIL_NO_INPUT);
	CHECK_INT(accept_add(&a, "not a domain", &why), -1);
	CHECK_INT(why.code, FAIL_USAGE);
	accept_free(&a);
}

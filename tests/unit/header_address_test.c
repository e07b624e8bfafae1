#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "smtp/header_address.h"
#include "test.h"

/* Mailboxes joined by one space, then each bad part as " !{text}". */
static void
render(const struct header_addresses *list, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++)
		buf_printf(out, "%s%s", i > 0 ? " " : "", list->v[i].mailbox);
	for (size_t i = 0; i < list->error_n; i++)
		buf_printf(out, "%s!{%.*s}", out->len > 0 ? " " : "", (int)list->errors[i].source.n,
		    list->errors[i].source.p);
}

static void
check(const char *text, const char *want)
{
	struct header_addresses list = { 0 };
	struct arena arena;
	struct fail why = { 0 };
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 100000);
	TEST_ROW("%s", text);
	CHECK_INT(header_address_parse(slice_str(text), 1000, &arena, &list, &why), 0);
	render(&list, &out);
	CHECK_STR(buf_str(&out), want);
	for (size_t i = 0; i < list.error_n; i++)
		CHECK(list.errors[i].why != NULL && list.errors[i].why[0] != '\0');
	buf_free(&out);
	arena_free(&arena);
}

TEST(address_lists_of_rfc_5322_appendix_a)
{
	static const char *const rows[][2] = {
		/* A.1.1, A.1.2, A.1.3 */
		{ "John Doe <jdoe@machine.example>", "jdoe@machine.example" },
		{ "Mary Smith <mary@example.net>", "mary@example.net" },
		{ "\"Joe Q. Public\" <john.q.public@example.com>", "john.q.public@example.com" },
		{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		    "mary@x.test jdoe@example.org one@y.test" },
		{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		    "boss@nil.test sysservices@example.net" },
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		    "c@a.test joe@where.test jdoe@one.test" },
		{ "Undisclosed recipients:;", "" },
		/* A.5: white space, comments, folding */
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		    "pete@silly.test" },
		{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
		  "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end "
		  "of the group)",
		    "c@public.example joe@example.org jdoe@one.test" },
		{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "" },
		/* A.6.1 to A.6.3 */
		{ "Joe Q. Public <john.q.public@example.com>", "john.q.public@example.com" },
		{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
		    "mary@example.net jdoe@test.example" },
		{ "John Doe <jdoe@machine(comment).  example>", "jdoe@machine.example" },
		{ "Mary Smith\n          \n\t<mary@example.net>", "mary@example.net" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check(rows[i][0], rows[i][1]);
}

TEST(address_lists_that_every_parser_must_pass)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ " \t\r\n ", "" },
		{ ",", "" },
		{ ", ,,;", "" },
		{ "a@b", "a@b" },
		{ "a@b,c@d", "a@b c@d" },
		{ "A:b@c,d@e;", "b@c d@e" },
		{ "A:;", "" },
		{ "A:;,B:;, c@d", "c@d" },
		{ "A:b@c;, d@e", "b@c d@e" },
		{ "A:b@c; d@e", "b@c d@e" },
		{ "A: b@c", "b@c" },
		{ "a@b; c@d", "a@b c@d" },
		{ "mailto:a@b", "a@b" },
		{ "(c) a@b", "a@b" },
		{ "a@b (c)", "a@b" },
		{ "a(x)@(y)b", "a@b" },
		{ "a (x(y(z)))@b", "a@b" },
		{ "(a@b, c@d) e@f", "e@f" },
		{ "(\\() a@b", "a@b" },
		{ "Name \"q\" <a@b> (x)", "a@b" },
		{ "Name \"q, r\" <a@b>, c@d", "a@b c@d" },
		{ "\"a@b\" <c@d>", "c@d" },
		{ "\"<a@b>\" <c@d>", "c@d" },
		{ "a@b <a@b>", "a@b" },
		{ "a@b c <d@e>", "d@e" },
		{ "First Last a@b <c@d>", "c@d" },
		/* quoted local parts */
		{ "\"a,b\"@c", "\"a,b\"@c" },
		{ "\"a@b\"@c", "\"a@b\"@c" },
		{ "<\"a>b\"@c>", "\"a>b\"@c" },
		{ "\"@\"@x", "\"@\"@x" },
		{ "\"a\\\"b\"@c", "\"a\\\"b\"@c" },
		{ "\"a\\b\"@c", "ab@c" },
		{ "\"ab\"@c", "ab@c" },
		{ "\"a b\"@c", "\"a b\"@c" },
		{ "\"a\r\n b\"@c", "\"a b\"@c" },
		{ "\"a\".b.\"c d\"@e", "\"a.b.c d\"@e" },
		{ "\"(c)\"@d", "\"(c)\"@d" },
		/* obsolete dots, and dots that only quotes allow */
		{ "a . b @ c . d", "a.b@c.d" },
		{ "a.b@c\r\n .d", "a.b@c.d" },
		{ "a\r\n @\r\n b", "a@b" },
		{ "a..b@c", "\"a..b\"@c" },
		{ "a.@b", "\"a.\"@b" },
		{ ".a@b", "\".a\"@b" },
		{ "a@b.", "a@b" },
		{ "<a@b.>, c@d", "a@b c@d" },
		/* unqualified */
		{ "root", "root" },
		{ "root,admin", "root admin" },
		{ "root (Cron Daemon)", "root" },
		{ "\"(Cron Daemon)\" <root>", "root" },
		{ "<root>", "root" },
		{ "\\user", "user" },
		{ "\\user, \\root@x", "user root@x" },
		{ "\"a b\"", "\"a b\"" },
		/* source routes */
		{ "<@a,@b:c@d>", "c@d" },
		{ "<@a:c@d>, e@f", "c@d e@f" },
		{ "<@a,@b,@[192.0.2.1]:c@d>", "c@d" },
		{ "<@a , , @b : c@d>", "c@d" },
		{ "X <@a:c@d> y@z", "c@d y@z" },
		/* literals */
		{ "a@[1.2.3.4]", "a@[1.2.3.4]" },
		{ "<a@[IPv6:2001:db8::1]>, b@c", "a@[IPv6:2001:db8::1] b@c" },
		{ "a@ [1.2.3.4] (x)", "a@[1.2.3.4]" },
		/* missing commas */
		{ "a@b c@d", "a@b c@d" },
		{ "a@b\r\n c@d e@f", "a@b c@d e@f" },
		{ "<a@b> <c@d>", "a@b c@d" },
		{ "<a@b><c@d>", "a@b c@d" },
		{ "A <a@b> C <c@d>", "a@b c@d" },
		{ "<a@b> c@d", "a@b c@d" },
		/* RFC 2047 words are opaque; 8-bit names, UTF-8 addresses */
		{ "=?UTF-8?Q?J=C3=B6rg=2C_a=40b?= <c@d>", "c@d" },
		{ "=?UTF-8?B?SsO2cmc=?= =?UTF-8?B?SsO2cmc=?= <c@d>, e@f", "c@d e@f" },
		{ "=?ISO-8859-1?Q?a?= (=?ISO-8859-1?Q?b?=) <c@d>", "c@d" },
		{ "J\xf6rg <c@d>", "c@d" },
		{ "\"J\xf6rg, M\" <c@d>", "c@d" },
		{ "J\xc3\xb6rg (\xff) <c@d>", "c@d" },
		{ "j\xc3\xb6rg@b\xc3\xbc.example", "j\xc3\xb6rg@b\xc3\xbc.example" },
		{ "\"\xe6\x97\xa5, \xe6\x9c\xac\"@x", "\"\xe6\x97\xa5, \xe6\x9c\xac\"@x" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check(rows[i][0], rows[i][1]);
}

TEST(a_bad_part_never_loses_its_neighbours_and_is_told)
{
	static const char *const rows[][2] = {
		{ "a@b, <, c@d", "a@b c@d !{<}" },
		{ "a@b, <c@d, e@f", "a@b e@f !{<c@d}" },
		{ "a@b, c@d>, e@f", "a@b e@f !{c@d>}" },
		{ "<>, a@b", "a@b !{<>}" },
		{ "<<a@b>>, c@d", "c@d !{<<a@b>>}" },
		{ "a@, b@c", "b@c !{a@}" },
		{ "@a, b@c", "b@c !{@a}" },
		{ "<a@>, b@c", "b@c !{<a@>}" },
		{ "a@b@c, d@e", "d@e !{a@b@c}" },
		{ "a b@c@d e, f@g", "f@g !{a b@c@d e}" },
		{ "a@b..c, d@e", "d@e !{a@b..c}" },
		{ "a@.b, d@e", "d@e !{a@.b}" },
		{ "a@\"b\", d@e", "d@e !{a@\"b\"}" },
		{ "a@b_!c, d@e", "d@e !{a@b_!c}" },
		{ "a@-b, d@e", "d@e !{a@-b}" },
		{ "a@[300.1.1.1], d@e", "d@e !{a@[300.1.1.1]}" },
		{ "[1.2.3.4], d@e", "d@e !{[1.2.3.4]}" },
		{ "a@b[1.2.3.4], d@e", "d@e !{a@b[1.2.3.4]}" },
		{ "a\"b\"@c, d@e", "d@e !{a\"b\"@c}" },
		{ "<a b@c>, d@e", "d@e !{<a b@c>}" },
		{ "a@b:25, d@e", "d@e !{a@b:25}" },
		{ "<@a, b@c>, d@e", "d@e !{<@a} !{b@c>}" },
		{ "<@a:>, d@e", "d@e !{<@a:>}" },
		{ "\"x <a@b>, c@d", "c@d !{\"x <a@b>}" },
		{ "a@b, (x <c@d>, e@f", "a@b e@f !{(x <c@d>}" },
		{ "a@b (x, c@d", "c@d !{a@b (x}" },
		{ "a@[1.2.3.4, c@d", "c@d !{a@[1.2.3.4}" },
		{ "a@b), c@d", "c@d !{a@b)}" },
		{ "a\x01@b, c@d", "c@d !{a\x01@b}" },
		{ "\"a\x01\"@b, c@d", "c@d !{\"a\x01\"@b}" },
		{ "\"a\tb\"@c, c@d", "c@d !{\"a\tb\"@c}" },
		{ "j\xf6rg@x, c@d", "c@d !{j\xf6rg@x}" },
		{ "a@b\xf6, c@d", "c@d !{a@b\xf6}" },
		{ "\"\"@a, c@d", "c@d !{\"\"@a}" },
		{ "\\", "!{\\}" },
		/* words of which nobody knows whether they are mailboxes */
		{ "John Smith", "!{John Smith}" },
		{ "John Smith, a@b", "a@b !{John Smith}" },
		{ "John Smith a@b", "a@b !{John Smith}" },
		{ "a@b John Smith", "a@b !{John Smith}" },
		{ "a@b root", "a@b !{root}" },
		{ "<a@b> root, c@d", "a@b c@d !{root}" },
		{ "root admin", "!{root admin}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check(rows[i][0], rows[i][1]);
}

TEST(addresses_tell_their_parts_and_where_they_stand)
{
	static const char text[] = "A <\\us.er (x) @ b.example> , root (y), j\xc3\xb6@[192.0.2.1]";
	struct header_addresses list = { 0 };
	struct arena arena;

	arena_init(&arena);
	CHECK_INT(header_address_parse(slice_str(text), 3, &arena, &list, NULL), 0);
	CHECK_INT(list.n, 3);
	CHECK_STR(list.v[0].local, "us.er");
	CHECK_STR(list.v[0].domain, "b.example");
	CHECK(list.v[0].no_alias && !list.v[0].utf8 && !list.v[0].literal);
	CHECK_MEM(list.v[0].source.p, list.v[0].source.n, "\\us.er (x) @ b.example", 22);
	CHECK_STR(list.v[1].mailbox, "root");
	CHECK(list.v[1].domain == NULL && !list.v[1].no_alias);
	CHECK_MEM(list.v[1].source.p, list.v[1].source.n, "root", 4);
	CHECK_STR(list.v[2].domain, "[192.0.2.1]");
	CHECK(list.v[2].utf8 && list.v[2].literal);
	arena_free(&arena);
}

TEST(address_lists_are_bounded)
{
	struct header_addresses list = { 0 };
	struct arena arena;
	struct fail why = { 0 };
	struct buf text;

	arena_init(&arena);
	CHECK_INT(header_address_parse(slice_str("a@b,c@d"), 2, &arena, &list, &why), 0);
	CHECK_INT(header_address_parse(slice_str("e@f"), 2, &arena, &list, &why), -1);
	CHECK_INT(why.code, FAIL_ADDRESS);
	CHECK_INT(list.n, 2);

	/* the worst texts for a scanner that looks ahead stay linear */
	static const char *const evil[] = { "(", "\"(", "[(", "<@,(", "a@b(,", "(\\", "<a@b",
		"a@b <" };
	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
		TEST_ROW("%s repeated", evil[i]);
		memset(&list, 0, sizeof(list));
		buf_init(&text, 1 << 20);
		while (buf_puts(&text, evil[i]) == 0)
			;
		int64_t start = clock_ms();
		header_address_parse(slice_make(text.data, text.len), 100, &arena, &list, NULL);
		CHECK(clock_ms() - start < 5000); /* quadratic would be minutes */
		CHECK(list.error_n <= HEADER_ADDRESS_ERRORS);
		buf_free(&text);
	}
	arena_free(&arena);
}

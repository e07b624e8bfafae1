#include "app/message/header_rewrite.h"

#include <string.h>

#include "app/message/header_words.h"
#include "smtp/address.h"
#include "test.h"

static const char *
rewrite(const char *text, const struct masquerade *m, struct arena *a, struct buf *out)
{
	struct header_rewrite how = { .domain = "dom.test", .masquerade = m };
	struct header header;

	buf_reset(out);
	header_parse(slice_str(text), a, &header);
	for (size_t i = 0; i < header.n; i++)
		CHECK_INT(header_rewrite_field(&header.v[i], &how, out), 0);
	return buf_str(out);
}

TEST(addresses_get_their_domain_and_nothing_else_changes)
{
	static const char *const rows[][2] = {
		/* cron of Debian, cronie */
		{ "From: root (Cron Daemon)\r\n", "From: root@dom.test (Cron Daemon)\r\n" },
		{ "From: \"(Cron Daemon)\" <root>\r\n",
		    "From: \"(Cron Daemon)\" <root@dom.test>\r\n" },
		{ "To: root\r\n", "To: root@dom.test\r\n" },
		{ "To : root\r\n", "To : root@dom.test\r\n" },
		{ "To: a, b@x (c (d)), \"e f\", \\g\r\n",
		    "To: a@dom.test, b@x (c (d)), \"e f\"@dom.test, \\g@dom.test\r\n" },
		{ "CC: a,\r\n b\r\n", "CC: a@dom.test,\r\n b@dom.test\r\n" },
		{ "To: Group: a, b@x;, c\r\n", "To: Group: a@dom.test, b@x;, c@dom.test\r\n" },
		{ "To: undisclosed-recipients:;\r\n", "To: undisclosed-recipients:;\r\n" },
		{ "To:\r\n", "To:\r\n" },
		{ "Sender: a\r\nReply-To: b\r\n",
		    "Sender: a@dom.test\r\nReply-To: b@dom.test\r\n" },
		{ "Resent-To: a\r\nResent-From: b\r\n",
		    "Resent-To: a@dom.test\r\nResent-From: b@dom.test\r\n" },
		{ "To: <@a,@b:c@d>\r\n", "To: <@a,@b:c@d>\r\n" },
		{ "To: what is this, a\r\n", "To: what is this, a@dom.test\r\n" },
		{ "Errors-To: a\r\nX-To: b\r\nSubject: c\r\n",
		    "Errors-To: a\r\nX-To: b\r\nSubject: c\r\n" },
	};
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i][0]);
		CHECK_STR(rewrite(rows[i][0], NULL, &a, &out), rows[i][1]);
	}
	buf_free(&out);
	arena_free(&a);
}

TEST(raw_8bit_text_becomes_encoded_words)
{
	static const char *const rows[][2] = {
		{ "Subject: Gr\xc3\xbc\xc3\x9f"
		  "e\r\n",
		    "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n" },
		{ "Subject: a \xc3\xbc b\r\n", "Subject: a =?UTF-8?B?w7w=?= b\r\n" },
		/* the blank between two encoded words is dropped by decoders: it goes into one */
		{ "Subject: \xc3\xbc \xc3\xbc x\r\n", "Subject: =?UTF-8?B?w7wgw7w=?= x\r\n" },
		{ "Subject: \xc3\xbc\r\n \xc3\xbc\r\n", "Subject: =?UTF-8?B?w7wgw7w=?=\r\n" },
		/* not UTF-8: what it is is not known (RFC 1428) */
		{ "Subject: \xfc\r\n", "Subject: =?unknown-8bit?B?/A==?=\r\n" },
		{ "X-Note: \xc3\xbc\r\n", "X-Note: =?UTF-8?B?w7w=?=\r\n" },
		{ "From: J\xc3\xb6rg <j@x>\r\n", "From: =?UTF-8?B?SsO2cmc=?= <j@x>\r\n" },
		{ "From: J\xc3\xb6rg<j>\r\n", "From: =?UTF-8?B?SsO2cmc=?= <j@dom.test>\r\n" },
		{ "From: \"M\xc3\xbcller, J\" <j@x>\r\n",
		    "From: =?UTF-8?B?TcO8bGxlciwgSg==?= <j@x>\r\n" },
		{ "From: j@x (J\xc3\xb6rg)\r\n", "From: j@x (=?UTF-8?B?SsO2cmc=?=)\r\n" },
		{ "To: a b\xc3\xb6 c <j@x>, \xc3\xb6 <k>\r\n",
		    "To: a =?UTF-8?B?YsO2?= c <j@x>, =?UTF-8?B?w7Y=?= <k@dom.test>\r\n" },
		/* addresses are left alone: they need SMTPUTF8 */
		{ "To: j\xc3\xb6@x\r\n", "To: j\xc3\xb6@x\r\n" },
		{ "To: \xc3\xb6 j\xc3\xb6@x\r\n", "To: \xc3\xb6 j\xc3\xb6@x\r\n" },
		/* what has another grammar */
		{ "Content-Type: x; name=\xc3\xb6\r\n", "Content-Type: x; name=\xc3\xb6\r\n" },
	};
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i][0]);
		CHECK_STR(rewrite(rows[i][0], NULL, &a, &out), rows[i][1]);
	}
	buf_free(&out);
	arena_free(&a);
}

/* RFC 2047 s2: lines with encoded words have at most 76 bytes; characters stay whole. */
TEST(long_text_is_encoded_in_short_lines)
{
	struct buf text, out;
	struct arena a;

	arena_init(&a);
	buf_init(&text, 100000);
	buf_init(&out, 200000);
	buf_puts(&text, "Subject: a word or two in front");
	for (int i = 0; i < 700; i++)
		buf_puts(&text, i % 10 == 0 ? " \xe6\x97\xa5\xe6\x9c\xac" : "\xe8\xaa\x9e");
	buf_puts(&text, "\r\n");
	rewrite(buf_str(&text), NULL, &a, &out);
	size_t line = 0, longest = 0;
	for (size_t i = 0; i < out.len; i++) {
		CHECK((unsigned char)out.data[i] < 0x80);
		line = out.data[i] == '\n' ? 0 : line + 1;
		longest = line > longest ? line : longest;
	}
	CHECK(longest <= 77); /* with CR */
	CHECK(strncmp(buf_str(&out), "Subject: a word or two in front\r\n =?UTF-8?B?", 44) == 0);
	buf_free(&text);
	buf_free(&out);
	arena_free(&a);
}

TEST(senders_at_this_host_get_their_masquerade)
{
	static const struct {
		const char *masquerade;
		bool always;
		const char *in, *out;
	} rows[] = {
		{ "@m.test", false, "From: root\r\n", "From: root@m.test\r\n" },
		{ "m.test", false, "From: R <root@Box.Test>\r\n", "From: R <root@m.test>\r\n" },
		{ "@m.test", false, "From: a@localhost, b@x.localdomain, c@other.test\r\n",
		    "From: a@m.test, b@m.test, c@other.test\r\n" },
		{ "me@m.test", false, "From: root (Cron)\r\n", "From: me@m.test (Cron)\r\n" },
		{ "me@m.test", true, "From: x@other.test\r\nReply-To: y@other.test\r\n",
		    "From: me@m.test\r\nReply-To: y@other.test\r\n" },
		{ "@m.test", false, "Reply-To: root@box.test\r\n", "Reply-To: root@m.test\r\n" },
		{ "@m.test", true, "To: root@box.test\r\n", "To: root@box.test\r\n" },
		{ "@m.test", false, "To: root\r\n", "To: root@dom.test\r\n" },
	};
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct masquerade m;
		TEST_ROW("%s %s", rows[i].masquerade, rows[i].in);
		CHECK_INT(masquerade_parse(rows[i].masquerade, &a, &m, NULL), 0);
		m.always = rows[i].always;
		strs_add(&m.ours, &a, "box.test");
		CHECK_STR(rewrite(rows[i].in, &m, &a, &out), rows[i].out);
	}
	struct masquerade m;
	struct fail why;
	CHECK_INT(masquerade_parse("a..b", &a, &m, &why), -1);
	CHECK_INT(masquerade_parse("a b@c.test", &a, &m, &why), -1);
	buf_free(&out);
	arena_free(&a);
}

TEST(xtext)
{
	struct arena a;

	arena_init(&a);
	CHECK_STR(smtp_xtext(slice_str("QQ314159"), &a), "QQ314159");
	CHECK_STR(smtp_xtext(slice_str("a+b=c d\xc3\xbc"), &a), "a+2Bb+3Dc+20d+C3+BC");
	CHECK_STR(smtp_xtext(slice_str(""), &a), "");
	arena_free(&a);
}

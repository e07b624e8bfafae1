#include "app/send/maillog.h"

#include <jansson.h>
#include <stdio.h>

#include "test.h"

static const struct rule rule = { .level = LEVEL_MAY, .text = "policy:3 (group g)", .group = "g" };

static void
text(const struct maillog_message *m, const struct deliver_result *r, char *out, size_t n)
{
	struct buf b;

	buf_init(&b, 8192);
	maillog_text(m, r, &b);
	snprintf(out, n, "%s", buf_str(&b));
	buf_free(&b);
}

TEST(a_line_has_what_applies_and_no_more)
{
	struct message_recipient to = { .mailbox = "b@example.net" };
	struct maillog_message m = {
		.id = "0vn3k8w2f7hq5x9d", .message_id = "<1@example.org>", .sender = "a@example.org"
	};
	struct deliver_result r = { .to = &to,
		.status = DELIVER_DONE,
		.enhanced = "2.0.0",
		.rule = &rule,
		.exchange = "mx.example.net",
		.ip = "192.0.2.25",
		.port = 25,
		.reply = "250 ok",
		.protection = "none",
		.clear_reason = "STARTTLS was not offered" };
	char line[4000], want[4000];

	text(&m, &r, line, sizeof(line));
	snprintf(want, sizeof(want), "%s",
	    "id=0vn3k8w2f7hq5x9d message-id=<1@example.org> from=<a@example.org> "
	    "to=<b@example.net> mx=mx.example.net ip=192.0.2.25 port=25 status=delivered "
	    "dsn=2.0.0 tls=none level=may rule=\"policy:3 (group g)\" group=g fallback=yes "
	    "reply=\"250 ok\"");
	CHECK_STR(line, want);

	/* nobody was asked: nothing about hosts and TLS; the null sender is told */
	struct maillog_message none = { .sender = "" };
	struct deliver_result failed = { .to = &to, .status = DELIVER_FAILED, .rule = &rule };
	fail_set(&failed.why, FAIL_NXDOMAIN, "the domain example.net does not exist");
	text(&none, &failed, line, sizeof(line));
	snprintf(want, sizeof(want), "%s",
	    "from=<> to=<b@example.net> status=failed level=may rule=\"policy:3 (group g)\" "
	    "group=g failure=nxdomain "
	    "error=\"the domain example.net does not exist\"");
	CHECK_STR(line, want);
}

TEST(nothing_that_a_peer_says_breaks_a_line_or_a_word)
{
	static const struct {
		const char *reply, *want;
	} rows[] = {
		{ "ok", " reply=ok" },
		{ "", " reply=\"\"" },
		{ "a b", " reply=\"a b\"" },
		{ "a=b", " reply=a=b" },
		{ "say \"no\"", " reply=\"say \\\"no\\\"\"" },
		{ "back\\slash", " reply=\"back\\\\slash\"" },
		{ "two\nlines status=delivered", " reply=\"two\\x0alines status=delivered\"" },
		{ "\x1b[31m", " reply=\"\\x1b[31m\"" },
		{ "gr\xc3\xbc\xc3\x9f", " reply=gr\xc3\xbc\xc3\x9f" },
		{ "\xff\xfe", " reply=\"\\xff\\xfe\"" },
	};
	struct message_recipient to = { .mailbox = "\"a b\"@example.net" };
	struct maillog_message m = { .sender = "a@example.org" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct deliver_result r = {
			.to = &to, .status = DELIVER_DEFERRED, .rule = &rule, .reply = rows[i].reply
		};
		char line[4000];
		struct buf out;
		json_t *json;

		TEST_ROW("%zu", i);
		text(&m, &r, line, sizeof(line));
		CHECK(strstr(line, " to=\"<\\\"a b\\\"@example.net>\" ") != NULL);
		const char *at = strstr(line, " reply=");
		CHECK_STR(at, rows[i].want);
		CHECK(strchr(line, '\n') == NULL);
		/* the same as JSON is one object in one line */
		buf_init(&out, 65536);
		maillog_json(&m, &r, 1767225600, &out);
		CHECK(memchr(out.data, '\n', out.len) == NULL);
		json = json_loadb(out.data, out.len, 0, NULL);
		CHECK(json_is_object(json));
		CHECK_STR(json_string_value(json_object_get(json, "time")), "2026-01-01T00:00:00Z");
		CHECK_STR(json_string_value(json_object_get(json, "sender")), "a@example.org");
		CHECK_STR(
		    json_string_value(json_object_get(json, "recipient")), "\"a b\"@example.net");
		CHECK_STR(json_string_value(json_object_get(json, "status")), "deferred");
		CHECK(json_is_null(json_object_get(json, "id")));
		json_decref(json);
		buf_free(&out);
	}
}

#include "app/queue/dsn.h"

#include <stdio.h>

#include "test.h"

static const char original[] = "From: a@x.test\nSubject: hi\n";

static struct dsn
sample(const struct dsn_rcpt *rcpts, size_t n)
{
	return (struct dsn){ .id = "0vn3k8w2f7hq5x9d",
		.to = "a@x.test",
		.host = "host.test",
		.domain = "x.test",
		.arrival = 1767225600,
		.now = 1767232800,
		.rcpts = rcpts,
		.rcpts_n = n,
		.original = slice_str(original) };
}

static const char *
format(const struct dsn *d)
{
	static struct buf out;

	buf_free(&out);
	buf_init(&out, 65536);
	CHECK_INT(dsn_format(&out, d), 0);
	return buf_str(&out);
}

/* The content of part n (from 0), header and all; "" when there is none. */
static const char *
part(const char *text, int n)
{
	static char out[20000];
	const char *boundary = "\n--dsn=_0vn3k8w2f7hq5x9d=_1767232800";
	const char *at = strstr(text, boundary);

	for (; at != NULL && n > 0; n--)
		at = strstr(at + 1, boundary);
	out[0] = '\0';
	if (at == NULL)
		return out;
	at += strlen(boundary);
	const char *end = strstr(at, boundary);
	snprintf(out, sizeof(out), "%.*s", end != NULL ? (int)(end - at) : (int)strlen(at), at);
	return out;
}

/* RFC 3462, RFC 3464 s2.2 and s2.3, RFC 3834 s5. */
TEST(a_failure_has_the_fields_of_rfc_3464)
{
	const struct dsn_rcpt rcpts[] = {
		{ .address = "b@y.test",
		    .orcpt = "rfc822;b+2Bc@y.test",
		    .action = DSN_FAILED,
		    .enhanced = "5.1.1",
		    .host = "mx.y.test",
		    .text = "550 5.1.1 no such user",
		    .time = 1767229200 },
		{ .address = "c@z.test",
		    .action = DSN_FAILED,
		    .enhanced = "",
		    .host = "",
		    .text = "the domain z.test does not exist" },
	};
	struct dsn d = sample(rcpts, 2);

	d.envid = "QQ+2F3";
	const char *text = format(&d);
	CHECK_STR(strstr(text, "\n\nThis is a report") == NULL ? text : "", "");
	CHECK(strncmp(text,
		  "From: Mail Delivery System <MAILER-DAEMON@x.test>\nTo: <a@x.test>\n"
		  "Subject: Undelivered mail returned to sender\nDate: Thu, 1 Jan 2026 02:00:00 "
		  "+0000\n"
		  "Message-ID: <dsn.0vn3k8w2f7hq5x9d.1767232800@x.test>\n"
		  "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
		  "Content-Type: multipart/report; report-type=delivery-status;\n"
		  "\tboundary=\"dsn=_0vn3k8w2f7hq5x9d=_1767232800\"\n\n",
		  100) == 0);
	CHECK_STR(part(text, 1), "\nContent-Type: message/delivery-status\n\n"
				 "Reporting-MTA: dns; host.test\n"
				 "X-Queue-ID: 0vn3k8w2f7hq5x9d\n"
				 "Original-Envelope-Id: QQ/3\n"
				 "Arrival-Date: Thu, 1 Jan 2026 00:00:00 +0000\n"
				 "\n"
				 "Original-Recipient: rfc822;b+c@y.test\n"
				 "Final-Recipient: rfc822; b@y.test\n"
				 "Action: failed\n"
				 "Status: 5.1.1\n"
				 "Remote-MTA: dns; mx.y.test\n"
				 "Diagnostic-Code: smtp; 550 5.1.1 no such user\n"
				 "Last-Attempt-Date: Thu, 1 Jan 2026 01:00:00 +0000\n"
				 "\n"
				 "Final-Recipient: rfc822; c@z.test\n"
				 "Action: failed\n"
				 "Status: 5.0.0\n"
				 "Diagnostic-Code: x-mxtls; the domain z.test does not exist\n");
	/* only the header section goes back, and says so */
	CHECK_STR(
	    part(text, 2), "\nContent-Type: text/rfc822-headers\n\nFrom: a@x.test\nSubject: hi\n");
	CHECK(strstr(part(text, 0), "The header of your message is below.") != NULL);
	CHECK(strstr(part(text, 0), "<b@y.test>\n    mx.y.test: 550 5.1.1 no such user") != NULL);
	CHECK_STR(part(text, 3), "--\n");
}

TEST(the_worst_action_names_the_report_and_each_recipient_has_its_own)
{
	const struct dsn_rcpt rcpts[] = {
		{ .address = "b@y.test",
		    .action = DSN_DELIVERED,
		    .enhanced = "",
		    .host = "mx.y.test",
		    .text = "250 ok" },
		{ .address = "c@y.test",
		    .action = DSN_DELAYED,
		    .enhanced = "4.4.1",
		    .host = "",
		    .text = "" },
		{ .address = "d@y.test",
		    .action = DSN_FAILED,
		    .enhanced = "5.7.1",
		    .host = "",
		    .text = "" },
	};
	static const struct {
		size_t from, n;
		const char *subject, *action;
	} rows[] = {
		{ 0, 3, "Subject: Undelivered mail returned to sender\n",
		    "Action: relayed\nStatus: 2.0.0\n" },
		{ 0, 2, "Subject: Delayed mail (still being tried)\n",
		    "Action: delayed\nStatus: 4.4.1\nWill-Retry-Until: Tue, 6 Jan 2026 00:00:00 "
		    "+0000\n" },
		{ 0, 1, "Subject: Mail was passed on\n", "Action: relayed\n" },
		{ 1, 2, "Subject: Undelivered mail returned to sender\n",
		    "Action: failed\nStatus: 5.7.1\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dsn d = sample(rcpts + rows[i].from, rows[i].n);
		TEST_ROW("%zu", i);
		d.retry_until = 1767657600;
		const char *text = format(&d);
		CHECK(strstr(text, rows[i].subject) != NULL);
		CHECK(strstr(part(text, 1), rows[i].action) != NULL);
	}
}

/* RFC 6533 for addresses that are not ASCII; a report of RFC 3464 has nothing but ASCII in its fields. */
TEST(what_is_not_ascii)
{
	struct dsn_rcpt r = { .address = "b@y.test",
		.action = DSN_FAILED,
		.enhanced = "5.1.1",
		.host = "mx.y.test",
		.text = "550 unbekannt: J\xc3\xb6rg" };
	struct dsn d = sample(&r, 1);

	CHECK(!dsn_is_global(&d));
	const char *text = format(&d);
	CHECK(strstr(text, "global") == NULL && strstr(text, "8bit") == NULL);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c > 0x7f) {
			CHECK_STR(c, "");
			break;
		}
	r.address = "j\xc3\xb6rg@y.test";
	CHECK(dsn_is_global(&d));
	text = format(&d);
	CHECK(strstr(text, "report-type=global-delivery-status;") != NULL);
	CHECK(strstr(text, "\n\nContent-Transfer-Encoding") == NULL);
	CHECK(strstr(part(text, 1), "\nContent-Type: message/global-delivery-status\n"
				    "Content-Transfer-Encoding: 8bit\n\n") != NULL);
	CHECK(strstr(part(text, 1), "Final-Recipient: utf-8; j\xc3\xb6rg@y.test\n") != NULL);
	CHECK(strstr(part(text, 1), "Diagnostic-Code: smtp; 550 unbekannt: J\xc3\xb6rg\n") != NULL);
}

/* RFC 3461 s4.3: RET=FULL; long words of servers are folded, none is longer than a line may be. */
TEST(the_whole_message_and_long_lines)
{
	char said[900] = "550";
	struct dsn_rcpt r = { .address = "b@y.test",
		.action = DSN_FAILED,
		.enhanced = "5.0.0",
		.host = "mx.y.test",
		.text = said };
	struct dsn d = sample(&r, 1);

	for (size_t i = 3; i + 10 < sizeof(said); i += 9)
		snprintf(said + i, sizeof(said) - i, " go away!");
	d.full = true;
	d.original = slice_str("Subject: x\n\ntext\n--dsn=_other\n");
	const char *text = format(&d);
	CHECK_STR(
	    part(text, 2), "\nContent-Type: message/rfc822\n\nSubject: x\n\ntext\n--dsn=_other\n");
	CHECK(strstr(part(text, 0), "Your message is below.") != NULL);
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
		CHECK(strcspn(line, "\n") <= 78);
	struct buf small;
	buf_init(&small, 300);
	CHECK_INT(dsn_format(&small, &d), -1);
	buf_free(&small);
}

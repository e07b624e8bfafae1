#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/message/message.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "smtp/address.h"
#include "test.h"

#define S(lit) lit, sizeof(lit) - 1

static int
input(const char *text, size_t n)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	for (size_t at = 0; at < n;) {
		ssize_t k = write(fd, text + at, n - at);
		if (k <= 0)
			abort();
		at += (size_t)k;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int
read_from(const char *text, size_t n, const struct message_options *o, struct message *m,
    struct fail *why)
{
	int fd = input(text, n);
	int rc = message_read(fd, o, m, clock_ms() + 10000, why);

	close(fd);
	return rc;
}

/* The whole text; with mask, the Date and Message-ID that were added read as "*". */
static char *
text_of(const struct message *m, bool mask)
{
	struct message_reader reader;
	struct buf raw, out;
	char space[700];
	size_t n;

	buf_init(&raw, 1 << 24);
	buf_init(&out, 1 << 24);
	message_reader_init(&reader, m);
	while (message_reader_next(&reader, space, sizeof(space), &n, NULL) == 0 && n > 0)
		buf_append(&raw, space, n);
	CHECK_INT(raw.len, m->text.bytes);
	struct slice rest = slice_make(raw.data, raw.len);
	while (rest.n > 0) {
		size_t line = slice_find(rest, '\n') + 1;
		struct slice s = slice_sub(rest, 0, line);
		if (mask && slice_starts_case(s, "Message-ID: <") && s.n > 40)
			buf_puts(&out, "Message-ID: *\r\n");
		else if (mask && slice_starts_case(s, "Date: ") && s.n > 30)
			buf_puts(&out, "Date: *\r\n");
		else
			buf_append(&out, s.p, s.n);
		rest = slice_sub(rest, line, rest.n);
	}
	buf_free(&raw);
	return buf_steal(&out);
}

static char *
recipients_of(const struct message *m)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < m->recipient_n; i++)
		buf_printf(&out, "%s%s", i > 0 ? " " : "", m->recipients[i].mailbox);
	for (size_t i = 0; i < m->problem_n; i++)
		buf_printf(&out, "%s!{%s}", out.len > 0 ? " " : "", m->problems[i].text);
	buf_putc(&out, '.');
	char *s = buf_steal(&out);
	s[strlen(s) - 1] = '\0';
	return s;
}

#define ADDED "Message-ID: *\r\nDate: *\r\n"
#define FROM "From: user@example.org\r\n"

struct fixture {
	const char *name;
	const char *in;
	bool t, i;
	const char *sender; /* -f */
	const char *argv[4];
	const char *want_sender, *want_recipients, *want_text;
};

/* How the callers of sendmail write messages, as their sources have it. */
static const struct fixture callers[] = {
	{ "cronie: -FCronDaemon -i -odi -oem -oi -t -f root",
	    "From: \"(Cron Daemon)\" <root>\nTo: root\nSubject: Cron <root@host> "
	    "\xe6\x97\xa5\xe6\x9c"
	    "\xac\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nAuto-Submitted: "
	    "auto-generated\n\n.\nout\n",
	    true, true, "root", { NULL }, "root@example.org", "root@example.org",
	    "From: \"(Cron Daemon)\" <root@example.org>\r\nTo: root@example.org\r\nSubject: Cron "
	    "<root@host> "
	    "=?UTF-8?B?5pel5pys?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
	    "charset=UTF-8\r\nAuto-Submitted: auto-generated\r\n" ADDED "\r\n.\r\nout\r\n" },
	{ "Debian cron: -i -FCronDaemon -B8BITMIME -oem a@x,b@y",
	    "From: root (Cron Daemon)\nTo: a@x.example,b@y.example\nSubject: x\n\nout\n", false,
	    true, NULL, { "a@x.example,b@y.example", NULL }, "user@example.org",
	    "a@x.example b@y.example",
	    "From: root@example.org (Cron Daemon)\r\nTo: a@x.example,b@y.example\r\nSubject: "
	    "x\r\n" ADDED "\r\nout\r\n" },
	{ "at: -i user", "Subject: Output from your job        1\nTo: user\n\nhi\n", false, true,
	    "user", { "user", NULL }, "user@example.org", "user@example.org",
	    "Subject: Output from your job        1\r\nTo: user@example.org\r\n" ADDED FROM
	    "\r\nhi\r\n" },
	{ "sudo, mdadm: -t without -i",
	    "To: root@example.org\nFrom: mdadm monitoring <root>\nSubject: DegradedArray\n\nThis "
	    "is\n.\nlost\n",
	    true, false, NULL, { NULL }, "user@example.org", "root@example.org",
	    "To: root@example.org\r\nFrom: mdadm monitoring <root@example.org>\r\nSubject: "
	    "DegradedArray\r\n" ADDED "\r\nThis is\r\n" },
	{ "PHP 8: CRLF header, LF body, -t -i",
	    "To: a@x.example\r\nSubject: s\r\nFrom: w@x.example\r\nX-PHP: 1\r\n\r\nline\nline "
	    "2\r\n.\n",
	    true, true, NULL, { NULL }, "user@example.org", "a@x.example",
	    "To: a@x.example\r\nSubject: s\r\nFrom: w@x.example\r\nX-PHP: 1\r\n" ADDED
	    "\r\nline\r\nline 2\r\n.\r\n" },
	{ "CRLF header: what looks like a header in the body is text",
	    "To: a@x.example\r\nFrom: w@x.example\r\n\r\nTo: evil@x.example\r\nBcc: "
	    "evil@y.example\r\n",
	    true, true, NULL, { NULL }, "user@example.org", "a@x.example",
	    "To: a@x.example\r\nFrom: w@x.example\r\n" ADDED
	    "\r\nTo: evil@x.example\r\nBcc: evil@y.example\r\n" },
	{ "git send-email: -f FROM -i RCPT...",
	    "From: A U Thor <a@x.example>\nTo: l@y.example\nCc: c@z.example\nDate: Mon, 1 Jan 2024 "
	    "00:00:00 +0000\nMessage-Id: <1@x>\n\n---\n.\n",
	    false, true, "a@x.example", { "l@y.example", "c@z.example", NULL }, "a@x.example",
	    "l@y.example c@z.example",
	    "From: A U Thor <a@x.example>\r\nTo: l@y.example\r\nCc: c@z.example\r\nDate: *\r\n"
	    "Message-Id: <1@x>\r\n\r\n---\r\n.\r\n" },
	{ "mutt: -oem -oi -f F -- RCPT, Bcc in the header",
	    "From: m@x.example\nTo: a@x.example\nBcc: s@x.example\nDate: Mon, 1 Jan 2024 00:00:00 "
	    "+0000\nMessage-ID: <1@x>\n\nx\n",
	    false, true, "m@x.example", { "a@x.example", "s@x.example", NULL }, "m@x.example",
	    "a@x.example s@x.example",
	    "From: m@x.example\r\nTo: a@x.example\r\nDate: *\r\nMessage-ID: "
	    "<1@x>\r\n\r\nx\r\n" },
	{ "Request Tracker: bounces with -f <>", "From: rt\nTo: a@x.example\n\nx\n", true, true,
	    "<>", { NULL }, "", "a@x.example",
	    "From: rt@example.org\r\nTo: a@x.example\r\n" ADDED "\r\nx\r\n" },
	{ "fail2ban: -f SENDER DEST without -i",
	    "Subject: [Fail2Ban] sshd\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nFrom: Fail2Ban "
	    "<f@x.example>\nTo: d@x.example\n\nHi,\n\nRegards,\n\nFail2Ban",
	    false, false, "Fail2Ban <f@x.example>", { "d@x.example", NULL }, "f@x.example",
	    "d@x.example",
	    "Subject: [Fail2Ban] sshd\r\nDate: *\r\nFrom: Fail2Ban <f@x.example>\r\nTo: "
	    "d@x.example\r\nMessage-ID: *\r\n\r\nHi,\r\n\r\nRegards,\r\n\r\nFail2Ban\r\n" },
	{ "smartd: addresses as arguments, message from a here-document",
	    "To: a@x.example b@x.example\nSubject: s\n\nx\n", false, false, NULL,
	    { "a@x.example", "b@x.example", NULL }, "user@example.org", "a@x.example b@x.example",
	    "To: a@x.example b@x.example\r\nSubject: s\r\n" ADDED FROM "\r\nx\r\n" },
	{ "echo hi | sendmail x", "hi\n", false, false, NULL, { "a@x.example", NULL },
	    "user@example.org", "a@x.example", ADDED FROM "\r\nhi\r\n" },
	{ "first line is no header: an empty line is put before it", "hi there: you\nTo: a@b\n",
	    false, false, NULL, { "a@x.example", NULL }, "user@example.org", "a@x.example",
	    ADDED FROM "\r\nhi there: you\r\nTo: a@b\r\n" },
	{ "the header ends at a line that is none", "To: a@x.example\nhi\nCc: b@x.example\n", true,
	    false, NULL, { NULL }, "user@example.org", "a@x.example",
	    "To: a@x.example\r\n" ADDED FROM "\r\nhi\r\nCc: b@x.example\r\n" },
	{ "the header ends at the end of input, the last recipient counts",
	    "Subject: s\nTo: a@x.example,\n b@x.example", true, false, NULL, { NULL },
	    "user@example.org", "a@x.example b@x.example",
	    "Subject: s\r\nTo: a@x.example,\r\n b@x.example\r\n" ADDED FROM "\r\n" },
	{ "no input at all", "", false, false, NULL, { "a@x.example", NULL }, "user@example.org",
	    "a@x.example", ADDED FROM "\r\n" },
	{ "only an empty line", "\n", false, false, NULL, { "a@x.example", NULL },
	    "user@example.org", "a@x.example", ADDED FROM "\r\n" },
	{ "a body that begins with an empty line", "\n\nx", false, false, NULL,
	    { "a@x.example", NULL }, "user@example.org", "a@x.example",
	    ADDED FROM "\r\n\r\nx\r\n" },
	{ "blank first line with a space: it is text", " \nx\n", false, false, NULL,
	    { "a@x.example", NULL }, "user@example.org", "a@x.example",
	    ADDED FROM "\r\n \r\nx\r\n" },
	{ "a leading From line is dropped",
	    "From a@b Mon Jan  1 00:00:00 2024\nTo: a@x.example\n\nx\n", true, false, NULL,
	    { NULL }, "user@example.org", "a@x.example",
	    "To: a@x.example\r\n" ADDED FROM "\r\nx\r\n" },
	{ "a leading >From line is dropped, another one is text",
	    ">From a@b\nFrom c@d\nTo: a@x.example\n", false, false, NULL, { "a@x.example", NULL },
	    "user@example.org", "a@x.example", ADDED FROM "\r\nFrom c@d\r\nTo: a@x.example\r\n" },
	{ "the lone dot in the header ends the message", "To: a@x.example\n.\nCc: b@x.example\n",
	    true, false, NULL, { NULL }, "user@example.org", "a@x.example",
	    "To: a@x.example\r\n" ADDED FROM "\r\n" },
	{ "Bcc folded, consecutive, last (C17)",
	    "To: a@x.example\nBcc: b@x.example,\n c@x.example\nBCC :\n\td@x.example\nBcc: "
	    "e@x.example\nFrom: f@x.example\nbcc: g@x.example,\n h@x.example\n\nBcc: "
	    "text@x.example\n",
	    true, false, NULL, { NULL }, "user@example.org",
	    "a@x.example b@x.example c@x.example d@x.example e@x.example g@x.example h@x.example",
	    "To: a@x.example\r\nFrom: f@x.example\r\n" ADDED "\r\nBcc: text@x.example\r\n" },
	{ "Resent: only the new recipients, and no Resent-Bcc leaves",
	    "Resent-To: n@x.example\nResent-Bcc: o@x.example\nResent-From: p@x.example\nFrom: "
	    "f@x.example\nTo: a@x.example\nBcc: b@x.example\n\nx\n",
	    true, false, NULL, { NULL }, "user@example.org", "n@x.example o@x.example", NULL },
	{ "To=Cc=Bcc is one copy, domains in any case, local parts not",
	    "To: a@x.example, A@x.example\nCc: <a@X.Example>\nBcc: \"a\"@x.example.\n\nx\n", true,
	    false, NULL, { "a@x.EXAMPLE", NULL }, "user@example.org", "a@x.example A@x.example",
	    NULL },
	{ "address literals differ by case no more than names do",
	    "To: a@[IPv6:2001:DB8::1], a@[ipv6:2001:db8::1]\n\n", true, false, NULL, { NULL },
	    "user@example.org", "a@[IPv6:2001:DB8::1]", NULL },
	{ "-t and arguments add up, header first", "To: a@x.example\n\nx\n", true, false, NULL,
	    { "b@x.example, c@x.example", "d", NULL }, "user@example.org",
	    "a@x.example b@x.example c@x.example d@example.org", NULL },
	{ "bad addresses do not lose the good ones",
	    "To: a@x.example, <b@@x>, John Smith,\n c@x.example\n\nx\n", true, false, NULL,
	    { "e@bad..example", "d@x.example", NULL }, "user@example.org",
	    "a@x.example c@x.example d@x.example !{<b@@x>} !{John Smith} !{e@bad..example}", NULL },
	{ "U-labels become A-labels, UTF-8 local parts stay",
	    "To: j\xc3\xb6@B\xc3\xbc"
	    "cher.example, x@b\xc3\xbc"
	    "cher.example\n\n",
	    true, false, NULL, { NULL }, "user@example.org",
	    "j\xc3\xb6@xn--bcher-kva.example x@xn--bcher-kva.example", NULL },
	{ "literals, quoted local parts, groups, \\user",
	    "To: g: a@[192.0.2.1], \"b c\"@x.example;, \\root, \"@\"@x.example\n\n", true, false,
	    NULL, { NULL }, "user@example.org",
	    "a@[192.0.2.1] \"b c\"@x.example root@example.org \"@\"@x.example", NULL },
	{ "an argument that looks like a command is an address", "x\n", false, false, NULL,
	    { "|/bin/sh", "/etc/passwd", NULL }, "user@example.org",
	    "|/bin/sh@example.org /etc/passwd@example.org", NULL },
	{ "-f with spaces and quotes", "x\n", false, false, " \"a b\"@x.example ",
	    { "a@x.example", NULL }, "\"a b\"@x.example", "a@x.example",
	    ADDED "From: \"a b\"@x.example\r\n\r\nx\r\n" },
	{ "empty -f is the null sender", "x\n", false, false, "", { "a@x.example", NULL }, "",
	    "a@x.example", ADDED "From: MAILER-DAEMON@example.org\r\n\r\nx\r\n" },
};

static void
run_fixture(const struct fixture *f)
{
	struct message_options o = { .recipients_from_header = f->t,
		.ignore_dots = f->i,
		.sender = f->sender != NULL ? f->sender : "user",
		.maildomain = "example.org" };
	char *argv[4] = { 0 };
	struct message m;
	struct fail why = { 0 };

	TEST_ROW("%s", f->name);
	for (; f->argv[o.operand_n] != NULL; o.operand_n++)
		argv[o.operand_n] = strdup(f->argv[o.operand_n]);
	o.operands = argv;
	CHECK_INT(read_from(f->in, strlen(f->in), &o, &m, &why), 0);
	CHECK_STR(why.text, "");
	if (why.code == FAIL_NONE) {
		char *recipients = recipients_of(&m), *text = text_of(&m, true);
		CHECK_STR(m.sender, f->want_sender);
		CHECK_STR(recipients, f->want_recipients);
		if (f->want_text != NULL)
			CHECK_STR(text, f->want_text);
		CHECK(strcasestr(text, "\r\nResent-Bcc") == NULL);
		CHECK(m.message_id != NULL);
		for (size_t i = 0; i < m.recipient_n; i++) {
			struct smtp_path path;
			CHECK_INT(
			    smtp_mailbox_parse(slice_str(m.recipients[i].mailbox), &path, NULL), 0);
		}
		free(recipients);
		free(text);
	}
	message_fini(&m);
	for (size_t i = 0; i < o.operand_n; i++)
		free(argv[i]);
}

TEST(messages_of_known_callers_become_what_smtp_carries)
{
	log_level_set(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < sizeof(callers) / sizeof(*callers); i++)
		run_fixture(&callers[i]);
}

TEST(what_was_found_is_told)
{
	static char to[] = "a@x.example";
	char *argv[] = { to };
	struct message_options o = { .sender = "j\xc3\xb6@x.example",
		.full_name = "J\xc3\xb6rg",
		.maildomain = "example.org",
		.operands = argv,
		.operand_n = 1 };
	static const char in[] =
	    "Received: 1\nreceived : 2\nMessage-ID:\n <a.b@c> (x)\nDate: d\n\n\xe4\n";
	struct message m;

	CHECK_INT(read_from(S(in), &o, &m, NULL), 0);
	CHECK_INT(m.received_n, 2);
	CHECK_STR(m.message_id, "<a.b@c>");
	CHECK(m.has_8bit && m.header_8bit && m.sender_utf8);
	char *text = text_of(&m, false);
	CHECK_STR(text, "Received: 1\r\nreceived : 2\r\nMessage-ID:\r\n <a.b@c> (x)\r\nDate: "
			"d\r\nFrom: =?UTF-8?B?SsO2cmc=?= <j\xc3\xb6@x.example>\r\n\r\n\xe4\r\n");
	CHECK_INT(m.header_bytes, (int64_t)strlen(text) - 3);
	CHECK_STR(m.recipients[0].local, "a");
	CHECK_STR(m.recipients[0].domain, "x.example");
	CHECK_STR(m.recipients[0].original, "a@x.example");
	CHECK(!m.recipients[0].utf8 && !m.recipients[0].literal);
	free(text);
	message_fini(&m);

	o.sender = "a@x";
	o.full_name = "x\nBcc: y"; /* C17: -F with a newline */
	CHECK_INT(read_from(S("x\n"), &o, &m, NULL), 0);
	CHECK(!m.has_8bit && !m.header_8bit && !m.sender_utf8);
	text = text_of(&m, true);
	CHECK_STR(text, ADDED "From: \"x Bcc: y\" <a@x>\r\n\r\nx\r\n");
	free(text);
	message_fini(&m);
}

TEST(wrong_input_is_refused_with_its_reason)
{
	static char good[] = "a@x.example", bad[] = "<", empty[] = "";
	static const struct {
		const char *in, *sender, *domain;
		char *arg;
		bool t;
		enum fail_code code;
		const char *why;
	} rows[] = {
		{ "x\n", "u@x", "x.example", NULL, false, FAIL_NO_RECIPIENT, "no recipient" },
		{ "x\n", "u@x", "x.example", NULL, true, FAIL_NO_RECIPIENT, "no recipient" },
		{ "To: \nCc: ;\n\n", "u@x", "x.example", NULL, true, FAIL_NO_RECIPIENT,
		    "no recipient" },
		{ "x\n", "u@x", "x.example", empty, false, FAIL_NO_RECIPIENT, "no recipient" },
		{ "x\n", "u@x", "x.example", bad, false, FAIL_ADDRESS, "<: no closing angle" },
		{ "To: a b\n\n", "u@x", "x.example", NULL, true, FAIL_ADDRESS, "a b: words" },
		{ "x\n", "a@b, c@d", "x.example", good, false, FAIL_ADDRESS,
		    "expected one address" },
		{ "x\n", "a b", "x.example", good, false, FAIL_ADDRESS, "sender a b: words" },
		{ "x\n", "a@b\r\nRCPT TO:<c@d>", "x.example", good, false, FAIL_ADDRESS, "sender" },
		{ "x\n", "a@b..c", "x.example", good, false, FAIL_ADDRESS, "empty label" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *argv[] = { rows[i].arg };
		struct message_options o = { .recipients_from_header = rows[i].t,
			.sender = rows[i].sender,
			.maildomain = rows[i].domain,
			.operands = argv,
			.operand_n = rows[i].arg != NULL };
		struct message m;
		struct fail why = { 0 };

		TEST_ROW("row %zu", i);
		CHECK_INT(read_from(rows[i].in, strlen(rows[i].in), &o, &m, &why), -1);
		CHECK_INT(why.code, rows[i].code);
		if (strstr(why.text, rows[i].why) == NULL)
			CHECK_STR(why.text, rows[i].why);
	}
}

static const struct message_options *
simple(void)
{
	static char to[] = "a@x.example";
	static char *argv[] = { to };
	static struct message_options o = {
		.sender = "u@x.example", .maildomain = "x.example", .operands = argv, .operand_n = 1
	};

	o.max_bytes = 0;
	return &o;
}

TEST(a_message_above_its_maximum_is_refused_and_one_at_it_is_not)
{
	struct message_options o = *simple();
	struct message m;
	struct fail why = { 0 };

	CHECK_INT(read_from(S("From: a@b\nDate: d\nMessage-ID: i\n\n1234567\n"), &o, &m, NULL), 0);
	int64_t size = m.text.bytes;
	message_fini(&m);
	o.max_bytes = size;
	CHECK_INT(read_from(S("From: a@b\nDate: d\nMessage-ID: i\n\n1234567\n"), &o, &m, NULL), 0);
	message_fini(&m);
	o.max_bytes = size - 1;
	CHECK_INT(read_from(S("From: a@b\nDate: d\nMessage-ID: i\n\n1234567\n"), &o, &m, &why), -1);
	CHECK_INT(why.code, FAIL_MESSAGE_TOO_BIG);

	/* a header section that never ends */
	size_t n = LIMIT_HEADER_BYTES + 100;
	char *header = malloc(n);
	memset(header, 'x', n);
	memcpy(header, "X: ", 3);
	CHECK_INT(read_from(header, n, simple(), &m, &why), -1);
	CHECK_INT(why.code, FAIL_MESSAGE_TOO_BIG);
	/* but not one that is none */
	memset(header, 'x', n);
	CHECK_INT(read_from(header, n, simple(), &m, &why), 0);
	CHECK(m.text.bytes > (int64_t)n);
	message_fini(&m);
	/* nor a long From line */
	memcpy(header, "From ", 5);
	header[n - 2] = '\n';
	CHECK_INT(read_from(header, n, simple(), &m, &why), 0);
	char *text = text_of(&m, true);
	CHECK_STR(text, ADDED "From: u@x.example\r\n\r\nx\r\n");
	free(text);
	message_fini(&m);
	free(header);
}

/* What the wire must never see, in the whole text. */
static void
check_wire(const char *text, size_t n)
{
	size_t line = 0;

	for (size_t i = 0; i < n; i++) {
		CHECK(text[i] != '\0');
		if (text[i] == '\r') {
			CHECK(i + 1 < n && text[i + 1] == '\n');
		} else if (text[i] == '\n') {
			CHECK(i > 0 && text[i - 1] == '\r');
			line = 0;
		} else {
			CHECK(++line <= LIMIT_TEXT_LINE_BYTES);
		}
	}
	CHECK(n >= 2 && text[n - 1] == '\n');
}

TEST(nothing_of_a_message_breaks_the_wire_C19)
{
	/* all texts of eight symbols out of CR, LF, NUL, dot and a letter: header, body and both */
	static const char symbols[] = { '\r', '\n', '\0', '.', 'a' };
	struct message m;
	char in[64];

	for (unsigned long k = 0; k < 78125; k += 7) { /* 5^7, a seventh of them */
		size_t head = k % 2 == 0 ? 0 : (size_t)sprintf(in, "S: b\n\n"), n = head;
		unsigned long v = k;
		for (int i = 0; i < 7; i++, v /= 5)
			in[n++] = symbols[v % 5];
		TEST_ROW("number %lu", k);
		CHECK_INT(read_from(in, n, simple(), &m, NULL), 0);
		char *text = text_of(&m, false);
		check_wire(text, (size_t)m.text.bytes);
		free(text);
		message_fini(&m);
	}
	/* and lines longer than any */
	char *big = malloc(300000);
	for (size_t i = 0; i < 300000; i++)
		big[i] = i % 50000 == 49999 ? '\n' : (char)(' ' + i % 7 * 13);
	memcpy(big, "Subject: ", 9);
	CHECK_INT(read_from(big, 300000, simple(), &m, NULL), 0);
	char *text = text_of(&m, false);
	check_wire(text, (size_t)m.text.bytes);
	free(text);
	message_fini(&m);
	free(big);
}

/* Write pieces into a pipe from a child; the parent reads the message. */
static int
read_pipe(const char *const *pieces, bool keep_open, const struct message_options *o,
    struct message *m, int64_t ms, struct fail *why)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		close(p[0]);
		for (; *pieces != NULL; pieces++) {
			if (write(p[1], *pieces, strlen(*pieces)) < 0)
				_exit(1);
			usleep(2000);
		}
		if (keep_open)
			pause();
		_exit(0);
	}
	close(p[1]);
	int rc = message_read(p[0], o, m, clock_ms() + ms, why);
	close(p[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rc;
}

TEST(pipes_are_read_to_their_end_or_to_the_dot)
{
	static const char *const pieces[] = { "Sub", "ject: x\r", "\n\r", "\nbo", "dy\r\n.", "\r\n",
		NULL };
	static const char *const endless[] = { "Subject: x\n", NULL };
	struct message m;
	struct fail why = { 0 };

	/* the writer keeps the pipe open: the dot ends the message all the same */
	CHECK_INT(read_pipe(pieces, true, simple(), &m, 10000, &why), 0);
	char *text = text_of(&m, true);
	CHECK_STR(text, "Subject: x\r\n" ADDED "From: u@x.example\r\n\r\nbody\r\n");
	free(text);
	message_fini(&m);

	CHECK_INT(read_pipe(endless, false, simple(), &m, 10000, &why), 0);
	message_fini(&m);
	CHECK_INT(read_pipe(endless, true, simple(), &m, 100, &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
}

TEST(errors_of_input_and_of_the_disk_are_told_apart)
{
	struct message m;
	struct fail why = { 0 };

	CHECK_INT(message_read(1000000, simple(), &m, clock_ms() + 1000, &why), -1);
	CHECK_INT(why.code, FAIL_NO_INPUT);
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(message_read(dir, simple(), &m, clock_ms() + 1000, &why), -1);
	CHECK_INT(why.code, FAIL_NO_INPUT);
	close(dir);

	/* /dev/full as the temporary file */
	struct tempfile file = { .fd = open("/dev/full", O_RDWR | O_CLOEXEC), .max_bytes = 100 };
	CHECK_INT(tempfile_write(&file, slice_str("x"), &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE_FULL);
	tempfile_close(&file);
	CHECK_INT(file.fd, -1);

	/* a limit of the process on file sizes (SIGXFSZ ignored) */
	struct rlimit old, small = { 0, 0 };
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	small.rlim_cur = 10;
	signal(SIGXFSZ, SIG_IGN);
	int fd = input(S("x\n"));
	setrlimit(RLIMIT_FSIZE, &small);
	CHECK_INT(message_read(fd, simple(), &m, clock_ms() + 1000, &why), -1);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_INT(why.code, FAIL_STORAGE);
	close(fd);

	/* TMPDIR that cannot be used: /tmp is tried next */
	setenv("TMPDIR", "/nonexistent", 1);
	CHECK_INT(read_from(S("x\n"), simple(), &m, &why), 0);
	CHECK_INT(fcntl(m.text.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	/* cut behind our back */
	CHECK_INT(ftruncate(m.text.fd, 3), 0);
	struct message_reader reader;
	char space[10];
	size_t n;
	message_reader_init(&reader, &m);
	CHECK_INT(message_reader_next(&reader, space, sizeof(space), &n, &why), 0);
	CHECK_INT(n, 3);
	CHECK_INT(message_reader_next(&reader, space, sizeof(space), &n, &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	message_fini(&m);
	unsetenv("TMPDIR");
}

TEST(the_default_sender_is_the_real_user_never_the_environment)
{
	struct message_options o = *simple();
	struct message m;

	setenv("USER", "mallory", 1);
	setenv("LOGNAME", "mallory", 1);
	setenv("EMAIL", "mallory@x.example", 1);
	o.sender = NULL;
	CHECK_INT(read_from(S("x\n"), &o, &m, NULL), 0);
	CHECK(strstr(m.sender, "mallory") == NULL);
	CHECK(strstr(m.sender, "@x.example") != NULL);
	message_fini(&m);
	/* without a usable mail domain: the host's name, so that a smarthost can still take it */
	o.maildomain = NULL;
	CHECK_INT(read_from(S("x\n"), &o, &m, NULL), 0);
	CHECK(strchr(m.sender, '@') != NULL);
	message_fini(&m);
}

TEST(a_big_message_is_not_held_in_memory)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct rusage before, after;
	struct message m;
	char line[72];

	/* written in small pieces, so that the peak before is that of this program */
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 400000; i++) /* 28.8 MB */
		CHECK_INT(write(fd, line, sizeof(line)), sizeof(line));
	lseek(fd, 0, SEEK_SET);
	getrusage(RUSAGE_SELF, &before);
	CHECK_INT(message_read(fd, simple(), &m, clock_ms() + 60000, NULL), 0);
	getrusage(RUSAGE_SELF, &after);
	CHECK(m.text.bytes > 400000 * 73);
	CHECK(after.ru_maxrss - before.ru_maxrss < 4000); /* KiB */
	message_fini(&m);
	close(fd);
}

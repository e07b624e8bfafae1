#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/listen/receive.h"
#include "test.h"

/* --- Received ------------------------------------------------------------------------------------- */

TEST(a_Received_field_tells_protocol_TLS_and_one_recipient_RFC_5321_s4_4_RFC_3848_RFC_8314_s4_3)
{
	static const struct {
		const char *peer; /* NULL: unknown */
		bool esmtp, tls, utf8;
		const char *group, *local, *domain; /* local NULL: several recipients */
		const char *want;
	} rows[] = {
		{ "192.0.2.1", true, true, false, "X25519", "u", "ok.test",
		    "Received: from c.test ([192.0.2.1])\r\n\tby mx.test with ESMTPS id ID\r\n"
		    "\tfor <u@ok.test>\r\n\ttls TLS_AES_256_GCM_SHA384 group X25519 (TLSv1.3);\r\n"
		    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ "2001:db8::1", true, true, true, "", "\xc3\xbc", "ok.test",
		    "Received: from c.test ([IPv6:2001:db8::1])\r\n\tby mx.test with UTF8SMTPS id "
		    "ID\r\n"
		    "\tfor <\xc3\xbc@ok.test>\r\n\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3);\r\n"
		    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ "192.0.2.1", true, false, true, "", NULL, NULL,
		    "Received: from c.test ([192.0.2.1])\r\n\tby mx.test with UTF8SMTP id ID;\r\n"
		    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ "192.0.2.1", true, false, false, "", "postmaster", "",
		    "Received: from c.test ([192.0.2.1])\r\n\tby mx.test with ESMTP id ID\r\n"
		    "\tfor <postmaster>;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ NULL, false, false, false, "", NULL, NULL,
		    "Received: from c.test\r\n\tby mx.test with SMTP id ID;\r\n"
		    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_session session = { .esmtp = rows[i].esmtp,
			.tls = rows[i].tls,
			.smtputf8 = rows[i].utf8,
			.helo = "c.test" };
		struct smtp_path to = { .local = slice_str(rows[i].local),
			.domain = slice_str(rows[i].domain) };
		struct buf out;

		TEST_ROW("%zu", i);
		if (rows[i].peer != NULL) {
			session.peer_known =
			    addr_parse_ip(slice_str(rows[i].peer), 25, &session.peer);
			snprintf(session.peer_ip, sizeof(session.peer_ip), "%s", rows[i].peer);
		}
		snprintf(session.tls_version, sizeof(session.tls_version), "TLSv1.3");
		snprintf(session.tls_cipher, sizeof(session.tls_cipher), "TLS_AES_256_GCM_SHA384");
		snprintf(session.tls_group, sizeof(session.tls_group), "%s", rows[i].group);
		buf_init(&out, 4096);
		received_field(
		    &session, "mx.test", "ID", rows[i].local == NULL ? NULL : &to, 0, &out);
		CHECK_STR(buf_str(&out), rows[i].want);
		buf_free(&out);
	}
}

/* --- the loop ------------------------------------------------------------------------------------- */

/* Feed a message in pieces of step bytes; the code of the failure, or NONE. */
static enum fail_code
feed(const char *text, size_t step)
{
	struct smtp_session session = { .helo = "c.test" };
	struct receiver receiver;
	struct fail why;
	size_t n = strlen(text);
	int ret = 0;

	fail_clear(&why);
	receiver_init(&receiver, "mx.test");
	struct receipt *receipt = receipt_new(&receiver);
	CHECK_INT(receive_ops.begin(receipt, &session, &why), 0);
	for (size_t i = 0; i < n && ret == 0; i += step)
		ret = receive_ops.text(
		    receipt, slice_make(text + i, n - i < step ? n - i : step), &why);
	receive_ops.abort(receipt);
	receipt_free(receipt);
	receiver_fini(&receiver);
	return ret == 0 ? FAIL_NONE : why.code;
}

static const char *
repeat(const char *head, const char *line, int n, const char *tail)
{
	static char text[32768];

	snprintf(text, sizeof(text), "%s", head);
	size_t at = strlen(text);
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", line);
	snprintf(text + at, sizeof(text) - at, "%s", tail);
	return text;
}

TEST(more_than_100_Received_fields_are_a_loop_RFC_5321_s6_3)
{
	static const struct {
		const char *head, *line;
		int n;
		const char *tail;
		enum fail_code code;
	} rows[] = {
		{ "", "Received: from a\r\n", 100, "\r\ntext\r\n", FAIL_NONE },
		{ "", "Received: from a\r\n", 101, "\r\ntext\r\n", FAIL_CONNECT_SELF },
		{ "Subject: x\r\n", "RECEIVED: from a\r\n\tby b\r\n", 101, "\r\n",
		    FAIL_CONNECT_SELF },
		{ "", "received:\r\n", 101, "", FAIL_CONNECT_SELF },
		{ "", "X-Received: from a\r\n", 200, "\r\n", FAIL_NONE },
		{ "", "Received-SPF: pass\r\n", 200, "\r\n", FAIL_NONE },
		{ "Subject: x\r\n", " Received: folded\r\n", 200, "\r\n", FAIL_NONE },
		{ "Subject: x\r\n\r\n", "Received: quoted\r\n", 200, "", FAIL_NONE },
		{ "\r\n", "Received: quoted\r\n", 200, "", FAIL_NONE },
		{ "", "Received: from a\r\n", 100, "\r\nReceived: quoted\r\n", FAIL_NONE },
	};
	static const size_t steps[] = { 1, 2, 7, 9, 10, 32768 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			TEST_ROW("%zu in pieces of %zu", i, steps[k]);
			CHECK_INT(feed(repeat(rows[i].head, rows[i].line, rows[i].n, rows[i].tail),
				      steps[k]),
			    rows[i].code);
		}
	CHECK_STR(fail_info(FAIL_CONNECT_SELF)->enhanced, "5.4.6");
}

/* --- recipients ----------------------------------------------------------------------------------- */

static bool
takes(struct receipt *receipt, const char *text)
{
	struct smtp_session session = { .helo = "c.test" };
	struct smtp_path path;
	struct fail why;

	if (smtp_path_parse(slice_str(text), false, true, &path, NULL, &why) != 0)
		return false;
	return receive_ops.rcpt(receipt, &session, &path, &why) == 0;
}

TEST(only_accepted_domains_and_the_bare_postmaster_are_taken_RFC_5321_s4_5_1)
{
	static const char *const yes[] = { "<u@ok.test>", "<u@OK.Test>", "<u@xn--bcher-kva.test>",
		"<u@b\xc3\xbc"
		"cher.test>",
		"<u@B\xc3\x9c"
		"CHER.test>",
		"<postmaster>", "<POSTMASTER>", "<\"u u\"@ok.test>" };
	static const char *const no[] = { "<u@far.test>", "<u@notok.test>", "<u@sub.ok.test>",
		"<u@ok.test.far.test>", "<u@test>", "<u@[127.0.0.1]>", "<u@[IPv6:::1]>",
		"<postmaster@far.test>", "<u>", "<@ok.test:u@far.test>", "<u@ok.test@far.test>",
		"<\"u@far.test\"@ok.test>", "<u%far.test@ok.test>", "<far.test!u@ok.test>" };
	struct receiver receiver;
	struct fail why;

	receiver_init(&receiver, "mx.test");
	struct receipt *receipt = receipt_new(&receiver);
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		TEST_ROW("%s without --accept", yes[i]);
		CHECK_INT(takes(receipt, yes[i]), i == 5 || i == 6);
	}
	CHECK_INT(accept_add(&receiver.accept, "Ok.test", &why), 0);
	CHECK_INT(accept_add(&receiver.accept,
		      "b\xc3\xbc"
		      "cher.test",
		      &why),
	    0);
	CHECK_INT(accept_add(&receiver.accept, "not a domain", &why), -1);
	CHECK_INT(why.code, FAIL_USAGE);
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		TEST_ROW("%s", yes[i]);
		CHECK(takes(receipt, yes[i]));
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		TEST_ROW("%s", no[i]);
		CHECK(!takes(receipt, no[i]));
	}
	receipt_free(receipt);
	receiver_fini(&receiver);
}

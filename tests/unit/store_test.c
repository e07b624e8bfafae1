#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "app/listen/receive.h"
#include "app/queue/wake.h"
#include "base/clock.h"
#include "io/io.h"
#include "scratch.h"
#include "test.h"

/* Deliveries: one message through the ops of a receiver. */

static struct scratch dir;
static struct receiver receiver;
static struct smtp_session session;
static struct smtp_path paths[4];
static struct smtp_dsn dsn[4];
static struct fail why;

/* A receiver with this --deliver; false: refused. */
static bool
open_receiver(const char *spec)
{
	struct spool spool;

	receiver_init(&receiver, "mx.test");
	CHECK_INT(accept_add(&receiver.accept, "ok.test", &why), 0);
	CHECK_INT(accept_add(&receiver.accept, "one@two.test", &why), 0);
	bool queue = strcmp(spec, "queue") == 0;
	if (queue)
		CHECK_INT(spool_open(&spool, scratch_path(&dir, "queue"), &why), 0);
	return store_open(&receiver.store, spec, &receiver.accept, queue ? &spool : NULL, &why) ==
	       0;
}

/* Deliver text to up to four recipients, blank-separated; the code of the failure, or NONE. */
static enum fail_code
deliver_text(const char *to, const char *text, size_t step)
{
	static char copy[1000];
	struct receipt *receipt = receipt_new(&receiver);
	char note[128] = "";
	size_t n = strlen(text);
	int rc = 0;

	snprintf(copy, sizeof(copy), "%s", to);
	session.recipients = paths;
	session.dsn = dsn;
	session.recipients_n = 0;
	fail_clear(&why);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
		struct smtp_path *path = &paths[session.recipients_n];
		CHECK_INT(smtp_path_parse(slice_str(word), false, true, path, NULL, &why), 0);
		if ((rc = receive_ops.rcpt(receipt, &session, path, &why)) != 0)
			break;
		session.dsn_n = ++session.recipients_n;
	}
	if (rc == 0 && (rc = receive_ops.begin(receipt, &session, &why)) == 0) {
		for (size_t i = 0; i < n && rc == 0; i += step)
			rc = receive_ops.text(
			    receipt, slice_make(text + i, n - i < step ? n - i : step), &why);
		if (rc == 0)
			rc = receive_ops.end(receipt, &session, note, clock_deadline(20000), &why);
		else
			receive_ops.abort(receipt);
	}
	receipt_free(receipt);
	return rc == 0 ? FAIL_NONE : why.code;
}

static void
start(void)
{
	scratch_begin(&dir);
	memset(&session, 0, sizeof(session));
	memset(dsn, 0, sizeof(dsn));
	session.esmtp = true;
	snprintf(session.helo, sizeof(session.helo), "c.test");
	CHECK_INT(
	    smtp_path_parse(slice_str("<s@from.test>"), true, false, &session.sender, NULL, &why),
	    0);
}

static void
stop(void)
{
	receiver_fini(&receiver);
	scratch_end(&dir);
}

static void
from_relay_client(void)
{
	CHECK(addr_parse_ip(slice_str("192.0.2.1"), 25, &session.peer));
	session.peer_known = true;
	CHECK_INT(accept_relay_from(&receiver.accept, "192.0.2.0/24", &why), 0);
}

/* What is in the queue file behind our Received field, up to the trailer. */
static const char *
queued_text(void)
{
	static char text[65536];

	snprintf(text, sizeof(text), "%s", scratch_read(&dir, scratch_only(&dir, "queue/q")));
	char *end = strstr(text, "mxtls-end "), *at = strstr(text, "+0000\n");
	if (end == NULL || at == NULL)
		return "torn";
	*end = '\0';
	return at + 6;
}

TEST(deliver_is_refused_where_it_is_no_place)
{
	static const char *const bad[] = { "", "maildir", "maildir:", "mailbox:/x",
		"mbox:", "queue:x", "maildir:/x/%u/%h", "maildir:/x/%", "maildir:%u",
		"maildir:/x/%d", "maildir:/x/../%u", "maildir:/x%u", "command:", "command:cat",
		"command:/bin/cat 'x", "command:/bin/cat %x", "command:/bin/%r",
		"command:/nowhere/at/all", "lmtp:nowhere", "lmtp:" };

	start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEST_ROW("%s", bad[i]);
		CHECK(!open_receiver(bad[i]));
		CHECK_INT(why.code, FAIL_USAGE);
		CHECK(why.text[0] != '\0');
		receiver_fini(&receiver);
	}
	scratch_end(&dir);
}

TEST(the_relay_completes_its_own_clients_mail_and_nobody_elses_DECISIONS_F43)
{
	static const struct {
		const char *text, *from_us,
		    *from_others; /* DATE, ID: what was added; NULL: as text */
	} rows[] = {
		{ "Subject: x\r\n\r\nbody\r\n", "DATE ID Subject: x\n\nbody\n",
		    "Subject: x\n\nbody\n" },
		{ "DATE: x\r\n\r\nbody\r\n", "ID DATE: x\n\nbody\n", "DATE: x\n\nbody\n" },
		{ "Message-id: <x@y>\r\ndate:x\r\n\tfolded\r\n\r\n",
		    "Message-id: <x@y>\ndate:x\n\tfolded\n\n", NULL },
		{ "X-Date: x\r\n\r\nDate: in the body\r\n",
		    "DATE ID X-Date: x\n\nDate: in the body\n",
		    "X-Date: x\n\nDate: in the body\n" },
		{ "\r\nbody\r\n", "DATE ID \nbody\n", "\nbody\n" },
		{ "no header at all\r\n", "DATE ID \nno header at all\n", "\nno header at all\n" },
		{ "Subject: x\r\nno field\r\nbody\r\n", "DATE ID Subject: x\n\nno field\nbody\n",
		    "Subject: x\n\nno field\nbody\n" },
		{ "", "DATE ID \n", "\n" },
		{ "Subject: x\r\n", "DATE ID Subject: x\n\n", "Subject: x\n\n" },
	};
	static const size_t steps[] = { 1, 3, 7, 1000 };

	for (size_t k = 0;
	     k < 2 * sizeof(rows) / sizeof(rows[0]) * sizeof(steps) / sizeof(steps[0]); k++) {
		size_t i = k / 2 % (sizeof(rows) / sizeof(rows[0])),
		       step = steps[k / 2 / (sizeof(rows) / sizeof(rows[0]))];
		char got[1000] = "";

		start();
		CHECK(open_receiver("queue"));
		if (k % 2 == 0)
			from_relay_client();
		TEST_ROW("row %zu in pieces of %zu, %s", i, step, k % 2 == 0 ? "ours" : "others'");
		CHECK_INT(deliver_text("<u@ok.test>", rows[i].text, step), FAIL_NONE);
		const char *text = queued_text(), *line = strstr(text, "Date: ");
		if (line == text) {
			strcat(got, "DATE ");
			text = strchr(text, '\n') + 1;
		}
		if (strncmp(text, "Message-ID: <", 13) == 0 &&
		    strstr(text, "@mx.test>\n") != NULL) {
			strcat(got, "ID ");
			text = strchr(text, '\n') + 1;
		}
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s", text);
		CHECK_STR(got, k % 2 != 0 && rows[i].from_others != NULL ? rows[i].from_others
									 : rows[i].from_us);
		stop();
	}
}

TEST(the_queue_file_keeps_the_envelope_DSN_REQUIRETLS_SMTPUTF8_and_BODY)
{
	struct queuefile qf;
	struct smtp_path sender;

	start();
	CHECK(open_receiver("queue"));
	CHECK_INT(smtp_path_parse(slice_str("<\xc3\xa4@B\xc3\xbc"
					    "cher.test>"),
		      true, false, &sender, NULL, &why),
	    0);
	session.sender = sender;
	session.smtputf8 = session.requiretls = session.body_8bit = true;
	session.ret = SMTP_RET_FULL;
	session.envid = "id+2Bx";
	dsn[0] = (struct smtp_dsn){ SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY, "rfc822;u@ok.test" };
	dsn[1] = (struct smtp_dsn){ SMTP_NOTIFY_NEVER, NULL };
	CHECK_INT(deliver_text("<u@OK.test> <v@ok.test> <Postmaster>",
		      "Subject: \xc3\xbc\r\nTLS-Required: No\r\n\r\nx\r\n", 5),
	    FAIL_NONE);
	CHECK_INT(
	    queuefile_open(&receiver.store.spool, scratch_only(&dir, "queue/q") + 8, &qf, &why), 0);
	CHECK_STR(qf.envelope.sender, "\xc3\xa4@xn--bcher-kva.test");
	CHECK_INT(qf.envelope.flags,
	    QUEUE_8BITMIME | QUEUE_SMTPUTF8 | QUEUE_REQUIRETLS | QUEUE_HEADER_8BIT);
	CHECK_INT(qf.envelope.ret, QUEUE_RET_FULL);
	CHECK_STR(qf.envelope.envid, "id+2Bx");
	CHECK_INT(qf.envelope.rcpts_n, 3);
	CHECK_STR(qf.envelope.rcpts[0].address, "u@ok.test");
	CHECK_INT(qf.envelope.rcpts[0].notify, QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_DELAY);
	CHECK_STR(qf.envelope.rcpts[0].orcpt, "rfc822;u@ok.test");
	CHECK_INT(qf.envelope.rcpts[1].notify, QUEUE_NOTIFY_NEVER);
	CHECK(qf.envelope.rcpts[1].orcpt == NULL);
	CHECK_STR(qf.envelope.rcpts[2].address, "Postmaster@mx.test");
	queuefile_close(&qf);
	stop();
}

TEST(TLS_Required_No_counts_without_REQUIRETLS_RFC_8689_s5)
{
	struct queuefile qf;

	start();
	CHECK(open_receiver("queue"));
	CHECK_INT(deliver_text("<u@ok.test>", "tls-required: no\r\n\r\nx\r\n", 4), FAIL_NONE);
	CHECK_INT(
	    queuefile_open(&receiver.store.spool, scratch_only(&dir, "queue/q") + 8, &qf, &why), 0);
	CHECK_INT(qf.envelope.flags, QUEUE_TLS_OPTIONAL);
	queuefile_close(&qf);
	stop();
}

TEST(a_header_without_end_is_refused_and_nothing_is_left)
{
	static char text[LIMIT_RELAY_HEADER_BYTES + 100];

	start();
	CHECK(open_receiver("queue"));
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "Subject: ", 9);
	CHECK_INT(deliver_text("<u@ok.test>", text, 4096), FAIL_MESSAGE_TOO_BIG);
	CHECK_INT(scratch_count(&dir, "queue/q"), 0);
	CHECK_INT(scratch_count(&dir, "queue/tmp"), 0);
	stop();
}

TEST(a_big_message_goes_through_the_queue_and_the_maildirs_byte_for_byte)
{
	static char text[60000];
	char spec[200];

	snprintf(text, sizeof(text), "Subject: x\r\n\r\n");
	for (size_t n = strlen(text); n + 80 < sizeof(text); n += 80)
		snprintf(text + n, 81, "%078zu\r\n", n);
	start();
	snprintf(spec, sizeof(spec), "maildir:%s/%%d/%%u", scratch_path(&dir, "mail"));
	CHECK(open_receiver(spec));
	CHECK_INT(deliver_text("<one@two.test>", text, 4096), FAIL_NONE);
	const char *got = strstr(
	    scratch_read(&dir, scratch_only(&dir, "mail/two.test/one/new")), "Subject: x\n\n");
	CHECK(got != NULL && strlen(got) == strlen(text) - 2 - (strlen(text) - 14) / 80);
	stop();
}

TEST(only_users_with_a_folder_or_an_accepted_address_have_a_maildir_reference_Q9)
{
	static const struct {
		const char *to;
		enum fail_code code;
	} rows[] = {
		{ "<u@ok.test>", FAIL_NONE },
		{ "<U@OK.test>", FAIL_NONE },
		{ "<u+detail@ok.test>", FAIL_NONE },
		{ "<one@two.test>", FAIL_NONE },
		{ "<postmaster@ok.test>", FAIL_NONE },
		{ "<postmaster>", FAIL_NONE },
		{ "<nobody@ok.test>", FAIL_NO_USER },
		{ "<+@ok.test>", FAIL_NO_USER },
		{ "<\"../u\"@ok.test>", FAIL_NO_USER },
		{ "<\"..\"@ok.test>", FAIL_NO_USER },
		{ "<\".\"@ok.test>", FAIL_NO_USER },
		{ "<\"u/new\"@ok.test>", FAIL_NO_USER },
		{ "<\"u\\/..\\/u\"@ok.test>", FAIL_NO_USER },
		{ "<-u@ok.test>", FAIL_NO_USER },
		{ "<link@ok.test>", FAIL_NO_USER },
		{ "<file@ok.test>", FAIL_NO_USER },
	};
	char spec[200];

	start();
	mkdir(scratch_path(&dir, "mail"), 0700);
	mkdir(scratch_path(&dir, "mail/ok.test"), 0700);
	mkdir(scratch_path(&dir, "mail/ok.test/u"), 0700);
	CHECK_INT(symlink("u", scratch_path(&dir, "mail/ok.test/link")), 0);
	scratch_write(&dir, "mail/ok.test/file", "", 0);
	snprintf(spec, sizeof(spec), "maildir:%s/%%d/%%u", scratch_path(&dir, "mail"));
	CHECK(open_receiver(spec));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].to);
		CHECK_INT(deliver_text(rows[i].to, "Subject: x\r\n\r\nx\r\n", 100), rows[i].code);
	}
	CHECK_INT(scratch_count(&dir, "mail/ok.test/u/new"), 3);
	CHECK_INT(scratch_count(&dir, "mail/two.test/one/new"), 1);
	CHECK_INT(scratch_count(&dir, "mail/mx.test/postmaster/new"), 1);
	CHECK_INT(scratch_count(&dir, "mail"), 3);
	stop();
}

/* --- command -------------------------------------------------------------------------------------- */

static void
script(const char *text)
{
	scratch_write(&dir, "script", text, strlen(text));
	chmod(scratch_path(&dir, "script"), 0700);
}

TEST(a_commands_exit_status_is_the_reply_sysexits)
{
	static const struct {
		const char *script;
		enum fail_code code;
	} rows[] = {
		{ "cat > /dev/null", FAIL_NONE },
		{ "exit 0", FAIL_NONE }, /* did not even read it */
		{ "exit 67", FAIL_NO_USER }, { "exit 68", FAIL_NXDOMAIN },
		{ "exit 65", FAIL_MESSAGE }, { "exit 77", FAIL_REFUSED },
		{ "exit 69", FAIL_COMMAND }, { "exit 64", FAIL_COMMAND },
		{ "exit 76", FAIL_COMMAND }, { "exit 100", FAIL_COMMAND },
		{ "exit 1", FAIL_COMMAND }, { "exit 75", FAIL_STORAGE },
		{ "exit 111", FAIL_STORAGE }, { "exit 71", FAIL_STORAGE },
		{ "exit 73", FAIL_STORAGE }, { "exit 74", FAIL_STORAGE },
		{ "exit 78", FAIL_STORAGE }, { "exit 127", FAIL_STORAGE },
		{ "kill -9 $$", FAIL_STORAGE }, { "exec /nowhere/at/all", FAIL_STORAGE },
		{ "yes | head -c 1000000; exit 0", FAIL_NONE },
		{ "sleep 5 & exit 0", FAIL_NONE }, /* left behind with our pipe */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[200], spec[200];

		start();
		/* a pid to end what was left behind */
		snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", rows[i].script);
		script(text);
		snprintf(spec, sizeof(spec), "command:%s", scratch_path(&dir, "script"));
		TEST_ROW("%s", rows[i].script);
		CHECK(open_receiver(spec));
		CHECK_INT(deliver_text("<u@ok.test>", "x\r\n", 100), rows[i].code);
		stop();
	}
}

TEST(a_command_out_of_time_is_ended_with_all_it_started)
{
	char spec[200];

	start();
	script("#!/bin/sh\ntrap '' TERM\nsleep 300 &\necho $! > \"$1\"\nwait\nsleep 300\n");
	snprintf(spec, sizeof(spec), "command:%s %s", scratch_path(&dir, "script"),
	    scratch_path(&dir, "pid"));
	CHECK(open_receiver(spec));
	receiver.store.command_ms = 1000;
	CHECK_INT(deliver_text("<u@ok.test>", "x\r\n", 100), FAIL_STORAGE);
	long pid = strtol(scratch_read(&dir, "pid"), NULL, 10);
	CHECK(pid > 0);
	for (int i = 0; i < 100 && kill((pid_t)pid, 0) == 0; i++)
		usleep(100000); /* killed, but its new parent may be slow to reap it */
	CHECK(kill((pid_t)pid, 0) != 0);
	stop();
}

TEST(a_command_gets_words_and_variables_and_no_client_can_give_it_an_option_reference_S11)
{
	static const struct {
		const char *words, *to, *want; /* NULL: refused */
	} rows[] = {
		{ "a 'b c' \"d\"e %%", "<u@ok.test>", "a|b c|de|%|" },
		{ "%s %r %l %d", "<u@ok.test>", "s@from.test|u@ok.test|u|ok.test|" },
		{ "--to=%r -f%l", "<-oQ@ok.test>", "--to=-oQ@ok.test|-f-oQ|" },
		{ "%r", "<-oQ@ok.test>", NULL },
		{ "%l", "<-oQ@ok.test>", NULL },
		{ "%r", "<`id`@ok.test>", "`id`@ok.test|" },
		{ "%r", "<\"$(id);x\"@ok.test>", "\"$(id);x\"@ok.test|" },
		{ "%r", "<postmaster>", "postmaster|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char spec[400];

		start();
		script("#!/bin/sh\nout=$1; shift\nfor w; do printf '%s|' \"$w\"; done > \"$out\"\n"
		       "env | sort > \"$out.env\"\ncat > \"$out.text\"\n");
		snprintf(spec, sizeof(spec), "command:%s %s %s", scratch_path(&dir, "script"),
		    scratch_path(&dir, "out"), rows[i].words);
		TEST_ROW("%s for %s", rows[i].words, rows[i].to);
		CHECK(open_receiver(spec));
		CHECK_INT(deliver_text(rows[i].to, "Subject: x\r\n\r\ny\r\n", 2),
		    rows[i].want == NULL ? FAIL_REFUSED : FAIL_NONE);
		if (rows[i].want != NULL) {
			CHECK_STR(scratch_read(&dir, "out"), rows[i].want);
			CHECK(
			    strstr(scratch_read(&dir, "out.env"), "SENDER=s@from.test\n") != NULL);
			CHECK(
			    strstr(scratch_read(&dir, "out.text"), "\nSubject: x\n\ny\n") != NULL);
			CHECK(strncmp(scratch_read(&dir, "out.text"),
				  "Return-Path: <s@from.test>\nDelivered-To: ", 41) == 0);
		}
		stop();
	}
}

/* --- mbox ---------------------------------------------------------------------------------------- */

TEST(mbox_gets_one_copy_that_names_all_recipients_and_a_failure_leaves_it_as_it_was)
{
	char spec[200];

	start();
	snprintf(spec, sizeof(spec), "mbox:%s", scratch_path(&dir, "mbox"));
	CHECK(open_receiver(spec));
	CHECK_INT(
	    deliver_text("<u@ok.test> <v@ok.test>", "Subject: 1\r\n\r\nFrom x\r\n", 3), FAIL_NONE);
	CHECK_INT(deliver_text("<u@ok.test>", "Subject: 2\r\n\r\nno end", 3), FAIL_NONE);
	const char *text = scratch_read(&dir, "mbox");
	CHECK(strncmp(text, "From s@from.test ", 17) == 0);
	CHECK(strstr(text, "\nReturn-Path: <s@from.test>\nDelivered-To: u@ok.test\n"
			   "Delivered-To: v@ok.test\nReceived: ") != NULL);
	CHECK(strstr(text, "\nSubject: 1\n\n>From x\n\nFrom s@from.test ") != NULL);
	CHECK(strstr(text, "\n\nno end\n\n") != NULL);
	CHECK_INT(chmod(scratch_path(&dir, "mbox"), 0600), 0);
	CHECK_INT(symlink("mbox", scratch_path(&dir, "link")), 0);
	store_close(&receiver.store);
	receiver_fini(&receiver);
	snprintf(spec, sizeof(spec), "mbox:%s", scratch_path(&dir, "link"));
	CHECK(!open_receiver(spec));
	CHECK_INT(why.code, FAIL_PERMISSION);
	stop();
}

TEST(waking_the_runner_never_waits_and_is_heard)
{
	struct spool spool;

	start();
	CHECK_INT(spool_open(&spool, scratch_path(&dir, "queue"), &why), 0);
	int a = spool_wake_open(&spool, &why), b = spool_wake_open(&spool, &why);
	CHECK(a >= 0 && b >= 0);
	for (int i = 0; i < 100000; i++)
		spool_wake(a, SPOOL_WAKE_QUEUE);
	CHECK_INT(io_wait(b, IO_READ, clock_ms(), &why), 0);
	CHECK_INT(spool_wake_take(b), SPOOL_WAKE_QUEUE);
	CHECK_INT(io_wait(b, IO_READ, clock_ms(), &why), -1);
	CHECK_INT(spool_wake_take(b), 0);
	spool_wake(-1, SPOOL_WAKE_QUEUE);
	close(a);
	close(b);
	spool_close(&spool);
	scratch_end(&dir);
}

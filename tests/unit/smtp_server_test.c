#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/child.h"
#include "io/sched.h"
#include "io/socket.h"
#include "smtp/client.h"
#include "smtp/server.h"
#include "test.h"

/* A store in memory: mail to *@ok.example is taken, the text kept for comparison. */
struct store {
	struct buf text;
	int begins, ends, aborts;
	bool fail_begin, fail_text, fail_end;
	char sender[300];
	size_t recipients;
	char dsn[300]; /* RET ENVID, then NOTIFY/ORCPT of each recipient */
};

static int
store_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	(void)app;
	(void)session;
	if (slice_is_case(path->domain, "ok.example") || slice_is_case(path->local, "postmaster"))
		return 0;
	return fail_set(
	    why, FAIL_NXDOMAIN, "No mail for %.*s here", (int)path->domain.n, path->domain.p);
}

static int
store_begin(void *app, const struct smtp_session *session, struct fail *why)
{
	struct store *store = app;

	store->begins++;
	snprintf(store->sender, sizeof(store->sender), "%.*s@%.*s", (int)session->sender.local.n,
	    session->sender.local.n == 0 ? "" : session->sender.local.p,
	    (int)session->sender.domain.n,
	    session->sender.domain.n == 0 ? "" : session->sender.domain.p);
	store->recipients = session->recipients_n;
	snprintf(store->dsn, sizeof(store->dsn), "%d %s", session->ret,
	    session->envid == NULL ? "-" : session->envid);
	for (size_t i = 0; i < session->dsn_n; i++) {
		size_t n = strlen(store->dsn);
		snprintf(store->dsn + n, sizeof(store->dsn) - n, " %u/%s", session->dsn[i].notify,
		    session->dsn[i].orcpt == NULL ? "-" : session->dsn[i].orcpt);
	}
	return store->fail_begin ? fail_set(why, FAIL_STORAGE_FULL, "Disk full") : 0;
}

static int
store_text(void *app, struct slice text, struct fail *why)
{
	struct store *store = app;

	buf_append(&store->text, text.p, text.n);
	return store->fail_text ? fail_set(why, FAIL_STORAGE, "Broken disk") : 0;
}

static int
store_end(
    void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	struct store *store = app;

	(void)session;
	(void)deadline;
	store->ends++;
	if (store->fail_end)
		return fail_set(why, FAIL_STORAGE, "fsync failed");
	snprintf(note_r, 128, "stored");
	return 0;
}

static void
store_abort(void *app)
{
	((struct store *)app)->aborts++;
}

static const struct smtp_server_ops ops = { .rcpt = store_rcpt,
	.begin = store_begin,
	.text = store_text,
	.end = store_end,
	.abort = store_abort };
static struct smtp_server_config config;
static struct store store;

static void
fresh(void)
{
	smtp_server_config_init(&config);
	config.hostname = "mx.example";
	config.ops = &ops;
	config.max_message_bytes = 1000;
	config.command_timeout_ms = 5000;
	buf_free(&store.text);
	memset(&store, 0, sizeof(store));
	buf_init(&store.text, 1 << 20);
}

/* Run a session on the bytes of in (a pipe) and return the codes of its replies, "220 250 ...". */
static const char *
talk_bytes(const char *in, size_t n)
{
	static char codes[1024], out[65536];
	int input[2], output[2];
	size_t got = 0;

	if (pipe2(input, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0 || write(input[1], in, n) != (ssize_t)n)
		abort();
	close(input[1]);
	smtp_server_run(conn_plain_pair(input[0], output[1]), &config, NULL, &store, NULL);
	ssize_t part;
	while ((part = read(output[0], out + got, sizeof(out) - 1 - got)) > 0)
		got += (size_t)part;
	close(output[0]);
	codes[0] = out[got] = '\0';
	for (char *line = strtok(out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		if (strlen(line) < 4 || line[3] == '-')
			continue;
		snprintf(codes + strlen(codes), sizeof(codes) - strlen(codes), "%s%.3s",
		    codes[0] == '\0' ? "" : " ", line);
	}
	return codes;
}

static const char *
talk(const char *in)
{
	return talk_bytes(in, strlen(in));
}

#define HELLO "EHLO client.example\r\n"
#define ENVELOPE HELLO "MAIL FROM:<a@b.example>\r\nRCPT TO:<u@ok.example>\r\n"

TEST(commands_and_their_order)
{
	static const struct {
		const char *in, *codes;
	} rows[] = {
		{ "QUIT\r\n", "220 221" },
		{ "", "220" },
		{ "quit\r\n", "220 221" },
		{ HELLO "QUIT\r\n", "220 250 221" },
		{ "HELO client\r\nQUIT\r\n", "220 250 221" },
		{ "EHLO [192.0.2.1]\r\nQUIT\r\n", "220 250 221" },
		{ "EHLO\r\nQUIT\r\n", "220 501 221" },
		{ "EHLO a\tb\r\nQUIT\r\n", "220 250 221" },
		{ "EHLO a;b\r\nQUIT\r\n", "220 501 221" },
		{ "EHLO \xc3\xbc\r\nQUIT\r\n", "220 501 221" },
		{ "MAIL FROM:<a@b.example>\r\nQUIT\r\n", "220 503 221" },
		{ HELLO "RCPT TO:<u@ok.example>\r\nQUIT\r\n", "220 250 503 221" },
		{ HELLO "DATA\r\nQUIT\r\n", "220 250 503 221" },
		{ HELLO "MAIL FROM:<a@b.example>\r\nDATA\r\nQUIT\r\n", "220 250 250 554 221" },
		{ HELLO "MAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n",
		    "220 250 250 503 221" },
		{ HELLO "MAIL FROM:<a@b.example>\r\nRSET\r\nRCPT TO:<u@ok.example>\r\nQUIT\r\n",
		    "220 250 250 250 503 221" },
		{ HELLO "MAIL FROM:<>\r\nRCPT TO:<u@ok.example>\r\nQUIT\r\n",
		    "220 250 250 250 221" },
		{ HELLO "MAIL FROM: <a@b.example>\r\nQUIT\r\n", "220 250 250 221" },
		{ HELLO "MAIL FROM:a@b.example\r\nQUIT\r\n", "220 250 501 221" },
		{ HELLO "MAIL <a@b.example>\r\nQUIT\r\n", "220 250 501 221" },
		{ HELLO "MAIL FROM:<a@b.example>SIZE=1\r\nQUIT\r\n", "220 250 501 221" },
		{ HELLO "MAIL FROM:<a@b.example> SIZE=999\r\nQUIT\r\n", "220 250 250 221" },
		{ HELLO "MAIL FROM:<a@b.example> SIZE=1001\r\nQUIT\r\n", "220 250 552 221" },
		{ HELLO "MAIL FROM:<a@b.example> SIZE=-1\r\nQUIT\r\n", "220 250 501 221" },
		{ HELLO "MAIL FROM:<a@b.example> SIZE=99999999999999999999999\r\nQUIT\r\n",
		    "220 250 501 221" },
		{ HELLO "MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8\r\nQUIT\r\n",
		    "220 250 250 221" },
		{ HELLO "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\nQUIT\r\n", "220 250 501 221" },
		{ HELLO "MAIL FROM:<a@b.example> FOO=1\r\nQUIT\r\n", "220 250 555 221" },
		{ HELLO "MAIL FROM:<a@b.example> REQUIRETLS\r\nQUIT\r\n", "220 250 555 221" },
		{ HELLO "MAIL FROM:<a@b.example> AUTH=<>\r\nQUIT\r\n", "220 250 555 221" },
		{ ENVELOPE "RCPT TO:<u@other.example>\r\nQUIT\r\n", "220 250 250 250 550 221" },
		{ ENVELOPE "RCPT TO:<postmaster>\r\nQUIT\r\n", "220 250 250 250 250 221" },
		{ ENVELOPE "RCPT TO:<u@ok.example> NOTIFY=NEVER\r\nQUIT\r\n",
		    "220 250 250 250 555 221" },
		{ ENVELOPE "RCPT TO:<@x,@y:u@ok.example>\r\nQUIT\r\n", "220 250 250 250 501 221" },
		{ ENVELOPE "RCPT TO:<>\r\nQUIT\r\n", "220 250 250 250 501 221" },
		{ ENVELOPE "RCPT <u@ok.example>\r\nQUIT\r\n", "220 250 250 250 501 221" },
		{ ENVELOPE "DATA now\r\nRSET now\r\nQUIT\r\n", "220 250 250 250 501 501 221" },
		/* RFC 6531 s3.3 */
		{ HELLO "MAIL FROM:<\xc3\xa4@b.example>\r\nRCPT TO:<u@ok.example>\r\nQUIT\r\n",
		    "220 250 553 503 221" },
		{ ENVELOPE "RCPT TO:<\xc3\xa4@ok.example>\r\nQUIT\r\n", "220 250 250 250 553 221" },
		{ HELLO "MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8\r\n"
			"RCPT TO:<\xc3\xa4@ok.example>\r\nQUIT\r\n",
		    "220 250 250 250 221" },
		{ HELLO "STARTTLS\r\nQUIT\r\n", "220 250 502 221" },
		{ HELLO "STARTTLS now\r\nQUIT\r\n", "220 250 501 221" },
		{ HELLO "NOOP x\r\nVRFY u\r\nHELP\r\nEXPN l\r\nAUTH PLAIN\r\nQUIT\r\n",
		    "220 250 250 252 214 500 500 221" },
		{ HELLO "BDAT 10 LAST\r\nMAIL FROM:<a@b>\r\n", "220 250 502" },
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "220 502" },
		{ HELLO "NOOP\nQUIT\r\n", "220 250 521" },
		{ HELLO "NOOP\rQUIT\r\n", "220 250 521" },
		{ "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nNOOP\r\n",
		    "220 500 500 500 500 500 500 500 500 500 421" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].in);
		fresh();
		CHECK_STR(talk(rows[i].in), rows[i].codes);
	}
	CHECK_STR(talk_bytes(HELLO "NOOP \0\r\nQUIT\r\n", sizeof(HELLO "NOOP \0\r\nQUIT\r\n") - 1),
	    "220 250 521");
}

TEST(a_command_line_longer_than_the_limit_is_refused)
{
	static char in[4096];

	fresh();
	memset(in, 'x', sizeof(in) - 1);
	CHECK_STR(talk(in), "220 500");
}

TEST(required_lets_nothing_but_NOOP_EHLO_STARTTLS_QUIT_pass_in_clear_RFC_3207_s4)
{
	fresh();
	config.tls = SMTP_TLS_REQUIRED;
	CHECK_STR(talk("HELO x\r\nEHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT "
		       "TO:<u@ok.example>\r\nDATA\r\nRSET\r\n"
		       "VRFY x\r\nNOOP\r\nQUIT\r\n"),
	    "220 530 250 530 530 530 530 530 250 221");
}

TEST(messages_are_stored_with_their_dots_undone)
{
	fresh();
	CHECK_STR(talk(ENVELOPE "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"),
	    "220 250 250 250 354 250 221");
	CHECK_STR(buf_str(&store.text), "Subject: x\r\n\r\n.dot\r\n");
	CHECK_INT(store.ends, 1);
	CHECK_INT(store.aborts, 0);
	CHECK_STR(store.sender, "a@b.example");
	/* two in a row, and the first transaction's recipients are gone */
	fresh();
	CHECK_STR(talk(ENVELOPE "RCPT TO:<v@ok.example>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\nDATA\r\n"
				"RCPT TO:<u@ok.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"),
	    "220 250 250 250 250 354 250 250 554 250 354 250 221");
	CHECK_INT(store.ends, 2);
	CHECK_INT(store.recipients, 1);
}

TEST(no_final_dot_means_no_message)
{
	static const char *const cuts[] = { "DATA\r\n", "DATA\r\nx", "DATA\r\nx\r\n",
		"DATA\r\nx\r\n.", "DATA\r\nx\r\n.\r" };
	char in[200];

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		TEST_ROW("%s", cuts[i]);
		fresh();
		snprintf(in, sizeof(in), "%s%s", ENVELOPE, cuts[i]);
		CHECK_STR(talk(in), "220 250 250 250 354");
		CHECK_INT(store.begins, 1);
		CHECK_INT(store.ends, 0);
		CHECK_INT(store.aborts, 1);
	}
}

TEST(smuggled_ends_of_data_close_the_session_and_deliver_nothing)
{
	static const char *const ends[] = { "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r",
		"\r.\r\n", "\r\n\r.\r\n", "\n\n.\r\n" };
	char in[300];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		fresh();
		TEST_ROW("%zu", i);
		snprintf(in, sizeof(in), "%sDATA\r\nx%sMAIL FROM:<evil@x>\r\n.\r\nQUIT\r\n",
		    ENVELOPE, ends[i]);
		CHECK_STR(talk(in), "220 250 250 250 354 521");
		CHECK_INT(store.ends, 0);
		CHECK_INT(store.aborts, 1);
	}
}

TEST(an_oversize_message_is_swallowed_to_its_true_end)
{
	static char in[50000];

	fresh();
	snprintf(in, sizeof(in), "%sDATA\r\n", ENVELOPE);
	for (int i = 0; i < 30; i++)
		strcat(in, "0123456789012345678901234567890123456789\r\n");
	strcat(in, ".\r\nRSET\r\nQUIT\r\n");
	CHECK_STR(talk(in), "220 250 250 250 354 552 250 221");
	CHECK_INT(store.ends, 0);
	CHECK_INT(store.aborts, 1);
	/* far beyond, the session ends */
	fresh();
	snprintf(in, sizeof(in), "%sDATA\r\n", ENVELOPE);
	for (int i = 0; i < 1000; i++)
		strcat(in, "0123456789012345678901234567890123456789\r\n");
	strcat(in, ".\r\nRSET\r\nQUIT\r\n");
	CHECK_STR(talk(in), "220 250 250 250 354 421");
	CHECK_INT(store.aborts, 1);
}

TEST(storage_failures_are_4xx_and_leave_the_session_alive)
{
	static const char in[] = ENVELOPE "DATA\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n";

	fresh();
	store.fail_begin = true;
	CHECK_STR(talk(ENVELOPE "DATA\r\nNOOP\r\nQUIT\r\n"), "220 250 250 250 452 250 221");
	fresh();
	store.fail_text = true;
	CHECK_STR(talk(in), "220 250 250 250 354 451 250 221");
	CHECK_INT(store.aborts, 1);
	fresh();
	store.fail_end = true;
	CHECK_STR(talk(in), "220 250 250 250 354 451 250 221");
	CHECK_INT(store.aborts, 0);
}

TEST(too_many_recipients_get_452_and_the_first_ones_are_kept)
{
	fresh();
	config.max_recipients = 2;
	CHECK_STR(
	    talk(ENVELOPE
		"RCPT TO:<v@ok.example>\r\nRCPT TO:<w@ok.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"),
	    "220 250 250 250 250 452 354 250 221");
	CHECK_INT(store.recipients, 2);
}

TEST(DSN_parameters_are_kept_for_each_recipient_where_DSN_is_announced_RFC_3461)
{
#define BEGIN HELLO "MAIL FROM:<a@b.example> RET=HDRS ENVID=x+2By\r\n"
	static const struct {
		const char *in, *codes, *seen;
	} rows[] = {
		{ BEGIN "RCPT TO:<u@ok.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;u@ok.example\r\n"
			"RCPT TO:<v@ok.example>\r\nRCPT TO:<w@no.example> NOTIFY=NEVER\r\n"
			"RCPT TO:<x@ok.example> NOTIFY=NEVER\r\nDATA\r\n.\r\nQUIT\r\n",
		    "220 250 250 250 250 550 250 354 250 221",
		    "2 x+2By 10/rfc822;u@ok.example 0/- 1/-" },
		/* forgotten with the transaction */
		{ BEGIN "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<u@ok.example>\r\nDATA\r\n.\r\nQUIT\r\n",
		    "220 250 250 250 250 250 354 250 221", "0 - 0/-" },
		{ HELLO "MAIL FROM:<> RET=X\r\nMAIL FROM:<> RET=FULL RET=FULL\r\n"
			"MAIL FROM:<> ENVID=\r\nMAIL FROM:<> ENVID=a ENVID=b\r\n"
			"MAIL FROM:<> RET\r\nQUIT\r\n",
		    "220 250 501 501 501 501 501 221", "" },
		{ ENVELOPE "RCPT TO:<u@ok.example> NOTIFY=\r\nRCPT TO:<u@ok.example> NOTIFY=NEVER "
			   "NOTIFY=NEVER\r\nRCPT TO:<u@ok.example> ORCPT=u\r\n"
			   "RCPT TO:<u@ok.example> ORCPT=a;b ORCPT=a;b\r\n"
			   "RCPT TO:<u@ok.example> X=1\r\nQUIT\r\n",
		    "220 250 250 250 501 501 501 501 555 221", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fresh();
		config.dsn = true;
		TEST_ROW("%zu", i);
		CHECK_STR(talk(rows[i].in), rows[i].codes);
		CHECK_STR(store.dsn, rows[i].seen);
	}
	fresh();
	CHECK_STR(talk(HELLO "MAIL FROM:<> RET=FULL\r\nMAIL FROM:<> ENVID=x\r\nQUIT\r\n"),
	    "220 250 555 555 221");
}

TEST(refused_recipients_come_to_an_end)
{
	static char in[2000];

	fresh();
	snprintf(in, sizeof(in), "%s", ENVELOPE);
	for (int i = 0; i < 12; i++)
		strcat(in, "RCPT TO:<u@other.example>\r\n");
	CHECK_STR(talk(in), "220 250 250 250 550 550 550 550 550 550 550 550 550 421");
}

/* The codes of a session whose client goes on being silent. */
static const char *
wait_out(void)
{
	static char out[200];
	int input[2], output[2];

	if (pipe2(input, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0)
		abort();
	smtp_server_run(conn_plain_pair(input[0], output[1]), &config, NULL, &store, NULL);
	ssize_t n = read(output[0], out, sizeof(out) - 1);
	out[n > 0 ? n : 0] = '\0';
	close(input[1]);
	close(output[0]);
	return out;
}

TEST(a_busy_server_waits_less_for_a_command_DECISIONS_F41)
{
	bool busy = true;
	int64_t start = clock_ms();

	fresh();
	config.busy = &busy;
	config.busy_timeout_ms = 30;
	CHECK_STR(wait_out(), "220 mx.example ESMTP\r\n421 4.4.2 Timeout\r\n");
	CHECK(clock_ms() < start + 4000);
	/* never longer than without */
	config.command_timeout_ms = 20;
	config.busy_timeout_ms = 60000;
	CHECK_STR(wait_out(), "220 mx.example ESMTP\r\n421 4.4.2 Timeout\r\n");
	busy = false;
	config.busy_timeout_ms = 1;
	start = clock_ms();
	CHECK_STR(wait_out(), "220 mx.example ESMTP\r\n421 4.4.2 Timeout\r\n");
	CHECK(clock_ms() >= start + 20);
}

/* --- faults on purpose ---------------------------------------------------------------------------- */

TEST(faults_replace_delay_and_cut_replies)
{
	static const struct {
		const char *spec, *codes;
		int ends;
	} rows[] = {
		{ "GREETING=reply:421 busy", "421 250 250 250 354 250 221", 1 },
		{ "mail=reply:451 4.7.1 greylisted", "220 250 451 503 503 500 500 221", 0 },
		{ "RCPT=reply:550 no", "220 250 250 550 554 500 500 221", 0 },
		{ "DATA=reply:451 no", "220 250 250 250 451 500 500 221", 0 },
		{ ".=reply:451 4.3.0 no", "220 250 250 250 354 451 221", 0 },
		{ ".=cut:0", "220 250 250 250 354", 1 },
		{ "EHLO=cut:3", "220", 0 },
		{ "RCPT=delay:20ms", "220 250 250 250 354 250 221", 1 },
		{ "EHLO=reply:250-mx\\r\\n250 STARTTLS", "220 250 250 250 354 250 221", 1 },
		{ "RCPT=drop", "220 250 250", 0 },
		{ ".=drop", "220 250 250 250 354", 1 },
		{ "MAIL=close-notify", "220 250 250", 0 } /* half a reply has its code */,
		{ "EHLO=not-offered", "220 250 250 250 354 250 221", 1 },
		{ "EHLO=masked", "220 250 250 250 354 250 221", 1 },
		{ "RCPT=inject:250 more\\r\\n", "220 250 250 250 250 354 250 221", 1 },
		{ "NOOP=reply:500 x", "220 250 250 250 354 250 221", 1 },
		{ "*/p:0%=reply:500 x", "220 250 250 250 354 250 221", 1 },
		{ "*/p:100%=reply:500 x", "500 500 500 500 500 500 500 500", 0 },
		{ "DATA/to:u=reply:451 for u", "220 250 250 250 451 500 500 221", 0 },
		{ "RCPT/to:U=reply:451 for u", "220 250 250 451 554 500 500 221", 0 },
		{ "DATA/to:c=reply:451 for c", "220 250 250 250 354 250 221", 1 },
		{ "./to:u/p:100.0%=reply:550 for u", "220 250 250 250 354 550 221", 0 },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_fault fault;
		struct fail why;
		uint64_t random = 1;
		TEST_ROW("%s", rows[i].spec);
		fresh();
		CHECK_INT(smtp_fault_parse(slice_str(rows[i].spec), &arena, &fault, &why), 0);
		config.faults = &fault;
		config.faults_n = 1;
		config.fault_random = &random;
		CHECK_STR(talk(ENVELOPE "DATA\r\nx\r\n.\r\nQUIT\r\n"), rows[i].codes);
		CHECK_INT(store.ends, rows[i].ends);
	}
	static const char *const bad[] = { "", "X", "=reply:x", "MAIL=foo:1", "MAIL=cut:x",
		"MAIL=delay:soon", "MAIL=reply", "MAIL=drop:1", "MAIL=drop:", "MAIL=not-offered",
		"MAIL=garbage", "TLS=reply:x", "TLS=not-offered", "TLS=alert:256", "TLS=alert:x",
		"TLS=alert", "TLS=cert:bad", "TLS=cert:", "TLS=version:1.9", "TLS=stall:1",
		"MAIL/p:101%=drop", "MAIL/p:5=drop", "MAIL/p:5.55%=drop", "MAIL/p:-1%=drop",
		"MAIL/to:=drop", "MAIL/x:1=drop", "MAIL/=drop=", "/p:1%=drop" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct smtp_fault fault;
		struct fail why;
		TEST_ROW("%s", bad[i]);
		CHECK_INT(smtp_fault_parse(slice_str(bad[i]), &arena, &fault, &why), -1);
		CHECK_INT(why.code, FAIL_USAGE);
	}
	arena_free(&arena);
}

TEST(a_seed_makes_the_same_faults_again_and_about_as_many_as_asked_for)
{
	uint64_t a = 7, b = 7, c = 8;
	unsigned hits = 0, same = 0;

	for (unsigned i = 0; i < 10000; i++) {
		unsigned x = smtp_fault_random(&a, 1000);
		CHECK_INT(x, smtp_fault_random(&b, 1000));
		same += x == smtp_fault_random(&c, 1000);
		hits += x < 250;
	}
	CHECK(hits > 2300 && hits < 2700);
	CHECK(same < 100);
}

/* --- client against server, with the switch between ------------------------------------------------- */

static int server_fd;

static int
server_child(void *arg)
{
	struct tls_server_options options = { .self_signed_name = "mx.example" };
	struct addr peer;
	struct fail why;

	(void)arg;
	tls_init();
	config.tls_ctx = tls_ctx_server(&options, &why);
	if (config.tls_ctx == NULL || !addr_parse_ip(slice_str("127.0.0.1"), 25, &peer))
		return 2;
	smtp_server_run(conn_plain(server_fd), &config, &peer, &store, NULL);
	/* exit status: what the server saw */
	return store.ends == 1 && strcmp(buf_str(&store.text), "Subject: hi\r\n\r\nbody\r\n") == 0
		   ? 0
		   : 1;
}

static int
start_server(struct child *c)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		abort();
	server_fd = fds[1];
	if (child_fork(c, server_child, NULL, &fds[1], 1, NULL) != 0)
		abort();
	close(fds[1]);
	return fds[0];
}

static int
wait_server(struct child *c)
{
	int status = -1;

	child_wait(c, &status, clock_deadline(10000), NULL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_client_delivers_through_the_switch_and_forgets_what_it_knew)
{
	struct tls_client_options options = { 0 };
	struct smtp_client client;
	struct child c;
	struct fail why;
	struct tls *failed;
	size_t post = 9;
	int64_t deadline = clock_deadline(10000);

	fresh();
	tls_init();
	struct tls_ctx *ctx = tls_ctx_client(&options, &why);
	config.tls = SMTP_TLS_REQUIRED;
	config.requiretls = true;
	smtp_client_init(&client, conn_plain(start_server(&c)), NULL, NULL);
	CHECK_INT(smtp_greeting(&client, deadline, &why), 0);
	CHECK_INT(smtp_ehlo(&client, "client.example", deadline, &why), 0);
	CHECK(client.ehlo.caps & EHLO_STARTTLS);
	CHECK(!(client.ehlo.caps & EHLO_REQUIRETLS));
	CHECK_INT(smtp_mail(&client, "a@b.example", "", deadline, &why), -1);
	CHECK_INT(why.smtp_code, 530);
	CHECK_INT(
	    smtp_starttls(&client, ctx, "mx.example", KEY_ANY, &post, &failed, deadline, &why), 0);
	CHECK_INT(post, 0);
	CHECK(failed == NULL);
	CHECK(!client.ehlo.known);
	/* the server forgot, too: EHLO comes first */
	CHECK_INT(smtp_mail(&client, "a@b.example", "", deadline, &why), -1);
	CHECK_INT(why.smtp_code, 503);
	CHECK_INT(smtp_ehlo(&client, "client.example", deadline, &why), 0);
	CHECK(!(client.ehlo.caps & EHLO_STARTTLS));
	CHECK(client.ehlo.caps & EHLO_REQUIRETLS);
	CHECK_INT(
	    smtp_mail(&client, "a@b.example", " BODY=8BITMIME REQUIRETLS", deadline, &why), 0);
	CHECK_INT(smtp_rcpt(&client, "u@ok.example", "", deadline, &why), 0);
	CHECK_INT(smtp_data(&client, deadline, &why), 0);
	CHECK_INT(
	    smtp_data_write(&client, "Subject: hi\r\n\r\nbody\r\n.\r\n", 24, deadline, &why), 0);
	CHECK_INT(smtp_data_reply(&client, deadline, &why), 0);
	CHECK_INT(smtp_quit(&client, deadline, &why), 0);
	smtp_client_fini(&client);
	CHECK_INT(wait_server(&c), 0);
	tls_ctx_free(ctx);
}

/* Raw bytes to a server that offers STARTTLS: what it says, to its end. Closes at once for "", else after an answer. */
static void
raw_talk(const char *const *parts, size_t n, char *out, size_t size)
{
	struct child c;
	size_t got = 0;

	fresh();
	config.tls = SMTP_TLS_OFFERED;
	int fd = start_server(&c);
	for (size_t i = 0; i < n; i++) {
		/* each part is sent after an answer to the one before: never out of turn */
		ssize_t part =
		    socket_read(fd, out + got, size - 1 - got, clock_deadline(5000), NULL);
		if (part > 0)
			got += (size_t)part;
		socket_write(fd, parts[i], strlen(parts[i]), clock_deadline(5000), NULL);
	}
	ssize_t part;
	while ((part = socket_read(fd, out + got, size - 1 - got, clock_deadline(5000), NULL)) > 0)
		got += (size_t)part;
	out[got] = '\0';
	close(fd);
	CHECK_INT(wait_server(&c), 1);
}

TEST(commands_behind_STARTTLS_are_never_run_CVE_2011_0411)
{
	static const char *const same_segment[] = { HELLO, "STARTTLS\r\nMAIL FROM:<evil@x>\r\n" };
	static const char *const partial[] = { HELLO, "STARTTLS\r\nMAI" };
	static const char *const after_220[] = { HELLO, "STARTTLS\r\n", "MAIL FROM:<evil@x>\r\n" };
	char out[2048];

	raw_talk(same_segment, 2, out, sizeof(out));
	CHECK(strstr(out, "\r\n554 5.5.0 ") != NULL);
	CHECK(strstr(out, "\r\n220 ") == NULL);
	raw_talk(partial, 2, out, sizeof(out));
	CHECK(strstr(out, "\r\n554 5.5.0 ") != NULL);
	CHECK(strstr(out, "\r\n220 ") == NULL);
	/* bytes in clear where the ClientHello must be: closed without another word */
	raw_talk(after_220, 3, out, sizeof(out));
	const char *last = strstr(out, "\r\n220 2.0.0 ");
	CHECK(last != NULL);
	CHECK(last != NULL && strcmp(strchr(last + 2, '\n'), "\n") == 0);
}

TEST(talking_out_of_turn_is_refused_at_the_greeting_EHLO_and_DATA)
{
	static const char *const behind_ehlo[] = { HELLO "MAIL FROM:<a@b.example>\r\n" };
	static const char *const behind_data[] = { HELLO,
		"MAIL FROM:<a@b.example>\r\nRCPT TO:<u@ok.example>\r\n", "DATA\r\nx\r\n.\r\n" };
	char out[2048];

	raw_talk(behind_ehlo, 1, out, sizeof(out));
	CHECK(strstr(out, "554 5.5.0 ") != NULL && strstr(out, "250") == NULL);
	raw_talk(behind_data, 3, out, sizeof(out));
	CHECK(strstr(out, "554 5.5.0 ") != NULL && strstr(out, "354") == NULL);
}

/* --- the client's own rules --------------------------------------------------------------------------- */

/* A client whose peer has already said everything. */
static void
scripted(struct smtp_client *client, const char *replies)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0 ||
	    write(fds[1], replies, strlen(replies)) != (ssize_t)strlen(replies))
		abort();
	shutdown(fds[1], SHUT_WR);
	server_fd = fds[1];
	smtp_client_init(client, conn_plain(fds[0]), NULL, NULL);
}

TEST(no_control_character_leaves_in_a_command)
{
	static const char *const bad[] = { "a\r\nRCPT TO:<x@y>", "a\nb", "a\rb", "a\tb", "\x7f",
		"\x01", "a\x1b[" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct smtp_client client;
		struct fail why;
		char wire[64];
		TEST_ROW("%zu", i);
		scripted(&client, "250 ok\r\n");
		CHECK_INT(smtp_mail(&client, bad[i], "", clock_deadline(1000), &why), -1);
		CHECK_INT(why.code, FAIL_COMMAND_BYTES);
		CHECK_INT(smtp_ehlo(&client, bad[i], clock_deadline(1000), &why), -1);
		CHECK_INT(why.code, FAIL_COMMAND_BYTES);
		smtp_client_fini(&client);
		CHECK(read(server_fd, wire, sizeof(wire)) <= 0);
		close(server_fd);
	}
}

TEST(only_220_starts_TLS_CVE_2016_0772)
{
	static const struct {
		const char *reply;
		enum fail_code code;
	} rows[] = { { "221 no\r\n", FAIL_STARTTLS_REJECTED },
		{ "250 ok\r\n", FAIL_STARTTLS_REJECTED }, { "354 go\r\n", FAIL_STARTTLS_REJECTED },
		{ "421 busy\r\n", FAIL_STARTTLS_REJECTED },
		{ "454 no\r\n", FAIL_STARTTLS_REJECTED }, { "500 no\r\n", FAIL_STARTTLS_REJECTED },
		{ "501 no\r\n", FAIL_STARTTLS_REJECTED }, { "530 no\r\n", FAIL_STARTTLS_REJECTED },
		{ "", FAIL_EOF }, { "22", FAIL_EOF }, { "nonsense\r\n", FAIL_REPLY_SYNTAX },
		{ "220 go\r\n250-EVIL\r\n", FAIL_RESPONSE_INJECTION },
		{ "220 go\r\n250-EV", FAIL_RESPONSE_INJECTION },
		{ "220 go\r\n", FAIL_TLS_HANDSHAKE } };
	struct tls_client_options options = { 0 };
	struct fail why;

	tls_init();
	struct tls_ctx *ctx = tls_ctx_client(&options, &why);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_client client;
		struct tls *failed = NULL;
		size_t post;
		char wire[4096];
		TEST_ROW("%s", rows[i].reply);
		scripted(&client, rows[i].reply);
		fail_clear(&why);
		CHECK_INT(smtp_starttls(&client, ctx, NULL, KEY_ANY, &post, &failed,
			      clock_deadline(1000), &why),
		    -1);
		if (rows[i].code == FAIL_TLS_HANDSHAKE)
			CHECK(why.code == FAIL_TLS_HANDSHAKE || why.code == FAIL_EOF);
		else
			CHECK_INT(why.code, rows[i].code);
		CHECK_INT(post > 0, rows[i].code == FAIL_RESPONSE_INJECTION);
		/* after a 220 the plain stream is gone; with bytes behind it not even a ClientHello was sent */
		bool after_220 = strncmp(rows[i].reply, "220", 3) == 0;
		CHECK_INT(client.conn == NULL, after_220);
		tls_free(failed);
		smtp_client_fini(&client);
		ssize_t sent = read(server_fd, wire, sizeof(wire));
		CHECK_INT(sent > 10, rows[i].code == FAIL_TLS_HANDSHAKE);
		close(server_fd);
	}
	tls_ctx_free(ctx);
}

TEST(a_reply_ahead_of_its_command_is_noticed)
{
	struct smtp_client client;
	struct fail why;

	scripted(&client, "220 mx\r\n250-mx\r\n250 STARTTLS\r\n");
	CHECK_INT(smtp_greeting(&client, clock_deadline(1000), &why), 0);
	CHECK_INT(smtp_ehlo(&client, "x", clock_deadline(1000), &why), -1);
	CHECK_INT(why.code, FAIL_REPLY_SYNTAX);
	smtp_client_fini(&client);
	close(server_fd);
}

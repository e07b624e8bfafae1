#include "app/store/lmtp.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/store/tempfile.h"
#include "base/buf.h"
#include "base/clock.h"
#include "scratch.h"
#include "test.h"

#define WAIT_MS 20000

/* A store in a child process: it says the words of a script, and keeps all that it hears in a file. */
struct store {
	pid_t pid;
	const char *path, *heard;
};

static void
say(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, text, n);
		if (done <= 0)
			_exit(3);
		text += done;
		n -= (size_t)done;
	}
}

/* Hear one line, or with text all up to the final dot. */
static void
hear(int fd, int log, bool text)
{
	char line[4096];
	size_t n = 0;

	for (;;) {
		char c;
		if (read(fd, &c, 1) != 1)
			_exit(4);
		if (n + 1 < sizeof(line))
			line[n++] = c;
		if (c != '\n')
			continue;
		say(log, line, n);
		if (!text || (n == 3 && line[0] == '.'))
			return;
		n = 0;
	}
}

/* script: replies, one for each line heard, after a greeting; "text" hears a message; "close" ends. */
static void
serve(int listener, int log, const char *script)
{
	int fd = accept(listener, NULL, NULL);

	alarm(WAIT_MS / 1000);
	for (const char *at = script; *at != '\0';) {
		size_t n = strcspn(at, "|");
		if (n == 4 && strncmp(at, "text", 4) == 0) {
			hear(fd, log, true);
		} else if (n == 5 && strncmp(at, "close", 5) == 0) {
			close(fd);
			_exit(0);
		} else {
			say(fd, at, n);
			say(fd, "\r\n", 2);
			/* a reply that goes on, or another one to the same text */
			bool more = at[3] == '-' || at[n] == '\0' || at[n + 1] == '+';
			if (!more && strncmp(at + n + 1, "text", 4) != 0)
				hear(fd, log, false);
		}
		at += n + (at[n] == '|');
		at += *at == '+';
	}
	_exit(0);
}

static void
store_start(struct store *s, const struct scratch *dir, const char *script)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	s->path = scratch_path(dir, "lmtp");
	s->heard = scratch_path(dir, "heard");
	unlink(s->path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
	CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_INT(listen(fd, 1), 0);
	int log = open(s->heard, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	s->pid = fork();
	if (s->pid == 0)
		serve(fd, log, script);
	close(fd);
	close(log);
}

static void
store_end(struct store *s)
{
	int status = 0;

	CHECK_INT(waitpid(s->pid, &status, 0), s->pid);
	CHECK(WIFEXITED(status));
}

static struct message
message_of(const char *text)
{
	struct message m = { .sender = "a@x.test" };
	struct fail why;

	arena_init(&m.arena);
	CHECK_INT(tempfile_open(&m.text, 1000000, &why), 0);
	CHECK_INT(tempfile_write(&m.text, slice_str(text), &why), 0);
	return m;
}

/* "done 2.1.5" or "FAILURE 4.2.2" of each recipient. */
static const char *
outcomes(const struct lmtp_rcpt *r, size_t n)
{
	static struct buf out;

	buf_free(&out);
	buf_init(&out, 4000);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s%s %s", i > 0 ? ", " : "",
		    r[i].done ? "done" : fail_info(r[i].why.code)->token, r[i].enhanced);
	return buf_str(&out);
}

/* RFC 2033 s4.2: after the text a reply for each recipient that was accepted, in their order. */
TEST(each_recipient_has_its_own_answer)
{
	static const struct {
		const char *script, *want;
	} rows[] = {
		{ "220 x|250-x|250 8BITMIME|250 ok|250 a|250 b|354 go|text|250 2.0.0 a|+250 2.0.1 "
		  "b|221 bye",
		    "done 2.0.0, done 2.0.1" },
		{ "220 x|250 x|250 ok|550 5.1.1 who|250 b|354 go|text|250 2.0.0 b|221 bye",
		    "policy-rejection 5.1.1, done 2.0.0" },
		{ "220 x|250 x|250 ok|250 a|250 b|354 go|text|452 4.2.2 full|+250 ok|221 bye",
		    "temporary-rejection 4.2.2, done " },
		{ "220 x|250 x|250 ok|250 a|250 b|354 go|text|250 2.0.0 a|+554 5.2.0 no|221 bye",
		    "done 2.0.0, policy-rejection 5.2.0" },
		/* nobody is left: no DATA */
		{ "220 x|250 x|250 ok|452 4.2.1 a|550 b|221 bye",
		    "temporary-rejection 4.2.1, policy-rejection " },
		/* refused as a whole: LHLO, MAIL, DATA */
		{ "220 x|500 what", "policy-rejection , policy-rejection " },
		{ "220 x|250 x|451 4.3.0 later", "temporary-rejection , temporary-rejection " },
		{ "220 x|250 x|250 ok|250 a|250 b|554 5.5.1 no",
		    "policy-rejection , policy-rejection " },
		{ "421 busy", "temporary-rejection , temporary-rejection " },
		/* cut: what has its answer keeps it */
		{ "220 x|250 x|250 ok|250 a|250 b|354 go|text|250 2.0.0 a|+close",
		    "done 2.0.0, connection-closed " },
		{ "220 x|250 x|250 ok|550 5.1.1 a|close",
		    "policy-rejection 5.1.1, connection-closed " },
		{ "220 x|close", "connection-closed , connection-closed " },
		{ "220 x|nonsense", "reply-syntax , reply-syntax " },
	};
	struct scratch dir;
	struct message m = message_of("Subject: x\r\n\r\n.dot\r\nend\r\n");

	scratch_begin(&dir);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lmtp_rcpt r[2] = { { .mailbox = "a@h.test" }, { .mailbox = "b@h.test" } };
		struct lmtp_target target;
		struct store store;
		TEST_ROW("%zu %s", i, rows[i].script);
		store_start(&store, &dir, rows[i].script);
		CHECK_INT(lmtp_target_parse(store.path, &target, NULL), 0);
		lmtp_deliver(&target, "host.test", &m, r, 2, WAIT_MS, clock_deadline(WAIT_MS));
		store_end(&store);
		CHECK_STR(outcomes(r, 2), rows[i].want);
	}
	scratch_end(&dir);
	message_fini(&m);
}

TEST(the_dialogue_as_it_is_heard)
{
	struct scratch dir;
	struct message m = message_of("Subject: x\r\n\r\n.dot\r\n\xc3\xbc\r\n");
	struct lmtp_rcpt r = { .mailbox = "a@h.test" };
	struct lmtp_target target;
	struct store store;

	scratch_begin(&dir);
	m.has_8bit = true;
	m.sender = "";
	store_start(&store, &dir,
	    "220 x|250-x|250-SIZE 10|250 8BITMIME|250 ok|250 a|354 go|text|250 2.0.0 a|221 bye");
	CHECK_INT(lmtp_target_parse(store.path, &target, NULL), 0);
	lmtp_deliver(&target, "host.test", &m, &r, 1, WAIT_MS, clock_deadline(WAIT_MS));
	store_end(&store);
	CHECK(r.done);
	CHECK_STR(r.reply, "250 2.0.0 a");
	CHECK_STR(scratch_read(&dir, "heard"),
	    "LHLO host.test\r\nMAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<a@h.test>\r\nDATA\r\n"
	    "Subject: x\r\n\r\n..dot\r\n\xc3\xbc\r\n.\r\nQUIT\r\n");
	scratch_end(&dir);
	message_fini(&m);
}

/* RFC 6531 s3.4, RFC 6152: each where it is offered and needed, by whatever */
TEST(MAIL_asks_for_8BITMIME_and_SMTPUTF8_where_they_are_offered_and_needed)
{
	static const struct {
		const char *ehlo, *sender, *rcpt;
		bool has_8bit, header_utf8;
		const char *want;
	} rows[] = {
		{ "250-x|250-8BITMIME|250 SMTPUTF8", "a@x.test", "b@h.test", false, false, "" },
		{ "250-x|250-8BITMIME|250 SMTPUTF8", "a@x.test", "b@h.test", true, false,
		    " BODY=8BITMIME" },
		{ "250-x|250-8BITMIME|250 SMTPUTF8", "a@x.test", "b@h.test", true, true,
		    " BODY=8BITMIME SMTPUTF8" },
		{ "250-x|250-8BITMIME|250 SMTPUTF8", "\xc3\xbc@x.test", "b@h.test", false, false,
		    " SMTPUTF8" },
		{ "250-x|250 SMTPUTF8", "", "\xc3\xbc@h.test", true, false, " SMTPUTF8" },
		{ "250 x", "\xc3\xbc@x.test", "\xc3\xbc@h.test", true, true, "" },
	};
	struct scratch dir;
	struct message m = message_of("Subject: x\r\n\r\n");

	scratch_begin(&dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lmtp_rcpt r = { .mailbox = rows[i].rcpt };
		struct lmtp_target target;
		struct store store;
		char script[200], want[200];
		TEST_ROW("%zu", i);
		m.sender = rows[i].sender;
		m.has_8bit = rows[i].has_8bit;
		m.sender_utf8 = rows[i].header_utf8;
		snprintf(script, sizeof(script), "220 x|%s|250 ok|250 a|354 go|text|250 a|221 bye",
		    rows[i].ehlo);
		store_start(&store, &dir, script);
		CHECK_INT(lmtp_target_parse(store.path, &target, NULL), 0);
		lmtp_deliver(&target, "h", &m, &r, 1, WAIT_MS, clock_deadline(WAIT_MS));
		store_end(&store);
		CHECK(r.done);
		snprintf(
		    want, sizeof(want), "\nMAIL FROM:<%s>%s\r\n", rows[i].sender, rows[i].want);
		CHECK(strstr(scratch_read(&dir, "heard"), want) != NULL);
	}
	scratch_end(&dir);
	message_fini(&m);
}

TEST(nobody_listens_or_nobody_answers)
{
	struct scratch dir;
	struct message m = message_of("\r\n");
	struct lmtp_rcpt r = { .mailbox = "a@h.test" };
	struct lmtp_target target;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	scratch_begin(&dir);
	CHECK_INT(lmtp_target_parse(scratch_path(&dir, "none"), &target, NULL), 0);
	lmtp_deliver(&target, "h", &m, &r, 1, WAIT_MS, clock_deadline(WAIT_MS));
	CHECK(!r.done && fail_is_temporary(&r.why));
	/* a listener that never accepts: the deadline ends it */
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", scratch_path(&dir, "deaf"));
	CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_INT(listen(fd, 1), 0);
	CHECK_INT(lmtp_target_parse(addr.sun_path, &target, NULL), 0);
	lmtp_deliver(&target, "h", &m, &r, 1, WAIT_MS, clock_deadline(100));
	CHECK(!r.done);
	CHECK_INT(r.why.code, FAIL_TIMEOUT);
	close(fd);
	scratch_end(&dir);
	message_fini(&m);
}

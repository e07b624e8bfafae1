/*
 * One line to a server, in each state of a session: before EHLO, after it, in a transaction, with a recipient; and as
 * the parameters of MAIL and RCPT. The transport is memory (two pipes). Whatever the line is: it has exactly one
 * reply, of the right form and without a byte that could end it early; the session goes on unless that reply says that it
 * does not; DATA begins only where it may; and what the session takes from parameters is valid.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MESSAGE 2000

static bool with_tls; /* pretended in half of the inputs: REQUIRETLS is known then */

static void
check_session(const struct smtp_session *session)
{
	if (session->declared_bytes < 0 || session->declared_bytes > MAX_MESSAGE ||
	    session->dsn_n != session->recipients_n || !session->mail || session->requiretls)
		abort();
	if (session->envid != NULL && !smtp_envid_valid(slice_str(session->envid)))
		abort();
	for (size_t i = 0; i < session->dsn_n; i++)
		if (session->dsn[i].orcpt != NULL &&
		    !smtp_orcpt_valid(slice_str(session->dsn[i].orcpt)))
			abort();
}

static int
fuzz_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	(void)app;
	(void)why;
	check_session(session);
	if (path->utf8 && !session->smtputf8)
		abort();
	return path->local.n % 2 != 0 ? 0 : fail_set(why, FAIL_NXDOMAIN, NULL);
}

static int
fuzz_begin(void *app, const struct smtp_session *session, struct fail *why)
{
	(void)why;
	check_session(session);
	if (session->recipients_n == 0)
		abort();
	++*(int *)app;
	return 0;
}

static int
fuzz_text(void *app, struct slice text, struct fail *why)
{
	(void)app;
	(void)text;
	(void)why;
	return 0;
}

/* No text here has an end. */
static int
fuzz_end(
    void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	(void)app;
	(void)session;
	(void)note_r;
	(void)deadline;
	(void)why;
	abort();
}

static void
fuzz_abort(void *app)
{
	--*(int *)app;
}

/* The codes of the replies; each must have its form. */
static size_t
codes_of(const char *out, size_t n, int codes[16])
{
	size_t count = 0, line = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)out[i];
		if (c == '\r' && i + 1 < n && out[i + 1] == '\n')
			continue;
		if (c != '\n') {
			if (c < ' ' || c == 0x7f)
				abort();
			continue;
		}
		const char *p = out + line;
		if (i < line + 5 || out[i - 1] != '\r' || p[0] < '2' || p[0] > '5' ||
		    !isdigit((unsigned char)p[1]) || !isdigit((unsigned char)p[2]) ||
		    (p[3] != ' ' && p[3] != '-') || count == 16)
			abort();
		if (p[3] == ' ')
			codes[count++] = (p[0] - '0') * 100 + (p[1] - '0') * 10 + p[2] - '0';
		line = i + 1;
	}
	if (line != n)
		abort();
	return count;
}

/* A session of these bytes, in memory. */
static size_t
session(const char *in, size_t n, int codes[16])
{
	static const struct smtp_server_ops ops = { .rcpt = fuzz_rcpt,
		.begin = fuzz_begin,
		.text = fuzz_text,
		.end = fuzz_end,
		.abort = fuzz_abort };
	static char out[65536];
	struct smtp_server_config config;
	int input[2], output[2], open_messages = 0;

	if (pipe2(input, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0 || write(input[1], in, n) != (ssize_t)n)
		abort();
	close(input[1]);
	smtp_server_config_init(&config);
	config.max_message_bytes = MAX_MESSAGE;
	config.ops = &ops;
	config.dsn = true;
	config.requiretls = with_tls; /* never announced in clear, so never known */
	smtp_server_run(conn_plain_pair(input[0], output[1]), &config, NULL, &open_messages, NULL);
	ssize_t got = read(output[0], out, sizeof(out));
	close(output[0]);
	if (open_messages != 0)
		abort();
	return codes_of(out, got > 0 ? (size_t)got : 0, codes);
}

/* before has its replies; then the line, with head in front of it; then NOOP and QUIT. */
static void
try_line(const char *before, size_t replies, const char *head, struct slice line, bool data_may)
{
	static const char after[] = "\r\nNOOP\r\nQUIT\r\n";
	static char in[8192];
	int codes[16];
	size_t n = strlen(before);

	memcpy(in, before, n);
	memcpy(in + n, head, strlen(head));
	n += strlen(head);
	memcpy(in + n, line.p, line.n);
	n += line.n;
	memcpy(in + n, after, sizeof(after) - 1);
	size_t count = session(in, n + sizeof(after) - 1, codes);
	/* greeting and what came before */
	if (count <= replies || codes[0] != 220)
		abort();
	int code = codes[replies];
	if (code == 354 && (!data_may || count != replies + 1))
		abort();
	/* over, or both of the others are answered */
	if (code != 354 && count != replies + 1 &&
	    (count != replies + 3 || codes[replies + 1] != 250 || codes[replies + 2] != 221))
		abort();
	if (count == replies + 1 && code != 354 && code != 221 && code != 421 && code != 500 &&
	    code != 502 && code != 521)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char line[3000];

	if (size > sizeof(line))
		size = sizeof(line);
	with_tls = size % 2 != 0;
	/* one line: what ends it is added */
	for (size_t i = 0; i < size; i++)
		line[i] = (char)(data[i] == '\r' || data[i] == '\n' ? ' ' : data[i]);
	struct slice s = slice_make(line, size);
	try_line("", 1, "", s, false);
	try_line("EHLO c.example\r\n", 2, "", s, false);
	try_line("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n", 3, "", s, false);
	try_line("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<abc@d.example>\r\n", 4, "",
	    s, true);
	try_line("EHLO c.example\r\n", 2, "MAIL FROM:<a@b.example> ", s, false);
	try_line("EHLO c.example\r\nMAIL FROM:<a@b.example> SMTPUTF8\r\n", 3,
	    "RCPT TO:<abc@d.example> ", s, false);
	return 0;
}

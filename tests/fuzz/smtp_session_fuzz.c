/*
 * A whole server session on the input, over pipes. Whatever the bytes are: every message that was
 * begun is ended or aborted exactly once, and text is only seen between.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int open_messages;

static int
fuzz_rcpt(
    void *app, const struct smtp_session *session, const struct smtp_path *path, struct fail *why)
{
	(void)app;
	(void)session;
	return path->local.n % 2 == 0 ? 0 : fail_set(why, FAIL_NXDOMAIN, NULL);
}

static int
fuzz_begin(void *app, const struct smtp_session *session, struct fail *why)
{
	(void)app;
	(void)why;
	if (++open_messages != 1 || session->recipients_n == 0 || session->helo[0] == '\0' ||
	    session->dsn_n != session->recipients_n)
		abort();
	for (size_t i = 0; i < session->dsn_n; i++)
		if (session->dsn[i].orcpt != NULL &&
		    !smtp_orcpt_valid(slice_str(session->dsn[i].orcpt)))
			abort();
	return 0;
}

static int
fuzz_text(void *app, struct slice text, struct fail *why)
{
	(void)app;
	(void)why;
	if (open_messages != 1)
		abort();
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\0')
			abort();
	return 0;
}

static int
fuzz_end(
    void *app, const struct smtp_session *session, char *note_r, int64_t deadline, struct fail *why)
{
	(void)app;
	(void)session;
	(void)note_r;
	(void)deadline;
	(void)why;
	if (--open_messages != 0)
		abort();
	return 0;
}

static void
fuzz_abort(void *app)
{
	(void)app;
	if (--open_messages != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct smtp_server_ops ops = { .rcpt = fuzz_rcpt,
		.begin = fuzz_begin,
		.text = fuzz_text,
		.end = fuzz_end,
		.abort = fuzz_abort };
	struct smtp_server_config config;
	int input[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (size > 60000)
		size = 60000; /* what a pipe holds */
	if (null < 0 || pipe2(input, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    write(input[1], data, size) != (ssize_t)size)
		abort();
	close(input[1]);
	smtp_server_config_init(&config);
	config.max_message_bytes = 2000;
	config.ops = &ops;
	config.dsn = true;
	smtp_server_run(conn_plain_pair(input[0], null), &config, NULL, NULL, NULL);
	if (open_messages != 0)
		abort();
	return 0;
}

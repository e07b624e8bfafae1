/*
 * A group of commands (RFC 2920) whose replies are the input: every answer fits its command, a "no" has a code, and
 * what is astray or broken has none.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "smtp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1 yes, 0 no, -1 the session is over. */
static int
answer(struct smtp_client *client, enum smtp_step step)
{
	struct fail why;
	int ret = smtp_group_reply(client, step, clock_deadline(1000), &why);
	int code = client->reply.code;

	if (ret == 0) {
		if (step == SMTP_STEP_DATA ? code != 354 : code != 250 && code != 251)
			abort();
		return 1;
	}
	if (why.smtp_code == 0)
		return -1;
	if (why.smtp_code != code || code < 200 || code > 599 || (code >= 300 && code < 400) ||
	    (step == SMTP_STEP_DATA && code < 400))
		abort();
	return code == 421 ? -1 : 0;
}

static void
dialogue(struct smtp_client *client)
{
	static const enum smtp_step steps[] = { SMTP_STEP_MAIL, SMTP_STEP_RCPT, SMTP_STEP_RCPT,
		SMTP_STEP_DATA };
	int64_t deadline = clock_deadline(1000);
	int got = 0;
	struct fail why;

	if (smtp_mail_put(client, "a@x.test", "", deadline, &why) != 0 ||
	    smtp_rcpt_put(client, "b@x.test", "", deadline, &why) != 0 ||
	    smtp_rcpt_put(client, "c@x.test", "", deadline, &why) != 0 ||
	    smtp_data_put(client, deadline, &why) != 0 || smtp_group_full(client) ||
	    smtp_group_send(client, deadline, &why) != 0)
		abort(); /* nothing was read yet */
	for (size_t i = 0; i < 4 && got >= 0; i++)
		got = answer(client, steps[i]);
	if (got > 0)
		smtp_data_nothing(client, deadline, &why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_client client;
	int input[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (size > 60000)
		size = 60000; /* what a pipe holds */
	if (null < 0 || pipe2(input, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    write(input[1], data, size) != (ssize_t)size)
		abort();
	close(input[1]);
	smtp_client_init(&client, conn_plain_pair(input[0], null), NULL, NULL);
	dialogue(&client);
	smtp_client_fini(&client);
	return 0;
}

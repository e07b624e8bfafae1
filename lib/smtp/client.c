#include "smtp/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "smtp/starttls.h"

void
smtp_client_init(
    struct smtp_client *client, struct conn *conn, conn_trace_fn *trace, void *trace_ctx)
{
	memset(client, 0, sizeof(*client));
	client->conn = conn;
	client->trace = trace;
	client->trace_ctx = trace_ctx;
	conn_set_trace(conn, trace, trace_ctx);
	smtp_reply_init(&client->reply);
}

void
smtp_client_fini(struct smtp_client *client)
{
	conn_close(client->conn);
	client->conn = NULL;
	smtp_reply_free(&client->reply);
}

static bool
has_control(const char *line)
{
	for (; *line != '\0'; line++)
		if ((unsigned char)*line < 0x20 || *line == 0x7f)
			return true;
	return false;
}

static int put_va(struct smtp_client *client, int64_t deadline, struct fail *why, const char *fmt,
    va_list ap) __attribute__((format(printf, 4, 0)));

static int
put_va(struct smtp_client *client, int64_t deadline, struct fail *why, const char *fmt, va_list ap)
{
	char line[LIMIT_COMMAND_ARG_BYTES + 3];
	int n = vsnprintf(line, LIMIT_COMMAND_ARG_BYTES + 1, fmt, ap);

	client->reply_ms = 0;
	if (n < 0 || n > LIMIT_COMMAND_ARG_BYTES)
		return fail_set(why, FAIL_COMMAND_BYTES, "an SMTP command of more than %d bytes",
		    LIMIT_COMMAND_ARG_BYTES);
	if (has_control(line))
		return fail_set(
		    why, FAIL_COMMAND_BYTES, "control character in the SMTP command '%s'", line);
	if (client->conn == NULL)
		return fail_set(why, FAIL_EOF, NULL);
	if (!client->pipelining && conn_has_unread(client->conn))
		return fail_set(
		    why, FAIL_REPLY_SYNTAX, "the server sent a reply before '%s'", line);
	memcpy(line + n, "\r\n", 2);
	client->group_bytes += (size_t)n + 2;
	return conn_write(client->conn, line, (size_t)n + 2, deadline, why);
}

/* The line, not sent yet. */
static int put(struct smtp_client *client, int64_t deadline, struct fail *why, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int
put(struct smtp_client *client, int64_t deadline, struct fail *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int ret = put_va(client, deadline, why, fmt, ap);
	va_end(ap);
	return ret;
}

int
smtp_group_send(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	client->group_bytes = 0;
	if (client->conn == NULL)
		return fail_set(why, FAIL_EOF, NULL);
	return conn_flush(client->conn, deadline, why);
}

int
smtp_cmd(struct smtp_client *client, int64_t deadline, struct fail *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int ret = put_va(client, deadline, why, fmt, ap);
	va_end(ap);
	return ret == 0 ? smtp_group_send(client, deadline, why) : -1;
}

/* Read the reply to what; 0 when its code is from..to. */
static int
expect(struct smtp_client *client, int from, int to, const char *what, int64_t deadline,
    struct fail *why)
{
	if (smtp_reply_read(client->conn, &client->reply, deadline, why) != 0)
		return fail_prefix(why, "%s", what);
	client->reply_ms = clock_ms();
	if (client->reply.code < from || client->reply.code > to)
		return smtp_reply_fail(&client->reply, what, why);
	return 0;
}

int
smtp_greeting(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	return expect(client, 220, 220, "greeting", deadline, why);
}

int
smtp_ehlo(struct smtp_client *client, const char *name, int64_t deadline, struct fail *why)
{
	memset(&client->ehlo, 0, sizeof(client->ehlo));
	if (smtp_cmd(client, deadline, why, "EHLO %s", name) != 0 ||
	    expect(client, 250, 250, "EHLO", deadline, why) != 0)
		return -1;
	ehlo_parse(&client->reply, &client->ehlo);
	return 0;
}

bool
smtp_ehlo_unsupported(int code)
{
	return code == 500 || code == 501 || code == 502 || code == 504 || code == 550;
}

int
smtp_helo(struct smtp_client *client, const char *name, int64_t deadline, struct fail *why)
{
	memset(&client->ehlo, 0, sizeof(client->ehlo));
	if (smtp_cmd(client, deadline, why, "HELO %s", name) != 0 ||
	    expect(client, 250, 250, "HELO", deadline, why) != 0)
		return -1;
	client->ehlo.known = true;
	return 0;
}

/* STARTTLS and its 220. */
static int
starttls_command(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (smtp_cmd(client, deadline, why, "STARTTLS") != 0)
		return -1;
	if (smtp_reply_read(client->conn, &client->reply, deadline, why) != 0)
		return fail_prefix(why, "STARTTLS");
	client->reply_ms = clock_ms();
	if (client->reply.code != 220) {
		smtp_reply_fail(&client->reply, "STARTTLS", why);
		if (why != NULL)
			why->code = FAIL_STARTTLS_REJECTED;
		return -1;
	}
	/* RFC 3207 s4.2: knowledge from before the handshake is discarded */
	memset(&client->ehlo, 0, sizeof(client->ehlo));
	return 0;
}

int
smtp_starttls_raw(
    struct smtp_client *client, size_t *post_220_bytes_r, int64_t deadline, struct fail *why)
{
	*post_220_bytes_r = 0;
	if (starttls_command(client, deadline, why) != 0)
		return -1;
	return starttls_client_raw(&client->conn, post_220_bytes_r, why);
}

int
smtp_starttls(struct smtp_client *client, struct tls_ctx *ctx, const char *server_name,
    enum key_type keys, size_t *post_220_bytes_r, struct tls **failed_tls_r, int64_t deadline,
    struct fail *why)
{
	*post_220_bytes_r = 0;
	*failed_tls_r = NULL;
	if (starttls_command(client, deadline, why) != 0)
		return -1;
	if (starttls_client(&client->conn, ctx, server_name, keys, post_220_bytes_r, failed_tls_r,
		deadline, why) != 0)
		return -1;
	conn_set_trace(client->conn, client->trace, client->trace_ctx);
	return 0;
}

int
smtp_mail(struct smtp_client *client, const char *path, const char *params, int64_t deadline,
    struct fail *why)
{
	if (smtp_cmd(client, deadline, why, "MAIL FROM:<%s>%s", path, params) != 0)
		return -1;
	return expect(client, 250, 250, "MAIL", deadline, why);
}

int
smtp_rcpt(struct smtp_client *client, const char *path, const char *params, int64_t deadline,
    struct fail *why)
{
	if (smtp_cmd(client, deadline, why, "RCPT TO:<%s>%s", path, params) != 0)
		return -1;
	return expect(client, 250, 251, "RCPT", deadline, why);
}

int
smtp_data(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (smtp_cmd(client, deadline, why, "DATA") != 0 ||
	    expect(client, 354, 354, "DATA", deadline, why) != 0)
		return -1;
	/* a transcript shows the dialogue, not the message */
	conn_set_trace(client->conn, NULL, NULL);
	return 0;
}

/* --- a group (RFC 2920) --------------------------------------------------------------------------- */

int
smtp_mail_put(struct smtp_client *client, const char *path, const char *params, int64_t deadline,
    struct fail *why)
{
	return put(client, deadline, why, "MAIL FROM:<%s>%s", path, params);
}

int
smtp_rcpt_put(struct smtp_client *client, const char *path, const char *params, int64_t deadline,
    struct fail *why)
{
	return put(client, deadline, why, "RCPT TO:<%s>%s", path, params);
}

int
smtp_data_put(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	return put(client, deadline, why, "DATA");
}

bool
smtp_group_full(const struct smtp_client *client)
{
	return client->group_bytes >= LIMIT_GROUP_BYTES;
}

enum smtp_answer
smtp_answer(enum smtp_step step, int code)
{
	if (code >= 400)
		return SMTP_ANSWER_NO;
	if (step == SMTP_STEP_DATA)
		return code == 354 ? SMTP_ANSWER_YES : SMTP_ANSWER_ASTRAY;
	if (code >= 300)
		return SMTP_ANSWER_ASTRAY;
	return code == 250 || (code == 251 && step == SMTP_STEP_RCPT) ? SMTP_ANSWER_YES
								      : SMTP_ANSWER_NO;
}

int
smtp_group_reply(
    struct smtp_client *client, enum smtp_step step, int64_t deadline, struct fail *why)
{
	static const char *const names[] = { "MAIL", "RCPT", "DATA" };

	if (smtp_reply_read(client->conn, &client->reply, deadline, why) != 0)
		return fail_prefix(why, "%s", names[step]);
	client->reply_ms = clock_ms();
	switch (smtp_answer(step, client->reply.code)) {
	case SMTP_ANSWER_YES:
		/* a transcript shows the dialogue, not the message */
		if (step == SMTP_STEP_DATA)
			conn_set_trace(client->conn, NULL, NULL);
		return 0;
	case SMTP_ANSWER_NO:
		return smtp_reply_fail(&client->reply, names[step], why);
	case SMTP_ANSWER_ASTRAY:
		break;
	}
	smtp_reply_fail(&client->reply, names[step], why);
	if (why != NULL) {
		why->code = FAIL_REPLY_SYNTAX;
		why->smtp_code = 0;
	}
	return fail_prefix(why, "a reply that is not to");
}

int
smtp_data_nothing(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	conn_set_trace(client->conn, client->trace, client->trace_ctx);
	if (smtp_cmd(client, deadline, why, ".") != 0 ||
	    smtp_reply_read(client->conn, &client->reply, deadline, why) != 0)
		return fail_prefix(why, "message");
	client->reply_ms = clock_ms();
	return 0;
}

/* --- message text --------------------------------------------------------------------------------- */

int
smtp_data_write(
    struct smtp_client *client, const void *data, size_t n, int64_t deadline, struct fail *why)
{
	return conn_write(client->conn, data, n, deadline, why);
}

int
smtp_data_interrupted(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (!conn_poll_line(client->conn))
		return 0;
	conn_set_trace(client->conn, client->trace, client->trace_ctx);
	int ret = smtp_reply_read(client->conn, &client->reply, deadline, why);
	if (ret == 0) {
		client->reply_ms = clock_ms();
		smtp_reply_fail(&client->reply, "message text", why);
	}
	conn_close(client->conn);
	client->conn = NULL;
	return -1;
}

int
smtp_data_reply(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (conn_flush(client->conn, deadline, why) != 0)
		return fail_prefix(why, "message text");
	conn_set_trace(client->conn, client->trace, client->trace_ctx);
	return expect(client, 200, 299, "message", deadline, why);
}

int
smtp_rset(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (smtp_cmd(client, deadline, why, "RSET") != 0)
		return -1;
	return expect(client, 250, 250, "RSET", deadline, why);
}

int
smtp_quit(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	int ret;

	if (client->conn == NULL)
		return fail_set(why, FAIL_EOF, NULL);
	ret = smtp_cmd(client, deadline, why, "QUIT");
	if (ret == 0)
		ret = expect(client, 221, 221, "QUIT", deadline, why);
	conn_close(client->conn);
	client->conn = NULL;
	return ret;
}

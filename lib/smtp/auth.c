#include "smtp/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define COMMAND_LINE_BYTES 510 /* RFC 5321 s4.5.3.1.4, without CRLF */

/* Best first: a token is worth less to a thief than a password; OAUTHBEARER is the standard of both. */
static const struct {
	unsigned bit;
	const char *word;
} mechanisms[] = { { AUTH_OAUTHBEARER, "OAUTHBEARER" }, { AUTH_XOAUTH2, "XOAUTH2" },
	{ AUTH_PLAIN, "PLAIN" }, { AUTH_LOGIN, "LOGIN" } };
#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

const char *
auth_mechanism_str(unsigned mechanism)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (mechanisms[i].bit == mechanism)
			return mechanisms[i].word;
	return "";
}

unsigned
auth_mechanism_parse(struct slice word)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (slice_is_case(word, mechanisms[i].word))
			return mechanisms[i].bit;
	return 0;
}

unsigned
auth_choose(const struct auth_identity *identity, unsigned offered)
{
	unsigned usable = offered & identity->mechanisms &
			  (identity->token ? AUTH_TOKEN : AUTH_ALL & ~AUTH_TOKEN);

	for (size_t i = 0; i < MECHANISMS; i++)
		if ((usable & mechanisms[i].bit) != 0)
			return mechanisms[i].bit;
	return 0;
}

/* RFC 5801 s4: what would end the name in a GS2 header. */
static void
put_saslname(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++)
		if (*name == ',')
			buf_puts(out, "=2C");
		else if (*name == '=')
			buf_puts(out, "=3D");
		else
			buf_putc(out, *name);
}

void
auth_response(unsigned mechanism, const struct auth_identity *identity, struct buf *out)
{
	switch (mechanism) {
	case AUTH_PLAIN: /* RFC 4616 s2: no authorization identity */
		buf_putc(out, '\0');
		buf_puts(out, identity->user);
		buf_putc(out, '\0');
		buf_puts(out, identity->secret);
		break;
	case AUTH_XOAUTH2:
		buf_printf(out, "user=%s\001auth=Bearer ", identity->user);
		buf_puts(out, identity->secret);
		buf_puts(out, "\001\001");
		break;
	case AUTH_OAUTHBEARER: /* RFC 7628 s3.1 */
		buf_puts(out, "n,a=");
		put_saslname(out, identity->user);
		buf_printf(out, ",\001host=%s\001port=%u\001auth=Bearer ", identity->host,
		    (unsigned)identity->port);
		buf_puts(out, identity->secret);
		buf_puts(out, "\001\001");
		break;
	default:
		break;
	}
}

/* --- the dialogue ---------------------------------------------------------------------------------- */

/* Write a line whose secret part the transcript does not show. */
static int
write_secret(struct smtp_client *client, const char *shown, struct slice secret, int64_t deadline,
    struct fail *why)
{
	struct conn *conn = client->conn;
	char line[64];

	client->reply_ms = 0;
	conn_set_trace(conn, NULL, NULL);
	int ret = conn_write(conn, shown, strlen(shown), deadline, why);
	if (ret == 0)
		ret = conn_write(conn, secret.p, secret.n, deadline, why);
	if (ret == 0)
		ret = conn_write(conn, "\r\n", 2, deadline, why);
	conn_set_trace(conn, client->trace, client->trace_ctx);
	snprintf(line, sizeof(line), "%s[hidden]", shown);
	if (client->trace != NULL)
		client->trace(client->trace_ctx, true, slice_str(line));
	return ret == 0 ? conn_flush(conn, deadline, why) : -1;
}

static int
read_reply(struct smtp_client *client, int64_t deadline, struct fail *why)
{
	if (smtp_reply_read(client->conn, &client->reply, deadline, why) != 0)
		return fail_prefix(why, "AUTH");
	client->reply_ms = clock_ms();
	return 0;
}

static int
write_encoded(struct smtp_client *client, const char *shown, struct slice plain, int64_t deadline,
    struct fail *why)
{
	struct buf line;

	buf_init(&line, LIMIT_SECRET_BYTES * 2);
	text_base64(plain, &line);
	int ret = line.full
		      ? fail_set(why, FAIL_AUTH, "the credentials are too long")
		      : write_secret(client, shown, slice_make(line.data, line.len), deadline, why);
	buf_wipe(&line);
	if (ret != 0)
		return -1;
	return read_reply(client, deadline, why);
}

/* The server wants more: XOAUTH2 and OAUTHBEARER tell an error in a challenge, which is acknowledged. */
static int
answer_error(struct smtp_client *client, unsigned mechanism, int64_t deadline, struct fail *why)
{
	const char *empty = mechanism == AUTH_OAUTHBEARER ? "AQ==" : "";

	if (smtp_cmd(client, deadline, why, "%s", empty) != 0)
		return -1;
	return read_reply(client, deadline, why);
}

static int
auth_login(struct smtp_client *client, const struct auth_identity *identity, int64_t deadline,
    struct fail *why)
{
	if (smtp_cmd(client, deadline, why, "AUTH LOGIN") != 0 ||
	    read_reply(client, deadline, why) != 0)
		return -1;
	if (client->reply.code == 334 &&
	    write_encoded(client, "", slice_str(identity->user), deadline, why) != 0)
		return -1;
	if (client->reply.code == 334 &&
	    write_encoded(client, "", slice_str(identity->secret), deadline, why) != 0)
		return -1;
	return 0;
}

static int
auth_first(struct smtp_client *client, unsigned mechanism, const struct auth_identity *identity,
    struct slice response, int64_t deadline, struct fail *why)
{
	const char *word = auth_mechanism_str(mechanism);
	size_t encoded = (response.n + 2) / 3 * 4;
	char command[32];

	(void)identity;
	if (strlen("AUTH ") + strlen(word) + 1 + encoded <= COMMAND_LINE_BYTES) {
		snprintf(command, sizeof(command), "AUTH %s ", word);
		if (write_encoded(client, command, response, deadline, why) != 0)
			return -1;
	} else {
		if (smtp_cmd(client, deadline, why, "AUTH %s", word) != 0 ||
		    read_reply(client, deadline, why) != 0)
			return -1;
		if (client->reply.code == 334 &&
		    write_encoded(client, "", response, deadline, why) != 0)
			return -1;
	}
	if (client->reply.code == 334 && (mechanism & AUTH_TOKEN) != 0)
		return answer_error(client, mechanism, deadline, why);
	return 0;
}

int
smtp_auth(struct smtp_client *client, const struct auth_identity *identity, int64_t deadline,
    struct fail *why)
{
	unsigned mechanism = auth_choose(identity, client->ehlo.auth);
	struct buf response;
	int ret;

	if (mechanism == 0)
		return fail_set(
		    why, FAIL_AUTH, "the server offers no way to log in that fits the credentials");
	buf_init(&response, LIMIT_SECRET_BYTES * 2);
	auth_response(mechanism, identity, &response);
	if (response.full)
		ret = fail_set(why, FAIL_AUTH, "the credentials are too long");
	else if (mechanism == AUTH_LOGIN)
		ret = auth_login(client, identity, deadline, why);
	else
		ret = auth_first(client, mechanism, identity,
		    slice_make(response.data, response.len), deadline, why);
	buf_wipe(&response);
	if (ret != 0 || client->reply.code == 235)
		return ret;
	smtp_reply_fail(&client->reply, "AUTH", why);
	if (why != NULL && why->smtp_code != 421)
		why->code = FAIL_AUTH;
	return -1;
}

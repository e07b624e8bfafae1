#include "app/store/lmtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/socket.h"
#include "smtp/client.h"
#include "smtp/data.h"

#define CHUNK_BYTES 16384
#define LMTP_PARAMS_BYTES 32

struct dialogue {
	struct smtp_client client;
	const struct message *message;
	struct lmtp_rcpt *rcpts;
	size_t n;
	int64_t timeout_ms, deadline;
};

int
lmtp_target_parse(const char *text, struct lmtp_target *target_r, struct fail *why)
{
	memset(target_r, 0, sizeof(*target_r));
	if (strncmp(text, "unix:", 5) == 0)
		target_r->path = text + 5;
	else if (text[0] == '/')
		target_r->path = text;
	if (target_r->path != NULL)
		return target_r->path[0] == '/'
			   ? 0
			   : fail_set(why, FAIL_USAGE, "\"%s\": expected unix:/PATH", text);
	return addr_parse(slice_str(text), 24, &target_r->addr, why);
}

static int64_t
step(const struct dialogue *d)
{
	int64_t at = clock_deadline(d->timeout_ms);

	return at < d->deadline ? at : d->deadline;
}

static void
fail_all(struct dialogue *d, const struct fail *why)
{
	for (size_t i = 0; i < d->n; i++)
		if (!d->rcpts[i].done && d->rcpts[i].why.code == FAIL_NONE)
			d->rcpts[i].why = *why;
}

static void
keep_reply(struct dialogue *d, struct lmtp_rcpt *r)
{
	smtp_reply_enhanced(&d->client.reply, r->enhanced);
	smtp_reply_str(&d->client.reply, r->reply, sizeof(r->reply));
}

/* A reply was read: the transport still works. */
static bool
was_answer(const struct fail *why)
{
	return why->code == FAIL_REPLY_TEMPORARY || why->code == FAIL_REPLY_PERMANENT ||
	       why->code == FAIL_REPLY_UNEXPECTED;
}

static int
hello(struct dialogue *d, const char *helo, struct fail *why)
{
	if (smtp_greeting(&d->client, step(d), why) != 0 ||
	    smtp_cmd(&d->client, step(d), why, "LHLO %s", helo) != 0 ||
	    smtp_reply_read(d->client.conn, &d->client.reply, step(d), why) != 0)
		return -1;
	if (d->client.reply.code != 250)
		return smtp_reply_fail(&d->client.reply, "LHLO", why);
	ehlo_parse(&d->client.reply, &d->client.ehlo);
	return 0;
}

/* RCPT for each; *accepted_r: how many may get the message. Fails when the connection does. */
static int
recipients(struct dialogue *d, size_t *accepted_r, struct fail *why)
{
	*accepted_r = 0;
	for (size_t i = 0; i < d->n; i++) {
		struct lmtp_rcpt *r = &d->rcpts[i];
		if (smtp_rcpt(&d->client, r->mailbox, "", step(d), &r->why) == 0) {
			fail_clear(&r->why);
			++*accepted_r;
		} else if (was_answer(&r->why)) {
			keep_reply(d, r);
		} else {
			*why = r->why;
			return -1;
		}
	}
	return 0;
}

static int
text(struct dialogue *d, struct fail *why)
{
	struct message_reader reader;
	struct smtp_data_stuffer stuffer;
	char *chunk = mem_alloc(CHUNK_BYTES);
	struct buf out;
	size_t n = 1;
	int rc = 0;

	message_reader_init(&reader, d->message);
	smtp_data_stuff_init(&stuffer);
	buf_init(&out, 2 * CHUNK_BYTES + 8);
	while (rc == 0 && n > 0) {
		buf_reset(&out);
		rc = message_reader_next(&reader, chunk, CHUNK_BYTES, &n, why);
		if (rc == 0)
			rc = n > 0 ? smtp_data_stuff(&stuffer, slice_make(chunk, n), &out, why)
				   : smtp_data_stuff_end(&stuffer, &out, why);
		if (rc == 0)
			rc = smtp_data_write(&d->client, out.data, out.len, step(d), why);
	}
	buf_free(&out);
	free(chunk);
	return rc;
}

/* RFC 2033 s4.2: a reply for each recipient that was accepted, in their order. */
static int
outcomes(struct dialogue *d, struct fail *why)
{
	for (size_t i = 0; i < d->n; i++) {
		struct lmtp_rcpt *r = &d->rcpts[i];
		if (r->why.code != FAIL_NONE)
			continue;
		if (smtp_data_reply(&d->client, step(d), &r->why) == 0) {
			r->done = true;
			fail_clear(&r->why);
		} else if (!was_answer(&r->why)) {
			*why = r->why;
			return -1;
		}
		keep_reply(d, r);
	}
	return 0;
}

/* An address or header in UTF-8: whoever it is that needs the extension (RFC 6531 s3.1). */
static bool
needs_utf8(const struct dialogue *d)
{
	bool needs = d->message->sender_utf8 || !text_is_ascii(slice_str(d->message->sender));

	for (size_t i = 0; i < d->n && !needs; i++)
		needs = !text_is_ascii(slice_str(d->rcpts[i].mailbox));
	return needs;
}

/*
 * What the store does not offer is not asked for, and the message goes to it all the same: it is the last one, and
 * bytes are all that it keeps.
 */
static void
mail_params(const struct dialogue *d, char out[LMTP_PARAMS_BYTES])
{
	unsigned caps = d->client.ehlo.caps;

	snprintf(out, LMTP_PARAMS_BYTES, "%s%s",
	    d->message->has_8bit && (caps & EHLO_8BITMIME) != 0 ? " BODY=8BITMIME" : "",
	    (caps & EHLO_SMTPUTF8) != 0 && needs_utf8(d) ? " SMTPUTF8" : "");
}

static int
transaction(struct dialogue *d, const char *helo, struct fail *why)
{
	char params[LMTP_PARAMS_BYTES];
	size_t accepted;

	if (hello(d, helo, why) != 0)
		return -1;
	mail_params(d, params);
	if (smtp_mail(&d->client, d->message->sender, params, step(d), why) != 0 ||
	    recipients(d, &accepted, why) != 0)
		return -1;
	if (accepted == 0)
		return 0;
	if (smtp_data(&d->client, step(d), why) != 0 || text(d, why) != 0)
		return -1;
	return outcomes(d, why);
}

void
lmtp_deliver(const struct lmtp_target *target, const char *helo, const struct message *message,
    struct lmtp_rcpt *rcpts, size_t n, int64_t timeout_ms, int64_t deadline)
{
	struct dialogue d = { .message = message,
		.rcpts = rcpts,
		.n = n,
		.timeout_ms = timeout_ms,
		.deadline = deadline };
	struct fail why;

	for (size_t i = 0; i < n; i++) {
		fail_clear(&rcpts[i].why);
		rcpts[i].done = false;
		rcpts[i].enhanced[0] = rcpts[i].reply[0] = '\0';
	}
	int fd = target->path != NULL ? socket_connect_unix(target->path, step(&d), &why)
				      : socket_connect(&target->addr, NULL, step(&d), &why);
	if (fd < 0) {
		fail_all(&d, &why);
		return;
	}
	smtp_client_init(&d.client, conn_plain(fd), NULL, NULL);
	if (transaction(&d, helo, &why) != 0)
		fail_all(&d, &why);
	else
		smtp_quit(&d.client, step(&d), NULL);
	smtp_client_fini(&d.client);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "app/send/deliver_impl.h"
#include "app/session.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/conn.h"
#include "smtp/data.h"

/* What becomes of the recipients on one connection: the transactions, and the outcomes. */

#define CHUNK_BYTES 8192

/* --- outcomes --------------------------------------------------------------------------------------- */

/* The handshake, for a result: the connection may be closed before the result is looked at. */
static const struct tls_facts *
tls_of(const struct deliver_attempt *a)
{
	const struct deliver_conn *c = a->c;
	struct tls_facts *copy;

	if (!c->session.in_tls || c->facts.tls_n == 0)
		return NULL;
	if (c->arena == a->g->arena)
		return &c->facts.tls[c->facts.tls_n - 1];
	copy = arena_alloc(a->g->arena, sizeof(*copy));
	facts_copy(&fact_table_tls_facts, copy, &c->facts.tls[c->facts.tls_n - 1], a->g->arena);
	return copy;
}

static void
note_host(const struct deliver_attempt *a, struct deliver_result *r)
{
	r->exchange = a->host->mx->name;
	snprintf(r->ip, sizeof(r->ip), "%s", a->c->facts.ip == NULL ? "" : a->c->facts.ip);
	r->port = (int)a->c->facts.port;
	r->tls = tls_of(a);
	r->starttls = a->c->facts.starttls_state;
	r->clear_reason = a->clear_reason;
	r->lowered = a->demand.lowered;
}

/*
 * Whether a failure is the last word about a recipient: a refusal by the server, or what we could not say
 * to it. A reply that cannot be read is neither.
 */
static bool
is_permanent(const struct fail *why, enum deliver_stage stage)
{
	if (stage == STAGE_SESSION || stage == STAGE_UNANSWERED)
		return false;
	return why->code == FAIL_REPLY_PERMANENT || why->code == FAIL_MESSAGE_TOO_BIG ||
	       why->code == FAIL_SMTPUTF8 || why->code == FAIL_COMMAND_BYTES;
}

/* The server's words about a recipient, where it has said any: its enhanced status into out. */
static void
note_reply(
    const struct deliver_attempt *a, struct deliver_result *r, const struct fail *why, char out[16])
{
	const struct smtp_reply *reply = &a->c->session.client.reply;
	char text[400];

	out[0] = '\0';
	r->reply = NULL;
	if (why->smtp_code == 0)
		return;
	smtp_reply_enhanced(reply, out);
	smtp_reply_str(reply, text, sizeof(text));
	r->reply = arena_strdup(a->g->arena, text);
}

void
deliver_note_failure(const struct deliver_attempt *a, struct deliver_result *r,
    const struct fail *why, enum deliver_stage stage)
{
	const struct fail_info *info = fail_info(why->code);
	char enhanced[16];

	/* another host may take it later: that this one is us is no reason to give up */
	if (why->code == FAIL_CONNECT_SELF && r->why.code != FAIL_NONE)
		return;
	note_host(a, r);
	r->why = *why;
	note_reply(a, r, why, enhanced);
	snprintf(r->enhanced, sizeof(r->enhanced), "%s",
	    enhanced[0] != '\0' ? enhanced : info->enhanced);
	r->exit_status = why->code == FAIL_CONNECT_SELF ? info->exit_status : EX_TEMPFAIL;
	if (is_permanent(why, stage)) {
		r->status = DELIVER_FAILED;
		r->exit_status = r->reply == NULL ? info->exit_status
						  : deliver_refusal_exit(why->smtp_code, enhanced,
							stage == STAGE_RCPT);
	} else if (stage == STAGE_UNANSWERED) {
		r->status = DELIVER_DEFERRED;
		r->maybe_duplicate = true;
	}
	/* the class is our decision: a 5xx about the host, or a server that contradicts itself */
	if (why->code != FAIL_CONNECT_SELF)
		r->enhanced[0] = r->status == DELIVER_FAILED ? '5' : '4';
}

bool
deliver_is_eligible(const struct deliver_attempt *a, size_t i)
{
	return a->g->members[i]->status == DELIVER_PENDING && !a->asked[i];
}

bool
deliver_any_eligible(const struct deliver_attempt *a)
{
	for (size_t i = 0; i < a->g->n; i++)
		if (deliver_is_eligible(a, i))
			return true;
	return false;
}

/* in NULL: every eligible member, else those marked. */
void
deliver_note_failure_all(const struct deliver_attempt *a, const bool *in, const struct fail *why,
    enum deliver_stage stage)
{
	for (size_t i = 0; i < a->g->n; i++) {
		if (!deliver_is_eligible(a, i) || (in != NULL && !in[i]))
			continue;
		deliver_note_failure(a, a->g->members[i], why, stage);
		a->asked[i] = true;
	}
}

static void
note_delivered(const struct deliver_attempt *a, struct deliver_result *r)
{
	char text[400];

	smtp_reply_str(&a->c->session.client.reply, text, sizeof(text));
	note_host(a, r);
	r->status = DELIVER_DONE;
	r->protection = decide_protection(&a->demand, r->tls != NULL);
	fail_clear(&r->why);
	r->exit_status = EX_OK;
	smtp_reply_enhanced(&a->c->session.client.reply, r->enhanced);
	if (r->enhanced[0] == '\0')
		snprintf(r->enhanced, sizeof(r->enhanced), "2.0.0");
	r->reply = arena_strdup(a->g->arena, text);
	r->dsn_passed = (a->c->session.client.ehlo.caps & EHLO_DSN) != 0;
}

static void
note_all_delivered(const struct deliver_attempt *a)
{
	const struct deliver_options *options = a->g->options;
	struct deliver_result **done = mem_array(a->g->n, sizeof(struct deliver_result *));
	size_t n = 0;

	for (size_t i = 0; i < a->g->n; i++) {
		if (!a->in[i])
			continue;
		note_delivered(a, a->g->members[i]);
		done[n++] = a->g->members[i];
	}
	if (options->delivered != NULL && n > 0)
		options->delivered(options->delivered_ctx, done, n);
	free(done);
}

/* --- the transaction (RFC 5321 s3.3) ------------------------------------------------------------------ */

bool
deliver_is_worn_out(struct deliver_attempt *a, const struct fail *why)
{
	if (a->c->transactions < 2 || (why->smtp_code != 0 && why->smtp_code != 421) ||
	    why->code == FAIL_CANCELLED || why->code == FAIL_COMMAND_BYTES ||
	    fail_info(why->code)->class == FAIL_CLASS_LOCAL)
		return false;
	a->again = true;
	return true;
}

static int
send_text(struct deliver_attempt *a, struct fail *why)
{
	struct smtp_client *client = &a->c->session.client;
	struct message_reader reader;
	struct smtp_data_stuffer stuffer;
	struct buf out;
	char *chunk = mem_alloc(CHUNK_BYTES);
	struct fail late;
	size_t n = 0;
	int ret = 0;

	message_reader_init(&reader, a->g->message);
	smtp_data_stuff_init(&stuffer);
	buf_init(&out, 2 * CHUNK_BYTES + 2 * DELIVER_SIGNATURE_BYTES + 16);
	ret = smtp_data_stuff(&stuffer, a->g->signature, &out, why);
	do {
		if (ret == 0)
			ret = message_reader_next(&reader, chunk, CHUNK_BYTES, &n, why);
		if (ret == 0)
			ret = smtp_data_interrupted(client, session_step(&a->c->session), why);
		if (ret == 0)
			ret = n > 0 ? smtp_data_stuff(&stuffer, slice_make(chunk, n), &out, why)
				    : smtp_data_stuff_end(&stuffer, &out, why);
		if (ret == 0)
			ret = smtp_data_write(
			    client, out.data, out.len, session_step(&a->c->session), why);
		buf_reset(&out);
	} while (ret == 0 && n > 0);
	/* all of it: a failure up to here means that the final dot did not get out */
	if (ret == 0)
		ret = conn_flush(client->conn, session_step(&a->c->session), why);
	/* a close may come before its reason was looked for */
	if (ret != 0 && client->conn != NULL && (why->code == FAIL_EOF || why->code == FAIL_IO) &&
	    smtp_data_interrupted(client, session_step(&a->c->session), &late) != 0 &&
	    late.smtp_code != 0)
		*why = late;
	buf_free(&out);
	free(chunk);
	return ret;
}

/* The text and the final reply. Returns 1 when the transaction is over, -1 when the session is. */
static int
send_message(struct deliver_attempt *a, struct fail *why)
{
	struct smtp_client *client = &a->c->session.client;

	if (send_text(a, why) != 0) {
		if (deliver_is_worn_out(a, why))
			return -1;
		deliver_note_failure_all(a, a->in, why, STAGE_TEXT);
		return -1;
	}
	/* RFC 5321 s4.5.3.2.6: ten minutes, by default */
	int64_t deadline = clock_deadline(2 * a->g->options->timeout_ms);
	if (smtp_data_reply(client, deadline < a->g->deadline ? deadline : a->g->deadline, why) !=
	    0) {
		deliver_note_failure_all(
		    a, a->in, why, why->smtp_code == 0 ? STAGE_UNANSWERED : STAGE_TEXT);
		return why->smtp_code == 0 || why->smtp_code == 421 ? -1 : 1;
	}
	note_all_delivered(a);
	return 1;
}

/* Room for a transaction on this connection. -1: there is none, and another one is to be made. */
static int
begin_transaction(struct deliver_attempt *a, struct fail *why)
{
	struct deliver_conn *c = a->c;
	unsigned max = c->session.client.ehlo.mail_max;

	if (max > 0 && max < c->most)
		c->most = max;
	a->again = c->transactions >= c->most;
	/* RFC 5321 s4.1.1.5: what was begun and not ended is to be taken back first */
	if (!a->again && c->unended &&
	    smtp_rset(&c->session.client, session_step(&c->session), why) != 0)
		a->again = true;
	c->in_step = c->unended = false;
	if (a->again)
		return -1;
	c->transactions++;
	return 0;
}

/* One transaction for eligible members. True when another one may follow on this connection. */
static bool
transaction(struct deliver_attempt *a, struct fail *why)
{
	char params[DELIVER_MAIL_PARAMS_BYTES];

	if (deliver_envelope_params(a, params, why) != 0 || begin_transaction(a, why) != 0)
		return false;
	int over = deliver_envelope(a, params, why);
	if (over > 0)
		over = send_message(a, why);
	if (over < 0) {
		/* a broken stream or 421: about the host, whatever it said */
		if (!a->again && deliver_any_eligible(a) && !deliver_is_worn_out(a, why))
			deliver_note_failure_all(a, NULL, why, STAGE_SESSION);
		return false;
	}
	a->c->in_step = true;
	a->c->unended = over == 0;
	/* recipients beyond one transaction's number: each transaction has fewer of them */
	return deliver_any_eligible(a);
}

void
deliver_transactions(struct deliver_attempt *a, struct fail *why)
{
	do
		fail_clear(why);
	while (transaction(a, why));
}

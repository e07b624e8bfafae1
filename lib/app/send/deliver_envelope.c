#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "app/send/deliver_impl.h"
#include "base/limits.h"

/*
 * The commands of a transaction up to its text (RFC 5321 s3.3): MAIL, RCPTs, DATA; one by one, or in groups
 * where the server offers PIPELINING (RFC 2920). One by one is a group of one.
 */

/*
 * RFC 6531 s3.1: without SMTPUTF8 an address that needs it cannot be written; the others can. Returns
 * whether anybody is left who needs nothing of the kind, or the extension is there. needed_r: it is used.
 */
static bool
check_utf8(struct deliver_attempt *a, bool *needed_r, struct fail *why)
{
	bool offered = (a->c->session.client.ehlo.caps & EHLO_SMTPUTF8) != 0;

	*needed_r = a->g->message->sender_utf8;
	if (*needed_r && !offered) {
		fail_set(why, FAIL_SMTPUTF8,
		    "%s does not offer SMTPUTF8, which the sender's address needs",
		    a->host->mx->name);
		deliver_note_failure_all(a, NULL, why, STAGE_MAIL);
		return false;
	}
	for (size_t i = 0; i < a->g->n; i++) {
		struct deliver_result *r = a->g->members[i];
		if (!deliver_is_eligible(a, i) || !r->to->utf8)
			continue;
		*needed_r = offered;
		if (offered)
			break;
		fail_set(why, FAIL_SMTPUTF8, "%s does not offer SMTPUTF8, which the address needs",
		    a->host->mx->name);
		deliver_note_failure(a, r, why, STAGE_RCPT);
		a->asked[i] = true;
	}
	return deliver_any_eligible(a);
}

/* The parameters of MAIL that message and server agree on. */
static int
mail_params(const struct deliver_attempt *a, bool utf8, char *out, size_t n, struct fail *why)
{
	const struct message *m = a->g->message;
	const struct ehlo *ehlo = &a->c->session.client.ehlo;
	int64_t bytes = m->text.bytes + (int64_t)a->g->signature.n;
	int used = 0;

	out[0] = '\0';
	if (ehlo->caps & EHLO_SIZE) {
		if (ehlo->size > 0 && (uint64_t)bytes > ehlo->size)
			return fail_set(why, FAIL_MESSAGE_TOO_BIG,
			    "the message has %lld bytes, %s takes %llu", (long long)bytes,
			    a->host->mx->name, (unsigned long long)ehlo->size);
		used += snprintf(out, n, " SIZE=%lld", (long long)bytes);
	}
	/* 8-bit text goes as it is where 8BITMIME is missing: no server in use today minds */
	if (m->has_8bit && (ehlo->caps & EHLO_8BITMIME))
		used += snprintf(out + used, n - (size_t)used, " BODY=8BITMIME");
	if (utf8)
		used += snprintf(out + used, n - (size_t)used, " SMTPUTF8");
	if (m->require_tls && a->c->session.in_tls && (ehlo->caps & EHLO_REQUIRETLS) != 0)
		used += snprintf(out + used, n - (size_t)used, " REQUIRETLS");
	if ((ehlo->caps & EHLO_DSN) == 0)
		return 0;
	if (m->ret != QUEUE_RET_NONE)
		used += snprintf(out + used, n - (size_t)used, " RET=%s",
		    m->ret == QUEUE_RET_FULL ? "FULL" : "HDRS");
	if (m->envid != NULL)
		snprintf(out + used, n - (size_t)used, " ENVID=%.*s", LIMIT_ENVID_BYTES, m->envid);
	return 0;
}

int
deliver_envelope_params(
    struct deliver_attempt *a, char out[DELIVER_MAIL_PARAMS_BYTES], struct fail *why)
{
	bool utf8;

	if (!check_utf8(a, &utf8, why))
		return -1;
	if (mail_params(a, utf8, out, DELIVER_MAIL_PARAMS_BYTES, why) == 0)
		return 0;
	deliver_note_failure_all(a, NULL, why, STAGE_MAIL);
	return -1;
}

/* RFC 3461 s4.1, s4.2: NOTIFY and ORCPT, where the server offers DSN. */
static void
rcpt_params(
    const struct deliver_attempt *a, const struct message_recipient *to, char *out, size_t n)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { QUEUE_NOTIFY_NEVER, "NEVER" }, { QUEUE_NOTIFY_SUCCESS, "SUCCESS" },
		{ QUEUE_NOTIFY_FAILURE, "FAILURE" }, { QUEUE_NOTIFY_DELAY, "DELAY" } };
	const char *separator = " NOTIFY=";
	int used = 0;

	out[0] = '\0';
	if ((a->c->session.client.ehlo.caps & EHLO_DSN) == 0)
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((to->notify & words[i].bit) == 0)
			continue;
		used += snprintf(out + used, n - (size_t)used, "%s%s", separator, words[i].word);
		separator = ",";
	}
	if (to->orcpt != NULL)
		snprintf(out + used, n - (size_t)used, " ORCPT=%.*s", LIMIT_ORCPT_BYTES, to->orcpt);
}

/*
 * RFC 5321 s4.5.3.1.10: "too many recipients" (452, and 552 as RFC 821 had it) is meant for those that
 * come, which go in another transaction. A mailbox that is full is not the others' concern; nor is a refusal of
 * the first one.
 */
static bool
is_too_many(const struct deliver_attempt *a, int accepted, const struct fail *why)
{
	char enhanced[16];

	if (accepted == 0 || (why->smtp_code != 452 && why->smtp_code != 552))
		return false;
	smtp_reply_enhanced(&a->c->session.client.reply, enhanced);
	return enhanced[0] == '\0' || strcmp(enhanced + 1, ".5.3") == 0 ||
	       (why->smtp_code == 452 && strncmp(enhanced, "4.2.", 4) != 0);
}

/* RFC 9422 s2: LIMITS; recipients in RCPTMAX, and the domains among them, of which runs are counted. */
static bool
is_full(const struct deliver_attempt *a, int accepted, unsigned domains)
{
	const struct ehlo *ehlo = &a->c->session.client.ehlo;

	return accepted >= LIMIT_RECIPIENTS ||
	       (a->c->rcpt_most > 0 && accepted >= a->c->rcpt_most) ||
	       (ehlo->rcpt_max > 0 && (unsigned)accepted >= ehlo->rcpt_max) ||
	       (ehlo->rcpt_domain_max > 0 && domains > ehlo->rcpt_domain_max);
}

/* --- the exchange ----------------------------------------------------------------------------------- */

struct sent {
	enum smtp_step step;
	size_t member;
};

struct exchange {
	struct deliver_attempt *a;
	bool grouped;
	struct sent sent[LIMIT_RECIPIENTS + 2]; /* what waits for its reply */
	size_t sent_n;
	int rcpts;    /* among it */
	int accepted; /* recipients */
	bool answered, too_many, go_ahead, mail_refused;
	struct fail refusal; /* of MAIL */
};

/*
 * Whether commands may go together. What firewalls do to a dialogue that they have written over is past
 * foreseeing; inside TLS they can do nothing to it.
 */
static bool
is_grouped(const struct deliver_attempt *a)
{
	const struct deliver_conn *c = a->c;
	const char *banner = c->facts.banner == NULL ? "" : c->facts.banner;

	if ((c->session.client.ehlo.caps & EHLO_PIPELINING) == 0 || a->g->rule.no_pipelining ||
	    a->host->one_by_one)
		return false;
	return c->session.in_tls ||
	       (!c->session.client.ehlo.masked && !ehlo_banner_masked(slice_str(banner)));
}

static void
note_rcpt(struct exchange *x, size_t member, const struct fail *why)
{
	struct deliver_attempt *a = x->a;
	struct deliver_result *r = a->g->members[member];

	if (!is_too_many(a, x->accepted, why)) {
		deliver_note_failure(a, r, why, STAGE_RCPT);
		a->asked[member] = a->now[member] = true;
		return;
	}
	/* the next transactions do not ask for more */
	if (!x->too_many)
		a->c->rcpt_most = x->accepted;
	x->too_many = true;
	deliver_note_failure(a, r, why, STAGE_SESSION);
}

static void
note_mail(struct exchange *x, const struct fail *why)
{
	struct deliver_attempt *a = x->a;

	x->mail_refused = true;
	x->refusal = *why;
	/* "too many messages", in whatever words: a new connection tells what is about this one */
	if (a->c->transactions > 1) {
		a->again = true;
		return;
	}
	for (size_t i = 0; i < a->g->n; i++)
		a->now[i] = a->now[i] || deliver_is_eligible(a, i);
	deliver_note_failure_all(a, NULL, why, STAGE_MAIL);
}

/* A "no". Replies to the rest of a group whose MAIL was refused are nobody's. */
static void
note_no(struct exchange *x, const struct sent *sent, const struct fail *why)
{
	if (x->mail_refused)
		return;
	if (sent->step == SMTP_STEP_MAIL)
		note_mail(x, why);
	else if (sent->step == SMTP_STEP_RCPT)
		note_rcpt(x, sent->member, why);
	else if (x->accepted > 0)
		deliver_note_failure_all(x->a, x->a->in, why, STAGE_TEXT);
}

/* -1: the session is over, be it by 421. */
static int
read_reply(struct exchange *x, const struct sent *sent, struct fail *why)
{
	struct deliver_attempt *a = x->a;

	if (smtp_group_reply(
		&a->c->session.client, sent->step, session_step(&a->c->session), why) != 0) {
		if (why->smtp_code == 0 || why->smtp_code == 421)
			return -1;
		note_no(x, sent, why);
	} else if (sent->step == SMTP_STEP_DATA) {
		x->go_ahead = true;
	} else if (sent->step == SMTP_STEP_RCPT && !x->mail_refused) {
		a->in[sent->member] = true;
		x->accepted++;
	}
	x->answered = true;
	return 0;
}

/* Send what was put, and read every reply to it. */
static int
exchange_group(struct exchange *x, struct fail *why)
{
	struct smtp_client *client = &x->a->c->session.client;
	struct fail late;

	if (smtp_group_send(client, session_step(&x->a->c->session), why) != 0) {
		/* a close may come before its reason was looked for */
		if (client->conn != NULL && (why->code == FAIL_EOF || why->code == FAIL_IO) &&
		    smtp_data_interrupted(client, session_step(&x->a->c->session), &late) != 0 &&
		    late.smtp_code != 0)
			*why = late;
		return -1;
	}
	for (size_t i = 0; i < x->sent_n; i++)
		if (read_reply(x, &x->sent[i], why) != 0)
			return -1;
	x->sent_n = 0;
	x->rcpts = 0;
	return 0;
}

/* A command was put: send the group when it is full, which one by one it always is. */
static int
was_put(struct exchange *x, enum smtp_step step, size_t member, struct fail *why)
{
	x->sent[x->sent_n++] = (struct sent){ step, member };
	x->rcpts += step == SMTP_STEP_RCPT;
	if (x->grouped && !smtp_group_full(&x->a->c->session.client))
		return 0;
	return exchange_group(x, why);
}

static int
put_rcpt(struct exchange *x, size_t member, struct fail *why)
{
	struct deliver_attempt *a = x->a;
	struct deliver_result *r = a->g->members[member];
	char params[LIMIT_ORCPT_BYTES + 80];

	rcpt_params(a, r->to, params, sizeof(params));
	if (smtp_rcpt_put(&a->c->session.client, r->to->mailbox, params,
		session_step(&a->c->session), why) == 0)
		return was_put(x, SMTP_STEP_RCPT, member, why);
	if (why->code != FAIL_COMMAND_BYTES)
		return -1;
	/* what cannot be said to any server is no reason to keep the others waiting */
	deliver_note_failure(a, r, why, STAGE_RCPT);
	a->asked[member] = true;
	return 0;
}

/* RCPT for each eligible member, as many as may be in one transaction. */
static int
put_rcpts(struct exchange *x, struct fail *why)
{
	struct deliver_attempt *a = x->a;
	const char *domain = NULL;
	unsigned domains = 0;

	for (size_t i = 0; i < a->g->n && !x->mail_refused && !x->too_many; i++) {
		const struct deliver_result *r = a->g->members[i];
		if (!deliver_is_eligible(a, i))
			continue;
		if (domain == NULL || strcasecmp(domain, r->to->domain) != 0)
			domains++;
		if (is_full(a, x->accepted + x->rcpts, domains))
			break;
		domain = r->to->domain;
		if (put_rcpt(x, i, why) != 0)
			return -1;
	}
	return 0;
}

static int
put_all(struct exchange *x, const char *params, struct fail *why)
{
	struct deliver_attempt *a = x->a;
	struct smtp_client *client = &a->c->session.client;

	if (smtp_mail_put(
		client, a->g->message->sender, params, session_step(&a->c->session), why) != 0) {
		if (why->code == FAIL_COMMAND_BYTES)
			deliver_note_failure_all(a, NULL, why, STAGE_MAIL);
		return -1;
	}
	if (was_put(x, SMTP_STEP_MAIL, 0, why) != 0 || put_rcpts(x, why) != 0)
		return -1;
	if (!x->mail_refused && x->accepted + x->rcpts > 0 &&
	    (smtp_data_put(client, session_step(&a->c->session), why) != 0 ||
		was_put(x, SMTP_STEP_DATA, 0, why) != 0))
		return -1;
	return x->sent_n > 0 ? exchange_group(x, why) : 0;
}

/*
 * A session that broke in the middle of a group. Replies that were out of step tell nothing about anybody; and a
 * server that stops answering in the middle may not bear to be asked together: it is asked once more, one by one.
 */
static void
broke_off(struct exchange *x, const struct fail *why)
{
	struct deliver_attempt *a = x->a;
	bool astray = why->code == FAIL_REPLY_SYNTAX;

	for (size_t i = 0; i < a->g->n && astray; i++) {
		if (!a->now[i])
			continue;
		a->g->members[i]->status = DELIVER_PENDING;
		a->asked[i] = false;
	}
	if (!x->answered || !x->grouped || why->smtp_code != 0 || why->code == FAIL_CANCELLED ||
	    fail_info(why->code)->class == FAIL_CLASS_LOCAL || !deliver_any_eligible(a))
		return;
	if (!astray && deliver_is_worn_out(a, why))
		return;
	a->host->one_by_one = a->again = true;
}

int
deliver_envelope(struct deliver_attempt *a, const char *params, struct fail *why)
{
	struct exchange x = { .a = a, .grouped = is_grouped(a) };

	memset(a->in, 0, a->g->n * sizeof(*a->in));
	memset(a->now, 0, a->g->n * sizeof(*a->now));
	if (put_all(&x, params, why) != 0) {
		broke_off(&x, why);
		return -1;
	}
	/* RFC 2920 s3.1: DATA was accepted, and nobody was */
	bool nobody = x.mail_refused || x.accepted == 0;
	if (nobody && x.go_ahead &&
	    smtp_data_nothing(&a->c->session.client, session_step(&a->c->session), why) != 0)
		return -1;
	if (x.mail_refused) {
		*why = x.refusal;
		return -1;
	}
	return !nobody && x.go_ahead ? 1 : 0;
}

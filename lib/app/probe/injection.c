#include "app/probe/injection.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "io/io.h"
#include "smtp/starttls.h"

/* --- judging ------------------------------------------------------------------------------------- */

static bool
repeats_verb(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if (slice_starts_case(slice_sub(line, i, line.n), INJECTION_VERB))
			return true;
	return false;
}

bool
injection_marked(const struct smtp_reply *reply)
{
	if ((reply->code >= 500 && reply->code <= 504) || reply->code == 555)
		return true;
	for (size_t i = 0; i < reply->lines; i++)
		if (repeats_verb(smtp_reply_line(reply, i)))
			return true;
	return false;
}

static enum injection
decide_silent(const struct injection_run *attack, struct arena *arena, char **reason_r)
{
	/* an answer that is out of step by one: the first was to the verb, the second is to EHLO */
	if (attack->marked && attack->next_code == 250) {
		*reason_r = arena_printf(arena,
		    "a command sent in clear was answered inside TLS, late: %s", attack->text);
		return INJECTION_VULNERABLE;
	}
	if (attack->code == 250) {
		*reason_r = arena_strdup(arena, "a command sent in clear was dropped");
		return INJECTION_SAFE;
	}
	*reason_r = arena_printf(arena, "EHLO inside TLS got: %s", attack->text);
	return INJECTION_INCONCLUSIVE;
}

enum injection
injection_decide(const struct injection_run *control, const struct injection_run *attack,
    struct arena *arena, char **reason_r)
{
	if (control->end != INJECTION_SILENT || control->code != 250) {
		*reason_r =
		    arena_printf(arena, "not even an ordinary session works: %s", control->text);
		if (control->end == INJECTION_ANSWERED)
			*reason_r = arena_printf(arena,
			    "the server talks inside TLS without being asked: %s", control->text);
		return control->end == INJECTION_NO_SESSION ? INJECTION_NOT_TESTED
							    : INJECTION_INCONCLUSIVE;
	}
	switch (attack->end) {
	case INJECTION_REFUSED:
		/* 4xx may mean anything */
		*reason_r = arena_printf(
		    arena, "STARTTLS with a command behind it was refused: %s", attack->text);
		return attack->code >= 500 ? INJECTION_SAFE : INJECTION_INCONCLUSIVE;
	case INJECTION_IN_CLEAR:
		*reason_r = arena_strdup(
		    arena, "a command sent in clear was answered in clear, before the handshake");
		return INJECTION_SAFE;
	case INJECTION_NO_HANDSHAKE:
		*reason_r = arena_strdup(
		    arena, "with a command in clear behind STARTTLS there is no handshake");
		return INJECTION_SAFE;
	case INJECTION_ANSWERED:
		*reason_r = arena_printf(arena,
		    attack->marked ? "a command sent in clear was answered inside TLS: %s"
				   : "a reply inside TLS that is none to our command: %s",
		    attack->text);
		return attack->marked ? INJECTION_VULNERABLE : INJECTION_INCONCLUSIVE;
	case INJECTION_SILENT:
		return decide_silent(attack, arena, reason_r);
	case INJECTION_NO_SESSION:
	case INJECTION_LOST:
		break;
	}
	*reason_r = arena_strdup(arena, attack->text);
	return INJECTION_INCONCLUSIVE;
}

/* --- one run ------------------------------------------------------------------------------------- */

/* STARTTLS, and in the attack the verb in the same segment: smtp_cmd refuses to write such a thing. */
static int
send_starttls(struct session *s, bool attack, struct fail *why)
{
	static const char line[] = "STARTTLS\r\n" INJECTION_VERB "\r\n";
	size_t n = attack ? sizeof(line) - 1 : strlen("STARTTLS\r\n");

	if (conn_has_unread(s->client.conn))
		return fail_set(why, FAIL_REPLY_SYNTAX, "a reply before STARTTLS");
	if (conn_write(s->client.conn, line, n, session_step(s), why) != 0 ||
	    conn_flush(s->client.conn, session_step(s), why) != 0)
		return -1;
	return smtp_reply_read(s->client.conn, &s->client.reply, session_step(s), why);
}

static void
note_reply(struct session *s, struct injection_run *run)
{
	run->code = s->client.reply.code;
	run->marked = injection_marked(&s->client.reply);
	smtp_reply_str(&s->client.reply, run->text, sizeof(run->text));
}

/* A reply to nothing? */
static enum injection_end
listen_inside(struct session *s, int64_t wait_ms, struct injection_run *run, struct fail *why)
{
	int64_t until = clock_deadline(wait_ms);

	if (smtp_reply_read(s->client.conn, &s->client.reply,
		until < s->deadline ? until : s->deadline, why) == 0) {
		note_reply(s, run);
		return INJECTION_ANSWERED;
	}
	if (why->code != FAIL_TIMEOUT)
		return INJECTION_LOST;
	fail_clear(why);
	if (smtp_cmd(&s->client, session_step(s), why, "EHLO %s", s->helo) != 0 ||
	    smtp_reply_read(s->client.conn, &s->client.reply, session_step(s), why) != 0)
		return INJECTION_LOST;
	note_reply(s, run);
	if (run->code != 250 && run->marked &&
	    smtp_reply_read(s->client.conn, &s->client.reply, session_step(s), NULL) == 0)
		run->next_code = s->client.reply.code;
	return INJECTION_SILENT;
}

/* The handshake and what comes behind it. */
static enum injection_end
go_inside(struct session *s, int64_t wait_ms, struct injection_run *run, struct fail *why)
{
	size_t post_220_bytes;
	struct tls *failed;
	int ret = starttls_client(&s->client.conn, s->options.tls, s->sni, KEY_ANY, &post_220_bytes,
	    &failed, session_step(s), why);

	tls_free(failed);
	if (ret == 0)
		return listen_inside(s, wait_ms, run, why);
	if (why->code == FAIL_RESPONSE_INJECTION)
		return INJECTION_IN_CLEAR;
	return why->code == FAIL_TLS_HANDSHAKE || why->code == FAIL_EOF ? INJECTION_NO_HANDSHAKE
									: INJECTION_LOST;
}

static enum injection_end
run_session(
    struct session *s, bool attack, int64_t wait_ms, struct injection_run *run, struct fail *why)
{
	if (session_open(s, why) != 0)
		return INJECTION_NO_SESSION;
	if (s->facts->starttls_state != STARTTLS_OFFERED) {
		fail_set(why, FAIL_STARTTLS_NOT_OFFERED, "STARTTLS is not offered");
		return INJECTION_NO_SESSION;
	}
	if (send_starttls(s, attack, why) != 0)
		return INJECTION_LOST;
	if (s->client.reply.code == 220)
		return go_inside(s, wait_ms, run, why);
	note_reply(s, run);
	/* after the attack a second reply may be on its way: no QUIT */
	return INJECTION_REFUSED;
}

static void
run_once(const struct injection_options *options, const struct addr *to, const char *host,
    bool attack, struct injection_run *run, int64_t deadline)
{
	struct host_facts facts;
	struct cert_facts *certs = NULL;
	size_t certs_n = 0;
	struct session session;
	struct arena arena;
	struct fail why;

	memset(run, 0, sizeof(*run));
	arena_init(&arena);
	fail_clear(&why);
	facts_init_host_facts(&facts);
	session_init(&session, options->session, to, host, NULL, KEY_ANY, &arena, &facts, &certs,
	    &certs_n, deadline);
	run->end = run_session(&session, attack, options->wait_ms, run, &why);
	if (why.code != FAIL_NONE && run->text[0] == '\0')
		snprintf(run->text, sizeof(run->text), "%s", why.text);
	if (why.code == FAIL_NONE && run->end != INJECTION_SILENT)
		fail_set(&why, FAIL_REPLY_SYNTAX, NULL); /* out of step: only close */
	session_close(&session, &why);
	arena_free(&arena);
}

void
injection_check(const struct injection_options *options, const struct addr *to, const char *host,
    struct arena *arena, struct host_facts *facts, int64_t deadline)
{
	struct injection_run control, attack;
	struct fail why;

	facts->injection = INJECTION_NOT_TESTED;
	if (options->session->implicit_tls) {
		facts->injection_reason = arena_strdup(arena, "there is no STARTTLS");
		return;
	}
	memset(&attack, 0, sizeof(attack));
	if (io_sleep(clock_deadline(options->pace_ms), &why) != 0) {
		facts->injection_reason = arena_strdup(arena, why.text);
		return;
	}
	run_once(options, to, host, false, &control, deadline);
	if (control.end == INJECTION_SILENT && control.code == 250) {
		if (io_sleep(clock_deadline(options->pace_ms), &why) == 0)
			run_once(options, to, host, true, &attack, deadline);
		else
			snprintf(attack.text, sizeof(attack.text), "%s", why.text);
	}
	facts->injection = injection_decide(&control, &attack, arena, &facts->injection_reason);
}

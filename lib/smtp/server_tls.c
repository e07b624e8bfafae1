#include <stdio.h>
#include <string.h>

#include "smtp/session.h"
#include "smtp/starttls.h"

/* STARTTLS (RFC 3207), and TLS from the first byte (RFC 8314 s3). */

bool
serve_tls_available(const struct serve *s)
{
	return s->session.config->tls != SMTP_TLS_OFF && s->session.config->tls_ctx != NULL &&
	       !s->session.config->implicit_tls && !s->session.tls && conn_can_detach(s->conn);
}

static void
note_tls(struct serve *s)
{
	struct tls *tls = conn_tls_session(s->conn);

	snprintf(
	    s->session.tls_version, sizeof(s->session.tls_version), "%s", tls_session_version(tls));
	snprintf(
	    s->session.tls_cipher, sizeof(s->session.tls_cipher), "%s", tls_session_cipher(tls));
	snprintf(s->session.tls_group, sizeof(s->session.tls_group), "%s", tls_session_group(tls));
	const char *sni = tls_session_sni(tls);
	if (sni != NULL && serve_name_ok(slice_str(sni)))
		snprintf(s->session.tls_sni, sizeof(s->session.tls_sni), "%s", sni);
	struct arena arena;
	char *subject;
	arena_init(&arena);
	if (tls_session_client_cert(
		tls, &arena, s->session.client_fingerprint, &subject, &s->session.client_verified))
		snprintf(s->session.client_subject, sizeof(s->session.client_subject), "%s",
		    subject == NULL ? "" : subject);
	arena_free(&arena);
}

/* What the handshake uses. A context is kept: it may be replaced meanwhile. */
static struct tls_ctx *
context(const struct serve *s)
{
	const struct smtp_fault *fault = serve_fault(s, SMTP_FAULT_CERT);

	if (fault == NULL)
		fault = serve_fault(s, SMTP_FAULT_VERSION);
	return tls_ctx_ref(fault != NULL ? fault->tls_ctx : s->session.config->tls_ctx);
}

/* The handshake, on a conn where nothing more is said in clear. ready: the 220 is still to be said. */
static int
start_tls(struct serve *s, bool ready, int64_t deadline, struct fail *why)
{
	const struct smtp_fault *cut;
	int ret;

	serve_point(s, "TLS");
	struct tls_ctx *ctx = context(s);
	if (s->rolled == 0 && ready) {
		ret = starttls_server(&s->conn, ctx, deadline, why);
	} else {
		if (ready)
			serve_write(s, STARTTLS_READY, strlen(STARTTLS_READY));
		if (s->conn != NULL && conn_flush(s->conn, deadline, why) == 0 &&
		    !serve_faulty_handshake(s, deadline)) {
			cut = serve_fault(s, SMTP_FAULT_CUT);
			ret = starttls_server_implicit(&s->conn, ctx,
			    cut != NULL ? cut->bytes : STARTTLS_UNCUT, deadline, why);
		} else {
			serve_close(s, "connection lost");
			ret = fail_set(why, FAIL_TLS_HANDSHAKE, "%s", s->session.ended);
		}
	}
	tls_ctx_free(ctx);
	return ret;
}

static bool
switch_to_tls(struct serve *s, bool ready)
{
	struct smtp_session *session = &s->session;
	const struct smtp_server_config *config = session->config;
	struct fail why;
	int64_t deadline = serve_deadline(s, serve_busy(s, config->handshake_timeout_ms)
						 ? config->busy_timeout_ms
						 : config->handshake_timeout_ms);

	if (start_tls(s, ready, deadline, &why) != 0) {
		session->ended = config->implicit_tls ? "TLS failed" : "STARTTLS failed";
		serve_event(s, SMTP_EVENT_TLS_FAILED, NULL, 0, why.text);
		return false;
	}
	session->tls = true;
	conn_set_trace(s->conn, config->trace, session);
	note_tls(s);
	return true;
}

/* The 220, with its faults; then the handshake. */
static void
answer(struct serve *s)
{
	bool faulty = false;

	if (s->rolled != 0 && conn_input_bytes(s->conn) == 0) {
		faulty = true;
		/* slow, injected, or as it is */
		if (!serve_reply(s, 220, "2.0.0", "Ready to start TLS"))
			return;
	}
	if (conn_flush(s->conn, s->deadline, NULL) != 0) {
		serve_close(s, "connection lost");
		return;
	}
	if (!switch_to_tls(s, !faulty))
		return;
	/* RFC 3207 s4.2: nothing the client said before counts any more */
	serve_transaction_reset(s);
	s->session.helo[0] = '\0';
	s->session.esmtp = false;
}

void
serve_starttls(struct serve *s, struct slice args)
{
	struct smtp_session *session = &s->session;

	if (args.n > 0) /* RFC 3207 s4: no parameters */
		serve_error(s, 501, "5.5.4", "STARTTLS takes no argument");
	else if (session->tls)
		serve_error(s, 503, "5.5.1", "TLS is active already");
	else if (!serve_tls_available(s))
		serve_error(s, 502, "5.5.1", "STARTTLS is not available");
	else if (session->helo[0] == '\0' || session->mail)
		serve_error(s, 503, "5.5.1", "EHLO first, and no STARTTLS inside a transaction");
	else
		answer(s);
}

void
serve_implicit_tls(struct serve *s)
{
	switch_to_tls(s, false);
}

#include <stdio.h>

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

/* The switch to TLS, whichever function does it. The context is kept: it may be replaced meanwhile. */
static bool
switch_to_tls(struct serve *s,
    int (*start)(struct conn **, struct tls_ctx *, int64_t deadline, struct fail *why))
{
	struct smtp_session *session = &s->session;
	const struct smtp_server_config *config = session->config;
	struct tls_ctx *ctx = tls_ctx_ref(config->tls_ctx);
	struct fail why;

	int ret = start(&s->conn, ctx,
	    serve_deadline(s, serve_busy(s, config->handshake_timeout_ms)
				  ? config->busy_timeout_ms
				  : config->handshake_timeout_ms),
	    &why);
	tls_ctx_free(ctx);
	if (ret != 0) {
		session->ended = config->implicit_tls ? "TLS failed" : "STARTTLS failed";
		serve_event(s, SMTP_EVENT_TLS_FAILED, NULL, 0, why.text);
		return false;
	}
	session->tls = true;
	conn_set_trace(s->conn, config->trace, session);
	note_tls(s);
	return true;
}

void
serve_starttls(struct serve *s, struct slice args)
{
	struct smtp_session *session = &s->session;
	const struct smtp_server_config *config = session->config;

	if (args.n > 0) /* RFC 3207 s4: no parameters */
		serve_error(s, 501, "5.5.4", "STARTTLS takes no argument");
	else if (session->tls)
		serve_error(s, 503, "5.5.1", "TLS is active already");
	else if (!serve_tls_available(s))
		serve_error(s, 502, "5.5.1", "STARTTLS is not available");
	else if (session->helo[0] == '\0' || session->mail)
		serve_error(s, 503, "5.5.1", "EHLO first, and no STARTTLS inside a transaction");
	else if (smtp_fault_find(config->faults, config->faults_n, s->point, SMTP_FAULT_REPLY) !=
		     NULL ||
		 smtp_fault_find(config->faults, config->faults_n, s->point, SMTP_FAULT_CUT) !=
		     NULL)
		serve_reply(s, 220, "2.0.0", "Ready to start TLS"); /* the fault answers */
	else {
		serve_delay(s);
		if (conn_flush(s->conn, s->deadline, NULL) != 0) {
			serve_close(s, "connection lost");
			return;
		}
		if (!switch_to_tls(s, starttls_server))
			return;
		/* RFC 3207 s4.2: nothing the client said before counts any more */
		serve_transaction_reset(s);
		session->helo[0] = '\0';
		session->esmtp = false;
	}
}

void
serve_implicit_tls(struct serve *s)
{
	switch_to_tls(s, starttls_server_implicit);
}

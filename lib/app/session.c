#include "app/session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/helo.h"
#include "policy/dane.h"
#include "smtp/client.h"

#define REPLY_TEXT_BYTES 1024 /* of a reply kept as a fact */
#define QUIT_MS 10000         /* nothing depends on the reply to QUIT: no tarpit for it */

enum host_status
session_status(enum fail_code code, bool in_tls, bool handshaking)
{
	switch (code) {
	case FAIL_NONE:
		return HOST_SUCCESS;
	case FAIL_CONNECT_REFUSED:
		return HOST_CONNECT_REFUSED;
	case FAIL_CONNECT_TIMEOUT:
		return HOST_CONNECT_TIMEOUT;
	case FAIL_CONNECT_UNREACHABLE:
		return HOST_CONNECT_UNREACHABLE;
	case FAIL_CONNECT_PRIVATE:
	case FAIL_CONNECT_SELF:
		return HOST_BLOCKLISTED;
	case FAIL_CANCELLED:
		return HOST_CANCELLED;
	case FAIL_TIMEOUT:
		return in_tls ? HOST_POST_TLS_ERROR : HOST_IO_TIMEOUT;
	default:
		break;
	}
	if (in_tls)
		return HOST_POST_TLS_ERROR;
	if (handshaking && code != FAIL_RESPONSE_INJECTION && code != FAIL_OS)
		return HOST_HANDSHAKE_ERROR;
	switch (code) {
	case FAIL_EOF:
	case FAIL_IO:
	case FAIL_TLS_TRUNCATED:
		return HOST_CLOSED;
	case FAIL_REPLY_SYNTAX:
	case FAIL_RESPONSE_INJECTION:
		return HOST_PROTOCOL_ERROR;
	case FAIL_REPLY_TOO_LONG:
	case FAIL_LINE_TOO_LONG:
		return HOST_LINE_TOO_LONG;
	case FAIL_REPLY_TEMPORARY:
		return HOST_TEMPORARY;
	case FAIL_REPLY_PERMANENT:
		return HOST_REJECTED;
	case FAIL_REPLY_UNEXPECTED:
	case FAIL_STARTTLS_REJECTED:
		return HOST_APPLICATION_ERROR;
	default:
		return HOST_UNKNOWN_ERROR;
	}
}

int64_t
session_step(const struct session *s)
{
	int64_t reply = clock_deadline(s->options.timeout_ms);

	return reply < s->deadline ? reply : s->deadline;
}

static double
seconds_since(int64_t start_ms)
{
	return (double)(clock_ms() - start_ms) / 1000;
}

/* "192.0.2.1:25 S: 220 ready": one line of a dialogue, on stderr. */
static void
trace(void *ctx, bool sent, struct slice data)
{
	const struct session *s = ctx;
	struct buf line;

	while (data.n > 0 && (data.p[data.n - 1] == '\n' || data.p[data.n - 1] == '\r'))
		data.n--;
	buf_init(&line, 2 * LIMIT_LOG_LINE_BYTES);
	buf_printf(&line, "%s %s ", s->name, sent ? "C:" : "S:");
	text_escape(&line, data, LIMIT_LOG_LINE_BYTES);
	buf_putc(&line, '\n');
	fwrite(line.data, 1, line.len, stderr);
	buf_free(&line);
}

/* "192.0.2.1:25 TLS TLSv1.3 TLS_AES_256_GCM_SHA384": where the handshake was. */
static void
trace_tls(const struct session *s, struct conn *conn)
{
	struct tls *tls = conn_tls_session(conn);

	if (s->options.verbose)
		fprintf(stderr, "%s TLS %s %s\n", s->name, tls_session_version(tls),
		    tls_session_cipher(tls));
}

/* All lines of a reply without its code, one a line, as they came; a NUL would hide the rest. */
static char *
reply_lines(const struct smtp_reply *reply, struct arena *arena)
{
	struct buf out;

	buf_init(&out, LIMIT_BANNER_BYTES);
	for (size_t i = 0; i < reply->lines && !out.full; i++) {
		struct slice line = smtp_reply_line(reply, i);
		if (i > 0)
			buf_putc(&out, '\n');
		buf_append(&out, line.p, line.n);
	}
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] == '\0')
			out.data[i] = '?';
	char *text = arena_strndup(arena, buf_str(&out), out.len);
	buf_free(&out);
	return text;
}

/* The greeting, whatever its code (RFC 5321 s3.1). */
static int
greeting(struct session *s, struct fail *why)
{
	int64_t start = clock_ms();
	int ret = smtp_greeting(&s->client, session_step(s), why);

	if (s->client.reply_ms != 0) {
		s->facts->banner = reply_lines(&s->client.reply, s->arena);
		s->facts->banner_code = s->client.reply.code;
		s->facts->timing.banner = seconds_since(start);
	}
	return ret;
}

/*
 * The first EHLO, and HELO where EHLO is not known (RFC 5321 s3.2, DECISIONS C18). Only a complete
 * 250 proves what is offered and what is not.
 */
static int
first_ehlo(struct session *s, struct fail *why)
{
	int64_t start = clock_ms();
	int ret = smtp_ehlo(&s->client, s->helo, session_step(s), why);

	if (s->client.reply_ms != 0) {
		s->facts->ehlo_code = s->client.reply.code;
		s->facts->timing.ehlo = seconds_since(start);
	}
	if (ret != 0 && smtp_ehlo_unsupported(why->smtp_code)) {
		ret = smtp_helo(&s->client, s->helo, session_step(s), why);
		s->facts->ehlo_unsupported = ret == 0;
		if (ret == 0)
			fail_clear(why);
	} else if (ret == 0) {
		ehlo_lines(
		    &s->client.reply, s->arena, s->in_tls ? &s->facts->ehlo_tls : &s->facts->ehlo);
	}
	if (ret != 0)
		return -1;
	s->facts->keyword_masked = s->client.ehlo.masked;
	if (!s->in_tls)
		s->facts->starttls_state = (s->client.ehlo.caps & EHLO_STARTTLS) != 0
					       ? STARTTLS_OFFERED
					       : STARTTLS_NOT_OFFERED;
	return 0;
}

static void
starttls_reply(struct session *s, int64_t start)
{
	char text[REPLY_TEXT_BYTES];

	smtp_reply_str(&s->client.reply, text, sizeof(text));
	s->facts->starttls_reply = arena_strdup(s->arena, text);
	s->facts->starttls_code = s->client.reply.code;
	s->facts->timing.starttls = (double)(s->client.reply_ms - start) / 1000;
}

static int
starttls(struct session *s, struct fail *why)
{
	size_t post_220_bytes;
	int64_t start = clock_ms();
	int ret = smtp_starttls(&s->client, s->options.tls, s->sni, s->keys, &post_220_bytes,
	    &s->failed_tls, session_step(s), why);
	bool replied = s->client.reply_ms != 0;

	if (replied)
		starttls_reply(s, start);
	s->facts->post_220_bytes = (int64_t)post_220_bytes;
	if (ret == 0) {
		s->in_tls = true;
		s->facts->starttls_state = STARTTLS_DONE;
		trace_tls(s, s->client.conn);
	} else if (why->code == FAIL_STARTTLS_REJECTED) {
		s->facts->starttls_state = STARTTLS_REFUSED;
	} else if (replied) {
		s->handshaking = true;
		/* stopped by ourselves: nothing was found out */
		if (why->code != FAIL_CANCELLED)
			s->facts->starttls_state = STARTTLS_FAILED;
	}
	/* bytes behind the 220: no ClientHello was sent */
	if (replied && post_220_bytes == 0 && (ret == 0 || s->handshaking))
		s->facts->timing.tls = seconds_since(s->client.reply_ms);
	return ret;
}

/* TLS from the first byte (RFC 8314 s3): there is no STARTTLS, and nothing before it. */
static int
implicit_tls(struct session *s, int fd, struct conn **conn_r, struct fail *why)
{
	int64_t start = clock_ms();
	struct tls *tls = tls_client(s->options.tls, fd, s->sni, s->keys, why);

	s->facts->implicit_tls = true;
	int ret = tls == NULL ? -1 : tls_handshake(tls, session_step(s), why);
	s->facts->timing.tls = seconds_since(start);
	if (ret == 0) {
		s->facts->starttls_state = STARTTLS_IMPLICIT;
		s->in_tls = true;
		*conn_r = conn_tls(fd, tls);
		trace_tls(s, *conn_r);
		return 0;
	}
	s->handshaking = true;
	if (why->code != FAIL_CANCELLED)
		s->facts->starttls_state = STARTTLS_FAILED;
	s->failed_tls = tls;
	close(fd);
	return -1;
}

/* What the handshake showed. After the EHLO inside TLS, when the tickets of TLS 1.3 have come. */
static void
gather(struct session *s)
{
	struct tls *tls = s->failed_tls;
	char ip[ADDR_TEXT_BYTES];

	if (tls == NULL && s->client.conn != NULL)
		tls = conn_tls_session(s->client.conn);
	if (tls == NULL)
		return;
	struct tls_facts *facts =
	    arena_push(s->arena, &s->facts->tls, &s->facts->tls_n, sizeof(*facts));
	facts_init_tls_facts(facts);
	tls_gather(tls, s->arena, facts, s->certs, s->certs_n);
	if (s->options.keep_raw)
		tls_gather_raw(tls, s->arena, *s->certs, *s->certs_n);
	facts->duration = s->facts->timing.tls;
	if (!s->in_tls)
		return;
	int64_t at = s->options.at != 0 ? s->options.at : clock_wall();
	addr_ip_str(s->to, ip);
	tls_verify(tls, s->options.trust, s->host != NULL ? s->host : ip, s->domain, at,
	    s->options.auth_level, s->arena, &facts->verify);
	if (s->options.exchange != NULL)
		dane_check(tls, s->options.exchange, s->domain, s->options.mx_dnssec, at,
		    s->options.auth_level, s->arena, facts);
}

/* EHLO inside TLS: nothing of the first one counts any more (RFC 3207 s4.2). */
static int
second_ehlo(struct session *s, struct fail *why)
{
	struct host_facts *facts = s->facts;
	int64_t start = clock_ms();

	if (smtp_ehlo(&s->client, s->helo, session_step(s), why) != 0)
		return -1;
	facts->timing.ehlo_tls = seconds_since(start);
	ehlo_lines(&s->client.reply, s->arena, &facts->ehlo_tls);
	ehlo_difference(&facts->ehlo_tls, &facts->ehlo, s->arena, &facts->ext_added);
	ehlo_difference(&facts->ehlo, &facts->ehlo_tls, s->arena, &facts->ext_removed);
	return 0;
}

/* Whether the dialogue is still in step, so that it can be ended politely. */
static bool
may_quit(const struct session *s, const struct fail *why)
{
	if (s->client.conn == NULL || why->smtp_code == 421)
		return false;
	switch (why->code) {
	case FAIL_NONE:
	case FAIL_REPLY_TEMPORARY:
	case FAIL_REPLY_PERMANENT:
	case FAIL_REPLY_UNEXPECTED:
	case FAIL_STARTTLS_REJECTED:
	/* what the caller found wrong, nothing having been sent or read */
	case FAIL_STARTTLS_NOT_OFFERED:
	case FAIL_TLS_TOO_OLD:
	case FAIL_CERT_UNTRUSTED:
	case FAIL_CERT_EXPIRED:
	case FAIL_CERT_MISMATCH:
	case FAIL_MESSAGE_TOO_BIG:
	case FAIL_SMTPUTF8:
	case FAIL_CERT_PIN:
	case FAIL_TLSA_INVALID:
	case FAIL_REQUIRETLS:
	case FAIL_REQUIRETLS_TLS:
	case FAIL_AUTH:
	case FAIL_CREDENTIALS:
		return true;
	default:
		return false;
	}
}

static int
open_conn(struct session *s, struct conn **conn_r, struct fail *why)
{
	int64_t connect_ms =
	    s->options.connect_ms != 0 ? s->options.connect_ms : s->options.timeout_ms;
	int64_t deadline = clock_deadline(connect_ms);

	if (deadline > s->deadline)
		deadline = s->deadline;
	int fd = dial(s->to, &s->options.dial, &s->facts->timing.connect, deadline, why);

	if (s->facts->timing.connect >= 0)
		s->facts->attempts++;
	if (fd < 0)
		return -1;
	s->helo = s->options.helo != NULL ? s->options.helo : helo_literal(fd, s->arena);
	if (s->options.implicit_tls)
		return implicit_tls(s, fd, conn_r, why);
	*conn_r = conn_plain(fd);
	return 0;
}

void
session_init(struct session *s, const struct session_options *options, const struct addr *to,
    const char *host, const char *domain, enum key_type keys, struct arena *arena,
    struct host_facts *facts, struct cert_facts **certs_inout, size_t *certs_n_inout,
    int64_t deadline)
{
	memset(s, 0, sizeof(*s));
	s->options = *options;
	s->to = to;
	s->host = host;
	s->domain = domain;
	s->keys = keys;
	s->arena = arena;
	s->facts = facts;
	s->certs = certs_inout;
	s->certs_n = certs_n_inout;
	s->deadline = deadline;
	addr_str(to, s->name);
	facts->ip = arena_alloc(arena, ADDR_TEXT_BYTES);
	addr_ip_str(to, facts->ip);
	facts->port = addr_port(to);
	facts->implicit_tls = options->implicit_tls;
	s->sni = options->sni == NULL ? host : options->sni[0] == '\0' ? NULL : options->sni;
	facts->sni = s->sni != NULL ? arena_strdup(arena, s->sni) : NULL;
}

/* The outcome of a step into the facts. */
static int
outcome(struct session *s, int ret, const struct fail *why)
{
	s->facts->status =
	    session_status(ret == 0 ? FAIL_NONE : why->code, s->in_tls, s->handshaking);
	s->facts->error = ret == 0 ? NULL : arena_strdup(s->arena, why->text);
	return ret;
}

int
session_open(struct session *s, struct fail *why)
{
	struct conn *conn = NULL;
	int ret = open_conn(s, &conn, why);

	if (ret == 0) {
		smtp_client_init(&s->client, conn, s->options.verbose ? trace : NULL, s);
		s->open = true;
		ret = greeting(s, why) != 0 ? -1 : first_ehlo(s, why);
	}
	if (s->options.implicit_tls)
		gather(s);
	return outcome(s, ret, why);
}

int
session_starttls(struct session *s, struct fail *why)
{
	int ret = starttls(s, why);

	if (ret == 0)
		ret = second_ehlo(s, why);
	/* after the EHLO inside TLS, when the tickets of TLS 1.3 have come; and whatever happened */
	gather(s);
	return outcome(s, ret, why);
}

static void
quit(struct session *s)
{
	int64_t step = session_step(s), most = clock_deadline(QUIT_MS);
	int ret = smtp_quit(&s->client, step < most ? step : most, NULL);

	s->facts->quit = ret == 0 ? TRI_YES : TRI_NO;
}

void
session_close(struct session *s, const struct fail *why)
{
	if (s->open) {
		if (may_quit(s, why))
			quit(s);
		smtp_client_fini(&s->client);
		s->open = false;
	}
	tls_free(s->failed_tls);
	s->failed_tls = NULL;
}

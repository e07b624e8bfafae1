#include "smtp/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "io/io.h"
#include "io/sched.h"
#include "smtp/session.h"

void
smtp_server_config_init(struct smtp_server_config *config)
{
	memset(config, 0, sizeof(*config));
	config->hostname = "localhost";
	config->max_message_bytes = LIMIT_MESSAGE_BYTES;
	config->max_recipients = LIMIT_RECIPIENTS;
	config->max_errors = LIMIT_SERVER_ERRORS;
	config->command_timeout_ms = 300 * 1000; /* RFC 5321 s4.5.3.2.7 */
	config->busy_timeout_ms = 10 * 1000;
	config->handshake_timeout_ms = 30 * 1000;
	config->lifetime_ms = 20 * 60 * 1000;
	config->min_rate_bytes = 500;
}

/* --- replies ------------------------------------------------------------------------------------- */

/* Slots run out, so that less than the usual time is given (DECISIONS F41). */
bool
serve_busy(const struct serve *s, int64_t usual_ms)
{
	const struct smtp_server_config *config = s->session.config;

	return config->busy != NULL && *config->busy && config->busy_timeout_ms < usual_ms;
}

int64_t
serve_deadline(const struct serve *s, int64_t ms)
{
	int64_t deadline = clock_deadline(ms);

	return deadline < s->deadline ? deadline : s->deadline;
}

void
serve_close(struct serve *s, const char *ended)
{
	if (s->conn == NULL)
		return;
	s->session.ended = ended;
	conn_close(s->conn);
	s->conn = NULL;
}

void
serve_write(struct serve *s, const void *data, size_t n)
{
	if (s->conn != NULL &&
	    conn_write(s->conn, data, n, serve_deadline(s, s->session.config->command_timeout_ms),
		NULL) != 0)
		serve_close(s, "connection lost while replying");
}

bool
serve_reply(struct serve *s, int code, const char *enhanced, const char *fmt, ...)
{
	char text[512], line[600];
	va_list ap;

	if (s->conn == NULL)
		return false;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* the text of a failure may quote the client: no byte of it may end the line */
	text_sanitize(text);
	int n = snprintf(line, sizeof(line), "%d %s%s%s\r\n", code, enhanced,
	    enhanced[0] == '\0' ? "" : " ", text);
	enum serve_faulty faulty = serve_faulty_reply(s, line, (size_t)n);
	if (faulty == SERVE_AS_PLANNED)
		serve_write(s, line, (size_t)n);
	return faulty != SERVE_WITHOUT_EFFECT && s->conn != NULL;
}

int
serve_fail_code(const struct fail *why)
{
	bool temporary = fail_info(why->code)->enhanced[0] == '4';

	switch (why->code) {
	case FAIL_STORAGE_FULL:
	case FAIL_QUEUE_FULL:
		return 452;
	case FAIL_MESSAGE_TOO_BIG:
		return 552;
	case FAIL_ADDRESS:
		return 501;
	case FAIL_CONNECT_SELF:
	case FAIL_MESSAGE:
	case FAIL_COMMAND:
		return 554;
	case FAIL_REPLY_TEMPORARY:
	case FAIL_REPLY_PERMANENT:
		if (why->smtp_code / 100 == (temporary ? 4 : 5))
			return why->smtp_code; /* the word of the server behind us */
					       /* fall through */
	default:
		return temporary ? 451 : 550;
	}
}

void
serve_reply_fail(struct serve *s, const struct fail *why)
{
	serve_reply(s, serve_fail_code(why), fail_info(why->code)->enhanced, "%s", why->text);
}

void
serve_event(struct serve *s, enum smtp_event event, const struct smtp_path *path, int code,
    const char *text)
{
	const struct smtp_server_ops *ops = s->session.config->ops;

	s->session.refusals += event != SMTP_EVENT_TLS_FAILED;
	if (ops != NULL && ops->event != NULL)
		ops->event(s->session.app, &s->session, event, path, code, text);
}

static bool
too_many_errors(struct serve *s)
{
	/* reference S14: who makes errors while others wait for a place gives his to them */
	unsigned most = serve_busy(s, INT64_MAX) ? 1 : s->session.config->max_errors;

	if (++s->session.errors < most)
		return false;
	serve_goodbye(s, 421, "4.7.0", "Too many errors", "too many errors");
	return true;
}

void
serve_refuse(struct serve *s, const struct smtp_path *path, const struct fail *why)
{
	serve_event(s, SMTP_EVENT_RCPT_REFUSED, path, serve_fail_code(why), why->text);
	if (!too_many_errors(s))
		serve_reply_fail(s, why);
}

void
serve_goodbye(struct serve *s, int code, const char *enhanced, const char *text, const char *ended)
{
	serve_reply(s, code, enhanced, "%s", text);
	if (s->conn == NULL)
		return;
	s->session.ended = ended;
	conn_close_lingering(s->conn, serve_deadline(s, 2000));
	s->conn = NULL;
}

void
serve_error(struct serve *s, int code, const char *enhanced, const char *text)
{
	if (!too_many_errors(s))
		serve_reply(s, code, enhanced, "%s", text);
}

bool
serve_out_of_turn(struct serve *s, const char *where)
{
	/* a pipe has its whole input at once: only a socket shows when it was sent */
	if (!s->interactive || conn_input_bytes(s->conn) == 0)
		return false;
	log_debug("%s: data %s", s->session.peer_ip, where);
	serve_goodbye(s, 554, "5.5.0", "Data where none may be sent", "talked out of turn");
	return true;
}

void
serve_transaction_reset(struct serve *s)
{
	struct smtp_session *session = &s->session;

	session->mail = false;
	memset(&session->sender, 0, sizeof(session->sender));
	session->recipients = NULL;
	session->recipients_n = 0;
	session->dsn = NULL;
	session->dsn_n = 0;
	session->ret = SMTP_RET_NONE;
	session->envid = NULL;
	session->body_8bit = session->smtputf8 = session->requiretls = false;
	session->declared_bytes = 0;
	arena_reset(&s->arena);
}

/* --- commands ------------------------------------------------------------------------------------ */

/* A host name or address literal that may stand in a Received field (reference S10). */
bool
serve_name_ok(struct slice name)
{
	if (name.n == 0 || name.n > LIMIT_DOMAIN_BYTES)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = text_lower(name.p[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			strchr(".-_:[]", c) != NULL) ||
		    c == '\0')
			return false;
	}
	return true;
}

static void
ehlo_reply(struct serve *s)
{
	const struct smtp_server_config *config = s->session.config;
	char text[640], mailmax[32] = "";

	if (config->max_messages > 0)
		snprintf(mailmax, sizeof(mailmax), " MAILMAX=%u", config->max_messages);
	int n = snprintf(text, sizeof(text),
	    "250-%s\r\n250-PIPELINING\r\n250-SIZE %lld\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n%s%s%s"
	    "250-LIMITS RCPTMAX=%u%s\r\n250 ENHANCEDSTATUSCODES\r\n",
	    config->hostname, (long long)config->max_message_bytes,
	    !serve_tls_available(s) || serve_fault(s, SMTP_FAULT_HIDE) != NULL ? ""
	    : serve_fault(s, SMTP_FAULT_MASK) != NULL                          ? "250-XXXXXXXA\r\n"
									       : "250-STARTTLS\r\n",
	    s->session.tls && config->requiretls ? "250-REQUIRETLS\r\n" : "",
	    config->dsn ? "250-DSN\r\n" : "", config->max_recipients, mailmax);
	if (serve_faulty_reply(s, text, (size_t)n) == SERVE_AS_PLANNED)
		serve_write(s, text, (size_t)n);
}

static void
cmd_hello(struct serve *s, struct slice args, bool esmtp)
{
	struct slice name = slice_word(&args);

	if (serve_out_of_turn(s, "behind EHLO"))
		return;
	if (!serve_name_ok(name)) {
		serve_error(s, 501, "5.5.4", "A host name or address literal is expected");
		return;
	}
	/* RFC 5321 s4.1.4: EHLO also resets */
	serve_transaction_reset(s);
	memcpy(s->session.helo, name.p, name.n);
	s->session.helo[name.n] = '\0';
	s->session.esmtp = esmtp;
	if (esmtp)
		ehlo_reply(s);
	else
		serve_reply(s, 250, "", "%s", s->session.config->hostname);
}

static void
cmd_ehlo(struct serve *s, struct slice args)
{
	cmd_hello(s, args, true);
}

static void
cmd_helo(struct serve *s, struct slice args)
{
	cmd_hello(s, args, false);
}

static void
cmd_data(struct serve *s, struct slice args)
{
	if (args.n > 0)
		serve_error(s, 501, "5.5.4", "DATA takes no argument");
	else if (!s->session.mail)
		serve_error(s, 503, "5.5.1", "MAIL first");
	else if (s->session.recipients_n == 0)
		serve_error(s, 554, "5.5.1", "No valid recipients"); /* RFC 5321 s3.3 */
	else if (!serve_out_of_turn(s, "behind DATA"))
		serve_data(s);
}

static void
cmd_rset(struct serve *s, struct slice args)
{
	if (args.n > 0) {
		serve_error(s, 501, "5.5.4", "RSET takes no argument");
		return;
	}
	serve_transaction_reset(s);
	serve_reply(s, 250, "2.0.0", "Ok");
}

static void
cmd_noop(struct serve *s, struct slice args)
{
	(void)args;
	serve_reply(s, 250, "2.0.0", "Ok");
}

static void
cmd_vrfy(struct serve *s, struct slice args)
{
	(void)args;
	/* RFC 5321 s3.5.3: neither confirmed nor denied */
	serve_reply(s, 252, "2.5.2", "Send some mail, I'll try my best");
}

static void
cmd_help(struct serve *s, struct slice args)
{
	(void)args;
	serve_reply(s, 214, "2.0.0",
	    "Commands: EHLO HELO STARTTLS MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
}

static void
cmd_quit(struct serve *s, struct slice args)
{
	(void)args;
	serve_goodbye(s, 221, "2.0.0", "Bye", "quit");
}

/* Another protocol, or chunk data that would be read as commands (reference S23, S24): no second chance. */
static void
cmd_foreign(struct serve *s, struct slice args)
{
	(void)args;
	serve_goodbye(s, 502, "5.5.1", "Not here", "foreign protocol");
}

static const struct {
	const char *verb;
	void (*run)(struct serve *s, struct slice args);
	bool before_tls; /* RFC 3207 s4: allowed when TLS is required and missing */
	bool before_ehlo;
} commands[] = { { "EHLO", cmd_ehlo, true, true }, { "HELO", cmd_helo, false, true },
	{ "STARTTLS", serve_starttls, true, true }, { "MAIL", serve_mail, false, false },
	{ "RCPT", serve_rcpt, false, false }, { "DATA", cmd_data, false, false },
	{ "RSET", cmd_rset, false, true }, { "NOOP", cmd_noop, true, true },
	{ "VRFY", cmd_vrfy, false, true }, { "HELP", cmd_help, false, true },
	{ "QUIT", cmd_quit, true, true }, { "BDAT", cmd_foreign, true, true },
	{ "GET", cmd_foreign, true, true }, { "POST", cmd_foreign, true, true },
	{ "HEAD", cmd_foreign, true, true }, { "PUT", cmd_foreign, true, true },
	{ "CONNECT", cmd_foreign, true, true }, { "OPTIONS", cmd_foreign, true, true } };

static void
serve_command(struct serve *s, struct slice line)
{
	struct slice args = line, verb = slice_word(&args);

	s->session.commands++;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!slice_is_case(verb, commands[i].verb))
			continue;
		serve_point(s, commands[i].verb);
		if (s->session.config->tls == SMTP_TLS_REQUIRED && !s->session.tls &&
		    !commands[i].before_tls && s->session.config->tls_exempt_n == 0) {
			if (slice_is_case(verb, "MAIL"))
				serve_event(
				    s, SMTP_EVENT_CLEAR_REFUSED, NULL, 530, "TLS is required");
			serve_error(s, 530, "5.7.0", "Must issue a STARTTLS command first");
		} else if (!commands[i].before_ehlo && s->session.helo[0] == '\0')
			serve_error(s, 503, "5.5.1", "EHLO first");
		else
			commands[i].run(s, args);
		return;
	}
	serve_point(s, "?");
	/* RFC 5321 s4.2.4; the words are never repeated */
	serve_error(s, 500, "5.5.2", "Command not known");
}

static void
serve_read_failed(struct serve *s, const struct fail *why)
{
	switch (why->code) {
	case FAIL_TIMEOUT:
		serve_goodbye(s, 421, "4.4.2", "Timeout", "timeout");
		break;
	case FAIL_CANCELLED:
		serve_goodbye(s, 421, "4.3.2", "Shutting down", "shutdown");
		break;
	case FAIL_LINE_TOO_LONG:
		serve_goodbye(s, 500, "5.5.2", "Line too long", "line too long");
		break;
	case FAIL_REPLY_SYNTAX:
		serve_goodbye(
		    s, 521, "5.5.2", "Bare CR, bare LF or NUL", "bare CR, bare LF or NUL");
		break;
	case FAIL_EOF:
		serve_close(s, "closed by the client");
		break;
	default:
		serve_close(s, "connection lost");
	}
}

/* RFC 2920 s3.2: replies to these alone may go out together, and only while a further command waits. */
static bool
may_group(const struct serve *s)
{
	return conn_has_line(s->conn) &&
	       (strcmp(s->point, "MAIL") == 0 || strcmp(s->point, "RCPT") == 0 ||
		   strcmp(s->point, "RSET") == 0);
}

/* A line that a bare LF may end holds no CR and no NUL all the same. */
static int
check_line(struct slice line, struct fail *why)
{
	if (slice_find(line, '\r') == line.n && slice_find(line, '\0') == line.n)
		return 0;
	return fail_set(why, FAIL_REPLY_SYNTAX, "bare CR or NUL in a line");
}

/*
 * Whoever waits while the slots run out waits no longer than a busy server does, also when they ran out after the wait
 * began: so the wait is looked at again in between. What has come of the line stays.
 */
static int
next_command(struct serve *s, struct slice *line_r, struct fail *why)
{
	const struct smtp_server_config *config = s->session.config;
	int64_t since = clock_ms(), end = serve_deadline(s, config->command_timeout_ms);

	if (!may_group(s) && conn_flush(s->conn, s->deadline, why) != 0)
		return -1;
	for (;;) {
		int64_t look = config->busy == NULL ? end : clock_deadline(config->busy_timeout_ms);
		if (conn_read_line(s->conn, LIMIT_COMMAND_LINE_BYTES,
			!config->local && !s->session.bare_lf, line_r, look < end ? look : end,
			why) == 0)
			return s->session.bare_lf ? check_line(*line_r, why) : 0;
		if (why->code != FAIL_TIMEOUT || clock_ms() >= end ||
		    (serve_busy(s, config->command_timeout_ms) &&
			clock_ms() >= since + config->busy_timeout_ms))
			return -1;
	}
}

void
smtp_server_run(struct conn *conn, const struct smtp_server_config *config, const struct addr *peer,
    void *app, struct smtp_session *session_r)
{
	struct serve s;
	struct slice line;
	struct fail why;

	memset(&s, 0, sizeof(s));
	s.session.config = config;
	s.session.app = app;
	s.session.peer_known = peer != NULL;
	if (peer != NULL) {
		s.session.peer = *peer;
		addr_ip_str(peer, s.session.peer_ip);
	} else {
		snprintf(s.session.peer_ip, sizeof(s.session.peer_ip), "stdin");
	}
	s.conn = conn;
	conn_set_trace(conn, config->trace, &s.session);
	s.interactive = conn_can_detach(conn);
	s.session.started_ms = clock_ms();
	if (config->ops != NULL && config->ops->bare_lf != NULL)
		s.session.bare_lf = config->ops->bare_lf(app, &s.session);
	s.deadline = clock_deadline(config->lifetime_ms);
	arena_init(&s.arena);
	if (config->implicit_tls)
		serve_implicit_tls(&s);
	serve_point(&s, "GREETING");
	if (s.conn != NULL && !serve_out_of_turn(&s, "ahead of the greeting"))
		serve_reply(&s, 220, "", "%s ESMTP", config->hostname);
	while (s.conn != NULL) {
		/* a stop ends a session outside of a transaction at once, and lets one inside finish */
		fiber_idle(!s.session.mail);
		int ret = next_command(&s, &line, &why);
		fiber_idle(false);
		if (ret != 0)
			serve_read_failed(&s, &why);
		else
			serve_command(&s, line);
	}
	arena_free(&s.arena);
	s.session.recipients = NULL;
	s.session.dsn = NULL;
	s.session.envid = NULL;
	s.session.recipients_n = s.session.dsn_n = 0;
	memset(&s.session.sender, 0, sizeof(s.session.sender));
	if (session_r != NULL)
		*session_r = s.session;
}

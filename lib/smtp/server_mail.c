#include "smtp/session.h"

/* MAIL and RCPT with their parameters (RFC 5321 s4.1.1.2, s4.1.1.3). */

/* Cut "FROM:" or "TO:" off; RFC 5321 allows no space behind the colon, real clients send one. */
static bool
cut_prefix(struct slice *args, const char *prefix, size_t n)
{
	if (!slice_starts_case(*args, prefix))
		return false;
	*args = slice_trim(slice_sub(*args, n, args->n));
	return true;
}

/* Copy what a path points to into the transaction. */
static struct smtp_path
keep_path(struct serve *s, const struct smtp_path *path)
{
	struct smtp_path kept = *path;

	kept.local.p = arena_slice(&s->arena, path->local);
	kept.domain.p = arena_slice(&s->arena, path->domain);
	return kept;
}

/* RFC 3461 s4.3, s4.4. NULL, or the text of a 501; *known_r: it was one of these. */
static const char *
mail_dsn_param(struct serve *s, struct slice key, struct slice value, bool *known_r)
{
	struct smtp_session *session = &s->session;

	*known_r = true;
	if (slice_is_case(key, "RET"))
		return session->ret == SMTP_RET_NONE && smtp_ret_parse(value, &session->ret)
			   ? NULL
			   : "RET takes FULL or HDRS, once";
	if (slice_is_case(key, "ENVID")) {
		if (session->envid != NULL || !smtp_envid_valid(value))
			return "ENVID takes xtext of 1 to 100 characters, once";
		session->envid = arena_slice(&s->arena, value);
		return NULL;
	}
	*known_r = false;
	return NULL;
}

/* One MAIL parameter into the session. NULL, or the text of a 555/501/552 with its code. */
static const char *
mail_param(struct serve *s, struct slice param, int *code_r)
{
	struct smtp_session *session = &s->session;
	size_t equals = slice_find(param, '=');
	struct slice key = slice_sub(param, 0, equals),
		     value = slice_sub(param, equals + 1, param.n);
	bool has_value = equals < param.n;
	unsigned long long size;
	bool known = false;

	*code_r = 501;
	const char *text = session->config->dsn ? mail_dsn_param(s, key, value, &known) : NULL;
	if (known)
		return text;
	if (slice_is_case(key, "SIZE")) {
		/* RFC 1870 s4: 1 to 20 digits */
		if (!has_value || value.n > 20 || !slice_number(value, UINT64_MAX, &size))
			return "SIZE takes a number";
		if (size > (unsigned long long)session->config->max_message_bytes) {
			*code_r = 552;
			return "Message size exceeds the limit";
		}
		session->declared_bytes = (int64_t)size;
		return NULL;
	}
	if (slice_is_case(key, "BODY")) {
		if (!slice_is_case(value, "7BIT") && !slice_is_case(value, "8BITMIME"))
			return "BODY takes 7BIT or 8BITMIME";
		session->body_8bit = slice_is_case(value, "8BITMIME");
		return NULL;
	}
	if (slice_is_case(key, "SMTPUTF8") && !has_value) {
		session->smtputf8 = true;
		return NULL;
	}
	/* RFC 8689 s2: only when it was announced, so only inside TLS */
	if (slice_is_case(key, "REQUIRETLS") && !has_value && session->tls &&
	    session->config->requiretls) {
		session->requiretls = true;
		return NULL;
	}
	*code_r = 555; /* RFC 5321 s4.1.1.11 */
	return "Parameter not known";
}

static bool
mail_params(struct serve *s, const struct smtp_path *sender, struct slice rest)
{
	while (rest.n > 0) {
		int code;
		const char *text = mail_param(s, slice_word(&rest), &code);
		if (text == NULL)
			continue;
		if (code == 552)
			serve_event(s, SMTP_EVENT_MAIL_REFUSED, sender, code, text);
		serve_transaction_reset(s);
		serve_error(s, code, code == 552 ? "5.3.4" : "5.5.4", text);
		return false;
	}
	return true;
}

/* A local program's <user>, as <user@localhost>. */
static struct slice
with_domain(struct serve *s, struct slice args)
{
	size_t end = slice_find(args, '>');

	if (!s->session.config->local || args.n < 2 || args.p[0] != '<' || end == args.n ||
	    end == 1 || slice_find(slice_sub(args, 0, end), '@') < end)
		return args;
	return slice_str(arena_printf(
	    &s->arena, "%.*s@localhost%.*s", (int)end, args.p, (int)(args.n - end), args.p + end));
}

void
serve_mail(struct serve *s, struct slice args)
{
	struct smtp_path path;
	struct slice rest;
	struct fail why;

	if (s->session.mail) {
		serve_error(s, 503, "5.5.1", "Nested MAIL");
		return;
	}
	if (s->session.config->max_messages > 0 &&
	    s->session.messages >= s->session.config->max_messages) {
		serve_goodbye(s, 421, "4.7.0", "No more messages in this session, connect again",
		    "message limit");
		return;
	}
	if (!cut_prefix(&args, "FROM:", 5)) {
		serve_error(s, 501, "5.5.4", "MAIL FROM:<address> is expected");
		return;
	}
	args = with_domain(s, args);
	if (smtp_path_parse(args, true, false, &path, &rest, &why) != 0) {
		serve_error(s, 501, "5.1.7", why.text);
		return;
	}
	if (rest.n > 0 && rest.p[0] != ' ') {
		serve_error(s, 501, "5.5.4", "A space is expected before parameters");
		return;
	}
	/* what the parameters point to must survive: the line does not */
	struct smtp_path kept = keep_path(s, &path);
	if (!mail_params(s, &kept, slice_trim(rest)))
		return;
	if (path.utf8 && !s->session.smtputf8) { /* RFC 6531 s3.3 */
		serve_transaction_reset(s);
		serve_error(s, 553, "5.6.7", "SMTPUTF8 is needed for this address");
		return;
	}
	if (!serve_reply(s, 250, "2.1.0", "Sender ok")) {
		serve_transaction_reset(s);
		return;
	}
	s->session.sender = kept;
	s->session.mail = true;
}

/* RFC 3461 s4.1, s4.2. NULL, or the text of a 501 or 555. */
static const char *
rcpt_param(struct serve *s, struct slice param, struct smtp_dsn *dsn, int *code_r)
{
	size_t equals = slice_find(param, '=');
	struct slice key = slice_sub(param, 0, equals),
		     value = slice_sub(param, equals + 1, param.n);

	*code_r = 501;
	if (s->session.config->dsn && slice_is_case(key, "NOTIFY"))
		return dsn->notify == 0 && smtp_notify_parse(value, &dsn->notify)
			   ? NULL
			   : "NOTIFY takes NEVER, or SUCCESS, FAILURE and DELAY, once";
	if (s->session.config->dsn && slice_is_case(key, "ORCPT")) {
		if (dsn->orcpt != NULL || !smtp_orcpt_valid(value))
			return "ORCPT takes a type, a semicolon and xtext, once";
		dsn->orcpt = arena_slice(&s->arena, value);
		return NULL;
	}
	*code_r = 555; /* RFC 5321 s4.1.1.11 */
	return "Parameter not known";
}

static bool
rcpt_params(struct serve *s, struct slice rest, struct smtp_dsn *dsn)
{
	rest = slice_trim(rest);
	while (rest.n > 0) {
		int code;
		const char *text = rcpt_param(s, slice_word(&rest), dsn, &code);
		if (text == NULL)
			continue;
		serve_error(s, code, "5.5.4", text);
		return false;
	}
	return true;
}

/* Reference, section 1: where TLS is required, reports of its failures must still get through. */
static bool
tls_or_exempt(const struct smtp_session *session, const struct smtp_path *path)
{
	const struct smtp_server_config *config = session->config;

	if (config->tls != SMTP_TLS_REQUIRED || session->tls)
		return true;
	for (size_t i = 0; i < config->tls_exempt_n; i++) {
		struct slice address = slice_str(config->tls_exempt[i]);
		size_t at = slice_find(address, '@');
		if (slice_eq_case(path->local, slice_sub(address, 0, at)) &&
		    slice_eq_case(path->domain, slice_sub(address, at + 1, address.n)))
			return true;
	}
	return false;
}

static void
rcpt(struct serve *s, struct slice args)
{
	struct smtp_session *session = &s->session;
	struct smtp_dsn dsn = { 0 };
	struct smtp_path path;
	struct slice rest;
	struct fail why;

	if (!session->mail) {
		serve_error(s, 503, "5.5.1", "MAIL first");
		return;
	}
	if (!cut_prefix(&args, "TO:", 3)) {
		serve_error(s, 501, "5.5.4", "RCPT TO:<address> is expected");
		return;
	}
	args = with_domain(s, args);
	if (smtp_path_parse(args, false, true, &path, &rest, &why) != 0) {
		serve_error(s, 501, "5.1.3", why.text);
		return;
	}
	s->rcpt_local = path.local;
	if (path.utf8 && !session->smtputf8) {
		serve_error(s, 553, "5.6.7", "SMTPUTF8 is needed for this address");
		return;
	}
	if (!tls_or_exempt(session, &path)) {
		serve_event(s, SMTP_EVENT_CLEAR_REFUSED, &path, 530, "TLS is required");
		serve_error(s, 530, "5.7.0", "Must issue a STARTTLS command first");
		return;
	}
	if (session->recipients_n >= session->config->max_recipients) {
		serve_event(s, SMTP_EVENT_RCPT_REFUSED, &path, 452, "Too many recipients");
		serve_reply(s, 452, "4.5.3", "Too many recipients"); /* RFC 5321 s4.5.3.1.10 */
		return;
	}
	if (!rcpt_params(s, rest, &dsn))
		return;
	struct smtp_path kept = keep_path(s, &path);
	fail_set(&why, FAIL_INTERNAL, "Nothing is accepted here");
	if (session->config->ops == NULL ||
	    session->config->ops->rcpt(session->app, session, &kept, &why) != 0) {
		/* without an end to them, what each leaves in the arena would add up */
		serve_refuse(s, &kept, &why);
		return;
	}
	if (!serve_reply(s, 250, "2.1.5", "Recipient ok"))
		return;
	struct smtp_path *slot = arena_push(
	    &s->arena, &session->recipients, &session->recipients_n, sizeof(struct smtp_path));
	*slot = kept;
	struct smtp_dsn *dsn_slot =
	    arena_push(&s->arena, &session->dsn, &session->dsn_n, sizeof(struct smtp_dsn));
	*dsn_slot = dsn;
}

void
serve_rcpt(struct serve *s, struct slice args)
{
	rcpt(s, args);
	s->rcpt_local = slice_make(NULL, 0);
}

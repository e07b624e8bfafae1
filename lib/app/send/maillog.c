#include "app/send/maillog.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#define VALUE_BYTES 600 /* of a reply */

const struct opt_word maillog_formats[] = { { "text", MAILLOG_TEXT }, { "json", MAILLOG_JSON },
	{ NULL, 0 } };

static bool
is_word(const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
			return false;
	return value[0] != '\0';
}

/* NAME=VALUE, when there is one. */
static void
put(struct buf *out, const char *name, const char *value)
{
	struct buf clean;

	if (value == NULL)
		return;
	if (out->len > 0)
		buf_putc(out, ' ');
	buf_printf(out, "%s=", name);
	if (is_word(value) && text_is_utf8(slice_str(value))) {
		buf_puts(out, value);
		return;
	}
	/* text_escape makes a backslash two, and a quote needs one */
	buf_init(&clean, 4 * VALUE_BYTES + 16);
	text_escape(&clean, slice_str(value), VALUE_BYTES);
	buf_putc(out, '"');
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == '"')
			buf_putc(out, '\\');
		buf_putc(out, clean.data[i]);
	}
	buf_putc(out, '"');
	buf_free(&clean);
}

static void
put_address(struct buf *out, const char *name, const char *mailbox)
{
	struct buf path;

	buf_init(&path, 2 * LIMIT_PATH_BYTES + 2);
	buf_printf(&path, "<%s>", mailbox);
	put(out, name, buf_str(&path));
	buf_free(&path);
}

/* Whether the message went in clear although the rule is one that likes TLS. */
static bool
is_fallback(const struct deliver_result *r)
{
	return r->tls == NULL && r->clear_reason != NULL && r->rule->level != LEVEL_NONE;
}

void
maillog_text(const struct maillog_message *m, const struct deliver_result *r, struct buf *out)
{
	bool asked = r->exchange != NULL;
	char port[16];

	snprintf(port, sizeof(port), "%d", r->port);
	put(out, "id", m->id);
	put(out, "message-id", m->message_id);
	put_address(out, "from", m->sender);
	put_address(out, "to", r->to->mailbox);
	put(out, "mx", r->exchange);
	put(out, "ip", r->ip[0] == '\0' ? NULL : r->ip);
	put(out, "port", r->port == 0 ? NULL : port);
	put(out, "status", deliver_status_str(r->status));
	put(out, "dsn", r->enhanced[0] == '\0' ? NULL : r->enhanced);
	put(out, "tls",
	    r->protection != NULL ? r->protection
	    : !asked              ? NULL
	    : r->tls != NULL      ? "enc"
				  : "none");
	put(out, "proto", r->tls == NULL ? NULL : r->tls->version_name);
	put(out, "cipher", r->tls == NULL ? NULL : r->tls->cipher_name);
	put(out, "level", level_str(r->rule->level));
	put(out, "rule", rule_str(r->rule));
	put(out, "group", r->rule->group);
	put(out, "fallback", !asked ? NULL : is_fallback(r) ? "yes" : "no");
	put(out, "failure", r->why.code == FAIL_NONE ? NULL : fail_info(r->why.code)->token);
	put(out, "reply", r->reply);
	put(out, "error", r->why.code == FAIL_NONE ? NULL : r->why.text);
}

void
maillog_json(
    const struct maillog_message *m, const struct deliver_result *r, int64_t now, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	json_key(&j, slice_str("time"));
	json_put_time(&j, now);
	json_key(&j, slice_str("id"));
	json_put_str(&j, m->id);
	json_key(&j, slice_str("message_id"));
	json_put_str(&j, m->message_id);
	json_key(&j, slice_str("sender"));
	json_put_str(&j, m->sender);
	/* the members of the result follow: its opening brace becomes a comma */
	size_t at = out->len;
	deliver_result_json(r, out);
	if (at < out->len)
		out->data[at] = ',';
}

void
maillog_result(const struct maillog_message *m, const struct deliver_result *r, bool json)
{
	struct buf line;

	buf_init(&line, 64 * 1024);
	if (json)
		maillog_json(m, r, clock_wall(), &line);
	else
		maillog_text(m, r, &line);
	log_event(buf_str(&line), json);
	buf_free(&line);
}

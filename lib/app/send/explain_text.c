#include <sysexits.h>

#include "app/send/explain.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

/* --- what is demanded, in words ------------------------------------------------------------------ */

static void
demand_identity(const struct demand *d, struct buf *out)
{
	if (d->dane)
		buf_puts(out, ", a certificate that a TLSA record describes");
	if (d->sts)
		buf_printf(out, ", a trusted certificate for %s (MTA-STS)", d->host);
	if (d->pkix)
		buf_printf(out, ", a trusted certificate for %s", d->host);
	for (size_t i = 0; i < d->rules_n; i++) {
		const struct rule *rule = d->rules[i];
		const char *separator = ", a trusted certificate for ";
		if (rule->level == LEVEL_FINGERPRINT) {
			buf_printf(out, ", one of %zu pinned certificates or keys", rule->pins.n);
			continue;
		}
		if ((rule->match & RULE_MATCH_HOSTNAME) != 0) {
			buf_printf(out, "%s%s", separator, d->host);
			separator = " or ";
		}
		if ((rule->match & RULE_MATCH_NEXTHOP) != 0) {
			buf_printf(out, "%s%s", separator, d->nexthop);
			separator = " or ";
		}
		if ((rule->match & RULE_MATCH_DOT_NEXTHOP) != 0) {
			buf_printf(out, "%sa name below %s", separator, d->nexthop);
			separator = " or ";
		}
		for (size_t k = 0; k < rule->match_names.n; k++) {
			buf_printf(out, "%s%s", separator, rule->match_names.v[k]);
			separator = " or ";
		}
	}
}

static void
demand_text(const struct demand *d, struct buf *out)
{
	static const char *const failed[] = { "never in clear once it was offered",
		"in clear after a failed handshake only when the message is 5 minutes old",
		"in clear after a failed handshake" };

	if (!d->connect) {
		buf_printf(out, "not used: %s", d->reason);
		return;
	}
	if (!d->want_tls) {
		buf_puts(out, "in clear, whatever is offered");
		return;
	}
	if (!d->need_tls) {
		buf_printf(out, "TLS if it is offered, %s", failed[d->fallback]);
		return;
	}
	buf_printf(out, "%s or newer", tls_version_str(d->min));
	demand_identity(d, out);
	if (d->require_tls)
		buf_puts(out, ", REQUIRETLS must be offered");
}

static const char *
decision_text(const struct decision *d)
{
	switch (d->action) {
	case DECIDE_DELIVER_TLS:
		return "would be delivered over TLS";
	case DECIDE_DELIVER_CLEAR:
		return "would be delivered in clear";
	case DECIDE_RECONNECT_CLEAR:
		return "would be delivered in clear, on a new connection";
	case DECIDE_STARTTLS:
	case DECIDE_SKIP:
		break;
	}
	return d->clear_later ? "would be skipped, and tried in clear later" : "would be skipped";
}

/* --- text ------------------------------------------------------------------------------------------ */

static void
escaped(struct buf *out, const char *text)
{
	text_escape(out, slice_str(text), LIMIT_LOG_LINE_BYTES);
}

static void
text_address(const struct explain_address *a, struct buf *out)
{
	const struct tls_facts *tls =
	    a->facts.tls_n == 0 ? NULL : &a->facts.tls[a->facts.tls_n - 1];

	buf_printf(out, "    %s port %d: ", a->ip, a->port);
	demand_text(&a->demand, out);
	buf_putc(out, '\n');
	for (size_t i = 0; i < a->more_n; i++)
		buf_printf(out, "      by %s%s\n", rule_str(a->more[i]),
		    a->more[i]->lower && !a->demand.lowered ? " (has no effect here)" : "");
	if (!a->connected)
		return;
	buf_printf(out, "      %s", decision_text(&a->decision));
	if (tls != NULL && tls->complete == TRI_YES)
		buf_printf(out, " (%s %s)", tls->version_name, tls->cipher_name);
	if (a->decision.action != DECIDE_DELIVER_TLS && a->decision.reason != NULL &&
	    a->decision.reason[0] != '\0')
		buf_printf(out, ": %s", a->decision.reason);
	else if (a->error != NULL) {
		buf_puts(out, ": ");
		escaped(out, a->error);
	}
	buf_putc(out, '\n');
}

static void
text_host(const struct explain_host *h, struct buf *out)
{
	buf_puts(out, "  ");
	if (h->preference >= 0)
		buf_printf(out, "%d ", (int)h->preference);
	escaped(out, h->name);
	if (h->tlsa != NULL) {
		buf_printf(out, ", TLSA %s", tlsa_status_str(h->tlsa->status));
		if (h->tlsa->reason != NULL) {
			buf_puts(out, " (");
			escaped(out, h->tlsa->reason);
			buf_putc(out, ')');
		}
	}
	if (h->error != NULL) {
		buf_puts(out, ": ");
		escaped(out, h->error);
	}
	buf_putc(out, '\n');
	for (size_t i = 0; i < h->n; i++)
		text_address(&h->addresses[i], out);
}

static void
text_sticky(const struct sticky_entry *sticky, struct buf *out)
{
	static const char *const seen[] = { "nothing", "TLS", "a trusted certificate" };
	char date[32];

	buf_printf(out, "  seen before (sticky): %s", seen[sticky->level]);
	if (sticky->level != STICKY_NONE) {
		text_date_rfc3339(sticky->since, date);
		buf_printf(out, ", since %s; less is not enough", date);
	}
	buf_putc(out, '\n');
}

static void
text_sts(const struct sts_facts *sts, struct buf *out)
{
	buf_printf(out, "  MTA-STS: %s",
	    sts->status == STS_VALID ? sts_mode_str(sts->mode) : sts_status_str(sts->status));
	for (size_t i = 0; i < sts->mx.n; i++) {
		buf_puts(out, i == 0 ? ", for " : ", ");
		escaped(out, sts->mx.v[i]);
	}
	if (sts->cached)
		buf_puts(out, ", remembered");
	if (sts->status != STS_VALID && sts->reason != NULL) {
		buf_puts(out, ": ");
		escaped(out, sts->reason);
	}
	buf_putc(out, '\n');
}

void
explain_text(const struct explain *e, struct buf *out)
{
	const struct rule *rule = &e->effective;

	escaped(out, e->text);
	buf_printf(out, ": level %s by %s\n", level_str(rule->level), rule_str(e->rule));
	if (rule->via_host != NULL)
		buf_printf(out, "  by the smarthost %s%s%s%s\n", rule->via_brackets ? "[" : "",
		    rule->via_host, rule->via_brackets ? "]" : "",
		    rule->auth != NULL ? ", with a login" : "");
	if (e->sts != NULL)
		text_sts(e->sts, out);
	if (e->sticky != NULL)
		text_sticky(e->sticky, out);
	if (e->why.code != FAIL_NONE) {
		buf_puts(out, "  ");
		escaped(out, e->why.text);
		buf_putc(out, '\n');
	} else if (rule->via_host == NULL || !rule->via_brackets) {
		buf_printf(out, "  MX records: %s\n", dnssec_str(e->mx_dnssec));
	}
	for (size_t i = 0; i < e->n; i++)
		text_host(&e->hosts[i], out);
	if (e->exit_status != EX_OK)
		buf_puts(out, e->exit_status == EX_TEMPFAIL
				  ? "  now nothing would be delivered: later\n"
				  : "  nothing would be delivered: failed for good\n");
}

/* --- JSON -------------------------------------------------------------------------------------------- */

static void
member(struct json *j, const char *key, const char *value)
{
	json_key(j, slice_str(key));
	json_put_str(j, value);
}

static void
member_text(struct json *j, const char *key, void (*fn)(const struct demand *d, struct buf *out),
    const struct demand *d)
{
	struct buf text;

	buf_init(&text, LIMIT_LOG_LINE_BYTES);
	fn(d, &text);
	member(j, key, buf_str(&text));
	buf_free(&text);
}

static void
json_address(const struct explain_address *a, struct json *j)
{
	static const char *const actions[] = { [DECIDE_SKIP] = "skip",
		[DECIDE_STARTTLS] = "skip",
		[DECIDE_DELIVER_TLS] = "tls",
		[DECIDE_DELIVER_CLEAR] = "clear",
		[DECIDE_RECONNECT_CLEAR] = "clear-reconnect" };
	const struct tls_facts *tls =
	    a->facts.tls_n == 0 ? NULL : &a->facts.tls[a->facts.tls_n - 1];

	json_object_begin(j);
	member(j, "ip", a->ip);
	json_key(j, slice_str("port"));
	json_put_int(j, a->port);
	json_key(j, slice_str("rules"));
	json_array_begin(j);
	for (size_t i = 0; i < a->more_n; i++)
		json_put_str(j, rule_str(a->more[i]));
	json_array_end(j);
	json_key(j, slice_str("usable"));
	json_put_bool(j, a->demand.connect);
	member(j, "protection", decide_protection(&a->demand, a->demand.need_tls));
	member_text(j, "demand", demand_text, &a->demand);
	member(j, "action", a->connected ? actions[a->decision.action] : NULL);
	member(j, "reason",
	    !a->demand.connect                              ? a->demand.reason
	    : a->connected && a->decision.reason[0] != '\0' ? a->decision.reason
							    : NULL);
	member(j, "tls", tls != NULL && tls->complete == TRI_YES ? tls->version_name : NULL);
	member(j, "error", a->error);
	json_object_end(j);
}

static void
json_host(const struct explain_host *h, struct json *j)
{
	json_object_begin(j);
	member(j, "name", h->name);
	json_key(j, slice_str("preference"));
	if (h->preference < 0)
		json_put_null(j);
	else
		json_put_int(j, h->preference);
	member(j, "tlsa", h->tlsa == NULL ? NULL : tlsa_status_str(h->tlsa->status));
	member(j, "error", h->error);
	json_key(j, slice_str("addresses"));
	json_array_begin(j);
	for (size_t i = 0; i < h->n; i++)
		json_address(&h->addresses[i], j);
	json_array_end(j);
	json_object_end(j);
}

void
explain_json(const struct explain *e, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	member(&j, "address", e->text);
	member(&j, "domain", e->domain);
	member(&j, "rule", rule_str(e->rule));
	member(&j, "group", e->rule->group);
	member(&j, "level", level_str(e->effective.level));
	member(&j, "via", e->effective.via_host);
	member(&j, "mx_dnssec", dnssec_str(e->mx_dnssec));
	member(&j, "mta_sts",
	    e->sts == NULL                ? NULL
	    : e->sts->status == STS_VALID ? sts_mode_str(e->sts->mode)
					  : sts_status_str(e->sts->status));
	member(&j, "sticky", e->sticky == NULL ? NULL : sticky_str(e->sticky->level));
	member(&j, "error", e->why.code == FAIL_NONE ? NULL : e->why.text);
	json_key(&j, slice_str("exit_status"));
	json_put_int(&j, e->exit_status);
	json_key(&j, slice_str("hosts"));
	json_array_begin(&j);
	for (size_t i = 0; i < e->n; i++)
		json_host(&e->hosts[i], &j);
	json_array_end(&j);
	json_object_end(&j);
}

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/send/deliver.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

const char *
deliver_status_str(enum deliver_status status)
{
	static const char *const words[] = { "pending", "delivered", "deferred", "failed" };

	return words[status];
}

int
deliver_refusal_exit(int code, const char *enhanced, bool in_rcpt)
{
	static const struct {
		const char *enhanced;
		int exit_status;
	} rows[] = { { "5.1.1", EX_NOUSER }, { "5.1.3", EX_NOUSER }, { "5.1.6", EX_NOUSER },
		{ "5.1.2", EX_NOHOST }, { "5.1.10", EX_NOHOST }, { "5.2.3", EX_DATAERR },
		{ "5.3.4", EX_DATAERR } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(enhanced, rows[i].enhanced) == 0)
			return rows[i].exit_status;
	if (strncmp(enhanced, "5.6.", 4) == 0)
		return EX_DATAERR;
	if (enhanced[0] != '\0')
		return EX_UNAVAILABLE;
	/* servers without enhanced codes: RFC 5321 s4.2.2 */
	if (in_rcpt && (code == 550 || code == 551 || code == 553))
		return EX_NOUSER;
	if (!in_rcpt && (code == 552 || code == 554))
		return EX_DATAERR;
	return EX_UNAVAILABLE;
}

int
deliver_exit(const struct deliver_result *results, size_t n)
{
	int worst = EX_OK;

	for (size_t i = 0; i < n; i++) {
		int status = results[i].exit_status;
		if (status == EX_TEMPFAIL)
			return EX_TEMPFAIL;
		/* different permanent failures together are "unavailable" */
		if (status != EX_OK)
			worst = worst == EX_OK || worst == status ? status : EX_UNAVAILABLE;
	}
	return worst;
}

static void
text_tls(const struct deliver_result *r, struct buf *out)
{
	const struct verify_facts *v = &r->tls->verify;

	const char *proof = r->protection == NULL ? "" : r->protection;

	buf_printf(out, ", %s %s", r->tls->version_name == NULL ? "TLS" : r->tls->version_name,
	    r->tls->cipher_name == NULL ? "" : r->tls->cipher_name);
	if (r->tls->group != NULL)
		buf_printf(out, " %s", r->tls->group);
	if (r->tls->dane == DANE_VALID)
		buf_puts(out, ", certificate proved by DANE");
	else if (strcmp(proof, "pin") == 0 && r->status == DELIVER_DONE)
		buf_puts(out, ", certificate pinned by the policy");
	else if (v->trusted == TRI_YES && v->matches_mx == TRI_YES)
		buf_puts(out, ", certificate verified");
	else if (v->trusted == TRI_YES && v->matches_domain == TRI_YES)
		buf_puts(out, ", certificate verified for the domain");
	else if (v->trusted == TRI_YES)
		buf_puts(out, ", certificate trusted, but for another name");
	else if (v->trusted == TRI_NO)
		buf_printf(out, ", certificate not trusted (%s)", v->error == NULL ? "" : v->error);
}

void
deliver_result_text(const struct deliver_result *r, struct buf *out)
{
	static const char *const outcomes[] = { "not tried", "delivered",
		"not delivered, try again later", "not delivered, permanently" };

	text_escape(out, slice_str(r->to->mailbox), LIMIT_PATH_BYTES * 2);
	buf_printf(out, ": %s", outcomes[r->status]);
	if (r->exchange != NULL) {
		buf_printf(out, " (%s", r->exchange);
		if (r->ip[0] != '\0')
			buf_printf(out, " [%s]:%d", r->ip, r->port);
		if (r->tls != NULL)
			text_tls(r, out);
		else if (r->clear_reason != NULL)
			buf_printf(out, ", in clear: %s", r->clear_reason);
		if (r->lowered)
			buf_puts(out, ", policy lowered for the host");
		buf_putc(out, ')');
	}
	buf_printf(out, "; rule %s", rule_str(r->rule));
	if (r->status == DELIVER_DONE && r->reply != NULL)
		buf_printf(out, ": %s", r->reply);
	else if (r->why.code != FAIL_NONE)
		buf_printf(out, ": %s", r->why.text);
	if (r->maybe_duplicate)
		buf_puts(out, "; it may have arrived all the same");
}

static void
member(struct json *j, const char *key, const char *value)
{
	json_key(j, slice_str(key));
	json_put_str(j, value);
}

static void
member_tri(struct json *j, const char *key, enum tri value)
{
	json_key(j, slice_str(key));
	if (value == TRI_UNKNOWN)
		json_put_null(j);
	else
		json_put_bool(j, value == TRI_YES);
}

static void
json_tls(struct json *j, const struct tls_facts *tls)
{
	json_object_begin(j);
	member(j, "version", tls->version_name);
	member(j, "cipher", tls->cipher_name);
	member(j, "group", tls->group);
	member(j, "fingerprint_sha256", tls->chain.n > 0 ? tls->chain.v[0] : NULL);
	member_tri(j, "trusted", tls->verify.trusted);
	member_tri(j, "matches_mx", tls->verify.matches_mx);
	member_tri(j, "matches_nexthop", tls->verify.matches_domain);
	member(j, "error", tls->verify.error);
	json_object_end(j);
}

void
deliver_result_json(const struct deliver_result *r, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	member(&j, "recipient", r->to->mailbox);
	member(&j, "status", deliver_status_str(r->status));
	member(&j, "failure", r->why.code == FAIL_NONE ? NULL : fail_info(r->why.code)->token);
	member(&j, "enhanced", r->enhanced);
	json_key(&j, slice_str("exit_status"));
	json_put_int(&j, r->exit_status);
	member(&j, "via", r->via);
	member(&j, "exchange", r->exchange);
	member(&j, "ip", r->ip[0] == '\0' ? NULL : r->ip);
	json_key(&j, slice_str("port"));
	json_put_int(&j, r->port);
	member(&j, "starttls", r->exchange == NULL ? NULL : starttls_state_str(r->starttls));
	json_key(&j, slice_str("tls"));
	if (r->tls != NULL)
		json_tls(&j, r->tls);
	else
		json_put_null(&j);
	member(&j, "protection", r->protection);
	member(&j, "clear_reason", r->clear_reason);
	member(&j, "level", level_str(r->level));
	member(&j, "rule", rule_str(r->rule));
	member(&j, "group", r->rule->group);
	member(&j, "reply", r->reply);
	member(&j, "error", r->why.code == FAIL_NONE ? NULL : r->why.text);
	json_key(&j, slice_str("maybe_duplicate"));
	json_put_bool(&j, r->maybe_duplicate);
	json_object_end(&j);
}

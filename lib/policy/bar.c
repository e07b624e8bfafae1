#include "policy/bar.h"

#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "policy/verdict.h"

#define DAY 86400
#define MAX_DAYS 3650
#define WARN_DAYS 14
#define WARN_PART 3 /* of the lifetime */
#define CRIT_DAYS 3
#define CRIT_PART 10

/* OpenSSL's X509_V_ERR_..., which only lib/tls may include */
#define X509_NOT_YET_VALID 9
#define X509_EXPIRED 10

bool
bar_limit_parse(const char *text, struct bar_limit *limit_r)
{
	struct slice s = slice_str(text);
	char unit = s.n > 0 ? s.p[s.n - 1] : '\0';
	unsigned long long n;

	if (unit == '%' || unit == 'd')
		s = slice_sub(s, 0, s.n - 1);
	if (!slice_number(s, unit == '%' ? 100 : MAX_DAYS, &n))
		return false;
	*limit_r = (struct bar_limit){ .given = true, .percent = unit == '%', .n = (int64_t)n };
	return true;
}

static int64_t
limit_seconds(const struct bar_limit *limit, int64_t lifetime, int64_t days, int64_t part)
{
	if (!limit->given)
		return lifetime > 0 && lifetime / part < days * DAY ? lifetime / part : days * DAY;
	if (!limit->percent)
		return limit->n * DAY;
	return lifetime > 0 ? lifetime / 100 * limit->n : 0;
}

void
bar_limits(const struct bar *bar, const struct cert_facts *cert, int64_t *warn_r, int64_t *crit_r)
{
	/* 0: not known */
	int64_t lifetime = cert->not_before != 0 ? cert->not_after - cert->not_before : 0;

	*warn_r = limit_seconds(&bar->warn, lifetime, WARN_DAYS, WARN_PART);
	*crit_r = limit_seconds(&bar->crit, lifetime, CRIT_DAYS, CRIT_PART);
}

int
bar_expiry(const struct bar *bar, const struct cert_facts *cert, int64_t at)
{
	int64_t warn, crit, left = cert->not_after - at;

	if (cert->not_after == 0)
		return 0;
	bar_limits(bar, cert, &warn, &crit);
	if (crit > 0 && left < crit)
		return 2;
	return warn > 0 && left < warn ? 1 : 0;
}

int
bar_verdict(const struct bar *bar, enum verdict verdict)
{
	if (bar->require == VERDICT_UNKNOWN)
		return verdict_exit(verdict);
	if (verdict == VERDICT_UNKNOWN)
		return 3;
	/* rungs stand in their enum from best to worst */
	return verdict <= bar->require ? 0 : 2;
}

static bool
proven_by_dane_ee(const struct exchange_facts *mx, const struct tls_facts *tls)
{
	for (size_t i = 0; tls->dane == DANE_VALID && i < mx->tlsa.records_n; i++) {
		const struct tlsa_record_facts *record = &mx->tlsa.records[i];
		if (record->usable && record->usage == 3 && record->matched == TRI_YES)
			return true;
	}
	return false;
}

bool
bar_is_date_error(const char *error)
{
	struct slice code = slice_str(error);
	unsigned long long n;

	code = slice_sub(code, slice_find(code, ':') + 1, code.n);
	return slice_number(slice_sub(code, 0, slice_find(code, ':')), 1000, &n) &&
	       (n == X509_NOT_YET_VALID || n == X509_EXPIRED);
}

bool
bar_only_dates_are_wrong(const struct verify_facts *verify)
{
	if (verify->expired != TRI_YES || verify->self_signed == TRI_YES)
		return false;
	for (size_t i = 0; i < verify->errors.n; i++)
		if (!bar_is_date_error(verify->errors.v[i]))
			return false;
	return true;
}

bool
bar_concerns(const struct exchange_facts *mx, const struct tls_facts *tls)
{
	const struct verify_facts *verify = &tls->verify;

	if (tls->complete != TRI_YES || proven_by_dane_ee(mx, tls))
		return false;
	if (tls->dane == DANE_VALID)
		return true;
	return verify->matches_mx == TRI_YES &&
	       (verify->trusted == TRI_YES || bar_only_dates_are_wrong(verify));
}

static void
expiry_reason(struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, const struct cert_facts *leaf, struct arena *arena, int64_t at)
{
	int64_t days = (leaf->not_after - at) / DAY;
	char date[32];

	if (leaf->not_after <= at) /* the verdict has said so */
		return;
	text_date_rfc3339(leaf->not_after, date);
	strs_add(&facts->summary.reasons, arena,
	    arena_printf(arena, "%s [%s]: certificate (%s) ends in %lld day%s, on %.10s",
		mx->name == NULL ? "?" : mx->name, host->ip == NULL ? "?" : host->ip,
		key_type_str(leaf->key_type), (long long)days, days == 1 ? "" : "s", date));
}

static int
host_expiry(const struct bar *bar, struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, struct arena *arena, int64_t at)
{
	int worst = 0;

	for (size_t i = 0; i < host->tls_n; i++) {
		const struct cert_facts *leaf =
		    facts_leaf(facts->certs, facts->certs_n, &host->tls[i]);
		if (leaf == NULL || !bar_concerns(mx, &host->tls[i]))
			continue;
		int one = bar_expiry(bar, leaf, at);
		if (one != 0)
			expiry_reason(facts, mx, host, leaf, arena, at);
		worst = verdict_exit_worst(worst, one);
	}
	return worst;
}

/* Senders that cannot fetch the policy go by none, or by an old one, whatever the MX hosts do. */
static int
policy_host_expiry(
    const struct bar *bar, struct target_facts *facts, struct arena *arena, int64_t at)
{
	const struct sts_facts *sts = &facts->sts;
	struct cert_facts cert;
	char date[32];

	facts_init_cert_facts(&cert);
	cert.not_before = sts->cert_starts;
	cert.not_after = sts->cert_expires;
	int status = sts->mode == STS_MODE_NONE ? 0 : bar_expiry(bar, &cert, at);
	int64_t days = (cert.not_after - at) / DAY;
	if (status == 0 || cert.not_after <= at) /* one that has ended is the policy's failure */
		return 0;
	text_date_rfc3339(cert.not_after, date);
	strs_add(&facts->summary.reasons, arena,
	    arena_printf(arena, "MTA-STS: the certificate of %s ends in %lld day%s, on %.10s",
		sts->policy_host == NULL ? "the policy host" : sts->policy_host, (long long)days,
		days == 1 ? "" : "s", date));
	return status;
}

/* Whoever asks for --check-injection wants to know; the verdict is about something else. */
static bool
is_vulnerable(const struct target_facts *facts)
{
	for (size_t i = 0; i < facts->exchanges_n; i++)
		for (size_t j = 0; j < facts->exchanges[i].hosts_n; j++)
			if (facts->exchanges[i].hosts[j].injection == INJECTION_VULNERABLE)
				return true;
	return false;
}

void
bar_apply(const struct bar *bar, struct target_facts *facts, struct arena *arena, int64_t at)
{
	enum verdict verdict = facts->summary.verdict;
	int status = bar_verdict(bar, verdict);

	if (bar->require != VERDICT_UNKNOWN && status == 2)
		strs_add(&facts->summary.reasons, arena,
		    arena_printf(arena, "required is %s or better", verdict_str(bar->require)));
	/* who asks for no identity does not care how long it can be proved */
	for (size_t i = 0; i < facts->exchanges_n && bar->require != VERDICT_ENCRYPTED; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++)
			status = verdict_exit_worst(
			    status, host_expiry(bar, facts, mx, &mx->hosts[j], arena, at));
	}
	if (bar->require != VERDICT_ENCRYPTED)
		status = verdict_exit_worst(status, policy_host_expiry(bar, facts, arena, at));
	if (is_vulnerable(facts))
		status = 2;
	facts->summary.exit_status = status;
}

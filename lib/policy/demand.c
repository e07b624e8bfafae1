/*
 * What is demanded at a host, before it is connected to.
 */
#include "policy/dane.h"
#include "policy/decide.h"

static bool
asks(const struct decide_site *site, bool (*uses)(const struct rule *rule))
{
	if (site->require_tls)
		return true;
	if (uses(site->rule) && !(site->tls_required_no && level_has_fallback(site->rule->level)))
		return true;
	for (size_t i = 0; i < site->more_n && i < LIMIT_CONSTRAINTS; i++)
		if (uses(site->more[i]))
			return true;
	return false;
}

static bool
uses_dane(const struct rule *rule)
{
	return level_uses_dane(rule->level) && !rule->no_dane;
}

static bool
uses_sts(const struct rule *rule)
{
	return level_uses_sts(rule->level) && !rule->no_sts;
}

bool
decide_asks_dane(const struct decide_site *site)
{
	return asks(site, uses_dane);
}

bool
decide_asks_sts(const struct decide_site *site)
{
	return asks(site, uses_sts);
}

static void
refuse(struct demand *d, enum fail_code code, const char *reason)
{
	if (!d->connect) /* the first reason stands */
		return;
	d->connect = false;
	d->code = code;
	d->reason = reason;
}

static void
need_tls(struct demand *d)
{
	d->want_tls = d->need_tls = true;
}

static void
add_dane(struct demand *d, enum tlsa_status tlsa)
{
	if (tlsa == TLSA_BOGUS)
		refuse(d, FAIL_DNS_BOGUS, "DNSSEC validation of the host's TLSA records failed");
	else if (tlsa == TLSA_ERROR)
		refuse(d, FAIL_TLSA_LOOKUP,
		    "whether the host has TLSA records could not be found out");
	if (dane_needs_tls(tlsa))
		need_tls(d);
	if (dane_is_enforced(tlsa))
		d->dane = d->strict = true;
}

static void
add_sts(struct demand *d, enum sts_effect sts)
{
	if (sts == STS_EFFECT_NO_MATCH)
		refuse(d, FAIL_STS_MX, "the domain's MTA-STS policy does not list this host");
	if (sts == STS_EFFECT_ERROR)
		refuse(d, FAIL_STS_LOOKUP, "the domain's MTA-STS policy could not be found out");
	if (sts != STS_EFFECT_MATCH)
		return;
	need_tls(d);
	d->sts = d->strict = true;
}

/* RFC 8461 s2: where DANE applies to the host, it comes first. */
static bool
sts_applies(enum tlsa_status tlsa)
{
	return tlsa != TLSA_USABLE;
}

static void
add_level(struct demand *d, const struct decide_site *site, const struct rule *rule)
{
	bool identity = level_needs_identity(rule->level);

	if (!level_wants_tls(rule->level))
		return;
	d->want_tls = true;
	if (level_needs_tls(rule->level))
		d->need_tls = true;
	else if (rule->fallback < d->fallback)
		d->fallback = rule->fallback;
	d->strict |= identity;
	if (identity && rule->level != LEVEL_DANE_ONLY)
		d->rules[d->rules_n++] = rule;
	if (rule->tls_min > d->min)
		d->min = rule->tls_min;
	/* never counted as DANE with an unsigned MX (DECISIONS B12) */
	if (rule->level == LEVEL_DANE_ONLY && site->tlsa != TLSA_USABLE &&
	    site->tlsa != TLSA_BOGUS && site->tlsa != TLSA_ERROR)
		refuse(d, FAIL_DANE_REQUIRED,
		    site->tlsa == TLSA_NOT_CHECKED
			? "DANE is required, but the resolver does not validate"
		    : site->tlsa == TLSA_INSECURE_MX
			? "DANE is required, but the MX records are not signed"
			: "DANE is required, but the host has no usable TLSA record");
	if (uses_dane(rule))
		add_dane(d, site->tlsa);
	if (uses_sts(rule) && (!uses_dane(rule) || sts_applies(site->tlsa)))
		add_sts(d, site->sts);
}

/* Whether what is published has a say at this host: then nothing may be lowered. */
static bool
published(const struct decide_site *site)
{
	return dane_needs_tls(site->tlsa) || site->tlsa == TLSA_BOGUS || site->tlsa == TLSA_ERROR ||
	       site->sts == STS_EFFECT_MATCH || site->sts == STS_EFFECT_NO_MATCH ||
	       site->sts == STS_EFFECT_ERROR;
}

static bool
may_lower(const struct decide_site *site)
{
	return level_has_fallback(site->rule->level) && !site->require_tls && !published(site);
}

/* The rule of the destination, as the message changes it. */
static void
add_domain(struct demand *d, const struct decide_site *site)
{
	struct rule rule = *site->rule;

	if (!site->tls_required_no || site->require_tls || !level_has_fallback(rule.level)) {
		add_level(d, site, site->rule);
		return;
	}
	/* a copy for one call: no identity check, so nothing keeps it */
	rule.level = LEVEL_MAY;
	if (rule.fallback != FALLBACK_NEVER)
		rule.fallback = FALLBACK_NOW;
	add_level(d, site, &rule);
}

/* RFC 8689 s4.2.1: a proved way to a proved server that offers it as well. */
static void
add_require_tls(struct demand *d, const struct decide_site *site)
{
	need_tls(d);
	d->require_tls = d->strict = true;
	add_dane(d, site->tlsa);
	if (sts_applies(site->tlsa))
		add_sts(d, site->sts);
	if (!d->dane)
		d->pkix = true;
	if (!site->mx_secure && site->sts != STS_EFFECT_MATCH)
		refuse(d, FAIL_REQUIRETLS,
		    "REQUIRETLS needs a signed MX record or an enforced MTA-STS policy");
}

static void
add_sticky(struct demand *d, const struct decide_site *site)
{
	if (site->tls_required_no && !site->require_tls)
		return;
	if (site->sticky_unknown)
		refuse(d, FAIL_STICKY, "what was seen of the domain before could not be read");
	if (site->sticky == STICKY_NONE)
		return;
	bool more = site->sticky == STICKY_CERT && !d->dane && !d->sts && !d->pkix;
	if (!d->need_tls || more)
		d->sticky = site->sticky;
	need_tls(d);
	if (more)
		d->pkix = d->strict = true;
}

void
decide_demand(const struct decide_site *site, struct demand *d_r)
{
	*d_r = (struct demand){ .connect = true,
		.fallback = FALLBACK_NOW,
		.min = TLS_VERSION_1_0,
		.host = site->host,
		.nexthop = site->nexthop };
	if (site->more_n > LIMIT_CONSTRAINTS) {
		refuse(d_r, FAIL_POLICY_FILE, "too many mx: and ip: policies match the host");
		return;
	}
	for (size_t i = 0; i < site->more_n; i++) {
		if (site->more[i]->lower && !may_lower(site))
			continue;
		d_r->lowered |= site->more[i]->lower;
		add_level(d_r, site, site->more[i]);
	}
	if (!d_r->lowered)
		add_domain(d_r, site);
	if (site->require_tls)
		add_require_tls(d_r, site);
	add_sticky(d_r, site);
	if (d_r->need_tls)
		d_r->fallback = FALLBACK_NEVER;
	/* weak TLS beats clear text, but it proves nobody's identity; min= is the administrator's own word */
	if (d_r->strict && !site->rule->min_given && d_r->min < TLS_VERSION_1_2)
		d_r->min = TLS_VERSION_1_2;
}

const char *
decide_protection(const struct demand *demand, bool in_tls)
{
	bool pin = false;

	if (!in_tls)
		return "none";
	if (demand->dane)
		return "dane";
	if (demand->sts)
		return "sts";
	for (size_t i = 0; i < demand->rules_n; i++)
		pin |= demand->rules[i]->level == LEVEL_FINGERPRINT;
	if (pin)
		return "pin";
	return demand->rules_n > 0 || demand->pkix ? "pkix" : "enc";
}

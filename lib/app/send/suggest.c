#include "app/send/suggest.h"

#include <stdlib.h>
#include <string.h>

#include "base/facts_scan.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "dns/dns.h"

struct suggest {
	struct facts_scan *record, *delivery;
	struct arena line, names; /* of the line at hand; of the domains */
	struct map by_name;
	struct suggest_domain **v;
	size_t n, cap;
	uint64_t left_out;
	bool sorted;
};

const char *
suggestion_level(enum suggestion suggestion)
{
	static const char *const words[SUGGESTIONS] = { "auto", "auto", "verify", "encrypt", "none",
		"auto" };

	return words[suggestion];
}

struct suggest *
suggest_new(void)
{
	static const char *const wanted[] = { "type", "domain", "alabel", "timestamp",
		"exchanges.tlsa.status", "mta_sts.policy_status", "mta_sts.mode", "summary.verdict",
		NULL };
	struct suggest *s = mem_alloc(sizeof(*s));

	memset(s, 0, sizeof(*s));
	s->record = facts_scan_new(&fact_table_target_facts, wanted);
	s->delivery = facts_scan_new(&fact_table_delivery_facts, NULL);
	arena_init(&s->line);
	arena_init(&s->names);
	map_init(&s->by_name);
	return s;
}

void
suggest_free(struct suggest *s)
{
	if (s == NULL)
		return;
	facts_scan_free(s->record);
	facts_scan_free(s->delivery);
	map_free(&s->by_name);
	arena_free(&s->line);
	arena_free(&s->names);
	free(s->v);
	free(s);
}

/* --- domains -------------------------------------------------------------------------------------- */

/* NULL: no name of a mail domain (an address literal), or one too many. */
static struct suggest_domain *
domain_for(struct suggest *s, const char *text)
{
	const char *name = dns_name_normalize(text, &s->line, NULL);
	struct suggest_domain *d;

	if (name == NULL)
		return NULL;
	d = map_get(&s->by_name, slice_str(name));
	if (d != NULL)
		return d;
	if (s->n >= LIMIT_SUGGEST_DOMAINS) {
		s->left_out++;
		return NULL;
	}
	s->v = mem_grow(s->v, s->n, &s->cap, sizeof(struct suggest_domain *));
	d = arena_alloc(&s->names, sizeof(*d));
	d->name = arena_strdup(&s->names, name);
	s->v[s->n++] = d;
	s->sorted = false;
	map_set(&s->by_name, slice_str(name), d);
	return d;
}

static void
note_time(struct suggest_domain *d, int64_t when)
{
	if (when == 0)
		return;
	if (d->first == 0 || when < d->first)
		d->first = when;
	if (when > d->last)
		d->last = when;
}

/* --- records -------------------------------------------------------------------------------------- */

static bool
has_dane(const struct target_facts *t)
{
	for (size_t i = 0; i < t->exchanges_n; i++)
		if (t->exchanges[i].tlsa.status == TLSA_USABLE)
			return true;
	return false;
}

/* What is published, when this is the newest that is known. */
static void
note_published(struct suggest_domain *d, const struct target_facts *t)
{
	bool valid = t->sts.status == STS_VALID;

	if (t->timestamp < d->last)
		return;
	d->dane = has_dane(t);
	d->sts = valid && t->sts.mode == STS_MODE_ENFORCE;
	d->testing = valid && t->sts.mode == STS_MODE_TESTING;
	d->broken =
	    t->summary.verdict == VERDICT_BROKEN || t->summary.verdict == VERDICT_BROKEN_SOME;
}

static void
read_record(struct suggest *s, const struct target_facts *t)
{
	struct suggest_domain *d;
	bool tls = false, verified = false, clear = false;

	switch (t->summary.verdict) {
	case VERDICT_DANE:
	case VERDICT_MTA_STS:
	case VERDICT_PKIX:
		tls = verified = true;
		break;
	case VERDICT_ENCRYPTED:
		tls = true;
		break;
	case VERDICT_BACKUP_PLAINTEXT:
	case VERDICT_PLAINTEXT:
		clear = true;
		break;
	case VERDICT_BROKEN:
	case VERDICT_BROKEN_SOME:
		break;
	case VERDICT_UNKNOWN:
	case VERDICT_NO_MAIL:
	case VERDICT_UNDELIVERABLE:
		return;
	}
	d = domain_for(s, t->alabel != NULL ? t->alabel : t->domain == NULL ? "" : t->domain);
	if (d == NULL)
		return;
	note_published(d, t);
	note_time(d, t->timestamp);
	d->seen++;
	d->records++;
	d->tls += tls;
	/* DANE proves its host without a chain: it is published, and counts as such */
	d->verified += verified;
	d->clear += clear;
	d->failed += !tls && !clear;
}

/* --- the log -------------------------------------------------------------------------------------- */

static bool
is_word(const char *value, const char *word)
{
	return value != NULL && strcmp(value, word) == 0;
}

/* What a line says about TLS at the domain's hosts: 't' TLS, 'c' not offered, 'f' failed, 0 nothing. */
static char
outcome_of(const struct delivery_facts *f)
{
	/* a smarthost is not the domain's */
	if (f->via != NULL || f->exchange == NULL)
		return 0;
	switch (f->starttls) {
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		return 't';
	case STARTTLS_NOT_OFFERED:
		return 'c';
	case STARTTLS_REFUSED:
	case STARTTLS_FAILED:
		return 'f';
	case STARTTLS_UNKNOWN:
	case STARTTLS_OFFERED: /* and not asked for: level none, or a second try in clear */
		break;
	}
	return 0;
}

static void
read_delivery(struct suggest *s, const struct delivery_facts *f)
{
	const char *at = f->recipient == NULL ? NULL : strrchr(f->recipient, '@');
	char outcome = outcome_of(f);
	struct suggest_domain *d;

	if (at == NULL || outcome == 0 || (d = domain_for(s, at + 1)) == NULL)
		return;
	const char *id = f->id != NULL ? f->id : f->message_id;
	uint64_t hash = map_hash(
	    slice_str(arena_printf(&s->line, "%lld %s", (long long)f->time, id == NULL ? "" : id)));
	if (id != NULL && d->last_message == hash)
		return;
	d->last_message = hash;
	if (f->time >= d->last && is_word(f->protection, "dane"))
		d->dane = true;
	if (f->time >= d->last && is_word(f->protection, "sts"))
		d->sts = true;
	note_time(d, f->time);
	d->seen++;
	d->tls += outcome == 't';
	d->verified += outcome == 't' && f->trusted == TRI_YES && f->matches_mx == TRI_YES;
	d->clear += outcome == 'c';
	d->failed += outcome == 'f';
}

int
suggest_line(struct suggest *s, struct slice line, struct fail *why)
{
	struct slice word;

	arena_reset(&s->line);
	if (facts_scan_peek(line.p, line.n, "schema", &word)) {
		struct target_facts t;
		/* hosts, certificates, the survey itself */
		if (facts_scan_peek(line.p, line.n, "type", &word) && !slice_is(word, "domain"))
			return 0;
		if (facts_scan_read(s->record, line.p, line.n, &s->line, &t, NULL, why) != 0)
			return -1;
		read_record(s, &t);
		return 0;
	}
	struct delivery_facts f;
	if (facts_scan_read(s->delivery, line.p, line.n, &s->line, &f, NULL, why) != 0)
		return -1;
	if (f.recipient == NULL || f.status == NULL)
		return fail_set(why, FAIL_MESSAGE,
		    "neither a record of mxtls probe nor a line of the delivery log");
	read_delivery(s, &f);
	return 0;
}

/* --- results -------------------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    (*(struct suggest_domain *const *)a)->name, (*(struct suggest_domain *const *)b)->name);
}

const struct suggest_domain *const *
suggest_domains(struct suggest *s, size_t *n_r)
{
	if (!s->sorted && s->n > 0)
		qsort(s->v, s->n, sizeof(struct suggest_domain *), by_name);
	s->sorted = true;
	*n_r = s->n;
	return (const struct suggest_domain *const *)s->v;
}

uint64_t
suggest_left_out(const struct suggest *s)
{
	return s->left_out;
}

enum suggestion
suggest_judge(const struct suggest_domain *d, unsigned min_seen)
{
	if (d->dane || d->sts)
		return SUGGEST_PUBLISHED;
	if (d->seen < min_seen || d->seen == 0)
		return SUGGEST_TOO_FEW;
	if (d->verified == d->seen)
		return SUGGEST_VERIFY;
	if (d->tls == d->seen)
		return SUGGEST_ENCRYPT;
	return d->clear == d->seen ? SUGGEST_NONE : SUGGEST_MIXED;
}

static void
put_days(const struct suggest_domain *d, struct buf *out)
{
	char first[32], last[32];

	if (d->last == 0)
		return;
	text_date_rfc3339(d->first, first);
	text_date_rfc3339(d->last, last);
	buf_printf(out, ", %.10s", first);
	if (strncmp(first, last, 10) != 0)
		buf_printf(out, " to %.10s", last);
}

void
suggest_reason(const struct suggest_domain *d, enum suggestion suggestion, struct buf *out)
{
	if (suggestion == SUGGEST_PUBLISHED)
		buf_printf(out, "publishes %s%s; ",
		    d->dane && d->sts ? "DANE and MTA-STS"
		    : d->dane         ? "DANE"
				      : "MTA-STS",
		    d->broken ? ", which its own hosts fail" : "");
	buf_printf(out, "seen %u times: %u verified, %u only encrypted, %u in clear, %u failed",
	    d->seen, d->verified, d->tls - d->verified, d->clear, d->failed);
	if (d->testing)
		buf_puts(out, "; MTA-STS in testing");
	put_days(d, out);
}

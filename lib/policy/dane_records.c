/*
 * TLSA records: which count, and which match.
 */
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/dane.h"

enum { USAGE_DANE_TA = 2, USAGE_DANE_EE = 3 };
enum { MATCHING_FULL = 0, MATCHING_SHA512 = 2 };

static const char superseded[] = "a stronger digest is published and takes its place (RFC 7671 s9)";

static bool
is_sound(const struct tlsa_record_facts *record, struct arena *arena)
{
	struct slice hex = slice_str(record->data);
	unsigned char *bytes;

	/* only whole certificates and keys need to be looked into */
	if (record->matching_type != MATCHING_FULL)
		return tls_tlsa_is_sound(
		    (int)record->selector, (int)record->matching_type, "", hex.n / 2);
	bytes = arena_alloc(arena, hex.n / 2 + 1);
	return text_unhex(hex, bytes) &&
	       tls_tlsa_is_sound((int)record->selector, MATCHING_FULL, bytes, hex.n / 2);
}

/* Why a record does not count by itself; NULL when it does. */
static const char *
find_fault(const struct tlsa_record_facts *record, struct arena *arena)
{
	if (record->usage == 0 || record->usage == 1)
		return "usages 0 and 1 are not used for SMTP (RFC 7672 s3.1.3)";
	if (record->usage != USAGE_DANE_TA && record->usage != USAGE_DANE_EE)
		return "unknown usage";
	if (record->selector != 0 && record->selector != 1)
		return "unknown selector";
	if (record->matching_type < MATCHING_FULL || record->matching_type > MATCHING_SHA512)
		return "unknown matching type";
	if (!is_sound(record, arena))
		return record->matching_type == MATCHING_FULL
			   ? "the data is no certificate or key"
			   : "the data has not the length of the digest";
	return NULL;
}

/* RFC 7671 s9: a stronger digest for the same usage and selector takes this one's place. */
static bool
is_superseded(
    const struct tlsa_record_facts *record, const struct tlsa_record_facts *records, size_t n)
{
	if (record->matching_type == MATCHING_FULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (records[i].note == NULL && records[i].usage == record->usage &&
		    records[i].selector == record->selector &&
		    records[i].matching_type > record->matching_type)
			return true;
	return false;
}

size_t
dane_judge_records(struct tlsa_record_facts *records, size_t n, struct arena *arena)
{
	size_t usable = 0;

	for (size_t i = 0; i < n; i++) {
		const char *fault = find_fault(&records[i], arena);
		records[i].note = fault == NULL ? NULL : arena_strdup(arena, fault);
	}
	for (size_t i = 0; i < n; i++) {
		records[i].usable =
		    records[i].note == NULL && !is_superseded(&records[i], records, n);
		usable += records[i].usable;
	}
	for (size_t i = 0; i < n; i++)
		if (!records[i].usable && records[i].note == NULL)
			records[i].note = arena_strdup(arena, superseded);
	return usable;
}

bool
dane_is_superseded(const struct tlsa_record_facts *record)
{
	return !record->usable && record->note != NULL && strcmp(record->note, superseded) == 0;
}

/* Better: proves, then names a certificate that proves nothing, then does not match. */
static void
note_fit(struct tlsa_record_facts *record, const struct tls_dane_fit *fit, struct arena *arena)
{
	if (fit->matched == TRI_UNKNOWN || record->matched == TRI_YES)
		return;
	if (fit->matched == TRI_YES || record->depth < 0) {
		record->depth = fit->depth;
		if (record->usable) /* else the note says why it does not count */
			record->note = fit->note == NULL ? NULL : arena_strdup(arena, fit->note);
	}
	record->matched = fit->matched;
}

enum dane
dane_note_fits(
    struct tlsa_facts *tlsa, enum dane dane, const struct tls_dane_fit *fits, struct arena *arena)
{
	switch (tlsa->status) {
	case TLSA_NOT_CHECKED:
	case TLSA_BOGUS:
	case TLSA_ERROR:
		return DANE_NOT_CHECKED;
	case TLSA_NONE:
	case TLSA_INSECURE:
		return DANE_NONE;
	case TLSA_USABLE:
	case TLSA_INSECURE_MX:
	case TLSA_UNUSABLE:
		break;
	}
	for (size_t i = 0; i < tlsa->records_n; i++)
		note_fit(&tlsa->records[i], &fits[i], arena);
	return dane;
}

void
dane_check(const struct tls *session, struct exchange_facts *mx, const char *domain,
    enum dnssec mx_dnssec, int64_t at, int auth_level, struct arena *arena, struct tls_facts *tls)
{
	const char *names[DANE_NAMES];
	struct tls_dane_question question = { .records = mx->tlsa.records,
		.records_n = mx->tlsa.records_n,
		.names = names,
		.at = at,
		.auth_level = auth_level };
	struct tls_dane_fit *fits = arena_alloc(arena, (mx->tlsa.records_n + 1) * sizeof(*fits));
	enum dane dane = DANE_NOT_CHECKED;

	question.names_n = dane_names(mx, domain, mx_dnssec, names);
	if (session == NULL)
		return;
	dane = tls_dane(session, &question, arena, fits);
	if (dane != DANE_NOT_CHECKED)
		dane = dane_note_fits(&mx->tlsa, dane, fits, arena);
	tls->dane = dane;
}

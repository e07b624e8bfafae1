#include "policy/tlsrpt.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/txt.h"

#define TLSRPT_VERSION "v=TLSRPTv1"

/* s3: what does not begin like this is some other text. */
static bool
begins_as_record(struct slice text)
{
	size_t n = strlen(TLSRPT_VERSION);

	if (!slice_is(slice_sub(text, 0, n), TLSRPT_VERSION))
		return false;
	while (n < text.n && (text.p[n] == ' ' || text.p[n] == '\t'))
		n++;
	return n < text.n && text.p[n] == ';';
}

/* RFC 3986, as far as it matters: no bytes that could break a header or a command. */
static bool
is_uri(struct slice uri, const char *scheme)
{
	size_t n = strlen(scheme);

	if (!slice_starts_case(uri, scheme) || uri.n == n)
		return false;
	for (size_t i = 0; i < uri.n; i++)
		if (uri.p[i] <= ' ' || uri.p[i] > '~' || strchr("<>\"\\^`{|}!", uri.p[i]) != NULL)
			return false;
	return slice_find(uri, '@') < uri.n || !slice_is_case(slice_sub(uri, 0, n), "mailto:");
}

static const char *
read_rua(struct slice value, struct arena *arena, struct tlsrpt_facts *facts)
{
	while (value.n > 0) {
		size_t end = slice_find(value, ',');
		struct slice uri = slice_trim(slice_sub(value, 0, end));
		value = slice_sub(value, end + 1, value.n);
		if (!is_uri(uri, "mailto:") && !is_uri(uri, "https://"))
			return arena_printf(arena,
			    "\"%.*s\" is neither mailto:address nor an https: URI",
			    (int)(uri.n < 100 ? uri.n : 100), uri.n == 0 ? "" : uri.p);
		if (facts->rua.n == LIMIT_TLSRPT_URIS)
			return arena_printf(arena, "more than %d addresses", LIMIT_TLSRPT_URIS);
		strs_add_slice(&facts->rua, arena, uri);
	}
	return facts->rua.n == 0 ? "the rua field is empty" : NULL;
}

/* NULL, or what is wrong. Fields other than rua are for later versions. */
static const char *
read_record(struct slice text, struct arena *arena, struct tlsrpt_facts *facts)
{
	struct slice rest = slice_sub(text, slice_find(text, ';') + 1, text.n);
	bool seen = false;

	if (text.n > LIMIT_TLSRPT_RECORD_BYTES)
		return "it is too long";
	while (rest.n > 0) {
		size_t end = slice_find(rest, ';');
		struct slice field = slice_trim(slice_sub(rest, 0, end));
		size_t equals = slice_find(field, '=');
		bool last = end == rest.n;
		rest = slice_sub(rest, end + 1, rest.n);
		if (field.n == 0 && last)
			break;
		if (equals == 0 || equals == field.n)
			return arena_printf(arena, "\"%.*s\" is not name=value",
			    (int)(field.n < 100 ? field.n : 100), field.n == 0 ? "" : field.p);
		if (!slice_is(slice_sub(field, 0, equals), "rua") || seen)
			continue;
		seen = true;
		const char *error = read_rua(slice_sub(field, equals + 1, field.n), arena, facts);
		if (error != NULL)
			return error;
	}
	return seen ? NULL : "it has no rua field";
}

void
tlsrpt_read(const struct slice *texts, size_t n, struct arena *arena, struct tlsrpt_facts *facts)
{
	const struct slice *record = NULL;
	const char *error = NULL;
	size_t records = 0;

	facts_init_tlsrpt_facts(facts);
	facts->status = TLSRPT_NONE;
	for (size_t i = 0; i < n; i++) {
		if (!begins_as_record(texts[i]))
			continue;
		records++;
		if (record == NULL)
			record = &texts[i];
	}
	for (size_t i = 0; i < n && record == NULL; i++) {
		if (!slice_starts_case(slice_trim(texts[i]), "v=tlsrpt"))
			continue;
		record = &texts[i];
		error = "it does not begin with \"" TLSRPT_VERSION ";\", so it does not count";
	}
	if (record == NULL)
		return;
	facts->record = arena_slice(arena, slice_sub(*record, 0, LIMIT_TLSRPT_RECORD_BYTES));
	if (records > 1)
		error = arena_printf(arena, "there are %zu records, and none counts", records);
	if (error == NULL)
		error = read_record(*record, arena, facts);
	facts->status = error == NULL ? TLSRPT_VALID : TLSRPT_INVALID;
	if (error == NULL)
		return;
	facts->rua.n = 0;
	facts->reason = arena_strdup(arena, error);
	text_sanitize(facts->reason);
}

int
tlsrpt_lookup(struct dns_resolver *resolver, const char *domain, struct arena *arena,
    struct tlsrpt_facts *facts, int64_t deadline, struct fail *why)
{
	struct txt txt;

	facts_init_tlsrpt_facts(facts);
	if (txt_lookup(resolver, "_smtp._tls", domain, arena, &txt, deadline, why) != 0)
		return -1;
	if (txt.error != NULL) {
		facts->status = TLSRPT_DNS_ERROR;
		facts->reason = arena_strdup(arena, txt.error);
		return 0;
	}
	tlsrpt_read(txt.texts, txt.n, arena, facts);
	return 0;
}

/*
 * What an MTA-STS record and the patterns of a policy say; the policy itself is in mtasts_policy.c.
 */
#include "policy/mtasts.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define STS_VERSION "v=STSv1"
#define ID_BYTES 32   /* s3.1 */
#define NAME_BYTES 32 /* of a field, s3.1 */

/* --- the record ---------------------------------------------------------------------------------- */

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* s3.1: what does not begin like this is some other text. */
static bool
begins_as_record(struct slice text)
{
	size_t n = strlen(STS_VERSION);

	if (text.n < n || !slice_is(slice_sub(text, 0, n), STS_VERSION))
		return false;
	while (n < text.n && is_wsp(text.p[n]))
		n++;
	return n < text.n && text.p[n] == ';';
}

/* sts-ext-name, which "id" is as well */
static bool
is_field_name(struct slice name)
{
	if (name.n == 0 || name.n > NAME_BYTES || !is_alnum(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!is_alnum(name.p[i]) && strchr("_-.", name.p[i]) == NULL)
			return false;
	return true;
}

/* sts-ext-value: printable, without space, "=" and ";" */
static bool
is_field_value(struct slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] > '~' || value.p[i] == '=')
			return false;
	return value.n > 0;
}

static bool
is_id(struct slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!is_alnum(value.p[i]))
			return false;
	return value.n > 0 && value.n <= ID_BYTES;
}

static int
read_field(struct slice field, struct arena *arena, const char **id_inout, struct fail *why)
{
	size_t equals = slice_find(field, '=');
	struct slice name = slice_sub(field, 0, equals), value;

	if (equals == field.n || !is_field_name(name))
		return fail_set(why, FAIL_STS_RECORD, "\"%.*s\" is not name=value",
		    (int)(field.n < 100 ? field.n : 100), field.p);
	value = slice_sub(field, equals + 1, field.n);
	if (!slice_is(name, "id"))
		return is_field_value(value)
			   ? 0
			   : fail_set(why, FAIL_STS_RECORD, "the value of \"%.*s\" is not allowed",
				 (int)name.n, name.p);
	if (!is_id(value))
		return fail_set(why, FAIL_STS_RECORD,
		    "the id is not 1 to 32 letters and digits: \"%.*s\"",
		    (int)(value.n < 100 ? value.n : 100), value.p);
	if (*id_inout == NULL)
		*id_inout = arena_slice(arena, value);
	return 0;
}

int
mtasts_record_parse(struct slice text, struct arena *arena, const char **id_r, struct fail *why)
{
	struct slice rest;

	*id_r = NULL;
	if (!begins_as_record(text))
		return fail_set(
		    why, FAIL_STS_RECORD, "it does not begin with \"" STS_VERSION ";\"");
	if (text.n > LIMIT_STS_RECORD_BYTES)
		return fail_set(
		    why, FAIL_STS_RECORD, "it is longer than %d bytes", LIMIT_STS_RECORD_BYTES);
	rest = slice_sub(text, slice_find(text, ';') + 1, text.n);
	while (rest.n > 0) {
		size_t end = slice_find(rest, ';');
		struct slice field = slice_trim(slice_sub(rest, 0, end));
		bool last = end == rest.n;
		rest = slice_sub(rest, end + 1, rest.n);
		/* one delimiter may stand at the end */
		if (field.n == 0 && last)
			break;
		if (read_field(field, arena, id_r, why) != 0)
			return -1;
	}
	if (*id_r == NULL)
		return fail_set(why, FAIL_STS_RECORD, "it has no id");
	return 0;
}

static void
set_reason(struct sts_facts *facts, struct arena *arena, enum sts_status status, const char *text)
{
	facts->status = status;
	facts->reason = arena_strdup(arena, text);
}

/* None of the texts counts: is one of them meant to? */
static void
no_record(const struct slice *texts, size_t n, struct arena *arena, struct sts_facts *facts)
{
	for (size_t i = 0; i < n; i++) {
		if (!slice_starts_case(slice_trim(texts[i]), "v=sts") &&
		    !slice_starts_case(slice_trim(texts[i]), "\"v=sts"))
			continue;
		facts->record = arena_slice(arena, slice_sub(texts[i], 0, LIMIT_STS_RECORD_BYTES));
		set_reason(facts, arena, STS_RECORD_INVALID,
		    "the record does not begin with \"" STS_VERSION ";\", so it does not count");
		return;
	}
	facts->status = STS_NONE;
	if (n > 0)
		facts->reason = arena_strdup(arena,
		    "the TXT record there is not one of MTA-STS, which begins with \"" STS_VERSION
		    ";\"");
}

enum sts_status
mtasts_record_read(
    const struct slice *texts, size_t n, struct arena *arena, struct sts_facts *facts)
{
	const struct slice *record = NULL;
	const char *id;
	size_t records = 0;
	struct fail why;

	for (size_t i = 0; i < n; i++) {
		if (!begins_as_record(texts[i]))
			continue;
		records++;
		if (record == NULL)
			record = &texts[i];
	}
	if (record == NULL) {
		no_record(texts, n, arena, facts);
		return facts->status;
	}
	facts->record = arena_slice(arena, slice_sub(*record, 0, LIMIT_STS_RECORD_BYTES));
	if (records > 1) {
		facts->status = STS_RECORD_INVALID;
		facts->reason =
		    arena_printf(arena, "there are %zu records, and none counts", records);
	} else if (mtasts_record_parse(*record, arena, &id, &why) != 0) {
		set_reason(facts, arena, STS_RECORD_INVALID, why.text);
	} else {
		facts->status = STS_VALID;
		facts->id = arena_strdup(arena, id);
	}
	return facts->status;
}

/* --- the patterns -------------------------------------------------------------------------------- */

bool
mtasts_mx_matches(const struct strs *patterns, const char *host)
{
	struct slice name = slice_str(host);

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	struct slice above = slice_sub(name, slice_find(name, '.'), name.n);
	for (size_t i = 0; i < patterns->n; i++) {
		struct slice pattern = slice_str(patterns->v[i]);
		bool wildcard = pattern.n > 2 && pattern.p[0] == '*' && pattern.p[1] == '.';
		/* s4.1: the wildcard is one whole label, never none and never two */
		if (wildcard
			? above.n < name.n && slice_eq_case(slice_sub(pattern, 1, pattern.n), above)
			: name.n > 0 && slice_eq_case(pattern, name))
			return true;
	}
	return false;
}

bool
mtasts_media_type_ok(const char *content_type)
{
	struct slice type = slice_str(content_type);

	return slice_is_case(slice_trim(slice_sub(type, 0, slice_find(type, ';'))), "text/plain");
}

/* --- facts --------------------------------------------------------------------------------------- */

void
mtasts_facts_policy(
    struct sts_facts *facts, const struct mtasts_policy *policy, struct arena *arena)
{
	facts->status = STS_VALID;
	facts->mode = policy->mode;
	facts->max_age = policy->max_age;
	facts->mx = (struct strs){ NULL, 0, 0 };
	for (size_t i = 0; i < policy->mx.n; i++)
		strs_add(&facts->mx, arena, policy->mx.v[i]);
}

bool
mtasts_is_enforced(const struct sts_facts *sts)
{
	return sts->status == STS_VALID && sts->mode == STS_MODE_ENFORCE;
}

void
mtasts_match_exchanges(
    struct sts_facts *sts, struct exchange_facts *exchanges, size_t n, struct arena *arena)
{
	sts->unmatched_mx = (struct strs){ NULL, 0, 0 };
	if (sts->status != STS_VALID ||
	    (sts->mode != STS_MODE_ENFORCE && sts->mode != STS_MODE_TESTING))
		return;
	for (size_t i = 0; i < n; i++) {
		const char *name = exchanges[i].name;
		bool matches = name != NULL && mtasts_mx_matches(&sts->mx, name);
		exchanges[i].sts_match = matches ? TRI_YES : TRI_NO;
		if (matches)
			continue;
		strs_add(&sts->unmatched_mx, arena, name == NULL ? "?" : name);
		if (sts->result_type == NULL)
			sts->result_type = arena_strdup(arena, fail_info(FAIL_STS_MX)->result_type);
	}
}

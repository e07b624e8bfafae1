#include "smtp/ehlo.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "smtp/auth.h"

static const struct {
	const char *keyword;
	enum ehlo_cap cap;
} keywords[] = { { "STARTTLS", EHLO_STARTTLS }, { "PIPELINING", EHLO_PIPELINING },
	{ "SIZE", EHLO_SIZE }, { "8BITMIME", EHLO_8BITMIME }, { "SMTPUTF8", EHLO_SMTPUTF8 },
	{ "DSN", EHLO_DSN }, { "ENHANCEDSTATUSCODES", EHLO_ENHANCEDSTATUSCODES },
	{ "REQUIRETLS", EHLO_REQUIRETLS }, { "CHUNKING", EHLO_CHUNKING }, { "AUTH", EHLO_AUTH } };

/* Firewalls that hide STARTTLS overwrite it in place: XXXXXXXA, XXXXXXXX. */
static bool
is_masked(struct slice keyword)
{
	if (keyword.n < 4)
		return false;
	for (size_t i = 0; i + 1 < keyword.n; i++)
		if (keyword.p[i] != 'X')
			return false;
	return keyword.p[keyword.n - 1] == 'X' || keyword.p[keyword.n - 1] == 'A';
}

bool
ehlo_banner_masked(struct slice text)
{
	size_t stars = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (strchr("*02 ", text.p[i]) == NULL || text.p[i] == '\0')
			return false;
		stars += text.p[i] == '*';
	}
	return stars >= 4;
}

/* One limit, NAME=NUMBER. RFC 9422 s3: what cannot be understood is passed over, and so is 0. */
static void
parse_limit(struct slice word, struct ehlo *ehlo)
{
	struct slice name = slice_cut(&word, '=');
	unsigned long long value;

	if (!slice_number(word, UINT_MAX, &value))
		return;
	if (slice_is_case(name, "MAILMAX"))
		ehlo->mail_max = (unsigned)value;
	else if (slice_is_case(name, "RCPTMAX"))
		ehlo->rcpt_max = (unsigned)value;
	else if (slice_is_case(name, "RCPTDOMAINMAX"))
		ehlo->rcpt_domain_max = (unsigned)value;
}

void
ehlo_parse(const struct smtp_reply *reply, struct ehlo *ehlo_r)
{
	memset(ehlo_r, 0, sizeof(*ehlo_r));
	ehlo_r->known = true;
	for (size_t i = 1; i < reply->lines; i++) {
		struct slice args = smtp_reply_line(reply, i);
		struct slice keyword = slice_word(&args), word;
		unsigned long long size;
		for (size_t k = 0; k < sizeof(keywords) / sizeof(keywords[0]); k++)
			if (slice_is_case(keyword, keywords[k].keyword))
				ehlo_r->caps |= keywords[k].cap;
		while (slice_is_case(keyword, "LIMITS") && (word = slice_word(&args)).n > 0)
			parse_limit(word, ehlo_r);
		while (slice_is_case(keyword, "AUTH") && (word = slice_word(&args)).n > 0)
			ehlo_r->auth |= auth_mechanism_parse(word);
		if (slice_is_case(keyword, "SIZE") &&
		    slice_number(slice_word(&args), UINT64_MAX, &size))
			ehlo_r->size = size;
		if (is_masked(keyword))
			ehlo_r->masked = true;
	}
}

void
ehlo_lines(const struct smtp_reply *reply, struct arena *arena, struct strs *list)
{
	for (size_t i = 1; i < reply->lines; i++) {
		strs_add_slice(list, arena, slice_trim(smtp_reply_line(reply, i)));
		text_sanitize(list->v[list->n - 1]);
	}
}

static struct slice
keyword_of(const char *line)
{
	struct slice rest = slice_str(line);

	return slice_word(&rest);
}

void
ehlo_difference(
    const struct strs *a, const struct strs *b, struct arena *arena, struct strs *missing_r)
{
	for (size_t i = 0; i < a->n; i++) {
		bool found = false;
		for (size_t j = 0; j < b->n && !found; j++)
			found = slice_eq_case(keyword_of(a->v[i]), keyword_of(b->v[j]));
		if (!found)
			strs_add(missing_r, arena, a->v[i]);
	}
}

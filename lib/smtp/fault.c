#include "smtp/fault.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

enum value {
	VALUE_NONE,
	VALUE_TEXT,
	VALUE_TIME,
	VALUE_BYTES,
	VALUE_ALERT,
	VALUE_CERT,
	VALUE_VERSION
};
enum where { AT_REPLY = 1, AT_EHLO = 2, AT_TLS = 4 };

static const struct {
	const char *word;
	enum smtp_fault_kind kind;
	enum value value;
	int where;
} kinds[] = {
	{ "reply", SMTP_FAULT_REPLY, VALUE_TEXT, AT_REPLY },
	{ "inject", SMTP_FAULT_INJECT, VALUE_TEXT, AT_REPLY },
	{ "delay", SMTP_FAULT_DELAY, VALUE_TIME, AT_REPLY | AT_TLS },
	{ "slow", SMTP_FAULT_SLOW, VALUE_TIME, AT_REPLY },
	{ "cut", SMTP_FAULT_CUT, VALUE_BYTES, AT_REPLY | AT_TLS },
	{ "drop", SMTP_FAULT_DROP, VALUE_NONE, AT_REPLY | AT_TLS },
	{ "close-notify", SMTP_FAULT_CLOSE_NOTIFY, VALUE_NONE, AT_REPLY },
	{ "not-offered", SMTP_FAULT_HIDE, VALUE_NONE, AT_EHLO },
	{ "masked", SMTP_FAULT_MASK, VALUE_NONE, AT_EHLO },
	{ "garbage", SMTP_FAULT_GARBAGE, VALUE_NONE, AT_TLS },
	{ "alert", SMTP_FAULT_ALERT, VALUE_ALERT, AT_TLS },
	{ "stall", SMTP_FAULT_STALL, VALUE_NONE, AT_TLS },
	{ "cert", SMTP_FAULT_CERT, VALUE_CERT, AT_TLS },
	{ "version", SMTP_FAULT_VERSION, VALUE_VERSION, AT_TLS },
};

bool
smtp_fault_at(const struct smtp_fault *fault, const char *point)
{
	return strcmp(fault->point, point) == 0 ||
	       (strcmp(fault->point, "*") == 0 && strcmp(point, "TLS") != 0);
}

unsigned
smtp_fault_random(uint64_t *state, unsigned n)
{
	/* splitmix64: one seed, one sequence, on every machine */
	uint64_t z = (*state += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static const char *
unescape(struct slice text, struct arena *arena)
{
	char *out = arena_slice(arena, text), *to = out;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\\' && i + 1 < text.n) {
			c = text.p[++i];
			c = (char)(c == 'r' ? '\r' : c == 'n' ? '\n' : c);
		}
		*to++ = c;
	}
	*to = '\0';
	return out;
}

/* "12%", "0.5%": in thousandths. */
static bool
parse_percent(struct slice text, unsigned *permille_r)
{
	bool percent_sign = slice_find(text, '%') < text.n;
	struct slice whole = slice_cut(&text, '%');
	struct slice fraction = whole, number = slice_cut(&fraction, '.');
	unsigned long long percent, tenths = 0;

	if (!percent_sign || text.n != 0 || !slice_number(number, 100, &percent) ||
	    fraction.n > 1 || (fraction.n == 1 && !slice_number(fraction, 9, &tenths)))
		return false;
	*permille_r = (unsigned)(percent * 10 + tenths);
	return *permille_r <= 1000;
}

/* POINT and conditions. */
static bool
parse_point(struct slice text, struct arena *arena, struct smtp_fault *fault)
{
	struct slice point = slice_cut(&text, '/');
	char *upper = arena_slice(arena, point);

	for (char *c = upper; *c != '\0'; c++)
		*c = text_upper(*c);
	fault->point = upper;
	fault->permille = 1000;
	while (text.n > 0) {
		struct slice value = slice_cut(&text, '/'), key = slice_cut(&value, ':');
		if (slice_is(key, "p") && parse_percent(value, &fault->permille))
			continue;
		if (!slice_is(key, "to") || value.n == 0)
			return false;
		fault->to = arena_slice(arena, value);
	}
	/* where no recipient is known yet the fault would never happen */
	bool early = strcmp(upper, "TLS") == 0 || strcmp(upper, "GREETING") == 0;
	return point.n > 0 && !(early && fault->to != NULL);
}

static bool
parse_value(enum value kind, struct slice value, struct arena *arena, struct smtp_fault *fault)
{
	unsigned long long number;

	switch (kind) {
	case VALUE_NONE:
		return value.p == NULL;
	case VALUE_TEXT:
		fault->text = value.p == NULL ? NULL : unescape(value, arena);
		return value.p != NULL;
	case VALUE_TIME:
		return text_duration_ms(value, &fault->delay_ms);
	case VALUE_BYTES:
		if (!slice_number(value, SIZE_MAX, &number))
			return false;
		fault->bytes = (size_t)number;
		return true;
	case VALUE_ALERT:
		if (!slice_number(value, 255, &number))
			return false;
		fault->alert = (unsigned)number;
		return true;
	case VALUE_CERT:
		return tls_faulty_parse(value, &fault->cert);
	case VALUE_VERSION:
		return value.n > 0 && tls_version_parse(arena_slice(arena, value), &fault->version);
	}
	return false;
}

static bool
parse_action(struct slice action, struct arena *arena, struct smtp_fault *fault)
{
	size_t colon = slice_find(action, ':');
	struct slice word = slice_sub(action, 0, colon), value = { NULL, 0 };
	bool tls = strcmp(fault->point, "TLS") == 0, ehlo = strcmp(fault->point, "EHLO") == 0;

	if (colon < action.n)
		value = slice_make(action.p + colon + 1, action.n - colon - 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!slice_is(word, kinds[i].word))
			continue;
		int here = tls ? AT_TLS : ehlo ? AT_REPLY | AT_EHLO : AT_REPLY;
		fault->kind = kinds[i].kind;
		return (kinds[i].where & here) != 0 &&
		       parse_value(kinds[i].value, value, arena, fault);
	}
	return false;
}

int
smtp_fault_parse(
    struct slice spec, struct arena *arena, struct smtp_fault *fault_r, struct fail *why)
{
	size_t equals = slice_find(spec, '=');

	memset(fault_r, 0, sizeof(*fault_r));
	if (equals < spec.n && parse_point(slice_sub(spec, 0, equals), arena, fault_r) &&
	    parse_action(slice_sub(spec, equals + 1, spec.n), arena, fault_r))
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "'%.*s' is no fault: expected POINT[/p:PERCENT%%][/to:LOCALPART]=FAULT, without /to at "
	    "GREETING and TLS, where FAULT is "
	    "reply:TEXT, inject:TEXT, delay:TIME, slow:TIME, cut:BYTES, drop or close-notify; at "
	    "EHLO also not-offered or masked; at TLS delay:TIME, cut:BYTES, drop, garbage, stall, "
	    "alert:NUMBER, version:VERSION or cert:KIND (" TLS_FAULTY_WORDS ")",
	    (int)spec.n, spec.n == 0 ? "" : spec.p);
}

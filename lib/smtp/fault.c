#include "smtp/fault.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

const struct smtp_fault *
smtp_fault_find(
    const struct smtp_fault *faults, size_t n, const char *point, enum smtp_fault_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (faults[i].kind == kind &&
		    (strcmp(faults[i].point, point) == 0 || strcmp(faults[i].point, "*") == 0))
			return &faults[i];
	return NULL;
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

int
smtp_fault_parse(
    struct slice spec, struct arena *arena, struct smtp_fault *fault_r, struct fail *why)
{
	size_t equals = slice_find(spec, '=');
	struct slice point = slice_sub(spec, 0, equals),
		     action = slice_sub(spec, equals + 1, spec.n);
	size_t colon = slice_find(action, ':');
	struct slice kind = slice_sub(action, 0, colon),
		     value = slice_sub(action, colon + 1, action.n);
	unsigned long long bytes;

	memset(fault_r, 0, sizeof(*fault_r));
	char *upper = arena_slice(arena, point);
	for (char *c = upper; *c != '\0'; c++)
		*c = text_upper(*c);
	fault_r->point = upper;
	if (point.n == 0 || colon == action.n)
		goto bad;
	if (slice_is(kind, "reply")) {
		fault_r->kind = SMTP_FAULT_REPLY;
		fault_r->text = unescape(value, arena);
		return 0;
	}
	if (slice_is(kind, "delay") && text_duration_ms(value, &fault_r->delay_ms)) {
		fault_r->kind = SMTP_FAULT_DELAY;
		return 0;
	}
	if (slice_is(kind, "cut") && slice_number(value, SIZE_MAX, &bytes)) {
		fault_r->kind = SMTP_FAULT_CUT;
		fault_r->bytes = (size_t)bytes;
		return 0;
	}
bad:
	return fail_set(why, FAIL_USAGE,
	    "'%.*s' is no fault: expected POINT=reply:TEXT, POINT=delay:DURATION or "
	    "POINT=cut:BYTES",
	    (int)spec.n, spec.n == 0 ? "" : spec.p);
}

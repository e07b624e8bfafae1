#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"

static const struct fail_info infos[FAIL_COUNT] = {
#define FAIL(symbol, token, class, enhanced, result_type, exit_status, text) \
	[FAIL_##symbol] = { token, FAIL_CLASS_##class, enhanced, result_type, exit_status, text },
#include "base/fail.def"
#undef FAIL
};

const struct fail_info *
fail_info(enum fail_code code)
{
	return &infos[code];
}

enum fail_code
fail_code_parse(const char *token)
{
	for (int i = 0; i < FAIL_COUNT; i++)
		if (strcmp(infos[i].token, token) == 0)
			return (enum fail_code)i;
	return FAIL_COUNT;
}

__attribute__((format(printf, 4, 0))) static void
fail_vset(struct fail *why, enum fail_code code, int errnum, const char *fmt, va_list ap)
{
	why->code = code;
	why->errnum = errnum;
	why->smtp_code = 0;
	if (fmt == NULL)
		snprintf(why->text, sizeof(why->text), "%s", infos[code].text);
	else
		vsnprintf(why->text, sizeof(why->text), fmt, ap);
	text_sanitize(why->text);
}

int
fail_set(struct fail *why, enum fail_code code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (why != NULL) {
		va_start(ap, fmt);
		fail_vset(why, code, 0, fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return -1;
}

int
fail_errno(struct fail *why, enum fail_code code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (why != NULL) {
		va_start(ap, fmt);
		fail_vset(why, code, saved, fmt, ap);
		va_end(ap);
		size_t used = strlen(why->text);
		snprintf(why->text + used, sizeof(why->text) - used, ": %s", strerror(saved));
	}
	errno = saved;
	return -1;
}

int
fail_prefix(struct fail *why, const char *fmt, ...)
{
	char head[sizeof(why->text)], tail[sizeof(why->text)];
	va_list ap;

	if (why == NULL)
		return -1;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	text_sanitize(head);
	memcpy(tail, why->text, sizeof(tail));
	size_t used = strlen(head);
	if (used > sizeof(why->text) - 3)
		used = sizeof(why->text) - 3;
	memcpy(why->text, head, used);
	/* what does not fit is cut: a text for people */
	if (snprintf(why->text + used, sizeof(why->text) - used, ": %s", tail) < 0)
		why->text[used] = 0;
	return -1;
}

void
fail_clear(struct fail *why)
{
	if (why != NULL)
		memset(why, 0, sizeof(*why));
}

bool
fail_is_temporary(const struct fail *why)
{
	return infos[why->code].enhanced[0] != '5';
}

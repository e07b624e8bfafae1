#include "smtp/dsn.h"

#include <stddef.h>

#include "base/limits.h"
#include "smtp/address.h"

bool
smtp_notify_parse(struct slice value, unsigned *notify_r)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = { { "NEVER", SMTP_NOTIFY_NEVER }, { "SUCCESS", SMTP_NOTIFY_SUCCESS },
		{ "FAILURE", SMTP_NOTIFY_FAILURE }, { "DELAY", SMTP_NOTIFY_DELAY } };
	unsigned notify = 0;
	bool more = true;

	while (more) {
		size_t comma = slice_find(value, ','), i = 0;
		struct slice word = slice_sub(value, 0, comma);
		more = comma < value.n;
		value = slice_sub(value, comma + 1, value.n);
		while (i < 4 && !slice_is_case(word, words[i].word))
			i++;
		if (i == 4 || (notify & words[i].bit) != 0)
			return false;
		notify |= words[i].bit;
	}
	/* s4.1: NEVER stands alone */
	if ((notify & SMTP_NOTIFY_NEVER) != 0 && notify != SMTP_NOTIFY_NEVER)
		return false;
	*notify_r = notify;
	return true;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* s4: xchar, or "+" and two upper-case hex digits. */
static bool
is_xtext(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '!' || s.p[i] > '~' || s.p[i] == '=')
			return false;
		if (s.p[i] != '+')
			continue;
		if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
			return false;
		i += 2;
	}
	return true;
}

bool
smtp_orcpt_valid(struct slice value)
{
	size_t semicolon = slice_find(value, ';');

	if (semicolon == 0 || semicolon >= value.n || value.n > LIMIT_ORCPT_BYTES)
		return false;
	for (size_t i = 0; i < semicolon; i++)
		if (!smtp_is_atext(value.p[i]) || (unsigned char)value.p[i] > 0x7e)
			return false;
	return is_xtext(slice_sub(value, semicolon + 1, value.n));
}

bool
smtp_envid_valid(struct slice value)
{
	return value.n > 0 && value.n <= LIMIT_ENVID_BYTES && is_xtext(value);
}

bool
smtp_ret_parse(struct slice value, enum smtp_ret *ret_r)
{
	if (slice_is_case(value, "FULL"))
		*ret_r = SMTP_RET_FULL;
	else if (slice_is_case(value, "HDRS"))
		*ret_r = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

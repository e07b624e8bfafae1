/*
 * The policy of MTA-STS: RFC 8461 s3.2.
 */
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/mtasts.h"

#define SHORT_MAX_AGE_S 86400 /* s3.2: "weeks or greater" is what is expected */
#define KEY_BYTES 32
#define SHOWN_BYTES 60 /* of a remote text in an error */

enum key { KEY_VERSION, KEY_MODE, KEY_MAX_AGE, KEYS, KEY_MX, KEY_UNKNOWN };

static const char *const key_names[KEYS] = { "version", "mode", "max_age" };

struct reading {
	struct arena *arena;
	struct mtasts_policy *policy;
	struct strs *findings; /* NULL: nobody asks */
	struct fail *why;
	size_t line; /* from 1 */
	bool seen[KEYS];
};

static void
finding(struct reading *r, const char *text)
{
	if (r->findings != NULL && r->findings->n < LIMIT_STS_FINDINGS)
		strs_add(r->findings, r->arena, text);
}

/* "line 3: what is wrong: \"text\"" */
static int
bad_line(struct reading *r, const char *what, struct slice text)
{
	size_t n = text.n < SHOWN_BYTES ? text.n : SHOWN_BYTES;

	return fail_set(r->why, FAIL_STS_POLICY, "line %zu: %s: \"%.*s%s\"", r->line, what, (int)n,
	    n == 0 ? "" : text.p, n < text.n ? "..." : "");
}

/* --- values -------------------------------------------------------------------------------------- */

static int
read_version(struct reading *r, struct slice value)
{
	if (!slice_is(value, "STSv1"))
		return bad_line(r, "the version must be STSv1", value);
	return 0;
}

static int
read_mode(struct reading *r, struct slice value)
{
	if (slice_is(value, "enforce"))
		r->policy->mode = STS_MODE_ENFORCE;
	else if (slice_is(value, "testing"))
		r->policy->mode = STS_MODE_TESTING;
	else if (slice_is(value, "none"))
		r->policy->mode = STS_MODE_NONE;
	else
		return bad_line(r, "the mode must be enforce, testing or none", value);
	return 0;
}

static int
read_max_age(struct reading *r, struct slice value)
{
	unsigned long long seconds;

	/* 1*10(DIGIT) */
	if (value.n > 10 || !slice_number(value, 9999999999ULL, &seconds))
		return bad_line(r, "max_age must be a number of seconds, at most 31557600", value);
	if (seconds > LIMIT_STS_MAX_AGE_S) {
		finding(r, "max_age is above the maximum of 31557600 seconds (a year): senders may "
			   "reject the policy");
		seconds = LIMIT_STS_MAX_AGE_S;
	} else if (seconds < SHORT_MAX_AGE_S) {
		finding(r, "max_age is less than a day: senders soon forget the policy, and then "
			   "an attacker can hide it; a week or more is usual");
	}
	r->policy->max_age = (int64_t)seconds;
	return 0;
}

/* A domain name of ASCII labels; underscores are not right, but in use. */
static bool
is_domain(struct slice name)
{
	if (name.n == 0 || name.n > LIMIT_DOMAIN_BYTES)
		return false;
	while (name.n > 0) {
		size_t end = slice_find(name, '.');
		if (end == 0 || end > 63 || end + 1 == name.n || name.p[0] == '-' ||
		    name.p[end - 1] == '-')
			return false;
		for (size_t i = 0; i < end; i++) {
			char c = text_lower(name.p[i]);
			if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
			    c != '_')
				return false;
		}
		name = slice_sub(name, end + 1, name.n);
	}
	return true;
}

static int
read_mx(struct reading *r, struct slice value)
{
	bool wildcard = value.n > 2 && value.p[0] == '*' && value.p[1] == '.';
	struct slice domain = wildcard ? slice_sub(value, 2, value.n) : value;

	if (!is_domain(domain)) {
		if (value.n > 1 && value.p[value.n - 1] == '.' &&
		    is_domain(slice_sub(domain, 0, domain.n - 1)))
			return bad_line(r, "mx must be written without a dot at the end", value);
		for (size_t i = 0; i < value.n; i++)
			if ((unsigned char)value.p[i] > 0x7f)
				return bad_line(
				    r, "mx must be written with A-labels (xn--...)", value);
		return bad_line(r, "mx must be a host name, or *. and a domain", value);
	}
	char *pattern = arena_slice(r->arena, value);
	text_lower_str(pattern);
	strs_add(&r->policy->mx, r->arena, pattern);
	return 0;
}

/* --- lines --------------------------------------------------------------------------------------- */

static enum key
key_of(struct slice name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (slice_is(name, key_names[i]))
			return (enum key)i;
	return slice_is(name, "mx") ? KEY_MX : KEY_UNKNOWN;
}

static bool
is_key(struct slice name)
{
	if (name.n == 0 || name.n > KEY_BYTES || strchr("_-.", name.p[0]) != NULL)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = text_lower(name.p[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr("_-.", c) == NULL))
			return false;
	}
	return true;
}

static int
unknown_key(struct reading *r, struct slice name, struct slice value)
{
	for (size_t i = 0; i < KEYS; i++)
		if (slice_is_case(name, key_names[i]))
			finding(
			    r, arena_printf(r->arena, "keys are in lower case: \"%.*s\" is ignored",
				   (int)name.n, name.p));
	if (slice_is_case(name, "mx"))
		finding(r, arena_printf(r->arena, "keys are in lower case: \"%.*s\" is ignored",
			       (int)name.n, name.p));
	if (value.n == 0 || !text_is_utf8(value))
		return bad_line(r, "not a value", value);
	return 0;
}

static int
read_line(struct reading *r, struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = slice_sub(line, 0, colon);
	struct slice value = slice_trim(slice_sub(line, colon + 1, line.n));
	enum key key = key_of(name);

	if (text_has_control(line))
		return bad_line(r, "control characters", line);
	if (colon == line.n || !is_key(name))
		return bad_line(r, "expected \"key: value\"", line);
	if (key == KEY_MX)
		return read_mx(r, value);
	if (key == KEY_UNKNOWN)
		return unknown_key(r, name, value);
	if (r->seen[key]) { /* s3.2: all but the first are ignored */
		finding(r, arena_printf(r->arena, "%s is there twice: only the first counts",
			       key_names[key]));
		return 0;
	}
	r->seen[key] = true;
	switch (key) {
	case KEY_VERSION:
		return read_version(r, value);
	case KEY_MODE:
		return read_mode(r, value);
	default:
		return read_max_age(r, value);
	}
}

static int
read_lines(struct reading *r, struct slice text)
{
	bool blank = false;

	while (text.n > 0) {
		size_t end = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, end);
		r->line++;
		text = slice_sub(text, end + 1, text.n);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (slice_trim(line).n == 0) {
			blank = true;
			continue;
		}
		if (blank) { /* at the end they harm nobody */
			finding(r, "there are empty lines, which the syntax does not have");
			blank = false;
		}
		if (read_line(r, line) != 0)
			return -1;
	}
	return 0;
}

static int
check_complete(struct reading *r)
{
	for (size_t i = 0; i < KEYS; i++)
		if (!r->seen[i])
			return fail_set(
			    r->why, FAIL_STS_POLICY, "there is no \"%s:\" line", key_names[i]);
	if (r->policy->mx.n == 0 && r->policy->mode != STS_MODE_NONE)
		return fail_set(r->why, FAIL_STS_POLICY, "there is no \"mx:\" line");
	return 0;
}

int
mtasts_policy_parse(struct slice text, struct arena *arena, struct mtasts_policy *policy_r,
    struct strs *findings, struct fail *why)
{
	struct reading r = { .arena = arena, .policy = policy_r, .findings = findings, .why = why };

	*policy_r = (struct mtasts_policy){ .mode = STS_MODE_UNKNOWN };
	if (text.n > LIMIT_STS_POLICY_BYTES)
		return fail_set(why, FAIL_STS_POLICY, "it is longer than 64 KiB");
	if (slice_trim(text).n == 0)
		return fail_set(why, FAIL_STS_POLICY, "it is empty");
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		return fail_set(why, FAIL_STS_POLICY, "it begins with a byte order mark");
	if (slice_starts_case(slice_trim(text), "<"))
		return fail_set(why, FAIL_STS_POLICY, "it is a web page, not a policy");
	if (read_lines(&r, text) != 0)
		return -1;
	return check_complete(&r);
}

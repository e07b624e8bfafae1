#include <stdio.h>
#include <string.h>

#include "tls/hello.h"
#include "tls/internal.h"

enum group_kind { CURVE, FINITE, TLS13 };

static const struct suite {
	uint16_t number, first_version;
	const char *name;
} suites[] = {
#define TLS_SUITE(number, first_version, name) { number, first_version, name },
#include "tls/suites.def"
#undef TLS_SUITE
};

static const struct group {
	uint16_t number;
	enum group_kind kind;
	const char *name;
} groups[] = {
#define TLS_GROUP(number, kind, name) { number, kind, name },
#include "tls/groups.def"
#undef TLS_GROUP
};

#define SUITES (sizeof(suites) / sizeof(suites[0]))
#define GROUPS (sizeof(groups) / sizeof(groups[0]))
_Static_assert(SUITES <= HELLO_SUITES_MAX, "the callers' arrays");
_Static_assert(GROUPS <= HELLO_GROUPS_MAX, "the callers' arrays");

const char *
hello_version_name(uint16_t version)
{
	static const char *const names[] = { "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3" };

	return version >= HELLO_SSL3 && version <= HELLO_TLS13 ? names[version - HELLO_SSL3] : NULL;
}

const char *
hello_suite_name(uint16_t number)
{
	for (size_t i = 0; i < SUITES; i++)
		if (suites[i].number == number)
			return suites[i].name;
	return NULL;
}

const char *
hello_group_name(uint16_t number)
{
	for (size_t i = 0; i < GROUPS; i++)
		if (groups[i].number == number)
			return groups[i].name;
	return NULL;
}

uint16_t
hello_group_number(const char *name)
{
	for (size_t i = 0; name != NULL && i < GROUPS; i++)
		if (strcmp(groups[i].name, name) == 0)
			return groups[i].number;
	return 0;
}

static const char *
name_or_number(const char *name, uint16_t number, char out[HELLO_NAME_BYTES])
{
	if (name != NULL)
		return name;
	snprintf(out, HELLO_NAME_BYTES, "0x%04x", number);
	return out;
}

const char *
hello_suite_str(uint16_t suite, char out[HELLO_NAME_BYTES])
{
	return name_or_number(hello_suite_name(suite), suite, out);
}

const char *
hello_group_str(uint16_t group, char out[HELLO_NAME_BYTES])
{
	return name_or_number(hello_group_name(group), group, out);
}

const char *
hello_alert_str(uint8_t alert, char out[32])
{
	return tls_alert_str(alert, out);
}

/* TLS 1.3 shares no suite with what came before it (RFC 8446 s4.1.1). */
static bool
suite_fits(const struct suite *suite, uint16_t version)
{
	return version >= HELLO_TLS13 ? suite->first_version == HELLO_TLS13
				      : suite->first_version <= version;
}

size_t
hello_suites(uint16_t version, uint16_t out[HELLO_SUITES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < SUITES; i++)
		if (suite_fits(&suites[i], version))
			out[n++] = suites[i].number;
	return n;
}

size_t
hello_suites_curve(uint16_t version, uint16_t out[HELLO_SUITES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < SUITES; i++)
		if (suite_fits(&suites[i], version) &&
		    (strncmp(suites[i].name, "TLS_ECDHE_", 10) == 0 ||
			strncmp(suites[i].name, "TLS_ECDH_anon_", 14) == 0))
			out[n++] = suites[i].number;
	return n;
}

size_t
hello_groups(uint16_t version, bool finite, uint16_t out[HELLO_GROUPS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < GROUPS; i++)
		if (version >= HELLO_TLS13 || groups[i].kind == CURVE ||
		    (finite && groups[i].kind == FINITE))
			out[n++] = groups[i].number;
	return n;
}

#include "policy/certname.h"

#include "base/limits.h"
#include "base/slice.h"
#include "base/text.h"
#include "io/addr.h"

/* Letters, digits, hyphen, underscore and dots, no empty label; one "*." in front is allowed. */
static bool
is_host_name(struct slice name)
{
	char last = '.';

	if (name.n > 2 && name.p[0] == '*' && name.p[1] == '.')
		name = slice_sub(name, 2, name.n);
	for (size_t i = 0; i < name.n; i++) {
		char c = text_lower(name.p[i]);
		bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			    c == '_' || (c == '.' && last != '.');
		if (!good)
			return false;
		last = c;
	}
	return name.n > 0 && last != '.';
}

static struct slice
without_dot(struct slice name)
{
	return name.n > 1 && name.p[name.n - 1] == '.' ? slice_sub(name, 0, name.n - 1) : name;
}

/* What a wildcard may stand for, as OpenSSL has it. */
static bool
is_plain_label(struct slice label)
{
	for (size_t i = 0; i < label.n; i++) {
		char c = text_lower(label.p[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return label.n > 0;
}

static bool
name_matches(struct slice have, struct slice want)
{
	if (!is_host_name(have))
		return false;
	if (want.p[0] == '.')
		return have.n > want.n &&
		       slice_eq_case(slice_sub(have, have.n - want.n, have.n), want);
	if (have.p[0] != '*')
		return slice_eq_case(have, want);
	/* the wildcard must leave two labels at least: *.example names nobody */
	struct slice rest = slice_sub(have, 1, have.n);
	size_t dot = slice_find(want, '.');
	return dot < want.n && is_plain_label(slice_sub(want, 0, dot)) &&
	       slice_find(slice_sub(rest, 1, rest.n), '.') + 1 < rest.n &&
	       slice_eq_case(slice_sub(want, dot, want.n), rest);
}

enum tri
certname_find(const struct cert_facts *leaf, const char *name, bool cn, char **name_r)
{
	struct slice want = without_dot(slice_str(name));
	struct addr unused;
	bool dns = false;

	*name_r = NULL;
	if (want.n == 0 || slice_is(want, ".") || addr_parse_ip(want, 0, &unused))
		return TRI_NO;
	for (size_t i = 0; i < leaf->names.n; i++) {
		struct slice have = slice_str(leaf->names.v[i]);
		if (addr_parse_ip(have, 0, &unused))
			continue;
		dns = true;
		if (name_matches(have, want)) {
			*name_r = leaf->names.v[i];
			return TRI_YES;
		}
	}
	if (leaf->names.n >= LIMIT_SANS)
		return TRI_UNKNOWN;
	if (!cn || dns || leaf->common_name == NULL ||
	    !name_matches(slice_str(leaf->common_name), want))
		return TRI_NO;
	*name_r = leaf->common_name;
	return TRI_YES;
}

bool
certname_matches(const struct cert_facts *leaf, const char *name, bool cn)
{
	char *unused;

	return certname_find(leaf, name, cn, &unused) == TRI_YES;
}

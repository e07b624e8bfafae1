#include "policy/certname.h"

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
	return dot > 0 && dot < want.n &&
	       slice_find(slice_sub(rest, 1, rest.n), '.') + 1 < rest.n &&
	       slice_eq_case(slice_sub(want, dot, want.n), rest);
}

bool
certname_matches(const struct cert_facts *leaf, const char *name, bool cn)
{
	struct slice want = without_dot(slice_str(name));
	struct addr unused;
	bool dns = false;

	if (want.n == 0 || slice_is(want, ".") || addr_parse_ip(want, 0, &unused))
		return false;
	for (size_t i = 0; i < leaf->names.n; i++) {
		struct slice have = slice_str(leaf->names.v[i]);
		if (addr_parse_ip(have, 0, &unused))
			continue;
		dns = true;
		if (name_matches(have, want))
			return true;
	}
	return cn && !dns && leaf->common_name != NULL &&
	       name_matches(slice_str(leaf->common_name), want);
}

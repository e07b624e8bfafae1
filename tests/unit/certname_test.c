#include "policy/certname.h"
#include "test.h"

TEST(certificates_name_hosts_by_whole_labels)
{
	static const struct {
		const char *san, *cn, *name;
		bool use_cn, want;
	} rows[] = {
		{ "mx.example", NULL, "mx.example", false, true },
		{ "MX.Example", NULL, "mx.example.", false, true },
		{ "mx.example", NULL, "example", false, false },
		{ "example", NULL, "mx.example", false, false },
		/* RFC 6125 s6.4.3: one whole left-most label */
		{ "*.a.example", NULL, "mx.a.example", false, true },
		{ "*.a.example", NULL, "a.example", false, false },
		{ "*.a.example", NULL, "x.mx.a.example", false, false },
		{ "*.a.example", NULL, ".a.example", false, true },
		{ "m*.a.example", NULL, "mx.a.example", false, false },
		{ "*.*.example", NULL, "mx.a.example", false, false },
		{ "*", NULL, "example", false, false },
		{ "*.example", NULL, "a.example", false, false },
		/* a dot in front: every name below */
		{ "mx.a.example", NULL, ".example", false, true },
		{ "mx.a.example", NULL, ".a.example", false, true },
		{ "a.example", NULL, ".a.example", false, false },
		{ "xa.example", NULL, ".a.example", false, false },
		{ ".a.example", NULL, ".a.example", false, false },
		/* what is no host name proves nothing: a NUL, as it is kept */
		{ "evil.test\\x00.a.example", NULL, ".a.example", false, false },
		{ "mx .a.example", NULL, ".a.example", false, false },
		{ "a..a.example", NULL, ".a.example", false, false },
		/* the common name, where nothing better is there */
		{ NULL, "mx.example", "mx.example", true, true },
		{ NULL, "mx.example", "mx.example", false, false },
		{ "other.example", "mx.example", "mx.example", true, false },
		{ "192.0.2.1", "mx.example", "mx.example", true, true },
		/* addresses are none of its business */
		{ "192.0.2.1", NULL, "192.0.2.1", false, false },
		{ "mx.example", NULL, "", false, false },
		{ "mx.example", NULL, ".", false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert_facts leaf;
		char *san = (char *)(uintptr_t)rows[i].san;
		facts_init_cert_facts(&leaf);
		leaf.names.v = &san;
		leaf.names.n = san != NULL;
		leaf.common_name = (char *)(uintptr_t)rows[i].cn;
		TEST_ROW("%s / %s: %s", rows[i].san, rows[i].cn, rows[i].name);
		CHECK_INT(certname_matches(&leaf, rows[i].name, rows[i].use_cn), rows[i].want);
	}
}

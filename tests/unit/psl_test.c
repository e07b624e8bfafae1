#include "policy/psl.h"
#include "test.h"

TEST(psl_registrable)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "aspmx.l.google.com", "google.com" },
		{ "ASPMX.L.Google.COM.", "google.com" },
		{ "example.com", "example.com" },
		{ "mx.example.co.uk", "example.co.uk" },
		{ "co.uk", "" },
		{ "com", "" },
		{ "", "" },
		{ ".", "" },
		{ "192.0.2.1", "" },
		{ "2001:db8::1", "" },
		{ "mx1.mail.example.test", "example.test" },
		{ "test", "" },
		{ "mx.xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "123.example.net", "example.net" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[LIMIT_DOMAIN_BYTES + 1];
		TEST_ROW("%s", rows[i].name);
		CHECK(psl_registrable(slice_str(rows[i].name), out) == (rows[i].want[0] != '\0'));
		CHECK_STR(out, rows[i].want);
	}
}

TEST(psl_long_and_odd_names)
{
	char name[400], out[LIMIT_DOMAIN_BYTES + 1];

	memset(name, 'a', sizeof(name));
	CHECK(!psl_registrable(slice_make(name, sizeof(name)), out));
	CHECK_STR(out, "");
	CHECK(!psl_registrable(slice_make("a\0b.example.com", 15), out));
	CHECK_STR(out, "");
}

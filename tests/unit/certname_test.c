#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "policy/certname.h"
#include "test.h"

/* What OpenSSL says of a certificate with this name. */
static bool
openssl_says(const char *san, const char *cn, const char *name)
{
	X509 *cert = X509_new();
	char text[200];

	if (san != NULL) {
		snprintf(text, sizeof(text), "%s:%s", san[0] == '1' ? "IP" : "DNS", san);
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
		CHECK(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
		X509_EXTENSION_free(ext);
	}
	if (cn != NULL)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		    (const unsigned char *)cn, -1, -1, 0);
	int ok = X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL);
	X509_free(cert);
	return ok == 1;
}

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
		{ "*x.a.example", NULL, "mx.a.example", false, false },
		{ "mx.*.example", NULL, "mx.a.example", false, false },
		{ "*.a.example", NULL, "xn--mx-xka.a.example", false, true },
		{ "*.a.example", NULL, "_mx.a.example", false, false },
		{ "_mx.a.example", NULL, "_mx.a.example", false, true },
		{ "xn--*.a.example", NULL, "xn--mx-xka.a.example", false, false },
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
		/* what OpenSSL has no words for: any depth, and no common name; an empty name is any */
		if (rows[i].name[0] != '.' && rows[i].name[0] != '\0' &&
		    (rows[i].cn == NULL || rows[i].use_cn) && strchr(rows[i].name, '.') != NULL &&
		    rows[i].name[strlen(rows[i].name) - 1] != '.')
			CHECK_INT(
			    openssl_says(rows[i].san, rows[i].cn, rows[i].name), rows[i].want);
	}
}

TEST(a_name_is_told_and_what_was_not_kept_is_unknown)
{
	char *names[LIMIT_SANS], *name, other[] = "other.example", mx[] = "mx.example";
	struct cert_facts leaf;

	facts_init_cert_facts(&leaf);
	for (size_t i = 0; i < LIMIT_SANS; i++)
		names[i] = other;
	leaf.names.v = names;
	leaf.names.n = 1;
	CHECK_INT(certname_find(&leaf, "mx.example", true, &name), TRI_NO);
	CHECK(name == NULL);
	leaf.names.n = LIMIT_SANS;
	CHECK_INT(certname_find(&leaf, "mx.example", true, &name), TRI_UNKNOWN);
	CHECK(!certname_matches(&leaf, "mx.example", true));
	names[LIMIT_SANS - 1] = mx;
	CHECK_INT(certname_find(&leaf, "MX.example", true, &name), TRI_YES);
	CHECK(name == mx);
}

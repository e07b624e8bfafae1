#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "policy/rules.h"
#include "test.h"

/* The @files of a test: pairs of path and content, ended by NULL. */
static int
read_pairs(void *ctx, const char *path, struct buf *out, struct fail *why)
{
	for (const char *const *pair = ctx; pair[0] != NULL; pair += 2)
		if (strcmp(pair[0], path) == 0)
			return buf_puts(out, pair[1]);
	return fail_set(why, FAIL_NO_INPUT, "cannot read %s: No such file or directory", path);
}

static const char *const files[] = {
	"partners.list",
	"one.example\n# comment\n\n  .two.example  # tail\r\n*.three.example",
	"/lists/empty",
	"",
	"nested.list",
	"a.example\n@partners.list\n",
	"bad.list",
	"a.example\n\nb_.example c.example\n",
	"typo.list",
	"a.example\nb..example\n",
	"mx.list",
	"mx:*.example\n",
	"dup.list",
	"x.example\none.example\n",
	"crlf.list",
	"crlf.example\r\n.crlf.example\r\n",
	"bom.list",
	"\xef\xbb\xbfone.example\n",
	NULL,
};

static struct rules *
parse(const char *text, struct fail *why)
{
	memset(why, 0, sizeof(*why));
	return rules_parse("policy", slice_str(text), read_pairs, (void *)(uintptr_t)files, why);
}

TEST(rules_errors_name_file_line_and_what_was_expected)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		/* statements */
		{ "polcy a.example may",
		    "policy:1: unknown word \"polcy\": expected group, policy or default: did you "
		    "mean \"policy\"?" },
		{ "# one\n\nbogusword x", "policy:3: unknown word \"bogusword\": expected group, "
					  "policy or default" },
		{ "Default may", "policy:1: unknown word \"Default\": expected group, policy or "
				 "default: did you mean \"default\"?" },
		{ "policy", "policy:1: expected: policy GROUP|PATTERN LEVEL [KEY=VALUE...]" },
		{ "policy a.example",
		    "policy:1: expected a level: "
		    "none, may, auto, encrypt, verify, secure, fingerprint, dane or dane-only" },
		{ "policy a.example # may",
		    "policy:1: expected a level: "
		    "none, may, auto, encrypt, verify, secure, fingerprint, dane or dane-only" },
		{ "default",
		    "policy:1: expected a level: "
		    "none, may, auto, encrypt, verify, secure, fingerprint, dane or dane-only" },
		{ "default may\n\ndefault none",
		    "policy:3: a second default: the first one is at policy:1" },
		/* levels */
		{ "default encrpyt",
		    "policy:1: unknown level \"encrpyt\": did you mean \"encrypt\"?" },
		{ "default Verify",
		    "policy:1: unknown level \"Verify\": did you mean \"verify\"?" },
		{ "default min=TLSv1.2", "policy:1: unknown level \"min=TLSv1.2\"" },
		{ "default fingerprint",
		    "policy:1: level fingerprint needs sha256=, of the certificate or "
		    "of its public key" },
		{ "policy a.example secure match=hostname",
		    "policy:1: match=hostname at level secure: the names of MX hosts come from the "
		    "DNS, "
		    "which secure does not trust; level verify does" },
		/* groups */
		{ "group", "policy:1: expected: group NAME PATTERN..." },
		{ "group banks",
		    "policy:1: group banks has no patterns here: expected group NAME PATTERN..." },
		{ "group bank.example a.example", "policy:1: \"bank.example\" is no name for a "
						  "group: expected letters, digits, - "
						  "and _" },
		{ "group banks a.example\npolicy bnaks may",
		    "policy:2: unknown group \"bnaks\": did you mean \"banks\"? (a domain of one "
		    "label is written \"bnaks.\")" },
		{ "policy nowhere may",
		    "policy:1: unknown group \"nowhere\" (a domain of one label "
		    "is written \"nowhere.\")" },
		{ "policy banks may\npolicy banks none\ngroup banks a.example",
		    "policy:2: group banks has a policy already, at policy:1" },
		/* patterns */
		{ "group g localhost",
		    "policy:1: \"localhost\" is no pattern: expected DOMAIN, .DOMAIN, *.DOMAIN, "
		    "mx:PATTERN, ip:NETWORK or @FILE (a domain of one label is written "
		    "\"localhost.\")" },
		{ "policy * may", "policy:1: \"*\" is no pattern: write \"default LEVEL\"" },
		{ "policy a..example may",
		    "policy:1: pattern \"a..example\": \"a..example\" has an empty label" },
		{ "policy a.*.example may", "policy:1: pattern \"a.*.example\": \"a.*.example\" is "
					    "not a domain name: character '*' in it" },
		{ "policy *a.example may",
		    "policy:1: pattern \"*a.example\": \"*a.example\" is not "
		    "a domain name: character '*' in it" },
		{ "policy **.example may",
		    "policy:1: pattern \"**.example\": \"**.example\" is not "
		    "a domain name: character '*' in it" },
		{ "policy ..example may",
		    "policy:1: pattern \"..example\": \".example\" has an empty label" },
		{ "policy . may", "policy:1: pattern \".\": empty domain name" },
		{ "policy *. may", "policy:1: pattern \"*.\": empty domain name" },
		{ "policy a@b.example may", "policy:1: pattern \"a@b.example\": \"a@b.example\" is "
					    "not a domain name: character '@' in it" },
		{ "policy mx: may",
		    "policy:1: \"mx:\": expected a pattern of host names behind it" },
		{ "policy mx:mail may",
		    "policy:1: \"mail\" is no pattern: expected DOMAIN, .DOMAIN, *.DOMAIN, "
		    "mx:PATTERN, "
		    "ip:NETWORK or @FILE (a domain of one label is written \"mail.\")" },
		{ "policy mx:192.0.2.1 may",
		    "policy:1: \"192.0.2.1\" is an address: expected ip:ADDRESS or ip:NETWORK" },
		{ "group lab ip:10.0.0.0/33\npolicy lab may",
		    "policy:1: pattern \"ip:10.0.0.0/33\": expected ip:ADDRESS or ip:ADDRESS/BITS, "
		    "such as ip:192.0.2.0/24" },
		{ "policy ip:a.example may", "policy:1: pattern \"ip:a.example\": expected "
					     "ip:ADDRESS or ip:ADDRESS/BITS, such "
					     "as ip:192.0.2.0/24" },
		{ "policy [192.0.2.1] may",
		    "policy:1: \"[192.0.2.1]\" is an address: expected ip:ADDRESS or ip:NETWORK" },
		{ "policy 192.0.2.1 may",
		    "policy:1: \"192.0.2.1\" is an address: expected ip:ADDRESS or ip:NETWORK" },
		/* what a policy for hosts cannot have */
		{ "policy mx:a.example none",
		    "policy:1: policy:1: level none has no effect for a host, it can only add to "
		    "the "
		    "domain's policy (lower=yes would take away from levels may, auto and dane)" },
		{ "policy mx:a.example verify ca=x", "policy:1: policy:1: a policy for hosts can "
						     "only add to the domain's, it has no "
						     "max=, ciphers=, ca=, sni= or client-cert=" },
		{ "group g a.example mx:*.a.example\npolicy g may via=[b.example]",
		    "policy:1: policy:2 (group g): a policy for hosts can only add to the "
		    "domain's, it "
		    "has no via=, port= or auth=" },
		{ "policy ip:192.0.2.0/24 encrypt source=192.0.2.1",
		    "policy:1: policy:1: a policy for hosts can only add to the domain's, it has "
		    "no "
		    "source=, ipv6= or private=" },
		{ "policy ip:192.0.2.0/24 encrypt on-fail=bounce",
		    "policy:1: policy:1: a policy for hosts can only add to the domain's, it has "
		    "no "
		    "concurrency=, rate=, on-fail=, log= or sticky=" },
		{ "policy a.example none lower=yes",
		    "policy:1: a.example: lower= is for mx: and ip: patterns" },
		{ "default none lower=yes",
		    "policy:1: default: lower= is for mx: and ip: patterns" },
		{ "policy ip:192.0.2.1/24 encrypt\npolicy ip:192.0.2.0/24 verify",
		    "policy:2: ip:192.0.2.0/24 is in two policies: policy:1 and policy:2" },
		/* duplicates of equal specificity */
		{ "policy a.example may\npolicy A.Example. none",
		    "policy:2: a.example is in two policies: policy:1 and policy:2" },
		{ "policy .a.example may\npolicy .a.example may",
		    "policy:2: .a.example is in two policies: policy:1 and policy:2" },
		{ "group g b.example a.example\npolicy g may\n\ngroup h a.example\npolicy h may",
		    "policy:4: a.example is in two policies: policy:2 (group g) and policy:5 "
		    "(group "
		    "h)" },
		{ "policy one.example may\npolicy @dup.list verify",
		    "dup.list:2: one.example is in two policies: policy:1 and policy:2" },
		{ "policy xn--bcher-kva.example may\npolicy b\xc3\xbc"
		  "cher.example none",
		    "policy:2: xn--bcher-kva.example is in two policies: policy:1 and policy:2" },
		/* @files */
		{ "group g @missing.list",
		    "policy:1: cannot read missing.list: No such file or directory" },
		{ "group g @", "policy:1: \"@\": expected a file name behind it" },
		{ "group g @nested.list",
		    "nested.list:2: \"@partners.list\": an @file cannot name another one" },
		{ "\n\ngroup g @bad.list",
		    "bad.list:3: \"c.example\": expected one pattern a line" },
		{ "group g @typo.list",
		    "typo.list:2: pattern \"b..example\": \"b..example\" has an empty label" },
		{ "group g @bom.list", "bom.list:1: starts with a byte order mark: expected UTF-8 "
				       "without it" },
		/* keys */
		{ "default may min", "policy:1: \"min\": expected key=value" },
		{ "default may =x", "policy:1: unknown key \"\"" },
		{ "default may mni=TLSv1.2",
		    "policy:1: unknown key \"mni\": did you mean \"min\"?" },
		{ "default may fallbak=now",
		    "policy:1: unknown key \"fallbak\": did you mean \"fallback\"?" },
		{ "default may Min=TLSv1.2",
		    "policy:1: unknown key \"Min\": did you mean \"min\"?" },
		{ "default may min=", "policy:1: min= has no value" },
		{ "default may min=TLSv1.2 min=TLSv1.2", "policy:1: min= twice in one line" },
		{ "default may min=1.2",
		    "policy:1: min=1.2: expected TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3" },
		{ "default may min=SSLv3",
		    "policy:1: min=SSLv3: expected TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3" },
		{ "default may min=TLSv1.4",
		    "policy:1: min=TLSv1.4: expected TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3" },
		{ "default none min=TLSv1.2", "policy:1: min= has no effect at level none, it is "
					      "for levels with TLS" },
		{ "default may fallback=always",
		    "policy:1: fallback=always: expected never, delayed or now" },
		{ "default encrypt fallback=now",
		    "policy:1: fallback= has no effect at level encrypt, it is for levels may, "
		    "auto and dane: other levels never change to clear text" },
		{ "default none fallback=never",
		    "policy:1: fallback= has no effect at level none, it is for levels may, auto "
		    "and dane: other levels never change to clear text" },
		{ "default verify fallback=never",
		    "policy:1: fallback= has no effect at level verify, it is for levels may, auto "
		    "and dane: other levels never change to clear text" },
		{ "default may on-fail=after:soon",
		    "policy:1: on-fail=after:soon: expected defer, bounce or after:TIME" },
		{ "default may on-fail=drop",
		    "policy:1: on-fail=drop: expected defer, bounce or after:TIME" },
		{ "default none on-fail=bounce",
		    "policy:1: on-fail= has no effect at level none, it is for levels with TLS" },
		{ "default encrypt match=hostname",
		    "policy:1: match= has no effect at level encrypt, "
		    "it is for levels verify and secure" },
		{ "default verify match=host", "policy:1: match=host: expected hostname, nexthop, "
					       "dot-nexthop, or names of hosts, with commas" },
		{ "default verify match=hostname,",
		    "policy:1: match=hostname,: expected a word on each side of a comma" },
		{ "default verify match=,nexthop",
		    "policy:1: match=,nexthop: expected a word on each side of a comma" },
		{ "default verify match=nexthop,mail..example",
		    "policy:1: match=\"mail..example\" has an empty label" },
		{ "default may ca=/x", "policy:1: ca= has no effect at level may, it is for levels "
				       "verify and secure" },
		{ "default may port=0", "policy:1: port=0: expected a number from 1 to 65535" },
		{ "default may port=65536",
		    "policy:1: port=65536: expected a number from 1 to 65535" },
		{ "default may port=smtp",
		    "policy:1: port=smtp: expected a number from 1 to 65535" },
		{ "default may port=26 via=[a.example]:25",
		    "policy:1: the port is in via= and in port=" },
		{ "default may via=a.example:25 port=25",
		    "policy:1: the port is in via= and in port=" },
		{ "default may via=a.example:x", "policy:1: via=\"a.example:x\": expected HOST, "
						 "HOST:PORT, [HOST] or [HOST]:PORT" },
		{ "default may via=[a.example", "policy:1: via=\"[a.example\": expected HOST, "
						"HOST:PORT, [HOST] or [HOST]:PORT" },
		{ "default may via=[]", "policy:1: via=\"[]\": expected HOST, HOST:PORT, [HOST] or "
					"[HOST]:PORT" },
		{ "default may via=[a.example]25",
		    "policy:1: via=\"[a.example]25\": expected HOST, "
		    "HOST:PORT, [HOST] or [HOST]:PORT" },
		{ "default may via=a..example:25",
		    "policy:1: via=\"a..example\" has an empty label" },
		{ "default may via=192.0.2.1:25",
		    "policy:1: via=\"192.0.2.1:25\": an address stands in brackets: [192.0.2.1]" },
		{ "default may via=[192.0.2.300]:0", "policy:1: via=\"[192.0.2.300]:0\": expected "
						     "HOST, HOST:PORT, [HOST] or [HOST]:PORT" },
		{ "policy a.example encrypt max=TLSv1.5",
		    "policy:1: max=TLSv1.5: expected TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3" },
		{ "policy a.example verify max=TLSv1.1",
		    "policy:1: the oldest TLS version is TLSv1.2, the newest TLSv1.1" },
		{ "policy a.example may ciphers=NOSUCHTHING",
		    "policy:1: ciphers=NOSUCHTHING: expected a cipher list of OpenSSL, such as "
		    "ECDHE+AESGCM:!aNULL" },
		{ "policy a.example fingerprint sha256=AB:CD",
		    "policy:1: sha256=AB:CD: expected the 64 hexadecimal digits of a SHA-256, with "
		    "or "
		    "without colons" },
		{ "policy a.example verify sha256=AB:CD",
		    "policy:1: sha256= has no effect at level verify, it is for level "
		    "fingerprint" },
		{ "policy a.example may sni=a..b", "policy:1: sni=\"a..b\" has an empty label" },
		{ "policy a.example may sts=no",
		    "policy:1: sts= has no effect at level may, it is for "
		    "levels auto, encrypt and verify" },
		{ "policy a.example dane dane=no",
		    "policy:1: dane= has no effect at level dane, it is "
		    "for levels auto, encrypt and verify" },
		{ "policy a.example auto dane=maybe", "policy:1: dane=maybe: expected yes or no" },
		{ "policy a.example may sticky=maybe",
		    "policy:1: sticky=maybe: expected yes or no" },
		{ "policy mx:*.a.example encrypt sticky=yes",
		    "policy:1: policy:1: a policy for hosts can only add to the domain's, it has "
		    "no "
		    "concurrency=, rate=, on-fail=, log= or sticky=" },
		{ "policy a.example may private=no",
		    "policy:1: private=no: expected allow or deny" },
		{ "policy a.example may source=host",
		    "policy:1: source=host: expected an IPv4 address, an IPv6 address, or both" },
		{ "policy a.example may source=192.0.2.1,192.0.2.2",
		    "policy:1: source=192.0.2.1,192.0.2.2: expected one address a family" },
		{ "policy a.example may ipv6=never",
		    "policy:1: ipv6=never: expected prefer, only or no" },
		{ "policy a.example may concurrency=0",
		    "policy:1: concurrency=0: expected a number from 1 to 1000" },
		{ "policy a.example may rate=2",
		    "policy:1: rate=2: expected NUMBER/TIME, such as 30/1m" },
		{ "policy a.example may log=debug", "policy:1: log=debug: expected trace" },
		/* bytes */
		{ "default may\n\xef\xbb\xbfgroup x a.example",
		    "policy:2: unknown word \"\xef\xbb\xbfgroup\": expected group, policy or "
		    "default: did you mean \"group\"?" },
		{ "\xef\xbb\xbf"
		  "default may",
		    "policy:1: starts with a byte order mark: expected UTF-8 without it" },
		{ "\xff\xfe"
		  "d",
		    "policy:1: starts with a byte order mark: expected UTF-8 without it" },
		{ "default may\ndefault\rmay", "policy:2: carriage return in the line: expected "
					       "text" },
		{ "# bell \a\ndefault may", "policy:1: control character in the line: expected "
					    "text" },
		{ "policy b\xfc"
		  "cher.example may",
		    "policy:1: not UTF-8" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fail why;
		struct rules *rules = parse(rows[i].text, &why);
		TEST_ROW("%s", rows[i].text);
		CHECK(rules == NULL);
		CHECK_INT(why.code, FAIL_POLICY_FILE);
		CHECK_INT(fail_info(why.code)->exit_status, 78);
		CHECK_STR(why.text, rows[i].why);
		rules_free(rules);
		/* nobody is made to care for the reason */
		CHECK(rules_parse("policy", slice_str(rows[i].text), read_pairs,
			  (void *)(uintptr_t)files, NULL) == NULL);
	}
}

TEST(rules_errors_about_bytes_that_no_c_string_holds)
{
	struct fail why;
	static const char nul[] = "default may\ndefault\0 may\n";
	char *line = mem_alloc(LIMIT_CONFIG_LINE_BYTES + 100);

	CHECK(rules_parse("policy", slice_make(nul, sizeof(nul) - 1), NULL, NULL, &why) == NULL);
	CHECK_STR(why.text, "policy:2: NUL byte in the line: expected text");

	memset(line, '#', LIMIT_CONFIG_LINE_BYTES + 99);
	CHECK(rules_parse("policy", slice_str(line), NULL, NULL, &why) == NULL);
	CHECK_STR(why.text, "policy:1: line longer than 8192 bytes: put long lists into an @file, "
			    "or give the group on several lines");
	line[LIMIT_CONFIG_LINE_BYTES] = '\r';
	line[LIMIT_CONFIG_LINE_BYTES + 1] = '\n';
	line[LIMIT_CONFIG_LINE_BYTES + 2] = '\0';
	struct rules *rules = rules_parse("policy", slice_str(line), NULL, NULL, &why);
	CHECK(rules != NULL);
	rules_free(rules);
	free(line);

	CHECK(rules_parse("policy", slice_str("group g @partners.list"), NULL, NULL, &why) == NULL);
	CHECK_STR(why.text, "policy:1: \"@partners.list\": no files can be read here");

	char *huge = mem_alloc(LIMIT_CONFIG_BYTES + 2);
	memset(huge, '\n', LIMIT_CONFIG_BYTES + 1);
	CHECK(rules_parse("policy", slice_make(huge, LIMIT_CONFIG_BYTES + 1), NULL, NULL, &why) ==
	      NULL);
	CHECK_STR(why.text, "policy: longer than 8388608 bytes");
	/* the bound is for the policy and all its @files together: one list of 62 bytes fits */
	static const char include[] = "\ngroup g @partners.list @partners.list\n";
	size_t n = LIMIT_CONFIG_BYTES - 100;
	CHECK_INT(strlen(files[1]), 62);
	memcpy(huge + n - sizeof(include) - 1, include, sizeof(include) - 1);
	CHECK(rules_parse("policy", slice_make(huge, n), read_pairs, (void *)(uintptr_t)files,
		  &why) == NULL);
	CHECK(strstr(why.text, "partners.list: the policy and its @files are longer than 8388608 "
			       "bytes") != NULL);
	memset(huge, '\n', LIMIT_CONFIG_BYTES);
	memcpy(huge, include, sizeof(include) - 1);
	rules = rules_parse(
	    "policy", slice_make(huge, n - 100), read_pairs, (void *)(uintptr_t)files, &why);
	CHECK(rules != NULL);
	rules_free(rules);
	free(huge);
}

static const char sample[] =
    "# groups may stand behind their policies\r\n"
    "policy banks       verify  min=TLSv1.3 match=hostname,nexthop ca=roots.pem\r\n"
    "policy carriers    may     fallback=now min=TLSv1.0\r\n"
    "policy @partners.list encrypt on-fail=defer   # from a file\r\n"
    "policy old.example none\r\n"
    "policy relay.example encrypt via=[Smtp.Relay.Example]:587\r\n"
    "policy localhost.  none port=2525\r\n"
    "group banks   bank.example .bank.example *.trust.example\r\n"
    "group carriers docomo.ne.jp au.com\r\n"
    "group carriers softbank.ne.jp\tau.com\r\n"
    "group unused  .unused.example @/lists/empty\r\n"
    "policy b\xc3\xbc"
    "cher.example encrypt\r\n"
    "policy .a.example   encrypt\r\n"
    "policy *.a.example  verify\r\n"
    "policy .b.a.example none\r\n"
    "policy .example     encrypt min=TLSv1.2\r\n"
    "default may fallback=delayed\r\n";

TEST(rules_match_takes_the_most_specific_pattern_label_by_label)
{
	static const struct {
		const char *domain, *rule;
	} rows[] = {
		/* exact */
		{ "bank.example", "policy:2 (group banks)" },
		{ "BANK.Example", "policy:2 (group banks)" },
		{ "bank.example.", "policy:2 (group banks)" },
		{ "docomo.ne.jp", "policy:3 (group carriers)" },
		{ "softbank.ne.jp", "policy:3 (group carriers)" },
		{ "au.com", "policy:3 (group carriers)" },
		/* labels, not characters: a match of bytes would take the bank's */
		{ "notbank.example", "policy:16" },
		{ "xbank.example", "policy:16" },
		{ "bank.example.net", "policy:17 (default)" },
		{ "xau.com", "policy:17 (default)" },
		{ "com", "policy:17 (default)" },
		{ "example", "policy:17 (default)" },
		/* subdomains */
		{ "www.bank.example", "policy:2 (group banks)" },
		{ "a.b.c.bank.example", "policy:2 (group banks)" },
		{ "x.docomo.ne.jp", "policy:17 (default)" },
		/* one label more, not none, not two */
		{ "trust.example", "policy:16" },
		{ "x.trust.example", "policy:2 (group banks)" },
		{ "x.y.trust.example", "policy:16" },
		/* *.a beats .a; the longest suffix beats both; exact beats all */
		{ "x.a.example", "policy:14" },
		{ "x.y.a.example", "policy:13" },
		{ "b.a.example", "policy:14" },
		{ "x.b.a.example", "policy:15" },
		{ "x.y.b.a.example", "policy:15" },
		{ "a.example", "policy:16" },
		{ "old.example", "policy:5" },
		{ "x.old.example", "policy:16" },
		/* from a file */
		{ "one.example", "policy:4" },
		{ "x.two.example", "policy:4" },
		{ "two.example", "policy:16" },
		{ "x.three.example", "policy:4" },
		/* one label, and IDN */
		{ "localhost", "policy:7" },
		{ "localhost.", "policy:7" },
		{ "xn--bcher-kva.example", "policy:12" },
		{ "XN--BCHER-KVA.example", "policy:12" },
		{ "x.xn--bcher-kva.example", "policy:16" },
		/* a group that no policy names says nothing */
		{ "x.unused.example", "policy:16" },
		/* what is no domain name */
		{ "[192.0.2.1]", "policy:17 (default)" },
		{ "[IPv6:2001:db8::1]", "policy:17 (default)" },
		{ "", "policy:17 (default)" },
		{ ".", "policy:17 (default)" },
		{ ".bank.example", "policy:17 (default)" },
		{ "*.trust.example", "policy:17 (default)" },
	};
	struct fail why;
	struct rules *rules = parse(sample, &why);
	char domain[600];

	CHECK_STR(why.text, "");
	for (size_t i = 0; rules != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].domain);
		CHECK_STR(rule_str(rules_match(rules, rows[i].domain)), rows[i].rule);
	}
	/* too long for a domain, though it ends like one */
	memset(domain, 'a', sizeof(domain));
	memcpy(domain + sizeof(domain) - sizeof(".bank.example"), ".bank.example",
	    sizeof(".bank.example"));
	CHECK_STR(rule_str(rules_match(rules, domain)), "policy:17 (default)");
	CHECK_STR(
	    rule_str(rules_match(rules, domain + sizeof(domain) - 256)), "policy:2 (group banks)");
	rules_free(rules);
}

TEST(rules_carry_the_keys_and_their_defaults)
{
	struct fail why;
	struct rules *rules = parse(sample, &why);
	const struct rule *rule;

	rule = rules_match(rules, "bank.example");
	CHECK_INT(rule->level, LEVEL_VERIFY);
	CHECK_INT(rule->tls_min, TLS_VERSION_1_3);
	CHECK_INT(rule->match, RULE_MATCH_HOSTNAME | RULE_MATCH_NEXTHOP);
	CHECK_STR(rule->ca_file, "roots.pem");
	CHECK_STR(rule->group, "banks");
	CHECK_STR(rule->file, "policy");
	CHECK_INT(rule->line, 2);
	CHECK_STR(rule_nexthop(rule, "bank.example"), "bank.example");

	rule = rules_match(rules, "au.com");
	CHECK_INT(rule->level, LEVEL_MAY);
	CHECK_INT(rule->fallback, FALLBACK_NOW);
	CHECK_INT(rule->tls_min, TLS_VERSION_1_0);
	CHECK(rule->via_host == NULL && rule->port == 0 && rule->ca_file == NULL);

	rule = rules_match(rules, "one.example");
	CHECK_INT(rule->level, LEVEL_ENCRYPT);
	CHECK_INT(rule->tls_min, TLS_VERSION_1_0);
	CHECK_INT(rule->on_fail, ON_FAIL_DEFER);
	CHECK(rule->group == NULL);

	rule = rules_match(rules, "relay.example");
	CHECK_STR(rule->via_host, "smtp.relay.example");
	CHECK(rule->via_brackets);
	CHECK_INT(rule->port, 587);
	CHECK_INT(rule->match, RULE_MATCH_HOSTNAME | RULE_MATCH_NEXTHOP);
	CHECK_STR(rule_nexthop(rule, "relay.example"), "smtp.relay.example");

	rule = rules_match(rules, "localhost");
	CHECK_INT(rule->level, LEVEL_NONE);
	CHECK_INT(rule->port, 2525);

	rule = rules_match(rules, "x.a.example");
	CHECK_INT(rule->level, LEVEL_VERIFY);
	CHECK_INT(rule->tls_min, TLS_VERSION_1_2);
	CHECK_INT(rule->match, RULE_MATCH_HOSTNAME);

	rule = rules_match(rules, "elsewhere.test");
	CHECK_INT(rule->level, LEVEL_MAY);
	CHECK_INT(rule->fallback, FALLBACK_DELAYED);
	rules_free(rules);
}

TEST(rules_without_a_file_or_a_default_line_are_auto_with_delayed_fallback)
{
	struct fail why;
	struct rules *sets[] = { rules_default(), parse("", &why),
		parse("policy a.example verify", &why), parse("# nothing\n\n", &why) };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		const struct rule *rule = rules_match(sets[i], "other.example");
		TEST_ROW("%zu", i);
		CHECK_INT(rule->level, LEVEL_AUTO);
		CHECK_INT(rule->fallback, FALLBACK_DELAYED);
		CHECK_INT(rule->tls_min, TLS_VERSION_1_0);
		CHECK_STR(rule_str(rule), "built-in default");
		rules_free(sets[i]);
	}
	rules_free(NULL);
}

TEST(rules_find_files_relative_to_the_policy)
{
	static const char *const pairs[] = { "/etc/mxtls/partners.list", "p.example\n", "/abs/list",
		"q.example", NULL };
	static const char text[] = "policy @partners.list verify ca=roots/ca.pem\n"
				   "policy @/abs/list verify ca=/abs/ca.pem";
	struct fail why;
	struct rules *rules = rules_parse(
	    "/etc/mxtls/policy", slice_str(text), read_pairs, (void *)(uintptr_t)pairs, &why);

	CHECK_STR(rules_match(rules, "p.example")->ca_file, "/etc/mxtls/roots/ca.pem");
	CHECK_STR(rules_match(rules, "q.example")->ca_file, "/abs/ca.pem");
	CHECK_STR(rule_str(rules_match(rules, "q.example")), "/etc/mxtls/policy:2");
	rules_free(rules);
}

TEST(rules_via_forms)
{
	static const struct {
		const char *text, *host;
		bool brackets;
		int port;
		unsigned match;
	} rows[] = {
		{ "relay.example", "relay.example", false, 0, RULE_MATCH_NEXTHOP },
		{ "Relay.Example.:587", "relay.example", false, 587, RULE_MATCH_NEXTHOP },
		{ "[relay.example]", "relay.example", true, 0, 3 },
		{ "[relay.example]:25", "relay.example", true, 25, 3 },
		{ "[192.0.2.1]:65535", "192.0.2.1", true, 65535, 3 },
		{ "[2001:DB8::1]", "2001:db8::1", true, 0, 3 },
		{ "[IPv6:2001:db8:0::1]:587", "2001:db8::1", true, 587, 3 },
		{ "localhost:2525", "localhost", false, 2525, RULE_MATCH_NEXTHOP },
		{ "b\xc3\xbc"
		  "cher.example:25",
		    "xn--bcher-kva.example", false, 25, RULE_MATCH_NEXTHOP },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rule rule = { .level = LEVEL_MAY };
		struct arena arena;
		struct fail why;
		arena_init(&arena);
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(rule_via_parse(slice_str(rows[i].text), &arena, &rule, &why), 0);
		CHECK_STR(rule.via_host, rows[i].host);
		CHECK_INT(rule.via_brackets, rows[i].brackets);
		CHECK_INT(rule.port, rows[i].port);
		CHECK_INT(rule.match, rows[i].match);
		arena_free(&arena);
	}
}

TEST(rules_via_errors_leave_the_rule_alone)
{
	static const char *const rows[] = { "", ":25", "a.example:", "a.example:0", "[", "[]:25",
		"[a.example]:", "2001:db8::1", "192.0.2.1", "a b", "[a.example]:99999", "-:x" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rule rule = { .level = LEVEL_MAY, .port = 7 };
		struct arena arena;
		struct fail why;
		arena_init(&arena);
		TEST_ROW("%s", rows[i]);
		CHECK_INT(rule_via_parse(slice_str(rows[i]), &arena, &rule, &why), -1);
		CHECK_INT(why.code, FAIL_USAGE);
		CHECK(rule.via_host == NULL && rule.port == 7 && rule.match == 0);
		arena_free(&arena);
	}
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

TEST(rules_load_reads_files_and_says_which_it_cannot_read)
{
	char folder[] = "/tmp/mxtls-rules-XXXXXX", want[200], *home = getcwd(NULL, 0);
	struct fail why;
	struct rules *rules;

	if (home == NULL || mkdtemp(folder) == NULL || chdir(folder) != 0)
		abort();
	CHECK(rules_load("policy", &why) == NULL);
	CHECK_STR(why.text, "cannot read policy: No such file or directory");
	CHECK_INT(why.code, FAIL_POLICY_FILE);
	CHECK(rules_load(".", &why) == NULL);
	CHECK_STR(why.text, "cannot read .: Is a directory");

	write_file("policy", "group g @list\npolicy g verify ca=ca.pem\n");
	CHECK(rules_load("policy", &why) == NULL);
	CHECK_STR(why.text, "policy:1: cannot read list: No such file or directory");
	write_file("list", "a.example\n.b.example\n");
	CHECK(rules_load("policy", &why) == NULL);
	CHECK_STR(why.text, "policy:2: cannot read ca.pem: No such file or directory");
	write_file("ca.pem", "");
	rules = rules_load("policy", &why);
	CHECK(rules != NULL);
	if (rules != NULL)
		CHECK_STR(rule_str(rules_match(rules, "x.b.example")), "policy:2 (group g)");
	rules_free(rules);

	snprintf(want, sizeof(want), "%s/policy", folder);
	rules = rules_load(want, &why);
	CHECK(rules != NULL);
	rules_free(rules);

	/* a list that grows to the whole limit while the policy takes some of it */
	FILE *f = fopen("list", "w");
	for (int i = 0; f != NULL && i < LIMIT_CONFIG_BYTES / 16; i++)
		fprintf(f, "p%07d.test\r\n\n", i);
	if (f == NULL || fclose(f) != 0)
		abort();
	CHECK(rules_load("policy", &why) == NULL);
	CHECK_STR(
	    why.text, "policy:1: list: the policy and its @files are longer than 8388608 bytes");

	unlink("policy");
	unlink("list");
	unlink("ca.pem");
	if (chdir(home) != 0)
		abort();
	free(home);
	rmdir(folder);
}

/* Literal displays of the manual, which are whole policies. Run from the root of the sources. */
TEST(rules_accept_the_examples_of_the_manual)
{
	static const char *const lists[] = { "lab.domains", "x.lab.test\n", NULL };
	FILE *f = fopen("man/mxtls-policy.5", "r");
	char line[500];
	struct buf example;
	bool inside = false;
	int examples = 0;

	CHECK(f != NULL);
	buf_init(&example, 10000);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, ".Bd -literal", 12) == 0) {
			inside = true;
			buf_reset(&example);
		} else if (strncmp(line, ".Ed", 3) == 0) {
			struct fail why = { .text = "" };
			struct rules *rules =
			    rules_parse("policy", slice_make(example.data, example.len), read_pairs,
				(void *)(uintptr_t)lists, &why);
			CHECK_STR(why.text, "");
			CHECK(rules != NULL);
			rules_free(rules);
			inside = false;
			examples++;
		} else if (inside) {
			buf_puts(&example, line);
		}
	}
	CHECK_INT(examples, 5);
	buf_free(&example);
	if (f != NULL)
		fclose(f);
}

TEST(rules_take_a_hundred_thousand_domains)
{
	struct buf text;
	struct fail why;

	buf_init(&text, LIMIT_CONFIG_BYTES);
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "group big d%d.example .s%d.example\n", i, i);
	buf_puts(&text, "policy big encrypt\n");
	struct rules *rules =
	    rules_parse("policy", slice_make(text.data, text.len), NULL, NULL, &why);
	CHECK(rules != NULL);
	if (rules != NULL) {
		CHECK_INT(rules_match(rules, "d99999.example")->level, LEVEL_ENCRYPT);
		CHECK_INT(rules_match(rules, "x.y.s77777.example")->level, LEVEL_ENCRYPT);
		CHECK_INT(rules_match(rules, "d100000.example")->level, LEVEL_AUTO);
	}
	rules_free(rules);
	buf_free(&text);
}

TEST(rules_take_every_key)
{
	struct fail why;
	struct rules *rules = parse(
	    "policy a.example fingerprint "
	    "sha256=AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:"
	    "EF:"
	    "01:23:45:67:89 "
	    "sha256=0000000000000000000000000000000000000000000000000000000000000000,"
	    "1111111111111111111111111111111111111111111111111111111111111111\n"
	    "policy b.example secure match=nexthop,Mail.Other.Example max=TLSv1.2 "
	    "ciphers=ECDHE+AESGCM:!aNULL sni=Front.Example client-cert=me.pem on-fail=after:4h "
	    "source=192.0.2.7,2001:db8::7 ipv6=prefer private=deny log=trace pipelining=no\n"
	    "policy c.example auto dane=no sts=no fallback=never on-fail=bounce ipv6=no\n"
	    "policy d.example secure\n"
	    "policy e.example verify via=[smtp.example]:465\n",
	    &why);

	CHECK(rules != NULL);
	if (rules == NULL)
		return;
	const struct rule *r = rules_match(rules, "a.example");
	CHECK_INT(r->level, LEVEL_FINGERPRINT);
	CHECK_INT(r->pins.n, 3);
	CHECK_STR(r->pins.v[0], "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789");
	r = rules_match(rules, "b.example");
	CHECK_INT(r->match, RULE_MATCH_NEXTHOP);
	CHECK_INT(r->match_names.n, 1);
	CHECK_STR(r->match_names.v[0], "mail.other.example");
	CHECK_INT(r->tls_max, TLS_VERSION_1_2);
	CHECK_STR(r->ciphers, "ECDHE+AESGCM:!aNULL");
	CHECK_STR(r->sni, "front.example");
	CHECK_STR(r->client_cert, "me.pem");
	CHECK_INT(r->on_fail, ON_FAIL_AFTER);
	CHECK_INT(r->on_fail_after_s, 4 * 3600);
	CHECK(r->source[0].len != 0 && r->source[1].len != 0);
	CHECK_INT(r->family, FAMILY_IPV6_FIRST);
	CHECK(r->private_deny && r->trace && r->no_pipelining);
	r = rules_match(rules, "c.example");
	CHECK(r->no_dane && r->no_sts && !r->no_pipelining);
	CHECK_INT(r->fallback, FALLBACK_NEVER);
	CHECK_INT(r->on_fail, ON_FAIL_BOUNCE);
	CHECK_INT(r->family, FAMILY_IPV4_ONLY);
	CHECK_INT(
	    rules_match(rules, "d.example")->match, RULE_MATCH_NEXTHOP | RULE_MATCH_DOT_NEXTHOP);
	CHECK(rules_match(rules, "e.example")->implicit_tls);
	rules_free(rules);
}

static const char host_policies[] = "group google mx:*.google.example mx:.mail.google.example\n"
				    "policy google           encrypt\n"
				    "policy mx:mx.a.example  verify\n"
				    "policy mx:.example      may fallback=never\n"
				    "policy ip:192.0.2.0/24  encrypt\n"
				    "policy ip:192.0.2.128/25 verify\n"
				    "policy ip:0.0.0.0/0     may fallback=never\n"
				    "policy ip:2001:db8::/32 encrypt\n"
				    "policy a.example        none\n";

TEST(rules_constraints_are_all_that_match_a_host_by_name_or_address)
{
	static const struct {
		const char *host, *ip, *lines;
	} rows[] = {
		{ "mx.a.example", NULL, "3 4" },
		{ "MX.A.Example.", NULL, "3 4" },
		{ "x.mx.a.example", NULL, "4" },
		{ "mx.a.test", NULL, "" },
		{ "a.google.example", NULL, "2 4" },
		{ "a.b.google.example", NULL, "4" },
		{ "a.mail.google.example", NULL, "2 4" },
		{ "google.example", NULL, "4" },
		{ "notgoogle.example", NULL, "4" },
		{ "example", NULL, "" },
		/* what is no host name matches no pattern of names */
		{ "[192.0.2.1]", NULL, "" },
		{ "", NULL, "" },
		{ NULL, "192.0.2.1", "5 7" },
		{ NULL, "192.0.2.129", "6 5 7" },
		{ NULL, "192.0.3.1", "7" },
		{ NULL, "2001:db8::1", "8" },
		{ NULL, "2001:db9::1", "" },
		/* IPv4 in the clothes of IPv6 is the same host */
		{ NULL, "::ffff:192.0.2.129", "6 5 7" },
		{ "mx.a.example", "192.0.2.129", "3 4 6 5 7" },
	};
	struct fail why;
	struct rules *rules = parse(host_policies, &why);

	CHECK(rules != NULL);
	for (size_t i = 0; rules != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct rule *out[8];
		struct addr addr;
		char got[64] = "";
		if (rows[i].ip != NULL)
			CHECK(addr_parse_ip(slice_str(rows[i].ip), 0, &addr));
		size_t n = rules_constraints(
		    rules, rows[i].host, rows[i].ip == NULL ? NULL : &addr, out, 8);
		for (size_t k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u",
			    k > 0 ? " " : "", out[k]->line);
		TEST_ROW("%s %s", rows[i].host, rows[i].ip);
		CHECK_STR(got, rows[i].lines);
	}
	/* a recipient that is an address has the longest network as its own rule */
	CHECK_INT(rules_match(rules, "[192.0.2.200]")->line, 6);
	CHECK_INT(rules_match(rules, "[192.0.2.1]")->line, 5);
	CHECK_INT(rules_match(rules, "[IPv6:2001:db8::1]")->line, 8);
	CHECK_INT(rules_match(rules, "[IPv6:2001:db9::1]")->line, 0);
	/* and names of hosts are no domains */
	CHECK_INT(rules_match(rules, "mx.a.example")->line, 0);
	rules_free(rules);
}

TEST(rules_tell_of_groups_that_have_no_policy)
{
	struct fail why;
	struct rules *rules = parse("group a a.example\n\ngroup b b.example\npolicy a may\n", &why);

	CHECK(rules != NULL);
	if (rules != NULL) {
		CHECK_INT(rules_warnings(rules)->n, 1);
		CHECK_STR(rules_warnings(rules)->v[0], "policy:3: group b has no policy");
	}
	rules_free(rules);
}

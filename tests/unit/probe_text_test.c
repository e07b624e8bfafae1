#include <stdio.h>

#include "app/probe_text.h"
#include "policy/verdict.h"
#include "test.h"

#define NOW 1767225600 /* 2026-01-01 */

/* Records are read from JSON, as "report" will. */
static void
write_record(const char *json, bool colour, struct buf *out)
{
	struct arena arena;
	struct target_facts facts;
	struct fail why;

	arena_init(&arena);
	buf_init(out, 1 << 20);
	fail_clear(&why);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, json, strlen(json), &arena, &facts, &why), 0);
	CHECK_STR(why.text, "");
	verdict_summarize(&facts, &arena, NOW);
	probe_text_write(&facts, NOW, colour, out);
	arena_free(&arena);
}

static void
check(const char *json, const char *want)
{
	struct buf out;

	write_record(json, false, &out);
	CHECK_STR(buf_str(&out), want);
	buf_free(&out);
}

static const char good[] =
    "{\"domain\":\"example.test\",\"mx_status\":\"has_mx\",\"exchanges\":[{\"name\":\"mx.example."
    "test\","
    "\"preference\":10,\"primary\":true,\"status\":\"NOERROR\",\"hosts\":[{\"ip\":\"192.0.2.1\","
    "\"port\":25,"
    "\"attempts\":1,\"status\":\"success\",\"banner\":\"mx ESMTP\\nhello\",\"banner_code\":220,"
    "\"ehlo\":[\"SIZE 1000\",\"STARTTLS\"],\"ehlo_tls\":[\"SIZE 1000\",\"AUTH PLAIN\"],"
    "\"ext_added\":[\"AUTH PLAIN\"],\"ext_removed\":[\"STARTTLS\"],\"starttls_state\":\"done\","
    "\"timing\":{\"connect\":0.1},\"tls\":[{\"complete\":true,\"version\":{\"name\":\"TLSv1.3\"},"
    "\"cipher_suite\":{\"name\":\"TLS_AES_256_GCM_SHA384\",\"bits\":256},\"group\":\"x25519\","
    "\"chain\":[\"aa\",\"bb\"],\"chain_sent_order_ok\":true,\"validation\":{\"browser_trusted\":"
    "true,"
    "\"matches_mx\":true,\"matched_name\":\"*.example.test\",\"expired\":false}}]}]}],"
    "\"certificates\":{\"aa\":{\"fingerprint_sha256\":\"aa\",\"subject_dn\":\"CN=mx\","
    "\"issuer_dn\":\"CN=CA\",\"names\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"],"
    "\"validity\":{\"start\":\"2025-12-01T00:00:00Z\",\"end\":\"2026-01-02T12:00:00Z\"},"
    "\"signature_algorithm\":{\"name\":\"RSA-SHA256\"},\"subject_key_info\":{\"key_algorithm\":"
    "{\"name\":\"rsa\",\"bits\":2048}}}}}";

TEST(a_good_server_as_text)
{
	check(good,
	    "example.test: pkix (every address offers STARTTLS with a trusted certificate for its "
	    "name)\n"
	    "\n"
	    "MX 10 mx.example.test\n"
	    "  192.0.2.1 port 25: success\n"
	    "    greeting      220 mx ESMTP\n"
	    "                  hello\n"
	    "    EHLO          SIZE 1000, STARTTLS\n"
	    "    STARTTLS      done (220 and a complete handshake)\n"
	    "    TLS           TLSv1.3, TLS_AES_256_GCM_SHA384 (256 bits), x25519\n"
	    "    certificate   CN=mx\n"
	    "    names         a, b, c, d, e, f and 2 more\n"
	    "    issuer        CN=CA\n"
	    "    valid         2025-12-01 to 2026-01-02, 1 day left\n"
	    "    key           rsa 2048 bits, signed with RSA-SHA256\n"
	    "    SHA-256       aa\n"
	    "    chain         2 certificates\n"
	    "    trust         yes, to a trusted root\n"
	    "    name          mx.example.test matches *.example.test\n"
	    "    EHLO in TLS   SIZE 1000, AUTH PLAIN\n"
	    "    only in TLS   AUTH PLAIN\n");
}

TEST(only_the_verdict_has_colour)
{
	struct buf out;

	write_record(good, true, &out);
	CHECK(strncmp(buf_str(&out), "example.test: \033[1;32mpkix\033[0m (", 31) == 0);
	CHECK(strchr(buf_str(&out) + 31, '\033') == NULL);
	buf_free(&out);
}

TEST(a_domain_without_mail_or_without_being_as_text)
{
	check("{\"domain\":\"null.test\",\"mx_status\":\"null_mx\"}",
	    "null.test: no-mail (null MX: accepts no mail)\n"
	    "  - null MX: the domain accepts no mail (RFC 7505)\n");
	check("{\"domain\":\"absent.test\",\"mx_status\":\"nxdomain\"}",
	    "absent.test: undeliverable (no such domain, or no usable MX)\n"
	    "  - the domain does not exist\n"
	    "  > check the spelling; if it is right, the domain is not registered or not "
	    "delegated\n");
}

TEST(one_advice_for_two_addresses_and_escaped_remote_text)
{
	check(
	    "{\"domain\":\"[mx]\",\"mx_status\":\"literal\",\"exchanges\":[{\"name\":\"mx\","
	    "\"primary\":"
	    "true,\"hosts\":[{\"ip\":\"192.0.2.1\",\"port\":25,\"attempts\":1,\"status\":"
	    "\"success\","
	    "\"banner\":\"\\u001b[2J\",\"banner_code\":220,\"starttls_state\":\"not-offered\","
	    "\"timing\":"
	    "{\"connect\":0}},{\"ip\":\"2001:db8::1\",\"port\":25,\"attempts\":1,\"status\":"
	    "\"success\","
	    "\"starttls_state\":\"not-offered\",\"banner\":\"\\\\\",\"banner_code\":220,\"timing\":"
	    "{\"connect\":0}}]}]}",
	    "[mx]: plaintext (a primary MX does not offer STARTTLS)\n"
	    "  - mx [192.0.2.1]: no STARTTLS in a complete EHLO reply\n"
	    "  - mx [2001:db8::1]: no STARTTLS in a complete EHLO reply\n"
	    "  > give the server a certificate and switch STARTTLS on\n"
	    "\n"
	    "Host mx\n"
	    "  192.0.2.1 port 25: success\n"
	    "    greeting      220 \\x1b[2J\n"
	    "    STARTTLS      not-offered (a complete 250 reply to EHLO without the keyword, or "
	    "EHLO is not "
	    "known to the server)\n"
	    "  2001:db8::1 port 25: success\n"
	    "    greeting      220 \\\\\n"
	    "    STARTTLS      not-offered (a complete 250 reply to EHLO without the keyword, or "
	    "EHLO is not "
	    "known to the server)\n");
}

/* What to do about a host with these members. */
static const struct {
	const char *host, *advice;
} advices[] = {
	{ "\"starttls_state\":\"done\",\"status\":\"success\"", NULL },
	{ "\"status\":\"connection-refused\"", "nothing listens" },
	{ "\"status\":\"connection-timeout\"", "port 25" },
	{ "\"status\":\"blocklisted-target\"", "--allow-private" },
	{ "\"status\":\"temporary-rejection\"", "try again later" },
	{ "\"status\":\"policy-rejection\"", "--helo" },
	{ "\"starttls_state\":\"not-offered\",\"keyword_masked\":true", "inspection" },
	{ "\"starttls_state\":\"not-offered\",\"ehlo_unsupported\":true", "HELO" },
	{ "\"starttls_state\":\"refused\"", "log" },
	{ "\"starttls_state\":\"failed\",\"status\":\"handshake-error\"", "log" },
	{ "\"starttls_state\":\"failed\",\"post_220_bytes\":5", "attacker" },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"expired\":true}}]", "renew" },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"browser_trusted\":false,\"self_signed\":"
	  "true}}]",
	    "self-signed" },
	{ "\"tls\":[{\"complete\":true,\"chain\":[\"a\"],\"validation\":{\"browser_trusted\":false,"
	  "\"verify_code\":20}}]",
	    "intermediate" },
	{ "\"tls\":[{\"complete\":true,\"chain\":[\"a\",\"b\"],\"validation\":{\"browser_trusted\":"
	  "false,"
	  "\"verify_code\":20}}]",
	    "CA that senders trust" },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"browser_trusted\":true,\"matches_mx\":"
	  "false}}]",
	    "names the MX host" },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"browser_trusted\":true,\"matches_mx\":"
	  "true}}]",
	    NULL },
};

TEST(advice_for_each_finding)
{
	struct arena arena;
	struct host_facts host;
	char json[400];

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		TEST_ROW("%s", advices[i].host);
		snprintf(json, sizeof(json), "{%s}", advices[i].host);
		CHECK_INT(facts_read_json(
			      &fact_table_host_facts, json, strlen(json), &arena, &host, NULL),
		    0);
		const char *advice = probe_advice(&host);
		CHECK((advice == NULL) == (advices[i].advice == NULL));
		if (advice != NULL && advices[i].advice != NULL)
			CHECK(strstr(advice, advices[i].advice) != NULL);
	}
	arena_free(&arena);
}

TEST(a_deep_look_stands_below_its_address)
{
	struct arena arena;
	struct host_facts host;
	struct buf out;
	static const char json[] =
	    "{\"enum\":{\"complete\":false,\"reason\":\"at connection 9: \\u001b[31m421\","
	    "\"connections\":9,\"versions\":[\"TLSv1.2\",\"TLSv1.3\"],\"groups\":["
	    "{\"version\":\"TLSv1.3\",\"name\":\"X25519MLKEM768\"},{\"version\":\"TLSv1.3\","
	    "\"name\":\"x25519\"},{\"version\":\"TLSv1.2\",\"name\":\"x25519\"}],\"ciphers\":["
	    "{\"version\":\"TLSv1.3\",\"name\":\"TLS_AES_128_GCM_SHA256\",\"group\":\"x25519\"},"
	    "{\"version\":\"TLSv1.2\",\"name\":\"TLS_DHE_RSA_WITH_AES_128_CBC_SHA\",\"dh_bits\":"
	    "1024}]},"
	    "\"injection\":\"safe\",\"injection_reason\":\"dropped\"}";

	arena_init(&arena);
	buf_init(&out, 10000);
	CHECK_INT(
	    facts_read_json(&fact_table_host_facts, json, sizeof(json) - 1, &arena, &host, NULL),
	    0);
	probe_text_deep(&host, &out);
	CHECK_STR(buf_str(&out), "    versions      TLSv1.2, TLSv1.3\n"
				 "    groups        TLSv1.3: X25519MLKEM768, x25519\n"
				 "                  TLSv1.2: x25519\n"
				 "    ciphers       TLSv1.3 TLS_AES_128_GCM_SHA256, x25519\n"
				 "                  TLSv1.2 TLS_DHE_RSA_WITH_AES_128_CBC_SHA, DH "
				 "1024 bits\n"
				 "    deep look     9 connections, incomplete: at connection 9: "
				 "\\x1b[31m421\n"
				 "    injection     safe: dropped\n");
	buf_reset(&out);
	facts_init_host_facts(&host);
	probe_text_deep(&host, &out);
	CHECK_STR(buf_str(&out), "");
	/* nothing found is not "none" when it is incomplete */
	host.deep.complete = TRI_NO;
	probe_text_deep(&host, &out);
	CHECK_STR(buf_str(&out), "    deep look     0 connections, incomplete: ?\n");
	buf_free(&out);
	arena_free(&arena);
}

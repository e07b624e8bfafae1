#include <stdio.h>

#include "app/probe/text.h"
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

/* Certificates come in the order of the chains, whatever their order in the record. */
static const char good[] =
    "{\"domain\":\"example.test\",\"alabel\":\"example.test\",\"mx_status\":\"has_mx\",\"dns\":{"
    "\"resolver\":\"127.0.0.1:53\",\"status\":\"NOERROR\",\"dnssec\":\"secure\",\"ttl\":300,"
    "\"duration\":0.002},\"exchanges\":[{\"name\":\"mx.example.test\",\"ttl\":60,\"dnssec\":"
    "\"secure\",\"preference\":10,\"primary\":true,\"status\":\"NOERROR\",\"ipv4_addresses\":["
    "\"192.0.2.1\"],\"hosts\":[{\"ip\":\"192.0.2.1\",\"port\":25,\"sni\":\"mx.example.test\","
    "\"attempts\":2,\"status\":\"success\",\"banner\":\"mx ESMTP\\nhello\",\"banner_code\":220,"
    "\"ehlo\":[\"SIZE 1000\",\"STARTTLS\"],\"ehlo_tls\":[\"SIZE 1000\",\"AUTH PLAIN\"],"
    "\"ext_added\":[\"AUTH PLAIN\"],\"ext_removed\":[\"STARTTLS\"],\"starttls_state\":\"done\","
    "\"starttls\":\"220 2.0.0 go\",\"quit\":false,"
    "\"timing\":{\"connect\":0.1,\"banner\":0.0,\"tls\":12},\"tls\":[{\"complete\":true,"
    "\"version\":{"
    "\"name\":\"TLSv1.3\",\"value\":772},\"cipher_suite\":{\"name\":\"TLS_AES_256_GCM_SHA384\","
    "\"bits\":256},\"group\":\"x25519\",\"signature_scheme\":\"rsa_pss_rsae_sha256\",\"alpn\":"
    "\"smtp\",\"session_ticket\":true,\"ocsp_staple\":false,\"client_cert_requested\":true,"
    "\"chain\":[\"aa\",\"bb\"],\"chain_sent_order_ok\":false,\"validation\":{\"browser_trusted\":"
    "true,\"matches_mx\":true,\"matched_name\":\"*.example.test\",\"matches_domain\":false,"
    "\"expired\":false}},{\"sigalg_offer\":\"ecdsa\",\"complete\":false,\"key_status\":\"absent\","
    "\"alert\":\"received handshake_failure\",\"error\":\"the peer sent alert\"}]}]}],"
    "\"certificates\":{\"bb\":{\"fingerprint_sha256\":\"bb\",\"spki_subject_fingerprint\":\"bc\","
    "\"subject_dn\":\"\",\"issuer_dn\":\"CN=CA\",\"common_name\":\"CA\",\"serial_number\":\"0b\","
    "\"self_signed\":true,\"is_ca\":true,"
    "\"validity\":{\"start\":\"2025-12-01T00:00:00Z\",\"end\":\"2027-01-02T12:00:00Z\"},"
    "\"signature_algorithm\":{\"name\":\"ecdsa-with-SHA256\"},\"subject_key_info\":{"
    "\"key_algorithm\":{\"name\":\"ecdsa\",\"bits\":256}}},"
    "\"aa\":{\"fingerprint_sha256\":\"aa\",\"spki_subject_fingerprint\":\"ab\",\"subject_dn\":"
    "\"CN=mx\",\"issuer_dn\":\"CN=CA\",\"names\":[\"a\",\"b\",\"c\"],\"serial_number\":\"0a\","
    "\"validity\":{\"start\":\"2025-12-01T00:00:00Z\",\"end\":\"2026-01-02T12:00:00Z\"},"
    "\"signature_algorithm\":{\"name\":\"RSA-SHA256\"},\"subject_key_info\":{\"key_algorithm\":"
    "{\"name\":\"rsa\",\"bits\":2048}}}}}";

TEST(a_good_server_as_text)
{
	check(good,
	    "example.test: pkix (every address offers STARTTLS with a trusted certificate for its "
	    "name)\n"
	    "  - mx.example.test [192.0.2.1]: its certificates are not sent in order\n"
	    "  > send the certificates in order: the server's own, then the issuer of each behind "
	    "it\n"
	    "\n"
	    "MX lookup: has_mx (MX records); NOERROR, DNSSEC secure, TTL 300 s, from "
	    "127.0.0.1:53 in 2 ms\n"
	    "\n"
	    "MX 10 mx.example.test\n"
	    "  addresses     192.0.2.1; DNSSEC secure, TTL 60 s\n"
	    "  192.0.2.1 port 25: success (2 connections)\n"
	    "    greeting      220 mx ESMTP\n"
	    "                  hello\n"
	    "    EHLO          SIZE 1000, STARTTLS\n"
	    "    STARTTLS      done: 220 2.0.0 go\n"
	    "    server name   mx.example.test\n"
	    "    TLS, RSA      TLSv1.3, TLS_AES_256_GCM_SHA384 (256 bits), x25519, "
	    "rsa_pss_rsae_sha256\n"
	    "    extensions    ALPN smtp, session ticket, no OCSP staple, asks for a client "
	    "certificate\n"
	    "    chain         #1 a (rsa 2048 bits, 1 day left)\n"
	    "                  #2 CA (ecdsa 256 bits, 366 days left, self-signed)\n"
	    "                  not in order: behind each certificate its issuer belongs\n"
	    "    trust         yes, to a trusted root\n"
	    "    name          mx.example.test matches *.example.test\n"
	    "    mail domain   does not match example.test\n"
	    "    TLS, ECDSA    no certificate of this kind (alert received handshake_failure)\n"
	    "    EHLO in TLS   SIZE 1000, AUTH PLAIN\n"
	    "    only in TLS   AUTH PLAIN\n"
	    "    QUIT          got no 221\n"
	    "    times         connect 100 ms, greeting < 1 ms, handshake 12.0 s\n"
	    "\n"
	    "Certificates\n"
	    "  #1 a\n"
	    "    subject       CN=mx\n"
	    "    names         a, b, c\n"
	    "    issuer        CN=CA\n"
	    "    serial        0a\n"
	    "    valid         2025-12-01T00:00:00Z to 2026-01-02T12:00:00Z, 1 day left\n"
	    "    key           rsa, 2048 bits\n"
	    "    signed with   RSA-SHA256\n"
	    "    SHA-256       aa\n"
	    "    key SHA-256   ab\n"
	    "  #2 CA\n"
	    "    subject       (empty)\n"
	    "    issuer        itself\n"
	    "    serial        0b\n"
	    "    valid         2025-12-01T00:00:00Z to 2027-01-02T12:00:00Z, 366 days left\n"
	    "    key           ecdsa, 256 bits, a CA's\n"
	    "    signed with   ecdsa-with-SHA256\n"
	    "    SHA-256       bb\n"
	    "    key SHA-256   bc\n");
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
	    "[mx]: plaintext (a primary MX has no STARTTLS that works)\n"
	    "  - mx [192.0.2.1]: no STARTTLS in a complete EHLO reply\n"
	    "  - mx [2001:db8::1]: no STARTTLS in a complete EHLO reply\n"
	    "  > give the server a certificate and switch STARTTLS on\n"
	    "\n"
	    "Host mx\n"
	    "  192.0.2.1 port 25: success (1 connection)\n"
	    "    greeting      220 \\x1b[2J\n"
	    "    STARTTLS      not offered in a complete reply to EHLO\n"
	    "    times         connect < 1 ms\n"
	    "  2001:db8::1 port 25: success (1 connection)\n"
	    "    greeting      220 \\\\\n"
	    "    STARTTLS      not offered in a complete reply to EHLO\n"
	    "    times         connect < 1 ms\n");
}

/* What to do about a host with these members: words of each advice, in order. */
static const struct {
	const char *host, *advice[4];
} advices[] = {
	{ "\"starttls_state\":\"done\",\"status\":\"success\"", { NULL } },
	{ "\"status\":\"connection-refused\"", { "nothing listens" } },
	{ "\"status\":\"connection-timeout\"", { "port 25" } },
	{ "\"status\":\"blocklisted-target\"", { "--allow-private" } },
	{ "\"status\":\"temporary-rejection\"", { "try again later" } },
	{ "\"status\":\"policy-rejection\"", { "--helo" } },
	{ "\"status\":\"connection-closed\"", { "closes the connection" } },
	{ "\"status\":\"protocol-error\"", { "right port" } },
	{ "\"starttls_state\":\"not-offered\",\"keyword_masked\":true", { "inspection" } },
	{ "\"starttls_state\":\"not-offered\",\"ehlo_unsupported\":true", { "HELO" } },
	{ "\"starttls_state\":\"done\",\"keyword_masked\":true", { "inspection" } },
	{ "\"starttls_state\":\"refused\",\"starttls\":\"454 not now\"", { "log" } },
	{ "\"starttls_state\":\"refused\",\"starttls\":\"500 unknown XXXXXXXX\"",
	    { "inspection" } },
	{ "\"starttls_state\":\"failed\",\"status\":\"handshake-error\"", { "log" } },
	{ "\"starttls_state\":\"failed\",\"status\":\"io-timeout\"", { "did not go on" } },
	{ "\"starttls_state\":\"failed\",\"status\":\"handshake-error\",\"implicit_tls\":true",
	    { "TLS from the first byte" } },
	{ "\"starttls_state\":\"failed\",\"status\":\"io-timeout\",\"implicit_tls\":true",
	    { "expect STARTTLS" } },
	{ "\"starttls_state\":\"failed\",\"post_220_bytes\":5", { "attacker" } },
	{ "\"injection\":\"vulnerable\",\"starttls_state\":\"done\"", { "CVE-2011-0411" } },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"expired\":true}}]", { "renew" } },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"browser_trusted\":false,\"self_signed\":"
	  "true}}]",
	    { "self-signed" } },
	{ "\"tls\":[{\"complete\":true,\"chain\":[\"a\"],\"validation\":{\"browser_trusted\":false,"
	  "\"verify_code\":20}}]",
	    { "intermediate" } },
	{ "\"tls\":[{\"complete\":true,\"chain\":[\"a\",\"b\"],\"validation\":{\"browser_trusted\":"
	  "false,\"missing_intermediate\":true}}]",
	    { "intermediate" } },
	{ "\"tls\":[{\"complete\":true,\"chain\":[\"a\",\"b\"],\"validation\":{\"browser_trusted\":"
	  "false,\"verify_code\":20}}]",
	    { "CA that senders trust" } },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"browser_trusted\":true,\"matches_mx\":"
	  "false}}]",
	    { "names the MX host" } },
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"browser_trusted\":true,\"matches_mx\":"
	  "true}}]",
	    { NULL } },
	/* one thing does not hide the others, and DANE makes names and dates irrelevant */
	{ "\"tls\":[{\"complete\":true,\"chain_sent_order_ok\":false,\"version\":{\"value\":769},"
	  "\"validation\":{\"browser_trusted\":false,\"matches_mx\":false,\"expired\":true}}]",
	    { "in order", "renew", "names the MX host", "TLS 1.2" } },
	{ "\"tls\":[{\"complete\":true,\"dane\":\"valid\",\"validation\":{\"browser_trusted\":"
	  "false,"
	  "\"matches_mx\":false,\"expired\":true}}]",
	    { NULL } },
	/* of two handshakes each thing once */
	{ "\"tls\":[{\"complete\":true,\"validation\":{\"expired\":true}},{\"complete\":true,"
	  "\"validation\":{\"expired\":true}}]",
	    { "renew" } },
	{ "\"status\":\"post-tls-application-error\",\"starttls_state\":\"done\",\"tls\":[{"
	  "\"complete\":"
	  "true,\"validation\":{\"expired\":true}}]",
	    { "renew", "broke after" } },
	{ "\"tls\":[{\"complete\":true,\"chain\":[\"weak\"]}]", { "2048 bits", "SHA-256" } },
	{ "\"tls\":[{\"complete\":true,\"group\":\"dh1024\"}]", { "ffdhe2048" } },
	{ "\"tls\":[{\"complete\":true,\"group\":\"dh2048\"}]", { NULL } },
	{ "\"tls\":[{\"complete\":true,\"group\":\"ffdhe2048\"}]", { NULL } },
};

TEST(advice_for_each_finding)
{
	const char *got[PROBE_ADVICE_MAX];
	struct target_facts facts;
	struct arena arena;
	struct host_facts host;
	struct cert_facts weak;
	char json[500];

	arena_init(&arena);
	facts_init_target_facts(&facts);
	facts_init_cert_facts(&weak);
	weak.fingerprint = arena_strdup(&arena, "weak");
	weak.key_type = KEY_RSA;
	weak.key_bits = 1024;
	weak.signature_algorithm = arena_strdup(&arena, "RSA-SHA1");
	facts.certs = &weak;
	facts.certs_n = 1;
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		TEST_ROW("%s", advices[i].host);
		snprintf(json, sizeof(json), "{%s}", advices[i].host);
		CHECK_INT(facts_read_json(
			      &fact_table_host_facts, json, strlen(json), &arena, &host, NULL),
		    0);
		size_t n = probe_advice(&facts, &host, got), want = 0;
		while (want < 4 && advices[i].advice[want] != NULL)
			want++;
		CHECK_INT(n, want);
		for (size_t j = 0; j < n && j < want; j++)
			CHECK(strstr(got[j], advices[i].advice[j]) != NULL);
	}
	arena_free(&arena);
}

TEST(every_verification_error_is_shown_and_the_word_for_implicit_tls)
{
	struct buf out;

	write_record(
	    "{\"domain\":\"[mx]\",\"mx_status\":\"literal\",\"exchanges\":[{\"name\":\"mx\","
	    "\"primary\":"
	    "true,\"hosts\":[{\"ip\":\"192.0.2.1\",\"port\":465,\"implicit_tls\":true,"
	    "\"starttls_state\":\"implicit\",\"attempts\":1,\"timing\":{\"connect\":0},\"tls\":[{"
	    "\"complete\":true,\"chain\":[\"aa\"],\"validation\":{\"browser_trusted\":false,"
	    "\"expired\":true,\"matches_mx\":false,\"errors\":[\"0:10:certificate has expired\","
	    "\"1:19:\\u001b[31mself-signed\",\"nonsense\"]}}]}]}]}",
	    false, &out);
	CHECK(strncmp(buf_str(&out), "[mx]: encrypted (every address does TLS, identity", 49) == 0);
	CHECK(strstr(buf_str(&out), "    trust         no: certificate has expired (depth 0)\n"
				    "                  \\x1b[31mself-signed (depth 1)\n"
				    "                  nonsense\n") != NULL);
	CHECK(strstr(buf_str(&out), "STARTTLS") == NULL);
	/* one reason does not hide another */
	CHECK(
	    strstr(buf_str(&out), "  - mx [192.0.2.1]:465: certificate is not valid at this time\n"
				  "  - mx [192.0.2.1]:465: certificate names another host\n"
				  "  - mx [192.0.2.1]:465: certificate is not trusted: ") != NULL);
	buf_free(&out);
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

#define STS(facts) \
	"{\"domain\":\"d.test\",\"alabel\":\"d.test\",\"mx_status\":\"has_mx\",\"exchanges\":[{" \
	"\"name\":\"mx.d.test\",\"primary\":true}],\"mta_sts\":{" facts "}}"

TEST(what_a_domain_publishes_as_text)
{
	static const struct {
		const char *json;
		const char *lines[4];
	} rows[] = {
		{ STS("\"policy_status\":\"valid\",\"mode\":\"enforce\",\"id\":\"7\",\"max_age\":"
		      "604800,"
		      "\"mx\":[\"mx.d.test\",\"*.e.test\"],\"policy_host\":\"mta-sts.d.test\","
		      "\"ip\":"
		      "\"192.0.2.80\",\"http_status\":200,\"duration\":0.02,\"certificate_"
		      "expires\":"
		      "\"2026-01-03T00:00:00Z\",\"findings\":[\"odd\"]"),
		    { "\nMTA-STS       mode enforce, id 7, max_age 7 days\n"
		      "  mx            mx.d.test, *.e.test\n"
		      "  host          mta-sts.d.test, 192.0.2.80, status 200, in 20 ms, "
		      "certificate "
		      "until 2026-01-03\n"
		      "  note          odd\n",
			"\n  MTA-STS       the policy names this host\n",
			"  > renew the certificate of mta-sts.d.test: 2 days left\n" } },
		{ STS("\"policy_status\":\"valid\",\"mode\":\"testing\",\"id\":\"7\",\"max_age\":5,"
		      "\"mx\":[\"a.test\"],\"cached\":true,\"expires\":\"2026-02-01T00:00:00Z\""),
		    { "mode testing, id 7, max_age 5 s, cached until 2026-02-01\n",
			"  > name the MX hosts in the MTA-STS policy (\"mx: mx.d.test\"), then "
			"change "
			"the id in its record\n",
			"the policy does not name this host" } },
		{ STS("\"policy_status\":\"record-invalid\",\"record\":\"v=STSv1;\\u001b[2J\","
		      "\"reason\":"
		      "\"it has no id\""),
		    { "\nMTA-STS       record-invalid: it has no id\n  record        "
		      "v=STSv1;\\x1b[2J\n",
			"  > publish one TXT record _mta-sts.d.test like \"v=STSv1; id=",
			"  - MTA-STS: record-invalid: it has no id\n" } },
		{ STS("\"policy_status\":\"fetch-error\",\"policy_host\":\"mta-sts.d.test\","
		      "\"reason\":"
		      "\"a\\nb\""),
		    { "\nMTA-STS       fetch-error: a\\x0ab\n",
			"  > serve the policy, without redirect, at "
			"https://mta-sts.d.test/.well-known/mta-sts.txt;" } },
		{ STS("\"policy_status\":\"webpki-invalid\",\"policy_host\":\"mta-sts.d.test\""),
		    { "  > get a certificate of a public CA that names mta-sts.d.test" } },
		{ STS("\"policy_status\":\"policy-invalid\",\"policy_host\":\"mta-sts.d.test\""),
		    { "  > serve, as text/plain, the lines \"version: STSv1\"" } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;
		write_record(rows[i].json, false, &out);
		for (size_t j = 0; j < 4 && rows[i].lines[j] != NULL; j++)
			if (strstr(buf_str(&out), rows[i].lines[j]) == NULL)
				CHECK_STR(buf_str(&out), rows[i].lines[j]);
		CHECK(strchr(buf_str(&out), '\033') == NULL);
		buf_free(&out);
	}
}

#include "app/probe/pem.h"
#include "test.h"

/* 100 bytes of DER are 136 characters: two lines of 64 and one of 8 */
#define RAW64 "MIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIBMIIB"

static struct cert_facts certs[3];
static struct target_facts facts;
static struct exchange_facts mx;
static struct host_facts host;
static struct tls_facts tls;

static void
set_up(struct arena *arena)
{
	arena_init(arena);
	facts_init_target_facts(&facts);
	facts_init_exchange_facts(&mx);
	facts_init_host_facts(&host);
	facts_init_tls_facts(&tls);
	for (size_t i = 0; i < 3; i++)
		facts_init_cert_facts(&certs[i]);
	facts.domain = arena_strdup(arena, "example.test");
	facts.certs = certs;
	facts.certs_n = 3;
	mx.name = arena_strdup(arena, "mx.example.test");
	host.ip = arena_strdup(arena, "192.0.2.1");
	host.port = 25;
	tls.complete = TRI_YES;
	certs[0].fingerprint = arena_strdup(arena, "bb");
	certs[0].subject = arena_strdup(arena, "CN=CA\nhidden");
	certs[0].raw = arena_strdup(arena, "MIIC");
	certs[1].fingerprint = arena_strdup(arena, "aa");
	certs[1].key_type = KEY_ECDSA;
	certs[1].raw = arena_strdup(arena, RAW64 RAW64 "MIIBMIIB");
	strs_add(&certs[1].names, arena, "mx.example.test");
	certs[2].fingerprint = arena_strdup(arena, "cc"); /* without raw form */
}

static void
check(bool want_ret, const char *want)
{
	struct buf out;

	buf_init(&out, 10000);
	CHECK(probe_pem_write(&facts, &mx, &host, &tls, &out) == want_ret);
	CHECK_STR(buf_str(&out), want);
	buf_free(&out);
}

TEST(a_chain_as_pem_in_the_order_in_which_it_was_sent)
{
	struct arena arena;

	set_up(&arena);
	check(false, "");
	strs_add(&tls.chain, &arena, "aa");
	strs_add(&tls.chain, &arena, "bb");
	check(true, "# example.test: mx.example.test [192.0.2.1]:25, ecdsa, as sent\n"
		    "# 1 of 2: mx.example.test\n"
		    "-----BEGIN CERTIFICATE-----\n" RAW64 "\n" RAW64 "\n"
		    "MIIBMIIB\n"
		    "-----END CERTIFICATE-----\n"
		    "# 2 of 2: CN=CA\\x0ahidden\n"
		    "-----BEGIN CERTIFICATE-----\n"
		    "MIIC\n"
		    "-----END CERTIFICATE-----\n");
	tls.chain.n = 0;
	strs_add(&tls.chain, &arena, "cc");
	strs_add(&tls.chain, &arena, "dd");
	check(true, "# example.test: mx.example.test [192.0.2.1]:25, any, as sent\n"
		    "# 1 of 2: (no subject)\n"
		    "# 2 of 2: ?\n");
	arena_free(&arena);
}

TEST(names_of_files_are_safe_and_the_same_each_time)
{
	static const struct {
		const char *mx, *ip;
		int port;
		const char *want;
	} rows[] = {
		{ "mx.example.test", "192.0.2.1", 25, "mx.example.test_192.0.2.1_25_ecdsa.pem" },
		{ "mx", "2001:db8::1", 465, "mx_2001-db8--1_465_ecdsa.pem" },
		{ "192.0.2.1", "192.0.2.1", 25, "192.0.2.1_25_ecdsa.pem" },
		{ NULL, "192.0.2.1", 25, "192.0.2.1_25_ecdsa.pem" },
		{ "::1", "::1", 25, "_-1_25_ecdsa.pem" },
		{ "../../etc/passwd", "192.0.2.1", 25, "_._.._etc_passwd_192.0.2.1_25_ecdsa.pem" },
		{ "-rf", "192.0.2.1", 25, "_rf_192.0.2.1_25_ecdsa.pem" },
		{ ".hidden", "192.0.2.1", 25, "_hidden_192.0.2.1_25_ecdsa.pem" },
		{ "a b\n\x1b\\032c\xc3\xa9", "192.0.2.1", 25,
		    "a_b___032c___192.0.2.1_25_ecdsa.pem" },
	};
	char name[PROBE_PEM_NAME_BYTES], other[PROBE_PEM_NAME_BYTES], text[260];
	struct arena arena;

	set_up(&arena);
	strs_add(&tls.chain, &arena, "aa");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].want);
		mx.name = rows[i].mx == NULL ? NULL : arena_strdup(&arena, rows[i].mx);
		host.ip = arena_strdup(&arena, rows[i].ip);
		host.port = rows[i].port;
		probe_pem_name(&facts, &mx, &host, &tls, name);
		CHECK_STR(name, rows[i].want);
	}
	/* two names that differ only where they are cut are two files */
	memset(text, 'a', 253);
	text[253] = '\0';
	mx.name = text;
	host.ip = arena_strdup(&arena, "2001:db8:1111:2222:3333:4444:5555:6666");
	host.port = 65535;
	probe_pem_name(&facts, &mx, &host, &tls, name);
	text[252] = 'b';
	probe_pem_name(&facts, &mx, &host, &tls, other);
	CHECK(strcmp(name, other) != 0);
	CHECK(strlen(name) < PROBE_PEM_NAME_BYTES - 1);
	CHECK_STR(name + strlen(name) - 10, "_ecdsa.pem");
	arena_free(&arena);
}

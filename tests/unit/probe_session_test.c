#include "app/probe/session.h"
#include "net/helo.h"
#include "test.h"

static const struct {
	enum fail_code code;
	bool in_tls, handshaking;
	const char *status;
} statuses[] = {
	{ FAIL_NONE, false, false, "success" },
	{ FAIL_NONE, true, false, "success" },
	{ FAIL_CONNECT_REFUSED, false, false, "connection-refused" },
	{ FAIL_CONNECT_TIMEOUT, false, false, "connection-timeout" },
	{ FAIL_CONNECT_UNREACHABLE, false, false, "connection-unreachable" },
	{ FAIL_CONNECT_PRIVATE, false, false, "blocklisted-target" },
	{ FAIL_CONNECT_SELF, false, false, "blocklisted-target" },
	{ FAIL_CANCELLED, false, false, "cancelled" },
	{ FAIL_CANCELLED, false, true, "cancelled" },
	{ FAIL_CANCELLED, true, false, "cancelled" },
	{ FAIL_TIMEOUT, false, false, "io-timeout" },
	{ FAIL_TIMEOUT, false, true, "io-timeout" },
	{ FAIL_TIMEOUT, true, false, "post-tls-application-error" },
	{ FAIL_EOF, false, false, "connection-closed" },
	{ FAIL_EOF, false, true, "handshake-error" },
	{ FAIL_EOF, true, false, "post-tls-application-error" },
	{ FAIL_IO, false, false, "connection-closed" },
	{ FAIL_TLS_HANDSHAKE, false, true, "handshake-error" },
	{ FAIL_TLS_IO, true, false, "post-tls-application-error" },
	{ FAIL_TLS_TRUNCATED, true, false, "post-tls-application-error" },
	{ FAIL_RESPONSE_INJECTION, false, true, "protocol-error" },
	{ FAIL_REPLY_SYNTAX, false, false, "protocol-error" },
	{ FAIL_REPLY_TOO_LONG, false, false, "line-too-long" },
	{ FAIL_LINE_TOO_LONG, false, false, "line-too-long" },
	{ FAIL_REPLY_TEMPORARY, false, false, "temporary-rejection" },
	{ FAIL_REPLY_TEMPORARY, true, false, "post-tls-application-error" },
	{ FAIL_REPLY_PERMANENT, false, false, "policy-rejection" },
	{ FAIL_REPLY_UNEXPECTED, false, false, "application-error" },
	{ FAIL_STARTTLS_REJECTED, false, false, "application-error" },
	{ FAIL_OS, false, false, "unknown-error" },
	{ FAIL_OS, false, true, "unknown-error" },
	{ FAIL_TLS_CONFIG, false, false, "unknown-error" },
};

TEST(how_a_session_ended_by_its_failure_and_where_it_came)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		TEST_ROW("%s%s%s", fail_info(statuses[i].code)->token,
		    statuses[i].in_tls ? " in TLS" : "",
		    statuses[i].handshaking ? " handshaking" : "");
		CHECK_STR(host_status_str(session_status(
			      statuses[i].code, statuses[i].in_tls, statuses[i].handshaking)),
		    statuses[i].status);
	}
}

static const struct {
	const char *text, *want; /* NULL: refused */
} helos[] = {
	{ "probe.example.com", "probe.example.com" },
	{ "Probe.Example.COM.", "probe.example.com" },
	{ "b\xc3\xbc"
	  "cher.example",
	    "xn--bcher-kva.example" },
	{ "[192.0.2.1]", "[192.0.2.1]" },
	{ "[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]" },
	{ "[2001:db8::1]", NULL },
	{ "[IPv6:192.0.2.1]", NULL },
	{ "[mx.example]", NULL },
	{ "[]", NULL },
	{ "", NULL },
	{ "a b", NULL },
	{ "a\r\nMAIL FROM:<>", NULL },
};

TEST(a_name_to_greet_with_is_a_host_name_or_an_address_literal)
{
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(helos) / sizeof(helos[0]); i++) {
		TEST_ROW("%s", helos[i].text);
		fail_clear(&why);
		CHECK_STR(helo_parse(helos[i].text, &arena, &why), helos[i].want);
		CHECK_INT(why.code, helos[i].want == NULL ? FAIL_USAGE : FAIL_NONE);
	}
	arena_free(&arena);
}

static const struct {
	const char *to, *source;
	unsigned refuse;
	enum fail_code code;
} dials[] = {
	{ "192.0.2.1", NULL, 0, FAIL_NONE },
	{ "127.0.0.1", NULL, 0, FAIL_NONE },
	{ "192.0.2.1", NULL, DIAL_REFUSE_PRIVATE | DIAL_REFUSE_LOOP, FAIL_NONE },
	{ "10.1.2.3", NULL, DIAL_REFUSE_PRIVATE, FAIL_CONNECT_PRIVATE },
	{ "10.1.2.3", NULL, DIAL_REFUSE_LOOP, FAIL_NONE },
	{ "127.0.0.1", NULL, DIAL_REFUSE_PRIVATE, FAIL_CONNECT_PRIVATE },
	{ "127.0.0.1", NULL, DIAL_REFUSE_LOOP, FAIL_CONNECT_SELF },
	{ "0.0.0.0", NULL, DIAL_REFUSE_LOOP, FAIL_CONNECT_SELF },
	{ "::1", NULL, DIAL_REFUSE_LOOP, FAIL_CONNECT_SELF },
	{ "::ffff:127.0.0.1", NULL, DIAL_REFUSE_LOOP, FAIL_CONNECT_SELF },
	{ "fd00::1", NULL, DIAL_REFUSE_PRIVATE, FAIL_CONNECT_PRIVATE },
	{ "64:ff9b::a01:203", NULL, DIAL_REFUSE_PRIVATE, FAIL_CONNECT_PRIVATE },
	{ "2001:db8::1", NULL, DIAL_REFUSE_PRIVATE, FAIL_NONE },
	{ "2001:db8::1", "192.0.2.1", 0, FAIL_CONNECT_UNREACHABLE },
	{ "192.0.2.2", "192.0.2.1", 0, FAIL_NONE },
};

TEST(which_addresses_are_refused_before_a_packet_is_sent)
{
	for (size_t i = 0; i < sizeof(dials) / sizeof(dials[0]); i++) {
		struct addr to, source;
		struct fail why;
		struct dial_options options = { .refuse = dials[i].refuse };
		TEST_ROW("%s %u", dials[i].to, dials[i].refuse);
		CHECK(addr_parse_ip(slice_str(dials[i].to), 25, &to));
		if (dials[i].source != NULL &&
		    addr_parse_ip(slice_str(dials[i].source), 0, &source))
			options.source = &source;
		fail_clear(&why);
		CHECK_INT(dial_check(&to, &options, &why), dials[i].code == FAIL_NONE ? 0 : -1);
		CHECK_INT(why.code, dials[i].code);
	}
}

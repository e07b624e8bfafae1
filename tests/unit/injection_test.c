/* What the two runs of --check-injection mean. */
#include <string.h>

#include "app/probe/injection.h"
#include "test.h"

static struct arena arena;

#define OK \
	{ \
		INJECTION_SILENT, 250, 0, false, "250 mx" \
	}

static const struct {
	const char *what;
	struct injection_run control, attack;
	enum injection want;
	const char *reason; /* part of it */
} rows[] = {
	{ "silence, then EHLO is answered in step", OK, OK, INJECTION_SAFE, "dropped" },
	{ "the verb is answered inside TLS", OK,
	    { INJECTION_ANSWERED, 502, 0, true, "502 5.5.2 Error: command not recognized" },
	    INJECTION_VULNERABLE, "answered inside TLS: 502 5.5.2" },
	{ "it is answered late, in place of EHLO", OK,
	    { INJECTION_SILENT, 500, 250, true, "500 what?" }, INJECTION_VULNERABLE, "late: 500" },
	{ "EHLO itself is refused: the reply is not one too many", OK,
	    { INJECTION_SILENT, 502, 0, true, "502 no EHLO" }, INJECTION_INCONCLUSIVE, "502" },
	{ "any 250 is no answer to the verb", OK, { INJECTION_ANSWERED, 250, 0, false, "250 ok" },
	    INJECTION_INCONCLUSIVE, "none to our command: 250 ok" },
	{ "neither is a farewell", OK, { INJECTION_ANSWERED, 421, 0, false, "421 bye" },
	    INJECTION_INCONCLUSIVE, "421" },
	{ "a greeting inside TLS, in both runs",
	    { INJECTION_ANSWERED, 220, 0, false, "220 hello again" },
	    { INJECTION_ANSWERED, 220, 0, false, "220 hello again" }, INJECTION_INCONCLUSIVE,
	    "without being asked: 220" },
	{ "a 502 inside TLS in both runs is no proof",
	    { INJECTION_ANSWERED, 502, 0, true, "502 what" },
	    { INJECTION_ANSWERED, 502, 0, true, "502 what" }, INJECTION_INCONCLUSIVE,
	    "without being asked" },
	{ "STARTTLS with more behind it is refused", OK,
	    { INJECTION_REFUSED, 554, 0, false, "554 5.5.0 Data after STARTTLS" }, INJECTION_SAFE,
	    "refused: 554" },
	{ "for now", OK, { INJECTION_REFUSED, 454, 0, false, "454 not now" },
	    INJECTION_INCONCLUSIVE, "454" },
	{ "the bytes go into the handshake and break it", OK,
	    { INJECTION_NO_HANDSHAKE, 0, 0, false, "wrong version number" }, INJECTION_SAFE,
	    "no handshake" },
	{ "it is answered in clear: it did not cross", OK,
	    { INJECTION_IN_CLEAR, 0, 0, false, "30 bytes in clear" }, INJECTION_SAFE,
	    "answered in clear" },
	{ "the attack is cut off", OK, { INJECTION_LOST, 0, 0, false, "closed" },
	    INJECTION_INCONCLUSIVE, "closed" },
	{ "the second connection is refused", OK,
	    { INJECTION_NO_SESSION, 0, 0, false, "421 too many" }, INJECTION_INCONCLUSIVE, "421" },
	{ "not even the control has STARTTLS",
	    { INJECTION_NO_SESSION, 0, 0, false, "STARTTLS is not offered" },
	    { INJECTION_NO_SESSION, 0, 0, false, "" }, INJECTION_NOT_TESTED, "not offered" },
	{ "the control's EHLO fails inside TLS", { INJECTION_SILENT, 421, 0, false, "421 no" }, OK,
	    INJECTION_INCONCLUSIVE, "421 no" },
};

TEST(the_verdict_needs_the_marker_and_a_silent_control)
{
	char *reason;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].what);
		reason = NULL;
		CHECK_INT(injection_decide(&rows[i].control, &rows[i].attack, &arena, &reason),
		    rows[i].want);
		CHECK(reason != NULL && strstr(reason, rows[i].reason) != NULL);
	}
}

TEST(which_replies_are_to_an_unknown_verb)
{
	static const struct {
		const char *line;
		bool want;
	} replies[] = {
		{ "500 5.5.1 Command unrecognized", true },
		{ "501 syntax", true },
		{ "502 5.5.2 Error: command not recognized", true },
		{ "503 5.5.1 EHLO first", true },
		{ "550 xmxtls? never heard of it", true },
		{ "250 XMXTLS is fine", true },
		{ "250 ok", false },
		{ "220 mx.example.com ESMTP", false },
		{ "421 4.7.0 bye", false },
		{ "454 TLS not available", false },
		{ "554 5.5.1 protocol error", false },
		{ "530 Must issue STARTTLS first", false },
	};
	struct smtp_reply reply;

	smtp_reply_init(&reply);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		TEST_ROW("%s", replies[i].line);
		smtp_reply_reset(&reply);
		CHECK_INT(smtp_reply_feed(&reply, slice_str(replies[i].line), NULL), 1);
		CHECK_INT(injection_marked(&reply), replies[i].want);
	}
	smtp_reply_free(&reply);
}

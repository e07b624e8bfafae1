#include <string.h>

#include "app/send/credentials.h"
#include "base/text.h"
#include "smtp/auth.h"
#include "test.h"

static void
response(unsigned mechanism, const char *user, const char *secret, struct buf *out)
{
	struct auth_identity identity = { .user = user,
		.secret = secret,
		.host = "server.example.com",
		.port = 587,
		.mechanisms = AUTH_ALL };
	struct buf plain;

	buf_init(&plain, 1000);
	auth_response(mechanism, &identity, &plain);
	buf_init(out, 2000);
	text_base64(slice_make(plain.data, plain.len), out);
	buf_wipe(&plain);
}

TEST(responses_are_those_of_the_rfcs)
{
	static const struct {
		unsigned mechanism;
		const char *user, *secret, *want;
	} rows[] = {
		/* RFC 4616 s4 */
		{ AUTH_PLAIN, "tim", "tanstaaftanstaaf", "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" },
		/* "n,a=user@example.com,^Ahost=server.example.com^Aport=587^Aauth=Bearer ..." (RFC 7628 s4.1) */
		{ AUTH_OAUTHBEARER, "user@example.com",
		    "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
		    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dG"
		    "g9Qm"
		    "VhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB" },
		/* the example of Google's description of XOAUTH2 */
		{ AUTH_XOAUTH2, "someuser@example.com",
		    "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
		    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52Yj"
		    "NSbG"
		    "NrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==" },
		/* RFC 5801 s4: commas and equal signs of a name */
		{ AUTH_OAUTHBEARER, "a,b=c", "t",
		    "bixhPWE9MkNiPTNEYywBaG9zdD1zZXJ2ZXIuZXhhbXBsZS5jb20BcG9ydD01ODcBYXV0aD1CZWFyZX"
		    "IgdA"
		    "EB" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf got;
		TEST_ROW("%s %s", auth_mechanism_str(rows[i].mechanism), rows[i].user);
		response(rows[i].mechanism, rows[i].user, rows[i].secret, &got);
		CHECK_STR(buf_str(&got), rows[i].want);
		buf_free(&got);
	}
}

TEST(the_mechanism_fits_the_secret_and_what_both_sides_allow)
{
	static const struct {
		bool token;
		unsigned allowed, offered, want;
	} rows[] = {
		{ false, AUTH_ALL, AUTH_ALL, AUTH_PLAIN },
		{ true, AUTH_ALL, AUTH_ALL, AUTH_OAUTHBEARER },
		{ false, AUTH_ALL, AUTH_LOGIN | AUTH_XOAUTH2, AUTH_LOGIN },
		{ true, AUTH_ALL, AUTH_XOAUTH2 | AUTH_PLAIN, AUTH_XOAUTH2 },
		{ false, AUTH_ALL, AUTH_XOAUTH2 | AUTH_OAUTHBEARER, 0 },
		{ true, AUTH_ALL, AUTH_PLAIN | AUTH_LOGIN, 0 },
		{ false, AUTH_LOGIN, AUTH_PLAIN, 0 },
		{ false, AUTH_ALL, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct auth_identity identity = { .token = rows[i].token,
			.mechanisms = rows[i].allowed };
		TEST_ROW("%zu", i);
		CHECK_INT(auth_choose(&identity, rows[i].offered), rows[i].want);
	}
}

TEST(credentials_say_what_is_wrong_and_where)
{
	static const struct {
		const char *text, *why; /* NULL: good */
	} rows[] = {
		{ "user = a\npassword = b\n", NULL },
		{ "# x\nuser = a\npassword-command = /bin/x  y\nmechanisms = PLAIN login", NULL },
		{ "user = a\ntoken-command = /bin/x", NULL },
		{ "", "f: expected \"user = NAME\", and password, password-command or "
		      "token-command" },
		{ "user = a", "f: expected \"user = NAME\", and password, password-command or "
			      "token-command" },
		{ "password = a", "f: expected \"user = NAME\", and password, password-command or "
				  "token-command" },
		{ "user = a\nuser = b\npassword = x", "f:2: expected one user" },
		{ "user = a\npassword = x\ntoken-command = /x",
		    "f:3: a second secret: expected one of password, password-command, "
		    "token-command" },
		{ "user = a\npassword-command = pass show x",
		    "f:2: expected a command that begins with the absolute path of a program" },
		{ "user = a\npassword = x\nmechanisms = cram-md5",
		    "f:3: expected mechanisms: plain, login, xoauth2, oauthbearer" },
		{ "user = a\npassword = x\nmechanisms = xoauth2",
		    "f: none of the mechanisms takes a password" },
		{ "user = a\ntoken-command = /x\nmechanisms = plain",
		    "f: none of the mechanisms takes a token" },
		{ "user = a\npasswd = x",
		    "f:2: expected user, password, password-command, token-command or mechanisms" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct credentials c;
		struct fail why = { .code = FAIL_NONE };
		arena_init(&arena);
		TEST_ROW("%s", rows[i].text);
		int ret = credentials_parse("f", slice_str(rows[i].text), &arena, &c, &why);
		CHECK_INT(ret, rows[i].why == NULL ? 0 : -1);
		if (rows[i].why != NULL) {
			CHECK_STR(why.text, rows[i].why);
			CHECK_INT(why.code, FAIL_CREDENTIALS);
		}
		arena_free(&arena);
	}
}

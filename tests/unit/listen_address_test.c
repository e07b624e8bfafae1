#include <stdlib.h>

#include "app/listen/address.h"
#include "test.h"

TEST(an_address_to_listen_on_has_settings_behind_commas)
{
	static const struct {
		const char *text, *at; /* at NULL: refused */
		int tls;               /* -1: not set */
		bool implicit;
	} rows[] = {
		{ "192.0.2.1:25", "192.0.2.1:25", -1, false },
		{ "[2001:db8::1]:0", "[2001:db8::1]:0", -1, false },
		{ "192.0.2.1:25,tls=off", "192.0.2.1:25", SMTP_TLS_OFF, false },
		{ "192.0.2.1:25,tls=none", "192.0.2.1:25", SMTP_TLS_OFF, false },
		{ "192.0.2.1:25,tls=offered", "192.0.2.1:25", SMTP_TLS_OFFERED, false },
		{ "192.0.2.1:25,tls=may", "192.0.2.1:25", SMTP_TLS_OFFERED, false },
		{ "*:25,tls=required", "0.0.0.0:25", SMTP_TLS_REQUIRED, false },
		{ "[::]:25,tls=encrypt", "[::]:25", SMTP_TLS_REQUIRED, false },
		{ "*:465,implicit-tls", "0.0.0.0:465", -1, true },
		{ ":465,implicit-tls", NULL, 0, false },
		{ ":25", NULL, 0, false },
		{ "25", NULL, 0, false },
		{ "25,tls=off", NULL, 0, false },
		{ "::1", NULL, 0, false },
		{ "192.0.2.1:25,", NULL, 0, false },
		{ "192.0.2.1:25,tls=", NULL, 0, false },
		{ "192.0.2.1:25,tls=Required", NULL, 0, false },
		{ "192.0.2.1:25,tls=required ", NULL, 0, false },
		{ "192.0.2.1:25,implicit", NULL, 0, false },
		{ "192.0.2.1:25,tls=off,implicit-tls", NULL, 0, false },
		{ "192.0.2.1:25,implicit-tls,tls=off", NULL, 0, false },
		{ ",tls=off", NULL, 0, false },
		{ "", NULL, 0, false },
		{ "mx.example.org:25", NULL, 0, false },
		{ "192.0.2.1", NULL, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct listen_address a;
		struct fail why;
		char text[ADDR_TEXT_BYTES];
		TEST_ROW("%s", rows[i].text);
		int ret = listen_address_parse(slice_str(rows[i].text), &a, &why);
		CHECK_INT(ret, rows[i].at == NULL ? -1 : 0);
		if (ret != 0) {
			CHECK_INT(why.code, FAIL_USAGE);
			continue;
		}
		addr_str(&a.at, text);
		CHECK_STR(text, rows[i].at);
		CHECK_INT(a.fd, -1);
		CHECK_INT(a.tls_set ? (int)a.tls : -1, rows[i].tls);
		CHECK_INT(a.implicit_tls, rows[i].implicit);
	}
}

TEST(sockets_are_only_taken_when_they_are_meant_for_this_process)
{
	struct listen_address a[LISTEN_ADDRESSES];
	struct fail why;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	CHECK_INT(listen_address_passed(a, &why), 0);
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "3", 1);
	CHECK_INT(listen_address_passed(a, &why), 0);
	CHECK(getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL);
	setenv("LISTEN_PID", "x", 1);
	setenv("LISTEN_FDS", "3", 1);
	CHECK_INT(listen_address_passed(a, &why), 0);
}

#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "app/identity.h"
#include "test.h"

TEST(etc_mailname_gives_its_first_line)
{
	static const char *const rows[][2] = {
		{ "example.org\n", "example.org" },
		{ "example.org", "example.org" },
		{ "  Example.ORG. \r\nother.example\n", "example.org" },
		{ "b\xc3\xbc"
		  "cher.example\n",
		    "xn--bcher-kva.example" },
		{ "host\n", "host" },
		{ "", NULL },
		{ "\n", NULL },
		{ "a b\n", NULL },
		{ "a@b\n", NULL },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *got = identity_mailname_parse(slice_str(rows[i][0]), &arena);
		TEST_ROW("%s", rows[i][0]);
		CHECK_INT(got == NULL, rows[i][1] == NULL);
		if (got != NULL && rows[i][1] != NULL)
			CHECK_STR(got, rows[i][1]);
	}
	CHECK(identity_mailname_parse(slice_make("a\0b", 3), &arena) == NULL);
	arena_free(&arena);
}

TEST(hosts_file_gives_the_qualified_name_of_a_host)
{
	static const char *const rows[][2] = {
		{ "127.0.1.1 mail.example.org mail\n", "mail.example.org" },
		{ "127.0.1.1\tmail mail.example.org # x\n", "mail.example.org" },
		{ "127.0.0.1 localhost\n192.0.2.1 other.example other\n::1 MAIL.Example.org Mail",
		    "mail.example.org" },
		{ "127.0.0.1 localhost.localdomain mail\n", NULL },
		{ "127.0.0.1 mail.localdomain mail\n127.0.1.1 mail.example mail\n",
		    "mail.example" },
		{ "127.0.1.1 mail\n", NULL },
		{ "# 127.0.1.1 mail.example mail\n", NULL },
		{ "127.0.1.1 mailer.example mailer\n", NULL },
		{ "", NULL },
		{ "\n\n#\n127.0.1.1\n", NULL },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *got = identity_hosts_find(slice_str(rows[i][0]), "mail", &arena);
		TEST_ROW("%s", rows[i][0]);
		CHECK_INT(got == NULL, rows[i][1] == NULL);
		if (got != NULL && rows[i][1] != NULL)
			CHECK_STR(got, rows[i][1]);
	}
	arena_free(&arena);
}

TEST(gecos_gives_a_full_name)
{
	struct arena arena;

	arena_init(&arena);
	CHECK_STR(identity_gecos_parse("John Doe,Room 1,123", "jd", &arena), "John Doe");
	CHECK_STR(identity_gecos_parse("& User", "joe", &arena), "Joe User");
	CHECK(identity_gecos_parse(",,,", "joe", &arena) == NULL);
	CHECK(identity_gecos_parse("", "joe", &arena) == NULL);
	/* whatever this machine is: no crash, and never localhost */
	const char *host = identity_hostname(&arena);
	CHECK(host == NULL || (strchr(host, '.') != NULL && strncmp(host, "localhost", 9) != 0));
	CHECK(identity_login(getuid(), &arena)[0] != '\0');
	setenv("USER", "somebody-else", 1);
	setenv("LOGNAME", "somebody-else", 1);
	CHECK(strcmp(identity_login(getuid(), &arena), "somebody-else") != 0);
	identity_full_name(getuid(), &arena);
	identity_maildomain(&arena);
	arena_free(&arena);
}

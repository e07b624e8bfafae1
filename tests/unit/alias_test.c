#include "app/send/alias.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/send/expand.h"
#include "app/store/local.h"
#include "base/buf.h"
#include "scratch.h"
#include "test.h"

static const char *
show(const struct aliases *a, const char *name, struct buf *out)
{
	static const char kinds[] = "@i|/";
	const struct alias_entry *e = aliases_find(a, name);

	buf_reset(out);
	for (size_t i = 0; e != NULL && i < e->n; i++)
		buf_printf(
		    out, "%s%c%s", i > 0 ? " " : "", kinds[e->values[i].kind], e->values[i].text);
	return buf_str(out);
}

TEST(the_syntax_of_aliases)
{
	static const struct {
		const char *text, *name, *values, *errors;
	} rows[] = {
		{ "root: admin@x", "root", "@admin@x", "" },
		{ "Root : a@x,b", "ROOT", "@a@x @b", "" },
		{ "# c\n\nroot: a,\n\tb,\n # c\n\n  c\nx: y\n", "root", "@a @b @c", "" },
		{ "root: a\n  b\n", "root", "", "1: a b: words that are no address 1: no value" },
		{ "\"a b\": c", "\"a b\"", "@c", "" },
		{ "a: \\b", "a", "@\\b", "" },
		{ "a: \"|/bin/x -y \\\"z\\\"\", |/bin/y", "a", "|/bin/x -y \"z\" |/bin/y", "" },
		{ "a: /var/mail/x, \":include:/etc/l\", :include: /etc/m", "a",
		    "//var/mail/x i/etc/l i/etc/m", "" },
		{ "a: \"N, n\" <b@x> (c, d), e", "a", "@\"N, n\" <b@x> (c, d) @e", "" },
		{ "a: b\na: c\n", "a", "@b", "2: a is an alias already, in line 1, which counts" },
		{ "a: b,,<c\nd: e", "a", "@b", "1: <c: no closing angle bracket" },
		{ "nonsense\na: b", "a", "@b", "1: expected NAME: VALUE, ..." },
		{ "a@b: c\nd e: f", "a@b", "",
		    "1: a name is that of a local user, without domain 2: a name is that of a "
		    "local user, without domain" },
		{ "a:\nb: |\n", "a", "", "1: no value 2: empty value 2: no value" },
		{ "a: b", "c", "", "" },
		{ "\n  a: b\n", "a", "@b", "" },
		{ "# c\n  nonsense\n", "a", "", "2: expected NAME: VALUE, ..." },
		{ "", "a", "", "" },
	};
	struct buf out;

	buf_init(&out, 4000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct aliases a;
		TEST_ROW("%s", rows[i].text);
		aliases_parse("f", slice_str(rows[i].text), &a);
		CHECK_STR(show(&a, rows[i].name, &out), rows[i].values);
		buf_reset(&out);
		for (size_t j = 0; j < a.errors_n; j++)
			buf_printf(
			    &out, "%s%u: %s", j > 0 ? " " : "", a.errors[j].line, a.errors[j].why);
		CHECK_STR(buf_str(&out), rows[i].errors);
		aliases_free(&a);
	}
	buf_free(&out);
}

/* What becomes of each list of recipients: mailboxes, then problems in braces. */
static const char *
expanded(const char *given, const struct message_options *o, const char *domain, struct buf *out)
{
	struct header_addresses list = { 0 };
	struct message m = { .recipient_n = 0 };
	struct expand e;

	arena_init(&m.arena);
	CHECK_INT(header_address_parse(slice_str(given), 100, &m.arena, &list, NULL), 0);
	expand_init(&e, o, domain, &m);
	expand_list(&e, &list);
	expand_fini(&e);
	buf_reset(out);
	for (size_t i = 0; i < m.recipient_n; i++)
		buf_printf(out, "%s%s", i > 0 ? " " : "", m.recipients[i].mailbox);
	for (size_t i = 0; i < m.problem_n; i++)
		buf_printf(out, " {%s: %s}", m.problems[i].text, m.problems[i].why);
	arena_free(&m.arena);
	return buf_str(out);
}

TEST(users_become_recipients)
{
	static const char file[] =
	    "root: admin@x.test, ops\nops: op1@x.test, op2\nself: self, me@x.test\n"
	    "a: b\nb: a\nprog: |/bin/x\nfile: /x\nlist: :include:/l\nesc: \\ops\n"
	    "d1: d2\nd2: d3\nd3: d4\nd4: d5\nd5: d6\nd6: d7\nd7: d8\nd8: d9\nd9: d10\n"
	    "d10: d11\nd11: end@x.test\nwide: ops, ops, \"Ops\", ops@Host.Test\n";
	static const struct {
		const char *given, *domain, *root_to, *other, *want;
		bool local;
	} rows[] = {
		{ "root", "m.test", NULL, NULL, "admin@x.test op1@x.test op2@m.test", false },
		{ "ROOT@localhost, u@y.test", "m.test", NULL, NULL,
		    "admin@x.test op1@x.test op2@m.test u@y.test", false },
		{ "root@m.test", "m.test", NULL, NULL, "root@m.test",
		    false }, /* not this host's name */
		{ "root@host.test", "m.test", NULL, NULL, "admin@x.test op1@x.test op2@m.test",
		    false },
		{ "\\root", "m.test", NULL, NULL, "root@m.test", false },
		{ "self", "m.test", NULL, NULL, "self@m.test me@x.test", false },
		{ "self", "m.test", NULL, NULL, "self@localhost me@x.test", true },
		{ "esc", "m.test", NULL, NULL, "ops@m.test", false },
		{ "wide", "m.test", NULL, NULL, "op1@x.test op2@m.test", false },
		{ "root, ops, op1@X.test", "m.test", NULL, NULL,
		    "admin@x.test op1@x.test op2@m.test", false },
		{ "a, u@y.test", "m.test", NULL, NULL,
		    "u@y.test {a: f:4: alias a leads back to itself}", false },
		{ "d1", "m.test", NULL, NULL, " {d1: f:20: more than 10 aliases one in the other}",
		    false },
		{ "d2", "m.test", NULL, NULL, "end@x.test", false },
		{ "prog", "m.test", NULL, NULL,
		    " {prog: f:6: |command needs alias-programs = yes in mxtls.conf}", false },
		{ "file", "m.test", NULL, NULL,
		    " {file: f:7: /file needs alias-files = yes in mxtls.conf}", false },
		/* text that only looks like it (DECISIONS A4) */
		{ "\"|/bin/x\", /etc/passwd, \":include:/l\"", "m.test", NULL, NULL,
		    "|/bin/x@m.test /etc/passwd@m.test \":include:/l\"@m.test", false },
		/* nobody said */
		{ "nobody", NULL, NULL, NULL, "nobody@localhost", false },
		{ "nobody@localhost", "m.test", NULL, NULL, "nobody@localhost", false },
		{ "nobody@host.test", "m.test", NULL, NULL, "nobody@host.test", false },
		{ "nobody", NULL, NULL, NULL, "nobody@localhost", true },
		/* root-to, default-recipient */
		{ "\\root, nobody", "m.test", "boss@z.test", NULL, "boss@z.test nobody@m.test",
		    false },
		{ "\\root, nobody", "m.test", "boss@z.test", "def@z.test", "boss@z.test def@z.test",
		    false },
		{ "\\root, nobody, no-such-user", "m.test", "boss@z.test", "def@z.test",
		    "boss@z.test nobody@localhost def@z.test", true },
		{ "\\root", "m.test", "ops, root", NULL, "op1@x.test op2@m.test admin@x.test",
		    false },
		{ "nobody", "m.test", NULL, "nobody", "nobody@m.test", false },
	};
	struct aliases a;
	struct buf out;
	struct arena arena;

	arena_init(&arena);
	buf_init(&out, 4000);
	aliases_parse("f", slice_str(file), &a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct local local = { .kind = rows[i].local ? LOCAL_MBOX : LOCAL_NONE };
		struct message_options o = { .aliases = &a,
			.local = &local,
			.root_to = rows[i].root_to,
			.default_recipient = rows[i].other };
		TEST_ROW("%s", rows[i].given);
		strs_add(&local.domains, &arena, "host.test");
		CHECK_STR(expanded(rows[i].given, &o, rows[i].domain, &out), rows[i].want);
	}
	aliases_free(&a);
	buf_free(&out);
	arena_free(&arena);
}

TEST(programs_and_files_are_recipients_of_their_own)
{
	static const char file[] =
	    "u: \\u, \"|/bin/x -y\", |/bin/z, /tmp/f\nv: |/bin/z\n\"a b\": /x\n";
	struct message_options o = { .alias_programs = true, .alias_files = true };
	static const char *const foreign[] = { "u", "|u", "|u.00000000", "|u.0000", "u.1b4ac4c2",
		"|.12345678", "", "|x.12345678", "\"|u.\"" };
	const struct alias_entry *e, *found;
	struct aliases a;
	struct arena arena;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 4000);
	aliases_parse("f", slice_str(file), &a);
	o.aliases = &a;
	CHECK(strstr(expanded("u", &o, "m.test", &out), "belongs to root") != NULL);
	a.trusted = true;
	e = aliases_find(&a, "u");
	for (size_t i = 1; e != NULL && i < e->n; i++) {
		const char *name = aliases_value_name(e, &e->values[i], &arena);
		TEST_ROW("%s", name);
		CHECK(aliases_is_value_name(name));
		CHECK(aliases_find_value(&a, name, &found) == &e->values[i] && found == e);
		CHECK(strstr(expanded("U", &o, "m.test", &out), name) != NULL);
		/* the same value of another alias is another recipient */
		CHECK(strstr(expanded("v", &o, "m.test", &out), name) == NULL);
	}
	CHECK(strncmp(expanded("u", &o, "m.test", &out), "u@m.test |u.", 12) == 0);
	CHECK(strncmp(expanded("\"a b\"", &o, "m.test", &out), "\"|a b.", 6) == 0);
	o.alias_programs = false;
	CHECK(strstr(expanded("u", &o, "m.test", &out), "needs alias-programs") != NULL);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		TEST_ROW("%s", foreign[i]);
		CHECK(aliases_find_value(&a, foreign[i], &found) == NULL && found == NULL);
	}
	aliases_free(&a);
	buf_free(&out);
	arena_free(&arena);
}

TEST(included_files_count_only_when_they_are_allowed_and_the_file_is_trusted)
{
	struct message_options o = { 0 };
	struct scratch s;
	struct aliases a;
	struct buf out;
	char text[300];
	struct fail why;

	scratch_begin(&s);
	buf_init(&out, 4000);
	snprintf(text, sizeof(text), "list: :include:%s\n", scratch_path(&s, "members"));
	scratch_write(&s, "aliases", text, strlen(text));
	scratch_write(&s, "members", "# c\na@x.test, b\n\nlist\n", 23);
	CHECK_INT(aliases_load(scratch_path(&s, "aliases"), &a, &why), 0);
	CHECK_INT(a.trusted, getuid() == 0);
	a.trusted = true;
	o.aliases = &a;
	CHECK(strstr(expanded("list", &o, "m.test", &out), "alias-files") != NULL);
	o.alias_files = true;
	CHECK_STR(expanded("list", &o, "m.test", &out), "a@x.test b@m.test list@m.test");
	a.trusted = false;
	CHECK(strstr(expanded("list", &o, "m.test", &out), "belongs to root") != NULL);
	aliases_free(&a);
	/* writable by others */
	chmod(scratch_path(&s, "aliases"), 0664);
	CHECK_INT(aliases_load(scratch_path(&s, "aliases"), &a, &why), 0);
	CHECK(!a.trusted);
	aliases_free(&a);
	/* no file: no aliases; a folder: an error */
	CHECK_INT(aliases_load(scratch_path(&s, "none"), &a, &why), 0);
	CHECK(aliases_find(&a, "root") == NULL);
	aliases_free(&a);
	CHECK_INT(aliases_load(s.path, &a, &why), -1);
	CHECK_INT(why.code, FAIL_CONFIG);
	buf_free(&out);
	scratch_end(&s);
}

TEST(where_local_mail_goes_by_settings)
{
	static const struct {
		const char *text;
		int kind;
		const char *dir;
	} rows[] = {
		{ "mbox", LOCAL_MBOX, "/var/mail" },
		{ "mbox:/x", LOCAL_MBOX, "/x" },
		{ "maildir", LOCAL_MAILDIR, NULL },
		{ "maildir:/y", LOCAL_MAILDIR, "/y" },
		{ "lmtp:unix:/run/lmtp", LOCAL_LMTP, NULL },
		{ "lmtp:127.0.0.1:24", LOCAL_LMTP, NULL },
		{ "lmtp", -1, NULL },
		{ "lmtp:unix:x", -1, NULL },
		{ "mbox:x", -1, NULL },
		{ "box", -1, NULL },
	};
	struct arena arena;
	struct local local;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].text);
		int rc = local_parse(rows[i].text, &arena, &local, &why);
		CHECK_INT(rc, rows[i].kind < 0 ? -1 : 0);
		if (rc == 0) {
			CHECK_INT(local.kind, rows[i].kind);
			CHECK_STR(local.dir, rows[i].dir);
		}
	}
	strs_add(&local.domains, &arena, "host.test");
	CHECK(local_is_domain(&local, "HOST.test") && local_is_domain(NULL, "localhost"));
	CHECK(!local_is_domain(&local, "x.host.test") && !local_is_domain(NULL, "host.test"));
	arena_free(&arena);
}

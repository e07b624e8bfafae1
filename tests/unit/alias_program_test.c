#include "app/send/alias_program.h"

#include <stdio.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "test.h"

TEST(a_shell_only_where_the_command_needs_one)
{
	static const struct {
		const char *command, *words;
	} rows[] = {
		{ "/bin/x", "[/bin/x]" },
		{ "/bin/x  -y\tz=1@h.test ", "[/bin/x][-y][z=1@h.test]" },
		{ "x -y", "[/bin/sh][-c][x -y]" },
		{ "/bin/x; y", "[/bin/sh][-c][/bin/x; y]" },
		{ "/bin/x \"a b\"", "[/bin/sh][-c][/bin/x \"a b\"]" },
		{ "/bin/x $A", "[/bin/sh][-c][/bin/x $A]" },
		{ "/bin/x\ny", "[/bin/sh][-c][/bin/x\ny]" },
		{ "/bin/x \xc3\xa4", "[/bin/sh][-c][/bin/x \xc3\xa4]" },
		{ "/a b c d e f g h", "[/a][b][c][d][e][f][g][h]" },
	};
	struct arena arena;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char **argv = alias_program_argv(rows[i].command, &arena);
		TEST_ROW("%s", rows[i].command);
		buf_reset(&out);
		for (size_t k = 0; argv[k] != NULL; k++)
			buf_printf(&out, "[%s]", argv[k]);
		CHECK_STR(buf_str(&out), rows[i].words);
	}
	CHECK_STR(alias_program_safe("\"a b;$(c)`|&<>\\'\"+d_e@x-1.test", &arena),
	    "_a_b___c_________+d_e@x-1.test");
	buf_free(&out);
	arena_free(&arena);
}

TEST(what_the_end_of_a_program_means)
{
	static const struct {
		int status;
		const char *output;
		int rc;
		enum fail_code code;
		const char *enhanced, *text;
	} rows[] = {
		{ 0, "anything", 0, FAIL_NONE, "2.0.0", "" },
		{ 1 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.3.0", "c ended with status 1" },
		{ 64 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.5.4", "c ended with status 64" },
		{ 65 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.6.0", "c ended with status 65" },
		{ 67 << 8, "a\nno such user\n", -1, FAIL_NO_USER, "5.1.1",
		    "c ended with status 67: no such user" },
		{ 68 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.1.2", "c ended with status 68" },
		{ 71 << 8, "", -1, FAIL_PROGRAM, "4.3.0", "c ended with status 71" },
		{ 73 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.2.0", "c ended with status 73" },
		{ 74 << 8, "", -1, FAIL_PROGRAM, "4.3.0", "c ended with status 74" },
		{ 75 << 8, "later \r\n\n", -1, FAIL_PROGRAM, "4.3.0",
		    "c ended with status 75: later" },
		{ 76 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.5.0", "c ended with status 76" },
		{ 77 << 8, "\n", -1, FAIL_PROGRAM_REFUSED, "5.7.0", "c ended with status 77" },
		{ 78 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.3.5", "c ended with status 78" },
		{ 255 << 8, "", -1, FAIL_PROGRAM_REFUSED, "5.3.0", "c ended with status 255" },
		{ 126 << 8, "", -1, FAIL_PROGRAM, "4.3.0", "c cannot be executed" },
		{ 127 << 8, "sh: x: not found", -1, FAIL_PROGRAM, "4.3.0",
		    "c cannot be executed: sh: x: not found" },
		{ 9, "\x1b[31mred", -1, FAIL_PROGRAM, "4.3.0",
		    "c was ended by signal 9: ?[31mred" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fail why = { .code = FAIL_NONE };
		char enhanced[16];
		TEST_ROW("%d %s", rows[i].status, rows[i].output);
		CHECK_INT(alias_program_verdict(
			      "c", rows[i].status, slice_str(rows[i].output), enhanced, &why),
		    rows[i].rc);
		CHECK_INT(why.code, rows[i].code);
		CHECK_STR(why.text, rows[i].text);
		CHECK_STR(enhanced, rows[i].enhanced);
	}
}

TEST(the_lines_in_front_of_the_text)
{
	struct message m = { .sender = "a@x.test" }, null = { .sender = "" };
	struct alias_program p = { .recipient = "f@host.test", .message = &m };
	struct buf out;

	buf_init(&out, 1000);
	alias_program_head(&p, 1767225600, &out);
	CHECK_STR(buf_str(&out), "From a@x.test Thu Jan  1 00:00:00 2026\nReturn-Path: "
				 "<a@x.test>\nDelivered-To: f@host.test\n");
	p.message = &null;
	buf_reset(&out);
	alias_program_head(&p, 1767225600, &out);
	CHECK_STR(buf_str(&out), "From MAILER-DAEMON Thu Jan  1 00:00:00 2026\nReturn-Path: "
				 "<>\nDelivered-To: f@host.test\n");
	buf_free(&out);
}

#include "app/send/sendmail_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "test.h"

/* Words with single blanks; "''" is the empty word. */
static int
parse(const char *name, const char *line, struct arena *a, struct sendmail_args *args,
    struct fail *why)
{
	static char copy[512], *argv[40];
	int argc = 0;

	snprintf(copy, sizeof(copy), "prog %s", line);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	fail_clear(why);
	return sendmail_args_parse(name, argc, argv, a, args, why);
}

static const char *
join(const struct strs *list, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < list->n; i++)
		buf_printf(out, "%s%s", i > 0 ? " " : "", list->v[i]);
	return buf_str(out);
}

/* Everything that was understood, in short. */
static const char *
summary(const struct sendmail_args *g, struct buf *out)
{
	static const char modes[] = "mspivqVH", whens[] = "biq", errors[] = "mpeq";

	buf_reset(out);
	buf_printf(out, "%c%c%c%s%s%s%s%s", modes[g->mode], whens[g->when], errors[g->errors],
	    g->from_headers ? " t" : "", g->ignore_dots ? " i" : "", g->verbose ? " v" : "",
	    g->smtputf8 ? " utf8" : "", g->requiretls ? " rtls" : "");
	if (g->sender != NULL)
		buf_printf(out, " f=%s", g->sender);
	if (g->full_name != NULL)
		buf_printf(out, " F=%s", g->full_name);
	if (g->notify != 0)
		buf_printf(out, " N=%u", g->notify);
	if (g->ret != QUEUE_RET_NONE)
		buf_printf(out, " R=%d", g->ret);
	if (g->envid != NULL)
		buf_printf(out, " V=%s", g->envid);
	if (g->log_tag != NULL)
		buf_printf(out, " L=%s", g->log_tag);
	if (g->run_id != NULL)
		buf_printf(out, " qI=%s", g->run_id);
	if (g->run_recipient != NULL)
		buf_printf(out, " qR=%s", g->run_recipient);
	if (g->run_sender != NULL)
		buf_printf(out, " qS=%s", g->run_sender);
	return buf_str(out);
}

/* The callers of the reference (s1.1), each flag of s1.2 glued and separate. */
TEST(command_lines_of_real_callers_and_each_flag)
{
	static const struct {
		const char *name, *line, *understood, *operands, *ignored;
	} rows[] = {
		/* callers */
		{ "sendmail", "-FCronDaemon -i -odi -oem -oi -t -f root",
		    "mim t i f=root F=CronDaemon", "", "" },
		{ "sendmail", "-FCronDaemon -i -B8BITMIME -oem a@x,b@y", "mbm i F=CronDaemon",
		    "a@x,b@y", "" },
		{ "sendmail", "-i user", "mbm i", "user", "" },
		{ "sendmail", "-t", "mbm t", "", "" },
		{ "sendmail", "-oi -t", "mbm t i", "", "" },
		{ "sendmail", "-oi -f me@x to@y", "mbm i f=me@x", "to@y", "" },
		{ "sendmail", "-t -i -fme@x", "mbm t i f=me@x", "", "" },
		{ "sendmail", "-bs", "sbm", "", "" },
		{ "sendmail", "-bs -odb -oem", "sbm", "", "" },
		{ "sendmail", "-i -f me@x -- a@y -b@z", "mbm i f=me@x", "a@y -b@z", "" },
		{ "sendmail", "-oem -oi -B8BITMIME -f me -Nfailure,delay -Rhdrs -- a",
		    "mbm i f=me N=12 R=2", "a", "" },
		{ "sendmail", "-i -m -v -f me -F name -- a", "mbm i v f=me F=name", "a", "-m" },
		{ "sendmail", "-oi -f me -oAfile -oem -odb -t", "mbm t i f=me", "", "-oAfile" },
		{ "sendmail", "-oi -t -ODeliveryMode=b -OErrorMode=m", "mbm t i", "", "" },
		{ "sendmail", "-f <>", "mbm f=<>", "", "" },
		{ "sendmail", "-f '' a", "mbm f=", "a", "" },
		/* each letter, glued and separate, clusters */
		{ "sendmail", "-ti", "mbm t i", "", "" },
		{ "sendmail", "-it a", "mbm t i", "a", "" },
		{ "sendmail", "-itf me a", "mbm t i f=me", "a", "" },
		{ "sendmail", "-itfme a", "mbm t i f=me", "a", "" },
		{ "sendmail", "-r me -rb", "mbm f=b", "", "" },
		{ "sendmail", "-oitrue", "mbm i", "", "" },
		{ "sendmail", "-i -oifalse", "mbm", "", "" },
		{ "sendmail", "-o i", "mbm i", "", "" },
		{ "sendmail", "-F name -Fother", "mbm F=other", "", "" },
		{ "sendmail", "-bm a", "mbm", "a", "" },
		{ "sendmail", "-b p", "pbm", "", "" },
		{ "sendmail", "-bi", "ibm", "", "" },
		{ "sendmail", "-I", "ibm", "", "" },
		{ "sendmail", "-bv a b", "vbm", "a b", "" },
		{ "sendmail", "-bV", "Vbm", "", "" },
		{ "sendmail", "-d0.1", "Vbm", "", "" },
		{ "sendmail", "-d a", "mbm", "a", "-d" },
		{ "sendmail", "-d8.20 a", "mbm", "a", "-d8.20" },
		{ "sendmail", "--version", "Vbm", "", "" },
		{ "sendmail", "--help", "Hbm", "", "" },
		{ "sendmail", "-q", "qbm", "", "" },
		{ "sendmail", "-q a", "qbm", "a", "" },
		{ "sendmail", "-qf", "qbm", "", "" },
		{ "sendmail", "-q15m", "qbm", "", "-q15m" },
		{ "sendmail", "-qIabc -qRpart -qSme -v", "qbm v qI=abc qR=part qS=me", "", "" },
		{ "sendmail", "-odi", "mim", "", "" },
		{ "sendmail", "-odf", "mim", "", "" },
		{ "sendmail", "-od q", "mbm", "q", "-od" },
		{ "sendmail", "-odq", "mqm", "", "" },
		{ "sendmail", "-bq", "mqm", "", "" },
		{ "sendmail", "-oep", "mbp", "", "" },
		{ "sendmail", "-oee", "mbe", "", "" },
		{ "sendmail", "-oeq", "mbq", "", "" },
		{ "sendmail", "-oew", "mbm", "", "" },
		{ "sendmail", "-ep -em", "mbm", "", "" },
		{ "sendmail", "-e p", "mbp", "", "" },
		{ "sendmail", "-B 7BIT -B8BITMIME", "mbm", "", "" },
		{ "sendmail", "-BODD", "mbm", "", "-BODD" },
		{ "sendmail", "-N never", "mbm N=1", "", "" },
		{ "sendmail", "-N SUCCESS,failure,delay -R full -V id7", "mbm N=14 R=1 V=id7", "",
		    "" },
		{ "sendmail", "-O DeliveryMode=i -Odeliverymode=q", "mqm", "", "" },
		{ "sendmail", "-OREQUIRETLS=yes -O SMTPUTF8=yes", "mbm utf8 rtls", "", "" },
		{ "sendmail", "-OREQUIRETLS=yes -OREQUIRETLS=no", "mbm", "", "" },
		{ "sendmail", "-OQueueDirectory=/x -oQ/x", "mbm", "", "-OQueueDirectory=/x -oQ/x" },
		{ "sendmail", "-U -v", "mbm v utf8", "", "" },
		{ "sendmail", "-ov", "mbm v", "", "" },
		{ "sendmail", "-L tag -Lother", "mbm L=other", "", "" },
		{ "sendmail", "-X /tmp/x -C/etc/x -D x a", "mbm", "a", "-X/tmp/x -C/etc/x -Dx" },
		{ "sendmail",
		    "-Ac -Am -G -h 3 -h5 -m -n -o7 -o8 -om -oo -oMrSMTP -pESMTP -x -E -J a", "mbm",
		    "a", "-Ac -Am -G -h3 -h5 -m -n -o7 -o8 -om -oo -oMrSMTP -pESMTP -x -E -J" },
		{ "sendmail", "-zit a", "mbm t i", "a", "-z" },
		/* the first operand ends the options */
		{ "sendmail", "a -t", "mbm", "a -t", "" },
		{ "sendmail", "- -t", "mbm", "- -t", "" },
		{ "sendmail", "-t -- -i --help", "mbm t", "-i --help", "" },
		{ "sendmail", "a --help", "mbm", "a --help", "" },
		/* other names */
		{ "mailq", "", "pbm", "", "" },
		{ "mailq", "-v -Ac", "pbm v", "", "-Ac" },
		{ "newaliases", "", "ibm", "", "" },
		{ "runq", "-v", "qbm v", "", "" },
	};
	struct sendmail_args args;
	struct arena a;
	struct fail why;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s %s", rows[i].name, rows[i].line);
		CHECK_INT(parse(rows[i].name, rows[i].line, &a, &args, &why), 0);
		CHECK_STR(why.text, "");
		CHECK_STR(summary(&args, &out), rows[i].understood);
		CHECK_STR(join(&args.operands, &out), rows[i].operands);
		CHECK_STR(join(&args.ignored, &out), rows[i].ignored);
	}
	buf_free(&out);
	arena_free(&a);
}

TEST(what_is_refused)
{
	static const struct {
		const char *line;
		enum fail_code code;
		const char *part;
	} rows[] = {
		{ "--via x a", FAIL_USAGE, "--via" },
		{ "-t --config=/x", FAIL_USAGE, "--config=/x" },
		{ "-f", FAIL_USAGE, "-f needs a value" },
		{ "-bd -q1h", FAIL_LISTEN, "-bd" },
		{ "-bD", FAIL_LISTEN, "daemon" },
		{ "-bl", FAIL_LISTEN, "daemon" },
		{ "-bt", FAIL_USAGE, "-bt" },
		{ "-Nsometimes", FAIL_USAGE, "success" },
		{ "-Nnever,delay", FAIL_USAGE, "never" },
		{ "-N ''", FAIL_USAGE, "-N" },
		{ "-Rall", FAIL_USAGE, "full or hdrs" },
		{ "-V ''", FAIL_USAGE, "-V" },
	};
	struct sendmail_args args;
	struct arena a;
	struct fail why;

	arena_init(&a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(parse("sendmail", rows[i].line, &a, &args, &why), -1);
		CHECK_INT(why.code, rows[i].code);
		CHECK(strstr(why.text, rows[i].part) != NULL);
	}
	arena_free(&a);
}

TEST(names_by_which_it_is_called)
{
	static const struct {
		const char *argv0, *name;
		bool is;
	} rows[] = { { "/usr/sbin/sendmail", "sendmail", true }, { "mailq", "mailq", true },
		{ "./newaliases", "newaliases", true }, { "runq", "runq", true },
		{ "/usr/lib/sendmail/mxtls", "mxtls", false }, { "send-mail", "send-mail", true },
		{ "", "", false } };
	const char *name;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].argv0);
		CHECK_INT(sendmail_name(rows[i].argv0, &name), rows[i].is);
		CHECK_STR(name, rows[i].name);
	}
	CHECK(!sendmail_name(NULL, &name));
}

#include "base/conf.h"

#include <stdio.h>

#include "test.h"

struct options {
	bool quiet;
	const char *via, *config;
	struct strs resolvers;
	int64_t port;
};
#define ROW(kind, member, ...) OPT_ROW(kind, struct options, member, __VA_ARGS__)
static const struct opt send_table[] = {
	ROW(FLAG, quiet, "quiet", 'q', NULL, "x"),
	ROW(STR, via, "via", 0, "HOST", "x"),
	ROW(STR, config, "config", 0, "FILE", "x", .not_in_file = true),
	ROW(STRS, resolvers, "resolver", 0, "ADDRESS", "x"),
	ROW(INT, port, "port", 0, "N", "x", .min = 1, .max = 65535, .initial = "25"),
	OPT_TABLE_END,
};
static const struct opt queue_table[] = {
	ROW(STR, via, "loop", 0, "TIME", "x"),
	ROW(INT, port, "port", 0, "N", "x", .min = 1, .max = 65535),
	OPT_TABLE_END,
};
static const struct conf_command commands[] = { { "send", send_table }, { "queue", queue_table },
	{ NULL, NULL } };

static int
load(const char *text, const char *command, const void *given, struct arena *a, struct options *o,
    struct fail *why)
{
	struct conf conf;

	fail_clear(why);
	opt_init(send_table, o, sizeof(*o), a);
	if (conf_parse("f", slice_str(text), a, &conf, why) != 0)
		return -1;
	return conf_apply(&conf, commands, command, given, a, o, why);
}

TEST(settings_reach_their_command)
{
	struct options o, given;
	struct arena a;
	struct fail why;

	arena_init(&a);
	CHECK_INT(
	    load("# all\n\n  via =  [h]:587 \r\nquiet=yes\nresolver = 1\nresolver=2\nloop = 5m\n"
		 "[queue]\nport = 26\n[send]\nport = 27",
		"send", NULL, &a, &o, &why),
	    0);
	CHECK_STR(why.text, "");
	CHECK_STR(o.via, "[h]:587");
	CHECK(o.quiet);
	CHECK_INT(o.resolvers.n, 2);
	CHECK_INT(o.port, 27);
	CHECK_INT(load("via = \" a # b \"\nloop = 5m\n", "queue", NULL, &a, &o, &why), 0);
	CHECK_STR(o.via, "5m"); /* queue's own; send's via is not queue's */
	CHECK_INT(load("via = \" a # b \"", "send", NULL, &a, &o, &why), 0);
	CHECK_STR(o.via, " a # b ");
	/* the command line replaces lists */
	opt_init(send_table, &given, sizeof(given), &a);
	strs_add(&given.resolvers, &a, "9");
	CHECK_INT(load("resolver = 1\n", "send", &given, &a, &o, &why), 0);
	CHECK_INT(o.resolvers.n, 0);
	arena_free(&a);
}

TEST(mistakes_are_told_with_their_line)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "via", "f:1: expected name = value, [command] or # comment" },
		{ "\nviaa = x", "f:2: unknown setting \"viaa\", did you mean \"via\"?" },
		{ "xyz = x", "f:1: unknown setting \"xyz\"" },
		{ "config = x", "f:1: unknown setting \"config\"" },
		{ "[sned]\nvia = x", "f:2: unknown command [sned], did you mean [send]?" },
		{ "[send]\nloop = x", "f:2: unknown setting \"loop\"" },
		{ "[send\n", "f:1: expected [command]" },
		{ "via = a\nvia = b", "f:2: via is set twice, first in line 1" },
		{ "via =", "f:1: via: empty value: expected HOST" },
		{ "port = 0", "f:1: port: \"0\" is not a number from 1 to 65535" },
		{ "quiet = on", "f:1: quiet: \"on\" is neither \"yes\" nor \"no\"" },
		{ "via = \"x", "f:1: no closing quote" },
		{ "via = a\x01", "f:1: control character" },
	};
	struct options o;
	struct arena a;
	struct fail why;

	arena_init(&a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(load(rows[i].text, "send", NULL, &a, &o, &why), -1);
		CHECK_STR(why.text, rows[i].why);
		CHECK_INT(why.code, FAIL_CONFIG);
	}
	arena_free(&a);
}

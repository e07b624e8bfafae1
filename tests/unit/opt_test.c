#include "base/opt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

enum { OFF, ON, STRICT };
struct options {
	bool quiet, color;
	int verbose, level, family;
	const char *helo, *sender;
	struct strs keys;
	int64_t port, timeout_ms, max_size;
};

static const struct opt_word levels[] = { { "off", OFF }, { "on", ON }, { "none", OFF },
	{ "strict", STRICT }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct options, member, __VA_ARGS__)
static const struct opt table[] = {
	OPT_GROUP("General"),
	ROW(FLAG, quiet, "quiet", 'q', NULL, "print nothing"),
	ROW(FLAG, color, "color", 0, NULL, "use colours", .negatable = true, .initial = "yes"),
	ROW(COUNT, verbose, "verbose", 'v', NULL, "say more"),
	ROW(WORD, level, "level", 'l', "LEVEL", "how strict", .words = levels, .initial = "on"),
	ROW(SET, family, NULL, '4', NULL, "IPv4 only", .value = 4),
	OPT_GROUP("Values"),
	ROW(STR, helo, "helo", 0, "NAME",
	    "a name to greet with, and some more words that make this text too long for one line"),
	ROW(STR, sender, "from", 'f', "SENDER", "sender", .empty_ok = true),
	ROW(STRS, keys, "key", 'k', "FILE", "private key"),
	ROW(INT, port, "port", 'p', "N", "port", .min = 1, .max = 65535, .initial = "25"),
	ROW(DURATION, timeout_ms, "timeout", 't', "TIME", "wait at most", .min = 1, .max = 60000,
	    .initial = "30s"),
	ROW(SIZE, max_size, "max-size-of-anything", 0, "SIZE", "limit", .min = 1000),
	OPT_TABLE_END,
};

/* Parse a command line written as words with single blanks; "''" is the empty word. */
static int
parse(const char *line, enum opt_order order, struct arena *arena, struct options *o,
    struct strs *operands, struct fail *why)
{
	static char copy[256], *argv[32];
	int argc = 0;

	snprintf(copy, sizeof(copy), "prog %s", line);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	fail_clear(why);
	opt_init(table, o, sizeof(*o), arena);
	return opt_parse(table, order, argc, argv, arena, o, operands, why);
}

TEST(options_reach_their_members)
{
	struct options o;
	struct arena a;
	struct strs operands;
	struct fail why;

	arena_init(&a);
	CHECK_INT(parse("", OPT_ANYWHERE, &a, &o, &operands, &why), 0);
	CHECK_INT(o.port, 25);
	CHECK_INT(o.timeout_ms, 30000);
	CHECK_INT(o.level, ON);
	CHECK(o.color && !o.quiet && o.helo == NULL);
	CHECK_INT(operands.n, 0);
	CHECK(operands.v[0] == NULL);
	CHECK_INT(parse("-qvv4 --no-color --helo=mx.example -f '' -k a --key b -kc -p 587 "
			"--timeout 250ms --max-size-of-anything=25M -lstrict",
		      OPT_ANYWHERE, &a, &o, &operands, &why),
	    0);
	CHECK_STR(why.text, "");
	CHECK(o.quiet && !o.color);
	CHECK_INT(o.verbose, 2);
	CHECK_INT(o.family, 4);
	CHECK_INT(o.level, STRICT);
	CHECK_STR(o.helo, "mx.example");
	CHECK_STR(o.sender, "");
	CHECK_INT(o.keys.n, 3);
	CHECK_STR(o.keys.v[2], "c");
	CHECK_INT(o.port, 587);
	CHECK_INT(o.timeout_ms, 250);
	CHECK_INT(o.max_size, 25000000);
	CHECK_INT(parse("--level=none", OPT_ANYWHERE, &a, &o, &operands, &why), 0);
	CHECK_INT(o.level, OFF);
	CHECK_INT(parse("-p 1 -p 2", OPT_ANYWHERE, &a, &o, &operands, &why), 0);
	CHECK_INT(o.port, 2); /* the last one counts */
	arena_free(&a);
}

TEST(options_stand_anywhere_or_first)
{
	static const struct {
		const char *line;
		enum opt_order order;
		int result;
		const char *operands; /* joined by a comma */
		int quiet;
	} rows[] = {
		{ "a.example -q b.example", OPT_ANYWHERE, 0, "a.example,b.example", 1 },
		{ "a -- -q --quiet", OPT_ANYWHERE, 0, "a,-q,--quiet", 0 },
		{ "-q - x", OPT_ANYWHERE, 0, "-,x", 1 },
		{ "-q a -b@c", OPT_FIRST, 0, "a,-b@c", 1 },
		{ "-q a -q", OPT_FIRST, 0, "a,-q", 1 },
		{ "-- --quiet a", OPT_FIRST, 0, "--quiet,a", 0 },
		{ "a --quiet", OPT_FIRST, -1, "", 0 },
		{ "a --helo=x", OPT_FIRST, -1, "", 0 },
		{ "a --other", OPT_FIRST, 0, "a,--other", 0 },
		{ "-- a --quiet", OPT_FIRST, 0, "a,--quiet", 0 },
		{ "a --help", OPT_ANYWHERE, OPT_HELP, "", 0 },
		{ "a --help", OPT_FIRST, 0, "a,--help", 0 },
	};
	struct options o;
	struct arena a;
	struct strs operands;
	struct fail why;

	setenv("POSIXLY_CORRECT", "1", 1); /* must not change anything */
	arena_init(&a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char joined[128] = "";
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(
		    parse(rows[i].line, rows[i].order, &a, &o, &operands, &why), rows[i].result);
		if (rows[i].result != 0)
			continue;
		for (size_t k = 0; k < operands.n; k++) {
			strcat(joined, k > 0 ? "," : "");
			strcat(joined, operands.v[k]);
		}
		CHECK(operands.v[operands.n] == NULL);
		CHECK_STR(joined, rows[i].operands);
		CHECK_INT(o.quiet, rows[i].quiet);
	}
	unsetenv("POSIXLY_CORRECT");
	arena_free(&a);
}

TEST(wrong_options_are_named_with_what_was_expected)
{
	static const struct {
		const char *line, *error;
	} rows[] = {
		{ "--queit", "unknown option --queit, did you mean --quiet?" },
		{ "--hlep", "unknown option --hlep, did you mean --help?" },
		{ "--quie", "unknown option --quie, did you mean --quiet?" },
		{ "--max", "unknown option --max, did you mean --max-size-of-anything?" },
		{ "--tim=3s", "unknown option --tim, did you mean --timeout?" },
		{ "--xyzzy=1", "unknown option --xyzzy" },
		{ "--no-colour", "unknown option --no-colour, did you mean --no-color?" },
		{ "--no-quiet", "unknown option --no-quiet, did you mean --quiet?" },
		{ "--quie=1", "unknown option --quie, did you mean --quiet?" },
		{ "--no-col", "unknown option --no-col, did you mean --no-color?" },
		{ "-x", "unknown option -x" },
		{ "-qx", "unknown option -x" },
		{ "--quiet -xq", "unknown option -x" },
		{ "-helo", "unknown option -helo, did you mean --helo?" },
		{ "--quiet=1", "option --quiet takes no value" },
		{ "--no-color=1", "option --no-color takes no value" },
		{ "--port", "option --port needs a value: N" },
		{ "-vp", "option -p needs a value: N" },
		{ "--key=", "option --key: empty value: expected FILE" },
		{ "--helo ''", "option --helo: empty value: expected NAME" },
		{ "--port 0", "option --port: \"0\" is not a number from 1 to 65535" },
		{ "-p 65536", "option -p: \"65536\" is not a number from 1 to 65535" },
		{ "-p25x", "option -p: \"25x\" is not a number from 1 to 65535" },
		{ "-p -1", "option -p: \"-1\" is not a number from 1 to 65535" },
		{ "-p 99999999999999999999999",
		    "option -p: \"99999999999999999999999\" is not a number from 1 to 65535" },
		{ "--timeout soon", "option --timeout: \"soon\" is not a duration: expected a "
				    "number with ms, s, m, "
				    "h or d, such as 30s" },
		{ "--timeout 2m", "option --timeout: \"2m\" is not from 1 to 60000 ms" },
		{ "--timeout 0", "option --timeout: \"0\" is not from 1 to 60000 ms" },
		{ "--max-size-of-anything 10q",
		    "option --max-size-of-anything: \"10q\" is not a size: expected bytes, or a "
		    "number with k, M, G, Ki, Mi or Gi, such as 25M" },
		{ "--max-size-of-anything 10",
		    "option --max-size-of-anything: \"10\" is less than 1000 bytes" },
		{ "--level strikt",
		    "option --level: unknown value \"strikt\", did you mean \"strict\"? Expected "
		    "off, on or strict" },
		{ "-l maybe", "option -l: unknown value \"maybe\": expected off, on or strict" },
		{ "-\x01", "unknown option byte 0x01" },
		{ "--\x1b[31m", "unknown option --?[31m" },
	};
	struct options o;
	struct arena a;
	struct strs operands;
	struct fail why;

	arena_init(&a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(parse(rows[i].line, OPT_ANYWHERE, &a, &o, &operands, &why), -1);
		CHECK_INT(why.code, FAIL_USAGE);
		CHECK_STR(why.text, rows[i].error);
	}
	arena_free(&a);
}

TEST(rows_are_keys_of_a_file_too)
{
	struct options o;
	struct arena a;
	struct fail why;

	arena_init(&a);
	opt_init(table, &o, sizeof(o), &a);
	CHECK_INT(opt_set(opt_find(table, "quiet"), "yes", &a, &o, &why), 0);
	CHECK(o.quiet);
	CHECK_INT(opt_set(opt_find(table, "color"), "no", &a, &o, &why), 0);
	CHECK(!o.color);
	CHECK_INT(opt_set(opt_find(table, "color"), "1", &a, &o, &why), -1);
	CHECK_STR(why.text, "\"1\" is neither \"yes\" nor \"no\"");
	CHECK(opt_find(table, "colour") == NULL);
	CHECK_STR(opt_nearest(table, "colour"), "color");
	arena_free(&a);
}

TEST(help_is_aligned_and_wrapped_at_80_columns)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	opt_help(table, f);
	fclose(f);
	CHECK_STR(text,
	    "\nGeneral:\n"
	    "  -q, --quiet               print nothing\n"
	    "      --[no-]color          use colours (default: yes)\n"
	    "  -v, --verbose             say more\n"
	    "  -l, --level LEVEL         how strict: off, on or strict (default: on)\n"
	    "  -4                        IPv4 only\n"
	    "\nValues:\n"
	    "      --helo NAME           a name to greet with, and some more words that make\n"
	    "                            this text too long for one line\n"
	    "  -f, --from SENDER         sender\n"
	    "  -k, --key FILE            private key; may be repeated\n"
	    "  -p, --port N              port (default: 25)\n"
	    "  -t, --timeout TIME        wait at most (default: 30s)\n"
	    "      --max-size-of-anything SIZE\n"
	    "                            limit\n"
	    "      --help                print this text and exit\n");
	free(text);
}

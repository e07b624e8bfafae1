#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"

/* A configuration file, with an option of each kind: set, or an error that names file and line. */
struct options {
	bool quiet, colour;
	const char *via, *empty;
	struct strs resolvers;
	int64_t port, wait, size;
	int word;
};
#define ROW(kind, member, ...) OPT_ROW(kind, struct options, member, __VA_ARGS__)
static const struct opt_word words[] = { { "one", 1 }, { "two", 2 }, { NULL, 0 } };
static const struct opt send_table[] = {
	ROW(FLAG, quiet, "quiet", 'q', NULL, "x"),
	ROW(FLAG, colour, "colour", 0, NULL, "x", .negatable = true),
	ROW(STR, via, "via", 0, "HOST", "x"),
	ROW(STR, empty, "empty", 0, "X", "x", .empty_ok = true),
	ROW(STRS, resolvers, "resolver", 0, "ADDRESS", "x"),
	ROW(INT, port, "port", 0, "N", "x", .min = 1, .max = 65535, .initial = "25"),
	ROW(DURATION, wait, "wait", 0, "TIME", "x", .min = 1, .initial = "5m"),
	ROW(SIZE, size, "size", 0, "SIZE", "x", .min = 1, .max = 1000000000, .initial = "1M"),
	ROW(WORD, word, "word", 0, "WORD", "x", .words = words, .initial = "one"),
	OPT_TABLE_END,
};
static const struct opt queue_table[] = {
	ROW(STR, via, "loop", 0, "TIME", "x"),
	ROW(STR, empty, "secret", 0, "X", "x", .not_in_file = true),
	OPT_TABLE_END,
};
static const struct conf_command commands[] = { { "send", send_table }, { "queue", queue_table },
	{ NULL, NULL } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
apply(const struct conf *conf, const char *command, const struct opt *table, struct arena *arena)
{
	struct fail why = { .code = FAIL_NONE };
	struct options o;

	opt_init(table, &o, sizeof(o), arena);
	if (conf_apply(conf, commands, command, NULL, arena, &o, &why) == 0) {
		if (table == send_table && (o.port < 1 || o.port > 65535 || o.wait < 1 ||
					       o.size < 1 || o.size > 1000000000 || o.word < 1 ||
					       o.word > 2 || (o.via != NULL && o.via[0] == '\0')))
			abort();
	} else if (why.code != FAIL_CONFIG || strncmp(why.text, "f:", 2) != 0) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fail why = { .code = FAIL_NONE };
	struct arena arena;
	struct conf conf;

	arena_init(&arena);
	if (conf_parse("f", slice_make((const char *)data, size), &arena, &conf, &why) == 0) {
		for (size_t i = 0; i < conf.n; i++)
			if (conf.v[i].key == NULL || conf.v[i].value == NULL || conf.v[i].line == 0)
				abort();
		apply(&conf, "send", send_table, &arena);
		apply(&conf, "queue", queue_table, &arena);
	} else if (why.code != FAIL_CONFIG || strncmp(why.text, "f:", 2) != 0) {
		abort();
	}
	arena_free(&arena);
	return 0;
}

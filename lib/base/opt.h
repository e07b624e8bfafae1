#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/fail.h"

/*
 * Options as rows of a table, one table a subcommand. The rows feed getopt_long, --help, the
 * suggestions for mistyped names, the completions and the check of the manual pages; opt_find and
 * opt_set make them the keys of a configuration file too.
 *
 * A row says where its value goes: an offset into the subcommand's own struct, which opt_init
 * zeroes and fills with the rows' defaults. Strings point into argv, lists live in the arena.
 *
 * "--help" belongs to every table and has no row. Long names are never abbreviated: what a script
 * writes today must not become ambiguous with the next option.
 */
enum opt_type {
	OPT_END,      /* last row */
	OPT_HEADING,  /* text in --help above the rows that follow; see OPT_GROUP */
	OPT_FLAG,     /* bool, true; "yes" or "no" in a file. negatable: --no-NAME gives false */
	OPT_SET,      /* int, becomes .value: one word of an enumeration as an option of its own */
	OPT_COUNT,    /* int, one more each time */
	OPT_STR,      /* const char * */
	OPT_STRS,     /* struct strs, one more each time */
	OPT_INT,      /* int64_t from .min to .max */
	OPT_DURATION, /* int64_t ms; .min and .max in ms, max 0 = none */
	OPT_SIZE,     /* int64_t bytes; .min and .max in bytes, max 0 = none */
	OPT_WORD      /* int, one of .words */
};

/* Words of an enumeration; the list ends with word NULL. A word whose value an earlier one has is
 * an alias: understood, not shown. */
struct opt_word {
	const char *word;
	int value;
};

/* Whether words[i] is an alias. */
bool opt_word_is_alias(const struct opt_word *words, size_t i);

struct opt {
	const char *name; /* long name without dashes; NULL: only the letter */
	char letter;      /* 0: only the name */
	enum opt_type type;
	size_t offset;
	/* Value's name in --help; "FILE" and "DIR" are completed as such. NULL where none is taken. */
	const char *arg;
	const char *help; /* lower case, no full stop; the default and the words are added */
	int64_t min, max;
	const struct opt_word *words;
	int value;
	const char *initial; /* default, as it would be typed; NULL: zero */
	bool negatable;
	bool empty_ok;    /* STR and STRS: "" is a value */
	bool not_in_file; /* means nothing in a configuration file (base/conf.h) */
};

/*
 * Rows, with the member's type checked:
 *   OPT_ROW(STR, struct x, helo, "helo", 0, "NAME", "name to greet with", .initial = "mx.example")
 * is of kind OPT_STR and goes to member helo of struct x. A file defines its own ROW that names
 * its struct.
 */
#define OPT_ROW(kind, s, m, long_name, short_letter, arg_name, text, ...) \
	{ \
		.name = long_name, .letter = short_letter, .type = OPT_##kind, \
		.offset = OPT_MEMBER(s, m, OPT_C_##kind), .arg = arg_name, .help = text, \
		__VA_ARGS__ \
	}
#define OPT_GROUP(title) \
	{ \
		.type = OPT_HEADING, .help = title \
	}
#define OPT_TABLE_END \
	{ \
		.type = OPT_END \
	}
#define OPT_MEMBER(s, m, t) (offsetof(s, m) + 0 * sizeof(_Generic(&((s *)0)->m, t * : 0)))
#define OPT_C_FLAG bool
#define OPT_C_SET int
#define OPT_C_COUNT int
#define OPT_C_STR const char *
#define OPT_C_STRS struct strs
#define OPT_C_INT int64_t
#define OPT_C_DURATION int64_t
#define OPT_C_SIZE int64_t
#define OPT_C_WORD int

/*
 * Where options may stand. OPT_ANYWHERE: before and after operands, whatever POSIXLY_CORRECT says;
 * "--" ends them. OPT_FIRST: the first operand ends them, so that an operand that starts with a
 * dash never becomes an option: for commands that other programs call with addresses of
 * strangers (Postfix sendmail(1), SECURITY). An exact long option after the first operand is then
 * a mistake that is told, unless "--" stood before.
 */
enum opt_order { OPT_ANYWHERE, OPT_FIRST };

#define OPT_HELP 1 /* result of opt_parse: --help was given */

/* Zero the struct of size bytes and set the defaults. A default that does not parse aborts. */
void opt_init(const struct opt *table, void *options, size_t size, struct arena *arena);

/*
 * Parse argv[1] to argv[argc - 1] into options (after opt_init). The operands come in operands_r
 * in their order, ended by NULL, and live in arena. Returns 0, OPT_HELP, or -1 with why (USAGE):
 * the text names the option, the value and what was expected. Not re-entrant (getopt).
 */
int opt_parse(const struct opt *table, enum opt_order order, int argc, char **argv,
    struct arena *arena, void *options, struct strs *operands_r, struct fail *why);

/* The row with this long name, or NULL. */
const struct opt *opt_find(const struct opt *table, const char *name);

/*
 * Set one option from text; FLAG takes yes or no, SET and COUNT no text of their own. value must
 * live as long as options. Returns 0, or -1 with why (USAGE), whose text names the value and what
 * was expected, not the option: the caller prefixes where it stood.
 */
int opt_set(
    const struct opt *row, const char *value, struct arena *arena, void *options, struct fail *why);

/* The long name in the table that a mistyped or abbreviated one probably means, or NULL. */
const char *opt_nearest(const struct opt *table, const char *name);

/* Print the rows for --help, aligned and wrapped at 80 columns. */
void opt_help(const struct opt *table, FILE *out);

/*
 * Print text wrapped at 80 columns: the first line starts at column "at" (already written), the
 * following ones are indented by indent. Ends with a newline.
 */
void opt_wrap(FILE *out, const char *text, size_t at, size_t indent);

#endif

#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/arena.h"
#include "base/fail.h"
#include "base/opt.h"
#include "base/slice.h"

/*
 * A configuration file: the rows of an option table, one a line, as "name = value" with the long
 * name of the option and what would stand behind it on the command line; flags take yes or no.
 *
 *   # a comment
 *   via = [smtp.example.org]:587
 *   resolver = 192.0.2.53
 *   resolver = 192.0.2.54
 *   [queue]
 *   loop = 5m
 *
 * A value ends with its line; blanks around it do not belong to it, unless it stands in double
 * quotes. What stands above the first [command] is for every command that has such an option; what
 * stands below is for that command only. Options that may be repeated on the command line may be
 * repeated here; of any other, a second line is an error. Pure.
 */
struct conf_line {
	const char *section; /* NULL: for every command */
	const char *key, *value;
	unsigned line;
};

struct conf {
	const char *name; /* of the file, for error texts */
	struct conf_line *v;
	size_t n;
};

/* A command that may be named as a section, and its table; a list ends with name NULL. */
struct conf_command {
	const char *name;
	const struct opt *table;
};

/*
 * Take a file apart. name: kept, not copied. Strings live in arena. Fails with CONFIG: "name:line: what".
 */
int conf_parse(const char *name, struct slice text, struct arena *arena, struct conf *conf_r,
    struct fail *why);

/*
 * Set the options of one command from the file. Also looks at the lines of the other commands: a
 * name that no command knows is an error in every one of them.
 *
 * commands  all of them
 * command   the one whose options are filled; must be in commands
 * given     options as the command line alone sets them, or NULL: lists that are not empty there
 *           are left alone, since the command line replaces the file's
 * options   after opt_init; values point into conf
 * Fails with CONFIG: "name:line: what was expected".
 */
int conf_apply(const struct conf *conf, const struct conf_command *commands, const char *command,
    const void *given, struct arena *arena, void *options, struct fail *why);

#endif

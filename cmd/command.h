#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/opt.h"

/*
 * A subcommand is a constant: what it is called, what --help and the completions say, its option
 * table, and the function that does the work. commands[] in main.c lists them.
 */
struct command {
	const char *name;
	const char *summary; /* one line, for the list of commands */
	/* Lines after "Usage: ", each without "mxtls NAME"; ended by NULL. */
	const char *const *usage;
	const char *description; /* one paragraph of --help */
	const struct opt *opts;
	size_t options_size; /* of the struct that opts fills */
	enum opt_order order;
	const char *const *examples; /* command lines and what they do, in pairs; ended by NULL */
	/* Other words that may be the first operand (completion), ended by NULL; or NULL. */
	const char *const *operand_words;
	bool hidden; /* not in the list of commands */
	bool config; /* opts has a row "config": settings come from mxtls.conf, too */
	/* The exit status tells what was done to the world: output that cannot be written is only complained of. */
	bool status_stands;

	/*
	 * options: the struct, defaults and command line in it; operands: the rest. Returns the
	 * exit status. Results go to stdout by stdio: main checks at the end that they were
	 * written. Errors go to stderr by command_fail.
	 */
	int (*run)(const void *options, const struct strs *operands);
	/* Says in its own way that the command line is wrong, and returns the exit status; NULL: command_fail. */
	int (*parse_failed)(int argc, char **argv, const struct fail *why);
};

extern const struct command cmd_probe, cmd_report, cmd_send, cmd_queue, cmd_policy, cmd_listen,
    cmd_completion;
extern const struct command *const commands[]; /* in the order of the list, ended by NULL */

/* NULL when there is none. */
const struct command *command_find(const char *name);

/* "mxtls NAME: text" on stderr; returns the exit status of the failure (fail.def). */
int command_fail(const struct command *command, const struct fail *why);

/*
 * A usage error found by the command itself (operands, options that exclude each other): the
 * same line, and a hint to --help. Returns 64.
 */
int command_usage_error(const struct command *command, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The resolver that --resolver and --trust-ad ask for (none given: that of resolv.conf). Fails with USAGE, CONFIG.
 */
struct dns_resolver;
int command_resolver(const struct strs *servers, bool trust_ad, struct arena *arena,
    struct dns_resolver **resolver_r, struct fail *why);

/*
 * Defaults of the table, then what mxtls.conf says: the file at path, or where it belongs (NULL, and
 * there it may be missing). given: options as the command line alone sets them, or NULL. Fails with
 * CONFIG, NO_INPUT.
 */
int command_config(const struct command *command, const char *path, const void *given,
    struct arena *arena, void *options, struct fail *why);

/* Run a command as main does, with argv[0] its name. Returns the exit status. */
int command_run(const struct command *command, int argc, char **argv);

/* "mxtls X.Y.Z" and the TLS library, on stdout. */
int command_version(void);

/* --help of one command, and of mxtls itself. */
void command_help(const struct command *command, FILE *out);
void command_overview(FILE *out);

#endif

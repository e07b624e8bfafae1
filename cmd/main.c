#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "command.h"
#include "io/signals.h"
#include "send.h"
#include "tls/tls.h"

const struct command *const commands[] = { &cmd_probe, &cmd_report, &cmd_send, &cmd_queue,
	&cmd_policy, &cmd_listen, &cmd_completion, NULL };

static int
usage_error(const char *text)
{
	fprintf(stderr, "mxtls: %s\nTry 'mxtls --help'.\n", text);
	return EX_USAGE;
}

static int
unknown_command(const char *name)
{
	const char *candidates[16];
	char text[200];
	size_t n = 0;

	for (size_t i = 0; commands[i] != NULL; i++)
		if (!commands[i]->hidden)
			candidates[n++] = commands[i]->name;
	candidates[n++] = "help";
	const char *kind = name[0] == '-' ? "option" : "command";
	const char *near = NULL;
	if (name[0] != '-') {
		near = text_nearest(name, candidates, n);
	} else if (strncmp(name, "--", 2) == 0) {
		static const char *const options[] = { "--help", "--version" };
		near = text_nearest(name, options, 2);
	}
	if (near == NULL)
		snprintf(text, sizeof(text), "unknown %s '%.60s'", kind, name);
	else
		snprintf(
		    text, sizeof(text), "unknown %s '%.60s', did you mean '%s'?", kind, name, near);
	text_sanitize(text);
	return usage_error(text);
}

int
command_version(void)
{
	printf("mxtls %s\n%s\n", MXTLS_VERSION, tls_library_version());
	return EX_OK;
}

static int
help(int argc, char **argv)
{
	if (argc == 0) {
		command_overview(stdout);
		return EX_OK;
	}
	if (argc > 1)
		return usage_error("help takes one command");
	const struct command *command = command_find(argv[0]);
	if (command == NULL)
		return unknown_command(argv[0]);
	command_help(command, stdout);
	return EX_OK;
}

static bool status_stands; /* of the command that ran */

/*
 * Defaults, then mxtls.conf, then the command line: it is parsed twice, since --config stands in it,
 * and lists that it gives replace those of the file.
 */
static int
parse_options(const struct command *command, int argc, char **argv, struct arena *arena,
    void *options, struct strs *operands, struct fail *why)
{
	int rc;

	opt_init(command->opts, options, command->options_size, arena);
	rc = opt_parse(command->opts, command->order, argc, argv, arena, options, operands, why);
	if (rc != 0 || !command->config)
		return rc;

	const struct opt *row = opt_find(command->opts, "config");
	const char *path = *(const char *const *)(const void *)((char *)options + row->offset);
	void *given = arena_alloc(arena, command->options_size);
	memcpy(given, options, command->options_size);
	if (command_config(command, path, given, arena, options, why) != 0)
		return -1;
	return opt_parse(command->opts, command->order, argc, argv, arena, options, operands, why);
}

int
command_run(const struct command *command, int argc, char **argv)
{
	struct arena arena;
	struct strs operands;
	struct fail why;
	int status;

	arena_init(&arena);
	void *options = arena_alloc(&arena, command->options_size);
	switch (parse_options(command, argc, argv, &arena, options, &operands, &why)) {
	case 0:
		status_stands = command->status_stands;
		status = command->run(options, &operands);
		break;
	case OPT_HELP:
		command_help(command, stdout);
		status = EX_OK;
		break;
	default:
		status = command->parse_failed != NULL ? command->parse_failed(argc, argv, &why)
						       : command_fail(command, &why);
	}
	arena_free(&arena);
	return status;
}

static int
dispatch(int argc, char **argv)
{
	const char *name;

	if (argc > 0 && sendmail_name(argv[0], &name)) {
		status_stands = true;
		return sendmail_main(name, argc, argv);
	}
	if (argc < 2) {
		command_overview(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(0, NULL);
	if (strcmp(argv[1], "help") == 0)
		return help(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return command_version();
	const struct command *command = command_find(argv[1]);
	if (command == NULL)
		return unknown_command(argv[1]);
	return command_run(command, argc - 1, argv + 1);
}

/* Whether whoever read our output went away (head(1)): that is no error of ours. */
static bool
stdout_reader_is_gone(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLERR | POLLHUP)) != 0;
}

/*
 * Results that did not reach their file are not results, whatever the command thought; but mail that was
 * delivered is.
 */
static int
finish(int status)
{
	bool failed = ferror(stdout) != 0;

	errno = 0;
	if (fflush(stdout) != 0)
		failed = true;
	int error = errno;
	if (failed && (error == EPIPE || stdout_reader_is_gone()))
		return status;
	if (fclose(stdout) != 0) { /* where NFS and quotas say it */
		failed = true;
		error = errno;
	}
	if (!failed)
		return status;
	fprintf(stderr, "mxtls: cannot write to standard output%s%s\n", error != 0 ? ": " : "",
	    error != 0 ? strerror(error) : "");
	return status_stands ? status : EX_IOERR;
}

int
main(int argc, char **argv)
{
	signals_init();
	/* The program reads files and runs commands that its options name: never for another user
	 * than the one who calls (DECISIONS A1). */
	if (getuid() != geteuid() || getgid() != getegid()) {
		fprintf(stderr, "mxtls: must not be installed setuid or setgid\n");
		_exit(EX_NOPERM); /* nothing else is run with those rights */
	}
	/* or the keys of every session end up in a file that somebody else chose (A6) */
	unsetenv("SSLKEYLOGFILE");
	return finish(dispatch(argc, argv));
}

#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "command.h"

const struct command *
command_find(const char *name)
{
	for (size_t i = 0; commands[i] != NULL; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

int
command_fail(const struct command *command, const struct fail *why)
{
	fflush(stdout);
	fprintf(stderr, "mxtls %s: %s\n", command->name, why->text);
	if (why->code == FAIL_USAGE) /* by sendmail's name it is a program of its own */
		fprintf(stderr, "Try '%s%s --help'.\n", command->opts == NULL ? "" : "mxtls ",
		    command->name);
	return fail_info(why->code)->exit_status;
}

int
command_usage_error(const struct command *command, const char *fmt, ...)
{
	struct fail why = { .code = FAIL_USAGE };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why.text, sizeof(why.text), fmt, ap);
	va_end(ap);
	text_sanitize(why.text);
	return command_fail(command, &why);
}

void
command_help(const struct command *command, FILE *out)
{
	const char *lead = "Usage:";

	for (size_t i = 0; command->usage[i] != NULL; i++) {
		fprintf(out, "%s mxtls %s %s\n", lead, command->name, command->usage[i]);
		lead = "      ";
	}
	fputc('\n', out);
	opt_wrap(out, command->description, 0, 0);
	opt_help(command->opts, out);
	if (command->examples != NULL)
		fprintf(out, "\nExamples:\n");
	for (size_t i = 0; command->examples != NULL && command->examples[i] != NULL; i += 2) {
		fprintf(out, "  %s\n      ", command->examples[i]);
		opt_wrap(out, command->examples[i + 1], 6, 6);
	}
	fprintf(out, "\nThe manual page mxtls-%s(1) tells more.\n", command->name);
}

void
command_overview(FILE *out)
{
	fprintf(out, "Usage: mxtls COMMAND [OPTION]... [OPERAND]...\n"
		     "       mxtls --help | --version\n\n");
	opt_wrap(out,
	    "Find out how mail domains can be reached over TLS, deliver mail by a TLS policy, "
	    "receive mail with STARTTLS.",
	    0, 0);
	fprintf(out, "\nCommands:\n");
	for (size_t i = 0; commands[i] != NULL; i++) {
		if (commands[i]->hidden)
			continue;
		fprintf(out, "  %-10s", commands[i]->name);
		opt_wrap(out, commands[i]->summary, 12, 12);
	}
	fprintf(out,
	    "  %-10sprint the help of a command\n"
	    "\n'mxtls COMMAND --help' lists the options of a command; the manual is mxtls(1).\n",
	    "help");
}

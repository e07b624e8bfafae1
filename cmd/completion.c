#include <string.h>
#include <sysexits.h>

#include "command.h"

/*
 * Hidden command: print the completions for a shell, made from the option tables. "make
 * completions" writes them to completions/; a test checks that they are up to date.
 */

enum value { VALUE_NONE, VALUE_ANY, VALUE_FILE, VALUE_DIR, VALUE_WORDS };

/* What is to be completed after an option. */
static enum value
value_kind(const struct opt *row)
{
	if (row->type < OPT_STR)
		return VALUE_NONE;
	if (row->words != NULL)
		return VALUE_WORDS;
	if (strcmp(row->arg, "FILE") == 0)
		return VALUE_FILE;
	if (strcmp(row->arg, "DIR") == 0)
		return VALUE_DIR;
	return VALUE_ANY;
}

static void
print_words(const struct opt *row)
{
	for (size_t i = 0; row->words[i].word != NULL; i++)
		if (!opt_word_is_alias(row->words, i))
			printf("%s%s", i > 0 ? " " : "", row->words[i].word);
}

static void
print_list(const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++)
		printf("%s%s", i > 0 ? " " : "", words[i]);
}

static void
print_command_names(void)
{
	for (size_t i = 0; commands[i] != NULL; i++)
		if (!commands[i]->hidden)
			printf("%s ", commands[i]->name);
}

/* Text inside '...' of a shell; the characters of special get a backslash. */
static void
print_quoted(const char *text, const char *special)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			printf("'\\''");
			continue;
		}
		if (strchr(special, *text) != NULL)
			putchar('\\');
		putchar(*text);
	}
}

/* bash */

/* The pattern "command:--name|command:-n)" of the options whose values are of this kind. */
static void
bash_values(const struct command *c, enum value kind, const char *action)
{
	const char *sep = "    ";

	for (const struct opt *row = c->opts; row->type != OPT_END; row++) {
		if (value_kind(row) != kind)
			continue;
		if (row->name != NULL) {
			printf("%s%s:--%s", sep, c->name, row->name);
			sep = " | ";
		}
		if (row->letter != 0) {
			printf("%s%s:-%c", sep, c->name, row->letter);
			sep = " | ";
		}
		if (kind == VALUE_WORDS) {
			printf(") words=\"");
			print_words(row);
			printf("\" ;;\n");
			sep = "    ";
		}
	}
	if (kind != VALUE_WORDS && strcmp(sep, " | ") == 0)
		printf(") %s ;;\n", action);
}

static void
bash_options(const struct command *c)
{
	printf("        %s) words=\"", c->name);
	for (const struct opt *row = c->opts; row->type != OPT_END; row++) {
		if (row->name != NULL)
			printf("--%s ", row->name);
		if (row->name != NULL && row->negatable)
			printf("--no-%s ", row->name);
		if (row->letter != 0)
			printf("-%c ", row->letter);
	}
	printf("--help\" ;;\n");
}

static void
bash(void)
{
	printf(
	    "# Completion of mxtls for bash. Made by 'make completions' from the option tables.\n"
	    "_mxtls() {\n"
	    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	    "    local words='' files=''\n"
	    "    # --name=value comes as three words\n"
	    "    if [[ $cur == = ]]; then\n"
	    "        cur=''\n"
	    "    elif [[ $prev == = ]]; then\n"
	    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	    "    fi\n"
	    "    ((COMP_CWORD > 1)) || prev=''\n"
	    "    COMPREPLY=()\n"
	    "    case ${COMP_WORDS[1]}:$prev in\n"
	    "    *:) words=\"");
	print_command_names();
	printf("help --help --version\" ;;\n"
	       "    help:help) words=\"");
	print_command_names();
	printf("\" ;;\n");
	for (size_t i = 0; commands[i] != NULL; i++) {
		const struct command *c = commands[i];
		if (c->operand_words != NULL) {
			printf("    %s:%s) words=\"", c->name, c->name);
			print_list(c->operand_words);
			printf("\" ;;\n");
		}
		bash_values(c, VALUE_WORDS, NULL);
		bash_values(c, VALUE_FILE, "files=-f");
		bash_values(c, VALUE_DIR, "files=-d");
		bash_values(c, VALUE_ANY, "return");
	}
	printf("    *)\n"
	       "        case ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; commands[i] != NULL; i++)
		bash_options(commands[i]);
	printf("        esac\n"
	       "        ;;\n"
	       "    esac\n"
	       "    if [[ -n $files ]]; then\n"
	       "        compopt -o filenames 2>/dev/null\n"
	       "        mapfile -t COMPREPLY < <(compgen \"$files\" -- \"$cur\")\n"
	       "    elif [[ -n $words ]]; then\n"
	       "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "    fi\n"
	       "}\n"
	       "complete -F _mxtls mxtls\n");
}

/* zsh */

static void
zsh_value(const struct opt *row)
{
	enum value kind = value_kind(row);

	if (kind == VALUE_NONE)
		return;
	printf(":");
	print_quoted(row->arg, ":[]\\");
	switch (kind) {
	case VALUE_FILE:
		printf(":_files");
		break;
	case VALUE_DIR:
		printf(":_files -/");
		break;
	case VALUE_WORDS:
		printf(":(");
		print_words(row);
		printf(")");
		break;
	default:
		printf(": ");
	}
}

/* One spec of _arguments, for the long or the short form of an option. */
static void
zsh_spec(const struct opt *row, bool is_long, const char *negation)
{
	bool takes_value = value_kind(row) != VALUE_NONE;

	printf("            '");
	if (row->type == OPT_STRS || row->type == OPT_COUNT)
		printf("*");
	else if (row->name != NULL && row->letter != 0)
		printf("(-%c --%s)", row->letter, row->name);
	if (is_long)
		printf("--%s%s%s", negation, row->name, takes_value ? "=" : "");
	else
		printf("-%c%s", row->letter, takes_value ? "+" : "");
	printf("[");
	print_quoted(row->help, "[]\\");
	printf("]");
	zsh_value(row);
	printf("' \\\n");
}

static void
zsh_command(const struct command *c)
{
	printf("    %s)\n"
	       "        _arguments -s -S%s : \\\n",
	    c->name, c->order == OPT_FIRST ? " -A '-*'" : "");
	for (const struct opt *row = c->opts; row->type != OPT_END; row++) {
		if (row->type == OPT_HEADING)
			continue;
		if (row->letter != 0)
			zsh_spec(row, false, "");
		if (row->name != NULL)
			zsh_spec(row, true, "");
		if (row->name != NULL && row->negatable)
			zsh_spec(row, true, "no-");
	}
	printf("            '(- *)--help[print this text and exit]' \\\n"
	       "            '*:operand:");
	/* an empty list, not a bare message: with that zsh lists options but never inserts one */
	printf("(");
	if (c->operand_words != NULL)
		print_list(c->operand_words);
	else
		printf(" ");
	printf(")'\n        ;;\n");
}

static void
zsh(void)
{
	printf("#compdef mxtls\n"
	       "# Completion of mxtls for zsh. Made by 'make completions' from the option tables.\n"
	       "_mxtls() {\n"
	       "    local -a commands\n"
	       "    commands=(\n");
	for (size_t i = 0; commands[i] != NULL; i++) {
		if (commands[i]->hidden)
			continue;
		printf("        '%s:", commands[i]->name);
		print_quoted(commands[i]->summary, ":\\");
		printf("'\n");
	}
	printf("        'help:print the help of a command'\n"
	       "    )\n"
	       "    if ((CURRENT == 2)); then\n"
	       "        _describe -t commands 'mxtls command' commands\n"
	       "        _arguments '--help[print the list of commands]' '--version[print the "
	       "version]'\n"
	       "        return\n"
	       "    fi\n"
	       "    shift words\n"
	       "    ((CURRENT--))\n"
	       "    case $words[1] in\n"
	       "    help)\n"
	       "        ((CURRENT == 2)) && _describe -t commands 'mxtls command' commands\n"
	       "        ;;\n");
	for (size_t i = 0; commands[i] != NULL; i++)
		zsh_command(commands[i]);
	printf("    esac\n"
	       "}\n"
	       "_mxtls \"$@\"\n");
}

/* fish */

static void
fish_row(const struct command *c, const struct opt *row)
{
	printf("complete -c mxtls -n '__fish_seen_subcommand_from %s'", c->name);
	if (row->letter != 0)
		printf(" -s %c", row->letter);
	if (row->name != NULL)
		printf(" -l %s", row->name);
	switch (value_kind(row)) {
	case VALUE_NONE:
		break;
	case VALUE_ANY:
		printf(" -x");
		break;
	case VALUE_FILE:
		printf(" -r -F");
		break;
	case VALUE_DIR:
		printf(" -x -a '(__fish_complete_directories)'");
		break;
	case VALUE_WORDS:
		printf(" -x -a '");
		print_words(row);
		printf("'");
		break;
	}
	printf(" -d '");
	print_quoted(row->help, "\\");
	printf("'\n");
	if (row->name != NULL && row->negatable)
		printf("complete -c mxtls -n '__fish_seen_subcommand_from %s' -l no-%s\n", c->name,
		    row->name);
}

static void
fish(void)
{
	printf(
	    "# Completion of mxtls for fish. Made by 'make completions' from the option tables.\n"
	    "complete -c mxtls -f\n"
	    "complete -c mxtls -n __fish_use_subcommand -l help -d 'print the list of commands'\n"
	    "complete -c mxtls -n __fish_use_subcommand -l version -d 'print the version'\n"
	    "complete -c mxtls -n __fish_use_subcommand -a help -d 'print the help of a command'\n"
	    "complete -c mxtls -n '__fish_seen_subcommand_from help' -a '");
	print_command_names();
	printf("'\n");
	for (size_t i = 0; commands[i] != NULL; i++) {
		const struct command *c = commands[i];
		if (!c->hidden) {
			printf("complete -c mxtls -n __fish_use_subcommand -a %s -d '", c->name);
			print_quoted(c->summary, "\\");
			printf("'\n");
		}
		if (c->operand_words != NULL) {
			printf(
			    "complete -c mxtls -n '__fish_seen_subcommand_from %s' -a '", c->name);
			print_list(c->operand_words);
			printf("'\n");
		}
		for (const struct opt *row = c->opts; row->type != OPT_END; row++)
			if (row->type != OPT_HEADING)
				fish_row(c, row);
		printf("complete -c mxtls -n '__fish_seen_subcommand_from %s' -l help"
		       " -d 'print this text and exit'\n",
		    c->name);
	}
}

struct completion_options {
	bool unused;
};

static const struct opt completion_opts[] = { OPT_TABLE_END };
static const char *const usage[] = { "bash|zsh|fish", NULL };
static const char *const shells[] = { "bash", "zsh", "fish", NULL };

static int
completion_run(const void *options, const struct strs *operands)
{
	(void)options;
	const char *shell = operands->n == 1 ? operands->v[0] : "";

	if (strcmp(shell, "bash") == 0)
		bash();
	else if (strcmp(shell, "zsh") == 0)
		zsh();
	else if (strcmp(shell, "fish") == 0)
		fish();
	else
		return command_usage_error(&cmd_completion, "expected bash, zsh or fish");
	return EX_OK;
}

const struct command cmd_completion = {
	.name = "completion",
	.summary = "print the completions for a shell",
	.usage = usage,
	.description = "Print a file that makes a shell complete the options of mxtls.",
	.opts = completion_opts,
	.options_size = sizeof(struct completion_options),
	.order = OPT_ANYWHERE,
	.operand_words = shells,
	.hidden = true,
	.run = completion_run,
};

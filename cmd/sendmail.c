#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "send.h"

/*
 * The program by the names that other programs call: sendmail, mailq, newaliases, runq. Settings
 * come from mxtls.conf; the command line has only sendmail's letters (app/sendmail_args.h).
 */

/* For error texts: "mxtls sendmail: ...". */
static struct command self = { .name = "sendmail" };

static void
help(const char *name, FILE *out)
{
	fprintf(out,
	    "Usage: %s [OPTION]... [RECIPIENT]... < MESSAGE\n\n"
	    "This is mxtls by sendmail's name. Options:\n"
	    "  -t              recipients from To, Cc and Bcc, too\n"
	    "  -i, -oi         a line of one dot is text\n"
	    "  -f, -r SENDER   envelope sender\n"
	    "  -F NAME         name in the From field, where there is none\n"
	    "  -bs             SMTP on standard input and output\n"
	    "  -bp             list the queue, as mailq does\n"
	    "  -bi             check the aliases, as newaliases does\n"
	    "  -bv             say what would become of these addresses\n"
	    "  -q              run the queue, as runq does\n"
	    "  -odi -odb -odq  deliver now, in the background, from the queue\n"
	    "  -oem -oep -oee  failures: by mail, as text, by mail with status 0\n"
	    "  -N -R -V        notifications (RFC 3461)\n"
	    "  -v              show the SMTP dialogue\n"
	    "  --version, --help\n\n"
	    "Settings are in mxtls.conf(5). The manual page mxtls-send(1) tells more.\n",
	    name);
}

/* The letters on top of what the configuration says. */
static void
take_args(const struct sendmail_args *args, struct send_options *options)
{
	options->sendmail = true;
	options->quiet = true; /* callers take what we print for their own */
	options->from_headers |= args->from_headers;
	options->ignore_dots |= args->ignore_dots;
	options->verbose |= args->verbose;
	if (args->sender != NULL)
		options->sender = args->sender;
	if (args->full_name != NULL)
		options->full_name = args->full_name;
	options->when = args->when;
	options->errors = args->errors;
	options->errors_given = args->errors_given;
	options->notify = args->notify;
	options->ret = args->ret;
	options->envid = args->envid;
	options->smtputf8 |= args->smtputf8;
	options->requiretls |= args->requiretls;
}

static void
tell_ignored(const struct sendmail_args *args)
{
	for (size_t i = 0; i < args->ignored.n; i++)
		log_info("option %.100s ignored", args->ignored.v[i]);
}

/* "mxtls NAME word..." */
static int
other_command(const char *name, const char *word, const struct strs *more)
{
	const struct command *command = command_find(name);
	char *argv[4] = { (char *)(uintptr_t)name, (char *)(uintptr_t)word, NULL, NULL };

	(void)more;
	return command_run(command, 2, argv);
}

static int
list_queue(void)
{
	if (command_find("queue") == NULL) {
		printf("Mail queue is empty\n");
		return EX_OK;
	}
	return other_command("queue", "list", NULL);
}

static int
run_queue(void)
{
	return command_find("queue") == NULL ? EX_OK : other_command("queue", "run", NULL);
}

static int
act(const char *name, const struct sendmail_args *args, struct send_options *options)
{
	switch (args->mode) {
	case SENDMAIL_HELP:
		help(name, stdout);
		return EX_OK;
	case SENDMAIL_VERSION:
		return command_version();
	case SENDMAIL_LIST:
		return list_queue();
	case SENDMAIL_RUN:
		return run_queue();
	case SENDMAIL_ALIASES:
		return EX_OK;
	case SENDMAIL_VERIFY:
	case SENDMAIL_SMTP:
	case SENDMAIL_SEND:
		break;
	}
	return send_message(&self, options, &args->operands);
}

int
sendmail_main(const char *name, int argc, char **argv)
{
	struct send_options options;
	struct sendmail_args args;
	struct arena arena;
	struct fail why;
	int status;

	self.name = name;
	arena_init(&arena);
	if (sendmail_args_parse(name, argc, argv, &arena, &args, &why) != 0) {
		fprintf(stderr, "%s: %s\n", name, why.text);
		status = fail_info(why.code)->exit_status;
	} else if (command_config(&cmd_send, NULL, NULL, &arena, &options, &why) != 0) {
		fprintf(stderr, "%s: %s\n", name, why.text);
		status = fail_info(why.code)->exit_status;
	} else {
		/* what talks to people and programs is the exit status; the rest is for the log */
		log_level_set(LOG_LEVEL_ERROR);
		if (log_open(strcmp(options.log, "none") == 0 ? "syslog" : options.log,
			args.log_tag != NULL ? args.log_tag : name) != 0)
			log_error("log %s: %s", options.log, strerror(errno));
		take_args(&args, &options);
		tell_ignored(&args);
		status = act(name, &args, &options);
	}
	arena_free(&arena);
	return status;
}

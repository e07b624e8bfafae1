#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/queue/system.h"
#include "app/send/alias.h"
#include "base/log.h"
#include "send.h"

/*
 * The program by the names that other programs call: sendmail, mailq, newaliases, runq. Settings
 * come from mxtls.conf; the command line has only sendmail's letters (app/send/sendmail_args.h).
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

void
sendmail_take_args(const struct sendmail_args *args, struct send_options *options)
{
	options->sendmail = true;
	options->json = false;
	options->quiet = true; /* callers take what we print for their own */
	options->from_headers |= args->from_headers;
	options->ignore_dots |= args->ignore_dots;
	options->route.verbose |= args->verbose;
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

/* "mxtls queue ACTION [OPTION]... [ID]" */
static int
queue_command(const char *action, const struct sendmail_args *args)
{
	static char all[] = "--all", from[] = "--from", to[] = "--to", end[] = "--";
	char *argv[12] = { (char *)(uintptr_t) "queue", (char *)(uintptr_t)action };
	int argc = 2;

	/* who names a message wants it tried now */
	if (args->run_id != NULL || args->run_recipient != NULL || args->run_sender != NULL)
		argv[argc++] = all;
	if (args->run_sender != NULL) {
		argv[argc++] = from;
		argv[argc++] = (char *)(uintptr_t)args->run_sender;
	}
	if (args->run_recipient != NULL) {
		argv[argc++] = to;
		argv[argc++] = (char *)(uintptr_t)args->run_recipient;
	}
	argv[argc++] = end;
	if (args->run_id != NULL)
		argv[argc++] = (char *)(uintptr_t)args->run_id;
	return command_run(&cmd_queue, argc, argv);
}

/* newaliases: the file is read as it is; what is wrong in it is told. */
static int
check_aliases(const struct send_options *options)
{
	struct aliases aliases;
	struct fail why;

	if (aliases_load(options->route.aliases, &aliases, &why) != 0)
		return command_fail(&self, &why);
	for (size_t i = 0; i < aliases.errors_n; i++)
		fprintf(stderr, "%s:%u: %s\n", aliases.file, aliases.errors[i].line,
		    aliases.errors[i].why);
	int status = aliases.errors_n > 0 ? EX_DATAERR : EX_OK;
	aliases_free(&aliases);
	return status;
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
		return queue_command("list", args);
	case SENDMAIL_RUN:
		return queue_command("run", args);
	case SENDMAIL_ALIASES:
		return check_aliases(options);
	case SENDMAIL_VERIFY:
		if (system_mode()) { /* nothing is sent, and neither queue nor secrets are the caller's */
			options->no_queue = true;
			options->route.auth = NULL;
			options->route.dkim = (struct strs){ 0 };
		}
		return send_verify(&self, options, &args->operands);
	case SENDMAIL_SMTP:
		if (system_mode())
			return send_smtp_system(&self, options);
		return send_smtp(&self, options);
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

	/* mxtls-submit hands over to us: all is the system's, and what we send goes through it again */
	if (strcmp(name, "mxtls-submit") == 0) {
		system_mode_set();
		name = "sendmail";
	}
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
		sendmail_take_args(&args, &options);
		tell_ignored(&args);
		status = act(name, &args, &options);
	}
	arena_free(&arena);
	return status;
}

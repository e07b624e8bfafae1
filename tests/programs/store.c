/*
 * Deliver standard input, as tests of durability need it:
 *
 *   store maildir|queue DIR [-h HELPERS] [-r RECIPIENTS] [-n MESSAGES]
 *
 * Prints "250 ok" for each message that is durable, "452 why" or "451 why" for each that is not, by
 * one write(2) each. -r: that many copies, all or none, into DIR (maildir only). Exit status 0 when
 * all were stored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/queue/queuefile.h"
#include "app/store/maildir.h"
#include "base/clock.h"

static char text[1024 * 1024];
static size_t text_n;
static struct commit commit;
static struct maildir md;
static struct spool spool;

static int
deliver_maildir(size_t recipients, struct fail *why)
{
	struct maildir_file files[100], *list[100];
	size_t n = 0;

	for (; n < recipients; n++) {
		list[n] = &files[n];
		if (maildir_create(&files[n], &md, slice_str("Return-Path: <a@b>\r\n"), why) != 0)
			break;
		if (maildir_write(&files[n], slice_make(text, text_n), why) != 0) {
			maildir_abort(&files[n]);
			break;
		}
	}
	if (n == recipients)
		return maildir_commit(list, n, &commit, clock_deadline(20000), why);
	while (n > 0)
		maildir_abort(&files[--n]);
	return -1;
}

static int
deliver_queue(struct fail *why)
{
	struct queue_rcpt rcpt = { "a@b", 0, NULL };
	struct queue_envelope e = { .sender = "x@y", .rcpts = &rcpt, .rcpts_n = 1 };
	struct queue_writer w;

	if (queuefile_create(&w, &spool, &e, false, why) != 0)
		return -1;
	if (queuefile_write(&w, slice_make(text, text_n), why) != 0) {
		queuefile_abort(&w);
		return -1;
	}
	if (queuefile_commit(&w, &commit, clock_deadline(20000), why) != 0)
		return -1;
	queuefile_release(&w);
	return 0;
}

static void
say(const char *code, const char *what)
{
	char line[600];
	int n = snprintf(line, sizeof(line), "%s %s\n", code, what);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		exit(EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
	unsigned helpers = 0, recipients = 1, messages = 1;
	int option, status = 0;
	struct fail why;

	while ((option = getopt(argc, argv, "h:r:n:")) != -1) {
		unsigned value = (unsigned)strtoul(optarg, NULL, 10);
		if (option == 'h')
			helpers = value;
		else if (option == 'r' && value <= 100)
			recipients = value;
		else if (option == 'n')
			messages = value;
		else
			return 64;
	}
	if (argc - optind != 2)
		return 64;
	bool queue = strcmp(argv[optind], "queue") == 0;
	text_n = fread(text, 1, sizeof(text), stdin);
	if (commit_start(&commit, helpers, &why) != 0 ||
	    (queue ? spool_open(&spool, argv[optind + 1], &why)
		   : maildir_open(&md, argv[optind + 1], &why)) != 0) {
		say("421", why.text);
		return 1;
	}
	for (unsigned i = 0; i < messages; i++) {
		if ((queue ? deliver_queue(&why) : deliver_maildir(recipients, &why)) == 0) {
			say("250", "ok");
			continue;
		}
		say(why.code == FAIL_STORAGE_FULL ? "452" : "451", why.text);
		status = 1;
	}
	commit_stop(&commit, clock_deadline(5000));
	return status;
}

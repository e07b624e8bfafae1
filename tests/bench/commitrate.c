/*
 * The rate of durable deliveries into a maildir or the queue: FIBERS fibers in one process each deliver 5 KB, one after
 * the other, through HELPERS commit helpers, for SECONDS.
 *
 *   commitrate DIR FIBERS SECONDS HELPERS maildir|queue
 *
 * The parent of DIR must exist. Prints messages per second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/queue/queuefile.h"
#include "app/store/maildir.h"
#include "base/clock.h"
#include "io/sched.h"

#define BYTES 5120

static struct commit commit;
static struct maildir md;
static struct spool spool;
static int to_queue;
static int64_t end;
static long total, bad;

static const char text[BYTES] = { 'x' };

static int
deliver_queue(struct fail *why)
{
	struct queue_rcpt rcpt = { .address = "u@example.org" };
	struct queue_envelope e = { .sender = "a@example.org", .rcpts = &rcpt, .rcpts_n = 1 };
	struct queue_writer w;

	if (queuefile_create(&w, &spool, &e, false, why) != 0)
		return -1;
	if (queuefile_write(&w, slice_make(text, BYTES), why) != 0) {
		queuefile_abort(&w);
		return -1;
	}
	if (queuefile_commit(&w, &commit, DEADLINE_NEVER, why) != 0)
		return -1;
	queuefile_release(&w);
	return 0;
}

static int
deliver_maildir(struct fail *why)
{
	struct maildir_file f, *list = &f;

	if (maildir_create(&f, &md, slice_str(""), why) != 0)
		return -1;
	if (maildir_write(&f, slice_make(text, BYTES), why) == 0)
		return maildir_commit(&list, 1, &commit, DEADLINE_NEVER, why);
	maildir_abort(&f);
	return -1;
}

static void
sender(void *arg)
{
	struct fail why;

	(void)arg;
	while (clock_ms() < end) {
		if ((to_queue ? deliver_queue : deliver_maildir)(&why) == 0) {
			total++;
		} else if (bad++ == 0) {
			fprintf(stderr, "%s\n", why.text);
		}
	}
}

static void
start(void *arg)
{
	struct fail why;

	for (long i = *(long *)arg; i > 0; i--)
		if (fiber_spawn(sender, NULL, "sender", DEADLINE_NEVER, &why) != 0)
			exit(EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
	struct fail why;

	if (argc != 6)
		return 64;
	to_queue = strcmp(argv[5], "queue") == 0;
	long fibers = strtol(argv[2], NULL, 10), seconds = strtol(argv[3], NULL, 10);
	if (commit_start(&commit, (unsigned)strtoul(argv[4], NULL, 10), &why) != 0 ||
	    (to_queue ? spool_open(&spool, argv[1], &why) : maildir_open(&md, argv[1], &why)) !=
		0) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_FAILURE;
	}
	end = clock_ms() + seconds * 1000;
	sched_run(start, &fibers);
	commit_stop(&commit, clock_deadline(5000));
	printf("%ld\n", total / seconds);
	return bad != 0;
}

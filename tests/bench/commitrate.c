/*
 * The rate of durable maildir deliveries: FIBERS fibers in one process each deliver 5 KB, one after
 * the other, through HELPERS commit helpers, for SECONDS.
 *
 *   commitrate DIR FIBERS SECONDS HELPERS
 *
 * The parent of DIR must exist. Prints messages per second.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/store/maildir.h"
#include "base/clock.h"
#include "io/sched.h"

#define BYTES 5120

static struct commit commit;
static struct maildir md;
static int64_t end;
static long total, bad;

static int
deliver(struct fail *why)
{
	static const char text[BYTES] = { 'x' };
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
		if (deliver(&why) == 0) {
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

	if (argc != 5)
		return 64;
	long fibers = strtol(argv[2], NULL, 10), seconds = strtol(argv[3], NULL, 10);
	if (commit_start(&commit, (unsigned)strtoul(argv[4], NULL, 10), &why) != 0 ||
	    maildir_open(&md, argv[1], &why) != 0) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_FAILURE;
	}
	end = clock_ms() + seconds * 1000;
	sched_run(start, &fibers);
	commit_stop(&commit, clock_deadline(5000));
	printf("%ld\n", total / seconds);
	return bad != 0;
}

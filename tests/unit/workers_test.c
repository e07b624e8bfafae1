#include "io/workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/child.h"
#include "io/io.h"
#include "io/signals.h"
#include "test.h"

#define WAIT_MS 20000

/* A supervisor in a child; its workers tell by a pipe: "number pid generation\n". */
struct rig {
	struct workers workers;
	struct child supervisor;
	int told[2];
	int generation;
	bool reload_fails, dies_at_once;
	bool stays; /* at work until it is to hurry */
};

static int
work(void *arg, unsigned number)
{
	const struct rig *rig = arg;
	char line[64];
	int n =
	    snprintf(line, sizeof(line), "%u %ld %d\n", number, (long)getpid(), rig->generation);

	if (write(rig->told[1], line, (size_t)n) != n)
		return 1;
	if (rig->dies_at_once)
		return 3;
	signals_catch(SIGTERM);
	signals_catch(WORKERS_RETIRE);
	signals_catch(WORKERS_HURRY);
	/* tells each signal but the one that ends it */
	for (int signo; (signo = signals_wait(clock_deadline(WAIT_MS * 3), NULL)) > 0;) {
		if (signo == (rig->stays ? WORKERS_HURRY : SIGTERM) ||
		    (signo == WORKERS_RETIRE && !rig->stays))
			break;
		n = snprintf(line, sizeof(line), "%u %d 0\n", number, signo);
		if (write(rig->told[1], line, (size_t)n) != n)
			return 1;
	}
	return 0;
}

static int
reload(void *arg, struct fail *why)
{
	struct rig *rig = arg;

	if (rig->reload_fails)
		return fail_set(why, FAIL_OS, "on purpose");
	rig->generation++;
	return 0;
}

static int
supervise(void *arg)
{
	struct rig *rig = arg;
	struct fail why;

	log_open("none", "workers");
	return workers_run(&rig->workers, &why) == 0 ? 0 : 1;
}

static void
rig_start(struct rig *rig, unsigned n)
{
	struct fail why = { 0 };

	CHECK_INT(pipe(rig->told), 0);
	rig->workers.n = n;
	rig->workers.name = "worker";
	rig->workers.work = work;
	rig->workers.reload = reload;
	rig->workers.arg = rig;
	rig->workers.retire_ms = rig->workers.drain_ms = WAIT_MS;
	rig->workers.keep_fds[0] = rig->told[1];
	rig->workers.keep_n = 1;
	CHECK_INT(child_fork(&rig->supervisor, supervise, rig, &rig->told[1], 1, &why), 0);
	close(rig->told[1]);
}

/* The next line of a worker; false when there is none in time. */
static bool
next(struct rig *rig, unsigned *number_r, long *pid_r, int *generation_r, int64_t wait_ms)
{
	char line[64];
	size_t n = 0;

	while (n < sizeof(line) - 1 &&
	       io_wait(rig->told[0], IO_READ, clock_deadline(wait_ms), NULL) == 0 &&
	       read(rig->told[0], line + n, 1) == 1)
		if (line[n++] == '\n') {
			line[n] = '\0';
			return sscanf(line, "%u %ld %d", number_r, pid_r, generation_r) == 3;
		}
	return false;
}

static int
rig_stop(struct rig *rig)
{
	int status = -1;

	child_kill(&rig->supervisor, SIGTERM);
	CHECK_INT(child_wait(&rig->supervisor, &status, clock_deadline(WAIT_MS), NULL), 0);
	close(rig->told[0]);
	return status;
}

TEST(a_worker_that_dies_is_replaced_and_the_others_stay)
{
	struct rig rig = { .generation = 1 };
	unsigned number, dead;
	long first, pid;
	int generation;

	rig_start(&rig, 2);
	CHECK(next(&rig, &dead, &first, &generation, WAIT_MS));
	CHECK(next(&rig, &number, &pid, &generation, WAIT_MS));
	CHECK(number != dead);
	CHECK_INT(kill((pid_t)first, SIGKILL), 0);
	CHECK(next(&rig, &number, &pid, &generation, WAIT_MS));
	CHECK_INT(number, dead);
	CHECK(pid != first);
	CHECK_INT(rig_stop(&rig), 0);
	CHECK(kill((pid_t)pid, 0) != 0);
}

TEST(hup_starts_new_workers_and_ends_the_old)
{
	struct rig rig = { .generation = 1 };
	unsigned number;
	long old, pid;
	int generation;

	rig_start(&rig, 1);
	CHECK(next(&rig, &number, &old, &generation, WAIT_MS));
	CHECK_INT(generation, 1);
	kill(rig.supervisor.pid, SIGHUP);
	CHECK(next(&rig, &number, &pid, &generation, WAIT_MS));
	CHECK_INT(generation, 2);
	int64_t deadline = clock_deadline(WAIT_MS);
	while (kill((pid_t)old, 0) == 0 && clock_ms() < deadline)
		usleep(10000);
	CHECK(kill((pid_t)old, 0) != 0);
	CHECK_INT(rig_stop(&rig), 0);
}

TEST(old_workers_retire_and_a_second_signal_makes_those_at_work_hurry)
{
	struct rig rig = { .generation = 1, .stays = true };
	unsigned number;
	long old, pid, signo;
	int generation, status;

	rig_start(&rig, 1);
	CHECK(next(&rig, &number, &old, &generation, WAIT_MS));
	kill(rig.supervisor.pid, SIGHUP);
	long got[2] = { 0 };
	for (size_t i = 0; i < 2; i++) {
		CHECK(next(&rig, &number, &pid, &generation, WAIT_MS));
		got[generation == 0] = pid;
	}
	CHECK_INT(got[1], WORKERS_RETIRE);
	child_kill(&rig.supervisor, SIGTERM);
	for (size_t i = 0; i < 2; i++) {
		CHECK(next(&rig, &number, &signo, &generation, WAIT_MS));
		CHECK_INT(signo, SIGTERM);
	}
	CHECK(child_wait(&rig.supervisor, &status, clock_deadline(300), NULL) != 0);
	CHECK_INT(kill((pid_t)old, 0), 0);
	CHECK_INT(rig_stop(&rig), 0);
	CHECK(kill((pid_t)old, 0) != 0);
	CHECK(kill((pid_t)got[0], 0) != 0);
}

TEST(a_reload_that_fails_changes_nothing)
{
	struct rig rig = { .generation = 1, .reload_fails = true };
	unsigned number;
	long pid, other;
	int generation;

	rig_start(&rig, 1);
	CHECK(next(&rig, &number, &pid, &generation, WAIT_MS));
	kill(rig.supervisor.pid, SIGHUP);
	CHECK(!next(&rig, &number, &other, &generation, 300));
	CHECK_INT(kill((pid_t)pid, 0), 0);
	CHECK_INT(rig_stop(&rig), 0);
}

TEST(workers_that_die_young_are_replaced_slower_and_slower)
{
	struct rig rig = { .dies_at_once = true };
	unsigned number, n = 0;
	long pid;
	int generation;

	rig_start(&rig, 1);
	/* at once, then after 0.1, 0.2, 0.4, 0.8 s: the sixth needs 1.5 s at least */
	int64_t begun = clock_ms();
	while (n < 6 && next(&rig, &number, &pid, &generation, WAIT_MS))
		n++;
	CHECK_INT(n, 6);
	CHECK(clock_ms() - begun >= 1400);
	CHECK_INT(rig_stop(&rig), 0);
}

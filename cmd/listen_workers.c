#include "listen_workers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/listen/inbound_tell.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/sched.h"
#include "io/workers.h"

#define TICK_MS 10000
#define FOLDERS 5

struct supervisor {
	struct listen_workers *lw;
	struct workers workers;
	struct arena arena;
	const char *dirs[FOLDERS];
	int store_fds[STORE_FDS];
	struct sandbox sandbox;
	int tell[2]; /* workers tell of messages that were taken */
	struct buf heard;
	bool stopped; /* there were as many messages as were wanted */
};

/* --- what a worker still needs -------------------------------------------------------------------- */

static void
add_dir(struct supervisor *s, const char *dir)
{
	if (dir != NULL && dir[0] != '\0' && access(dir, F_OK) == 0 && s->sandbox.dirs_n < FOLDERS)
		s->dirs[s->sandbox.dirs_n++] = dir;
}

/* Folders that are open already, but not the queue's FIFO. */
static size_t
folder_fds(const struct store *store, int out[STORE_FDS])
{
	size_t n = store_fds(store, out);

	return store->kind == STORE_QUEUE && n > 0 ? n - 1 : n;
}

static void
plan_sandbox(struct supervisor *s)
{
	const struct store *store = &s->lw->receiver->store;

	s->sandbox.dirs = s->dirs;
	s->sandbox.dir_fds_n = folder_fds(store, s->store_fds);
	s->sandbox.dir_fds = s->store_fds;
	s->sandbox.programs = store->kind == STORE_COMMAND;
	s->sandbox.sockets = store->kind == STORE_LMTP;
	/* a mailbox is written by a child that may be stopped; without fibers each session is a process */
	s->sandbox.processes = store->kind == STORE_MBOX || !sched_wants_fibers();
	if (store->kind == STORE_MBOX) {
		char *folder = file_folder(store->dir);
		add_dir(s, arena_strdup(&s->arena, folder));
		free(folder);
	}
	if (store->kind == STORE_MBOX || store->kind == STORE_LMTP) {
		add_dir(s, secure_getenv("TMPDIR"));
		add_dir(s, "/tmp");
		add_dir(s, "/var/tmp");
	}
}

/* --- in a worker ---------------------------------------------------------------------------------- */

/* First what helpers get, too; then they are made; then this process loses the right to fork. */
static int
enter(struct supervisor *s, bool tell_lacks, struct fail *why)
{
	struct sandbox first = s->sandbox;
	struct sandbox_lacks lacks;

	if (s->lw->user != NULL && user_become(s->lw->user, NULL, why) != 0)
		return -1;
	workers_follow();
	log_prepare();
	first.processes = true;
	if (sandbox_enter(&first, &lacks, why) != 0)
		return -1;
	for (size_t i = 0; tell_lacks && i < lacks.n; i++)
		log_warn("workers are less confined than they could be: %s", lacks.text[i]);
	if (s->lw->begin(s->lw->arg, why) != 0)
		return -1;
	if (s->sandbox.processes || s->sandbox.programs)
		return 0;
	if (s->lw->receiver->store.commit != NULL)
		s->lw->receiver->store.commit->restart = false;
	return sandbox_enter(&s->sandbox, &lacks, why);
}

/* A helper that died cannot be replaced in here: another worker takes over. */
static void
worker_look(void *arg, enum listener_look what)
{
	const struct supervisor *s = arg;
	const struct commit *commit = s->lw->receiver->store.commit;

	(void)what;
	for (unsigned i = 0; commit != NULL && !commit->restart && i < commit->n; i++)
		if (commit->helpers[i].dead) {
			log_error("a helper that writes messages died: this worker finishes");
			raise(SIGTERM);
			return;
		}
}

static int
worker(void *arg, unsigned number)
{
	struct supervisor *s = arg;
	struct fail why;

	s->lw->receiver->stats = NULL;
	s->lw->receiver->tell_fd = s->tell[1];
	s->lw->listener->supervised = true;
	/* keys and counts are the supervisor's */
	s->lw->listener->look = worker_look;
	s->lw->listener->look_ctx = s;
	if (enter(s, number == 0, &why) != 0) {
		log_error("worker %u: %s", number, why.text);
		return EX_OSERR;
	}
	return s->lw->serve(s->lw->arg);
}

/* --- in the supervisor ---------------------------------------------------------------------------- */

static void
hear(void *arg)
{
	struct supervisor *s = arg;

	inbound_hear(s->tell[0], &s->heard, s->lw->stats);
	uint64_t most = s->lw->receiver->stop_after;
	if (most > 0 && !s->stopped && s->lw->stats->total.messages >= most) {
		s->stopped = true;
		raise(SIGTERM);
	}
}

static void
ended(void *arg, pid_t pid)
{
	const struct supervisor *s = arg;

	listen_caps_forget(s->lw->listener->caps, pid);
}

static int
reload(void *arg, struct fail *why)
{
	const struct supervisor *s = arg;

	if (log_reopen() != 0)
		log_error("SIGHUP: cannot open the log again: %s", strerror(errno));
	else
		log_info("SIGHUP: the log is open again");
	return s->lw->reload(s->lw->arg, true, why) < 0 ? -1 : 0;
}

static bool
tick(void *arg)
{
	struct supervisor *s = arg;
	struct fail why;

	hear(s);
	s->lw->status(s->lw->arg, false);
	int found = s->lw->reload(s->lw->arg, false, &why);
	if (found < 0)
		log_error("%s", why.text);
	return found > 0;
}

/* No connection waits here for workers that take none any more. */
static void
stopping(void *arg)
{
	const struct supervisor *s = arg;
	struct listener *l = s->lw->listener;

	for (size_t i = 0; i < l->n; i++)
		close(l->at[i].fd);
	l->n = 0;
}

static void
status(void *arg)
{
	const struct supervisor *s = arg;

	hear(arg);
	s->lw->status(s->lw->arg, true);
}

static void
keep(struct workers *w, int fd)
{
	if (fd >= 0 && w->keep_n < WORKERS_KEEP_MAX)
		w->keep_fds[w->keep_n++] = fd;
}

int
listen_workers_run(struct listen_workers *lw, struct fail *why)
{
	struct supervisor *s = mem_alloc(sizeof(*s));
	int fds[STORE_FDS];

	s->lw = lw;
	arena_init(&s->arena);
	buf_init(&s->heard, INBOUND_HEAR_BYTES);
	if (pipe2(s->tell, O_CLOEXEC | O_NONBLOCK) != 0) {
		free(s);
		return fail_errno(why, FAIL_OS, "pipe");
	}
	plan_sandbox(s);
	s->workers = (struct workers){ .n = lw->n,
		.name = "worker",
		.work = worker,
		.reload = reload,
		.ended = ended,
		.stopping = stopping,
		.readable = hear,
		.read_fd = s->tell[0],
		.status = status,
		.tick = tick,
		.tick_ms = TICK_MS,
		.arg = s,
		.retire_ms = lw->listener->drain_ms,
		/* their own patience first */
		.drain_ms = lw->listener->drain_ms + 10000 };
	for (size_t i = 0; i < lw->listener->n; i++)
		keep(&s->workers, lw->listener->at[i].fd);
	size_t n = store_fds(&lw->receiver->store, fds);
	for (size_t i = 0; i < n; i++)
		keep(&s->workers, fds[i]);
	keep(&s->workers, s->tell[1]);
	int ret = workers_run(&s->workers, why);
	close(s->tell[0]);
	close(s->tell[1]);
	buf_free(&s->heard);
	arena_free(&s->arena);
	free(s);
	return ret;
}

static void
tell_trial(void *ctx, const char *what, bool held, const char *lack)
{
	(void)ctx;
	printf("%-8s %s%s%s\n", held ? "ok" : "MISSING", what, lack == NULL ? "" : ": ",
	    lack == NULL ? "" : lack);
}

int
listen_workers_check(struct listen_workers *lw, struct fail *why)
{
	struct supervisor *s = mem_alloc(sizeof(*s));

	s->lw = lw;
	arena_init(&s->arena);
	plan_sandbox(s);
	int missing = sandbox_check(&s->sandbox, lw->user, tell_trial, NULL, why);
	arena_free(&s->arena);
	free(s);
	return missing < 0 ? EX_OSERR : missing > 0 ? EX_UNAVAILABLE : EX_OK;
}

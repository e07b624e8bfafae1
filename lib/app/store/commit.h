#ifndef APP_STORE_COMMIT_H
#define APP_STORE_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/list.h"
#include "base/slice.h"
#include "io/child.h"
#include "io/gate.h"

/*
 * Making written files durable under their final names: "yes" may be said after commit_files()
 * returned 0, never before. fsync, rename and the directory's fsync block for milliseconds, so
 * helper processes do them (DECISIONS F45): a fiber sends the descriptors over a SOCK_SEQPACKET
 * pair and waits; a helper takes up to COMMIT_BATCH requests that wait there, syncs each file,
 * gives each its name, syncs each directory once and answers all (group commit). Without helpers
 * the same work is done in the calling process, which then blocks: for --stdio, for children with
 * one message, and without fibers. A helper syncs the files of its group one after the other, several
 * helpers do so at once: the more of them, the more files share one commit of the file system's
 * journal. With as many as there are messages at a time a fast disk is used as by that many processes.
 *
 * Order (DECISIONS F42): every file of a request is synced before the first gets its name. What an
 * fsync reports is final: the pages are lost, the file is unlinked, nothing is synced twice.
 */
#define COMMIT_HELPERS_MAX 16
#define COMMIT_BATCH 16       /* requests that share one directory sync */
#define COMMIT_OUTSTANDING 32 /* requests at one helper: the next batch waits there already */
#define COMMIT_DATA_BYTES (1024 * 1024)

/*
 * One file. Either it is written completely under a temporary name, and fd is the descriptor it was
 * written by (errors of earlier writes are reported to it); or fd is -1 and data is its content:
 * then whoever does the work creates it as well. Small messages are better handed over as data:
 * creating a file while others are synced takes about half a millisecond, in which an event loop
 * would stand still. Descriptors, names and data stay the caller's and must not change during
 * commit_files(). Names are of one path component, at most NAME_MAX bytes.
 */
struct commit_file {
	int fd;
	struct slice data; /* fd -1: at most COMMIT_DATA_BYTES */
	int tmp_dirfd;
	const char *tmp_name;
	int dst_dirfd; /* of the same file system */
	const char *dst_name;

	/* used by commit_files() */
	int from;         /* descriptor of the data on its way to a helper; -1: none */
	int made;         /* the file made of the data; -1: none */
	int64_t stamp_ns; /* its modification time, by which it is known again */
};

struct commit_helper {
	struct child child;
	int fd;               /* our end, non-blocking; -1 when dead and cleaned up */
	bool dead;            /* its end is closed */
	bool reading;         /* a fiber reads answers for all */
	unsigned users;       /* calls that may still use fd */
	unsigned outstanding; /* requests not answered */
	struct list pending;  /* of requests, oldest first */
	int64_t started_ms;
};

/* A set of helpers. Owned by one process; many fibers of it may call commit_files() at once. */
struct commit {
	struct commit_helper helpers[COMMIT_HELPERS_MAX];
	unsigned n;
	bool restart; /* fork another helper for one that died; false where fork is forbidden */
	struct gate gate;
	uint64_t next_id;
};

/*
 * Fork n (0 to COMMIT_HELPERS_MAX) helpers; n 0: no helpers, work is done in the calling process.
 * Before the event loop starts and before a sandbox. A helper ends when our end closes. c must not
 * move afterwards. Fails with OS; then none is left.
 */
int commit_start(struct commit *c, unsigned n, struct fail *why);

/*
 * Close our ends and wait for the helpers, which finish what they have; after the deadline they
 * are killed. Nobody may be inside commit_files().
 */
void commit_stop(struct commit *c, int64_t deadline);

/*
 * Make n files durable, all or none. c NULL: without helpers. Returns 0 when all of them are
 * synced, named and their directories synced. On -1 none is left under either name, as far as the
 * disk obeys; a reader that was quicker than the failure may have seen one, and a helper that was
 * killed may leave a part of one under its temporary name. A name that exists is never replaced.
 *
 * deadline: for the wait for a helper; work in the calling process takes what it takes. Out of
 * time and cancelled count as failures: the files are taken back.
 * Fails with STORAGE (also when a helper died; errnum EEXIST when a name is taken), STORAGE_FULL,
 * TIMEOUT, CANCELLED.
 */
int commit_files(
    struct commit *c, struct commit_file *files, size_t n, int64_t deadline, struct fail *why);

#endif

#ifndef APP_STORE_COMMIT_WIRE_H
#define APP_STORE_COMMIT_WIRE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/store/commit.h"
#include "base/buf.h"
#include "base/slice.h"

/*
 * Private to commit*.c: the work itself, and what client and helper say to each other. One packet
 * is one request: a head, then per file three indexes into the packet's descriptors (SCM_RIGHTS)
 * and two names. Several answers share a packet. Both ends are one program: host byte order.
 */

/* Steps of a request. More files than fit in a packet are synced by several requests, then named. */
#define COMMIT_SYNC 1
#define COMMIT_NAME 2

/* Three descriptors a file at most; the kernel takes 253 a packet (SCM_MAX_FD). */
#define COMMIT_PACKET_FILES 80
#define COMMIT_PACKET_FDS (3 * COMMIT_PACKET_FILES)
#define COMMIT_PACKET_BYTES (16 + COMMIT_PACKET_FILES * (24 + 2 * NAME_MAX))

struct commit_answer {
	uint64_t id;
	int32_t code; /* enum fail_code; NONE: durable */
	int32_t errnum;
	char text[224];
};

/* A request as the work sees it. */
struct commit_request {
	uint64_t id;
	unsigned steps;
	struct commit_file *files;
	size_t n;
	size_t named; /* files[0..named) have their final names */
	struct fail why;
};

/* A request as it came to a helper. Large: on the heap. */
struct commit_packet {
	struct commit_request req;
	int fds[COMMIT_PACKET_FDS];
	size_t fds_n;
	struct commit_file storage[COMMIT_PACKET_FILES];
	char names[COMMIT_PACKET_FILES * 2 * (NAME_MAX + 1)];
};

/* Do n requests as one group; each one's why tells the outcome (NONE: done). */
void commit_batch(struct commit_request *const *requests, size_t n);

/*
 * Take files back: unlink the temporary names, then the final ones, where they are still the same
 * files. In this order a helper that is at work meanwhile either has named a file, which is seen,
 * or finds nothing to name. For files made of data commit_revoke comes first.
 */
void commit_undo(const struct commit_file *files, size_t n);

/*
 * Data travels in a memory file, one byte longer than it is. Emptied, it tells a helper that has
 * not yet named the file that nobody wants it any more.
 */
int commit_data_open(struct commit_file *f, struct fail *why);
void commit_revoke(const struct commit_file *files, size_t n);
bool commit_revoked(const struct commit_file *f);

/* Compose a packet; fds_r (COMMIT_PACKET_FDS) are the distinct descriptors. -1: a name is bad. */
int commit_packet_format(struct buf *out, uint64_t id, unsigned steps,
    const struct commit_file *files, size_t n, int *fds_r, size_t *fds_n_r);

/*
 * Parse a packet that came with fds_n descriptors in fds; req, its files and their names
 * point into p. False when anything is out of bounds or a name is not one path component. Pure.
 */
bool commit_packet_parse(struct slice packet, struct commit_packet *p);

/* The helper's main: serve the socket until the other end closes. Returns its exit status. */
int commit_helper_main(void *socket_fd);

#endif

#ifndef APP_LISTEN_INBOUND_TELL_H
#define APP_LISTEN_INBOUND_TELL_H

#include "app/listen/inbound_stats.h"

/*
 * Counts of several workers in one place: each tells its supervisor by a pipe of the messages that it
 * took, a line of JSON each, short enough for write(2) to keep it in one piece.
 */

/* In the worker; waits while the pipe is full. Other events than accepted messages are passed over. */
void inbound_tell(int fd, const struct inbound_facts *facts);

/* In the supervisor: what waits in the pipe (non-blocking) is counted. rest keeps a line that is not complete. */
void inbound_hear(int fd, struct buf *rest, struct inbound_stats *stats);
#define INBOUND_HEAR_BYTES 65536 /* the most that rest may hold */

#endif

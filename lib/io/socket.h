#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include "io/addr.h"
#include "io/io.h"

/*
 * Non-blocking, close-on-exec sockets. Nothing here resolves names.
 */

/*
 * Connect a TCP socket. source NULL: chosen by the system. Returns the descriptor or -1.
 * Fails with CONNECT_REFUSED, CONNECT_TIMEOUT, CONNECT_UNREACHABLE, CANCELLED, OS; the text names the address.
 */
int socket_connect(
    const struct addr *to, const struct addr *source, int64_t deadline, struct fail *why);

/* The same to a Unix socket by its path. Fails also with USAGE (path too long). */
int socket_connect_unix(const char *path, int64_t deadline, struct fail *why);

/* Bind and listen; *bound_r (may be NULL) is the address with the port that was got. Fails with LISTEN, PERMISSION. */
int socket_listen(const struct addr *at, int backlog, struct addr *bound_r, struct fail *why);

/* The address that connections to this one would come from; sends nothing. False without a route. */
bool socket_source(const struct addr *to, struct addr *source_r);

/* The other end of a connected TCP socket; false for anything else. */
bool socket_peer(int fd, struct addr *peer_r);

/* Accept one connection: descriptor or -1. Fails with TIMEOUT, CANCELLED, OS (errnum EMFILE, ENFILE, ...). */
int socket_accept(int listen_fd, struct addr *peer_r, int64_t deadline, struct fail *why);

/* Read up to n bytes: > 0, 0 at the end of the stream, -1. Fails with TIMEOUT, CANCELLED, IO. */
ssize_t socket_read(int fd, void *data, size_t n, int64_t deadline, struct fail *why);
/* Write all n bytes: 0 or -1. Fails with TIMEOUT, CANCELLED, EOF (EPIPE, ECONNRESET), IO. */
int socket_write(int fd, const void *data, size_t n, int64_t deadline, struct fail *why);

/*
 * Close a server's connection whose input may be unread: shutdown(SHUT_WR), read and discard up to 2 s or
 * 64 KiB, close. Otherwise the RST eats our last reply (DESIGN 8).
 */
void socket_close_lingering(int fd);

int socket_nonblocking(int fd, struct fail *why);

/* Raise the soft limit of open descriptors to the hard one; returns what it is then. */
unsigned socket_descriptor_limit(void);

#endif

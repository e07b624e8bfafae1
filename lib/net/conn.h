#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "io/addr.h"
#include "tls/tls.h"

/*
 * One byte stream to a peer, plain or TLS, with the one line reader. What a conn is never
 * changes: the switch to TLS (smtp/starttls.h) takes the descriptor out of a plain conn that has no
 * unread byte, frees it, and makes a new one, so no byte can cross.
 *
 * The conn owns its descriptors and TLS session. Slices it returns point into its buffer and are
 * valid until the next read.
 */
struct conn;

/* A plain conn over one descriptor for both directions, or two (stdin and stdout). Takes ownership. */
struct conn *conn_plain(int fd);
struct conn *conn_plain_pair(int in_fd, int out_fd);
/* A TLS conn over a completed handshake; takes both. */
struct conn *conn_tls(int fd, struct tls *tls);

/* Close (close_notify if the socket takes it, never waits) and free. NULL is allowed. */
void conn_close(struct conn *conn);
/* Close without close_notify. */
void conn_drop(struct conn *conn);
/* A server's close: the last reply survives unread input (socket_close_lingering). */
void conn_close_lingering(struct conn *conn, int64_t deadline);

bool conn_is_tls(const struct conn *conn);
struct tls *conn_tls_session(struct conn *conn); /* NULL when plain */

/*
 * One line of at most max bytes, its end included; *line_r has no CRLF. strict (servers): only CRLF ends
 * a line, and a bare CR, a bare LF or a NUL anywhere is REPLY_SYNTAX. Not strict (clients, reading replies): LF
 * ends a line, one CR before it is dropped, every other byte is kept.
 * Fails with TIMEOUT, CANCELLED, EOF, LINE_TOO_LONG, REPLY_SYNTAX, IO, TLS_IO, TLS_TRUNCATED.
 */
int conn_read_line(struct conn *conn, size_t max, bool strict, struct slice *line_r,
    int64_t deadline, struct fail *why);

/* Whatever comes, at least one byte: *data_r. For message data. Fails as above. conn_unread gives bytes back. */
int conn_read(struct conn *conn, struct slice *data_r, int64_t deadline, struct fail *why);
/* The last n bytes of the slice conn_read returned were not consumed. */
void conn_unread(struct conn *conn, size_t n);
/* True when bytes were read from the peer and not consumed, or wait decrypted inside TLS. */
bool conn_has_unread(const struct conn *conn);
/* True when the next conn_read_line has its line already. */
bool conn_has_line(const struct conn *conn);
/*
 * The same, having looked into the socket; never waits. What goes wrong there is left to the next read.
 */
bool conn_poll_line(struct conn *conn);
/* How many bytes wait: read and not consumed, and in the socket right now; inside TLS of whole records. Never waits. */
size_t conn_input_bytes(const struct conn *conn);
/* Wait until a plain conn's next byte is there and tell it without consuming: 0-255, or -1. Sockets only. */
int conn_peek(struct conn *conn, int64_t deadline, struct fail *why);

/* Queue bytes; written by conn_flush, or as soon as 16 KiB are queued. Fails with TIMEOUT, CANCELLED, EOF, IO, TLS_IO. */
int conn_write(struct conn *conn, const void *data, size_t n, int64_t deadline, struct fail *why);
int conn_flush(struct conn *conn, int64_t deadline, struct fail *why);

/*
 * Take the descriptor out of a plain conn over one descriptor and free the conn: the descriptor, or -1 (INTERNAL)
 * while bytes are unread or unwritten; then the conn is unchanged. For smtp/starttls.c only.
 */
int conn_detach(struct conn *conn, struct fail *why);
/* True for a plain conn over one socket: what a switch to TLS needs. */
bool conn_can_detach(const struct conn *conn);

/* Called with each line read ('S' or 'C' by the caller's side) and written, for transcripts; may be NULL. */
typedef void conn_trace_fn(void *ctx, bool sent, struct slice data);
void conn_set_trace(struct conn *conn, conn_trace_fn *fn, void *ctx);

#endif

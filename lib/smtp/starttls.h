#ifndef SMTP_STARTTLS_H
#define SMTP_STARTTLS_H

#include <stdint.h>

#include "net/conn.h"

/*
 * The STARTTLS switch (RFC 3207), both sides, with one rule: no byte and no fact crosses it. The plain
 * stream is replaced, never turned: its conn is freed while it holds no unread byte, and a new one
 * is made with new buffers. After the 220 nothing is ever written in clear again: whatever fails
 * from there on, *conn_inout is NULL and the connection is closed.
 *
 * Forgetting the facts (EHLO on both sides, the sender and recipients of a server) is done by the callers in
 * smtp/client.c and smtp/server.c, at the one place where each calls this.
 */

/*
 * The client's half, called when the complete 220 reply was read.
 *
 * conn_inout          the plain conn; replaced by the TLS one on success, NULL on failure
 * server_name         SNI or NULL
 * post_220_bytes_r    bytes that came in clear behind the 220 reply: not 0 is response injection
 * failed_tls_r        after TLS_HANDSHAKE, TIMEOUT, EOF: the session, for tls_gather; the caller frees it. Else NULL
 * Fails with RESPONSE_INJECTION (no ClientHello was sent), TLS_HANDSHAKE, TLS_CONFIG, TIMEOUT, EOF, CANCELLED.
 */
int starttls_client(struct conn **conn_inout, struct tls_ctx *ctx, const char *server_name,
    enum key_type keys, size_t *post_220_bytes_r, struct tls **failed_tls_r, int64_t deadline,
    struct fail *why);

/*
 * The client's half up to the switch, for a hello of our own (tls/hello.h): the same checks, and the
 * conn is gone. The descriptor is the caller's; nothing but a TLS handshake may be written to it.
 * Returns the descriptor, or -1 with the connection closed. Fails with RESPONSE_INJECTION, INTERNAL.
 */
int starttls_client_raw(struct conn **conn_inout, size_t *post_220_bytes_r, struct fail *why);

/*
 * The server's half, called when STARTTLS was read and before anything is answered. Bytes that
 * wait behind the command are command injection (CVE-2011-0411): answered 554, no 220. Otherwise
 * writes the 220; the next byte must be a TLS record of type handshake (0x16).
 * Fails with EARLY_DATA, TLS_HANDSHAKE, TLS_CONFIG, TIMEOUT, EOF, CANCELLED, IO.
 */
int
starttls_server(struct conn **conn_inout, struct tls_ctx *ctx, int64_t deadline, struct fail *why);

#define STARTTLS_READY "220 2.0.0 Ready to start TLS\r\n"

/*
 * The server's half where TLS comes first (RFC 8314 s3), or where the 220 is out: the same, without command and reply.
 * cut_bytes: a fault on purpose ends the connection after so many; STARTTLS_UNCUT: none.
 */
#define STARTTLS_UNCUT SIZE_MAX
int starttls_server_implicit(struct conn **conn_inout, struct tls_ctx *ctx, size_t cut_bytes,
    int64_t deadline, struct fail *why);

#endif

#include "smtp/starttls.h"

#include <string.h>
#include <unistd.h>

#include "io/socket.h"

#define TLS_RECORD_HANDSHAKE 0x16 /* RFC 8446 s5.1 */

/* Leave the plain stream for ever. Returns the descriptor, or -1 with everything closed. */
static int
leave_plain(struct conn **conn_inout, struct fail *why)
{
	int fd = conn_detach(*conn_inout, why);

	if (fd < 0)
		conn_close(*conn_inout);
	*conn_inout = NULL;
	return fd;
}

int
starttls_client_raw(struct conn **conn_inout, size_t *post_220_bytes_r, struct fail *why)
{
	/* what waits now was sent in clear, before our ClientHello: CVE-2021-38371 and its family */
	*post_220_bytes_r = conn_input_bytes(*conn_inout);
	if (*post_220_bytes_r > 0) {
		conn_close(*conn_inout);
		*conn_inout = NULL;
		return fail_set(why, FAIL_RESPONSE_INJECTION,
		    "%zu bytes in clear behind the reply to STARTTLS", *post_220_bytes_r);
	}
	return leave_plain(conn_inout, why);
}

int
starttls_client(struct conn **conn_inout, struct tls_ctx *ctx, const char *server_name,
    enum key_type keys, size_t *post_220_bytes_r, struct tls **failed_tls_r, int64_t deadline,
    struct fail *why)
{
	*failed_tls_r = NULL;
	int fd = starttls_client_raw(conn_inout, post_220_bytes_r, why);
	if (fd < 0)
		return -1;
	struct tls *tls = tls_client(ctx, fd, server_name, keys, why);
	if (tls != NULL && tls_handshake(tls, deadline, why) == 0) {
		*conn_inout = conn_tls(fd, tls);
		return 0;
	}
	/* the failed session still knows what it saw; its descriptor is not used any more */
	*failed_tls_r = tls;
	close(fd);
	return -1;
}

/* Answer in clear, which only happens before the 220, and close. */
static int
refuse(struct conn **conn_inout, int64_t deadline, struct fail *why)
{
	static const char text[] = "554 5.5.0 Data after STARTTLS\r\n";

	if (conn_write(*conn_inout, text, strlen(text), deadline, NULL) == 0)
		conn_close_lingering(*conn_inout, deadline);
	else
		conn_close(*conn_inout);
	*conn_inout = NULL;
	return fail_set(why, FAIL_EARLY_DATA, "data in clear behind STARTTLS");
}

int
starttls_server(struct conn **conn_inout, struct tls_ctx *ctx, int64_t deadline, struct fail *why)
{
	static const char ready[] = STARTTLS_READY;

	if (conn_input_bytes(*conn_inout) > 0)
		return refuse(conn_inout, deadline, why);
	if (conn_write(*conn_inout, ready, strlen(ready), deadline, why) != 0 ||
	    conn_flush(*conn_inout, deadline, why) != 0) {
		conn_close(*conn_inout);
		*conn_inout = NULL;
		return -1;
	}
	return starttls_server_implicit(conn_inout, ctx, STARTTLS_UNCUT, deadline, why);
}

int
starttls_server_implicit(struct conn **conn_inout, struct tls_ctx *ctx, size_t cut_bytes,
    int64_t deadline, struct fail *why)
{
	int first = conn_peek(*conn_inout, deadline, why);
	if (first >= 0 && first != TLS_RECORD_HANDSHAKE)
		fail_set(why, FAIL_EARLY_DATA,
		    "byte 0x%02x in clear where a TLS handshake must begin", first);
	if (first != TLS_RECORD_HANDSHAKE) {
		conn_close(*conn_inout);
		*conn_inout = NULL;
		return -1;
	}
	int fd = leave_plain(conn_inout, why);
	if (fd < 0)
		return -1;
	struct tls *tls = tls_server(ctx, fd, why);
	if (tls != NULL && cut_bytes != STARTTLS_UNCUT)
		tls_cut_after(tls, cut_bytes);
	if (tls != NULL && tls_handshake(tls, deadline, why) == 0) {
		*conn_inout = conn_tls(fd, tls);
		return 0;
	}
	/* RFC 3207 s4.1: nothing more is said in clear; but the alert that was sent has to arrive */
	tls_free(tls);
	socket_close_lingering(fd);
	return -1;
}

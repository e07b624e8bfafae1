#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/io.h"
#include "tls/internal.h"

enum step { STEP_HANDSHAKE, STEP_READ, STEP_PEEK, STEP_WRITE };

static const char *const step_names[] = { "TLS handshake", "TLS read", "TLS read", "TLS write" };

/*
 * Mark the session dead for the reason in why, whose text is kept for later calls and for
 * tls_gather.
 */
static int
die(struct tls *tls, const struct fail *why)
{
	tls->dead = true;
	tls->code = why->code;
	free(tls->error);
	tls->error = mem_strdup(why->text);
	return -1;
}

static int
fail_dead(const struct tls *tls, struct fail *why)
{
	return fail_set(why, tls->code, "the TLS session has failed before: %s", tls->error);
}

/* The stream ended or was reset: which failure that is depends on what was going on. */
static int
set_ended(enum step step, const char *how, struct fail *why)
{
	switch (step) {
	case STEP_HANDSHAKE:
		return fail_set(why, FAIL_EOF, "TLS handshake: the peer %s the connection", how);
	case STEP_READ:
	case STEP_PEEK: /* RFC 8446 s6.1: without close_notify the end may be an attacker's */
		return fail_set(why, FAIL_TLS_TRUNCATED,
		    "the peer %s the connection without close_notify", how);
	case STEP_WRITE:
		break;
	}
	return fail_set(why, FAIL_EOF, "TLS write: the peer %s the connection", how);
}

static int
set_protocol_error(const struct tls *tls, enum step step, unsigned long error, struct fail *why)
{
	enum fail_code code = step == STEP_HANDSHAKE ? FAIL_TLS_HANDSHAKE : FAIL_TLS_IO;
	char reason[200], alert[32];
	const char *hint = "";

	tls_error_drain(reason, sizeof(reason));
	if (tls->alert >= 0 && !tls->alert_sent)
		return fail_set(why, code, "%s: the peer sent alert %s (%s)", step_names[step],
		    tls_alert_str(tls->alert, alert), reason);
	if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
	    ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER)
		hint = ", what came is not TLS";
	if (tls->alert >= 0)
		return fail_set(why, code, "%s: %s%s (we sent alert %s)", step_names[step], reason,
		    hint, tls_alert_str(tls->alert, alert));
	return fail_set(why, code, "%s: %s%s", step_names[step], reason, hint);
}

/* An OpenSSL call failed for good: fill why from the queue, errno and the alerts seen. */
static int
set_failure(const struct tls *tls, enum step step, int kind, int errnum, struct fail *why)
{
	unsigned long error = ERR_peek_error();
	bool eof = ERR_GET_LIB(error) == ERR_LIB_SSL &&
		   ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;

	if (eof || (kind == SSL_ERROR_SYSCALL && errnum == 0))
		set_ended(step, "closed", why);
	else if (kind == SSL_ERROR_SYSCALL && (errnum == ECONNRESET || errnum == EPIPE))
		set_ended(step, "reset", why);
	else if (kind == SSL_ERROR_SYSCALL && errnum == ETIMEDOUT)
		fail_set(why, FAIL_TIMEOUT, "%s: connection timed out", step_names[step]);
	else if (kind == SSL_ERROR_SYSCALL) {
		errno = errnum;
		fail_errno(why, step == STEP_HANDSHAKE ? FAIL_TLS_HANDSHAKE : FAIL_TLS_IO, "%s",
		    step_names[step]);
	} else
		set_protocol_error(tls, step, error, why);
	ERR_clear_error();
	return -1;
}

/*
 * Reference listen.md C14, S21: tickets, key updates and renegotiation requests cost us work and
 * bring no data, so a session has a budget of them.
 */
static int
check_flood(const struct tls *tls, struct fail *why)
{
	if (tls->key_updates > LIMIT_TLS_KEY_UPDATES)
		return fail_set(why, FAIL_TLS_IO, "the peer sends too many TLS key updates");
	if (tls->post_handshake > LIMIT_TLS_POST_HANDSHAKE)
		return fail_set(why, FAIL_TLS_IO, "the peer floods us with TLS handshake messages");
	return 0;
}

static int
wait_ready(const struct tls *tls, enum step step, int kind, int64_t deadline, struct fail *why)
{
	if (io_wait(tls->fd, kind == SSL_ERROR_WANT_WRITE ? IO_WRITE : IO_READ, deadline, why) != 0)
		return fail_prefix(why, "%s", step_names[step]);
	/* a peer that always has one more byte for us must not outlive the deadline */
	if (clock_ms() >= deadline)
		return fail_set(why, FAIL_TIMEOUT, "%s: no end in time", step_names[step]);
	return 0;
}

static int
call(struct tls *tls, enum step step, void *data, size_t n, size_t *done_r)
{
	int ret = 0;

	*done_r = 0;
	tls->budget_bytes = LIMIT_TLS_TURN_BYTES;
	ERR_clear_error();
	errno = 0;
	switch (step) {
	case STEP_HANDSHAKE:
		ret = SSL_do_handshake(tls->ssl);
		break;
	case STEP_READ:
		ret = SSL_read_ex(tls->ssl, data, n, done_r);
		break;
	case STEP_PEEK:
		ret = SSL_peek_ex(tls->ssl, data, n, done_r);
		break;
	case STEP_WRITE:
		ret = SSL_write_ex(tls->ssl, data, n, done_r);
		break;
	}
	return ret == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, ret);
}

/*
 * One OpenSSL call to its end, waiting as often as it wants. 0, or -1 with why filled, *kind_r the
 * kind of its end, and the session dead unless only waiting failed.
 */
static int
run(struct tls *tls, enum step step, void *data, size_t n, size_t *done_r, int64_t deadline,
    int *kind_r, struct fail *why)
{
	for (;;) {
		*kind_r = call(tls, step, data, n, done_r);
		int errnum = errno;
		if (*kind_r == SSL_ERROR_NONE || *kind_r == SSL_ERROR_ZERO_RETURN) {
			ERR_clear_error();
			return 0;
		}
		if (check_flood(tls, why) != 0) {
			ERR_clear_error();
			return die(tls, why);
		}
		if (*kind_r != SSL_ERROR_WANT_READ && *kind_r != SSL_ERROR_WANT_WRITE) {
			set_failure(tls, step, *kind_r, errnum, why);
			return die(tls, why);
		}
		ERR_clear_error();
		if (wait_ready(tls, step, *kind_r, deadline, why) != 0)
			return -1;
	}
}

static struct tls *
session_new(struct tls_ctx *ctx, int fd, bool server, struct fail *why)
{
	struct tls *tls = mem_alloc(sizeof(*tls));
	char reason[200];

	tls->fd = fd;
	tls->ctx = tls_ctx_ref(ctx);
	tls->server = server;
	tls->alert = -1;
	ERR_clear_error();
	tls->ssl = tls_ssl_new(ctx, tls);
	if (tls->ssl == NULL) {
		tls_error_drain(reason, sizeof(reason));
		fail_set(why, FAIL_TLS_CONFIG, "cannot make a TLS session: %s", reason);
		tls_ctx_free(ctx);
		free(tls);
		return NULL;
	}
	if (server)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	return tls;
}

/*
 * Ask for one kind of certificate only: TLS 1.2 and older by the cipher list, TLS 1.3 by the
 * signature algorithms. The rsa_pkcs1 ones cannot sign a TLS 1.3 handshake (RFC 8446 s4.2.3); they
 * stay in the other offers because they sign certificates: an ECDSA leaf mostly has an RSA issuer.
 */
#define PKCS1_SIGALGS "RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA224:RSA+SHA1"
#define ECDSA_SIGALGS "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA224:ECDSA+SHA1:"
#define EDDSA_SIGALGS "ed25519:ed448:"
#define PSS_SIGALGS \
	"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:" \
	"rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"

static int
restrict_keys(struct tls *tls, const struct tls_ctx *ctx, enum key_type keys, struct fail *why)
{
	const char *sigalgs, *exclude;
	char reason[200];

	switch (keys) {
	case KEY_ANY:
		return 0;
	case KEY_RSA:
		sigalgs = PSS_SIGALGS PKCS1_SIGALGS;
		exclude = "!aECDSA:!aDSS";
		break;
	case KEY_ECDSA:
		sigalgs = ECDSA_SIGALGS PKCS1_SIGALGS;
		exclude = "!aRSA:!aDSS";
		break;
	case KEY_EDDSA: /* RFC 8422 s5.1.1: with the suites of ECDSA */
		sigalgs = EDDSA_SIGALGS PKCS1_SIGALGS;
		exclude = "!aRSA:!aDSS";
		break;
	case KEY_OTHER:
	default:
		return fail_set(why, FAIL_TLS_CONFIG, "cannot ask for this kind of certificate");
	}
	size_t bytes = strlen(ctx->ciphers) + strlen(exclude) + 2;
	char *list = mem_alloc(bytes);
	snprintf(list, bytes, "%s:%s", ctx->ciphers, exclude);
	char *algorithms = mem_strdup(sigalgs); /* OpenSSL's macro casts const away */
	int ok = SSL_set1_sigalgs_list(tls->ssl, algorithms) == 1 &&
		 SSL_set_cipher_list(tls->ssl, list) == 1;
	free(algorithms);
	free(list);
	tls_error_drain(reason, sizeof(reason));
	if (!ok)
		return fail_set(why, FAIL_TLS_CONFIG, "cannot ask for %s certificates: %s",
		    key_type_str(keys), reason);
	tls->keys = keys;
	return 0;
}

static int
set_server_name(struct tls *tls, const char *name, struct fail *why)
{
	char host[LIMIT_DOMAIN_BYTES + 1], reason[200];
	unsigned char ip[16];

	if (name == NULL)
		return 0;
	/* RFC 6066 s3: without trailing dot, and no addresses */
	if (!tls_host_copy(name, host, sizeof(host)))
		return fail_set(why, FAIL_TLS_CONFIG, "\"%s\" cannot be sent as server name", name);
	if (tls_host_ip(host, ip) > 0 || SSL_set_tlsext_host_name(tls->ssl, host) == 1)
		return 0;
	tls_error_drain(reason, sizeof(reason));
	return fail_set(why, FAIL_TLS_CONFIG, "server name \"%s\": %s", host, reason);
}

struct tls *
tls_client(
    struct tls_ctx *ctx, int fd, const char *server_name, enum key_type keys, struct fail *why)
{
	struct tls *tls = session_new(ctx, fd, false, why);

	if (tls == NULL)
		return NULL;
	if (set_server_name(tls, server_name, why) != 0 ||
	    restrict_keys(tls, ctx, keys, why) != 0) {
		tls_free(tls);
		return NULL;
	}
	return tls;
}

struct tls *
tls_server(struct tls_ctx *ctx, int fd, struct fail *why)
{
	return session_new(ctx, fd, true, why);
}

void
tls_cut_after(struct tls *tls, size_t bytes)
{
	tls->write_limit = bytes + 1;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	ERR_clear_error();
	tls_ctx_free(tls->ctx);
	free(tls->error);
	free(tls);
}

int
tls_handshake(struct tls *tls, int64_t deadline, struct fail *why)
{
	struct fail local;
	size_t done;
	int kind;

	if (why == NULL)
		why = &local;
	if (tls->dead)
		return fail_dead(tls, why);
	if (tls->complete)
		return 0;
	if (run(tls, STEP_HANDSHAKE, NULL, 0, &done, deadline, &kind, why) != 0)
		return die(tls, why);
	if (kind == SSL_ERROR_ZERO_RETURN) {
		set_ended(STEP_HANDSHAKE, "closed", why);
		return die(tls, why);
	}
	tls->complete = true;
	tls_note_group(tls);
	return 0;
}

/* Reading and writing need a session that is up. */
static int
check_alive(const struct tls *tls, enum step step, struct fail *why)
{
	if (tls->dead)
		return fail_dead(tls, why);
	if (!tls->complete)
		return fail_set(why, FAIL_INTERNAL, "%s before the handshake", step_names[step]);
	return 0;
}

ssize_t
tls_read(struct tls *tls, void *data, size_t n, int64_t deadline, struct fail *why)
{
	struct fail local;
	size_t got;
	int kind;

	if (why == NULL)
		why = &local;
	if (check_alive(tls, STEP_READ, why) != 0)
		return -1;
	if (tls->closed || n == 0)
		return 0;
	if (run(tls, STEP_READ, data, n, &got, deadline, &kind, why) != 0)
		return -1;
	if (kind == SSL_ERROR_ZERO_RETURN) {
		tls->closed = true;
		return 0;
	}
	tls->read_any = true;
	/* messages between data count too */
	if (check_flood(tls, why) != 0)
		return die(tls, why);
	return (ssize_t)got;
}

int
tls_write(struct tls *tls, const void *data, size_t n, int64_t deadline, struct fail *why)
{
	const char *p = data;
	struct fail local;
	size_t done;
	int kind;

	if (why == NULL)
		why = &local;
	if (check_alive(tls, STEP_WRITE, why) != 0)
		return -1;
	/*
	 * after close_notify nobody reads our answers: the session is over (reference listen.md
	 * S5)
	 */
	if (tls->closed)
		return fail_set(why, FAIL_EOF, "TLS write: the peer has closed the session");
	while (n > 0) {
		/* half a record may be out: after any failure the stream is of no use */
		if (run(tls, STEP_WRITE, (void *)(uintptr_t)p, n, &done, deadline, &kind, why) != 0)
			return die(tls, why);
		if (kind == SSL_ERROR_ZERO_RETURN) {
			tls->closed = true;
			return fail_set(
			    why, FAIL_EOF, "TLS write: the peer has closed the session");
		}
		p += done;
		n -= done;
	}
	return 0;
}

void
tls_close_notify(struct tls *tls)
{
	struct fail why;

	if (tls->dead || !tls->complete)
		return;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
	fail_set(&why, FAIL_EOF, "we closed the TLS session");
	die(tls, &why);
}

int
tls_write_last(struct tls *tls, const void *data, size_t n, int64_t deadline, struct fail *why)
{
	/* close_notify, or the end of the stream if there can be none, pushes what is held back */
	tls->more = true;
	int ret = tls_write(tls, data, n, deadline, why);
	tls->more = false;
	tls_close_notify(tls);
	return ret;
}

size_t
tls_pending(const struct tls *tls)
{
	int n = tls->dead ? 0 : SSL_pending(tls->ssl);

	return n > 0 ? (size_t)n : 0;
}

size_t
tls_input_bytes(struct tls *tls)
{
	char byte;
	size_t done;
	struct fail why;

	if (tls->dead || !tls->complete || tls->closed)
		return 0;
	int kind = call(tls, STEP_PEEK, &byte, 1, &done);
	int errnum = errno;
	if (kind == SSL_ERROR_ZERO_RETURN)
		tls->closed = true;
	else if (kind != SSL_ERROR_NONE && kind != SSL_ERROR_WANT_READ &&
		 kind != SSL_ERROR_WANT_WRITE) {
		/* as a read would have found it, which asks next */
		set_failure(tls, STEP_PEEK, kind, errnum, &why);
		die(tls, &why);
	}
	ERR_clear_error();
	return tls_pending(tls);
}

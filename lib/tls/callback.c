/*
 * What OpenSSL calls back while a session runs: the transport, and the observers of messages. They
 * only take notes in struct tls; session.c acts on them.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tls/internal.h"

/*
 * The methods return -1 for "nothing": with the newer pair (read_ex, write_ex) it would be 0, which
 * the record layer of OpenSSL 3.6 takes for a write of no bytes that went well.
 */
static int
bio_read(BIO *bio, char *data, int n)
{
	struct tls *tls = BIO_get_data(bio);
	size_t want = n > 0 ? (size_t)n : 0;
	ssize_t got;

	BIO_clear_retry_flags(bio);
	/*
	 * One OpenSSL call goes on as long as records come that hold no application data. The
	 * budget sends it back to the event loop, so that a peer that floods cannot hold all other
	 * fibers up.
	 */
	if (tls->budget_bytes == 0) {
		BIO_set_retry_read(bio);
		errno = EAGAIN;
		return -1;
	}
	got = recv(tls->fd, data, want < tls->budget_bytes ? want : tls->budget_bytes, 0);
	if (got > 0) {
		tls->budget_bytes -= (size_t)got;
		return (int)got;
	}
	if (got == 0)
		tls->bio_eof = true;
	else if (errno == EAGAIN || errno == EINTR)
		BIO_set_retry_read(bio);
	return got == 0 ? 0 : -1;
}

static int
bio_write(BIO *bio, const char *data, int n)
{
	struct tls *tls = BIO_get_data(bio);

	/* a fault on purpose: so far and no further */
	if (tls->write_limit > 0 && n > 0 && (size_t)n >= tls->write_limit) {
		if (tls->write_limit > 1)
			send(tls->fd, data, tls->write_limit - 1, MSG_NOSIGNAL);
		shutdown(tls->fd, SHUT_RDWR);
		tls->write_limit = 1;
		BIO_clear_retry_flags(bio);
		errno = EPIPE;
		return -1;
	}
	ssize_t put =
	    send(tls->fd, data, n > 0 ? (size_t)n : 0, MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));

	BIO_clear_retry_flags(bio);
	if (put > 0 && tls->write_limit > 0)
		tls->write_limit -= (size_t)put;
	if (put > 0)
		return (int)put;
	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return -1;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct tls *tls = BIO_get_data(bio);

	(void)number, (void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return tls->bio_eof;
	default:
		return 0;
	}
}

static BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
	if (method != NULL) {
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	return method;
}

SSL *
tls_ssl_new(struct tls_ctx *ctx, struct tls *tls)
{
	BIO_METHOD *method = bio_method();
	BIO *bio = method == NULL ? NULL : BIO_new(method);
	SSL *ssl = SSL_new(ctx->ssl);

	if (bio == NULL || ssl == NULL) {
		BIO_free(bio);
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_app_data(ssl, tls);
	return ssl;
}

static void
note_alert(struct tls *tls, int version, bool sent, const unsigned char *bytes, size_t n)
{
	if (n < 2 || tls->alert >= 0)
		return;
	/* OpenSSL 3.6 says decode_error to a peer that has hung up: nobody hears it */
	if (sent && tls->bio_eof)
		return;
	/*
	 * RFC 8446 s6: the level is ignored, all but these two are errors; before, level 2 is
	 * fatal
	 */
	if (bytes[1] == SSL_AD_CLOSE_NOTIFY || bytes[1] == SSL_AD_USER_CANCELLED)
		return;
	if (bytes[0] != SSL3_AL_FATAL && version != TLS1_3_VERSION)
		return;
	tls->alert = bytes[1];
	tls->alert_sent = sent;
}

static void
note_post_handshake(struct tls *tls, int type)
{
	tls->post_handshake++;
	if (type != SSL3_MT_KEY_UPDATE)
		return;
	int64_t now = clock_ms();
	if (now - tls->key_updates_since > 60 * 1000) {
		tls->key_updates_since = now;
		tls->key_updates = 0;
	}
	tls->key_updates++;
}

static void
on_message(int sent, int version, int type, const void *data, size_t n, SSL *ssl, void *arg)
{
	struct tls *tls = SSL_get_app_data(ssl);
	const unsigned char *bytes = data;

	(void)arg;
	if (tls == NULL)
		return;
	if (type == SSL3_RT_ALERT)
		note_alert(tls, version, sent != 0, bytes, n);
	else if (type == SSL3_RT_HANDSHAKE && !sent && n > 0 && tls->complete)
		note_post_handshake(tls, bytes[0]);
}

/* Called only when the server asks for a certificate: we have none. */
static int
on_client_cert(SSL *ssl, X509 **cert_r, EVP_PKEY **key_r)
{
	struct tls *tls = SSL_get_app_data(ssl);

	(void)cert_r, (void)key_r;
	tls->client_cert_requested = true;
	return 0;
}

/* The handshake takes any chain; tls_verify judges it. */
static int
on_verify(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

/* RFC 7301 s3.2: a client that speaks another protocol is not ours to talk to (ALPACA). */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *offered,
    unsigned int n, void *arg)
{
	(void)ssl, (void)arg;
	for (unsigned i = 0; i < n && i + offered[i] < n; i += 1U + offered[i]) {
		if (offered[i] != 4 || memcmp(offered + i + 1, "smtp", 4) != 0)
			continue;
		*out = offered + i + 1;
		*out_n = offered[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void
tls_ctx_set_callbacks(SSL_CTX *ssl, bool server)
{
	SSL_CTX_set_msg_callback(ssl, on_message);
	if (server) {
		SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
	} else {
		SSL_CTX_set_cert_verify_callback(ssl, on_verify, NULL);
		SSL_CTX_set_client_cert_cb(ssl, on_client_cert);
	}
}

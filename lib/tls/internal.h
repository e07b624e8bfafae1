#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/tls.h"

/*
 * What the files of this folder share; nobody outside includes it, since it names OpenSSL's types.
 */

#define TLS_LEAVES 4 /* RSA, ECDSA, Ed25519, Ed448 */

struct tls_ctx {
	SSL_CTX *ssl;
	bool server;
	char *ciphers;        /* client: the cipher list that key restrictions are added to */
	char fingerprint[65]; /* server: of the first certificate */
	unsigned refs;        /* besides the maker's */

	/* server: the certificates used, one of each kind; the next context has those for other names */
	X509 *leaves[TLS_LEAVES];
	size_t leaves_n;
	struct tls_ctx *next;
	enum tls_client_cert client;
};

/*
 * A session. The SSL object is owned; the descriptor is borrowed. States: new, complete (the
 * handshake is done), closed (the peer's close_notify was read), dead (code says why; error has
 * the text).
 */
struct tls {
	SSL *ssl;
	struct tls_ctx *ctx; /* counted */
	int fd;
	bool server;
	enum key_type keys;
	bool complete, closed, dead;
	enum fail_code code; /* of the failure that killed it */
	char *error;         /* its text, heap, or NULL */
	size_t budget_bytes; /* how much the running OpenSSL call may still read */
	bool bio_eof;
	size_t write_limit; /* 0: none; else so many bytes may still be sent, less one */
	bool more;          /* what is written now may wait for what is written next */

	/* what callbacks saw */
	int alert; /* description of the first fatal alert, -1 = none */
	bool alert_sent;
	bool client_cert_requested;
	bool client_verified;    /* server: the client's chain leads to a root of ours */
	bool read_any;           /* application data was read */
	unsigned post_handshake; /* handshake messages received after the handshake */
	unsigned key_updates;    /* in the minute that began at key_updates_since */
	int64_t key_updates_since;

	char group[32]; /* key exchange group, "" = none or unknown */
};

/*
 * Text of the OpenSSL error queue, which is emptied: "reason" or "reason: deeper reason"; "" when
 * empty.
 */
void tls_error_drain(char *out, size_t out_bytes);

/* IANA name of an alert description (RFC 8446 s6), or "alert <n>" in out. */
const char *tls_alert_str(int description, char out[32]);

/*
 * A session object over a BIO on tls->fd that keeps to tls->budget_bytes and never raises SIGPIPE.
 * NULL without memory.
 */
SSL *tls_ssl_new(struct tls_ctx *ctx, struct tls *tls);

/* Let a context's sessions note what they see in struct tls; ALPN; any chain is taken. */
void tls_ctx_set_callbacks(SSL_CTX *ssl, bool server);

/* A context with what both sides share. */
struct tls_ctx *tls_ctx_new(
    bool server, enum tls_version min, enum tls_version max, int security_level, struct fail *why);

/* Fill tls->group; once, when the handshake is complete. */
void tls_note_group(struct tls *tls);

/* Server: choose the certificates by the name a client asks for; after all are in. */
void tls_ctx_set_names(struct tls_ctx *ctx);
/* How many of a certificate's DNS names another one has, too; without any, the subject counts. */
enum tls_names { TLS_NAMES_NONE, TLS_NAMES_SOME, TLS_NAMES_ALL };
enum tls_names tls_certs_compare(X509 *cert, X509 *other);
/* Server: ask for client certificates, as options say. Fails with TLS_CONFIG. */
int
tls_ctx_ask_client(struct tls_ctx *ctx, const struct tls_server_options *options, struct fail *why);

/* The name of RFC 7919 of the finite field of a DH key; NULL when it is another one. */
const char *tls_dh_group(const EVP_PKEY *key);

/* A key and a certificate for a host name or IP literal. issuer NULL: signed by itself. from, to: seconds from now. */
struct tls_make {
	const char *name;
	long from, to;
	int rsa_bits; /* 0: P-256 */
	bool ca;      /* name is a common name only */
	X509 *issuer;
	EVP_PKEY *issuer_key;
};
int tls_make_cert(const struct tls_make *make, X509 **cert_r, EVP_PKEY **key_r, struct fail *why);
/* A P-256 key and a self-signed certificate for a host name or IP literal, from yesterday on. */
int tls_selfsigned(const char *name, X509 **cert_r, EVP_PKEY **key_r, struct fail *why);
/* A server's context without certificates. */
struct tls_ctx *tls_ctx_server_new(const struct tls_server_options *options, struct fail *why);

/* SHA-256 of the DER form, lower-case hex. */
void tls_cert_fingerprint(const X509 *cert, char out[65]);

/* Facts of one certificate (initialised here). Pure. */
void tls_cert_facts(X509 *cert, struct arena *arena, struct cert_facts *facts_r);

/* Unix seconds; false when it is no valid time. */
bool tls_time(const ASN1_TIME *t, int64_t *seconds_r);

/*
 * Does the certificate name this host (or IP literal, brackets allowed)? The rules are those of
 * tls_verify. *matched_r (may be NULL): the certificate's name that matched, escaped, in arena.
 * Pure.
 */
bool tls_cert_names(X509 *cert, const char *name, struct arena *arena, char **matched_r);

/* Copy text without brackets and one trailing dot; false when it is empty or does not fit. */
bool tls_host_copy(const char *name, char *out, size_t out_bytes);
/* Parse an address: number of bytes (4, 16), or 0 when it is a name. */
size_t tls_host_ip(const char *host, unsigned char out[16]);

#endif

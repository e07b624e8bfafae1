#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"

/*
 * TLS sessions. This folder is the only user of OpenSSL. Descriptors are non-blocking; the error
 * queue is cleared before each OpenSSL call and drained right after; no fiber yields inside
 * OpenSSL.
 *
 * The handshake never judges certificates: it takes what the peer sends, tls_gather collects
 * facts, tls_verify (verify.h) judges the chain afterwards, and lib/policy decides. So probe sees
 * every server and send refuses by one pure function.
 */

/*
 * Once per process, before anything else of this folder; OPENSSL_INIT_NO_LOAD_CONFIG, and
 * SSLKEYLOGFILE leaves the environment (DECISIONS A6). Calling it again is harmless.
 */
void tls_init(void);
/*
 * The same, for a process that only has sessions, thousands of them, and reads no keys but those of
 * certificates: a handshake takes a sixth less CPU where OpenSSL is 3.0 or 3.1. Before anything else
 * of OpenSSL. False where it is of no use or cannot be had; everything goes on as it would otherwise.
 */
bool tls_init_few_algorithms(void);
/* "OpenSSL 3.0.19 27 Jan 2026" */
const char *tls_library_version(void);

enum tls_version {
	TLS_VERSION_ANY = 0,
	TLS_VERSION_1_0 = 0x301,
	TLS_VERSION_1_1 = 0x302,
	TLS_VERSION_1_2 = 0x303,
	TLS_VERSION_1_3 = 0x304
};
/* "TLSv1", "TLSv1.0", "TLSv1.2", any case, "TLS1.2", "1.2"; false when unknown. */
bool tls_version_parse(const char *text, enum tls_version *version_r);
/* "TLSv1.0" ... "TLSv1.3"; "any". */
const char *tls_version_str(enum tls_version version);

/* A client's or a server's settings, shared by its sessions; made before the loop starts. */
struct tls_ctx;

struct tls_client_options {
	enum tls_version min, max; /* ANY: TLS 1.0 and up (level 0) or 1.2 (level 1) */
	int security_level; /* 0: weakness is reported (DECISIONS C22); 1: authenticated levels */
	const char
	    *ciphers; /* OpenSSL cipher list for TLS <= 1.2, or NULL: all with a certificate */
	const char *cert_file; /* PEM: a client certificate, its chain and its key; NULL: none */
	bool alpn;             /* offer "smtp" (RFC 7301), to see who takes it; senders do not */
};

/* Sessions are never resumed. Fails with TLS_CONFIG. */
struct tls_ctx *tls_ctx_client(const struct tls_client_options *options, struct fail *why);

struct tls_server_options {
	const char *const *cert_files; /* PEM, leaf first; ECDSA and RSA may both be given */
	const char *const *key_files;  /* same count */
	size_t n;
	const char
	    *self_signed_name; /* not NULL: make a P-256 certificate for this host name instead */
	enum tls_version min, max; /* ANY: TLS 1.2 and up */
	/*
	 * Ask clients for a certificate. One that does not lead to a root of client_ca (PEM; NULL: none does) is
	 * noted, or with REQUIRE ends the handshake as a missing one does.
	 */
	enum tls_client_cert {
		TLS_CLIENT_CERT_NO,
		TLS_CLIENT_CERT_ASK,
		TLS_CLIENT_CERT_REQUIRE
	} client;
	const char *client_ca;
};

/*
 * Session tickets and cache are off, renegotiation is off, ALPN accepts only "smtp" (reference
 * listen.md S21, S22, S24). Refuses a key that does not match, an unreadable or damaged file, an
 * encrypted key (never prompts), a second certificate of the same kind for the same name; dates that do not
 * fit are a warning in the log. Certificates that share a name stand together; a client that asks for
 * a name (SNI) gets the first that have it, any other client those of the first file. With min below TLS 1.2 the security level is 0, else 1. Fails with
 * TLS_CONFIG naming the file.
 */
struct tls_ctx *tls_ctx_server(const struct tls_server_options *options, struct fail *why);
/* SHA-256 fingerprint of the (first) server certificate, lower-case hex, 65 bytes. */
void tls_ctx_server_fingerprint(const struct tls_ctx *ctx, char out[65]);
/* A context is counted: by its maker, by each of its sessions, and by whoever asks to keep it over a wait. */
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_free(struct tls_ctx *ctx);

struct tls;

/*
 * A client session over a connected, non-blocking socket (borrowed, must outlive it). server_name:
 * SNI, NULL for none (an address is never sent, a trailing dot is cut). keys: restrict the
 * certificate kinds asked for (DECISIONS C21); KEY_OTHER cannot be asked for. Fails with
 * TLS_CONFIG.
 */
struct tls *tls_client(
    struct tls_ctx *ctx, int fd, const char *server_name, enum key_type keys, struct fail *why);
struct tls *tls_server(struct tls_ctx *ctx, int fd, struct fail *why);
void tls_free(struct tls *tls);
/* A fault on purpose: end the connection when so many bytes were sent. */
void tls_cut_after(struct tls *tls, size_t bytes);

/*
 * Complete the handshake. Fails with TLS_HANDSHAKE (the text has OpenSSL's reason and the alert),
 * TIMEOUT, EOF (closed or reset), CANCELLED; the session is dead then.
 */
int tls_handshake(struct tls *tls, int64_t deadline, struct fail *why);

/*
 * Read up to n bytes: > 0; 0 after the peer's close_notify, and ever after; -1 with TIMEOUT,
 * CANCELLED, TLS_IO (also: a flood of tickets or key updates), or TLS_TRUNCATED for an end of
 * stream without close_notify. After TIMEOUT or CANCELLED the session lives: read again, or write
 * a farewell (421, QUIT). After any other failure it is dead: every further call fails with the
 * same code.
 */
ssize_t tls_read(struct tls *tls, void *data, size_t n, int64_t deadline, struct fail *why);
/*
 * Write all n bytes: 0, or -1 with TIMEOUT, CANCELLED, EOF (closed, reset, or the peer's
 * close_notify was read), TLS_IO; then the session is dead.
 */
int tls_write(struct tls *tls, const void *data, size_t n, int64_t deadline, struct fail *why);
/* Send close_notify if the socket takes it; never waits. The session is dead afterwards (EOF). */
void tls_close_notify(struct tls *tls);
/*
 * Write all n bytes, then close_notify, in one packet where they fit. The caller closes or shuts
 * down the socket right after. Result as of tls_write; the session is dead afterwards.
 */
int tls_write_last(struct tls *tls, const void *data, size_t n, int64_t deadline, struct fail *why);
/* Decrypted bytes that wait inside the session. */
size_t tls_pending(const struct tls *tls);
/*
 * The same, having looked at what the socket holds; never waits. What goes wrong there is left to the next
 * read.
 */
size_t tls_input_bytes(struct tls *tls);

/*
 * Collect what the handshake showed (version, cipher, group, chain fingerprints, ticket...). Call
 * facts_init_tls_facts first; tls->verify stays unknown. Each certificate of the chain (the first
 * LIMIT_CHAIN_CERTS) is appended to *certs_inout (arena array, arena_push) unless its fingerprint
 * is there already. Also callable after a failed handshake: then complete = no and what is known.
 * alert is "received NAME" or "sent NAME", with IANA's names. In TLS 1.3 session_ticket is unknown
 * until the first data was read: gather after the EHLO inside TLS.
 */
void tls_gather(const struct tls *tls, struct arena *arena, struct tls_facts *facts,
    struct cert_facts **certs_inout, size_t *certs_n_inout);

/*
 * Fill raw, the DER form in base64, of those of the certificates that tls_gather has listed. A
 * certificate message of LIMIT_CHAIN_BYTES makes 4/3 of that.
 */
void tls_gather_raw(
    const struct tls *tls, struct arena *arena, struct cert_facts *certs, size_t certs_n);

/*
 * Short facts for logs and Received fields: "TLSv1.3", IANA cipher name, group ("" when unknown).
 */
const char *tls_session_version(const struct tls *tls);
const char *tls_session_cipher(const struct tls *tls);
const char *tls_session_group(const struct tls *tls);
/* Server side: the SNI the client sent, or NULL. Remote bytes: look up only, never print raw. */
const char *tls_session_sni(const struct tls *tls);
/*
 * Server side: the client's certificate, false without one. fingerprint_r: 65 bytes; *subject_r: escaped, in
 * arena; *verified_r: its chain leads to a root of client_ca.
 */
bool tls_session_client_cert(const struct tls *tls, struct arena *arena, char *fingerprint_r,
    char **subject_r, bool *verified_r);

#endif

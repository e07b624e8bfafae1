#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "io/addr.h"
#include "net/conn.h"
#include "smtp/address.h"
#include "smtp/dsn.h"
#include "smtp/fault.h"

/*
 * The server's side of SMTP: one session, from greeting to close, over one conn. It speaks the protocol and keeps
 * its rules (strict CRLF, limits, the STARTTLS switch); what is accepted and where it goes is decided by
 * the ops. Closed by default: a session without an op that accepts a recipient accepts none.
 */

enum smtp_server_tls { SMTP_TLS_OFF, SMTP_TLS_OFFERED, SMTP_TLS_REQUIRED };

struct smtp_session;

enum smtp_event {
	SMTP_EVENT_MAIL_REFUSED,
	SMTP_EVENT_RCPT_REFUSED,
	SMTP_EVENT_MESSAGE_REFUSED, /* for its size; what the ops refuse they know */
	SMTP_EVENT_CLEAR_REFUSED,   /* 530: TLS is required */
	SMTP_EVENT_TLS_FAILED,
};

/*
 * What the owner decides. Each returns 0, or -1 with why: the reply is made of why->code (4xx for a
 * failure that may end, 5xx else), its enhanced status and text. ctx is smtp_session's app pointer.
 */
struct smtp_server_ops {
	/* A recipient: accept it? Never waits long; the path lives until the transaction ends. */
	int (*rcpt)(void *app, const struct smtp_session *session, const struct smtp_path *path,
	    struct fail *why);
	/*
	 * At the start of a session: may this client end lines in a bare LF? They count as CRLF then, but for the end of
	 * data, which stays strict. NULL: none may.
	 */
	bool (*bare_lf)(void *app, const struct smtp_session *session);
	/* DATA came and recipients exist: open the store. */
	int (*begin)(void *app, const struct smtp_session *session, struct fail *why);
	/* Message text, CRLF lines, dots un-stuffed. */
	int (*text)(void *app, struct slice text, struct fail *why);
	/* The whole message was received: make it durable, then 250 goes out. note_r (128 bytes): text of the 250, such as an id. */
	int (*end)(void *app, const struct smtp_session *session, char *note_r, int64_t deadline,
	    struct fail *why);
	/* The message is not coming after all (also after a failure of text): forget it. Never called after end. */
	void (*abort)(void *app);
	/*
	 * For a log and counts; may be NULL. path: the recipient, or for SMTP_EVENT_MAIL_REFUSED the sender; NULL
	 * where there is none. text: of the reply or the failure, may hold remote bytes.
	 */
	void (*event)(void *app, const struct smtp_session *session, enum smtp_event event,
	    const struct smtp_path *path, int code, const char *text);
};

struct smtp_server_config {
	const char *hostname;
	/*
	 * The client is a program of this host on pipes: LF ends lines as CRLF does (LSB, sendmail -bs),
	 * and paths may lack their domain: they get "@localhost".
	 */
	bool local;
	enum smtp_server_tls tls;
	struct tls_ctx *tls_ctx; /* NULL: tls is OFF; may be replaced while sessions run */
	bool implicit_tls;       /* TLS from the first byte (RFC 8314 s3), no STARTTLS */
	/* with REQUIRED: recipients that mail in clear is taken for, such as that of TLS reports */
	const char *const *tls_exempt;
	size_t tls_exempt_n;
	int64_t max_message_bytes;
	unsigned max_recipients;
	unsigned max_messages;      /* of a session; 0: no limit. Announced (RFC 9422) */
	unsigned max_errors;        /* of a session; when busy, one */
	int64_t command_timeout_ms; /* for a whole command line (RFC 5321 s4.5.3.2.7: 300 s) */
	/* not NULL and true: the slots are nearly used up, busy_timeout_ms counts (DECISIONS F41) */
	const bool *busy;
	int64_t busy_timeout_ms;
	int64_t handshake_timeout_ms;
	int64_t
	    lifetime_ms; /* of a session; message text above min_rate does not count (DECISIONS F41) */
	int64_t min_rate_bytes; /* a second, of message text, after a grace of command_timeout_ms */
	bool requiretls;        /* announce REQUIRETLS inside TLS (RFC 8689) */
	bool dsn;               /* announce DSN (RFC 3461) */
	const struct smtp_server_ops *ops;
	const struct smtp_fault *faults;
	size_t faults_n;        /* at most SMTP_FAULTS_MAX */
	uint64_t *fault_random; /* state of smtp_fault_random; with faults */
	conn_trace_fn *trace; /* of the dialogue; ctx: the const struct smtp_session. May be NULL */
};

/* Sensible limits of limits.h and RFC 5321 in every field; no TLS, no ops. */
void smtp_server_config_init(struct smtp_server_config *config);

/* One session; read-only for the ops. */
struct smtp_session {
	const struct smtp_server_config *config;
	void *app;
	struct addr peer;
	bool peer_known; /* false: stdin and stdout */
	char peer_ip[ADDR_TEXT_BYTES];
	char helo[LIMIT_DOMAIN_BYTES + 1]; /* "" before HELO/EHLO; charset checked */
	bool esmtp;
	bool tls;
	char tls_version[16], tls_cipher[48], tls_group[32];
	char tls_sni[LIMIT_DOMAIN_BYTES + 1]; /* asked for; "" without one; charset checked */
	/* of the client's certificate, "" without one; the subject escaped and cut */
	char client_fingerprint[65], client_subject[128];
	bool client_verified;
	bool bare_lf; /* of the ops */
	int64_t started_ms;

	/* transaction */
	bool mail; /* MAIL was accepted */
	struct smtp_path sender;
	struct smtp_path *recipients;
	size_t recipients_n;
	struct smtp_dsn *dsn; /* of each recipient */
	size_t dsn_n;         /* is recipients_n */
	enum smtp_ret ret;
	const char *envid; /* xtext; NULL: not given */
	bool body_8bit, smtputf8, requiretls;
	int64_t declared_bytes; /* SIZE=, 0 without */

	/* counters of the session */
	unsigned messages, errors, commands, refusals;
	uint64_t message_bytes; /* of the last message, so far */
	const char *ended;      /* why the session ended, for the log */
};

/*
 * Serve one session. Takes the conn and closes it. peer NULL: stdin and stdout. app: for the ops.
 * config must outlive the session. session_r (may be NULL): a copy of the counters and how it
 * ended, for the caller's log.
 */
void smtp_server_run(struct conn *conn, const struct smtp_server_config *config,
    const struct addr *peer, void *app, struct smtp_session *session_r);

#endif

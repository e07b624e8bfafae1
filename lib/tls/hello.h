#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * TLS hellos without OpenSSL: a ClientHello of our own making, and as much of the server's answer
 * as tells what it chose. So SSLv3, suites that the local library was built without, and groups it
 * has never heard of can be seen: a server names what it picks before either side computes
 * anything. No handshake is ever completed here, and no certificate looked at.
 *
 * hello_build and hello_feed are pure; only hello_ask waits.
 */

#define HELLO_SSL3 0x0300
#define HELLO_TLS10 0x0301
#define HELLO_TLS11 0x0302
#define HELLO_TLS12 0x0303
#define HELLO_TLS13 0x0304

/* --- names ---------------------------------------------------------------------------------------
 * Tables made from suites.def and groups.def. Names are IANA's; NULL when there is none.
 */
#define HELLO_NAME_BYTES 64

const char *hello_version_name(uint16_t version); /* "SSLv3", "TLSv1.0" ... "TLSv1.3" */
const char *hello_suite_name(uint16_t suite);
const char *hello_group_name(uint16_t group);
/* The number of a name, 0 when there is none of this name or name is NULL. */
uint16_t hello_group_number(const char *name);
/*
 * The number of the group of RFC 7919 that has this prime and generator (big-endian), as a DHE
 * ServerKeyExchange names it up to TLS 1.2; 0 for any other. Pure.
 */
uint16_t hello_dh_group(struct slice prime, struct slice generator);
/* As above, or "0x...." in out. */
const char *hello_suite_str(uint16_t suite, char out[HELLO_NAME_BYTES]);
const char *hello_group_str(uint16_t group, char out[HELLO_NAME_BYTES]);
/* "handshake_failure", or "alert <n>" in out (RFC 8446 s6). */
const char *hello_alert_str(uint8_t alert, char out[32]);

/* At most this many suites and groups are in the tables. */
#define HELLO_SUITES_MAX 256
#define HELLO_GROUPS_MAX 64

/* Suites that may be used with this version (RFC 8446 sB.4 apart from all older ones); how many. */
size_t hello_suites(uint16_t version, uint16_t out[HELLO_SUITES_MAX]);
/* Those of them whose ServerKeyExchange names a curve, for TLS 1.2 and older. */
size_t hello_suites_curve(uint16_t version, uint16_t out[HELLO_SUITES_MAX]);
/*
 * Groups to offer with this version. Up to TLS 1.2 finite fields (RFC 7919) are among them only
 * when asked for: they steer DHE suites, whose ServerKeyExchange names no group.
 */
size_t hello_groups(uint16_t version, bool finite, uint16_t out[HELLO_GROUPS_MAX]);

/* --- the ClientHello -----------------------------------------------------------------------------
 */
enum hello_key_share {
	HELLO_KEY_SHARE_NONE,  /* no such extension */
	HELLO_KEY_SHARE_EMPTY, /* an empty list: asks for a HelloRetryRequest (RFC 8446 s4.2.8) */
	HELLO_KEY_SHARE_X25519 /* one share; any 32 bytes are a public key, these are key_share's */
};

struct hello_offer {
	uint16_t record_version; /* of the record around it */
	uint16_t client_version; /* legacy_version in RFC 8446 */
	unsigned char random[32];
	unsigned char session_id[32];
	size_t session_id_n; /* 0 to 32 */
	const uint16_t *suites;
	size_t suites_n; /* at least 1 */

	bool extensions; /* false: none at all, not even an empty list (SSLv3) */
	/* Each is left out when it is NULL, empty, false or NONE. */
	const char *server_name;  /* a host name without trailing dot, at most 255 bytes */
	const uint16_t *versions; /* supported_versions */
	size_t versions_n;
	const uint16_t *groups; /* supported_groups */
	size_t groups_n;
	const uint16_t *signatures; /* signature_algorithms */
	size_t signatures_n;
	enum hello_key_share key_share;
	unsigned char key[32];
	bool point_formats; /* ec_point_formats: uncompressed */
	bool alpn_smtp;
	bool renegotiation_info; /* without extensions: as a signalling suite (RFC 5746 s3.3) */
	bool extended_master_secret;
};

/*
 * An offer of exactly one version, as an ordinary client would make it; suites and groups are the
 * caller's to fill in. TLS 1.3 comes with an X25519 share.
 *
 * version   HELLO_SSL3 to HELLO_TLS13
 * random    96 random bytes: random, session_id, key
 */
void hello_offer_init(struct hello_offer *offer, uint16_t version, const unsigned char random[96]);

/*
 * Append the ClientHello as one record (RFC 8446 s4.1.2, s5.1). Pure.
 * Returns 0, or -1 with INTERNAL: no suites, more than one record, out is full.
 */
int hello_build(const struct hello_offer *offer, struct buf *out, struct fail *why);

/* --- the answer ----------------------------------------------------------------------------------
 */
enum hello_kind {
	HELLO_NOTHING,      /* neither of the others (yet) */
	HELLO_ALERT,        /* refused */
	HELLO_SERVER_HELLO, /* accepted */
	HELLO_RETRY         /* accepted, if a share for group comes (RFC 8446 s4.1.4) */
};

struct hello_answer {
	enum hello_kind kind;
	uint8_t alert_level, alert; /* ALERT: of the fatal one, or close_notify */
	uint16_t version;           /* chosen; supported_versions counts before the old field */
	uint16_t suite;
	uint16_t group; /* chosen, of the key share, the retry, or the ServerKeyExchange; 0: none */
	unsigned dh_bits; /* size of the prime of a DHE ServerKeyExchange; 0: none */
};

/*
 * The parser. The answer is filled as it comes: kind is set as soon as the ServerHello is complete, and
 * stays true when something behind it cannot be parsed.
 */
struct hello_reader {
	struct hello_answer answer;
	/* private */
	bool key_exchange;
	bool done;
	struct buf records;  /* input from the first record on that is not complete */
	struct buf messages; /* handshake messages joined, likewise */
	size_t fed_bytes;
};

/* key_exchange: up to TLS 1.2, read on to the ServerKeyExchange (or to the message that shows there is none). */
void hello_reader_init(struct hello_reader *reader, bool key_exchange);
void hello_reader_fini(struct hello_reader *reader);

/*
 * Feed what came, in any pieces. Pure. Returns 1 when the answer is complete, 0 when more is
 * needed, -1 with why: TLS_HANDSHAKE (not TLS, malformed, or longer than LIMIT_HELLO_BYTES).
 */
int hello_feed(struct hello_reader *reader, struct slice data, struct fail *why);

/*
 * Send a ClientHello on a fresh connection and read what is said to it. Afterwards only closing is
 * left; hello_close does it.
 *
 * fd        non-blocking socket, at the point where a handshake begins
 * Returns 0 with answer_r->kind other than NOTHING, or -1.
 * Fails with TLS_HANDSHAKE, EOF (closed or reset without an alert), TIMEOUT, CANCELLED, IO, INTERNAL.
 */
int hello_ask(int fd, const struct hello_offer *offer, bool key_exchange,
    struct hello_answer *answer_r, int64_t deadline, struct fail *why);

/* Say user_canceled and close_notify (RFC 8446 s6.1) if the socket takes it, and close. Never waits. */
void hello_close(int fd);

#endif

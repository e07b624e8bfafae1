#ifndef SMTP_FAULT_H
#define SMTP_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"
#include "tls/faulty.h"

/*
 * Faults on purpose, for testing clients: at a chosen point of the session the server waits, answers something
 * else, or is cut off; or its TLS is broken in a chosen way. A point is a command verb in upper case, or
 * "GREETING", "." (the reply to the end of data), "TLS" (the handshake), "*" (every point but TLS).
 */
enum smtp_fault_kind {
	SMTP_FAULT_REPLY, /* send text (lines of any form; CRLF is added) instead of the reply; the command has no effect */
	SMTP_FAULT_INJECT, /* send text behind the reply, as it is, in the same segment */
	SMTP_FAULT_DELAY,  /* wait, then go on */
	SMTP_FAULT_SLOW,   /* wait between the bytes of the reply */
	SMTP_FAULT_CUT,    /* send the first bytes of the reply, or of our handshake, then close */
	SMTP_FAULT_DROP,   /* close without a word, and without close_notify */
	SMTP_FAULT_CLOSE_NOTIFY, /* send half of the reply, then end TLS properly */
	SMTP_FAULT_HIDE,         /* EHLO: STARTTLS is not offered */
	SMTP_FAULT_MASK,         /* EHLO: XXXXXXXA in its place, as some firewalls do */
	SMTP_FAULT_GARBAGE,      /* TLS: noise where the ServerHello should be */
	SMTP_FAULT_ALERT,        /* TLS: a fatal alert instead */
	SMTP_FAULT_STALL,        /* TLS: no word more */
	SMTP_FAULT_CERT,         /* TLS: another certificate */
	SMTP_FAULT_VERSION,      /* TLS: no newer version */
};

#define SMTP_FAULTS_MAX 64 /* of one server */

struct smtp_fault {
	const char *point;
	unsigned permille; /* of the times that the point is passed */
	const char *to;    /* only when a recipient has this local part; NULL: always */
	enum smtp_fault_kind kind;
	const char *text;          /* REPLY, INJECT */
	int64_t delay_ms;          /* DELAY, SLOW */
	size_t bytes;              /* CUT */
	unsigned alert;            /* ALERT */
	enum tls_faulty_kind cert; /* CERT */
	enum tls_version version;  /* VERSION */
	struct tls_ctx *tls_ctx;   /* CERT, VERSION: made by the owner */
};

/*
 * Parse POINT[/p:PERCENT%][/to:LOCAL]=FAULT, where FAULT is a kind with its value behind a colon; in TEXT \r, \n and \\
 * are escapes. Strings live in arena. Fails with USAGE naming the text and what was expected.
 */
int smtp_fault_parse(
    struct slice spec, struct arena *arena, struct smtp_fault *fault_r, struct fail *why);

/* Does it belong to this point of the session? */
bool smtp_fault_at(const struct smtp_fault *fault, const char *point);

/* The next number of a sequence that the seed *state begins; below n. */
unsigned smtp_fault_random(uint64_t *state, unsigned n);

#endif

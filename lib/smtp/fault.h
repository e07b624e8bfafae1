#ifndef SMTP_FAULT_H
#define SMTP_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Faults on purpose, for testing clients: at a chosen point of the session the server waits, answers something
 * else, or is cut off. A point is a command verb in upper case, or "GREETING", "." (the reply
 * to the end of data), "*" (every command).
 */
enum smtp_fault_kind {
	SMTP_FAULT_REPLY, /* send text (lines of any form; CRLF is added) instead of the reply; the command has no effect */
	SMTP_FAULT_DELAY, /* wait, then go on */
	SMTP_FAULT_CUT,   /* send the first bytes of the reply, then close */
};

struct smtp_fault {
	const char *point;
	enum smtp_fault_kind kind;
	const char *text; /* REPLY */
	int64_t delay_ms; /* DELAY */
	size_t bytes;     /* CUT */
};

/*
 * Parse POINT=reply:TEXT, POINT=delay:DURATION or POINT=cut:BYTES; in TEXT \r, \n and \\ are
 * escapes. Strings live in arena. Fails with USAGE naming the text and what was expected.
 */
int smtp_fault_parse(
    struct slice spec, struct arena *arena, struct smtp_fault *fault_r, struct fail *why);

/* The first fault of this kind at this point, or NULL. */
const struct smtp_fault *smtp_fault_find(
    const struct smtp_fault *faults, size_t n, const char *point, enum smtp_fault_kind kind);

#endif

#ifndef APP_QUEUE_ENVELOPE_H
#define APP_QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The envelope of a queue file, format version 1 (the rest of the file: app/queue/queuefile.h):
 *
 *   mxtls-queue 1
 *   id 0vn3k8w2f7hq5x9d
 *   time 1767225600
 *   flags 8bitmime smtputf8 requiretls tls-optional header-8bit
 *   sender <user@example.org> ret=hdrs envid=QQ314159 uid=1000
 *   rcpt <a@example.net> notify=success,failure orcpt=rfc822;a@example.net
 *   rcpt <b@example.net>
 *   (an empty line)
 *
 * Lines end in LF, come in this order, words are separated by one space. time: arrival, Unix
 * seconds. flags: always there, the words that apply in this order. sender: "<>" is the null
 * reverse-path. rcpt: one line a recipient, at least one; its number (from 0) names it in the
 * journal. ret, envid, notify, orcpt (RFC 3461) only where given, in this order; notify=never, or
 * any of success, failure, delay in this order. uid: of the user of this host who submitted it, in system mode.
 *
 * In addresses and values each byte outside 0x21-0x7e, and '%', is written %XX (upper-case hex),
 * no other is; so no byte can break a line or a word. Bytes below 0x20 and 0x7f are refused both
 * ways: they have no place in an SMTP command (RFC 5321 s4.1.2). There is one way to write an
 * envelope: what parses formats to the same bytes. All else is damage; a change is another version.
 */
#define QUEUE_ID_BYTES 17 /* 16 characters and NUL */

/* flags of a message */
#define QUEUE_8BITMIME 1     /* RFC 6152 */
#define QUEUE_SMTPUTF8 2     /* RFC 6531 */
#define QUEUE_REQUIRETLS 4   /* RFC 8689 */
#define QUEUE_TLS_OPTIONAL 8 /* RFC 8689 s5: TLS-Required: No */
#define QUEUE_HEADER_8BIT 16 /* the header section is not ASCII */

enum queue_ret { QUEUE_RET_NONE, QUEUE_RET_FULL, QUEUE_RET_HDRS };

/* notify of a recipient; 0 when not given */
#define QUEUE_NOTIFY_NEVER 1
#define QUEUE_NOTIFY_SUCCESS 2
#define QUEUE_NOTIFY_FAILURE 4
#define QUEUE_NOTIFY_DELAY 8

struct queue_rcpt {
	const char *address; /* local-part@domain, without brackets */
	unsigned notify;
	const char *orcpt; /* NULL when not given */
};

/* Strings and arrays belong to whoever filled it; parsed ones live in the arena. */
struct queue_envelope {
	char id[QUEUE_ID_BYTES];
	int64_t time;
	unsigned flags;
	const char *sender; /* "" for the null reverse-path */
	enum queue_ret ret;
	const char *envid; /* NULL when not given */
	bool owned;        /* uid is known */
	uint32_t uid;
	struct queue_rcpt *rcpts;
	size_t rcpts_n;
};

/* 16 characters of "0-9a-z" without i, l, o, u: 11 of the microsecond, 5 random. Sorts by time. */
void queue_id_make(char out[QUEUE_ID_BYTES], int64_t now_us, uint32_t random);
bool queue_id_valid(struct slice id);

/*
 * Append the envelope with its empty line. Pure. Fails with ADDRESS (control characters, empty or
 * too long), NO_RECIPIENT, USAGE (id, time, flags, more than LIMIT_SUBMIT_RECIPIENTS).
 */
int queue_envelope_format(struct buf *out, const struct queue_envelope *e, struct fail *why);

/*
 * Parse the envelope at the start of text; *length_r is its length with the empty line. Pure. Fails
 * with QUEUE_FILE, the text names the line.
 */
int queue_envelope_parse(struct slice text, struct arena *a, struct queue_envelope *e_r,
    size_t *length_r, struct fail *why);

#endif

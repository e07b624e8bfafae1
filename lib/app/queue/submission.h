#ifndef APP_QUEUE_SUBMISSION_H
#define APP_QUEUE_SUBMISSION_H

#include <stdint.h>

#include "app/queue/envelope.h"
#include "app/send/sendmail_args.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * What mxtls-submit hands to the runner of the queue in system mode (DECISIONS A1): a file incoming/<id>, format
 * version 1:
 *
 *   the text as the caller wrote it, lines ended by LF, without the dot that ended it
 *   mxtls-submission 1
 *   id 0vn3k8w2f7hq5x9d
 *   uid 1000
 *   time 1767225600
 *   kind send
 *   options from-headers verbose smtputf8 requiretls reply
 *   when background
 *   errors mail
 *   notify 0
 *   ret none
 *   sender <user@example.org>
 *   name <A%20User>
 *   envid <QQ314159>
 *   tag <cron>
 *   note <option%20-X/tmp/x%20ignored>
 *   to <a@example.net,%20b@example.net>
 *   (an empty line)
 *   mxtls-submission-end LLLLLLLLLLLLLLLLLLLL CCCCCCCC
 *
 * The head stands behind the text, since only then everything is known. L: bytes of the text, 20 decimal digits; C:
 * CRC-32C of all that stands before the last line, 8 lower-case hex digits. options: the words that apply in this order. sender to tag: only where
 * given, "<>" is an empty value; note (for the log) and to (an address list, as it stood on the command line): any number. In values each byte
 * outside 0x21-0x7e, and '%', '<' and '>', is written %XX (upper-case hex), no other is. There is one way to write a head:
 * what parses formats to the same bytes.
 *
 * Whoever writes such a file is not trusted: the runner takes the uid from the file's owner, and all else as words that
 * any caller of sendmail may say.
 */
#define SUBMISSION_TRAILER_BYTES 51

enum submission_kind {
	SUBMISSION_SEND,
	SUBMISSION_LIST /* mailq of a user: no text; the answer goes to the reply's FIFO */
};

struct submission {
	char id[QUEUE_ID_BYTES];
	int64_t uid, time; /* real user; Unix seconds */
	enum submission_kind kind;
	bool reply;                /* somebody waits at the FIFO reply.<id> */
	struct sendmail_args args; /* ignored: notes; mode and ignore_dots are not kept */
};

/* Append the head with its empty line. Pure. Fails with USAGE: more than LIMIT_SUBMISSION_HEAD_BYTES. */
int submission_format(struct buf *out, const struct submission *s, struct fail *why);

/* Parse a head, all of it. Pure; strings live in arena. Fails with QUEUE_FILE, the text names the line. */
int
submission_parse(struct slice head, struct arena *arena, struct submission *s_r, struct fail *why);

/* The last line; its parse: true when it is one. */
void submission_trailer_format(
    char out[SUBMISSION_TRAILER_BYTES + 1], uint64_t text_bytes, uint32_t crc);
bool submission_trailer_parse(
    const char trailer[SUBMISSION_TRAILER_BYTES], uint64_t *text_bytes_r, uint32_t *crc_r);

/*
 * What ends a reply: "mxtls-status NN\n", the exit status of the caller. The parse takes the end of what was read, and
 * returns the length of what stands before, or -1 when there is none: the reply is not complete.
 */
#define SUBMISSION_STATUS_BYTES 16
void submission_status_format(char out[SUBMISSION_STATUS_BYTES + 1], int status);
int64_t submission_status_parse(struct slice reply, int *status_r);

#endif

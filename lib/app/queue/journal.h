#ifndef APP_QUEUE_JOURNAL_H
#define APP_QUEUE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/queue/envelope.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

/*
 * The journal of a message, j/<id>: what became of its recipients, one line an event, appended and
 * never changed. It exists only when there is something to tell that the unlinking of the message
 * does not (DECISIONS E37). Pure functions; who writes when: app/queue/item.h.
 *
 *   CCCCCCCC D 1767225600 0-2,7 2.0.0 mx.example.net 250 2.0.0 ok     delivered
 *   CCCCCCCC S 1767225600 8 2.0.0 mx.example.net 250 2.0.0 ok        delivered, and the sender wants to be told
 *   CCCCCCCC F 1767225600 3 5.1.1 mx.example.net 550 5.1.1 nobody     failed for good
 *   CCCCCCCC T 1767225600 4 1767225900 4.4.1 - connection refused     to be tried again from then on
 *   CCCCCCCC X 1767225600 5                                          taken off by the operator
 *   CCCCCCCC B 1767225600 0vn3k8w2f7hq5x9d 3                          reported in that message, which is made now
 *   CCCCCCCC C 1767225600 0vn3k8w2f7hq5x9d                            which is made
 *   CCCCCCCC N 1767225600 3                                          not to be reported
 *   CCCCCCCC W 1767225600                                            a notice of the delay is made now
 *   CCCCCCCC H 1767225600 TEXT, CCCCCCCC R 1767225600                 held, and why if it was not by hand; released
 *   CCCCCCCC K 1767225600, CCCCCCCC E 1767225600                      a process died at it; none did, this time
 *   CCCCCCCC A 1767225600                                            somebody begins to deliver
 *
 * C: CRC-32C of the message's id and the line behind the blank, 8 lower-case hex digits. A line that is
 * torn, or of another message, is passed over: then a recipient may get the message twice, never not at all.
 * Recipients are their numbers in the envelope. Host is "-" where there was none.
 */
enum queue_rcpt_state {
	QUEUE_RCPT_PENDING,
	QUEUE_RCPT_DELIVERED,
	QUEUE_RCPT_FAILED,
	QUEUE_RCPT_REMOVED
};
const char *queue_rcpt_state_str(enum queue_rcpt_state state);

/* What is known of one recipient. Strings live in the arena; "" when nothing was said. */
struct queue_progress {
	enum queue_rcpt_state state;
	int64_t time;   /* of the last event; 0: none */
	int64_t next;   /* not to be tried before, Unix seconds */
	unsigned tries; /* T lines */
	bool success;   /* delivered: a DSN is asked for */
	bool reported;  /* a DSN about its end was made, or is being made, or is not wanted */
	bool announced; /* ... is being made: by the B of journal.bounce */
	const char *enhanced, *host, *text;
};

struct queue_journal {
	struct queue_progress *rcpts;
	size_t n;
	bool held;
	const char *held_why;        /* "": by hand */
	unsigned crashes;            /* K since the last E or R (app/queue/attempt.h) */
	int64_t delay_notice;        /* 0: none */
	char bounce[QUEUE_ID_BYTES]; /* a DSN that was announced and whose C is missing; "" */
	size_t lines, bad_lines;
};

/* A new journal: nothing has happened. */
void queue_journal_init(struct queue_journal *j, size_t rcpts_n, struct arena *a);

/* Read a journal's text on top of j. Never fails: lines that cannot be read are counted. */
void
queue_journal_parse(struct queue_journal *j, struct slice text, const char *id, struct arena *a);

/* How many recipients are in that state. */
size_t queue_journal_count(const struct queue_journal *j, enum queue_rcpt_state state);
/* Its end is to be told to the sender, and was not. */
bool queue_progress_is_unreported(const struct queue_progress *r);
/* No recipient is pending, and nothing is left to report. */
bool queue_journal_is_over(const struct queue_journal *j);

/* An event to write. */
struct queue_event {
	char kind; /* as above */
	int64_t time;
	const size_t *rcpts; /* ascending; NULL where the kind has none */
	size_t rcpts_n;
	int64_t next;       /* T */
	const char *bounce; /* B, C */
	const char *enhanced, *host,
	    *text; /* D, S, F, T, text of H; NULL for none; made harmless and cut to fit */
};

/* Append the event's line. */
void queue_journal_format(struct buf *out, const char *id, const struct queue_event *e);

/* Append a line with its checksum: what queue_journal_format makes of an event. */
void queue_journal_put_line(struct buf *out, const char *id, struct slice line);

/*
 * When to try again (reference send.md 5.2): 5, 10, 20, 40 minutes, 1 hour, then every 2 hours, each
 * a tenth more or less by random. tries: that have failed, at least 1. Seconds from now on.
 */
int64_t queue_backoff_s(unsigned tries, uint32_t random);

#endif

#ifndef APP_MESSAGE_FIELD_FILTER_H
#define APP_MESSAGE_FIELD_FILTER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Takes out of a message what only we may say (RFC 8601 s5, reference listen.md S28): our mark on mail that came in
 * clear, and Authentication-Results in our name. Pure: a stream of CRLF lines, cut anywhere, with the same
 * result however it is cut. Fields are told by their name in any case, also with blanks in front of the colon;
 * the id of Authentication-Results is found behind comments and folds, and where it cannot be found
 * within FIELD_FILTER_BYTES the field goes. All else stays as it came.
 */
#define FIELD_FILTER_BYTES 2000
#define FIELD_MARK "X-Received-In-Clear"

struct field_filter {
	struct slice id; /* authserv-id that is ours; kept */
	enum field_filter_state {
		FIELD_NAME,    /* of a new field */
		FIELD_RESULTS, /* Authentication-Results: whose? */
		FIELD_KEEP,
		FIELD_DROP,
		FIELD_BODY,
	} state;
	bool line_start;    /* of a line that may be folded to the one before */
	struct buf pending; /* of the field, not yet decided */
};

void field_filter_init(struct field_filter *f, const char *id);
void field_filter_free(struct field_filter *f);
/* Append what stays of the next piece to out, which has room for text.n + FIELD_FILTER_BYTES more. */
void field_filter_feed(struct field_filter *f, struct slice text, struct buf *out);
/* The message is complete: what was not yet decided. */
void field_filter_end(struct field_filter *f, struct buf *out);

#endif

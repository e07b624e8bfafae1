#ifndef APP_MESSAGE_HEADER_SECTION_H
#define APP_MESSAGE_HEADER_SECTION_H

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The header section of a message that comes in pieces: where it ends, and all of it. Lines end in CR LF
 * (app/send/submit_text.h makes them so). The separator line of mbox files in front of it is dropped. Pure.
 */
struct header_section {
	/* private */
	struct buf text;
	size_t line; /* offset in text of the line being read */
	enum { HEADER_AT_START, HEADER_IN_FROM_LINE, HEADER_IN_SECTION } where;
	bool empty_line; /* that ended it: it is no line of the body */
};

enum header_section_state {
	HEADER_SECTION_FAILED,
	HEADER_SECTION_MORE, /* all bytes were taken; at the end of input that is its end, too */
	HEADER_SECTION_OVER  /* what follows is the body */
};

void header_section_init(struct header_section *s);
void header_section_fini(struct header_section *s);

/*
 * Feed bytes until it is over; *used_r: how many of them were taken. Fails with MESSAGE_TOO_BIG (above LIMIT_HEADER_BYTES).
 */
enum header_section_state
header_section_feed(struct header_section *s, struct slice text, size_t *used_r, struct fail *why);

/* For header_parse: its lines without the empty one. Points into the section. */
struct slice header_section_text(const struct header_section *s);

/*
 * Once it is over: the beginning of the body that was taken with it, when that began without an empty line, else
 * empty. Points into the section.
 */
struct slice header_section_body(const struct header_section *s);

#endif

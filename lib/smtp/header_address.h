#ifndef SMTP_HEADER_ADDRESS_H
#define SMTP_HEADER_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Address lists as they stand in To, Cc, From and on sendmail command lines: RFC 5322 s3.4 with the
 * obsolete syntax of s4.4, UTF-8 (RFC 6532), and what senders really write: missing commas,
 * semicolons for commas, an address as an unquoted display name. Pure, one pass, no recursion.
 *
 * One bad part never loses its neighbours: parsing goes on behind the next comma or semicolon, and
 * the bad text is listed with its reason. Nothing is guessed: a word of which it is not clear
 * whether it is a name or a mailbox is listed as bad, not delivered to.
 */
struct header_address {
	/* The meaning of the local part, written as RFC 5321 wants it: quoted if it must be. */
	const char *local;
	const char
	    *domain; /* as written, without comments, spaces and final dot; NULL: unqualified */
	const char
	    *mailbox;  /* local@domain, valid for smtp_mailbox_parse; only local if unqualified */
	bool literal;  /* domain is an address literal, with its brackets */
	bool utf8;     /* some byte above 0x7f */
	bool no_alias; /* written with a backslash in front (\user), as for sendmail */
	struct slice source; /* the addr-spec in the text; a missing @domain belongs at its end */
};

struct header_address_error {
	struct slice source; /* the part of the text that gave no address */
	const char *why;     /* what is wrong, for people */
};

struct header_addresses {
	struct header_address *v;
	size_t n;
	struct header_address_error *errors;
	size_t error_n; /* at most HEADER_ADDRESS_ERRORS are kept of one list */
};

#define HEADER_ADDRESS_ERRORS 100

/*
 * Parse one address list and append what it holds to list (zeroed before the first call), so that
 * several fields fill one list.
 *
 * text   the field's value, folded or unfolded, or a word of argv; slices of list point into it
 * arena  gets the strings and the arrays
 * max    how many addresses list may hold at most
 * Returns 0 also when parts were bad or the list is empty (groups may be: "undisclosed:;").
 * Fails with ADDRESS: more than max addresses.
 */
int header_address_parse(struct slice text, size_t max, struct arena *arena,
    struct header_addresses *list, struct fail *why);

#endif

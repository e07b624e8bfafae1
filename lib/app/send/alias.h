#ifndef APP_SEND_ALIAS_H
#define APP_SEND_ALIAS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/map.h"
#include "base/slice.h"

/*
 * The alias file, aliases(5):
 *
 *   root: admin@example.org, "Second Admin" <second@example.org>
 *   postmaster: root
 *   list: :include:/etc/mail/list
 *   filter: "|/usr/local/bin/filter --quick"
 *   archive: /var/mail/archive
 *   \user in a value is not looked up again
 *
 * A line that begins with a blank goes on with the one above; '#' begins a comment line. Names are
 * those of local users, in any case. A line that is wrong is told and passed over: one typing error
 * must not stop the mail of everybody else.
 *
 * "|command" and "/file" have that meaning only as values in this file, where the administrator has
 * allowed them and nobody else may write to it (DECISIONS A4); everywhere else the same text is an
 * address.
 */
#define ALIAS_DEPTH 10 /* aliases of aliases; sendmail, Postfix and Exim have 10 to 50 */

enum alias_kind {
	ALIAS_ADDRESS, /* an address list of one or more */
	ALIAS_INCLUDE, /* :include:FILE */
	ALIAS_PROGRAM, /* |COMMAND */
	ALIAS_FILE     /* /FILE */
};

struct alias_value {
	enum alias_kind kind;
	const char *text; /* without "|" and ":include:", unquoted */
};

struct alias_entry {
	const char *name; /* lower case */
	unsigned line;
	struct alias_value *values;
	size_t n;
};

struct alias_error {
	unsigned line;
	const char *why;
};

struct aliases {
	struct arena arena;
	const char *file; /* its name */
	bool
	    trusted; /* owned by root or us, writable by nobody else: INCLUDE, PROGRAM and FILE count */
	struct map entries;
	struct alias_error *errors;
	size_t errors_n;
};

/* Take the text of a file apart; never fails. aliases_free ends it. */
void aliases_parse(const char *file, struct slice text, struct aliases *aliases_r);

/*
 * Read the file; one that does not exist has no aliases. Fails with CONFIG (cannot be read, too
 * long): then who gets the mail is not known, and it must not go elsewhere.
 */
int aliases_load(const char *file, struct aliases *aliases_r, struct fail *why);
void aliases_free(struct aliases *aliases);

/* The entry of a local part (as written for SMTP, in any case), or NULL. */
const struct alias_entry *aliases_find(const struct aliases *aliases, const char *local);

/*
 * How a program or a file of an alias stands in an envelope: as the local part "|NAME.XXXXXXXX" at
 * localhost, with a checksum of the value, since one alias may have several of them beside the user's
 * own mailbox. It names what the alias file says and carries nothing itself: when it is delivered,
 * the value is looked up again, so whoever writes such an address gets no further than with NAME.
 */
const char *aliases_value_name(
    const struct alias_entry *entry, const struct alias_value *value, struct arena *arena);
bool aliases_is_value_name(const char *local);
/* The value of such a local part, its entry in *entry_r; NULL when the file has none (any more). */
const struct alias_value *aliases_find_value(
    const struct aliases *aliases, const char *local, const struct alias_entry **entry_r);

/* The addresses of an :include: file, one list a line, '#' comments; in arena; not by a link. Fails with CONFIG. */
int aliases_include(const char *file, struct arena *arena, struct strs *lists_r, struct fail *why);

#endif

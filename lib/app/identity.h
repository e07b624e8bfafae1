#ifndef APP_IDENTITY_H
#define APP_IDENTITY_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/slice.h"

/*
 * Who and where we are, for the names in EHLO, Received, Message-ID and default senders. Reads small
 * local files and the user database, may block on them, never asks the DNS: before the event loop
 * starts, or in the forked children of send. Strings live in arena.
 */

/*
 * This host's fully qualified name in lower case: the kernel's host name if it has a dot, else what
 * /etc/hosts calls it. NULL when there is none, or only one that means nothing elsewhere (localhost,
 * *.localhost, *.localdomain).
 */
const char *identity_hostname(struct arena *arena);

/* The kernel's host name as it is, "localhost" when it has none that is a domain name. */
const char *identity_nodename(struct arena *arena);

/*
 * The domain that addresses without one belong to: the first line of /etc/mailname, else
 * identity_hostname, else NULL.
 */
const char *identity_maildomain(struct arena *arena);

/* The login name of a user by the user database (never $USER); "uid1000" when it has none. */
const char *identity_login(uid_t uid, struct arena *arena);

/* The full name of a user by the user database (gecos up to a comma, & = login), or NULL. */
const char *identity_full_name(uid_t uid, struct arena *arena);

/* The pure parts. The domain in the text of /etc/mailname, or NULL. */
const char *identity_mailname_parse(struct slice text, struct arena *arena);
/* The qualified name that the text of a hosts(5) file gives to name, or NULL. */
const char *identity_hosts_find(struct slice text, const char *name, struct arena *arena);
const char *identity_gecos_parse(const char *gecos, const char *login, struct arena *arena);

#endif

#ifndef APP_MESSAGE_MASQUERADE_H
#define APP_MESSAGE_MASQUERADE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/fail.h"

/*
 * Whose addresses leave under another name: those at this host, whatever program wrote them, since
 * nobody outside can answer to root@box.localdomain. Pure, but for masquerade_names.
 */
struct masquerade {
	const char *local;  /* replaces the local part, written for SMTP; NULL: it stays */
	const char *domain; /* A-labels; NULL: no masquerade at all */
	struct strs ours;   /* domains of this host, lower case */
	bool always;        /* replaces foreign senders, too */
};

/* "@DOMAIN", "DOMAIN" or a whole address. Fails with USAGE: what was expected. */
int masquerade_parse(
    const char *text, struct arena *arena, struct masquerade *masquerade_r, struct fail *why);

/* This host's names, and the mail domain (NULL: none). Reads local files. */
void masquerade_names(const char *maildomain, struct arena *arena, struct strs *ours);

/* Whether an address with this domain (as written; NULL: without one) is at this host. */
bool masquerade_is_ours(const struct masquerade *masquerade, const char *domain);

/* Whether the sender address with this domain is replaced. */
bool masquerade_applies(const struct masquerade *masquerade, const char *domain);

#endif

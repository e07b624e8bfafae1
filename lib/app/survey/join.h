#ifndef APP_SURVEY_JOIN_H
#define APP_SURVEY_JOIN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/facts.h"
#include "io/addr.h"

/*
 * From what a server did to what it means for one of the domains that share it. A session asks for
 * the MX host only; what depends on the mail domain (whether the certificate names it) is found out
 * here from the facts of the certificates. Pure.
 */

/*
 * The TLSA records that are enforced at a host, as 16 hex digits in arena, whatever their order; NULL
 * when none are. Who finds others has another question to the server.
 */
char *survey_tlsa_digest(const struct tlsa_facts *tlsa, struct arena *arena);

/* "192.0.2.1:25/mx.example.com#digest": what lines call a server; and back, false for anything else. */
char *survey_ref(const struct addr *to, const char *name, const char *digest, struct arena *arena);
bool survey_ref_parse(const char *ref, struct arena *arena, struct addr *to_r, const char **name_r,
    const char **digest_r);

/*
 * Give host, one of mx, the facts of the server that answers there; of the target's certificates those
 * that are new are added.
 *
 * domain  NULL: the target is no mail domain
 * skipped the server is another one at the same address: it tells about EHLO and STARTTLS only, and
 *         names how many names were enough
 * What server points at must live as long as the target.
 */
void survey_join(struct target_facts *target, struct exchange_facts *mx, struct host_facts *host,
    const struct server_facts *server, const char *domain, unsigned skipped, struct arena *arena);

/* Whether a further try may find out what is unknown: a failed lookup, a server that was not measured. */
bool survey_worth_retry(const struct target_facts *target);

#endif

#ifndef POLICY_CERTNAME_H
#define POLICY_CERTNAME_H

#include <stdbool.h>

#include "base/facts.h"

/*
 * Whether a certificate, as facts, names a host. Pure. Only what is spelt as a host name counts, so
 * that no odd byte (a NUL, escaped) passes for another name's end; a wildcard stands for one whole
 * left-most label (RFC 6125 s6.4.3).
 *
 * name  A-labels, never an address; with a dot in front any name below it, at any depth: then a
 *       wildcard of the certificate counts as a name there, too
 * cn    whether the common name counts where the certificate has no DNS name. Not for MTA-STS
 *       (RFC 8461 s4.2)
 */
bool certname_matches(const struct cert_facts *leaf, const char *name, bool cn);

#endif

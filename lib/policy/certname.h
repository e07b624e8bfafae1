#ifndef POLICY_CERTNAME_H
#define POLICY_CERTNAME_H

#include <stdbool.h>

#include "base/facts.h"

/*
 * Whether a certificate, as facts, names a host. Pure, and the same rules as X509_check_host has with
 * X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS (a test compares them): a wildcard stands for one whole
 * left-most label (RFC 9525 s6.3) with two more behind it. Only what is spelt as a host name counts,
 * so that no odd byte (a NUL, escaped) passes for another name's end.
 *
 * name    A-labels, never an address; with a dot in front any name below it, at any depth: then a
 *         wildcard of the certificate counts as a name there, too
 * cn      whether the common name counts where the certificate has no DNS name. Not for MTA-STS
 *         (RFC 8461 s4.2)
 * name_r  the name that does, the leaf's own; NULL when none
 * Unknown when none does, but not all names of the certificate were kept.
 */
enum tri certname_find(const struct cert_facts *leaf, const char *name, bool cn, char **name_r);

/* The same as a yes or no: what is unknown is no. */
bool certname_matches(const struct cert_facts *leaf, const char *name, bool cn);

#endif

#ifndef POLICY_PSL_H
#define POLICY_PSL_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/slice.h"

/*
 * Who runs a mail server: the registrable domain of its name (public suffix plus one label), by
 * libpsl and the newest Public Suffix List of this system. Both are loaded at the first call;
 * without libpsl there is a warning, and nobody is known.
 */

/*
 * name  host name, A-labels, any case, with or without trailing dot
 * out   the registrable domain in lower case, without trailing dot, NUL-terminated
 * False, and out "", when there is none: an address, a public suffix itself, or no name at all.
 * A name below an unknown top-level domain ("mx.example.test") counts its last label as the suffix.
 */
bool psl_registrable(struct slice name, char out[LIMIT_DOMAIN_BYTES + 1]);

#endif

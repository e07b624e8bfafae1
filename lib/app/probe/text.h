#ifndef APP_PROBE_TEXT_H
#define APP_PROBE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/facts.h"

/*
 * A record of a probe as text for people: the verdict, why, and what to do about it (one line a
 * finding), then each MX host and address. Pure. Remote text is escaped (text_escape); the only
 * control characters that come out are newlines and, with colour, our own SGR sequences.
 *
 * now     Unix seconds, for the days a certificate has left
 * colour  the verdict in colour
 */
void probe_text_write(const struct target_facts *facts, int64_t now, bool colour, struct buf *out);

/*
 * What to do about each thing that was found at one address, one line each, the most urgent first.
 * Returns how many; 0 when there is nothing to do, or nobody knows. The texts are constants, so that
 * equal ones can be said once.
 */
#define PROBE_ADVICE_MAX 16
size_t probe_advice(const struct target_facts *facts, const struct host_facts *host,
    const char *out[PROBE_ADVICE_MAX]);

/* What a deep look at one address found (--enum, --check-injection), in the lines of probe_text_write. */
void probe_text_deep(const struct host_facts *host, struct buf *out);

#define PROBE_LABEL_WIDTH 14 /* of the lines below an address */

#endif

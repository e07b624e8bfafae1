#ifndef APP_PROBE_CSV_H
#define APP_PROBE_CSV_H

#include "base/buf.h"
#include "base/facts.h"

/*
 * Records of a probe as CSV (RFC 4180, but with LF): one row for each handshake, for each address
 * without one, each MX host without address, and each target without MX host. Pure. Remote text is
 * escaped (text_escape), so that a row is one line; cells that a spreadsheet would take for a
 * formula begin with an apostrophe. What is not known is an empty cell.
 */

/* The header row, the same for ever: new columns come last. */
void probe_csv_header(struct buf *out);
void probe_csv_write(const struct target_facts *facts, struct buf *out);

#endif

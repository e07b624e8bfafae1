#ifndef BASE_GZIP_H
#define BASE_GZIP_H

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Compress in one go (RFC 1952), without name and time, so that the same text gives the same bytes; appended to out.
 * By zlib, which is opened when it is first needed. Fails with CONFIG (not installed), INTERNAL (out is full).
 */
int gzip(struct slice text, struct buf *out, struct fail *why);

#endif

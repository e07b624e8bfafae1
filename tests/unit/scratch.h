#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <stddef.h>

/* A directory of its own for a test, removed with all it holds at scratch_end. */
struct scratch {
	char path[64];
};
void scratch_begin(struct scratch *s);
void scratch_end(struct scratch *s);

/* path/name as a string that lives until the next 8 calls. */
const char *scratch_path(const struct scratch *s, const char *name);
/* Entries of a directory below path but "." and ".."; -1 when it is none. */
int scratch_count(const struct scratch *s, const char *name);
/* The name of the only entry; "" otherwise. */
const char *scratch_only(const struct scratch *s, const char *name);
/* The content of a file (at most 64 KiB), until the next call. */
const char *scratch_read(const struct scratch *s, const char *name);
void scratch_write(const struct scratch *s, const char *name, const void *data, size_t n);

#endif

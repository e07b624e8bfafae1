#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Counted bytes that somebody else owns. Network bytes are slices: they may hold NUL and are never
 * handed to str* functions. All functions are pure; "case" means ASCII case only, since the
 * locale must not change what a protocol keyword is.
 */
struct slice {
	const char *p;
	size_t n;
};

struct slice slice_str(const char *s); /* NULL gives the empty slice */
struct slice slice_make(const char *p, size_t n);
/* Bytes from..to (to excluded), both cut to the length. */
struct slice slice_sub(struct slice s, size_t from, size_t to);
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_case(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *word);      /* equal to a string */
bool slice_is_case(struct slice a, const char *word); /* likewise, any ASCII case */
bool slice_starts_case(struct slice a, const char *prefix);
/* Index of byte c, or n when absent. */
size_t slice_find(struct slice s, char c);
/* Without leading and trailing SP and HT. */
struct slice slice_trim(struct slice s);
/* Cut the next word (ended by SP or HT) off the front of *s; empty at the end. */
struct slice slice_word(struct slice *s);
/* Cut what stands before the first byte c, or everything, off the front of *s; that c goes, too. */
struct slice slice_cut(struct slice *s, char c);
/* An unsigned decimal number of digits only, at most max; false otherwise. */
bool slice_number(struct slice s, unsigned long long max, unsigned long long *value_r);

#endif

#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include <stdbool.h>

/*
 * Failures: one enum made from fail.def, one struct that travels as the last argument ("why") of
 * every function that can fail. Whoever notices the failure first fills it; callers pass it on
 * and may add context in front of the text (fail_prefix), never replace the code.
 *
 * A "why" may be NULL: the caller does not care for the reason.
 */

enum fail_class {
	FAIL_CLASS_TEMPORARY,
	FAIL_CLASS_PERMANENT,
	FAIL_CLASS_POLICY,
	FAIL_CLASS_LOCAL,
	FAIL_CLASS_USAGE
};

enum fail_code {
#define FAIL(symbol, token, class, enhanced, result_type, exit_status, text) FAIL_##symbol,
#include "base/fail.def"
#undef FAIL
	FAIL_COUNT
};

struct fail {
	enum fail_code code;
	int errnum;     /* errno where a system call failed, else 0 */
	int smtp_code;  /* reply code of the peer where one decided, else 0 */
	char text[512]; /* one line for people: what, where, what was expected; already sanitised */
};

struct fail_info {
	const char *token; /* JSON */
	enum fail_class class;
	const char *enhanced;    /* RFC 3463 */
	const char *result_type; /* RFC 8460 s4.3, or x-..., or "" */
	int exit_status;         /* sysexits */
	const char *text;
};

/* The row of fail.def. code must be below FAIL_COUNT. */
const struct fail_info *fail_info(enum fail_code code);

/* Find a code by its JSON token; FAIL_COUNT when unknown. */
enum fail_code fail_code_parse(const char *token);

/*
 * Fill why (nothing when NULL) and return -1, so that "return fail_set(why, ...)" is the idiom.
 * fmt NULL: the text of fail.def. Control characters and bytes that are not UTF-8 in the formatted
 * text are replaced by '?', so that remote text may be passed as an argument. Keeps errno.
 */
int fail_set(struct fail *why, enum fail_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As fail_set, with errno stored and ": strerror" appended. */
int fail_errno(struct fail *why, enum fail_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put context in front of the text: "context: text". Returns -1. */
int fail_prefix(struct fail *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forget: code NONE, empty text. */
void fail_clear(struct fail *why);

/* True for TEMPORARY, LOCAL and those POLICY failures that may end by themselves (4.x.x). */
bool fail_is_temporary(const struct fail *why);

#endif

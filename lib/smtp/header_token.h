#ifndef SMTP_HEADER_TOKEN_H
#define SMTP_HEADER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * The lexical tokens of structured header fields (RFC 5322 s3.2), for smtp/header_address.c. Pure;
 * linear in the length of the text whatever it holds.
 */
enum token_kind {
	TOKEN_END,
	TOKEN_ATOM,    /* also with quoted pairs: \user */
	TOKEN_QUOTED,  /* with its quotes */
	TOKEN_LITERAL, /* with its brackets */
	TOKEN_SPECIAL, /* one of < > @ , ; : . */
	TOKEN_BAD      /* one byte that can begin nothing, or opens what is never closed */
};

struct token {
	enum token_kind kind;
	struct slice text;
	bool spaced; /* white space or a comment stands before it */
};

struct token_scanner {
	struct slice text;
	size_t at;         /* offset of the next token; start with 0 */
	unsigned unclosed; /* private; start with 0 */
};

/* The next token; white space (with line ends) and comments, also nested ones, are skipped. */
struct token token_next(struct token_scanner *scanner);

#endif

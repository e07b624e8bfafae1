#include "smtp/header_token.h"

#include <string.h>

#include "smtp/address.h"

/*
 * An unclosed comment, quote or literal costs a scan to the end of the text. After so many of them
 * in one text every further opening byte is an error at once: the pass stays linear.
 */
#define UNCLOSED_MAX 16

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Offset behind the comment that begins at from; 0 when it does not end. RFC 5322 s3.2.2. */
static size_t
comment_end(struct slice text, size_t from)
{
	size_t depth = 0;

	for (size_t i = from; i < text.n; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == '(')
			depth++;
		else if (text.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* Offset behind the closing byte of what begins at from; 0 when there is none. */
static size_t
closed_end(struct slice text, size_t from, char close)
{
	for (size_t i = from + 1; i < text.n; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == close)
			return i + 1;
	}
	return 0;
}

/* Length of an atom at from, in which a backslash takes the next byte with it. */
static size_t
atom_end(struct slice text, size_t from)
{
	size_t i = from;

	while (i < text.n) {
		if (text.p[i] == '\\' && i + 1 < text.n && !is_space(text.p[i + 1]))
			i += 2;
		else if (smtp_is_atext(text.p[i]))
			i++;
		else
			break;
	}
	return i;
}

static size_t
bounded_end(struct token_scanner *scanner, char open)
{
	size_t end;

	if (scanner->unclosed >= UNCLOSED_MAX)
		return 0;
	if (open == '(')
		end = comment_end(scanner->text, scanner->at);
	else
		end = closed_end(scanner->text, scanner->at, open == '"' ? '"' : ']');
	if (end == 0)
		scanner->unclosed++;
	return end;
}

/* Skip white space and comments (CFWS); a comment that does not end is left to be a bad byte. */
static bool
skip_cfws(struct token_scanner *scanner)
{
	struct slice text = scanner->text;
	size_t from = scanner->at;

	while (scanner->at < text.n) {
		if (is_space(text.p[scanner->at])) {
			scanner->at++;
			continue;
		}
		size_t end = text.p[scanner->at] == '(' ? bounded_end(scanner, '(') : 0;
		if (end == 0)
			break;
		scanner->at = end;
	}
	return scanner->at > from;
}

struct token
token_next(struct token_scanner *scanner)
{
	struct token token = { .kind = TOKEN_END, .spaced = skip_cfws(scanner) };
	struct slice text = scanner->text;
	size_t from = scanner->at, end = 0;

	if (from == text.n) {
		token.text = slice_sub(text, from, from);
		return token;
	}
	char c = text.p[from];
	if (c == '"' || c == '[') {
		token.kind = c == '"' ? TOKEN_QUOTED : TOKEN_LITERAL;
		end = bounded_end(scanner, c);
	} else if (c != '\0' && strchr("<>@,;:.", c) != NULL) {
		token.kind = TOKEN_SPECIAL;
		end = from + 1;
	} else if ((end = atom_end(text, from)) > from) {
		token.kind = TOKEN_ATOM;
	} else {
		end = 0;
	}
	if (end == 0) {
		token.kind = TOKEN_BAD;
		end = from + 1;
	}
	token.text = slice_sub(text, from, end);
	scanner->at = end;
	return token;
}

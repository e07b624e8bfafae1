#include "smtp/header_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/address.h"
#include "smtp/header_token.h"

/* Where in an address the next token is. */
enum state {
	STATE_WORDS,     /* a display name, a group's name or a local part: not yet known */
	STATE_ROUTE,     /* in < >, in an obsolete source route, up to its colon */
	STATE_LOCAL,     /* in < >, in the local part */
	STATE_DOMAIN,    /* behind the @ */
	STATE_END_ANGLE, /* behind the > */
	STATE_SKIP       /* something was wrong: up to the next comma or semicolon */
};

struct parser {
	struct token_scanner scanner;
	struct arena *arena;
	struct header_addresses *list;
	size_t max;
	bool too_many;

	enum state state;
	bool angle;           /* between < and > */
	size_t angles;        /* addresses in < > of this element */
	struct slice element; /* from the first token behind the last delimiter to the last one */
	const char *wrong;    /* STATE_SKIP: the reason */

	/*
	 * Addresses of this element outside of < >: display names after all if a < follows, nothing
	 * if something is wrong.
	 */
	struct header_address *pending;
	size_t pending_n, pending_cap;

	struct slice junk; /* words of this element that belong to no address */
	struct slice spec; /* the source of the word or address being read */
	struct buf local;  /* the meaning of its local part so far */
	struct buf domain;
	bool dot;     /* the last token of local or domain was a dot, or an @ */
	bool escaped; /* the local part began with a backslash */
};

static void
add_error(struct parser *p, struct slice source, const char *why)
{
	if (p->list->error_n >= HEADER_ADDRESS_ERRORS)
		return;
	struct header_address_error *e =
	    arena_push(p->arena, &p->list->errors, &p->list->error_n, sizeof(*e));
	e->source = source;
	e->why = why;
}

static void
extend(struct slice *s, struct slice token)
{
	if (s->n == 0)
		*s = token;
	else
		s->n = (size_t)(token.p + token.n - s->p);
}

static void
spec_reset(struct parser *p)
{
	buf_reset(&p->local);
	buf_reset(&p->domain);
	p->spec.n = 0;
	p->dot = false;
	p->escaped = false;
}

static void
element_reset(struct parser *p)
{
	spec_reset(p);
	p->state = STATE_WORDS;
	p->angle = false;
	p->angles = 0;
	p->element.n = 0;
	p->pending_n = 0;
	p->junk.n = 0;
}

/* Skip to the next delimiter. why must live in the arena or be a literal. */
static void
bad(struct parser *p, const char *why)
{
	p->wrong = why;
	p->state = STATE_SKIP;
}

/* The meaning of a word, appended: without quotes, backslashes and the line ends of folding. */
static void
append_word(struct buf *out, struct token token)
{
	struct slice s = token.text;

	if (token.kind == TOKEN_QUOTED)
		s = slice_sub(s, 1, s.n - 1);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n')
			continue;
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		buf_putc(out, s.p[i]);
	}
}

/* Local part and domain are complete: check them as SMTP will need them, and keep them. */
static int
address_check(struct parser *p, struct header_address *a, struct fail *why)
{
	struct buf written;
	struct smtp_path path;
	int rc = -1;

	buf_init(&written, LIMIT_PATH_BYTES + 2);
	if (p->local.full || p->domain.full) {
		fail_set(why, FAIL_ADDRESS, "address is too long");
	} else if (p->local.len == 0) {
		fail_set(why, FAIL_ADDRESS, "empty local part");
	} else if (smtp_local_quote(&written, slice_make(p->local.data, p->local.len)) != 0) {
		fail_set(why, FAIL_ADDRESS,
		    "local part is too long, or has a control character or a "
		    "byte that is not UTF-8");
	} else {
		a->local = arena_strndup(p->arena, written.data, written.len);
		a->domain = p->domain.len == 0 ? NULL : arena_strdup(p->arena, buf_str(&p->domain));
		a->mailbox = a->domain == NULL
				 ? a->local
				 : arena_printf(p->arena, "%s@%s", a->local, a->domain);
		const char *whole =
		    a->domain != NULL ? a->mailbox : arena_printf(p->arena, "%s@x", a->local);
		rc = smtp_mailbox_parse(slice_str(whole), &path, why);
		a->literal = path.literal;
		a->utf8 = path.utf8;
	}
	buf_free(&written);
	return rc;
}

/* The address that was read joins the pending ones, or the element is bad. */
static void
address_done(struct parser *p)
{
	struct header_address a = { .source = p->spec, .no_alias = p->escaped };
	struct fail why = { 0 };

	if (p->dot && p->domain.len > 0) /* user@example.org. */
		p->domain.data[--p->domain.len] = '\0';
	if (address_check(p, &a, &why) != 0) {
		bad(p, arena_strdup(p->arena, why.text));
		return;
	}
	p->pending = mem_grow(p->pending, p->pending_n, &p->pending_cap, sizeof(*p->pending));
	p->pending[p->pending_n++] = a;
	spec_reset(p);
}

static void
pending_keep(struct parser *p)
{
	for (size_t i = 0; i < p->pending_n; i++) {
		if (p->list->n >= p->max) {
			p->too_many = true;
			break;
		}
		struct header_address *a =
		    arena_push(p->arena, &p->list->v, &p->list->n, sizeof(*a));
		*a = p->pending[i];
	}
	p->pending_n = 0;
}

/* The end of an element: comma, semicolon or the end of the text. */
static void
element_done(struct parser *p)
{
	if (p->state == STATE_ROUTE || p->state == STATE_LOCAL ||
	    (p->state == STATE_DOMAIN && p->angle)) {
		bad(p, "no closing angle bracket");
	} else if (p->state == STATE_DOMAIN && p->domain.len == 0) {
		bad(p, "no domain behind the @");
	} else if (p->state == STATE_DOMAIN) {
		address_done(p);
	} else if (p->state == STATE_WORDS && p->spec.n > 0) {
		if (p->junk.n == 0 && p->pending_n == 0 && p->angles == 0)
			address_done(p); /* one word alone: an unqualified address */
		else
			extend(&p->junk, p->spec);
	}
	if (p->state == STATE_SKIP) {
		add_error(p, p->element, p->wrong);
	} else {
		pending_keep(p);
		if (p->junk.n > 0)
			add_error(p, p->junk, "words that are no address");
	}
	element_reset(p);
}

/* A word or a dot of a local part or of a name. */
static void
word(struct parser *p, struct token token)
{
	bool is_dot = token.kind == TOKEN_SPECIAL;

	if (!is_dot && p->spec.n > 0 && !p->dot) { /* two words in a row */
		if (!token.spaced) {
			bad(p, "two words without space or dot between them");
			return;
		}
		if (p->angle) {
			bad(p, "space inside the address");
			return;
		}
		extend(&p->junk, p->spec);
		spec_reset(p);
	}
	if (p->spec.n == 0)
		p->escaped = token.kind == TOKEN_ATOM && token.text.p[0] == '\\';
	if (is_dot)
		buf_putc(&p->local, '.');
	else
		append_word(&p->local, token);
	p->dot = is_dot;
	extend(&p->spec, token.text);
}

/* An opening bracket: everything in front of it in this element was a display name. */
static void
angle_open(struct parser *p)
{
	if (p->angle) {
		bad(p, "'<' inside angle brackets");
		return;
	}
	/* user@example.org <user@example.org>: the first one is the name */
	p->pending_n = 0;
	p->junk.n = 0;
	spec_reset(p);
	p->angle = true;
	p->state = STATE_LOCAL;
}

static void
angle_close(struct parser *p)
{
	if (!p->angle || p->state == STATE_ROUTE)
		bad(p, "unexpected '>'");
	else if (p->spec.n == 0)
		bad(p, "empty address");
	else if (p->state == STATE_DOMAIN && p->domain.len == 0)
		bad(p, "no domain behind the @");
	else
		address_done(p);
	if (p->state == STATE_SKIP)
		return;
	p->angle = false;
	p->angles++;
	pending_keep(p);
	p->state = STATE_END_ANGLE;
}

static void
at_sign(struct parser *p, struct token token)
{
	if (p->angle && p->spec.n == 0) {
		p->state = STATE_ROUTE; /* RFC 5322 s4.4: obs-route, which is dropped */
		return;
	}
	if (p->spec.n == 0 || p->local.len == 0) {
		bad(p, "no local part in front of the @");
		return;
	}
	extend(&p->spec, token.text);
	p->dot = true; /* the domain may begin */
	p->state = STATE_DOMAIN;
}

/* A token behind the @. A word that cannot go on with the domain begins the next address. */
static void
domain_token(struct parser *p, struct token token)
{
	bool is_dot = token.kind == TOKEN_SPECIAL;

	if (is_dot && (p->dot || p->domain.len == 0)) {
		bad(p, "empty label in the domain");
		return;
	}
	if (is_dot || p->dot) {
		if (token.kind == TOKEN_QUOTED) {
			bad(p, "quoted domain");
			return;
		}
		append_word(&p->domain, token);
		extend(&p->spec, token.text);
		p->dot = is_dot;
		return;
	}
	if (p->angle || !token.spaced) {
		bad(p, "text directly behind the address");
		return;
	}
	address_done(p); /* the comma is missing */
	if (p->state == STATE_SKIP)
		return;
	p->state = STATE_WORDS;
	word(p, token);
}

static void
special(struct parser *p, struct token token)
{
	switch (token.text.p[0]) {
	case '<':
		angle_open(p);
		break;
	case '>':
		angle_close(p);
		break;
	case '@':
		if (p->state == STATE_DOMAIN)
			bad(p, "two @ in one address");
		else
			at_sign(p, token);
		break;
	case ':':
		/* the name of a group; also mailto: */
		if (p->state != STATE_WORDS || p->pending_n > 0 || p->angles > 0)
			bad(p, "unexpected colon");
		else
			element_reset(p);
		break;
	default: /* a dot */
		if (p->state == STATE_DOMAIN)
			domain_token(p, token);
		else
			word(p, token);
	}
}

/* In an obsolete route: @domain, more of them between commas (which may stand alone), a colon. */
static void
route_token(struct parser *p, struct token token)
{
	if (token.kind == TOKEN_SPECIAL && token.text.p[0] == ':')
		p->state = STATE_LOCAL;
	else if (token.kind == TOKEN_BAD || token.kind == TOKEN_QUOTED ||
		 (token.kind == TOKEN_SPECIAL && strchr("@,.", token.text.p[0]) == NULL))
		bad(p, "source route without an address");
}

static void
dispatch(struct parser *p, struct token token)
{
	if (p->state == STATE_END_ANGLE && token.kind != TOKEN_BAD) {
		/* no comma behind a finished address: the next one begins */
		p->state = STATE_WORDS;
	}
	if (p->state == STATE_SKIP)
		return;
	if (token.kind == TOKEN_BAD) {
		bad(p, token.text.p[0] == '"'   ? "no closing quote"
		       : token.text.p[0] == '(' ? "no closing parenthesis"
		       : token.text.p[0] == '[' ? "no closing square bracket"
						: "byte that is not allowed here");
	} else if (p->state == STATE_ROUTE) {
		route_token(p, token);
	} else if (token.kind == TOKEN_SPECIAL) {
		special(p, token);
	} else if (p->state == STATE_DOMAIN) {
		domain_token(p, token);
	} else if (token.kind == TOKEN_LITERAL) {
		bad(p, "address literal without a local part");
	} else {
		word(p, token);
	}
}

/* Whether this token ends the element. In a route commas belong to it while the route goes on. */
static bool
is_delimiter(const struct parser *p, struct token token)
{
	if (token.kind == TOKEN_END)
		return true;
	if (token.kind != TOKEN_SPECIAL)
		return false;
	if (token.text.p[0] == ',' && p->state == STATE_ROUTE) {
		struct token_scanner ahead = p->scanner;
		struct token next = token_next(&ahead);
		return !(next.kind == TOKEN_SPECIAL && strchr("@,", next.text.p[0]) != NULL);
	}
	return token.text.p[0] == ',' || token.text.p[0] == ';';
}

int
header_address_parse(struct slice text, size_t max, struct arena *arena,
    struct header_addresses *list, struct fail *why)
{
	struct parser p = { .scanner = { .text = text }, .arena = arena, .list = list, .max = max };
	struct token token;

	buf_init(&p.local, LIMIT_PATH_BYTES);
	buf_init(&p.domain, LIMIT_DOMAIN_BYTES + 2);
	element_reset(&p);
	do {
		token = token_next(&p.scanner);
		if (is_delimiter(&p, token)) {
			element_done(&p);
		} else {
			extend(&p.element, token.text);
			dispatch(&p, token);
		}
	} while (token.kind != TOKEN_END && !p.too_many);
	free(p.pending);
	buf_free(&p.local);
	buf_free(&p.domain);
	return p.too_many ? fail_set(why, FAIL_ADDRESS, "more than %zu addresses", max) : 0;
}

#include "app/queue/envelope.h"

#include <inttypes.h>
#include <string.h>

#include "base/limits.h"

#define ID_LENGTH (QUEUE_ID_BYTES - 1)
#define ID_TIME_CHARS 11 /* 55 bits of microseconds: to the year 3111 */
#define TIME_MAX (1ULL << 40)

static const char id_alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static const struct {
	unsigned flag;
	const char *word;
} flag_words[] = {
	{ QUEUE_8BITMIME, "8bitmime" },
	{ QUEUE_SMTPUTF8, "smtputf8" },
	{ QUEUE_REQUIRETLS, "requiretls" },
	{ QUEUE_TLS_OPTIONAL, "tls-optional" },
	{ QUEUE_HEADER_8BIT, "header-8bit" },
};
static const struct {
	unsigned notify;
	const char *word;
} notify_words[] = {
	{ QUEUE_NOTIFY_SUCCESS, "success" },
	{ QUEUE_NOTIFY_FAILURE, "failure" },
	{ QUEUE_NOTIFY_DELAY, "delay" },
};
#define FLAG_WORDS (sizeof(flag_words) / sizeof(flag_words[0]))
#define NOTIFY_WORDS (sizeof(notify_words) / sizeof(notify_words[0]))

/* --- ids -------------------------------------------------------------------------------------------- */

void
queue_id_make(char out[QUEUE_ID_BYTES], int64_t now_us, uint32_t random)
{
	uint64_t t = (uint64_t)now_us;

	for (int i = ID_TIME_CHARS - 1; i >= 0; i--, t >>= 5)
		out[i] = id_alphabet[t & 31];
	for (int i = ID_TIME_CHARS; i < ID_LENGTH; i++, random >>= 5)
		out[i] = id_alphabet[random & 31];
	out[ID_LENGTH] = '\0';
}

bool
queue_id_valid(struct slice id)
{
	if (id.n != ID_LENGTH)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (memchr(id_alphabet, id.p[i], sizeof(id_alphabet) - 1) == NULL)
			return false;
	return true;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool
is_verbatim(char c)
{
	return c > 0x20 && c < 0x7f && c != '%';
}

static int
put_escaped(struct buf *out, const char *s, size_t max, struct fail *why)
{
	size_t n = strlen(s);

	if (n > max)
		return fail_set(why, FAIL_ADDRESS, "longer than %zu bytes: %s", max, s);
	for (size_t i = 0; i < n; i++) {
		if (is_control(s[i]))
			return fail_set(why, FAIL_ADDRESS, "control character in %s", s);
		if (is_verbatim(s[i]))
			buf_putc(out, s[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)s[i]);
	}
	return 0;
}

static void
put_notify(struct buf *out, unsigned notify)
{
	const char *separator = " notify=";

	if (notify == QUEUE_NOTIFY_NEVER)
		buf_puts(out, " notify=never");
	for (size_t i = 0; i < NOTIFY_WORDS; i++) {
		if ((notify & notify_words[i].notify) == 0)
			continue;
		buf_puts(out, separator);
		buf_puts(out, notify_words[i].word);
		separator = ",";
	}
}

static int
put_sender(struct buf *out, const struct queue_envelope *e, struct fail *why)
{
	buf_puts(out, "sender <");
	if (put_escaped(out, e->sender, LIMIT_PATH_BYTES, why) != 0)
		return -1;
	buf_puts(out, ">");
	if (e->ret != QUEUE_RET_NONE)
		buf_puts(out, e->ret == QUEUE_RET_FULL ? " ret=full" : " ret=hdrs");
	if (e->envid != NULL) {
		buf_puts(out, " envid=");
		if (put_escaped(out, e->envid, LIMIT_ENVID_BYTES, why) != 0)
			return -1;
	}
	if (e->owned)
		buf_printf(out, " uid=%" PRIu32, e->uid);
	return buf_putc(out, '\n');
}

static int
put_rcpt(struct buf *out, const struct queue_rcpt *r, struct fail *why)
{
	if (r->address[0] == '\0')
		return fail_set(why, FAIL_ADDRESS, "empty recipient");
	if ((r->notify & QUEUE_NOTIFY_NEVER) != 0 && r->notify != QUEUE_NOTIFY_NEVER)
		return fail_set(why, FAIL_USAGE, "NOTIFY=NEVER stands alone (RFC 3461 s4.1)");
	buf_puts(out, "rcpt <");
	if (put_escaped(out, r->address, LIMIT_PATH_BYTES, why) != 0)
		return -1;
	buf_puts(out, ">");
	put_notify(out, r->notify);
	if (r->orcpt != NULL) {
		buf_puts(out, " orcpt=");
		if (put_escaped(out, r->orcpt, LIMIT_ORCPT_BYTES, why) != 0)
			return -1;
	}
	return buf_putc(out, '\n');
}

int
queue_envelope_format(struct buf *out, const struct queue_envelope *e, struct fail *why)
{
	if (!queue_id_valid(slice_str(e->id)) || e->time < 0 || (uint64_t)e->time > TIME_MAX)
		return fail_set(why, FAIL_USAGE, "queue file: bad id or time");
	if (e->rcpts_n == 0)
		return fail_set(why, FAIL_NO_RECIPIENT, NULL);
	if (e->rcpts_n > LIMIT_SUBMIT_RECIPIENTS)
		return fail_set(
		    why, FAIL_USAGE, "more than %d recipients", LIMIT_SUBMIT_RECIPIENTS);
	buf_printf(out, "mxtls-queue 1\nid %s\ntime %lld\nflags", e->id, (long long)e->time);
	for (size_t i = 0; i < FLAG_WORDS; i++)
		if (e->flags & flag_words[i].flag)
			buf_printf(out, " %s", flag_words[i].word);
	buf_putc(out, '\n');
	int rc = put_sender(out, e, why);
	for (size_t i = 0; i < e->rcpts_n && rc == 0; i++)
		rc = put_rcpt(out, &e->rcpts[i], why);
	buf_putc(out, '\n');
	if (rc == 0 && out->full)
		return fail_set(why, FAIL_USAGE, "queue file: envelope too long");
	return rc;
}

/* --- reading ---------------------------------------------------------------------------------------- */

struct parser {
	struct slice rest; /* of the text */
	struct slice line; /* what is left of the line that is looked at */
	unsigned number;
	struct arena *arena;
	struct fail *why;
};

static int
damaged(struct parser *p, const char *what)
{
	return fail_set(p->why, FAIL_QUEUE_FILE, "envelope line %u: %s", p->number, what);
}

static int
next_line(struct parser *p)
{
	size_t i = slice_find(p->rest, '\n');

	p->number++;
	if (i == p->rest.n)
		return damaged(p, "cut off");
	p->line = slice_sub(p->rest, 0, i);
	p->rest = slice_sub(p->rest, i + 1, p->rest.n);
	return 0;
}

/* Take a prefix, in this very case, off the line. */
static bool
take(struct parser *p, const char *prefix)
{
	size_t n = strlen(prefix);

	if (p->line.n < n || memcmp(p->line.p, prefix, n) != 0)
		return false;
	p->line = slice_sub(p->line, n, p->line.n);
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte, verbatim or escaped, off the line; -1 when there is none or it has no business here. */
static int
take_byte(struct parser *p)
{
	const char *s = p->line.p;

	if (p->line.n == 0)
		return -1;
	if (is_verbatim(s[0])) {
		p->line = slice_sub(p->line, 1, p->line.n);
		return (unsigned char)s[0];
	}
	if (s[0] != '%' || p->line.n < 3)
		return -1;
	int high = hex_digit(s[1]), low = hex_digit(s[2]);
	if (high < 0 || low < 0)
		return -1;
	char c = (char)(high << 4 | low);
	if (is_verbatim(c) || is_control(c))
		return -1;
	p->line = slice_sub(p->line, 3, p->line.n);
	return (unsigned char)c;
}

/*
 * The value up to the end of its word into the arena, NULL when it is none. With end '>' the last
 * such byte of the word ends it: an address may hold one in a quoted local part.
 */
static const char *
take_value(struct parser *p, size_t max, bool bracketed)
{
	struct slice word = slice_sub(p->line, 0, slice_find(p->line, ' '));
	struct slice after = slice_sub(p->line, word.n, p->line.n);

	if (bracketed) {
		if (word.n == 0 || word.p[word.n - 1] != '>')
			return NULL;
		word.n--;
	}
	/* a value of max bytes has at most three times as many characters */
	if (word.n > 3 * max)
		return NULL;
	char *out = arena_alloc(p->arena, word.n + 1);
	size_t n = 0;
	p->line = word;
	while (p->line.n > 0) {
		int c = take_byte(p);
		if (c < 0)
			return NULL;
		out[n++] = (char)c;
	}
	p->line = after;
	return n <= max ? out : NULL;
}

static int
parse_id_time(struct parser *p, struct queue_envelope *e)
{
	unsigned long long t;

	if (next_line(p) != 0)
		return -1;
	if (!take(p, "mxtls-queue 1") || p->line.n != 0)
		return damaged(p, "not a queue file of version 1");
	if (next_line(p) != 0)
		return -1;
	if (!take(p, "id ") || !queue_id_valid(p->line))
		return damaged(p, "no id");
	memcpy(e->id, p->line.p, ID_LENGTH);
	if (next_line(p) != 0)
		return -1;
	if (!take(p, "time ") || !slice_number(p->line, TIME_MAX, &t) ||
	    (p->line.n > 1 && p->line.p[0] == '0'))
		return damaged(p, "no time");
	e->time = (int64_t)t;
	return 0;
}

static int
parse_flags(struct parser *p, struct queue_envelope *e)
{
	if (next_line(p) != 0)
		return -1;
	if (!take(p, "flags"))
		return damaged(p, "no flags");
	for (size_t i = 0; i < FLAG_WORDS; i++) {
		struct slice before = p->line;
		if (take(p, " ") && take(p, flag_words[i].word))
			e->flags |= flag_words[i].flag;
		else
			p->line = before;
	}
	return p->line.n == 0 ? 0 : damaged(p, "unknown flag");
}

static int
parse_owner(struct parser *p, struct queue_envelope *e)
{
	unsigned long long uid;

	if (!take(p, " uid="))
		return 0;
	if (!slice_number(p->line, UINT32_MAX, &uid) || (p->line.n > 1 && p->line.p[0] == '0'))
		return damaged(p, "bad uid");
	p->line = slice_make("", 0);
	e->owned = true;
	e->uid = (uint32_t)uid;
	return 0;
}

static int
parse_sender(struct parser *p, struct queue_envelope *e)
{
	if (next_line(p) != 0)
		return -1;
	if (!take(p, "sender <") || (e->sender = take_value(p, LIMIT_PATH_BYTES, true)) == NULL)
		return damaged(p, "no sender");
	if (take(p, " ret=full"))
		e->ret = QUEUE_RET_FULL;
	else if (take(p, " ret=hdrs"))
		e->ret = QUEUE_RET_HDRS;
	if (take(p, " envid=") && (e->envid = take_value(p, LIMIT_ENVID_BYTES, false)) == NULL)
		return damaged(p, "bad envid");
	if (parse_owner(p, e) != 0)
		return -1;
	return p->line.n == 0 ? 0 : damaged(p, "unknown word");
}

static int
parse_notify(struct parser *p, struct queue_rcpt *r)
{
	const char *separator = "";

	if (!take(p, " notify="))
		return 0;
	if (take(p, "never")) {
		r->notify = QUEUE_NOTIFY_NEVER;
		return 0;
	}
	for (size_t i = 0; i < NOTIFY_WORDS; i++) {
		struct slice before = p->line;
		if (take(p, separator) && take(p, notify_words[i].word)) {
			r->notify |= notify_words[i].notify;
			separator = ",";
		} else {
			p->line = before;
		}
	}
	return r->notify != 0 ? 0 : damaged(p, "bad notify");
}

static int
parse_rcpt(struct parser *p, struct queue_rcpt *r)
{
	if (!take(p, "rcpt <") || (r->address = take_value(p, LIMIT_PATH_BYTES, true)) == NULL ||
	    r->address[0] == '\0')
		return damaged(p, "no recipient");
	if (parse_notify(p, r) != 0)
		return -1;
	if (take(p, " orcpt=") && (r->orcpt = take_value(p, LIMIT_ORCPT_BYTES, false)) == NULL)
		return damaged(p, "bad orcpt");
	return p->line.n == 0 ? 0 : damaged(p, "unknown word");
}

int
queue_envelope_parse(struct slice text, struct arena *a, struct queue_envelope *e_r,
    size_t *length_r, struct fail *why)
{
	struct parser p = { .rest = text, .arena = a, .why = why };

	memset(e_r, 0, sizeof(*e_r));
	if (parse_id_time(&p, e_r) != 0 || parse_flags(&p, e_r) != 0 || parse_sender(&p, e_r) != 0)
		return -1;
	for (;;) {
		if (next_line(&p) != 0)
			return -1;
		if (p.line.n == 0)
			break;
		if (e_r->rcpts_n == LIMIT_SUBMIT_RECIPIENTS)
			return damaged(&p, "too many recipients");
		struct queue_rcpt *r = arena_push(a, &e_r->rcpts, &e_r->rcpts_n, sizeof(*r));
		if (parse_rcpt(&p, r) != 0)
			return -1;
	}
	if (e_r->rcpts_n == 0)
		return damaged(&p, "no recipient");
	*length_r = text.n - p.rest.n;
	return 0;
}

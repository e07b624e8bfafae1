#include "app/queue/submission.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

static const char *const kind_words[] = { "send", "list", NULL };
static const char *const when_words[] = { "background", "now", "queue", NULL };
static const char *const error_words[] = { "mail", "text", "zero", "quiet", NULL };
static const char *const ret_words[] = { "none", "full", "hdrs", NULL };
static const char *const option_words[] = { "from-headers", "verbose", "smtputf8", "requiretls",
	"errors-given", "reply", NULL };
enum { OPTIONS = 6 };

#define END "mxtls-submission-end "

/* --- writing ---------------------------------------------------------------------------------------- */

static bool
is_verbatim(char c)
{
	return c > 0x20 && c < 0x7f && c != '%' && c != '<' && c != '>';
}

static void
put_value(struct buf *out, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (value == NULL)
		return;
	buf_puts(out, name);
	buf_puts(out, " <");
	for (const char *c = value; *c != '\0'; c++) {
		unsigned char byte = (unsigned char)*c;
		if (!is_verbatim(*c)) {
			char escaped[3] = { '%', hex[byte >> 4], hex[byte & 15] };
			buf_append(out, escaped, 3);
			continue;
		}
		buf_putc(out, *c);
	}
	buf_puts(out, ">\n");
}

static void
get_options(const struct submission *s, bool on[OPTIONS])
{
	const struct sendmail_args *a = &s->args;
	const bool values[OPTIONS] = { a->from_headers, a->verbose, a->smtputf8, a->requiretls,
		a->errors_given, s->reply };

	memcpy(on, values, sizeof(values));
}

int
submission_format(struct buf *out, const struct submission *s, struct fail *why)
{
	const struct sendmail_args *a = &s->args;
	bool on[OPTIONS];

	buf_printf(out, "mxtls-submission 1\nid %s\nuid %" PRId64 "\ntime %" PRId64 "\n", s->id,
	    s->uid, s->time);
	buf_printf(out, "kind %s\noptions", kind_words[s->kind]);
	get_options(s, on);
	for (size_t i = 0; i < OPTIONS; i++)
		if (on[i])
			buf_printf(out, " %s", option_words[i]);
	buf_printf(out, "\nwhen %s\nerrors %s\nnotify %u\nret %s\n", when_words[a->when],
	    error_words[a->errors], a->notify, ret_words[a->ret]);
	put_value(out, "sender", a->sender);
	put_value(out, "name", a->full_name);
	put_value(out, "envid", a->envid);
	put_value(out, "tag", a->log_tag);
	for (size_t i = 0; i < a->ignored.n; i++)
		put_value(out, "note", a->ignored.v[i]);
	for (size_t i = 0; i < a->operands.n; i++)
		put_value(out, "to", a->operands.v[i]);
	if (buf_putc(out, '\n') != 0 || out->full)
		return fail_set(why, FAIL_USAGE, "the command line has more than %d bytes",
		    LIMIT_SUBMISSION_HEAD_BYTES);
	return 0;
}

void
submission_trailer_format(char out[SUBMISSION_TRAILER_BYTES + 1], uint64_t text_bytes, uint32_t crc)
{
	snprintf(out, SUBMISSION_TRAILER_BYTES + 1, END "%020" PRIu64 " %08" PRIx32 "\n",
	    text_bytes, crc);
}

void
submission_status_format(char out[SUBMISSION_STATUS_BYTES + 1], int status)
{
	snprintf(out, SUBMISSION_STATUS_BYTES + 1, "mxtls-status %02u\n", (unsigned)status % 100);
}

/* --- reading ---------------------------------------------------------------------------------------- */

struct reader {
	struct slice rest;
	unsigned line;
	struct arena *arena;
	struct fail *why;
};

static int
bad(const struct reader *r, const char *expected)
{
	return fail_set(r->why, FAIL_QUEUE_FILE, "line %u: expected %s", r->line, expected);
}

/* What follows "NAME " on the next line; false, and nothing is taken, when that has another name. */
static bool
next_is(struct reader *r, const char *name, struct slice *value_r)
{
	size_t n = strlen(name), end = slice_find(r->rest, '\n');

	if (end == r->rest.n || end < n || memcmp(r->rest.p, name, n) != 0 ||
	    (end > n && r->rest.p[n] != ' '))
		return false;
	*value_r = end > n ? slice_sub(r->rest, n + 1, end) : slice_make("", 0);
	/* "NAME " with nothing behind is no way to write it */
	if (end == n + 1)
		return false;
	r->rest = slice_sub(r->rest, end + 1, r->rest.n);
	r->line++;
	return true;
}

static int
take_number(struct reader *r, const char *name, uint64_t max, int64_t *value_r)
{
	struct slice text;
	unsigned long long value;

	if (!next_is(r, name, &text) || !slice_number(text, max, &value) ||
	    (text.n > 1 && text.p[0] == '0'))
		return bad(r, name);
	*value_r = (int64_t)value;
	return 0;
}

static int
find_word(struct slice text, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (slice_is(text, words[i]))
			return i;
	return -1;
}

static int
take_word(struct reader *r, const char *name, const char *const *words, int *value_r)
{
	struct slice text;

	if (!next_is(r, name, &text) || (*value_r = find_word(text, words)) < 0)
		return bad(r, name);
	return 0;
}

static int
take_options(struct reader *r, struct submission *s)
{
	struct slice text;
	bool on[OPTIONS] = { false };
	int last = -1;

	if (!next_is(r, "options", &text))
		return bad(r, "options");
	while (text.n > 0) {
		size_t n = slice_find(text, ' ');
		int word = find_word(slice_sub(text, 0, n), option_words);
		if (word <= last || n + 1 == text.n)
			return bad(r, "options in their order");
		on[word] = true;
		last = word;
		text = slice_sub(text, n + 1, text.n);
	}
	s->args.from_headers = on[0];
	s->args.verbose = on[1];
	s->args.smtputf8 = on[2];
	s->args.requiretls = on[3];
	s->args.errors_given = on[4];
	s->reply = on[5];
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* NULL when it is not written as put_value does. */
static char *
unescape(struct slice text, struct arena *arena)
{
	char *value, *to;

	if (text.n < 2 || text.p[0] != '<' || text.p[text.n - 1] != '>')
		return NULL;
	text = slice_sub(text, 1, text.n - 1);
	to = value = arena_alloc(arena, text.n + 1);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '%') {
			int high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;
			if (low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			if (c == '\0' || is_verbatim(c))
				return NULL;
			i += 2;
		} else if (!is_verbatim(c)) {
			return NULL;
		}
		*to++ = c;
	}
	*to = '\0';
	return value;
}

static int
take_value(struct reader *r, const char *name, const char **value_r)
{
	struct slice text;

	if (!next_is(r, name, &text))
		return 0;
	*value_r = unescape(text, r->arena);
	return *value_r == NULL ? bad(r, "a value in angle brackets") : 0;
}

static int
take_list(struct reader *r, const char *name, struct strs *list)
{
	for (;;) {
		const char *value = NULL;
		if (take_value(r, name, &value) != 0)
			return -1;
		if (value == NULL)
			return 0;
		strs_add(list, r->arena, value);
	}
}

static int
take_head(struct reader *r, struct submission *s)
{
	struct slice text;
	int kind = 0;

	if (!next_is(r, "mxtls-submission", &text) || !slice_is(text, "1"))
		return bad(r, "mxtls-submission 1");
	if (!next_is(r, "id", &text) || !queue_id_valid(text))
		return bad(r, "an id");
	memcpy(s->id, text.p, QUEUE_ID_BYTES - 1);
	if (take_number(r, "uid", UINT32_MAX, &s->uid) != 0 ||
	    take_number(r, "time", 1ULL << 40, &s->time) != 0 ||
	    take_word(r, "kind", kind_words, &kind) != 0)
		return -1;
	s->kind = (enum submission_kind)kind;
	return take_options(r, s);
}

/* RFC 3461 s4.4 */
static bool
is_envid(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return n > 0 && n <= LIMIT_ENVID_BYTES;
}

static int
take_args(struct reader *r, struct sendmail_args *a)
{
	int when = 0, errors = 0, ret = 0;
	int64_t notify = 0;

	if (take_word(r, "when", when_words, &when) != 0 ||
	    take_word(r, "errors", error_words, &errors) != 0 ||
	    take_number(r, "notify", 15, &notify) != 0 || take_word(r, "ret", ret_words, &ret) != 0)
		return -1;
	a->when = (enum sendmail_when)when;
	a->errors = (enum sendmail_errors)errors;
	a->notify = (unsigned)notify;
	a->ret = (enum queue_ret)ret;
	if ((a->notify & QUEUE_NOTIFY_NEVER) != 0 && a->notify != QUEUE_NOTIFY_NEVER)
		return bad(r, "a notify that can be");
	if (take_value(r, "sender", &a->sender) != 0 || take_value(r, "name", &a->full_name) != 0 ||
	    take_value(r, "envid", &a->envid) != 0 || take_value(r, "tag", &a->log_tag) != 0)
		return -1;
	if (a->envid != NULL && !is_envid(a->envid))
		return bad(r, "an envelope id");
	return take_list(r, "note", &a->ignored) != 0 ? -1 : take_list(r, "to", &a->operands);
}

int
submission_parse(struct slice head, struct arena *arena, struct submission *s_r, struct fail *why)
{
	struct reader r = { .rest = head, .line = 1, .arena = arena, .why = why };

	memset(s_r, 0, sizeof(*s_r));
	s_r->args.mode = SENDMAIL_SEND;
	s_r->args.ignore_dots = true;
	if (take_head(&r, s_r) != 0 || take_args(&r, &s_r->args) != 0)
		return -1;
	return slice_is(r.rest, "\n") ? 0 : bad(&r, "the end");
}

bool
submission_trailer_parse(
    const char trailer[SUBMISSION_TRAILER_BYTES], uint64_t *text_bytes_r, uint32_t *crc_r)
{
	struct slice s = slice_make(trailer, SUBMISSION_TRAILER_BYTES);
	struct slice crc = slice_sub(s, sizeof(END) + 20, s.n - 1);
	char again[SUBMISSION_TRAILER_BYTES + 1];
	unsigned long long bytes;
	uint32_t value = 0;

	if (!slice_number(slice_sub(s, sizeof(END) - 1, sizeof(END) + 19), INT64_MAX, &bytes))
		return false;
	for (size_t i = 0; i < crc.n; i++) {
		int digit = hex_digit(
		    crc.p[i] >= 'a' && crc.p[i] <= 'f' ? (char)(crc.p[i] - 'a' + 'A') : crc.p[i]);
		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*text_bytes_r = bytes;
	*crc_r = value;
	submission_trailer_format(again, bytes, value);
	return memcmp(again, trailer, SUBMISSION_TRAILER_BYTES) == 0;
}

int64_t
submission_status_parse(struct slice reply, int *status_r)
{
	static const char word[] = "mxtls-status ";
	unsigned long long status;

	if (reply.n < SUBMISSION_STATUS_BYTES)
		return -1;
	struct slice end = slice_sub(reply, reply.n - SUBMISSION_STATUS_BYTES, reply.n);
	if (memcmp(end.p, word, sizeof(word) - 1) != 0 || end.p[end.n - 1] != '\n' ||
	    !slice_number(slice_sub(end, sizeof(word) - 1, end.n - 1), 99, &status))
		return -1;
	*status_r = (int)status;
	return (int64_t)(reply.n - SUBMISSION_STATUS_BYTES);
}

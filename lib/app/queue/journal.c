#include "app/queue/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "base/text.h"

#define CRC_CHARS 8
#define TIME_MAX (1ULL << 40)

const char *
queue_rcpt_state_str(enum queue_rcpt_state state)
{
	static const char *const words[] = { "pending", "delivered", "failed", "removed" };

	return words[state];
}

void
queue_journal_init(struct queue_journal *j, size_t rcpts_n, struct arena *a)
{
	memset(j, 0, sizeof(*j));
	j->n = rcpts_n;
	j->held_why = "";
	j->rcpts = arena_alloc(a, rcpts_n * sizeof(*j->rcpts));
	for (size_t i = 0; i < rcpts_n; i++)
		j->rcpts[i].enhanced = j->rcpts[i].host = j->rcpts[i].text = "";
}

static uint32_t
line_crc(const char *id, struct slice line)
{
	return crc32c(crc32c(0, id, strlen(id)), line.p, line.n);
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* The next recipients of a list "0-2,7"; false at its end or where it is wrong (then list->n > 0). */
static bool
next_range(struct slice *list, size_t n, size_t *from_r, size_t *to_r)
{
	struct slice part = slice_sub(*list, 0, slice_find(*list, ','));
	size_t dash = slice_find(part, '-');
	unsigned long long from, to;

	if (n == 0 || !slice_number(slice_sub(part, 0, dash), n - 1, &from))
		return false;
	to = from;
	if (dash < part.n && !slice_number(slice_sub(part, dash + 1, part.n), n - 1, &to))
		return false;
	if (to < from)
		return false;
	*list = slice_sub(*list, part.n + 1, list->n);
	*from_r = (size_t)from;
	*to_r = (size_t)to;
	return true;
}

static bool
list_is_good(struct slice list, size_t n)
{
	size_t from, to;

	if (list.n == 0)
		return false;
	while (list.n > 0)
		if (!next_range(&list, n, &from, &to))
			return false;
	return true;
}

static void
apply_one(struct queue_progress *r, char kind, int64_t time)
{
	static const char kinds[] = "DSFX";
	static const enum queue_rcpt_state states[] = { QUEUE_RCPT_DELIVERED, QUEUE_RCPT_DELIVERED,
		QUEUE_RCPT_FAILED, QUEUE_RCPT_REMOVED };

	if (kind == 'B' || kind == 'N') {
		r->reported = true;
		r->announced = kind == 'B';
		return;
	}
	/* what has ended stays so */
	if (r->state != QUEUE_RCPT_PENDING)
		return;
	if (kind == 'T')
		r->tries++;
	else
		r->state = states[strchr(kinds, kind) - kinds];
	r->success = kind == 'S';
	r->time = time;
}

/* D, S, F, T, X, N, B: recipients and what happened to them. */
static bool
apply_rcpts(struct queue_journal *j, char kind, int64_t time, struct slice line, struct arena *a)
{
	unsigned long long next = 0;
	struct slice list, enhanced = { 0 }, host = { 0 };
	size_t from, to;

	if (kind == 'B') {
		struct slice id = slice_cut(&line, ' ');
		if (!queue_id_valid(id))
			return false;
		memcpy(j->bounce, id.p, id.n);
	}
	list = slice_cut(&line, ' ');
	if (!list_is_good(list, j->n) ||
	    (kind == 'T' && !slice_number(slice_cut(&line, ' '), TIME_MAX, &next)))
		return false;
	bool says = kind != 'B' && kind != 'N' && kind != 'X';
	if (says) {
		enhanced = slice_cut(&line, ' ');
		host = slice_cut(&line, ' ');
	}
	const char *enhanced_text = arena_slice(a, enhanced), *text = arena_slice(a, line);
	const char *host_text = slice_is(host, "-") ? "" : arena_slice(a, host);
	while (next_range(&list, j->n, &from, &to)) {
		for (size_t i = from; i <= to; i++) {
			struct queue_progress *r = &j->rcpts[i];
			bool pending = r->state == QUEUE_RCPT_PENDING;
			apply_one(r, kind, time);
			if (!pending || !says)
				continue;
			r->next = (int64_t)next;
			r->enhanced = enhanced_text;
			r->host = host_text;
			r->text = text;
		}
	}
	return true;
}

static bool
apply(struct queue_journal *j, struct slice line, struct arena *a)
{
	struct slice kind = slice_cut(&line, ' ');
	unsigned long long time;

	if (kind.n != 1 || !slice_number(slice_cut(&line, ' '), TIME_MAX, &time))
		return false;
	switch (kind.p[0]) {
	case 'D':
	case 'S':
	case 'F':
	case 'T':
	case 'X':
	case 'N':
	case 'B':
		return apply_rcpts(j, kind.p[0], (int64_t)time, line, a);
	case 'C':
		if (!slice_is(line, j->bounce))
			return true;
		j->bounce[0] = '\0';
		for (size_t i = 0; i < j->n; i++)
			j->rcpts[i].announced = false;
		return true;
	case 'W':
		j->delay_notice = (int64_t)time;
		return true;
	case 'H':
	case 'R':
		j->held = kind.p[0] == 'H';
		j->held_why = j->held ? arena_slice(a, line) : "";
		if (!j->held)
			j->crashes = 0;
		return true;
	case 'K':
		j->crashes++;
		return true;
	case 'E':
		j->crashes = 0;
		return true;
	case 'A':
		return true;
	default:
		return false;
	}
}

static bool
line_is_whole(struct slice line, const char *id)
{
	char crc[CRC_CHARS + 1];

	if (line.n < CRC_CHARS + 2 || line.p[CRC_CHARS] != ' ')
		return false;
	struct slice rest = slice_sub(line, CRC_CHARS + 1, line.n);
	snprintf(crc, sizeof(crc), "%08" PRIx32, line_crc(id, rest));
	return memcmp(crc, line.p, CRC_CHARS) == 0;
}

void
queue_journal_parse(struct queue_journal *j, struct slice text, const char *id, struct arena *a)
{
	while (text.n > 0) {
		size_t n = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, n);
		bool complete = n < text.n;

		text = slice_sub(text, n + 1, text.n);
		if (line.n == 0)
			continue;
		j->lines++;
		if (!complete || !line_is_whole(line, id) ||
		    !apply(j, slice_sub(line, CRC_CHARS + 1, line.n), a))
			j->bad_lines++;
	}
}

size_t
queue_journal_count(const struct queue_journal *j, enum queue_rcpt_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		n += j->rcpts[i].state == state;
	return n;
}

bool
queue_progress_is_unreported(const struct queue_progress *r)
{
	return !r->reported && (r->state == QUEUE_RCPT_FAILED || r->success);
}

bool
queue_journal_is_over(const struct queue_journal *j)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->rcpts[i].state == QUEUE_RCPT_PENDING ||
		    queue_progress_is_unreported(&j->rcpts[i]))
			return false;
	return j->bounce[0] == '\0';
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void
put_list(struct buf *out, const size_t *rcpts, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t last = i;
		while (last + 1 < n && rcpts[last + 1] == rcpts[last] + 1)
			last++;
		buf_printf(out, "%s%zu", i == 0 ? "" : ",", rcpts[i]);
		if (last > i)
			buf_printf(out, "-%zu", rcpts[last]);
		i = last + 1;
	}
}

/* Words of others: no blank in a word, no control character anywhere, not too long. */
static void
put_foreign(struct buf *out, const char *s, size_t max, bool is_word)
{
	char text[LIMIT_JOURNAL_TEXT_BYTES + 1];

	snprintf(text, max + 1 < sizeof(text) ? max + 1 : sizeof(text), "%s",
	    s == NULL || (is_word && s[0] == '\0') ? (is_word ? "-" : "") : s);
	text_sanitize(text);
	for (char *c = text; *c != '\0'; c++)
		if (*c == ' ' && is_word)
			*c = '?';
	buf_puts(out, text);
}

void
queue_journal_put_line(struct buf *out, const char *id, struct slice line)
{
	buf_printf(out, "%08" PRIx32 " ", line_crc(id, line));
	buf_append(out, line.p, line.n);
	buf_putc(out, '\n');
}

void
queue_journal_format(struct buf *out, const char *id, const struct queue_event *e)
{
	struct buf line;

	buf_init(&line, out->max);
	buf_printf(&line, "%c %" PRId64, e->kind, e->time);
	if (e->bounce != NULL)
		buf_printf(&line, " %s", e->bounce);
	if (e->rcpts != NULL) {
		buf_putc(&line, ' ');
		put_list(&line, e->rcpts, e->rcpts_n);
	}
	if (e->kind == 'T')
		buf_printf(&line, " %" PRId64, e->next);
	if (e->kind == 'D' || e->kind == 'S' || e->kind == 'F' || e->kind == 'T') {
		buf_putc(&line, ' ');
		put_foreign(&line, e->enhanced, 15, true);
		buf_putc(&line, ' ');
		put_foreign(&line, e->host, LIMIT_DOMAIN_BYTES, true);
		buf_putc(&line, ' ');
		put_foreign(&line, e->text, LIMIT_JOURNAL_TEXT_BYTES, false);
	}
	if (e->kind == 'H' && e->text != NULL) {
		buf_putc(&line, ' ');
		put_foreign(&line, e->text, LIMIT_JOURNAL_TEXT_BYTES, false);
	}
	queue_journal_put_line(out, id, slice_make(line.data, line.len));
	buf_free(&line);
}

int64_t
queue_backoff_s(unsigned tries, uint32_t random)
{
	static const int64_t minutes[] = { 5, 10, 20, 40, 60, 120 };
	size_t last = sizeof(minutes) / sizeof(minutes[0]) - 1;
	int64_t s = minutes[tries == 0 ? 0 : tries - 1 > last ? last : tries - 1] * 60;

	return s - s / 10 + (int64_t)(random % (uint32_t)(s / 5 + 1));
}

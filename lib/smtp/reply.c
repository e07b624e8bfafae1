#include "smtp/reply.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void
smtp_reply_init(struct smtp_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	buf_init(&reply->text, LIMIT_REPLY_BYTES);
}

void
smtp_reply_free(struct smtp_reply *reply)
{
	buf_free(&reply->text);
}

void
smtp_reply_reset(struct smtp_reply *reply)
{
	reply->code = 0;
	reply->lines = 0;
	buf_reset(&reply->text);
}

/* The code of a line: 200-599, or -1. */
static int
line_code(struct slice line)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5')
		return -1;
	for (size_t i = 1; i < 3; i++)
		if (line.p[i] < '0' || line.p[i] > '9')
			return -1;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

int
smtp_reply_feed(struct smtp_reply *reply, struct slice line, struct fail *why)
{
	int code = line_code(line);
	char separator = line.n > 3 ? line.p[3] : ' ';

	if (code < 0 || (separator != ' ' && separator != '-'))
		return fail_set(why, FAIL_REPLY_SYNTAX, "not an SMTP reply: %.*s",
		    (int)(line.n < 100 ? line.n : 100), line.n == 0 ? "" : line.p);
	if (reply->lines > 0 && code != reply->code)
		return fail_set(
		    why, FAIL_REPLY_SYNTAX, "a reply with two codes, %d and %d", reply->code, code);
	if (reply->lines == LIMIT_REPLY_LINES)
		return fail_set(
		    why, FAIL_REPLY_TOO_LONG, "a reply of more than %d lines", LIMIT_REPLY_LINES);
	struct slice text = slice_sub(line, 4, line.n);
	if (buf_append(&reply->text, text.p, text.n) != 0)
		return fail_set(
		    why, FAIL_REPLY_TOO_LONG, "a reply of more than %d bytes", LIMIT_REPLY_BYTES);
	reply->code = code;
	reply->ends[reply->lines++] = (uint32_t)reply->text.len;
	return separator == ' ' ? 1 : 0;
}

struct slice
smtp_reply_line(const struct smtp_reply *reply, size_t i)
{
	size_t from = i == 0 ? 0 : reply->ends[i - 1];

	return slice_make(buf_str(&reply->text) + from, reply->ends[i] - from);
}

int
smtp_reply_read(struct conn *conn, struct smtp_reply *reply_r, int64_t deadline, struct fail *why)
{
	struct slice line;
	int complete;

	smtp_reply_reset(reply_r);
	do {
		if (conn_read_line(conn, LIMIT_REPLY_LINE_BYTES, false, &line, deadline, why) != 0)
			return -1;
		complete = smtp_reply_feed(reply_r, line, why);
		if (complete < 0)
			return -1;
	} while (complete == 0);
	return 0;
}

void
smtp_reply_enhanced(const struct smtp_reply *reply, char out[16])
{
	unsigned class, subject, detail;
	int used = 0;
	char word[16];

	out[0] = '\0';
	if (reply->lines == 0)
		return;
	struct slice line = smtp_reply_line(reply, 0);
	struct slice first = slice_word(&line);
	if (first.n == 0 || first.n >= sizeof(word))
		return;
	memcpy(word, first.p, first.n);
	word[first.n] = '\0';
	if (sscanf(word, "%1u.%3u.%3u%n", &class, &subject, &detail, &used) == 3 &&
	    (size_t)used == first.n)
		snprintf(out, 16, "%u.%u.%u", class, subject, detail);
}

void
smtp_reply_str(const struct smtp_reply *reply, char *out, size_t n)
{
	size_t used = (size_t)snprintf(out, n, "%d", reply->code);

	for (size_t i = 0; i < reply->lines && used + 4 < n; i++) {
		struct slice line = smtp_reply_line(reply, i);
		used += (size_t)snprintf(out + used, n - used, "%s", i == 0 ? " " : " / ");
		line = slice_sub(line, 0, n - 1 - used);
		memcpy(out + used, line.p, line.n);
		for (size_t k = 0; k < line.n; k++, used++)
			if (out[used] == '\0')
				out[used] = '?';
		out[used] = '\0';
	}
	text_sanitize(out);
}

int
smtp_reply_fail(const struct smtp_reply *reply, const char *what, struct fail *why)
{
	char text[400];
	enum fail_code code = FAIL_REPLY_UNEXPECTED;

	smtp_reply_str(reply, text, sizeof(text));
	if (reply->code >= 400 && reply->code < 500)
		code = FAIL_REPLY_TEMPORARY;
	else if (reply->code >= 500)
		code = FAIL_REPLY_PERMANENT;
	fail_set(why, code, "%s: %s", what, text);
	if (why != NULL)
		why->smtp_code = reply->code;
	return -1;
}

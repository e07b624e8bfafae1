#include "smtp/data.h"

#include <string.h>

/* Length of the run at the start of s without CR, LF and NUL. */
static size_t
plain_run(struct slice s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0')
		i++;
	return i;
}

void
smtp_data_stuff_init(struct smtp_data_stuffer *stuffer)
{
	stuffer->line_start = true; /* DATA and its reply were a line */
	stuffer->cr = false;
}

/* One byte of CR, LF and NUL: only CR LF may come out. */
static int
stuff_line_end(struct smtp_data_stuffer *stuffer, char c, struct buf *out, struct fail *why)
{
	if (c == '\0')
		return fail_set(why, FAIL_MESSAGE, "NUL in the message text");
	if (c == '\r') {
		stuffer->cr = true;
		return 0;
	}
	if (!stuffer->cr)
		return fail_set(why, FAIL_MESSAGE, "bare LF in the message text");
	stuffer->cr = false;
	stuffer->line_start = true;
	buf_append(out, "\r\n", 2);
	return 0;
}

int
smtp_data_stuff(
    struct smtp_data_stuffer *stuffer, struct slice text, struct buf *out, struct fail *why)
{
	while (text.n > 0) {
		if (stuffer->cr && text.p[0] != '\n')
			return fail_set(why, FAIL_MESSAGE, "bare CR in the message text");
		size_t run = plain_run(text);
		if (run == 0) {
			if (stuff_line_end(stuffer, text.p[0], out, why) != 0)
				return -1;
			run = 1;
		} else {
			if (stuffer->line_start && text.p[0] == '.') /* RFC 5321 s4.5.2 */
				buf_putc(out, '.');
			buf_append(out, text.p, run);
			stuffer->line_start = false;
		}
		text = slice_sub(text, run, text.n);
	}
	return out->full ? fail_set(why, FAIL_INTERNAL, "no room for the message text") : 0;
}

int
smtp_data_stuff_end(struct smtp_data_stuffer *stuffer, struct buf *out, struct fail *why)
{
	if (stuffer->cr)
		return fail_set(why, FAIL_MESSAGE, "bare CR at the end of the message text");
	if (!stuffer->line_start)
		buf_append(out, "\r\n", 2);
	stuffer->line_start = true;
	buf_append(out, ".\r\n", 3);
	return out->full ? fail_set(why, FAIL_INTERNAL, "no room for the end of data") : 0;
}

enum {
	STATE_START,  /* at the start of a line */
	STATE_LF,     /* at the start of a line, behind a bare LF */
	STATE_DOT,    /* after a dot at the start of a line, which is held back */
	STATE_DOT_CR, /* after such a dot and a CR */
	STATE_TEXT,   /* inside a line */
	STATE_CR,     /* after a CR, which is held back */
	STATE_END
};

void
smtp_data_scan_init(struct smtp_data_scanner *scanner)
{
	memset(scanner, 0, sizeof(*scanner));
	scanner->state = STATE_START;
}

static void
scan_text(struct smtp_data_scanner *scanner, struct slice text, struct buf *out)
{
	if (out != NULL)
		buf_append(out, text.p, text.n);
	for (size_t i = 0; i < text.n && !scanner->has_8bit; i++)
		scanner->has_8bit = (unsigned char)text.p[i] > 0x7f;
	scanner->bytes += text.n;
	scanner->line_bytes += text.n;
	if (scanner->line_bytes > scanner->line_bytes_max)
		scanner->line_bytes_max = scanner->line_bytes;
	scanner->state = STATE_TEXT;
}

/* One CR, LF or NUL. */
static enum smtp_data_event
scan_line_end(struct smtp_data_scanner *scanner, char c, struct buf *out)
{
	unsigned char state = scanner->state;

	if (c == '\r') {
		scanner->state = state == STATE_DOT ? STATE_DOT_CR : STATE_CR;
		return SMTP_DATA_MORE;
	}
	if (c == '\n' && state == STATE_DOT_CR) {
		scanner->state = STATE_END;
		return SMTP_DATA_END;
	}
	if (c == '\n' && (state == STATE_CR || scanner->normalize_lf)) {
		if (out != NULL)
			buf_append(out, "\r\n", 2);
		scanner->bytes += 2;
		scanner->line_bytes = 0;
		scanner->state = state == STATE_CR ? STATE_START : STATE_LF;
		return SMTP_DATA_MORE;
	}
	/* a wrong byte starts no line, so that no dot after it can be the end */
	scanner->state = STATE_TEXT;
	return c == '\n' ? SMTP_DATA_BARE_LF : SMTP_DATA_NUL;
}

enum smtp_data_event
smtp_data_scan(struct smtp_data_scanner *scanner, struct slice in, struct buf *out, size_t *used_r)
{
	enum smtp_data_event event = SMTP_DATA_MORE;
	size_t i = 0;

	while (i < in.n && event == SMTP_DATA_MORE) {
		struct slice rest = slice_sub(in, i, in.n);
		size_t run = plain_run(rest);
		if ((scanner->state == STATE_CR || scanner->state == STATE_DOT_CR) &&
		    rest.p[0] != '\n') {
			scanner->state = STATE_TEXT;
			event = SMTP_DATA_BARE_CR; /* it was consumed before; this byte is not */
		} else if (run == 0) {
			event = scan_line_end(scanner, rest.p[0], out);
			i++;
		} else if (scanner->state == STATE_START && rest.p[0] == '.') {
			scanner->state = STATE_DOT; /* RFC 5321 s4.5.2: the end, or one to delete */
			i++;
		} else if (scanner->state == STATE_LF && rest.p[0] == '.') {
			scanner->state = STATE_TEXT; /* only one to delete */
			i++;
		} else {
			scan_text(scanner, slice_sub(rest, 0, run), out);
			i += run;
		}
	}
	*used_r = i;
	return event;
}

#include "app/message/long_lines.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "test.h"

/* In rows: L is a line of 1000 bytes ~, l one of 998. */
static void
expand(const char *text, struct buf *out)
{
	buf_reset(out);
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			buf_puts(out, "\r\n");
		} else if (*text == '\x01' || *text == '\x02') {
			for (int i = 0; i < (*text == '\x01' ? 1000 : 998); i++)
				buf_putc(out, '~');
		} else {
			buf_putc(out, *text);
		}
	}
}
#define L "\x01"
#define K "\x02" /* just short enough */

static void
run(struct slice in, size_t step, bool *found_r, struct buf *out)
{
	static struct long_lines w;

	buf_reset(out);
	long_lines_init(&w);
	for (size_t i = 0; i < in.n; i += step)
		long_lines_feed(&w, slice_sub(in, i, i + step), NULL);
	long_lines_end(&w, NULL);
	*found_r = w.found;
	long_lines_again(&w);
	for (size_t i = 0; i < in.n; i += step)
		long_lines_feed(&w, slice_sub(in, i, i + step), out);
	long_lines_end(&w, out);
	long_lines_fini(&w);
}

/* Quoted-printable in out: a run of 1000 ~ and what follows is written as Q. */
static const char *
shown(const struct buf *text, struct buf *out)
{
	size_t xs = 0;

	buf_reset(out);
	for (size_t i = 0; i < text->len; i++) {
		const char *p = text->data + i;
		if (*p == '~') {
			xs++;
		} else if (xs > 0 && strncmp(p, "=\r\n", 3) == 0) {
			i += 2;
		} else if (*p != '\r') {
			if (xs > 0)
				buf_printf(out, "%s", xs == 1000 ? "Q" : xs == 998 ? "K" : "?");
			xs = 0;
			buf_putc(out, *p);
		}
	}
	return buf_str(out);
}

#define QP "Content-Transfer-Encoding: quoted-printable\n"
#define MULTI "Content-Type: multipart/mixed; boundary=b\n\npre\n"

TEST(only_leaf_parts_with_long_lines_are_encoded)
{
	static const struct {
		const char *in, *want; /* want NULL: nothing is encoded */
	} rows[] = {
		{ "A: b\n\nshort\n", NULL },
		{ "A: b\n\n" K "\n", NULL },
		{ "A: b\n\n" L "\n",
		    "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=US-ASCII\n" QP
		    "\nQ\n" },
		{ "A: b\nMIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: "
		  "8bit\n\na = "
		  "b \nFrom x\n.\n" L "\n",
		    "A: b\nMIME-Version: 1.0\nContent-Type: text/html\n" QP
		    "\na =3D b=20\n=46rom x\n=2E\nQ\n" },
		{ "A: b\n\n\xc3\xbc\n" L "\n",
		    "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n" QP
		    "\n=C3=BC\nQ\n" },
		{ "A: b\n\n\xfc\n" L "\n",
		    "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" QP
		    "\n=FC\nQ\n" },
		/* encoded already, signed, or no leaf */
		{ "Content-Transfer-Encoding: base64\n\n" L "\n", NULL },
		{ "Content-Transfer-Encoding: Quoted-Printable\n\n" L "\n", NULL },
		{ "DKIM-Signature: x\n\n" L "\n", NULL },
		{ "Content-Type: message/delivery-status\n\n" L "\n", NULL },
		/* multipart: the part, not its neighbours, preamble or epilogue */
		{ MULTI "--b\n\n" L "\n--b\nC: d\n\nshort\n--b--\n" L "\n",
		    MULTI "--b\n" QP "\nQ\n--b\nC: d\n\nshort\n--b--\nQ\n" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n" L "\n--b\n\nshort\n--b--\n",
		    NULL },
		{ "Content-Type: Multipart/Signed; boundary=\"b\"\n\n--b\n\n" L "\n--b--\n", NULL },
		{ "Content-Type: multipart/mixed; x=\"; boundary=z\"; (c) boundary=\"b c\"\n\n--b "
		  "c\n\n" L "\n--b c--\n",
		    "Content-Type: multipart/mixed; x=\"; boundary=z\"; (c) boundary=\"b "
		    "c\"\n\n--b c\n" QP "\nQ\n--b c--\n" },
		/* nested; a delimiter of the outer one ends the inner ones */
		{ MULTI "--b\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\n" L
			"\n--b\n\n" L "\n--b--\n",
		    MULTI "--b\nContent-Type: multipart/alternative; boundary=i\n\n--i\n" QP
			  "\nQ\n--b\n" QP "\nQ\n--b--\n" },
		{ MULTI "--b\nContent-Type: multipart/signed; boundary=i\n\n--i\n\n" L
			"\n--i--\n--b\n\n" L "\n--b--\n",
		    MULTI
		    "--b\nContent-Type: multipart/signed; boundary=i\n\n--i\n\nQ\n--i--\n--b\n" QP
		    "\nQ\n--b--\n" },
		{ "Content-Type: message/rfc822\n\nSubject: s\n\n" L "\n",
		    "Content-Type: message/rfc822\n\nSubject: s\n" QP "\nQ\n" },
		{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\n" L
		  "\n--b--\n",
		    "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n" QP
		    "\nQ\n--b--\n" },
		/* no delimiter */
		{ MULTI "--b \t\n\n" L "\n--b--\n", MULTI "--b \t\n" QP "\nQ\n--b--\n" },
		{ MULTI "--bc\n\n" L "\n--b--\n", NULL },
		{ "Content-Type: multipart/mixed\n\n--b\n\n" L "\n", NULL },
	};
	struct buf in, out, got, whole;
	bool found;

	buf_init(&in, 100000);
	buf_init(&out, 3 * LIMIT_HEADER_BYTES);
	buf_init(&whole, 3 * LIMIT_HEADER_BYTES);
	buf_init(&got, 100000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%zu", i);
		expand(rows[i].in, &in);
		run(slice_make(in.data, in.len), in.len, &found, &whole);
		CHECK_INT(found, rows[i].want != NULL);
		if (rows[i].want == NULL)
			CHECK_MEM(whole.data, whole.len, in.data, in.len);
		else
			CHECK_STR(shown(&whole, &got), rows[i].want);
		/* the same however it is cut */
		for (size_t step = 1; step < 2000; step = step * 3 + 1) {
			run(slice_make(in.data, in.len), step, &found, &out);
			CHECK_MEM(out.data, out.len, whole.data, whole.len);
		}
	}
	buf_free(&in);
	buf_free(&out);
	buf_free(&got);
	buf_free(&whole);
}

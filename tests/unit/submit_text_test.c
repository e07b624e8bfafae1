#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/send/submit_text.h"
#include "base/buf.h"
#include "test.h"

#define S(lit) lit, sizeof(lit) - 1

struct row {
	const char *in;
	size_t n;
	const char *out;
	bool ended;        /* without -i */
	size_t used;       /* without -i; 0: all */
	const char *out_i; /* with -i, where it differs */
};

static const struct row rows[] = {
	{ S(""), "", false, 0, NULL },
	{ S("a"), "a\r\n", false, 0, NULL },
	{ S("a\n"), "a\r\n", false, 0, NULL },
	{ S("a\r\n"), "a\r\n", false, 0, NULL },
	{ S("a\nb\r\nc"), "a\r\nb\r\nc\r\n", false, 0, NULL },
	{ S("\n\r\n\n"), "\r\n\r\n\r\n", false, 0, NULL },
	/* CR that ends no line */
	{ S("a\rb\n"), "a b\r\n", false, 0, NULL },
	{ S("a\r\rb\n"), "a  b\r\n", false, 0, NULL },
	{ S("\ra\n"), " a\r\n", false, 0, NULL },
	{ S("a\r\r\n\r\r\nb"), "a\r\n\r\nb\r\n", false, 0, NULL },
	{ S("a\r\r\r\nb"), "a \r\nb\r\n", false, 0, NULL },
	{ S("a\r\r\r\r\rb"), "a     b\r\n", false, 0, NULL },
	{ S("a\r"), "a\r\n", false, 0, NULL },
	{ S("\r"), "\r\n", false, 0, NULL },
	/* NUL */
	{ S("a\0b\n"), "ab\r\n", false, 0, NULL },
	{ S("a\r\0\nb"), "a\r\nb\r\n", false, 0, NULL },
	{ S("\0"), "\r\n", false, 0, NULL },
	{ S("a\n\0\n"), "a\r\n\r\n", false, 0, NULL },
	/* a lone dot */
	{ S("."), "", true, 0, ".\r\n" },
	{ S(".\n"), "", true, 2, ".\r\n" },
	{ S(".\r\n"), "", true, 3, ".\r\n" },
	{ S(".\r"), "", true, 0, ".\r\n" },
	{ S("a\n.\nb\n"), "a\r\n", true, 4, "a\r\n.\r\nb\r\n" },
	{ S("a\r\n.\r\nb\n"), "a\r\n", true, 6, "a\r\n.\r\nb\r\n" },
	{ S("a\n.\r\nb\n"), "a\r\n", true, 5, "a\r\n.\r\nb\r\n" },
	{ S("a\n."), "a\r\n", true, 0, "a\r\n.\r\n" },
	{ S("a\n\n.\nb"), "a\r\n\r\n", true, 5, "a\r\n\r\n.\r\nb\r\n" },
	/* and what is none: every mix of CR, LF, NUL around a dot */
	{ S("a\n..\nb"), "a\r\n..\r\nb\r\n", false, 0, NULL },
	{ S("a\n. \nb"), "a\r\n. \r\nb\r\n", false, 0, NULL },
	{ S("a\n.b\n"), "a\r\n.b\r\n", false, 0, NULL },
	{ S("a.\nb"), "a.\r\nb\r\n", false, 0, NULL },
	{ S("a\r.\rb"), "a . b\r\n", false, 0, NULL },
	{ S("a\r.\nb"), "a .\r\nb\r\n", false, 0, NULL },
	{ S("a\n.\rb"), "a\r\n. b\r\n", false, 0, NULL },
	{ S("a\n.\r\r\nb"), "a\r\n.\r\nb\r\n", false, 0, NULL },
	{ S("a\n.\r\r\r\nb"), "a\r\n. \r\nb\r\n", false, 0, NULL },
	{ S("a\n.\0\nb"), "a\r\n.\r\nb\r\n", false, 0, NULL },
	{ S("a\n\0.\nb"), "a\r\n.\r\nb\r\n", false, 0, NULL },
	{ S("a\r\n.\0\r\nb"), "a\r\n.\r\nb\r\n", false, 0, NULL },
	{ S("a\n.\r.\nb"), "a\r\n. .\r\nb\r\n", false, 0, NULL },
	{ S("\n\r.\r\n"), "\r\n .\r\n", false, 0, NULL },
};

static void
check(const struct row *row, size_t step, bool ignore_dots)
{
	struct submit_text t;
	struct buf out;
	size_t at = 0, used = 0;

	buf_init(&out, 2 * row->n + 8);
	submit_text_init(&t, ignore_dots);
	while (at < row->n && !t.ended) {
		size_t n = row->n - at < step ? row->n - at : step;
		char *copy = malloc(n);
		memcpy(copy, row->in + at, n);
		used += submit_text_feed(&t, slice_make(copy, n), &out);
		free(copy);
		at += n;
	}
	submit_text_end(&t, &out);
	const char *want = ignore_dots && row->out_i != NULL ? row->out_i : row->out;
	CHECK_STR(buf_str(&out), want);
	CHECK(!out.full);
	CHECK_INT(t.ended, row->ended && !ignore_dots);
	CHECK_INT(used, row->used == 0 || ignore_dots ? row->n : row->used);
	buf_free(&out);
}

TEST(lines_are_normalised_and_a_lone_dot_ends_them_whatever_the_split)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t step = 1; step <= rows[i].n + 1; step++) {
			TEST_ROW("row %zu in pieces of %zu", i, step);
			check(&rows[i], step, false);
			check(&rows[i], step, true);
		}
	}
}

TEST(replaced_bytes_are_counted)
{
	struct submit_text t;
	struct buf out;

	buf_init(&out, 100);
	submit_text_init(&t, true);
	submit_text_feed(&t, slice_make("a\0\0b\rc\r\n\r\rd\n", 12), &out);
	CHECK_INT(t.nuls, 2);
	CHECK_INT(t.bare_crs, 3);
	buf_free(&out);
}

/* Fold text in pieces of step bytes. */
static char *
fold(const char *text, size_t step, bool header, uint64_t *folds_r)
{
	struct submit_fold *f = malloc(sizeof(*f));
	size_t n = strlen(text);
	struct buf out;

	buf_init(&out, n * 2 + 3000);
	submit_fold_init(f, header);
	for (size_t at = 0; at < n; at += step)
		submit_fold_feed(f, slice_sub(slice_make(text, n), at, at + step), &out);
	*folds_r = f->folds;
	free(f);
	CHECK(!out.full);
	return buf_steal(&out);
}

static char *
repeat(const char *before, const char *unit, size_t count, const char *after)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_puts(&out, before);
	for (size_t i = 0; i < count; i++)
		buf_puts(&out, unit);
	buf_puts(&out, after);
	return buf_steal(&out);
}

static size_t
longest(const char *text)
{
	size_t max = 0, n;

	for (; *text != '\0'; text += n + 2) {
		n = strcspn(text, "\r");
		CHECK(text[n] == '\r' && text[n + 1] == '\n');
		max = n > max ? n : max;
	}
	return max;
}

TEST(lines_above_998_bytes_are_cut_rfc_5322_s2_1_1)
{
	static const struct {
		const char *before, *unit;
		size_t count;
		const char *after;
		bool header;
		unsigned folds;
		const char *expect; /* must occur */
	} cases[] = {
		{ "", "a", 998, "\r\n", false, 0, NULL },
		{ "", "a", 999, "\r\n", false, 1, "a\r\n a\r\n" },
		{ "", "a", 998 + 997, "\r\n", false, 1, NULL },
		{ "", "a", 998 + 998, "\r\nb\r\n", false, 2, "\r\n a\r\nb\r\n" },
		{ "", "a", 100000, "\r\n", false, 100, NULL },
		{ "", "a ", 1000, "\r\n", false, 2, NULL },
		/* not inside of a character: 997 bytes and two of them, 996 and so on */
		{ "a", "\xc3\xa4", 499, "\r\n", false, 1, "\xc3\xa4\r\n \xc3\xa4\r\n" },
		{ "aa", "\xe6\x97\xa5", 333, "\r\n", false, 1,
		    "\xe6\x97\xa5\r\n \xe6\x97\xa5\r\n" },
		{ "aaa", "\xf0\x9f\x98\x80", 249, "\r\n", false, 1,
		    "\xf0\x9f\x98\x80\r\n \xf0\x9f\x98\x80\r\n" },
		{ "", "\xa4", 999, "\r\n", false, 1, "\xa4\r\n \xa4\r\n" }, /* not UTF-8 */
		/* a header is cut at white space, which changes nothing */
		{ "Subject: ", "word ", 300, "x\r\n", true, 1, "word\r\n word" },
		{ "Subject: ", "w", 2000, "\r\n", true, 3, "Subject:\r\n www" },
		{ "To  :", "w", 2000, "\r\n", true, 2, "To  :www" }, /* the name stays whole */
		{ "X:", "w", 996, " \r\n", true, 1, "w\r\n" },
		{ "X:", "w", 996, "    \r\nY: z\r\n", true, 1, "w\r\nY: z\r\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = repeat(cases[i].before, cases[i].unit, cases[i].count, cases[i].after);
		uint64_t folds, again;
		char *whole = fold(text, strlen(text), cases[i].header, &folds);
		char *bytes = fold(text, 1, cases[i].header, &again);

		TEST_ROW("case %zu", i);
		CHECK_STR(bytes, whole);
		CHECK_INT(again, folds);
		CHECK_INT(folds, cases[i].folds);
		CHECK(longest(whole) <= 998);
		if (cases[i].expect != NULL)
			CHECK(strstr(whole, cases[i].expect) != NULL);
		if (folds == 0)
			CHECK_STR(whole, text);
		free(text);
		free(whole);
		free(bytes);
	}
}

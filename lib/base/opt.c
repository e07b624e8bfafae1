#include "base/opt.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"

enum {
	ROWS_MAX = 128,     /* of one table */
	VAL_LONG = 256,     /* getopt's value of row i is VAL_LONG + i */
	VAL_NEGATED = 1024, /* and of its --no- form VAL_NEGATED + i */
	VAL_HELP = 2048
};

static bool
takes_value(const struct opt *row)
{
	return row->type >= OPT_STR;
}

static size_t
table_size(const struct opt *table)
{
	size_t n = 0;

	while (table[n].type != OPT_END)
		n++;
	if (n > ROWS_MAX)
		abort();
	return n;
}

/* Setting values. */

static void *
member(const struct opt *row, void *options)
{
	return (char *)options + row->offset;
}

bool
opt_word_is_alias(const struct opt_word *words, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (words[k].value == words[i].value)
			return true;
	return false;
}

/* "off, offered or required" */
static const char *
words_list(const struct opt *row, const char *last, struct buf *out)
{
	const char *pending = NULL;
	size_t n = 0;

	for (size_t i = 0; row->words[i].word != NULL; i++) {
		if (opt_word_is_alias(row->words, i))
			continue;
		if (pending != NULL)
			buf_printf(out, "%s%s", n++ > 0 ? ", " : "", pending);
		pending = row->words[i].word;
	}
	buf_printf(out, "%s%s", n > 0 ? last : "", pending);
	return buf_str(out);
}

static int
set_word(const struct opt *row, const char *value, int *value_r, struct fail *why)
{
	const char *candidates[ROWS_MAX];
	size_t n = 0;

	for (const struct opt_word *w = row->words; w->word != NULL && n < ROWS_MAX; w++) {
		if (strcmp(w->word, value) == 0) {
			*value_r = w->value;
			return 0;
		}
		candidates[n++] = w->word;
	}
	struct buf list;
	buf_init(&list, 1024);
	words_list(row, " or ", &list);
	const char *near = text_nearest(value, candidates, n);
	if (near == NULL)
		fail_set(why, FAIL_USAGE, "unknown value \"%.100s\": expected %s", value,
		    buf_str(&list));
	else
		fail_set(why, FAIL_USAGE,
		    "unknown value \"%.100s\", did you mean \"%s\"? Expected %s", value, near,
		    buf_str(&list));
	buf_free(&list);
	return -1;
}

static int
set_int(const struct opt *row, const char *value, int64_t *value_r, struct fail *why)
{
	unsigned long long number;
	bool negative = value[0] == '-';

	if (slice_number(slice_str(value + negative), INT64_MAX, &number)) {
		int64_t n = negative ? -(int64_t)number : (int64_t)number;
		if (n >= row->min && n <= row->max) {
			*value_r = n;
			return 0;
		}
	}
	return fail_set(why, FAIL_USAGE, "\"%.100s\" is not a number from %lld to %lld", value,
	    (long long)row->min, (long long)row->max);
}

static int
set_quantity(const struct opt *row, const char *value, int64_t *value_r, struct fail *why)
{
	bool duration = row->type == OPT_DURATION;
	int64_t n;

	if (!(duration ? text_duration_ms : text_size)(slice_str(value), &n))
		return fail_set(why, FAIL_USAGE,
		    duration
			? "\"%.100s\" is not a duration: expected a number with ms, s, m, h "
			  "or d, such as 30s"
			: "\"%.100s\" is not a size: expected bytes, or a number with k, M, G, "
			  "Ki, Mi or Gi, such as 25M",
		    value);
	if (n < row->min || (row->max > 0 && n > row->max)) {
		const char *unit = duration ? " ms" : " bytes";
		if (row->max > 0)
			return fail_set(why, FAIL_USAGE, "\"%.100s\" is not from %lld to %lld%s",
			    value, (long long)row->min, (long long)row->max, unit);
		return fail_set(why, FAIL_USAGE, "\"%.100s\" is less than %lld%s", value,
		    (long long)row->min, unit);
	}
	*value_r = n;
	return 0;
}

static int
set_flag(const char *value, bool *value_r, struct fail *why)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return fail_set(why, FAIL_USAGE, "\"%.100s\" is neither \"yes\" nor \"no\"", value);
	*value_r = value[0] == 'y';
	return 0;
}

int
opt_set(
    const struct opt *row, const char *value, struct arena *arena, void *options, struct fail *why)
{
	void *to = member(row, options);

	if (takes_value(row) && value[0] == '\0' && !row->empty_ok)
		return fail_set(why, FAIL_USAGE, "empty value: expected %s", row->arg);
	switch (row->type) {
	case OPT_FLAG:
		return set_flag(value, to, why);
	case OPT_SET:
		*(int *)to = row->value;
		return 0;
	case OPT_COUNT:
		++*(int *)to;
		return 0;
	case OPT_STR:
		*(const char **)to = value;
		return 0;
	case OPT_STRS:
		strs_add(to, arena, value);
		return 0;
	case OPT_INT:
		return set_int(row, value, to, why);
	case OPT_DURATION:
	case OPT_SIZE:
		return set_quantity(row, value, to, why);
	case OPT_WORD:
		return set_word(row, value, to, why);
	case OPT_END:
	case OPT_HEADING:
		break;
	}
	return fail_set(why, FAIL_INTERNAL, "not an option");
}

void
opt_init(const struct opt *table, void *options, size_t size, struct arena *arena)
{
	struct fail why;

	memset(options, 0, size);
	for (const struct opt *row = table; row->type != OPT_END; row++) {
		if (row->initial == NULL)
			continue;
		if (opt_set(row, row->initial, arena, options, &why) != 0) {
			fprintf(stderr, "--%s: default: %s\n", row->name, why.text);
			abort();
		}
	}
}

/* Finding rows. */

const struct opt *
opt_find(const struct opt *table, const char *name)
{
	for (const struct opt *row = table; row->type != OPT_END; row++)
		if (row->name != NULL && strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

const char *
opt_nearest(const struct opt *table, const char *name)
{
	const char *candidates[ROWS_MAX + 1];
	size_t n = 0, len = strlen(name);

	for (const struct opt *row = table; row->type != OPT_END && n < ROWS_MAX; row++)
		if (row->name != NULL)
			candidates[n++] = row->name;
	candidates[n++] = "help";
	/* a clear abbreviation is a better guess than a word of other letters */
	const char *near = NULL;
	for (size_t i = 0; len >= 2 && i < n; i++) {
		if (strncmp(candidates[i], name, len) != 0)
			continue;
		if (near != NULL)
			return text_nearest(name, candidates, n);
		near = candidates[i];
	}
	return near != NULL ? near : text_nearest(name, candidates, n);
}

/* The command line. */

struct getopt_tables {
	struct option longs[2 * ROWS_MAX + 2];
	char shorts[2 * ROWS_MAX + 3];
	char negated[ROWS_MAX][40];
};

static void
make_tables(const struct opt *table, enum opt_order order, struct getopt_tables *t)
{
	size_t n = table_size(table), longs = 0, shorts = 0;

	memset(t, 0, sizeof(*t));
	/* '-': operands come in their place, as option 1; ':': missing values as ':' */
	t->shorts[shorts++] = order == OPT_FIRST ? '+' : '-';
	t->shorts[shorts++] = ':';
	for (size_t i = 0; i < n; i++) {
		const struct opt *row = &table[i];
		int has_arg = takes_value(row) ? required_argument : no_argument;
		if (row->name != NULL)
			t->longs[longs++] =
			    (struct option){ row->name, has_arg, NULL, VAL_LONG + (int)i };
		if (row->name != NULL && row->negatable) {
			snprintf(t->negated[i], sizeof(t->negated[i]), "no-%s", row->name);
			t->longs[longs++] = (struct option){ t->negated[i], no_argument, NULL,
				VAL_NEGATED + (int)i };
		}
		if (row->letter != 0) {
			t->shorts[shorts++] = row->letter;
			if (takes_value(row))
				t->shorts[shorts++] = ':';
		}
	}
	t->longs[longs] = (struct option){ "help", no_argument, NULL, VAL_HELP };
}

static const struct opt *
find_letter(const struct opt *table, int letter)
{
	for (const struct opt *row = table; row->type != OPT_END; row++)
		if (row->letter != 0 && row->letter == letter)
			return row;
	return NULL;
}

/* The row behind a value of getopt; NULL for --help and what is unknown. */
static const struct opt *
row_of(const struct opt *table, int val)
{
	if (val >= VAL_HELP || val <= 0)
		return NULL;
	if (val >= VAL_NEGATED)
		return &table[val - VAL_NEGATED];
	if (val >= VAL_LONG)
		return &table[val - VAL_LONG];
	return find_letter(table, val);
}

static int
unknown_long(const struct opt *table, const char *word, struct fail *why)
{
	char name[64];
	const char *prefix = "";

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = opt_nearest(table, name);
	if (near == NULL && strncmp(name, "no-", 3) == 0) {
		near = opt_nearest(table, name + 3);
		const struct opt *row = near == NULL ? NULL : opt_find(table, near);
		if (row == NULL || !row->negatable)
			near = NULL;
		prefix = "no-";
	}
	if (near == NULL)
		return fail_set(why, FAIL_USAGE, "unknown option --%s", name);
	return fail_set(
	    why, FAIL_USAGE, "unknown option --%s, did you mean --%s%s?", name, prefix, near);
}

/* Whether the long option in word was written in full; getopt takes abbreviations too. */
static bool
is_exact(const char *word, const struct opt *row, int val)
{
	size_t n = strcspn(word + 2, "=");
	const char *name = row == NULL ? "help" : row->name;
	const char *full = word + 2;

	if (val >= VAL_NEGATED && val < VAL_HELP) {
		full += 3;
		n -= 3;
	}
	return n == strlen(name) && strncmp(full, name, n) == 0;
}

/* getopt said '?' or ':'; word is the argument it looked at. */
static int
refused(const struct opt *table, int result, const char *word, struct fail *why)
{
	const struct opt *row = row_of(table, optopt);
	bool is_long = strncmp(word, "--", 2) == 0;

	if (is_long && (optopt < VAL_LONG || !is_exact(word, row, optopt)))
		return unknown_long(table, word + 2, why);
	if (result == ':' && row != NULL) {
		if (is_long)
			return fail_set(
			    why, FAIL_USAGE, "option --%s needs a value: %s", row->name, row->arg);
		return fail_set(
		    why, FAIL_USAGE, "option -%c needs a value: %s", row->letter, row->arg);
	}
	if (!is_long && opt_find(table, word + 1) != NULL)
		return fail_set(
		    why, FAIL_USAGE, "unknown option %s, did you mean -%s?", word, word);
	if (!is_long)
		return fail_set(why, FAIL_USAGE,
		    isprint(optopt) ? "unknown option -%c" : "unknown option byte 0x%02x", optopt);
	return fail_set(
	    why, FAIL_USAGE, "option --%.*s takes no value", (int)strcspn(word + 2, "="), word + 2);
}

static int
apply(const struct opt *row, int val, struct arena *arena, void *options, struct fail *why)
{
	const char *value = optarg != NULL ? optarg : val >= VAL_NEGATED ? "no" : "yes";

	if (opt_set(row, value, arena, options, why) == 0)
		return 0;
	if (val >= VAL_LONG)
		return fail_prefix(why, "option --%s", row->name);
	return fail_prefix(why, "option -%c", row->letter);
}

/* What follows the options. In order FIRST, an option that comes too late is told. */
static int
rest(const struct opt *table, enum opt_order order, char **argv, struct arena *arena,
    struct strs *operands_r, struct fail *why)
{
	bool literal = optind > 0 && strcmp(argv[optind - 1], "--") == 0;

	for (char **word = argv + optind; *word != NULL; word++) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*word, "="), *word);
		if (order == OPT_FIRST && !literal && strncmp(name, "--", 2) == 0 &&
		    opt_find(table, name + 2) != NULL)
			return fail_set(why, FAIL_USAGE, "option %s must stand before \"%.100s\"",
			    name, argv[optind]);
		strs_add(operands_r, arena, *word);
	}
	return 0;
}

int
opt_parse(const struct opt *table, enum opt_order order, int argc, char **argv, struct arena *arena,
    void *options, struct strs *operands_r, struct fail *why)
{
	struct getopt_tables *t = arena_alloc(arena, sizeof(*t));
	int val;

	memset(operands_r, 0, sizeof(*operands_r));
	make_tables(table, order, t);
	optind = 0; /* glibc and musl: start anew */
	opterr = 0;
	for (;;) {
		int before = optind == 0 ? 1 : optind;
		val = getopt_long(argc, argv, t->shorts, t->longs, NULL);
		if (val == -1)
			break;
		if (val == 1) {
			strs_add(operands_r, arena, optarg);
			continue;
		}
		/* the option's own word stands before a value of its own */
		const char *word = argv[optind - 1];
		if (optarg != NULL && optarg == word)
			word = argv[optind - 2];
		else if (optind == before && before < argc)
			word = argv[optind]; /* inside a cluster of letters */
		if (val == '?' || val == ':')
			return refused(table, val, word, why);
		if (val >= VAL_LONG && !is_exact(word, row_of(table, val), val))
			return unknown_long(table, word + 2, why);
		if (val == VAL_HELP)
			return OPT_HELP;
		if (apply(row_of(table, val), val, arena, options, why) != 0)
			return -1;
	}
	if (rest(table, order, argv, arena, operands_r, why) != 0)
		return -1;
	/* ended by NULL, for callers that walk it */
	strs_add(operands_r, arena, "");
	operands_r->v[--operands_r->n] = NULL;
	return 0;
}

/* Help. */

void
opt_wrap(FILE *out, const char *text, size_t at, size_t indent)
{
	enum { WIDTH = 79 };
	size_t column = at;
	bool first = true;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");
		if (!first && column + 1 + n > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		fprintf(out, "%s%.*s", first ? "" : " ", (int)n, text);
		column += n + (first ? 0 : 1);
		first = false;
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* "-o, --output FILE" */
static void
synopsis(const struct opt *row, struct buf *out)
{
	buf_reset(out);
	if (row->letter != 0)
		buf_printf(out, "-%c", row->letter);
	else
		buf_puts(out, "   ");
	if (row->name != NULL)
		buf_printf(out, "%s --%s%s", row->letter != 0 ? "," : "",
		    row->negatable ? "[no-]" : "", row->name);
	if (row->arg != NULL)
		buf_printf(out, " %s", row->arg);
}

static void
explanation(const struct opt *row, struct buf *out)
{
	buf_reset(out);
	buf_puts(out, row->help);
	if (row->type == OPT_WORD) {
		buf_puts(out, ": ");
		words_list(row, " or ", out);
	}
	if (row->type == OPT_STRS)
		buf_puts(out, "; may be repeated");
	if (row->initial != NULL)
		buf_printf(out, " (default: %s)", row->initial);
}

void
opt_help(const struct opt *table, FILE *out)
{
	enum { INDENT = 28 };
	struct buf left, right;

	buf_init(&left, 256);
	buf_init(&right, 2048);
	for (const struct opt *row = table; row->type != OPT_END; row++) {
		if (row->type == OPT_HEADING) {
			fprintf(out, "\n%s:\n", row->help);
			continue;
		}
		synopsis(row, &left);
		explanation(row, &right);
		if (left.len + 4 > INDENT)
			fprintf(out, "  %s\n%*s", buf_str(&left), INDENT, "");
		else
			fprintf(out, "  %-*s", INDENT - 2, buf_str(&left));
		opt_wrap(out, buf_str(&right), INDENT, INDENT);
	}
	fprintf(out, "%-*s", INDENT, "      --help");
	opt_wrap(out, "print this text and exit", INDENT, INDENT);
	buf_free(&left);
	buf_free(&right);
}

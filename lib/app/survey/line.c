#include "app/survey/line.h"

#define NESTING_MAX 64 /* of brackets; our own lines nest 8 deep */

/* The end of a string that begins at "at" (behind its quote); n when it has none. */
static size_t
string_end(struct slice line, size_t at)
{
	for (; at < line.n; at++) {
		if (line.p[at] == '\\')
			at++;
		else if (line.p[at] == '"')
			return at;
		else if ((unsigned char)line.p[at] < 0x20)
			return line.n;
	}
	return line.n;
}

bool
survey_line_is_whole(struct slice line)
{
	char open[NESTING_MAX];
	size_t depth = 0;

	if (line.n < 2 || line.p[0] != '{')
		return false;
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		if (c == '"') {
			i = string_end(line, i + 1);
			if (i >= line.n)
				return false;
		} else if (c == '{' || c == '[') {
			if (depth == NESTING_MAX)
				return false;
			open[depth++] = c == '{' ? '}' : ']';
		} else if (c == '}' || c == ']') {
			if (depth == 0 || open[--depth] != c)
				return false;
			if (depth == 0)
				return i + 1 == line.n;
		} else if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f) {
			return false;
		}
	}
	return false;
}

static bool
cut(struct slice *line, const char *prefix)
{
	size_t n = slice_str(prefix).n;

	if (!slice_is(slice_sub(*line, 0, n), prefix))
		return false;
	*line = slice_sub(*line, n, line->n);
	return true;
}

/* The writer puts schema, type and seq first, in this order. */
enum survey_line
survey_line_kind(struct slice line, uint64_t *seq_r)
{
	struct slice rest = line;
	unsigned long long seq;

	*seq_r = 0;
	if (!cut(&rest, "{\"schema\":\"mxtls-probe/1\",\"type\":\"") || !survey_line_is_whole(line))
		return SURVEY_LINE_FOREIGN;
	if (cut(&rest, "meta\""))
		return SURVEY_LINE_META;
	if (cut(&rest, "host\""))
		return SURVEY_LINE_HOST;
	if (cut(&rest, "certificate\""))
		return SURVEY_LINE_CERTIFICATE;
	if (!cut(&rest, "domain\",\"seq\":"))
		return SURVEY_LINE_FOREIGN;
	if (!slice_number(slice_sub(rest, 0, slice_find(rest, ',')), UINT32_MAX, &seq) || seq == 0)
		return SURVEY_LINE_FOREIGN;
	*seq_r = seq;
	return SURVEY_LINE_DOMAIN;
}

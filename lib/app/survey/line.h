#ifndef APP_SURVEY_LINE_H
#define APP_SURVEY_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Lines of a survey's output, as far as it takes to go on with it. Pure. A line is whole when it is
 * one JSON object by its brackets and strings; that its members are what they should be is the
 * business of whoever reads them (facts_read_json).
 */
enum survey_line {
	SURVEY_LINE_FOREIGN, /* torn, or none of ours */
	SURVEY_LINE_META,
	SURVEY_LINE_DOMAIN, /* with *seq_r */
	SURVEY_LINE_HOST,
	SURVEY_LINE_CERTIFICATE
};

enum survey_line survey_line_kind(struct slice line, uint64_t *seq_r);

/* True for one whole JSON object with nothing around it. */
bool survey_line_is_whole(struct slice line);

#endif

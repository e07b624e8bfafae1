#ifndef APP_SURVEY_RESULTS_H
#define APP_SURVEY_RESULTS_H

#include "app/survey/file.h"
#include "base/facts.h"
#include "base/list.h"
#include "base/map.h"

/*
 * What servers did, read from the file as it is asked for; the results that were used last stay in
 * memory, since a few providers serve most domains.
 */
struct survey_results {
	struct survey_file *file;
	struct map by_place; /* struct survey_result by its place in the file */
	struct list used;    /* least recently used first */
	size_t n, bytes;
	struct buf text;
};

void survey_results_init(struct survey_results *r, struct survey_file *file);
void survey_results_free(struct survey_results *r);

/*
 * What was just written to a place in the file need not be read back: facts are kept as they are, and
 * their arena is taken over (it is empty afterwards).
 */
void survey_results_put(
    struct survey_results *r, uint64_t at, struct arena *arena, const struct server_facts *facts);

/*
 * The result at a place in the file; valid until the next survey_results_trim or _put. NULL with why (IO, MESSAGE)
 * when the file cannot be read.
 */
const struct server_facts *
survey_results_get(struct survey_results *r, uint64_t at, struct fail *why);
/* Forget what is beyond the limits. */
void survey_results_trim(struct survey_results *r);

#endif

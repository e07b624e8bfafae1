#ifndef BASE_FACTS_SCAN_H
#define BASE_FACTS_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Read records fast: straight from the text into the struct, without a tree, and only the members
 * that are wanted; for whoever reads millions of them (facts_read_json is the careful reader of one).
 * A plan is made once from the table of facts.def and then serves any number of records.
 *
 * What facts_read_json takes, facts_scan_read takes with the same result. It takes more: a member
 * twice (the last one counts), bytes that are not UTF-8, and in members that are not wanted anything
 * that nests correctly. A word that the table does not know (a newer mxtls wrote it) is "unknown",
 * and counted.
 */
struct facts_scan;

struct facts_scan_note {
	size_t unknown_words; /* counted up */
	char word[128];       /* the last of them: "member: word", sanitised */
};

/*
 * table  of the struct to fill; static
 * want   paths as in facts.def, joined by dots ("exchanges.hosts.tls.version.name"), ended by NULL;
 *        a path brings everything below it. NULL: everything. A path that no field has aborts.
 */
struct facts_scan *facts_scan_new(const struct fact_table *table, const char *const *want);
void facts_scan_free(struct facts_scan *scan);

/*
 * Read one JSON object into facts_r (initialised here). Strings live in arena. note may be NULL.
 * Fails with MESSAGE: not JSON (with the column), cut off, nested deeper than LIMIT_JSON_DEPTH, or a wanted
 * member of the wrong type.
 */
int facts_scan_read(const struct facts_scan *scan, const char *json, size_t n, struct arena *arena,
    void *facts_r, struct facts_scan_note *note, struct fail *why);

/*
 * The string that a member of a JSON object has, when it is one of the first few members and holds no
 * escapes: what kind of line it is. False, and an empty slice, otherwise. Points into json.
 */
bool facts_scan_peek(const char *json, size_t n, const char *name, struct slice *value_r);

#endif

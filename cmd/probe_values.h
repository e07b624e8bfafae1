#ifndef PROBE_VALUES_H
#define PROBE_VALUES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/addr.h"
#include "policy/bar.h"

/*
 * What the option table cannot check of mxtls probe's options, and the file of --file. Each returns 0,
 * or -1 with why (USAGE), which names the option, its value and what was expected.
 */

/* --at: "+14d", "-1d", a day, or RFC 3339; *at_r in Unix seconds. */
int probe_value_at(const char *text, int64_t *at_r, struct fail *why);

/* --source. family: what was asked for (0 both, 4, 6); set to that of the address. */
int probe_value_source(const char *text, struct addr *source_r, int *family, struct fail *why);

/* --sni: auto (or NULL), none or a name, as session_options take it. */
int probe_value_sni(const char *text, struct arena *arena, const char **sni_r, struct fail *why);

/* --warn and --crit, by the name of option; text NULL leaves *limit_r as it is. */
int probe_value_limit(
    const char *option, const char *text, struct bar_limit *limit_r, struct fail *why);

/*
 * The lines of a list, "-" for standard input, without line ends. Whole, before the loop starts:
 * reading may block. Fails with NO_INPUT.
 */
int probe_list_read(const char *path, struct arena *arena, struct strs *lines, struct fail *why);

#endif

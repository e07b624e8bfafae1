#ifndef APP_STORE_PLACES_H
#define APP_STORE_PLACES_H

#include "base/arena.h"

/*
 * Where files are (DECISIONS E38): a user's in $XDG_CONFIG_HOME/mxtls (default ~/.config/mxtls), else the
 * system's in /etc/mxtls. Environment by secure_getenv. In system mode (app/queue/system.h) only the latter, and /var/lib/mxtls.
 */

/* The first of both that exists, as a string in arena; NULL when neither does. name: "policy", "mxtls.conf". */
const char *places_config(const char *name, struct arena *arena);

/*
 * The folder of a user's own data that must survive: $XDG_STATE_HOME/mxtls/NAME, default
 * ~/.local/state/mxtls/NAME. The folders above NAME are made (0700); NAME itself is not. NULL with why: CANT_CREATE.
 */
struct fail;
const char *places_state(const char *name, struct arena *arena, struct fail *why);

#endif

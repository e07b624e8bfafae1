#include "app/places.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether there is something, or it cannot be told: then opening it fails, and nothing weaker takes its place. */
static bool
exists(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

const char *
places_config(const char *name, struct arena *arena)
{
	const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
	const char *path = NULL;

	if (config != NULL && config[0] == '/')
		path = arena_printf(arena, "%s/mxtls/%s", config, name);
	else if (home != NULL && home[0] == '/')
		path = arena_printf(arena, "%s/.config/mxtls/%s", home, name);
	if (path != NULL && exists(path))
		return path;
	path = arena_printf(arena, "/etc/mxtls/%s", name);
	return exists(path) ? path : NULL;
}

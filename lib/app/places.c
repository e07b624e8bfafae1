#include "app/places.h"

#include <stdlib.h>
#include <unistd.h>

const char *
places_config(const char *name, struct arena *arena)
{
	const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
	const char *path = NULL;

	/* an existing file that cannot be read is not passed over: whoever opens it says so */
	if (config != NULL && config[0] == '/')
		path = arena_printf(arena, "%s/mxtls/%s", config, name);
	else if (home != NULL && home[0] == '/')
		path = arena_printf(arena, "%s/.config/mxtls/%s", home, name);
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	path = arena_printf(arena, "/etc/mxtls/%s", name);
	return access(path, F_OK) == 0 ? path : NULL;
}

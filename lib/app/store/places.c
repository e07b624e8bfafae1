#include "app/store/places.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/system.h"
#include "base/fail.h"

/* Whether there is something, or it cannot be told: then opening it fails, and nothing weaker takes its place. */
static bool
exists(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

const char *
places_state(const char *name, struct arena *arena, struct fail *why)
{
	const char *state = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");
	char *path;

	if (system_mode())
		path = arena_printf(arena, SYSTEM_STATE "/%s", name);
	else if (state != NULL && state[0] == '/')
		path = arena_printf(arena, "%s/mxtls/%s", state, name);
	else if (home != NULL && home[0] == '/')
		path = arena_printf(arena, "%s/.local/state/mxtls/%s", home, name);
	else {
		fail_set(why, FAIL_CANT_CREATE,
		    "no place for the %s: neither HOME nor XDG_STATE_HOME is set", name);
		return NULL;
	}
	/* nearly always it is there */
	char *last = strrchr(path, '/');
	*last = '\0';
	bool there = access(path, X_OK) == 0;
	*last = '/';
	if (there)
		return path;
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST && access(path, X_OK) != 0) {
			fail_errno(why, FAIL_CANT_CREATE, "%s", path);
			return NULL;
		}
		*slash = '/';
	}
	return path;
}

const char *
places_config(const char *name, struct arena *arena)
{
	const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
	const char *path = NULL;

	if (system_mode())
		config = home = NULL;
	if (config != NULL && config[0] == '/')
		path = arena_printf(arena, "%s/mxtls/%s", config, name);
	else if (home != NULL && home[0] == '/')
		path = arena_printf(arena, "%s/.config/mxtls/%s", home, name);
	if (path != NULL && exists(path))
		return path;
	path = arena_printf(arena, SYSTEM_CONFIG "/%s", name);
	return exists(path) ? path : NULL;
}

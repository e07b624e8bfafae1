#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *
open_first(const char *const *files)
{
	for (; *files != NULL; files++) {
		void *library = dlopen(*files, RTLD_NOW | RTLD_LOCAL);
		if (library != NULL)
			return library;
	}
	return NULL;
}

const char *
library_open(
    const char *name, const char *const *files, const struct library_function *rows, size_t n)
{
	static char problem[200];
	void *library = open_first(files);

	if (library == NULL) {
		snprintf(problem, sizeof(problem), "%s not installed", name);
		return problem;
	}
	for (size_t i = 0; i < n; i++) {
		void *symbol = dlsym(library, rows[i].name);
		if (symbol == NULL) {
			snprintf(
			    problem, sizeof(problem), "%s has no function %s", name, rows[i].name);
			return problem;
		}
		/* C has no conversion from void * to a function; POSIX says they are alike */
		memcpy(rows[i].pointer_r, &symbol, sizeof(symbol));
	}
	return NULL;
}

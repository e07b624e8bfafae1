#include "http/curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "tls/tls.h"

static const char *const libraries[] = {
#ifdef __APPLE__
	"libcurl.4.dylib",
#else
	"libcurl.so.4",
	"libcurl-gnutls.so.4",
#endif
};

static struct curl_functions functions;
static enum { UNTRIED, OPEN, FAILED } state;
static char problem[256];

static bool
find_all(void *library)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[] = {
#define ROW(name) { "curl_" #name, offsetof(struct curl_functions, name) }
		ROW(global_init),
		ROW(easy_init),
		ROW(easy_setopt),
		ROW(easy_getinfo),
		ROW(easy_reset),
		ROW(easy_cleanup),
		ROW(easy_strerror),
		ROW(slist_append),
		ROW(slist_free_all),
		ROW(multi_init),
		ROW(multi_setopt),
		ROW(multi_add_handle),
		ROW(multi_remove_handle),
		ROW(multi_socket_action),
		ROW(multi_info_read),
		ROW(multi_cleanup),
#undef ROW
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *symbol = dlsym(library, rows[i].name);
		if (symbol == NULL) {
			snprintf(
			    problem, sizeof(problem), "libcurl has no function %s", rows[i].name);
			return false;
		}
		memcpy((char *)&functions + rows[i].offset, &symbol, sizeof(symbol));
	}
	return true;
}

static void *
open_library(void)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
		if (library != NULL)
			return library;
	}
	snprintf(problem, sizeof(problem), "libcurl not installed");
	return NULL;
}

const struct curl_functions *
curl_open(struct fail *why)
{
	if (state == UNTRIED) {
		state = FAILED;
		/* DECISIONS A6: before curl, which would have OpenSSL read its configuration */
		tls_init();
		void *library = open_library(); /* for the rest of our life */
		if (library != NULL && find_all(library)) {
			if (functions.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
				state = OPEN;
			else
				snprintf(problem, sizeof(problem), "libcurl cannot be initialised");
		}
	}
	if (state == OPEN)
		return &functions;
	fail_set(why, FAIL_HTTP, "%s", problem);
	return NULL;
}

#include "http/curl.h"

#include <stdio.h>

#include "base/library.h"
#include "tls/tls.h"

static const char *const files[] = { LIBRARY_FILE("libcurl", "4"),
	LIBRARY_FILE("libcurl-gnutls", "4"), NULL };

static struct curl_functions functions;
static enum { UNTRIED, OPEN, FAILED } state;
static char problem[256];

static const char *
open_library(void)
{
	static const struct library_function rows[] = {
#define ROW(name) { "curl_" #name, &functions.name }
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

	return library_open("libcurl", files, rows, sizeof(rows) / sizeof(rows[0]));
}

const struct curl_functions *
curl_open(struct fail *why)
{
	if (state == UNTRIED) {
		state = FAILED;
		/* DECISIONS A6: before curl, which would have OpenSSL read its configuration */
		tls_init();
		const char *wrong = open_library();
		if (wrong == NULL && functions.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
			wrong = "libcurl cannot be initialised";
		if (wrong == NULL)
			state = OPEN;
		else
			snprintf(problem, sizeof(problem), "%s", wrong);
	}
	if (state == OPEN)
		return &functions;
	fail_set(why, FAIL_HTTP, "%s", problem);
	return NULL;
}

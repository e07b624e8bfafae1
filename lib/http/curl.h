#ifndef HTTP_CURL_H
#define HTTP_CURL_H

#include <curl/curl.h>

#include "base/fail.h"

/*
 * libcurl's functions, found at run time; for this folder only. Only its header is needed to build.
 */
struct curl_functions {
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_easy_init) *easy_init;
	CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
	CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
	__typeof__(curl_easy_reset) *easy_reset;
	__typeof__(curl_easy_cleanup) *easy_cleanup;
	__typeof__(curl_easy_strerror) *easy_strerror;
	__typeof__(curl_slist_append) *slist_append;
	__typeof__(curl_slist_free_all) *slist_free_all;
	__typeof__(curl_multi_init) *multi_init;
	CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
	__typeof__(curl_multi_add_handle) *multi_add_handle;
	__typeof__(curl_multi_remove_handle) *multi_remove_handle;
	__typeof__(curl_multi_socket_action) *multi_socket_action;
	__typeof__(curl_multi_info_read) *multi_info_read;
	__typeof__(curl_multi_cleanup) *multi_cleanup;
};

/*
 * The table, opened at the first call: NULL with why (HTTP: "libcurl not installed", or not
 * usable). Once it failed it is not tried again.
 */
const struct curl_functions *curl_open(struct fail *why);

#endif

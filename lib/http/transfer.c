/*
 * One request through libcurl's socket interface: it tells which descriptors and which time it
 * waits for, and we wait. Each session has a multi handle of its own, so that a fiber never drives
 * the transfer of another one; idle ones are kept for the next request, connections never are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/internal.h"
#include "tls/cert.h"
#include "tls/pem.h"

#define OPTION_PROTOCOLS_STR ((CURLoption)10318) /* since 7.85 */
#define TEXT_BYTES 500                           /* of a remote header field */
#define NO_ANSWER "no complete answer in time"

struct http_session {
	const struct curl_functions *f;
	CURLM *multi;
	CURL *easy;
	struct io_fd fds[IO_WAIT_MAX];
	size_t fds_n;
	bool too_many; /* descriptors: it gives up */
	int64_t timer; /* when libcurl wants to be called, DEADLINE_NEVER for not */

	/* of one request */
	struct curl_slist *resolve;
	struct buf body;
	size_t header_bytes;
	bool header_full;
	char error[CURL_ERROR_SIZE];
};

/* --- what libcurl asks for ------------------------------------------------------------------------ */

static struct io_fd *
find_fd(struct http_session *s, curl_socket_t fd)
{
	for (size_t i = 0; i < s->fds_n; i++)
		if (s->fds[i].fd == fd)
			return &s->fds[i];
	return NULL;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct http_session *s = arg;
	struct io_fd *entry = find_fd(s, fd);

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE) {
		if (entry != NULL)
			*entry = s->fds[--s->fds_n];
		return 0;
	}
	if (entry == NULL) {
		if (s->fds_n == IO_WAIT_MAX) {
			s->too_many = true;
			return 0;
		}
		entry = &s->fds[s->fds_n++];
		entry->fd = fd;
	}
	entry->events =
	    (short)((what & CURL_POLL_IN ? IO_READ : 0) | (what & CURL_POLL_OUT ? IO_WRITE : 0));
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_session *s = arg;

	(void)multi;
	s->timer = timeout_ms < 0 ? DEADLINE_NEVER : clock_deadline(timeout_ms);
	return 0;
}

/* Another number than size: libcurl ends the transfer. */
static size_t
on_body(char *data, size_t one, size_t size, void *arg)
{
	struct http_session *s = arg;

	return buf_append(&s->body, data, one * size) == 0 ? one * size : 0;
}

static size_t
on_header(char *data, size_t one, size_t size, void *arg)
{
	struct http_session *s = arg;

	(void)data;
	s->header_bytes += one * size;
	s->header_full |= s->header_bytes > LIMIT_HTTP_HEADER_BYTES;
	return s->header_full ? 0 : one * size;
}

/* --- sessions ------------------------------------------------------------------------------------- */

void
http_session_free(struct http_session *s)
{
	s->f->easy_cleanup(s->easy);
	s->f->multi_cleanup(s->multi);
	buf_free(&s->body);
	free(s);
}

static struct http_session *
session_new(struct fail *why)
{
	const struct curl_functions *f = curl_open(why);

	if (f == NULL)
		return NULL;
	struct http_session *s = mem_alloc(sizeof(*s));
	s->f = f;
	s->multi = f->multi_init();
	s->easy = f->easy_init();
	if (s->multi == NULL || s->easy == NULL) {
		if (s->easy != NULL)
			f->easy_cleanup(s->easy);
		if (s->multi != NULL)
			f->multi_cleanup(s->multi);
		free(s);
		fail_set(why, FAIL_HTTP, "libcurl cannot begin a request");
		return NULL;
	}
	f->multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	f->multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	f->multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	f->multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	return s;
}

static struct http_session *
session_take(struct http *http, struct fail *why)
{
	return http->idle_n > 0 ? http->idle[--http->idle_n] : session_new(why);
}

static void
session_give_back(struct http *http, struct http_session *s)
{
	s->f->easy_reset(s->easy);
	s->f->slist_free_all(s->resolve);
	s->resolve = NULL;
	buf_free(&s->body);
	s->fds_n = 0;
	if (http->idle_n < LIMIT_HTTP_SESSIONS)
		http->idle[http->idle_n++] = s;
	else
		http_session_free(s);
}

/* --- settings ------------------------------------------------------------------------------------- */

/* "+host:443:192.0.2.1,[2001:db8::1]": the plus lets libcurl forget it after a minute. */
static bool
set_addresses(
    struct http_session *s, const char *host, unsigned port, const struct http_target *target)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_printf(&text, "+%s:%u:", host, port);
	for (size_t i = 0; i < target->n; i++) {
		char ip[ADDR_TEXT_BYTES];
		bool v6 = target->addrs[i].sa.ss_family == AF_INET6;
		addr_ip_str(&target->addrs[i], ip);
		buf_printf(&text, "%s%s%s%s", i == 0 ? "" : ",", v6 ? "[" : "", ip, v6 ? "]" : "");
	}
	s->resolve = text.full ? NULL : s->f->slist_append(NULL, buf_str(&text));
	buf_free(&text);
	return s->resolve != NULL &&
	       s->f->easy_setopt(s->easy, CURLOPT_RESOLVE, s->resolve) == CURLE_OK;
}

/* What must hold, or there is no request at all. */
static bool
set_security(const struct http *http, struct http_session *s)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = s->f->easy_setopt;
	const char *file, *dir;

	tls_trust_places(http->options.trust, &file, &dir);
	/* older ones know no such option; the address is https, and nothing leads away from it */
	CURLcode protocols = set(s->easy, OPTION_PROTOCOLS_STR, "https");
	return (protocols == CURLE_OK || protocols == CURLE_UNKNOWN_OPTION) &&
	       set(s->easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       set(s->easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       set(s->easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       set(s->easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       set(s->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       set(s->easy, CURLOPT_CAINFO, file) == CURLE_OK &&
	       set(s->easy, CURLOPT_CAPATH, dir) == CURLE_OK &&
	       set(s->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
}

static bool
set_request(struct http_session *s, const char *url, const struct http_request *request)
{
	CURLcode (*set)(CURL *, CURLoption, ...) = s->f->easy_setopt;

	set(s->easy, CURLOPT_ERRORBUFFER, s->error);
	set(s->easy, CURLOPT_NOSIGNAL, 1L);
	set(s->easy, CURLOPT_USERAGENT, "mxtls/" MXTLS_VERSION);
	set(s->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	set(s->easy, CURLOPT_FORBID_REUSE, 1L);
	set(s->easy, CURLOPT_FRESH_CONNECT, 1L);
	set(s->easy, CURLOPT_CERTINFO, 1L);
	set(s->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	return set(s->easy, CURLOPT_URL, url) == CURLE_OK &&
	       set(s->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       set(s->easy, CURLOPT_WRITEDATA, s) == CURLE_OK &&
	       set(s->easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       set(s->easy, CURLOPT_HEADERDATA, s) == CURLE_OK;
}

static int
session_set(const struct http *http, struct http_session *s, const struct http_request *request,
    const struct http_target *target, struct arena *arena, struct fail *why)
{
	unsigned port = http->options.port != 0 ? http->options.port : 443;
	const char *url =
	    port == 443
		? arena_printf(arena, "https://%s%s", request->host, request->path)
		: arena_printf(arena, "https://%s:%u%s", request->host, port, request->path);

	buf_init(&s->body, request->max_bytes);
	s->header_bytes = 0;
	s->header_full = s->too_many = false;
	s->error[0] = '\0';
	s->fds_n = 0;
	s->timer = DEADLINE_NEVER;
	if (!set_security(http, s) || !set_request(s, url, request) ||
	    !set_addresses(s, request->host, port, target))
		return fail_set(why, FAIL_HTTP, "libcurl does not take the settings of a request");
	return 0;
}

/* --- the transfer --------------------------------------------------------------------------------- */

static bool
finished(struct http_session *s, CURLcode *code_r)
{
	int left;
	const CURLMsg *message;

	while ((message = s->f->multi_info_read(s->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		*code_r = message->data.result;
		return true;
	}
	return false;
}

static void
call_ready(struct http_session *s, const struct io_fd *fds, size_t n)
{
	int running;

	for (size_t i = 0; i < n; i++) {
		int events = (fds[i].revents & IO_READ ? CURL_CSELECT_IN : 0) |
			     (fds[i].revents & IO_WRITE ? CURL_CSELECT_OUT : 0);
		/* the call for another one may have closed it */
		if (events != 0 && find_fd(s, fds[i].fd) != NULL)
			s->f->multi_socket_action(s->multi, fds[i].fd, events, &running);
	}
}

/* 0 with libcurl's result, or -1: we stopped waiting. */
static int
drive(struct http_session *s, CURLcode *code_r, int64_t deadline, struct fail *why)
{
	int running;

	for (;;) {
		if (clock_ms() >= s->timer) {
			s->timer = DEADLINE_NEVER;
			s->f->multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		if (finished(s, code_r))
			return 0;
		if (s->too_many)
			return fail_set(why, FAIL_HTTP, "too many connections at once");
		if (clock_ms() >= s->timer)
			continue;
		struct io_fd fds[IO_WAIT_MAX];
		size_t n = s->fds_n;
		int64_t until = s->timer < deadline ? s->timer : deadline;
		memcpy(fds, s->fds, n * sizeof(fds[0]));
		if (io_wait_many(fds, n, until, why) > 0)
			call_ready(s, fds, n);
		else if (why->code != FAIL_TIMEOUT || clock_ms() >= deadline)
			return -1;
	}
}

/* --- the result ----------------------------------------------------------------------------------- */

static int
failed(struct http_session *s, CURLcode code, struct fail *why)
{
	const char *text = s->error[0] != '\0' ? s->error : s->f->easy_strerror(code);
	long errnum = 0;

	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return fail_set(why, FAIL_HTTP_CERT, "%s", text);
	case CURLE_OPERATION_TIMEDOUT:
		return fail_set(why, FAIL_TIMEOUT, NO_ANSWER);
	case CURLE_WRITE_ERROR:
		if (s->header_full)
			return fail_set(why, FAIL_HTTP, "the header is longer than %d bytes",
			    LIMIT_HTTP_HEADER_BYTES);
		if (s->body.full)
			return fail_set(
			    why, FAIL_HTTP, "the answer is longer than %zu bytes", s->body.max);
		break;
	case CURLE_COULDNT_CONNECT:
		s->f->easy_getinfo(s->easy, CURLINFO_OS_ERRNO, &errnum);
		if (errnum == ECONNREFUSED)
			return fail_set(why, FAIL_HTTP, "connection refused");
		if (errnum == EHOSTUNREACH || errnum == ENETUNREACH)
			return fail_set(why, FAIL_HTTP, "host or network unreachable");
		break;
	default:
		break;
	}
	return fail_set(why, FAIL_HTTP, "%s", text);
}

/* The server's certificate as facts; false when this libcurl does not tell it. */
static bool
read_certificate(struct http_session *s, struct arena *arena, struct cert_facts *facts_r)
{
	const struct curl_certinfo *info = NULL;
	struct slice *certs;
	size_t n;

	if (s->f->easy_getinfo(s->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
	    info->num_of_certs < 1)
		return false;
	for (const struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next) {
		struct slice text = slice_str(line->data);
		if (!slice_starts_case(text, "Cert:"))
			continue;
		text = slice_sub(text, 5, text.n);
		return tls_pem_certs(text.p, text.n, arena, &certs, &n, NULL) == 0 &&
		       tls_cert_parse(certs[0].p, certs[0].n, arena, facts_r, NULL) == 0;
	}
	return false;
}

/*
 * RFC 8461 s3.3 (RFC 6125 s6.4.4): only subject alternative names count. libcurl takes the common
 * name of a certificate that has none.
 */
static bool
has_dns_name(const struct cert_facts *cert)
{
	for (size_t i = 0; i < cert->names.n; i++)
		if (!addr_is_literal(cert->names.v[i]))
			return true;
	return false;
}

static int
take_reply(struct http_session *s, struct arena *arena, struct http_reply *reply, struct fail *why)
{
	const char *type = NULL, *location = NULL;
	struct cert_facts cert;
	long status = 0;

	s->f->easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	s->f->easy_getinfo(s->easy, CURLINFO_CONTENT_TYPE, &type);
	s->f->easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &location);
	if (read_certificate(s, arena, &cert)) {
		reply->cert_starts = cert.not_before;
		reply->cert_expires = cert.not_after;
		if (!has_dns_name(&cert))
			return fail_set(why, FAIL_HTTP_CERT,
			    "the certificate names the host only in its subject, not as a subject "
			    "alternative name");
	}
	reply->status = (int)status;
	if (type != NULL)
		reply->content_type = arena_slice(arena, slice_sub(slice_str(type), 0, TEXT_BYTES));
	if (location != NULL)
		reply->location = arena_slice(arena, slice_sub(slice_str(location), 0, TEXT_BYTES));
	if (status == 200)
		reply->body =
		    slice_make(arena_strndup(arena, buf_str(&s->body), s->body.len), s->body.len);
	return 0;
}

int
http_transfer(struct http *http, const struct http_request *request,
    const struct http_target *target, struct arena *arena, struct http_reply *reply,
    int64_t deadline, struct fail *why)
{
	struct http_session *s = session_take(http, why);
	int64_t start = clock_ms();
	int64_t end = clock_deadline(request->timeout_ms);
	const char *ip = NULL;
	CURLcode code = CURLE_OK;
	struct fail ours;

	if (s == NULL)
		return -1;
	int result = session_set(http, s, request, target, arena, why);
	if (result == 0 && s->f->multi_add_handle(s->multi, s->easy) != CURLM_OK)
		result = fail_set(why, FAIL_HTTP, "libcurl does not take the request");
	if (result == 0) {
		result = drive(s, &code, end < deadline ? end : deadline, &ours);
		if (result != 0 && ours.code == FAIL_TIMEOUT)
			fail_set(why, FAIL_TIMEOUT, NO_ANSWER);
		else if (result != 0 && why != NULL)
			*why = ours;
		else if (result == 0 && code != CURLE_OK)
			result = failed(s, code, why);
		else if (result == 0)
			result = take_reply(s, arena, reply, why);
		if (s->f->easy_getinfo(s->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip != NULL)
			reply->ip = arena_strdup(arena, ip);
		reply->duration_s = (double)(clock_ms() - start) / 1000;
		s->f->multi_remove_handle(s->multi, s->easy);
	}
	session_give_back(http, s);
	return result;
}

#include "app/listen/address.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/socket.h"

#define PASSED_FIRST 3 /* SD_LISTEN_FDS_START */

bool
listen_tls_parse(struct slice word, enum smtp_server_tls *tls_r)
{
	static const struct {
		const char *word;
		enum smtp_server_tls tls;
	} words[] = { { "off", SMTP_TLS_OFF }, { "offered", SMTP_TLS_OFFERED },
		{ "required", SMTP_TLS_REQUIRED }, { "none", SMTP_TLS_OFF },
		{ "may", SMTP_TLS_OFFERED }, { "encrypt", SMTP_TLS_REQUIRED } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_is(word, words[i].word)) {
			*tls_r = words[i].tls;
			return true;
		}
	return false;
}

/* One word behind a comma. */
static int
parse_setting(struct slice word, struct listen_address *a, struct fail *why)
{
	if (slice_is(word, "implicit-tls")) {
		a->implicit_tls = true;
		return 0;
	}
	if (word.n > 4 && memcmp(word.p, "tls=", 4) == 0 &&
	    listen_tls_parse(slice_sub(word, 4, word.n), &a->tls)) {
		a->tls_set = true;
		return 0;
	}
	return fail_set(why, FAIL_USAGE,
	    "'%.*s' is no setting of an address: expected tls=off, tls=offered, tls=required or "
	    "implicit-tls",
	    (int)word.n, word.n == 0 ? "" : word.p);
}

static int
parse_settings(struct slice rest, struct listen_address *a, struct fail *why)
{
	while (rest.n > 0)
		if (parse_setting(slice_cut(&rest, ','), a, why) != 0)
			return -1;
	if (a->tls_set && a->implicit_tls)
		return fail_set(
		    why, FAIL_USAGE, "tls= and implicit-tls of one address exclude each other");
	return 0;
}

int
listen_address_parse(struct slice text, struct listen_address *a_r, struct fail *why)
{
	size_t comma = slice_find(text, ',');

	memset(a_r, 0, sizeof(*a_r));
	a_r->fd = -1;
	if (comma + 1 == text.n)
		return fail_set(why, FAIL_USAGE, "'%.*s': a setting is expected behind the comma",
		    (int)text.n, text.p);
	/* an empty variable in a script is no wish to listen everywhere (reference F10) */
	if (text.n == 0 || text.p[0] == ':' || slice_find(slice_sub(text, 0, comma), ':') == comma)
		return fail_set(why, FAIL_USAGE,
		    "'%.*s' has no address in front of its port: expected 192.0.2.1:25, "
		    "[2001:db8::1]:25 "
		    "or, for every address, *:25 or [::]:25",
		    (int)text.n, text.n == 0 ? "" : text.p);
	if (addr_parse(slice_sub(text, 0, comma), -1, &a_r->at, why) != 0)
		return -1;
	return parse_settings(slice_sub(text, comma + 1, text.n), a_r, why);
}

/* Take a variable out of the environment: what is started later must not think it is meant. */
static char *
take(const char *name)
{
	const char *value = getenv(name);
	char *copy = value == NULL ? NULL : mem_strdup(value);

	unsetenv(name);
	return copy;
}

static int
adopt(int fd, struct slice name, struct listen_address *a_r, struct fail *why)
{
	int listening = 0;
	socklen_t n = sizeof(listening);

	memset(a_r, 0, sizeof(*a_r));
	a_r->fd = fd;
	a_r->at.len = sizeof(a_r->at.sa);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) != 0 || !listening ||
	    getsockname(fd, (struct sockaddr *)&a_r->at.sa, &a_r->at.len) != 0 ||
	    (a_r->at.sa.ss_family != AF_INET && a_r->at.sa.ss_family != AF_INET6))
		return fail_set(
		    why, FAIL_USAGE, "LISTEN_FDS: descriptor %d is no listening TCP socket", fd);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* a name is mostly that of the unit, so only settings count */
	if (parse_settings(name, a_r, NULL) != 0) {
		a_r->tls_set = a_r->implicit_tls = false;
		if (name.n >= 4 && memcmp(name.p, "tls=", 4) == 0)
			return fail_set(why, FAIL_USAGE, "LISTEN_FDNAMES: '%.*s' is no setting",
			    (int)name.n, name.p);
	}
	return socket_nonblocking(fd, why);
}

int
listen_address_passed(struct listen_address a_r[LISTEN_ADDRESSES], struct fail *why)
{
	char *pid = take("LISTEN_PID"), *fds = take("LISTEN_FDS"), *names = take("LISTEN_FDNAMES");
	struct slice rest = slice_str(names);
	unsigned long long n = 0, whose = 0;
	int ret = 0;

	if (slice_number(slice_str(pid), INT32_MAX, &whose) && (pid_t)whose == getpid() &&
	    !slice_number(slice_str(fds), LISTEN_ADDRESSES, &n))
		ret = fail_set(why, FAIL_USAGE, "LISTEN_FDS: '%s' is not a number from 0 to %d",
		    fds == NULL ? "" : fds, LISTEN_ADDRESSES);
	for (int i = 0; i < (int)n && ret == 0; i++)
		ret = adopt(PASSED_FIRST + i, slice_cut(&rest, ':'), &a_r[i], why);
	free(pid);
	free(fds);
	free(names);
	return ret != 0 ? -1 : (int)n;
}

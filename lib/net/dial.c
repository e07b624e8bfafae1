#include "net/dial.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/socket.h"

int
dial_check(const struct addr *to, const struct dial_options *options, struct fail *why)
{
	char text[ADDR_TEXT_BYTES];

	addr_ip_str(to, text);
	if ((options->refuse & DIAL_REFUSE_LOOP) != 0 &&
	    (addr_is_loopback(to) || addr_is_unspecified(to)))
		return fail_set(why, FAIL_CONNECT_SELF, "%s is this host: mail loop", text);
	if ((options->refuse & DIAL_REFUSE_PRIVATE) != 0 && addr_is_private(to))
		return fail_set(why, FAIL_CONNECT_PRIVATE, "%s is a private address", text);
	if (options->source != NULL && options->source->sa.ss_family != to->sa.ss_family)
		return fail_set(why, FAIL_CONNECT_UNREACHABLE,
		    "%s: the source address is of the other family", text);
	return 0;
}

/* Between two addresses that are one the connection never left this host. */
static int
check_self(int fd, const struct addr *to, struct fail *why)
{
	struct addr local;
	char text[ADDR_TEXT_BYTES];

	local.len = sizeof(local.sa);
	if (getsockname(fd, (struct sockaddr *)&local.sa, &local.len) != 0 ||
	    !addr_equal_ip(&local, to))
		return 0;
	addr_ip_str(to, text);
	return fail_set(why, FAIL_CONNECT_SELF, "%s is our own address: mail loop", text);
}

bool
dial_is_self(const struct addr *to)
{
	struct addr at = *to;
	int fd;
	bool self;

	if (addr_is_loopback(to) || addr_is_unspecified(to))
		return true;
	addr_set_port(&at, 25); /* any: a datagram socket only looks for the way */
	fd = socket(to->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	self = fd >= 0 && connect(fd, (const struct sockaddr *)&at.sa, at.len) == 0 &&
	       check_self(fd, to, NULL) != 0;
	if (fd >= 0)
		close(fd);
	return self;
}

int
dial(const struct addr *to, const struct dial_options *options, double *seconds_r, int64_t deadline,
    struct fail *why)
{
	double unused;

	if (seconds_r == NULL)
		seconds_r = &unused;
	*seconds_r = -1;
	if (dial_check(to, options, why) != 0)
		return -1;
	int64_t start = clock_ms();
	int fd = socket_connect(to, options->source, deadline, why);
	*seconds_r = (double)(clock_ms() - start) / 1000;
	if (fd >= 0 && (options->refuse & DIAL_REFUSE_LOOP) != 0 && check_self(fd, to, why) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
dial_source_check(const struct addr *source, struct fail *why)
{
	char text[ADDR_TEXT_BYTES];
	int fd = socket(source->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	addr_ip_str(source, text);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&source->sa, source->len) != 0)
		ret = fail_errno(why, FAIL_USAGE, "cannot connect from %s", text);
	if (fd >= 0)
		close(fd);
	return ret;
}

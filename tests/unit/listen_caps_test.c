#include "app/listen/caps.h"

#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static struct addr
peer(const char *text)
{
	struct addr addr;
	struct fail why = { 0 };

	CHECK_INT(addr_parse(slice_str(text), 25, &addr, &why), 0);
	return addr;
}

TEST(caps_count_networks_and_all)
{
	struct listen_caps *caps = listen_caps_new();
	struct addr a = peer("192.0.2.1"), b = peer("192.0.2.2");
	struct addr c = peer("[2001:db8::1]"), d = peer("[2001:db8::2]");
	unsigned slot, other;

	CHECK(listen_caps_join(caps));
	CHECK_INT(listen_caps_enter(caps, &a, 4, 2, &slot), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_enter(caps, &a, 4, 2, &slot), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_enter(caps, &a, 4, 2, &slot), LISTEN_CAP_NETWORK);
	CHECK_INT(listen_caps_enter(caps, &c, 4, 2, &other), LISTEN_CAP_NONE);
	/* one /64 is one network */
	CHECK_INT(listen_caps_enter(caps, &d, 4, 1, &other), LISTEN_CAP_NETWORK);
	CHECK_INT(listen_caps_enter(caps, &d, 4, 2, &other), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_enter(caps, &b, 4, 2, &other), LISTEN_CAP_ALL);
	CHECK_INT(listen_caps_open(caps), 4);
	listen_caps_leave(caps, slot);
	CHECK_INT(listen_caps_own(caps), 3);
	CHECK_INT(listen_caps_enter(caps, &a, 4, 2, &slot), LISTEN_CAP_NONE);
	listen_caps_free(caps);
}

TEST(a_network_has_its_connections_a_minute_over_all_processes)
{
	struct listen_caps *caps = listen_caps_new();
	struct addr a = peer("192.0.2.1"), b = peer("192.0.2.2");
	struct addr c = peer("[2001:db8::1]"), d = peer("[2001:db8::ffff]");
	int64_t start = 600000;
	int status = -1;

	for (int i = 0; i < 4; i++)
		CHECK_INT(listen_caps_rate(caps, &a, 5, start + i), LISTEN_CAP_NONE);
	pid_t pid = fork();
	if (pid == 0)
		_exit(listen_caps_rate(caps, &a, 5, start) == LISTEN_CAP_NONE ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_INT(listen_caps_rate(caps, &a, 5, start + 59999), LISTEN_CAP_RATE);
	CHECK_INT(listen_caps_rate(caps, &b, 5, start), LISTEN_CAP_NONE);
	/* of the minute before, what is left of it: all at its start, two of five in its middle */
	CHECK_INT(listen_caps_rate(caps, &a, 5, start + 60000), LISTEN_CAP_RATE);
	for (int i = 0; i < 3; i++)
		CHECK_INT(listen_caps_rate(caps, &a, 5, start + 90000), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_rate(caps, &a, 5, start + 90000), LISTEN_CAP_RATE);
	/* a minute without any, and all is forgotten */
	for (int i = 0; i < 5; i++)
		CHECK_INT(listen_caps_rate(caps, &a, 5, start + 180000), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_rate(caps, &c, 1, start), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_rate(caps, &d, 1, start), LISTEN_CAP_RATE);
	/* the count stops where it would run into the next number */
	for (int i = 0; i < LISTEN_CAPS_MINUTE_MAX + 5; i++)
		listen_caps_rate(caps, &b, LISTEN_CAPS_MINUTE_MAX, start + 600000);
	CHECK_INT(
	    listen_caps_rate(caps, &b, LISTEN_CAPS_MINUTE_MAX, start + 600000), LISTEN_CAP_RATE);
	listen_caps_free(caps);
}

TEST(caps_hold_over_processes_and_forget_one_that_died)
{
	struct listen_caps *caps = listen_caps_new();
	struct addr a = peer("192.0.2.1");
	unsigned slot;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		bool entered = listen_caps_join(caps) &&
			       listen_caps_enter(caps, &a, 9, 2, &slot) == LISTEN_CAP_NONE &&
			       listen_caps_enter(caps, &a, 9, 2, &slot) == LISTEN_CAP_NONE;
		_exit(entered ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(listen_caps_join(caps));
	CHECK_INT(listen_caps_open(caps), 2);
	CHECK_INT(listen_caps_own(caps), 0);
	CHECK_INT(listen_caps_enter(caps, &a, 9, 2, &slot), LISTEN_CAP_NETWORK);
	listen_caps_forget(caps, pid);
	CHECK_INT(listen_caps_enter(caps, &a, 9, 2, &slot), LISTEN_CAP_NONE);
	CHECK_INT(listen_caps_open(caps), 1);
	listen_caps_free(caps);
}

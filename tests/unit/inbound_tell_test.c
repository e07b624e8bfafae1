#include "app/listen/inbound_tell.h"

#include <fcntl.h>
#include <unistd.h>

#include "test.h"

static struct inbound_facts
message(char *domain)
{
	struct inbound_facts f;

	facts_init_inbound_facts(&f);
	f.event = INBOUND_MESSAGE;
	f.accepted = TRI_YES;
	f.tls = TRI_NO;
	f.time = 1000;
	f.from_domain = domain;
	return f;
}

TEST(what_workers_tell_is_counted_also_when_a_line_comes_late)
{
	char a[] = "a.test", b[] = "b.test";
	struct inbound_facts first = message(a), second = message(b), refused = message(a);
	struct inbound_stats stats;
	struct buf rest;
	char bytes[4096];
	int fds[2];

	refused.accepted = TRI_NO;
	CHECK_INT(pipe2(fds, O_NONBLOCK), 0);
	inbound_stats_init(&stats, 10, 0);
	buf_init(&rest, INBOUND_HEAR_BYTES);
	inbound_tell(fds[1], &first);
	inbound_tell(fds[1], &refused);
	inbound_hear(fds[0], &rest, &stats);
	CHECK_INT(stats.total.messages, 1);
	inbound_tell(fds[1], &second);
	ssize_t n = read(fds[0], bytes, sizeof(bytes));
	CHECK(n > 10);
	CHECK(write(fds[1], bytes, 10) == 10);
	inbound_hear(fds[0], &rest, &stats);
	CHECK_INT(stats.total.messages, 1);
	CHECK(write(fds[1], bytes + 10, (size_t)n - 10) == n - 10);
	inbound_hear(fds[0], &rest, &stats);
	CHECK_INT(stats.total.messages, 2);
	CHECK_INT(stats.domains.n, 2);
	CHECK_INT(rest.len, 0);
	buf_free(&rest);
	inbound_stats_free(&stats);
	close(fds[0]);
	close(fds[1]);
}

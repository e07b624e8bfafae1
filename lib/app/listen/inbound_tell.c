#include "app/listen/inbound_tell.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/io.h"

void
inbound_tell(int fd, const struct inbound_facts *f)
{
	/* what is counted, no more */
	struct inbound_facts brief;
	struct buf line;

	if (f->event != INBOUND_MESSAGE || f->accepted != TRI_YES)
		return;
	facts_init_inbound_facts(&brief);
	brief.event = f->event;
	brief.time = f->time;
	brief.accepted = f->accepted;
	brief.tls = f->tls;
	brief.network = f->network;
	brief.from_domain = f->from_domain;
	brief.tls_version = f->tls_version;
	brief.tls_cipher = f->tls_cipher;
	brief.tls_group = f->tls_group;
	buf_init(&line, PIPE_BUF);
	facts_write_json_brief(&fact_table_inbound_facts, &brief, &line);
	buf_putc(&line, '\n');
	while (!line.full && write(fd, line.data, line.len) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || io_wait(fd, IO_WRITE, DEADLINE_NEVER, NULL) != 0)
			break;
	}
	buf_free(&line);
}

static void
hear_line(struct slice line, struct inbound_stats *stats)
{
	struct inbound_facts f;
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	if (facts_read_json(&fact_table_inbound_facts, line.p, line.n, &arena, &f, &why) == 0)
		inbound_stats_add(stats, &f);
	else
		log_error("a worker told: %s", why.text);
	arena_free(&arena);
}

void
inbound_hear(int fd, struct buf *rest, struct inbound_stats *stats)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		struct slice all;
		size_t end;
		buf_append(rest, bytes, (size_t)n);
		all = slice_make(buf_str(rest), rest->len);
		while ((end = slice_find(all, '\n')) < all.n) {
			hear_line(slice_sub(all, 0, end), stats);
			all = slice_sub(all, end + 1, all.n);
		}
		buf_consume(rest, rest->len - all.n);
	}
}

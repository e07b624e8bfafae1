#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/system_paths.h"
#include "base/clock.h"
#include "base/file.h"
#include "submit.h"

#define SILENT_S 3600

enum submit_runner
submit_wake(const struct submit_spool *s, char what)
{
	struct stat st;
	int fd =
	    openat(s->root, SYSTEM_WAKE, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

	if (fd < 0) /* ENXIO: nobody reads it */
		return SUBMIT_RUNNER_ABSENT;
	if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode)) {
		close(fd);
		return SUBMIT_RUNNER_ABSENT;
	}
	/* a full one wakes, too */
	if (what != 0 && write(fd, &what, 1) < 0 && errno != EAGAIN) {
		close(fd);
		return SUBMIT_RUNNER_ABSENT;
	}
	close(fd);
	return SUBMIT_RUNNER_AWAKE;
}

/* It goes to a terminal, and whoever has the group may have written it. */
static void
make_harmless(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') ||
		    text[i] == 0x7f)
			text[i] = '?';
}

/* What cannot be the status yet, to fd. The end stays in what. Returns the status, or -1. */
static int
pass_on(struct buf *what, bool over, int fd)
{
	int status = -1;
	int64_t text = submission_status_parse(slice_make(what->data, what->len), &status);
	size_t n = what->len;

	if (text >= 0)
		n = (size_t)text;
	else if (!over)
		n = n > SUBMISSION_STATUS_BYTES ? n - SUBMISSION_STATUS_BYTES : 0;
	make_harmless(what->data, n);
	if (n > 0)
		file_write_all(fd, what->data, n); /* who does not read it does not want it */
	buf_consume(what, n);
	return over ? status : -1;
}

int
submit_wait(const struct submit_spool *s, int fd, int64_t timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;
	struct buf what;
	int status = -1;

	buf_init(&what, (size_t)2 * FILE_BLOCK_BYTES);
	while (!submit_stopped && clock_ms() < deadline) {
		struct pollfd p = { .fd = s->reply, .events = POLLIN };
		if (poll(&p, 1, (int)(deadline - clock_ms())) < 0 && errno != EINTR)
			break;
		char *to = p.revents != 0 ? buf_reserve(&what, FILE_BLOCK_BYTES) : NULL;
		if (to == NULL)
			continue;
		ssize_t n = read(s->reply, to, FILE_BLOCK_BYTES);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n > 0)
			buf_commit(&what, (size_t)n);
		status = pass_on(&what, n <= 0, fd);
		if (n <= 0)
			break;
	}
	buf_free(&what);
	return status;
}

void
submit_warn_no_runner(const struct submit_spool *s, const char *id)
{
	struct stat st;
	bool never = fstatat(s->root, SYSTEM_LAST_RUN, &st, AT_SYMLINK_NOFOLLOW) != 0;

	if (never || clock_wall() - st.st_mtime >= SILENT_S)
		fprintf(stderr,
		    "sendmail: %s is kept, but %s runs the queue: root has to run systemctl enable "
		    "--now mxtls-queue.service, or see mxtls-submit(8)\n",
		    id, never ? "nobody" : "for an hour nobody");
}

#include "app/queue/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/journal.h"
#include "app/send/deliver_impl.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/text.h"

#define STATE_BYTES 1024
#define LOCK_TRIES 20

/* --- names ---------------------------------------------------------------------------------------- */

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	       c == '.' || c == ':' || c == '[' || c == ']';
}

void
queue_dest_name(
    const struct deliver_options *options, const char *domain, char out[QUEUE_DEST_BYTES])
{
	const struct rule *rule = rules_match(options->rules, domain);
	const struct rule *via = options->via != NULL ? options->via : rule;
	char port[16] = "";
	int n;

	if (deliver_is_local(options, domain)) {
		n = snprintf(out, QUEUE_DEST_BYTES, QUEUE_DEST_LOCAL);
	} else if (via->via_host == NULL) {
		n = snprintf(out, QUEUE_DEST_BYTES, "%s", domain);
	} else {
		if (via->port != 0)
			snprintf(port, sizeof(port), ":%u", via->port);
		n = snprintf(out, QUEUE_DEST_BYTES, via->via_brackets ? "via:[%s]%s" : "via:%s%s",
		    via->via_host, port);
	}
	text_lower_str(out);
	bool plain = n > 0 && n < QUEUE_DEST_BYTES && out[0] != '.';
	for (const char *c = out; *c != '\0' && plain; c++)
		plain = is_plain(*c);
	if (!plain)
		snprintf(out, QUEUE_DEST_BYTES, "crc:%08" PRIx32 "%08" PRIx32,
		    crc32c(0, domain, strlen(domain)), crc32c(1, domain, strlen(domain)));
}

/* --- what is known -------------------------------------------------------------------------------- */

/* "TRIES SINCE NEXT ENHANCED HOST TEXT\n"; anything else is nothing. */
static void
parse(struct slice line, struct queue_dest *d)
{
	unsigned long long tries, since, next;

	if (slice_find(line, '\n') == line.n)
		return;
	line.n = slice_find(line, '\n');
	if (!slice_number(slice_cut(&line, ' '), 100000, &tries) ||
	    !slice_number(slice_cut(&line, ' '), 1ULL << 40, &since) ||
	    !slice_number(slice_cut(&line, ' '), 1ULL << 40, &next))
		return;
	struct slice enhanced = slice_cut(&line, ' '), host = slice_cut(&line, ' ');
	d->tries = (unsigned)tries;
	d->since = (int64_t)since;
	d->next = (int64_t)next;
	snprintf(d->enhanced, sizeof(d->enhanced), "%.*s", (int)enhanced.n, enhanced.p);
	if (!slice_is(host, "-"))
		snprintf(d->host, sizeof(d->host), "%.*s", (int)host.n, host.p);
	snprintf(d->text, sizeof(d->text), "%.*s", (int)line.n, line.n > 0 ? line.p : "");
	text_sanitize(d->text);
}

static void
init(struct queue_dest *d, const char *name)
{
	char copy[QUEUE_DEST_BYTES]; /* name may be d's own */

	snprintf(copy, sizeof(copy), "%s", name);
	memset(d, 0, sizeof(*d));
	d->fd = -1;
	memcpy(d->name, copy, sizeof(copy));
}

static void
read_state(int fd, struct queue_dest *d)
{
	char text[STATE_BYTES];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n > 0)
		parse(slice_make(text, (size_t)n), d);
}

void
queue_dest_read(const struct spool *spool, const char *name, struct queue_dest *d_r)
{
	int fd =
	    openat(spool->dest, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	init(d_r, name);
	if (fd < 0)
		return;
	read_state(fd, d_r);
	close(fd);
}

/* --- the lock ------------------------------------------------------------------------------------- */

/* The file that we have locked may have been unlinked by the one who had it before. */
static bool
is_still(const struct spool *spool, const char *name, int fd)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 &&
	       fstatat(spool->dest, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

int
queue_dest_lock(
    const struct spool *spool, const char *name, struct queue_dest *d_r, struct fail *why)
{
	init(d_r, name);
	name = d_r->name;
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd = openat(spool->dest, name,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
		if (fd < 0) {
			storage_fail(why, "queue: dest/%s", name);
			return why->code == FAIL_STORAGE_FULL ? 1 : -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			bool busy = errno == EWOULDBLOCK || errno == EINTR;
			if (!busy)
				storage_fail(why, "queue: dest/%s", name);
			close(fd);
			return busy ? 0 : -1;
		}
		if (is_still(spool, name, fd)) {
			d_r->fd = fd;
			read_state(fd, d_r);
			return 1;
		}
		close(fd);
	}
	return 0;
}

bool
queue_dest_is_to_blame(const struct deliver_result *r)
{
	const struct fail_info *info = fail_info(r->why.code);

	if (r->status != DELIVER_DEFERRED || r->why.code == FAIL_CANCELLED ||
	    info->class == FAIL_CLASS_LOCAL)
		return false;
	/* 421: the server closes; any other reply is about this message */
	return r->why.smtp_code == 0 || r->why.smtp_code == 421;
}

static void
word_of(const char *s, char *out, size_t n)
{
	snprintf(out, n, "%s", s == NULL || s[0] == '\0' ? "-" : s);
	for (char *c = out; *c != '\0'; c++)
		if (*c == ' ' || *c == '\n')
			*c = '?';
}

void
queue_dest_failed(const struct spool *spool, struct queue_dest *d, const struct deliver_result *r)
{
	char text[STATE_BYTES], enhanced[16], host[LIMIT_DOMAIN_BYTES + 1];
	uint32_t random = 0;

	(void)spool;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint32_t)clock_wall_us();
	if (d->tries == 0)
		d->since = clock_wall();
	d->tries++;
	d->next = clock_wall() + queue_backoff_s(d->tries, random);
	word_of(r->enhanced, enhanced, sizeof(enhanced));
	word_of(r->exchange, host, sizeof(host));
	snprintf(d->text, sizeof(d->text), "%.*s", LIMIT_JOURNAL_TEXT_BYTES,
	    r->reply != NULL ? r->reply : r->why.text);
	snprintf(d->enhanced, sizeof(d->enhanced), "%s", enhanced);
	snprintf(d->host, sizeof(d->host), "%s", r->exchange == NULL ? "" : r->exchange);
	text_sanitize(d->text);
	int n = snprintf(text, sizeof(text), "%u %" PRId64 " %" PRId64 " %s %s %s\n", d->tries,
	    d->since, d->next, enhanced, host, d->text);
	if (d->fd < 0 || pwrite(d->fd, text, (size_t)n, 0) != n || ftruncate(d->fd, n) != 0)
		return; /* then it is tried again sooner */
}

void
queue_dest_answered(struct queue_dest *d)
{
	d->tries = 0;
	d->next = d->since = 0;
}

void
queue_dest_close(const struct spool *spool, struct queue_dest *d)
{
	if (d->fd < 0)
		return;
	/* under the lock: whoever waits for it looks again */
	if (d->tries == 0)
		unlinkat(spool->dest, d->name, 0);
	close(d->fd);
	d->fd = -1;
}

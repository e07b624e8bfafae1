#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

static enum log_level max_level = LOG_LEVEL_WARN;
static const char *log_tag = "mxtls";
static int log_fd = -1;
static bool log_to_syslog, log_json;
static const char *log_path; /* of log_fd */

void
log_level_set(enum log_level level)
{
	max_level = level;
}

bool
log_wants(enum log_level level)
{
	return level <= max_level || (level <= LOG_LEVEL_INFO && (log_fd >= 0 || log_to_syslog));
}

int
log_open(const char *where, const char *tag)
{
	log_tag = tag;
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
	log_to_syslog = strcmp(where, "syslog") == 0;
	if (log_to_syslog) {
		openlog(tag, LOG_PID, LOG_MAIL);
		return 0;
	}
	if (strcmp(where, "none") == 0)
		return 0;
	log_path = where;
	log_fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return log_fd < 0 ? -1 : 0;
}

int
log_reopen(void)
{
	if (log_fd < 0)
		return 0;
	int fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return -1;
	close(log_fd);
	log_fd = fd;
	return 0;
}

void
log_prepare(void)
{
	tzset();
	if (log_to_syslog)
		openlog(log_tag, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void
log_json_set(bool json)
{
	log_json = json;
}

int
log_forked(void)
{
	if (log_to_syslog)
		closelog();
	return log_fd;
}

/* Without its end of line; line: the caller's to free. */
static void
note_json(enum log_level level, const char *text, struct buf *line)
{
	static const char *const words[] = { "error", "warning", "info", "debug" };
	struct json j;

	buf_init(line, 8 * LIMIT_LOG_LINE_BYTES);
	json_init(&j, line);
	json_object_begin(&j);
	json_key(&j, slice_str("event"));
	json_put_str(&j, "note");
	json_key(&j, slice_str("time"));
	json_put_time(&j, clock_wall());
	json_key(&j, slice_str("level"));
	json_put_str(&j, words[level]);
	json_key(&j, slice_str("outcome"));
	json_put_str(&j, text);
	json_object_end(&j);
}

static void
write_json(int fd, enum log_level level, const char *text)
{
	struct buf line;

	note_json(level, text, &line);
	buf_putc(&line, '\n');
	if (write(fd, line.data, line.len) < 0) {
		/* as below */
	}
	buf_free(&line);
}

/* text is sanitised. */
static void
write_log(enum log_level level, const char *text, bool plain)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	static const char *const words[] = { "error: ", "warning: ", "", "debug: " };
	char head[128], time[32];
	size_t n = 0;

	if (log_to_syslog && log_json && !plain) {
		struct buf line;
		note_json(level, text, &line);
		syslog(priorities[level], "%s", buf_str(&line));
		buf_free(&line);
	} else if (log_to_syslog) {
		syslog(priorities[level], "%s%s", plain ? "" : words[level], text);
	}
	if (log_fd < 0)
		return;
	if (!plain && log_json) {
		write_json(log_fd, level, text);
		return;
	}
	if (!plain) {
		text_date_rfc3339(clock_wall(), time);
		n = (size_t)snprintf(head, sizeof(head), "%s %.40s[%ld]: %s", time, log_tag,
		    (long)getpid(), words[level]);
	}
	struct iovec parts[3] = { { head, n }, { (void *)(uintptr_t)text, strlen(text) },
		{ (void *)(uintptr_t) "\n", 1 } };
	if (writev(log_fd, parts, 3) < 0) {
		/* a full disk is no reason not to deliver */
	}
}

void
log_event(const char *line, bool plain)
{
	int saved = errno;

	write_log(LOG_LEVEL_INFO, line, plain);
	errno = saved;
}

__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const words[] = { "", "warning: ", "", "debug: " };
	char text[LIMIT_LOG_LINE_BYTES], line[LIMIT_LOG_LINE_BYTES + 64];
	int saved = errno;

	if (!log_wants(level))
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text_sanitize(text);
	if (level <= LOG_LEVEL_INFO)
		write_log(level, text, false);
	if (level > max_level) {
		errno = saved;
		return;
	}
	if (log_json && log_fd < 0 && !log_to_syslog) {
		write_json(STDERR_FILENO, level, text);
		errno = saved;
		return;
	}
	int n = snprintf(line, sizeof(line), "mxtls: %s%s\n", words[level], text);
	/* one write: lines of several processes do not mix */
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) {
		/* nobody is listening */
	}
	errno = saved;
}

#define LOG_FUNCTION(name, level) \
	void name(const char *fmt, ...) \
	{ \
		va_list ap; \
		va_start(ap, fmt); \
		log_line(level, fmt, ap); \
		va_end(ap); \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

void
log_record(const char *line)
{
	struct iovec parts[2] = { { (void *)(uintptr_t)line, strlen(line) },
		{ (void *)(uintptr_t) "\n", 1 } };

	if (log_fd >= 0 || log_to_syslog) {
		log_event(line, true);
		return;
	}
	if (max_level < LOG_LEVEL_INFO)
		return;
	/* one call: records of several processes do not mix */
	if (writev(STDERR_FILENO, parts, 2) < 0) {
		/* nobody is listening */
	}
}

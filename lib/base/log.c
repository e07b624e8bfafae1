#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"

static enum log_level max_level = LOG_LEVEL_WARN;

void
log_level_set(enum log_level level)
{
	max_level = level;
}

__attribute__((format(printf, 2, 0))) static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const words[] = { "", "warning: ", "", "debug: " };
	char text[LIMIT_LOG_LINE_BYTES], line[LIMIT_LOG_LINE_BYTES + 64];
	int saved = errno;

	if (level > max_level)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text_sanitize(text);
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

	if (max_level < LOG_LEVEL_INFO)
		return;
	/* one call: records of several processes do not mix */
	if (writev(STDERR_FILENO, parts, 2) < 0) {
		/* nobody is listening */
	}
}

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "test.h"

/* What goes to syslog, without one: libc's functions, the second where it is fortified, are ours here. */

#undef syslog /* a macro, with clang */
void __syslog_chk(int priority, int flag, const char *fmt, ...);

static char said[2000];
static int said_at;

__attribute__((format(printf, 2, 0))) static void
take(int priority, const char *fmt, va_list ap)
{
	said_at = priority;
	vsnprintf(said, sizeof(said), fmt, ap);
}

void
syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	take(priority, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 3, 4))) void
__syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	take(priority, fmt, ap);
	va_end(ap);
}

TEST(syslog_gets_text_or_with_a_log_of_objects_one_for_each_note)
{
	log_level_set(LOG_LEVEL_ERROR);
	CHECK_INT(log_open("syslog", "test"), 0);
	log_warn("one %s", "\"two\"");
	CHECK_STR(said, "warning: one \"two\"");
	CHECK_INT(said_at, LOG_WARNING);
	log_record("{\"event\":\"message\"}");
	CHECK_STR(said, "{\"event\":\"message\"}");
	log_json_set(true);
	log_info("one %s", "\"two\"");
	CHECK_INT(said_at, LOG_INFO);
	CHECK(strncmp(said, "{\"event\":\"note\",\"time\":\"", 24) == 0);
	const char *level = strstr(said, "\"level\"");
	CHECK_STR(
	    level == NULL ? "" : level, "\"level\":\"info\",\"outcome\":\"one \\\"two\\\"\"}");
	log_record("{\"event\":\"message\"}");
	CHECK_STR(said, "{\"event\":\"message\"}");
	log_json_set(false);
	CHECK_INT(log_open("none", "test"), 0);
}

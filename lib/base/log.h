#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

/*
 * Talk for people and logs: stderr, one line an event, "mxtls: level: text". stdout is for
 * results only and never written here. Text is sanitised; a line is cut at
 * LIMIT_LOG_LINE_BYTES. Secrets and message bodies are never logged.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Default: WARN. */
void log_level_set(enum log_level level);
/* Does a line of this level go anywhere? */
bool log_wants(enum log_level level);

/*
 * A log besides: "syslog" (facility mail), a file that lines are appended to, each by one write, or
 * "none". It gets the lines above up to INFO whatever the level for stderr is, and the events.
 * tag: the program's name in it; kept. Returns 0, or -1 with errno set when the file cannot be opened.
 */
int log_open(const char *where, const char *tag);
/* Open its file again under its name: it was renamed to make room. Returns 0, or -1 and the old one stays. */
int log_reopen(void);
/* It is one of NDJSON: the lines above become objects in its file, or on stderr when there is none, {"event":"note",...}. */
void log_json_set(bool json);

/*
 * After fork in the child, before it closes what it does not know: the connection to syslog is made
 * anew when it is needed. Returns the descriptor that must stay open, -1 for none.
 */
int log_forked(void);
/* Open what it needs now: afterwards this process may open nothing more. */
void log_prepare(void);

/* A line for that log only: what happened to a message. plain: without time and tag (NDJSON). */
void log_event(const char *line, bool plain);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * One record of a machine-readable log: the line as it is, without a name in front, to the log of log_open,
 * or at level INFO to stderr when there is none.
 */
void log_record(const char *line);

#endif

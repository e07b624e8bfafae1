#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * Talk for people and logs: stderr, one line an event, "mxtls: level: text". stdout is for
 * results only and never written here. Text is sanitised; a line is cut at
 * LIMIT_LOG_LINE_BYTES. Secrets and message bodies are never logged.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Default: WARN. */
void log_level_set(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One record of a machine-readable log: the line as it is, at level INFO, without a name in front. */
void log_record(const char *line);

#endif

#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * JSON. Writing goes straight into a buffer, without a tree: a survey writes thousands of records
 * a second. Reading is jansson's work.
 *
 * A writer is used as the text is read: json_object_begin, then json_key and a value for each
 * member, json_object_end. Commas are its business, well-formedness the caller's. Nothing is
 * returned: a buffer that is full says so (buf.full), once, at the end.
 */
struct json {
	struct buf *out;
	bool comma; /* the next key or element needs one in front */
};

void json_init(struct json *j, struct buf *out);

void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_array_begin(struct json *j);
void json_array_end(struct json *j);
/* A member's name: any bytes, escaped as json_text does. */
void json_key(struct json *j, struct slice name);

/* Values: array elements, or after a key. */
void json_put_str(struct json *j, const char *s); /* NULL is null */
void json_put_slice(struct json *j, struct slice s);
void json_put_int(struct json *j, int64_t value);
void json_put_bool(struct json *j, bool value);
/* Seconds, to the microsecond; null when negative, not a number or above 10^9. */
void json_put_secs(struct json *j, double secs);
/* Unix seconds as RFC 3339 UTC; null when 0 or outside of the years 1000 to 9999. */
void json_put_time(struct json *j, int64_t unix_seconds);
void json_put_null(struct json *j);

/*
 * Append remote bytes as one JSON string, quotes included. Well-formed UTF-8 stays as it is; a byte
 * that is not part of it is written as \u00XX. Control characters (C0, DEL, C1), the line
 * separators U+2028 and U+2029 and the direction overrides are escaped, so that a line of JSON is
 * one line everywhere and harmless on a terminal. Returns 0, or -1 when out is full.
 */
int json_text(struct buf *out, struct slice s);

/* Read back what json_put_time writes; false when it is not exactly that. */
bool json_time_parse(const char *s, int64_t *unix_seconds_r);

/*
 * Parse one JSON value (jansson's json_t; free with json_decref). Returns NULL with why (MESSAGE):
 * not JSON, with line and column, or nested deeper than LIMIT_JSON_DEPTH.
 */
struct json_t *json_parse(const char *text, size_t n, struct fail *why);

#endif

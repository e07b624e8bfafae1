#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* A deadline that never comes. Deadlines are absolute milliseconds on the monotonic clock. */
#define DEADLINE_NEVER INT64_MAX

/* Milliseconds on the monotonic clock: for deadlines and durations only. */
int64_t clock_ms(void);

/* now + ms, without overflow. */
int64_t clock_deadline(int64_t ms);

/*
 * Wall clock, Unix seconds. Honours MXTLS_NOW (+5d, -2h, or Unix seconds; secure_getenv) so that
 * tests can move queue age, policy expiry and certificate validity. Never used for deadlines.
 */
int64_t clock_wall(void);
/* Wall clock in microseconds, for file names and timestamps; honours MXTLS_NOW likewise. */
int64_t clock_wall_us(void);

#endif

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

#include "base/slice.h"
#include "base/text.h"

int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_deadline(int64_t ms)
{
	int64_t now = clock_ms();

	return ms > DEADLINE_NEVER - now ? DEADLINE_NEVER : now + ms;
}

/* MXTLS_NOW as an offset in seconds from the real clock; 0 when unset or not understood. */
static int64_t
wall_offset(int64_t real)
{
	static int64_t offset;
	static int known;

	if (known)
		return offset;
	known = 1;
	struct slice s = slice_str(secure_getenv("MXTLS_NOW"));
	unsigned long long absolute;
	int64_t ms;
	if (s.n > 1 && (s.p[0] == '+' || s.p[0] == '-') &&
	    text_duration_ms(slice_sub(s, 1, s.n), &ms))
		offset = (s.p[0] == '-' ? -ms : ms) / 1000;
	else if (slice_number(s, 1ULL << 40, &absolute))
		offset = (int64_t)absolute - real;
	return offset;
}

int64_t
clock_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ((int64_t)ts.tv_sec + wall_offset(ts.tv_sec)) * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall(void)
{
	return clock_wall_us() / 1000000;
}

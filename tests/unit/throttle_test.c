#include "app/send/throttle.h"
#include "test.h"

TEST(a_rate_lets_so_many_go_at_once_and_then_one_each_so_often)
{
	int64_t due = 0, now = 1000000;

	/* 3 in 60 s: three at once, the next after 20 s */
	for (int i = 0; i < 3; i++)
		CHECK_INT(throttle_next(&due, 3, 60000, now), now);
	CHECK_INT(throttle_next(&due, 3, 60000, now), now + 20000);
	CHECK_INT(throttle_next(&due, 3, 60000, now + 19999), now + 20000);
	CHECK_INT(throttle_next(&due, 3, 60000, now + 20000), now + 20000);
	CHECK_INT(throttle_next(&due, 3, 60000, now + 20000), now + 40000);
	/* after a pause the whole number is there again, and no more */
	now += 1000000;
	for (int i = 0; i < 3; i++)
		CHECK_INT(throttle_next(&due, 3, 60000, now), now);
	CHECK_INT(throttle_next(&due, 3, 60000, now), now + 20000);
	/* a clock that was set back holds nobody up for ever */
	CHECK_INT(throttle_next(&due, 3, 60000, 5000), 5000);
	/* more than one a millisecond: no division by nothing */
	due = 0;
	CHECK_INT(throttle_next(&due, 1000000, 1, 1000), 1000);
}

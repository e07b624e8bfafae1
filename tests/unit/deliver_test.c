#include <sysexits.h>

#include "app/send/deliver.h"
#include "test.h"

TEST(a_refusal_becomes_the_exit_status_that_sysexits_has_for_it)
{
	static const struct {
		int code;
		const char *enhanced;
		bool in_rcpt;
		int exit_status;
	} rows[] = { { 550, "5.1.1", true, EX_NOUSER }, { 550, "5.1.1", false, EX_NOUSER },
		{ 550, "", true, EX_NOUSER }, { 551, "", true, EX_NOUSER },
		{ 553, "", true, EX_NOUSER }, { 550, "", false, EX_UNAVAILABLE },
		{ 550, "5.1.2", true, EX_NOHOST }, { 556, "5.1.10", true, EX_NOHOST },
		{ 550, "5.7.1", true, EX_UNAVAILABLE }, { 530, "5.7.0", false, EX_UNAVAILABLE },
		{ 552, "5.3.4", false, EX_DATAERR }, { 552, "", false, EX_DATAERR },
		{ 552, "", true, EX_UNAVAILABLE }, { 554, "", false, EX_DATAERR },
		{ 554, "5.6.0", false, EX_DATAERR }, { 554, "5.7.1", false, EX_UNAVAILABLE },
		{ 500, "", true, EX_UNAVAILABLE } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%d %s", rows[i].code, rows[i].enhanced);
		CHECK_INT(deliver_refusal_exit(rows[i].code, rows[i].enhanced, rows[i].in_rcpt),
		    rows[i].exit_status);
	}
}

TEST(the_worst_exit_status_of_several_recipients_wins)
{
	static const struct {
		int each[3], all;
	} rows[] = { { { 0, 0, 0 }, 0 }, { { 0, EX_NOUSER, 0 }, EX_NOUSER },
		{ { EX_NOUSER, EX_NOUSER, 0 }, EX_NOUSER },
		{ { EX_NOUSER, EX_NOHOST, 0 }, EX_UNAVAILABLE },
		{ { EX_NOUSER, EX_TEMPFAIL, 0 }, EX_TEMPFAIL },
		{ { EX_TEMPFAIL, 0, EX_DATAERR }, EX_TEMPFAIL },
		{ { 0, 0, EX_DATAERR }, EX_DATAERR } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct deliver_result results[3] = { 0 };
		TEST_ROW("%zu", i);
		for (size_t k = 0; k < 3; k++)
			results[k].exit_status = rows[i].each[k];
		CHECK_INT(deliver_exit(results, 3), rows[i].all);
	}
}

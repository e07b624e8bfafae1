#include "app/queue/journal.h"
#include "base/limits.h"
#include "test.h"

#include <stdio.h>

#define ID "0123456789abcdef"

static struct arena arena;
static struct queue_journal j;
static struct buf text;

static void
begin(size_t rcpts)
{
	arena_init(&arena);
	buf_init(&text, 1 << 20);
	queue_journal_init(&j, rcpts, &arena);
}

static void
end(void)
{
	buf_free(&text);
	arena_free(&arena);
}

static void
put(struct queue_event e)
{
	queue_journal_format(&text, ID, &e);
}

static void
parse(void)
{
	queue_journal_parse(&j, slice_make(text.data, text.len), ID, &arena);
}

static const size_t list[] = { 0, 1, 2, 5 };

TEST(events_are_written_as_documented_and_read_back)
{
	begin(8);
	put((struct queue_event){ .kind = 'D',
	    .time = 5,
	    .rcpts = list,
	    .rcpts_n = 4,
	    .enhanced = "2.0.0",
	    .host = "mx.example.net",
	    .text = "250 2.0.0 ok" });
	put((struct queue_event){ .kind = 'T',
	    .time = 6,
	    .rcpts = (size_t[]){ 4 },
	    .rcpts_n = 1,
	    .next = 306,
	    .enhanced = "4.4.1",
	    .text = "refused" });
	put((struct queue_event){ .kind = 'F',
	    .time = 7,
	    .rcpts = (size_t[]){ 3 },
	    .rcpts_n = 1,
	    .enhanced = "5.1.1",
	    .host = "mx",
	    .text = "550 no" });
	put((struct queue_event){ .kind = 'S',
	    .time = 7,
	    .rcpts = (size_t[]){ 6 },
	    .rcpts_n = 1,
	    .enhanced = "2.0.0",
	    .host = "mx",
	    .text = "250 ok" });
	put((struct queue_event){ .kind = 'H', .time = 8 });
	CHECK(strstr(buf_str(&text), " D 5 0-2,5 2.0.0 mx.example.net 250 2.0.0 ok\n") != NULL);
	CHECK(strstr(buf_str(&text), " T 6 4 306 4.4.1 - refused\n") != NULL);
	parse();
	CHECK_INT(j.lines, 5);
	CHECK_INT(j.bad_lines, 0);
	CHECK_INT(queue_journal_count(&j, QUEUE_RCPT_DELIVERED), 5);
	CHECK_INT(j.rcpts[4].tries, 1);
	CHECK_INT(j.rcpts[4].next, 306);
	CHECK_STR(j.rcpts[4].text, "refused");
	CHECK_STR(j.rcpts[4].host, "");
	CHECK_INT(j.rcpts[3].state, QUEUE_RCPT_FAILED);
	CHECK_STR(j.rcpts[3].enhanced, "5.1.1");
	CHECK(queue_progress_is_unreported(&j.rcpts[3]));
	CHECK(queue_progress_is_unreported(&j.rcpts[6]));
	CHECK(!queue_progress_is_unreported(&j.rcpts[0]));
	CHECK(j.held && !queue_journal_is_over(&j));
	end();
}

TEST(a_report_is_announced_made_and_then_nothing_is_left)
{
	begin(2);
	put((struct queue_event){ .kind = 'F', .time = 1, .rcpts = (size_t[]){ 0 }, .rcpts_n = 1 });
	put((struct queue_event){ .kind = 'X', .time = 1, .rcpts = (size_t[]){ 1 }, .rcpts_n = 1 });
	put((struct queue_event){ .kind = 'B',
	    .time = 2,
	    .rcpts = (size_t[]){ 0 },
	    .rcpts_n = 1,
	    .bounce = "00000000000000zz" });
	parse();
	CHECK_STR(j.bounce, "00000000000000zz");
	CHECK(j.rcpts[0].reported && j.rcpts[0].announced && !queue_journal_is_over(&j));
	buf_reset(&text);
	put((struct queue_event){ .kind = 'C', .time = 3, .bounce = "00000000000000zz" });
	parse();
	CHECK_STR(j.bounce, "");
	CHECK(!j.rcpts[0].announced && queue_journal_is_over(&j));
	end();
}

TEST(torn_foreign_and_wrong_lines_are_passed_over)
{
	begin(2);
	put((struct queue_event){ .kind = 'D', .time = 1, .rcpts = (size_t[]){ 0 }, .rcpts_n = 1 });
	size_t whole = text.len;
	for (size_t cut = 0; cut < whole; cut++) {
		queue_journal_init(&j, 2, &arena);
		queue_journal_parse(&j, slice_make(text.data, cut), ID, &arena);
		CHECK_INT(j.rcpts[0].state, QUEUE_RCPT_PENDING);
	}
	/* the next line begins behind the torn one */
	char torn[200];
	int n = snprintf(torn, sizeof(torn), "%.12s\n%s", buf_str(&text), buf_str(&text));
	queue_journal_init(&j, 2, &arena);
	queue_journal_parse(&j, slice_make(torn, (size_t)n), ID, &arena);
	CHECK_INT(j.rcpts[0].state, QUEUE_RCPT_DELIVERED);
	CHECK_INT(j.bad_lines, 1);
	/* of another message */
	queue_journal_init(&j, 2, &arena);
	queue_journal_parse(&j, slice_make(text.data, text.len), "0123456789abcdeg", &arena);
	CHECK_INT(j.rcpts[0].state, QUEUE_RCPT_PENDING);
	/* a recipient that is not there */
	buf_reset(&text);
	put((struct queue_event){
	    .kind = 'D', .time = 1, .rcpts = (size_t[]){ 1, 2 }, .rcpts_n = 2 });
	queue_journal_init(&j, 2, &arena);
	parse();
	CHECK_INT(queue_journal_count(&j, QUEUE_RCPT_DELIVERED), 0);
	end();
}

TEST(what_has_ended_stays_so)
{
	begin(1);
	put((struct queue_event){ .kind = 'D', .time = 1, .rcpts = (size_t[]){ 0 }, .rcpts_n = 1 });
	put((struct queue_event){ .kind = 'F', .time = 2, .rcpts = (size_t[]){ 0 }, .rcpts_n = 1 });
	put((struct queue_event){
	    .kind = 'T', .time = 2, .rcpts = (size_t[]){ 0 }, .rcpts_n = 1, .next = 9 });
	parse();
	CHECK_INT(j.rcpts[0].state, QUEUE_RCPT_DELIVERED);
	CHECK_INT(j.rcpts[0].tries, 0);
	end();
}

TEST(words_of_servers_cannot_break_a_line)
{
	char longer[LIMIT_JOURNAL_TEXT_BYTES * 2];

	begin(1);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	put((struct queue_event){ .kind = 'F',
	    .time = 1,
	    .rcpts = (size_t[]){ 0 },
	    .rcpts_n = 1,
	    .enhanced = "5 1",
	    .host = "a b\nc",
	    .text = "550 x\nffffffff D 1 0" });
	put((struct queue_event){
	    .kind = 'T', .time = 1, .rcpts = (size_t[]){ 0 }, .rcpts_n = 1, .text = longer });
	parse();
	CHECK_INT(j.lines, 2);
	CHECK_INT(j.bad_lines, 0);
	CHECK_STR(j.rcpts[0].text, "550 x?ffffffff D 1 0");
	CHECK_STR(j.rcpts[0].host, "a?b?c");
	end();
}

TEST(the_back_off_grows_to_two_hours_give_or_take_a_tenth)
{
	static const int minutes[] = { 5, 10, 20, 40, 60, 120, 120, 120 };

	for (unsigned i = 0; i < 8; i++) {
		int64_t s = minutes[i] * 60;
		TEST_ROW("try %u", i + 1);
		CHECK_INT(queue_backoff_s(i + 1, 0), s - s / 10);
		for (uint32_t r = 1; r < 100000; r += 997)
			CHECK(queue_backoff_s(i + 1, r) <= s + s / 10);
	}
	CHECK_INT(queue_backoff_s(0, 0), 270);
}

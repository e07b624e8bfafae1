#include <string.h>

#include "app/queue/submission.h"
#include "base/limits.h"
#include "test.h"

static const char head[] =
    "mxtls-submission 1\nid 0vn3k8w2f7hq5x9d\nuid 1000\ntime 1767225600\nkind send\n"
    "options from-headers verbose smtputf8 requiretls errors-given reply\nwhen now\nerrors text\n"
    "notify 6\nret hdrs\nsender <user@example.org>\nname <A%20%3CU%3E>\nenvid <QQ1>\ntag <>\n"
    "note <x>\nnote <y%0A>\nto <a@b,%20c>\nto <%C3%BC@d>\n\n";

static int
parse(const char *text, size_t n, struct arena *arena, struct submission *s, struct fail *why)
{
	return submission_parse(slice_make(text, n), arena, s, why);
}

TEST(a_head_is_read_and_written_the_same)
{
	struct submission s;
	struct arena arena;
	struct fail why;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, LIMIT_SUBMISSION_HEAD_BYTES);
	CHECK(parse(head, sizeof(head) - 1, &arena, &s, &why) == 0);
	CHECK(strcmp(s.id, "0vn3k8w2f7hq5x9d") == 0 && s.uid == 1000 && s.time == 1767225600);
	CHECK(s.kind == SUBMISSION_SEND && s.reply && s.args.from_headers && s.args.verbose);
	CHECK(s.args.when == SENDMAIL_NOW && s.args.errors == SENDMAIL_ERRORS_TEXT);
	CHECK(s.args.notify == 6 && s.args.ret == QUEUE_RET_HDRS);
	CHECK(strcmp(s.args.full_name, "A <U>") == 0 && strcmp(s.args.log_tag, "") == 0);
	CHECK(s.args.ignored.n == 2 && strcmp(s.args.ignored.v[1], "y\n") == 0);
	CHECK(s.args.operands.n == 2 && strcmp(s.args.operands.v[0], "a@b, c") == 0);
	CHECK(submission_format(&out, &s, &why) == 0);
	CHECK(strcmp(buf_str(&out), head) == 0);
	buf_free(&out);
	arena_free(&arena);
}

/* Each byte of the head, and each place where it may be cut. */
TEST(what_is_damaged_is_no_head)
{
	char text[sizeof(head)];
	struct submission s;
	struct arena arena;
	struct fail why;

	for (size_t i = 0; i + 1 < sizeof(head); i++) {
		arena_init(&arena);
		CHECK(parse(head, i, &arena, &s, &why) != 0 && why.code == FAIL_QUEUE_FILE);
		memcpy(text, head, sizeof(head));
		text[i] = '\n' == text[i] ? ' ' : '\n';
		CHECK(parse(text, sizeof(head) - 1, &arena, &s, &why) != 0);
		arena_free(&arena);
	}
}

TEST(words_that_nobody_writes_are_refused)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ "uid 1000", "uid 01000" },
		{ "uid 1000", "uid -1" },
		{ "uid 1000", "uid 4294967296" },
		{ "notify 6", "notify 16" },
		{ "notify 6", "notify 3" }, /* NEVER stands alone */
		{ "verbose smtputf8", "smtputf8 verbose" },
		{ "<QQ1>", "<Q%20Q>" }, /* RFC 3461 s4.4 */
		{ "<QQ1>", "<>" },
		{ "%3C", "%3c" },
		{ "%3C", "%41" },
		{ "%3C", "%00" },
		{ "note <x>", "note x" },
		{ "kind send", "kind other" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct submission s;
		struct arena arena;
		struct fail why;
		struct buf text;
		const char *at = strstr(head, rows[i].from);

		arena_init(&arena);
		buf_init(&text, 4096);
		buf_append(&text, head, (size_t)(at - head));
		buf_puts(&text, rows[i].to);
		buf_puts(&text, at + strlen(rows[i].from));
		CHECK(parse(text.data, text.len, &arena, &s, &why) != 0);
		buf_free(&text);
		arena_free(&arena);
	}
}

TEST(the_last_line_and_the_status_are_exact)
{
	char line[SUBMISSION_TRAILER_BYTES + 1], status[SUBMISSION_STATUS_BYTES + 1];
	uint64_t bytes = 0;
	uint32_t crc = 0;
	int value = -1;

	submission_trailer_format(line, 12345, 0xdeadbeef);
	CHECK(strlen(line) == SUBMISSION_TRAILER_BYTES);
	CHECK(submission_trailer_parse(line, &bytes, &crc) && bytes == 12345 && crc == 0xdeadbeef);
	for (size_t i = 0; i < SUBMISSION_TRAILER_BYTES; i++) {
		char was = line[i];
		line[i] = 'X';
		CHECK(!submission_trailer_parse(line, &bytes, &crc));
		line[i] = was;
	}
	submission_status_format(status, 67);
	CHECK(submission_status_parse(slice_str(status), &value) == 0 && value == 67);
	CHECK(submission_status_parse(slice_str("text\nmxtls-status 00\n"), &value) == 5);
	CHECK(submission_status_parse(slice_str("mxtls-status 00"), &value) == -1);
	CHECK(submission_status_parse(slice_str(""), &value) == -1);
}

#include "policy/mtasts_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "scratch.h"
#include "test.h"

#define POLICY "version: STSv1\r\nmode: enforce\r\nmx: mx.a.test\r\nmax_age: 1000\r\n"
#define T 1700000000

static void
fill(struct mtasts_entry *entry, const char *text, int64_t fetched)
{
	struct fail why;

	mtasts_entry_init(entry);
	CHECK_INT(
	    mtasts_policy_parse(slice_str(text), &entry->arena, &entry->policy, NULL, &why), 0);
	entry->has_policy = true;
	entry->id = arena_strdup(&entry->arena, "20240101");
	entry->text = arena_strdup(&entry->arena, text);
	entry->text_n = strlen(text);
	entry->fetched = fetched;
}

static void
fail_at(struct mtasts_entry *entry, const char *id, int64_t failures, int64_t when)
{
	entry->failures = failures;
	entry->failed = when;
	entry->failed_id = arena_strdup(&entry->arena, id);
	entry->failed_status = STS_FETCH_ERROR;
	entry->failed_reason = arena_strdup(&entry->arena, "status 404");
}

/* --- what to do ----------------------------------------------------------------------------------- */

#define V STS_VALID
#define N STS_NONE
#define D STS_DNS_ERROR
#define I STS_RECORD_INVALID

TEST(plans)
{
	static const struct {
		const char *what;
		int64_t max_age, age; /* of the policy; -1: there is none */
		enum sts_status record;
		const char *id;
		int64_t failures, failed_ago;
		const char *failed_id;
		bool again;
		enum mtasts_step step;
	} rows[] = {
		{ "first contact", 0, -1, V, "1", 0, 0, "", false, MTASTS_FETCH },
		{ "no record", 0, -1, N, NULL, 0, 0, "", false, MTASTS_NOTHING },
		{ "no DNS", 0, -1, D, NULL, 0, 0, "", false, MTASTS_NOTHING },
		{ "the same id", 604800, 10, V, "20240101", 0, 0, "", false, MTASTS_USE },
		{ "another id", 604800, 10, V, "2", 0, 0, "", false, MTASTS_FETCH },
		/* E34: the policy outlives its record, until it expires */
		{ "record gone", 604800, 604799, N, NULL, 0, 0, "", false, MTASTS_USE },
		{ "record damaged", 604800, 10, I, NULL, 0, 0, "", false, MTASTS_USE },
		{ "DNS gone", 604800, 10, D, NULL, 0, 0, "", false, MTASTS_USE },
		{ "expired, record gone", 604800, 604800, N, NULL, 0, 0, "", false,
		    MTASTS_NOTHING },
		{ "expired", 604800, 604800, V, "20240101", 0, 0, "", false, MTASTS_FETCH },
		/* s10.2: refreshed daily, or at half of a shorter life */
		{ "23 h", 604800, 86399, V, "20240101", 0, 0, "", false, MTASTS_USE },
		{ "24 h", 604800, 86400, V, "20240101", 0, 0, "", false, MTASTS_FETCH },
		{ "half", 3600, 1800, V, "20240101", 0, 0, "", false, MTASTS_FETCH },
		{ "less than half", 3600, 1799, V, "20240101", 0, 0, "", false, MTASTS_USE },
		{ "never kept", 0, 0, V, "20240101", 0, 0, "", false, MTASTS_FETCH },
		/* the clock was set back */
		{ "from the future", 604800, -10, V, "20240101", 0, 0, "", false, MTASTS_FETCH },
		/* s3.3: 5 minutes after a failure, then longer, for this id */
		{ "just failed", 0, -1, V, "1", 1, 299, "1", false, MTASTS_NOTHING },
		{ "5 minutes", 0, -1, V, "1", 1, 300, "1", false, MTASTS_FETCH },
		{ "second failure", 0, -1, V, "1", 2, 599, "1", false, MTASTS_NOTHING },
		{ "10 minutes", 0, -1, V, "1", 2, 600, "1", false, MTASTS_FETCH },
		{ "many failures", 0, -1, V, "1", 1000000000, 86399, "1", false, MTASTS_NOTHING },
		{ "a day", 0, -1, V, "1", 1000000000, 86400, "1", false, MTASTS_FETCH },
		{ "new id", 0, -1, V, "2", 1, 10, "1", false, MTASTS_FETCH },
		{ "asked for", 0, -1, V, "1", 1, 10, "1", true, MTASTS_FETCH },
		{ "failed in the future", 0, -1, V, "1", 1, -10, "1", false, MTASTS_FETCH },
		{ "refresh failed", 604800, 90000, V, "20240101", 1, 10, "20240101", false,
		    MTASTS_USE },
		{ "new policy failed", 604800, 10, V, "2", 1, 10, "2", false, MTASTS_USE },
		{ "expired, and failed", 604800, 604800, V, "2", 1, 10, "2", false,
		    MTASTS_NOTHING },
		{ "failed, and record gone", 604800, 10, N, NULL, 1, 10, "2", false, MTASTS_USE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mtasts_entry entry;
		TEST_ROW("%s", rows[i].what);
		if (rows[i].age == -1)
			mtasts_entry_init(&entry);
		else
			fill(&entry, POLICY, T - rows[i].age);
		entry.policy.max_age = rows[i].max_age;
		if (rows[i].failures > 0)
			fail_at(
			    &entry, rows[i].failed_id, rows[i].failures, T - rows[i].failed_ago);
		CHECK_INT(mtasts_plan(&entry, rows[i].record, rows[i].id, rows[i].again, T),
		    rows[i].step);
		mtasts_entry_free(&entry);
	}
}

#undef V
#undef N
#undef D
#undef I

/* --- text ----------------------------------------------------------------------------------------- */

static int
parse(const char *text, size_t n, struct mtasts_entry *entry, struct fail *why)
{
	mtasts_entry_init(entry);
	fail_clear(why);
	return mtasts_cache_parse(slice_make(text, n), "a.test", entry, why);
}

TEST(entries_come_back_as_they_were)
{
	struct mtasts_entry entry, back;
	struct fail why;
	struct buf out;

	for (int i = 0; i < 4; i++) {
		TEST_ROW("%d", i);
		if (i & 1)
			fill(&entry, POLICY, T);
		else
			mtasts_entry_init(&entry);
		if (i & 2)
			fail_at(&entry, "777", 3, T + 5);
		buf_init(&out, 1 << 20);
		mtasts_cache_write(&entry, "a.test", &out);
		CHECK_INT(parse(out.data, out.len, &back, &why), 0);
		CHECK_STR(why.text, "");
		CHECK_INT(back.has_policy, i & 1);
		if (i & 1) {
			CHECK_STR(back.id, "20240101");
			CHECK_INT(back.fetched, T);
			CHECK_INT(mtasts_entry_expires(&back), T + 1000);
			CHECK_INT(back.policy.mode, STS_MODE_ENFORCE);
			CHECK_STR(back.policy.mx.v[0], "mx.a.test");
			CHECK_MEM(back.text, back.text_n, POLICY, strlen(POLICY));
		}
		CHECK_INT(back.failures, i & 2 ? 3 : 0);
		if (i & 2) {
			CHECK_INT(back.failed, T + 5);
			CHECK_STR(back.failed_id, "777");
			CHECK_INT(back.failed_status, STS_FETCH_ERROR);
			CHECK_STR(back.failed_reason, "status 404");
		}
		mtasts_entry_free(&back);
		/* of another domain, cut anywhere, changed anywhere: never half an entry */
		mtasts_entry_init(&back);
		CHECK_INT(
		    mtasts_cache_parse(slice_make(out.data, out.len), "b.test", &back, &why), -1);
		CHECK_INT(why.code, FAIL_STORAGE);
		mtasts_entry_free(&back);
		for (size_t n = 0; n < out.len; n++) {
			CHECK_INT(parse(out.data, n, &back, &why), -1);
			mtasts_entry_free(&back);
			out.data[n] ^= 1;
			CHECK_INT(parse(out.data, out.len, &back, &why), -1);
			CHECK_INT(why.code, FAIL_STORAGE);
			mtasts_entry_free(&back);
			out.data[n] ^= 1;
		}
		buf_free(&out);
		mtasts_entry_free(&entry);
	}
}

/* --- files ---------------------------------------------------------------------------------------- */

TEST(files_of_the_cache)
{
	struct scratch s;
	struct mtasts_entry entry, back;
	struct fail why;

	scratch_begin(&s);
	const char *dir = scratch_path(&s, "sts");
	struct mtasts_cache *cache = mtasts_cache_open(dir, false, &why);
	CHECK(cache != NULL);
	const struct mtasts_store *store = mtasts_cache_store(cache);
	mtasts_entry_init(&back);
	CHECK_INT(store->load(store->ctx, "a.test", &back, &why), 0);
	CHECK(!back.has_policy);
	fill(&entry, POLICY, T);
	CHECK_INT(store->save(store->ctx, "a.test", &entry, &why), 0);
	CHECK_INT(store->save(store->ctx, "a.test", &entry, &why), 0);
	CHECK_INT(scratch_count(&s, "sts"), 1); /* nothing is left beside it */
	CHECK_STR(scratch_only(&s, "sts"), "sts/a.test");
	CHECK_INT(store->load(store->ctx, "a.test", &back, &why), 0);
	CHECK(back.has_policy);
	CHECK_STR(back.id, "20240101");
	mtasts_entry_free(&back);
	mtasts_cache_free(cache);

	/* another process, that only reads */
	cache = mtasts_cache_open(dir, true, &why);
	store = mtasts_cache_store(cache);
	CHECK(store->save == NULL);
	mtasts_entry_init(&back);
	CHECK_INT(store->load(store->ctx, "a.test", &back, &why), 0);
	CHECK(back.has_policy);
	mtasts_entry_free(&back);
	CHECK_INT(mtasts_cache_forget(cache, "a.test", &why), -1);
	mtasts_cache_free(cache);

	cache = mtasts_cache_open(dir, false, &why);
	CHECK_INT(mtasts_cache_forget(cache, "a.test", &why), 1);
	CHECK_INT(mtasts_cache_forget(cache, "a.test", &why), 0);
	CHECK_INT(scratch_count(&s, "sts"), 0);
	mtasts_cache_free(cache);
	mtasts_entry_free(&entry);
	scratch_end(&s);
}

TEST(names_never_lead_out_of_the_directory)
{
	static const char *const names[] = { "", ".", "..", "../a.test", "a/b", "/etc/passwd", ".a",
		"a..b", "a.", "A.test", "a b", "b\xc3\xbcxn.test", "a\n.test",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test" };
	struct scratch s;
	struct mtasts_entry entry;
	struct fail why;

	scratch_begin(&s);
	struct mtasts_cache *cache = mtasts_cache_open(scratch_path(&s, "sts"), false, &why);
	const struct mtasts_store *store = mtasts_cache_store(cache);
	fill(&entry, POLICY, T);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		TEST_ROW("%s", names[i]);
		CHECK_INT(store->save(store->ctx, names[i], &entry, &why), -1);
		CHECK_INT(why.code, FAIL_DNS_NAME);
		CHECK_INT(store->load(store->ctx, names[i], &entry, &why), -1);
		CHECK_INT(mtasts_cache_forget(cache, names[i], &why), -1);
	}
	CHECK_INT(scratch_count(&s, "sts"), 0);
	CHECK_INT(scratch_count(&s, ""), 1);
	mtasts_cache_free(cache);
	mtasts_entry_free(&entry);
	scratch_end(&s);
}

TEST(what_others_may_have_written_is_refused)
{
	struct scratch s;
	struct mtasts_entry entry, back;
	struct fail why;
	struct buf out;

	scratch_begin(&s);
	const char *dir = scratch_path(&s, "sts");
	struct mtasts_cache *cache = mtasts_cache_open(dir, false, &why);
	const struct mtasts_store *store = mtasts_cache_store(cache);
	fill(&entry, POLICY, T);
	CHECK_INT(store->save(store->ctx, "a.test", &entry, &why), 0);
	mtasts_entry_init(&back);

	/* a link, a file that the group writes, one that is damaged */
	CHECK_INT(symlink("a.test", scratch_path(&s, "sts/b.test")), 0);
	CHECK_INT(store->load(store->ctx, "b.test", &back, &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	buf_init(&out, 1 << 20);
	mtasts_cache_write(&entry, "c.test", &out);
	scratch_write(&s, "sts/c.test", out.data, out.len);
	CHECK_INT(chmod(scratch_path(&s, "sts/c.test"), 0664), 0);
	CHECK_INT(store->load(store->ctx, "c.test", &back, &why), -1);
	CHECK_INT(chmod(scratch_path(&s, "sts/c.test"), 0600), 0);
	CHECK_INT(store->load(store->ctx, "c.test", &back, &why), 0);
	CHECK(back.has_policy);
	scratch_write(&s, "sts/c.test", out.data, out.len - 1);
	CHECK_INT(store->load(store->ctx, "c.test", &back, &why), -1);
	CHECK(strstr(why.text, "c.test: damaged") != NULL);
	mtasts_cache_free(cache);

	/* a directory that others write in, and what is none */
	CHECK_INT(chmod(dir, 0777), 0);
	CHECK(mtasts_cache_open(dir, true, &why) == NULL);
	CHECK_INT(why.code, FAIL_PERMISSION);
	CHECK_INT(chmod(dir, 0700), 0);
	CHECK(mtasts_cache_open(scratch_path(&s, "sts/a.test"), true, &why) == NULL);
	CHECK_INT(why.code, FAIL_STORAGE);
	CHECK(mtasts_cache_open(scratch_path(&s, "no/such"), false, &why) == NULL);

	/* for reading it may be missing */
	cache = mtasts_cache_open(scratch_path(&s, "none"), true, &why);
	CHECK(cache != NULL);
	store = mtasts_cache_store(cache);
	CHECK_INT(store->load(store->ctx, "a.test", &back, &why), 0);
	mtasts_cache_free(cache);
	buf_free(&out);
	mtasts_entry_free(&back);
	mtasts_entry_free(&entry);
	scratch_end(&s);
}

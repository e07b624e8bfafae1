#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * Unit tests: TEST(name) { ... } registers itself; main.c runs them all, prints a line each and
 * "N passed, N failed". A failed CHECK is reported with its row and the test goes on. For tables,
 * set TEST_ROW to what identifies the row, so that a failure names it.
 */
struct test {
	const char *name;
	void (*fn)(void);
	struct test *next;
};

void test_register(struct test *t);
void
test_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void test_row(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void
test_check_str(const char *file, int line, const char *what, const char *got, const char *want);
void test_check_int(const char *file, int line, const char *what, long long got, long long want);
void test_check_mem(const char *file, int line, const char *what, const void *got, size_t got_n,
    const void *want, size_t want_n);

#define TEST(name) \
	static void test_##name(void); \
	__attribute__((constructor)) static void register_##name(void) \
	{ \
		static struct test t = { #name, test_##name, NULL }; \
		test_register(&t); \
	} \
	static void test_##name(void)

#define TEST_ROW(...) test_row(__VA_ARGS__)
#define CHECK(cond) \
	do { \
		if (!(cond)) \
			test_fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)
#define CHECK_STR(got, want) test_check_str(__FILE__, __LINE__, #got, got, want)
#define CHECK_INT(got, want) \
	test_check_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_MEM(got, got_n, want, want_n) \
	test_check_mem(__FILE__, __LINE__, #got, got, got_n, want, want_n)

#endif

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static struct test *first, **last = &first;
static bool current_failed;
static char row[256];

void
test_register(struct test *t)
{
	*last = t;
	last = &t->next;
}

void
test_row(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(row, sizeof(row), fmt, ap);
	va_end(ap);
}

void
test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	current_failed = true;
	printf("# %s:%d: ", file, line);
	if (row[0] != '\0')
		printf("[%s] ", row);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void
test_check_str(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (got == want || (got != NULL && want != NULL && strcmp(got, want) == 0))
		return;
	test_fail(file, line, "%s is \"%s\", want \"%s\"", what, got == NULL ? "(null)" : got,
	    want == NULL ? "(null)" : want);
}

void
test_check_int(const char *file, int line, const char *what, long long got, long long want)
{
	if (got != want)
		test_fail(file, line, "%s is %lld, want %lld", what, got, want);
}

void
test_check_mem(const char *file, int line, const char *what, const void *got, size_t got_n,
    const void *want, size_t want_n)
{
	if (got_n != want_n || (got_n > 0 && memcmp(got, want, got_n) != 0))
		test_fail(file, line, "%s is %zu bytes \"%.*s\", want %zu bytes \"%.*s\"", what,
		    got_n, (int)got_n, (const char *)got, want_n, (int)want_n, (const char *)want);
}

int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	alarm(300);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test *t = first; t != NULL; t = t->next) {
		if (argc > 1 && strstr(t->name, argv[1]) == NULL)
			continue;
		current_failed = false;
		row[0] = '\0';
		t->fn();
		printf("%s - %s\n", current_failed ? "not ok" : "ok", t->name);
		if (current_failed)
			failed++;
		else
			passed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

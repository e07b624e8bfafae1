#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void
mem_die(void)
{
	static const char text[] = "mxtls: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		/* nothing left to tell it to */
	}
	_exit(EX_OSERR);
}

void *
mem_alloc(size_t n)
{
	void *p = calloc(1, n == 0 ? 1 : n);

	if (p == NULL)
		mem_die();
	return p;
}

void *
mem_array(size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		mem_die();
	return mem_alloc(count * size);
}

void *
mem_realloc(void *p, size_t n)
{
	p = realloc(p, n == 0 ? 1 : n);
	if (p == NULL)
		mem_die();
	return p;
}

char *
mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *
mem_strndup(const char *s, size_t n)
{
	char *p = mem_alloc(n + 1);

	if (n > 0)
		memcpy(p, s, n);
	return p;
}

void *
mem_grow(void *array, size_t count, size_t *cap_inout, size_t size)
{
	if (count < *cap_inout)
		return array;
	size_t cap = *cap_inout < 8 ? 8 : *cap_inout * 2;
	if (cap > SIZE_MAX / size)
		mem_die();
	*cap_inout = cap;
	return mem_realloc(array, cap * size);
}

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/target.h"
#include "dns/dns.h"

/*
 * What is accepted is a normal name or an address, and written in its normal form it is the same
 * target again; what is refused is a usage error with a text without control characters.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_again(const struct target *target, struct arena *arena)
{
	struct target again;
	bool domain = target->kind == TARGET_DOMAIN;
	char *text = arena_printf(arena, domain ? "%s" : "[%s]", target->name);

	if (target->port != 0)
		text = arena_printf(arena, "%s:%d", text, target->port);
	if (target_parse(slice_str(text), arena, &again, NULL) != 0 || again.kind != target->kind ||
	    again.port != target->port || strcmp(again.name, target->name) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct target target;
	struct fail why = { 0 };

	arena_init(&arena);
	if (target_parse(slice_make((const char *)data, size), &arena, &target, &why) == 0) {
		struct addr addr;
		bool address = addr_parse_ip(slice_str(target.name), 0, &addr);
		if (address != (target.kind == TARGET_ADDRESS))
			abort();
		if (!address && dns_name_normalize(target.name, &arena, NULL) == NULL)
			abort();
		check_again(&target, &arena);
	} else {
		if (why.code != FAIL_USAGE || why.text[0] == '\0')
			abort();
		for (const char *p = why.text; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20)
				abort();
	}
	arena_free(&arena);
	return 0;
}

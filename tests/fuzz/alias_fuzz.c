#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/send/alias.h"
#include "app/send/expand.h"

/*
 * An alias file: whatever it holds, errors name lines and have a reason, entries have values, programs and files are found
 * again by their names as recipients, and expanding ends.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct look {
	const struct aliases *aliases;
	struct arena *arena;
	struct expand *expand;
};

static void
look(struct slice key, void *value, void *ctx)
{
	const struct alias_entry *e = value, *found;
	struct look *l = ctx;
	struct header_addresses list = { 0 };

	if (e->n == 0 || e->line == 0 || !slice_is(key, e->name))
		abort();
	for (size_t i = 0; i < e->n; i++) {
		const struct alias_value *v = &e->values[i];
		if (v->text[0] == '\0')
			abort();
		if (v->kind != ALIAS_PROGRAM && v->kind != ALIAS_FILE)
			continue;
		const char *name = aliases_value_name(e, v, l->arena);
		/* twice the same value is one; names too long for an address, or of odd bytes, are none */
		if (!aliases_is_value_name(name))
			continue;
		const struct alias_value *same = aliases_find_value(l->aliases, name, &found);
		if (same == NULL || found != e || strcmp(same->text, v->text) != 0)
			abort();
	}
	if (header_address_parse(slice_str(e->name), 100, l->arena, &list, NULL) == 0)
		expand_list(l->expand, &list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message = { .recipient_n = 0 };
	struct message_options options = { .alias_programs = true };
	struct aliases aliases;
	struct expand expand;
	struct arena arena;

	arena_init(&arena);
	arena_init(&message.arena);
	aliases_parse("f", slice_make((const char *)data, size), &aliases);
	for (size_t i = 0; i < aliases.errors_n; i++)
		if (aliases.errors[i].why == NULL || aliases.errors[i].why[0] == '\0')
			abort();
	aliases.trusted = size % 2 == 0;
	options.aliases = &aliases;
	expand_init(&expand, &options, "m.test", &message);
	map_each(&aliases.entries, look,
	    &(struct look){ .aliases = &aliases, .arena = &arena, .expand = &expand });
	for (size_t i = 0; i < message.recipient_n; i++)
		if (strchr(message.recipients[i].mailbox, '@') == NULL)
			abort();
	expand_fini(&expand);
	aliases_free(&aliases);
	arena_free(&message.arena);
	arena_free(&arena);
	return 0;
}

#include "app/send/expand.h"

#include <string.h>

#include "app/store/local.h"
#include "base/limits.h"
#include "base/text.h"
#include "dns/dns.h"
#include "smtp/address.h"

#define LOCAL_DOMAIN "localhost" /* of users of this host; always means just that */

/* White space around and line ends of folding inside are not what people gave. */
static const char *
shown(struct slice source, struct arena *arena)
{
	char *text = arena_slice(arena, source);
	size_t to = 0;

	for (size_t i = 0; i < source.n; i++)
		if (text[i] != '\r' && text[i] != '\n')
			text[to++] = text[i];
	text[to] = '\0';
	return text;
}

/* From a parsed address to a recipient. domain: for an unqualified one; NULL refuses it. */
int
expand_resolve(const struct header_address *a, const char *domain, struct arena *arena,
    struct message_recipient *r_r, struct fail *why)
{
	struct smtp_path path;

	memset(r_r, 0, sizeof(*r_r));
	if (a->domain == NULL && domain == NULL)
		return fail_set(why, FAIL_ADDRESS,
		    "no domain, and no mail domain is set that it could get (maildomain, "
		    "/etc/mailname)");
	r_r->original = shown(a->source, arena);
	r_r->local = a->local;
	r_r->literal = a->literal;
	if (a->literal)
		r_r->domain = a->domain;
	else if (a->domain == NULL)
		r_r->domain = domain;
	else if ((r_r->domain = dns_name_normalize(a->domain, arena, why)) == NULL)
		return -1;
	for (const char *c = a->local; *c != '\0'; c++)
		r_r->utf8 |= (unsigned char)*c > 0x7f;
	r_r->mailbox = arena_printf(arena, "%s@%s", r_r->local, r_r->domain);
	/* the lengths again, now with the domain that goes out */
	return smtp_mailbox_parse(slice_str(r_r->mailbox), &path, why);
}

void
expand_init(struct expand *e, const struct message_options *options, const char *domain,
    struct message *message)
{
	memset(e, 0, sizeof(*e));
	e->options = options;
	e->domain = domain;
	e->message = message;
	map_init(&e->known);
}

void
expand_fini(struct expand *e)
{
	map_free(&e->known);
}

static void
problem(struct expand *e, const char *text, const char *why)
{
	struct message *m = e->message;
	struct message_problem *p = arena_push(&m->arena, &m->problems, &m->problem_n, sizeof(*p));

	p->text = text;
	p->why = arena_strdup(&m->arena, why);
}

/* The address is a recipient now. original: what was given. */
static void
add(struct expand *e, const struct header_address *a, const char *domain, const char *original)
{
	struct message *m = e->message;
	struct message_recipient r;
	struct fail why = { 0 };

	if (expand_resolve(a, domain, &m->arena, &r, &why) != 0) {
		problem(e, original, why.text);
		return;
	}
	r.original = original;
	/* local parts differ by case (RFC 5321 s2.4), domains do not; a literal is one */
	char *key = arena_strdup(&m->arena, r.mailbox);
	text_lower_str(key + strlen(r.local));
	if (map_get(&e->known, slice_str(key)) != NULL) {
		e->doubles++;
		return;
	}
	map_set(&e->known, slice_str(key), key);
	if (m->recipient_n > LIMIT_SUBMIT_RECIPIENTS)
		return; /* one too many: told at the end */
	struct message_recipient *slot =
	    arena_push(&m->arena, &m->recipients, &m->recipient_n, sizeof(*slot));
	*slot = r;
}

static void address(struct expand *e, const struct header_address *a, const char *original);

/* A list that an alias or a setting holds. from: where it stands, for errors. */
static void
list_text(struct expand *e, const char *text, const char *from, const char *original)
{
	struct header_addresses list = { 0 };
	struct arena *arena = &e->message->arena;
	struct fail why;

	if (header_address_parse(slice_str(text), LIMIT_SUBMIT_RECIPIENTS, arena, &list, &why) !=
	    0) {
		problem(e, original, arena_printf(arena, "%s: %s", from, why.text));
		return;
	}
	for (size_t i = 0; i < list.n; i++)
		address(e, &list.v[i], original);
	for (size_t i = 0; i < list.error_n; i++)
		problem(e, original, arena_printf(arena, "%s: %s", from, list.errors[i].why));
}

static void
include(struct expand *e, const char *file, const char *from, const char *original)
{
	struct arena *arena = &e->message->arena;
	struct strs lists = { 0 };
	struct fail why;

	if (file[0] != '/' || aliases_include(file, arena, &lists, &why) != 0) {
		problem(e, original,
		    arena_printf(arena, "%s: %s", from,
			file[0] != '/' ? "an included file is named by its whole path" : why.text));
		return;
	}
	for (size_t i = 0; i < lists.n; i++)
		list_text(e, lists.v[i], file, original);
}

static void
value(struct expand *e, const struct alias_entry *entry, const struct alias_value *v,
    const char *original)
{
	static const char *const kinds[] = { "an address", ":include:", "|command", "/file" };
	const struct aliases *aliases = e->options->aliases;
	struct arena *arena = &e->message->arena;
	const char *from = arena_printf(arena, "%s:%u", aliases->file, entry->line);

	if (v->kind == ALIAS_ADDRESS) {
		list_text(e, v->text, from, original);
	} else if (!(v->kind == ALIAS_PROGRAM ? e->options->alias_programs
					      : e->options->alias_files)) {
		problem(e, original,
		    arena_printf(arena, "%s: %s needs %s = yes in mxtls.conf", from, kinds[v->kind],
			v->kind == ALIAS_PROGRAM ? "alias-programs" : "alias-files"));
	} else if (!aliases->trusted) {
		problem(e, original,
		    arena_printf(arena,
			"%s: %s counts only in an alias file that belongs to root and that nobody "
			"else may write to",
			from, kinds[v->kind]));
	} else if (v->kind == ALIAS_INCLUDE) {
		include(e, v->text, from, original);
	} else {
		struct header_address to = { .source = slice_str(original),
			.local = aliases_value_name(entry, v, arena),
			.domain = LOCAL_DOMAIN };
		add(e, &to, NULL, original);
	}
}

/* A user of this host that has no alias. */
static void
user(struct expand *e, const struct header_address *a, const char *original)
{
	const struct message_options *o = e->options;
	const struct local *local = o->local;
	bool has_local = local != NULL && local->kind != LOCAL_NONE;
	const char *to = NULL;

	if (o->root_to != NULL && strcmp(a->local, "root") == 0)
		to = o->root_to;
	else if (!has_local || !local_has_user(local, a->local))
		to = o->default_recipient;
	if (to != NULL && !e->forwarded) {
		e->forwarded = true;
		list_text(e, to, to == o->root_to ? "root-to" : "default-recipient", original);
		e->forwarded = false;
		return;
	}
	struct header_address here = *a;
	if (has_local || (a->domain == NULL && e->domain == NULL)) {
		here.domain = LOCAL_DOMAIN;
		here.literal = false;
	}
	add(e, &here, e->domain, original);
}

static bool
is_user(const struct expand *e, const struct header_address *a)
{
	if (a->literal)
		return false;
	return a->domain == NULL || local_is_domain(e->options->local, a->domain);
}

static void
address(struct expand *e, const struct header_address *a, const char *original)
{
	const struct aliases *aliases = e->options->aliases;
	const struct alias_entry *entry = NULL;

	if (!is_user(e, a)) {
		add(e, a, NULL, original);
		return;
	}
	if (aliases != NULL && !a->no_alias)
		entry = aliases_find(aliases, a->local);
	for (size_t i = 0; entry != NULL && i < e->depth; i++) {
		if (e->chain[i] != entry)
			continue;
		if (i + 1 < e->depth) {
			problem(e, original,
			    arena_printf(&e->message->arena, "%s:%u: alias %s leads back to itself",
				aliases->file, entry->line, entry->name));
			return;
		}
		entry = NULL; /* root: root, other@example.org means the user, too */
	}
	if (entry == NULL) {
		user(e, a, original);
	} else if (e->depth == ALIAS_DEPTH) {
		problem(e, original,
		    arena_printf(&e->message->arena, "%s:%u: more than %d aliases one in the other",
			aliases->file, entry->line, ALIAS_DEPTH));
	} else {
		/* again it would give the same ones, and files could make that very often */
		char *key = arena_printf(&e->message->arena, "%s:", entry->name);
		if (map_set(&e->known, slice_str(key), key) != NULL)
			return;
		e->chain[e->depth++] = entry;
		for (size_t i = 0; i < entry->n; i++)
			value(e, entry, &entry->values[i], original);
		e->depth--;
	}
}

void
expand_list(struct expand *e, const struct header_addresses *list)
{
	struct arena *arena = &e->message->arena;

	for (size_t i = 0; i < list->n; i++)
		address(e, &list->v[i], shown(list->v[i].source, arena));
	for (size_t i = 0; i < list->error_n; i++)
		problem(e, shown(list->errors[i].source, arena), list->errors[i].why);
}

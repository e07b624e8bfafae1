#include "app/envelope.h"

#include <string.h>

#include "app/header_words.h"
#include "app/identity.h"
#include "app/masquerade.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "dns/dns.h"
#include "smtp/address.h"
#include "smtp/header_address.h"

/* The mail domain in A-labels when mail to it can reach somebody, else NULL. */
static const char *
usable_maildomain(const struct message_options *options, struct arena *arena)
{
	static const char local[] = "localhost";

	if (options->maildomain == NULL)
		return NULL;
	const char *name = dns_name_normalize(options->maildomain, arena, NULL);
	if (name == NULL ||
	    (strncmp(name, local, sizeof(local) - 1) == 0 &&
		(name[sizeof(local) - 1] == '\0' || name[sizeof(local) - 1] == '.')))
		return NULL;
	return name;
}

const char *
envelope_domain(const struct message_options *options, struct arena *arena)
{
	const char *name = usable_maildomain(options, arena);

	return name != NULL ? name : identity_nodename(arena);
}

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
static int
resolve(const struct header_address *a, const char *domain, struct arena *arena,
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

/* The login name as a local part: names of other user databases hold backslashes and spaces. */
static const char *
default_sender(struct arena *arena)
{
	struct buf out;
	const char *text = identity_login(arena);

	buf_init(&out, 2 * LIMIT_LOCAL_PART_BYTES);
	if (smtp_local_quote(&out, slice_str(text)) == 0)
		text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

int
envelope_sender(const struct message_options *options, const char *domain, struct message *message,
    struct fail *why)
{
	struct arena *arena = &message->arena;
	struct header_addresses list = { 0 };
	struct message_recipient r;
	const char *text = options->sender;

	if (text == NULL)
		text = default_sender(arena);
	struct slice trimmed = slice_trim(slice_str(text));
	message->sender = "";
	if (trimmed.n == 0 || slice_is(trimmed, "<>"))
		return 0;
	if (header_address_parse(trimmed, LIMIT_SUBMIT_RECIPIENTS, arena, &list, why) != 0)
		return fail_prefix(why, "sender %.100s", text);
	if (list.error_n > 0)
		return fail_set(why, FAIL_ADDRESS, "sender %.100s: %s", text, list.errors[0].why);
	if (list.n != 1)
		return fail_set(why, FAIL_ADDRESS, "sender %.100s: expected one address", text);
	if (resolve(&list.v[0], domain, arena, &r, why) != 0)
		return fail_prefix(why, "sender %.100s", text);
	const struct masquerade *m = options->masquerade;
	if (masquerade_applies(m, list.v[0].domain)) {
		if (m->local != NULL)
			r.utf8 = header_has_8bit(slice_str(m->local));
		r.mailbox =
		    arena_printf(arena, "%s@%s", m->local != NULL ? m->local : r.local, m->domain);
	}
	message->sender = r.mailbox;
	message->sender_utf8 = r.utf8;
	return 0;
}

static void
add_problem(struct message *message, struct slice source, const char *why)
{
	struct message_problem *p =
	    arena_push(&message->arena, &message->problems, &message->problem_n, sizeof(*p));

	p->text = shown(source, &message->arena);
	p->why = arena_strdup(&message->arena, why);
}

/* Add each address of list that is not yet there; returns how many were. */
static size_t
add_all(struct message *message, const struct header_addresses *list, const char *domain,
    struct map *known)
{
	size_t doubles = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct message_recipient r;
		struct fail why = { 0 };

		if (resolve(&list->v[i], domain, &message->arena, &r, &why) != 0) {
			add_problem(message, list->v[i].source, why.text);
			continue;
		}
		/* local parts differ by case (RFC 5321 s2.4), domains do not; a literal is one */
		char *key = arena_strdup(&message->arena, r.mailbox);
		text_lower_str(key + strlen(r.local));
		if (map_get(known, slice_str(key)) != NULL) {
			doubles++;
			continue;
		}
		map_set(known, slice_str(key), key);
		struct message_recipient *slot = arena_push(
		    &message->arena, &message->recipients, &message->recipient_n, sizeof(*slot));
		*slot = r;
	}
	for (size_t i = 0; i < list->error_n; i++)
		add_problem(message, list->errors[i].source, list->errors[i].why);
	return doubles;
}

static int
nobody(const struct message *message, struct fail *why)
{
	if (message->problem_n == 0)
		return fail_set(why, FAIL_NO_RECIPIENT,
		    "no recipient: neither argument nor To, Cc "
		    "or Bcc names one");
	return fail_set(
	    why, FAIL_ADDRESS, "%.200s: %s", message->problems[0].text, message->problems[0].why);
}

int
envelope_recipients(const struct message_options *options, const struct header *header,
    struct message *message, struct fail *why)
{
	struct arena *arena = &message->arena;
	struct header_addresses from_header = { 0 }, from_argv = { 0 };
	const char *domain = usable_maildomain(options, arena);
	struct map known;

	if (options->recipients_from_header &&
	    header_recipients(header, LIMIT_SUBMIT_RECIPIENTS, arena, &from_header, why) != 0)
		return -1;
	for (size_t i = 0; i < options->operand_n; i++) {
		struct slice word = slice_str(arena_strdup(arena, options->operands[i]));
		if (header_address_parse(
			word, LIMIT_SUBMIT_RECIPIENTS - from_header.n, arena, &from_argv, why) != 0)
			return -1;
	}
	map_init(&known);
	add_all(message, &from_header, domain, &known);
	size_t doubles = add_all(message, &from_argv, domain, &known);
	map_free(&known);
	/* some programs expect -t to take the arguments away from the header's recipients (Exim) */
	if (from_header.n > 0 && from_argv.n > 0 && doubles == from_argv.n)
		log_info("with -t the arguments are recipients too; all of them are in the header");
	return message->recipient_n > 0 ? 0 : nobody(message, why);
}

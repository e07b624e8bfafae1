#include "app/message/envelope.h"

#include <string.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/message/header_words.h"
#include "app/message/masquerade.h"
#include "app/send/expand.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
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

/* The login name as a local part: names of other user databases hold backslashes and spaces. */
static const char *
default_sender(const struct message_options *options, struct arena *arena)
{
	struct buf out;
	const char *text =
	    options->login != NULL ? options->login : identity_login(getuid(), arena);

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
		text = default_sender(options, arena);
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
	if (expand_resolve(&list.v[0], domain, arena, &r, why) != 0)
		return fail_prefix(why, "sender %.100s", text);
	const struct masquerade *m = options->masquerade;
	if (masquerade_applies(m, list.v[0].domain)) {
		if (m->local != NULL)
			r.utf8 = !text_is_ascii(slice_str(m->local));
		r.mailbox =
		    arena_printf(arena, "%s@%s", m->local != NULL ? m->local : r.local, m->domain);
	}
	message->sender = r.mailbox;
	message->sender_utf8 = r.utf8;
	return 0;
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
	struct expand e;

	if (options->recipients_from_header &&
	    header_recipients(header, LIMIT_SUBMIT_RECIPIENTS, arena, &from_header, why) != 0)
		return -1;
	for (size_t i = 0; i < options->operand_n; i++) {
		struct slice word = slice_str(arena_strdup(arena, options->operands[i]));
		if (header_address_parse(
			word, LIMIT_SUBMIT_RECIPIENTS - from_header.n, arena, &from_argv, why) != 0)
			return -1;
	}
	expand_init(&e, options, usable_maildomain(options, arena), message);
	expand_list(&e, &from_header);
	e.doubles = 0;
	expand_list(&e, &from_argv);
	expand_fini(&e);
	/* some programs expect -t to take the arguments away from the header's recipients (Exim) */
	if (from_header.n > 0 && from_argv.n > 0 && e.doubles >= from_argv.n)
		log_info("with -t the arguments are recipients too; all of them are in the header");
	if (message->recipient_n > LIMIT_SUBMIT_RECIPIENTS)
		return fail_set(
		    why, FAIL_ADDRESS, "more than %d recipients", LIMIT_SUBMIT_RECIPIENTS);
	return message->recipient_n > 0 ? 0 : nobody(message, why);
}

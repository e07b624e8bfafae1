#ifndef APP_SEND_EXPAND_H
#define APP_SEND_EXPAND_H

#include "app/message/message.h"
#include "app/send/alias.h"
#include "base/map.h"
#include "smtp/header_address.h"

/*
 * From addresses that were given to recipients: aliases, this host's users, the mail domain, and
 * each mailbox once (case of domains apart). What cannot be one is a problem of the message; it loses no other.
 *
 * An address without a domain, or at a domain of this host, is a user's: aliases first; then
 * root-to for root; local delivery, where it is set up and knows the user; default-recipient; the
 * mail domain. With none of these it becomes user@localhost, which is kept until somebody says where that goes.
 */
struct expand {
	const struct message_options *options;
	const char *domain; /* usable mail domain, or NULL */
	struct message *message;
	struct map known; /* recipients, and aliases that were expanded */
	size_t doubles;   /* addresses that were there already */
	/* private: aliases being expanded */
	const struct alias_entry *chain[ALIAS_DEPTH];
	size_t depth;
	bool forwarded; /* root-to or default-recipient is being looked at */
};

void expand_init(struct expand *e, const struct message_options *options, const char *domain,
    struct message *message);
void expand_fini(struct expand *e);

/* Add each address of a list, and its errors as problems. */
void expand_list(struct expand *e, const struct header_addresses *list);

/* One address as a recipient, with nothing looked up. domain: for one without; NULL refuses it. Fails with ADDRESS, DNS_NAME. */
int expand_resolve(const struct header_address *a, const char *domain, struct arena *arena,
    struct message_recipient *r_r, struct fail *why);

#endif

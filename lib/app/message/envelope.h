#ifndef APP_MESSAGE_ENVELOPE_H
#define APP_MESSAGE_ENVELOPE_H

#include "app/message/header.h"
#include "app/message/message.h"

/*
 * The envelope of a submitted message: sender and recipients out of options and header, qualified,
 * domains as A-labels, each recipient once. Pure but for the user database (default sender) and the
 * host's name, and for hints to the log.
 */

/*
 * Fill message->sender. domain: what unqualified senders get, as message_options says.
 * Fails with ADDRESS naming the text.
 */
int envelope_sender(const struct message_options *options, const char *domain,
    struct message *message, struct fail *why);

/*
 * Fill message->recipients and problems from header (with -t) and operands.
 * Fails with NO_RECIPIENT, ADDRESS as message_read.
 */
int envelope_recipients(const struct message_options *options, const struct header *header,
    struct message *message, struct fail *why);

/* The domain for addresses of our own: maildomain, or the host's name when that is not usable. */
const char *envelope_domain(const struct message_options *options, struct arena *arena);

#endif

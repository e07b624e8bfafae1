#ifndef APP_LOCAL_H
#define APP_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/lmtp.h"
#include "app/message.h"
#include "base/arena.h"
#include "base/fail.h"

/*
 * Mail for users of this host: into their mbox file, their maildir, or by LMTP. Another user's mailbox is
 * written only by a child process that has become that user, so by a process that runs as root
 * (DECISIONS A2); without that it stays in the queue, and the failure says what to set.
 */
enum local_kind { LOCAL_NONE, LOCAL_MBOX, LOCAL_MAILDIR, LOCAL_LMTP };

struct local {
	enum local_kind kind;
	const char *dir; /* of mailboxes, each named by its user; NULL: ~/Maildir (maildir) */
	struct lmtp_target lmtp;
	struct strs
	    domains; /* whose mail is for users of this host, lower case; beside localhost */
};

/* What to do about mail that nobody said where to put. */
#define LOCAL_ADVICE \
	"nothing says where mail for users of this host goes: set root-to, default-recipient or " \
	"local in " \
	"mxtls.conf, or an alias"

/*
 * "mbox[:DIR]" (default /var/mail), "maildir[:DIR]", "lmtp:unix:PATH", "lmtp:ADDRESS:PORT". Fails
 * with USAGE.
 */
int local_parse(const char *text, struct arena *arena, struct local *local_r, struct fail *why);

/* Whether mail to this domain (A-labels, lower case) is for users of this host. */
bool local_is_domain(const struct local *local, const char *domain);

/* Whether such a user exists, as far as that can be told before delivery (LMTP: yes). */
bool local_has_user(const struct local *local, const char *local_part);

/*
 * Put message into the mailbox of one user (LOCAL_MBOX, LOCAL_MAILDIR). local_part: as written for
 * SMTP; "user+detail" is user's. Returns 0 when it is durable. place_r: the mailbox, in arena. Fails with
 * NO_USER, LOCAL_DELIVERY (needs root), PERMISSION, CANT_CREATE, STORAGE, STORAGE_FULL, TIMEOUT, OS.
 */
int local_deliver(const struct local *local, const struct message *message, const char *mailbox,
    const char *local_part, struct arena *arena, const char **place_r, int64_t deadline,
    struct fail *why);

#endif

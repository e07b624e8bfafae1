#ifndef APP_STORE_LOCAL_H
#define APP_STORE_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/message/message.h"
#include "app/store/lmtp.h"
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
	/* programs and files of aliases (app/send/alias.h), by whom they are run and written */
	const char *aliases; /* the alias file, read when one of them is delivered to */
	const char *alias_user;
	bool alias_programs, alias_files;
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

/* Whether some of it is written, or run, by processes that become other users. */
bool local_becomes_users(const struct local *local);

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

/*
 * Deliver to the program or the file that the recipient names (aliases_is_value_name): only where that is
 * allowed, the alias file is root's and nobody else may write to it, and this process is root's, which
 * then does it as alias_user with its group alone: never root, never a group of mxtls (DECISIONS A4).
 * /dev/null takes everything. enhanced_r: RFC 3463, "" for that of the failure. place_r: the program or the
 * file. Fails as local_deliver and alias_program_run, with ALIAS_LOOP, CONFIG (no such user).
 */
int local_deliver_alias(const struct local *local, const struct message *message,
    const char *local_part, struct arena *arena, const char **place_r, char enhanced_r[16],
    int64_t deadline, struct fail *why);

/* Who else than a user of this host writes a file: with this user and group alone. */
struct local_writer {
	const char *name;
	uid_t uid;
	gid_t gid;
};

/*
 * Append message to path, an mbox file, or a maildir when path ends in '/', by a child that has become
 * writer. Only as root. delivered_to: for the field of that name. Fails as local_deliver.
 */
int local_deliver_file(const struct local_writer *writer, const struct message *message,
    const char *path, const char *delivered_to, int64_t deadline, struct fail *why);

#endif

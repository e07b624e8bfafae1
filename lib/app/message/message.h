#ifndef APP_MESSAGE_H
#define APP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/queue/envelope.h"
#include "app/store/tempfile.h"
#include "base/arena.h"
#include "base/fail.h"

/*
 * A message as a local program submits it: the envelope from the command line and, with -t, from
 * the header; the text normalised, completed and kept in an unlinked temporary file. What comes
 * out can be sent as it is: lines end in CR LF and nowhere else, none is longer than
 * LIMIT_TEXT_LINE_BYTES, no NUL, no Bcc; addresses in the header have their domain, 8-bit text there
 * is encoded (app/message/header_rewrite.h). Dots are not stuffed: that belongs to DATA (smtp/data.h).
 */
struct masquerade;
struct aliases;
struct local;
struct message_options {
	bool recipients_from_header; /* -t: To, Cc and Bcc, or those of Resent- */
	bool ignore_dots;            /* -i: a lone dot does not end the message */
	/*
	 * -f: an address, also <a@b> or Name <a@b>; "" and "<>" are the null sender; without a domain
	 * it gets maildomain. NULL: the login name of who submits at maildomain.
	 */
	const char *sender;
	/* Who submits: the login name for a sender that was not given; NULL: the real user's. */
	const char *login;
	int64_t time;          /* when, in Unix seconds, for a Date that is missing; 0: now */
	const char *full_name; /* for a From field that we add; NULL: none, or that of named_by */
	const uid_t *named_by; /* the user whose full name it gets; NULL: nobody */
	/*
	 * For addresses without a domain (identity_maildomain). NULL, or a name in localhost: senders
	 * get the host's name, recipients without a domain are users at localhost.
	 */
	const char *maildomain;
	const struct masquerade *masquerade; /* of senders; NULL: none */
	/* Where mail for users of this host goes (app/send/expand.h); each may be NULL. */
	const struct aliases *aliases;
	const char *root_to, *default_recipient; /* address lists */
	const struct local *local;
	bool alias_files;      /* :include: and /file in aliases count */
	bool alias_programs;   /* |command does */
	char *const *operands; /* each an address list */
	size_t operand_n;
	int64_t max_bytes; /* of the whole text as it will be sent; 0: LIMIT_SUBMIT_BYTES */
};

struct message_recipient {
	const char *mailbox;  /* for RCPT: local@domain */
	const char *local;    /* as it must be written */
	const char *domain;   /* A-labels in lower case, or an address literal with its brackets */
	const char *original; /* as it was given, for people: comments and all, unqualified */
	bool literal;
	bool utf8; /* the local part needs SMTPUTF8 */
	/* RFC 3461, passed on where the server offers DSN */
	unsigned notify;   /* of QUEUE_NOTIFY_*; 0: not given */
	const char *orcpt; /* as it stands behind ORCPT=, xtext and all; NULL: not given */
};

/* An address that was given and is no recipient. */
struct message_problem {
	const char *text; /* as it was given */
	const char *why;
};

struct message {
	struct arena arena; /* owns all strings */
	/* in system mode, for the queue: the id that it has already ("": none yet), and whose it is */
	char queue_id[QUEUE_ID_BYTES];
	bool owned;
	uint32_t owner;
	const char *sender; /* for MAIL FROM, without brackets; "" is the null sender */
	bool
	    sender_utf8; /* the message needs SMTPUTF8, whoever gets it: the sender's address, or its header */
	/* In the order given, header first, each mailbox once (domains in any case). */
	struct message_recipient *recipients;
	size_t recipient_n;
	struct message_problem *problems;
	size_t problem_n;
	const char
	    *message_id; /* of the header, or the one that was added; NULL: none could be read */
	struct tempfile text; /* text.bytes is what SIZE= takes */
	/*
	 * Where the text lies in text.fd: all of it, lines ended by CR LF, or with stored.lf that piece of
	 * a queue file, whose LF are read as CR LF.
	 */
	struct {
		bool lf;
		int64_t offset, bytes;
	} stored;
	int64_t header_bytes; /* of the text: the header section with its empty line */
	bool has_8bit;        /* anywhere in the text */
	bool header_8bit;     /* in the header section */
	size_t received_n;    /* Received fields, against LIMIT_HOPS */
	/* RFC 3461: QUEUE_RET_NONE and NULL: not given; envid as it stands behind ENVID= */
	enum queue_ret ret;
	const char *envid;
	bool require_tls;     /* RFC 8689 s3: REQUIRETLS was asked for */
	bool tls_required_no; /* RFC 8689 s5: a TLS-Required field that says No */
	int64_t accepted_at; /* Unix seconds, for fallback=delayed and on-fail=after; 0: just now */
};

/*
 * Whether it must not go out without REQUIRETLS. A report of a message that asked for it asks, too, where
 * that is offered, but is not dropped where it is not (RFC 8689 s5): it has only a header.
 */
static inline bool
message_demands_tls(const struct message *message)
{
	return message->require_tls && message->sender[0] != '\0';
}

/*
 * Read a message from fd up to its end or, without ignore_dots, a line of one dot. Everything else
 * about its treatment stands in submit_text.h (bytes and lines), header.h (fields) and above.
 *
 * fd         blocking or not; left open
 * message_r  filled on success; message_fini ends it. On failure nothing is left to free.
 * deadline   for the whole input, absolute; writing to the disk blocks
 *
 * Not fatal: addresses that cannot be parsed, as long as one recipient is left; they are in
 * message_r->problems and the caller must tell. Deleted NULs and replaced CRs are logged (INFO), text
 * behind a lone dot too (WARN: it is lost).
 * Fails with NO_RECIPIENT (none was given), ADDRESS (the sender, or all recipients, cannot be
 * parsed; or more than LIMIT_SUBMIT_RECIPIENTS), MESSAGE_TOO_BIG (text, or header above
 * LIMIT_HEADER_BYTES), NO_INPUT (fd cannot be read), CANT_CREATE, STORAGE, STORAGE_FULL, TIMEOUT,
 * CANCELLED, OS.
 */
int message_read(int fd, const struct message_options *options, struct message *message_r,
    int64_t deadline, struct fail *why);

void message_fini(struct message *message);

/* Streams the text; independent readers of one message do not disturb each other. */
struct message_reader {
	const struct message *message;
	int64_t offset;
};

void message_reader_init(struct message_reader *reader, const struct message *message);

/*
 * The next up to n (at least 2) bytes into space. Returns 0 with their number in *n_r, 0 at the end. Fails with
 * STORAGE: the file cannot be read or is shorter than it was. Blocks on the disk.
 */
int message_reader_next(
    struct message_reader *reader, char *space, size_t n, size_t *n_r, struct fail *why);

#endif

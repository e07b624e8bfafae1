#ifndef APP_STORE_H
#define APP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/listen/accept.h"
#include "app/queue/queuefile.h"
#include "app/store/commit.h"
#include "app/store/lmtp.h"
#include "app/store/maildir.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"
#include "io/gate.h"
#include "smtp/server.h"

/*
 * Where received mail goes: `listen --deliver`. One store serves all sessions; one message on its way is
 * a store_mail. What store_mail_end returned 0 for is durable, or, with a command or LMTP, was taken over
 * by the other program.
 */
enum store_kind {
	STORE_DISCARD,
	STORE_MAILDIR,  /* one maildir, a copy for each recipient */
	STORE_MAILDIRS, /* DIR/%d/%u: a maildir for each recipient */
	STORE_MBOX,     /* one file, one copy */
	STORE_COMMAND,  /* a program, one recipient */
	STORE_LMTP,     /* another mail store, one recipient */
	STORE_QUEUE     /* our own queue: it is relayed */
};

/* What --deliver takes, for usage errors. */
#define STORE_EXPECTED \
	"expected maildir:DIR, maildir:DIR/%%d/%%u, mbox:FILE, command:PROGRAM ARG..., " \
	"lmtp:SOCKET, queue or discard"

#define STORE_COMMANDS 20 /* programs, or LMTP sessions, at once */

struct store_ops;
struct store {
	enum store_kind kind;
	const struct store_ops *ops;
	const struct accept *accept; /* names mailboxes; kept */
	const char *hostname;        /* of the trace fields; kept */
	struct commit *commit;       /* helpers of the caller; NULL: commit in this process */
	int64_t command_ms;          /* for one command */
	bool mark;                   /* how it came, in fields of our own */
	const char *clear_folder;    /* maildirs: a folder for what came in clear; NULL: none */

	/* by kind */
	struct maildir maildir, clear; /* clear: its folder, with clear_folder */
	const char *dir;               /* MAILDIRS: the pattern; MBOX: the file */
	int root;                      /* MAILDIRS: the folder in front of the first '%' */
	struct strs command;           /* words with placeholders */
	struct lmtp_target lmtp;
	struct spool spool;
	int wake; /* QUEUE: write end for the runner (app/queue/wake.h); -1 */
	struct gate gate;
	struct arena arena;
};

/*
 * spec as --deliver takes it; spool: of "queue", opened by the caller, who knows where it is: it becomes
 * the store's. Opens what must exist. On failure there is nothing to close. Fails with USAGE naming spec,
 * CANT_CREATE, PERMISSION, STORAGE, STORAGE_FULL.
 */
int store_open(struct store *s, const char *spec, const struct accept *accept,
    const struct spool *spool, struct fail *why);
void store_close(struct store *s);
/*
 * After store_open: put what came in clear into this folder of each maildir (Maildir++: ".NAME" in it). Fails
 * with USAGE (no maildir, or no name of a folder), CANT_CREATE, STORAGE.
 */
int store_set_clear_folder(struct store *s, const char *spec, const char *name, struct fail *why);

/* What a session may announce. */
bool store_one_recipient(const struct store *s);    /* DECISIONS F42 */
bool store_keeps_requiretls(const struct store *s); /* DECISIONS F44 */

/* Whether commit helpers are of use to it. */
bool store_uses_commit(const struct store *s);

/* Descriptors that a forked session needs; returns how many, at most STORE_FDS. */
#define STORE_FDS 8
size_t store_fds(const struct store *s, int out[STORE_FDS]);

/* A recipient that was accepted: is there a mailbox? Fails with NO_USER, STORAGE, ADDRESS. */
int store_rcpt(const struct store *s, const struct accept_name *name, const struct smtp_path *path,
    struct fail *why);

/* One message. Owned by the caller from begin until end or abort. */
struct store_mail {
	struct store *store;
	const struct smtp_session *session;
	const char *id;
	void *state; /* of the kind */
};

/* session must live until end or abort, and its recipients must not change. Fails with STORAGE, STORAGE_FULL... */
int store_mail_begin(struct store_mail *m, struct fail *why);
/* CRLF lines, cut anywhere. After a failure: abort. */
int store_mail_text(struct store_mail *m, struct slice text, struct fail *why);
/* 0: it is safe. -1: nothing is left of it. Waits for the disk, the command, the LMTP server. */
int store_mail_end(struct store_mail *m, int64_t deadline, struct fail *why);
void store_mail_abort(struct store_mail *m);

/*
 * The lines in front of the text. to: whose copy it is; NULL: nobody's in particular, then Delivered-To
 * is left out. With return_path false for mail that goes on (RFC 5321 s4.4: it is the last one's to add).
 */
void store_head(
    const struct store_mail *m, const struct smtp_path *to, bool return_path, struct buf *out);
#define STORE_HEAD_BYTES 8192

/* --- private to store*.c --- */

struct store_ops {
	const char *name;
	int (*rcpt)(const struct store *s, const struct accept_name *name,
	    const struct smtp_path *path, struct fail *why);
	int (*begin)(struct store_mail *m, struct fail *why);
	int (*text)(struct store_mail *m, struct slice text, struct fail *why);
	int (*end)(struct store_mail *m, int64_t deadline, struct fail *why);
	void (*abort)(struct store_mail *m);
};

extern const struct store_ops store_maildir_ops, store_mbox_ops, store_command_ops, store_lmtp_ops,
    store_queue_ops;

int store_maildirs_open(struct store *s, const char *pattern, struct fail *why);
int store_command_parse(struct store *s, const char *text, struct fail *why);

/* A message that is kept until it is complete, lines ended by LF, head first. For mbox, command and LMTP. */
struct store_text {
	struct storage_file file; /* over an unlinked temporary file */
};
int store_text_open(struct store_text *t, struct slice head, struct fail *why);
int store_text_write(struct store_text *t, struct slice text, struct fail *why);
/* Complete: it can be read from t->file.fd, t->file.bytes of it. */
int store_text_end(struct store_text *t, struct fail *why);
void store_text_close(struct store_text *t);

#endif

#ifndef APP_SEND_SENDMAIL_ARGS_H
#define APP_SEND_SENDMAIL_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "app/queue/envelope.h"
#include "base/arena.h"
#include "base/fail.h"

/*
 * The command line of sendmail(8), mailq, newaliases and runq as other programs write it: letters
 * of sendmail 8, Postfix and Exim, values glued or separate, letters in clusters ("-ti"). The first
 * operand or "--" ends the options: an address that starts with a dash is no option. What sendmail
 * has and we have no use for is taken and listed as ignored; so is a letter that nobody knows, since
 * a caller that cannot send mail helps no one. The only long options are --help and --version
 * (DECISIONS A3). Pure.
 */
enum sendmail_mode {
	SENDMAIL_SEND,    /* -bm: the message on standard input */
	SENDMAIL_SMTP,    /* -bs: SMTP on standard input and output */
	SENDMAIL_LIST,    /* -bp, mailq */
	SENDMAIL_ALIASES, /* -bi, -I, newaliases */
	SENDMAIL_VERIFY,  /* -bv: what would become of these addresses */
	SENDMAIL_RUN,     /* -q..., runq */
	SENDMAIL_VERSION,
	SENDMAIL_HELP
};

/* -od: DECISIONS E31. */
enum sendmail_when { SENDMAIL_BACKGROUND, SENDMAIL_NOW, SENDMAIL_QUEUE_ONLY };

/* -oe: what is done about a failure before the command ends. */
enum sendmail_errors {
	SENDMAIL_ERRORS_MAIL, /* m, w: a report, and a status */
	SENDMAIL_ERRORS_TEXT, /* p: text on standard error, and a status */
	SENDMAIL_ERRORS_ZERO, /* e: a report, status 0 */
	SENDMAIL_ERRORS_QUIET /* q: a status only */
};

struct sendmail_args {
	enum sendmail_mode mode;
	enum sendmail_when when;
	enum sendmail_errors errors;
	bool errors_given;
	bool from_headers;     /* -t */
	bool ignore_dots;      /* -i, -oi */
	bool verbose;          /* -v, -ov */
	bool smtputf8;         /* -U, -O SMTPUTF8=yes */
	bool requiretls;       /* -O REQUIRETLS=yes */
	const char *sender;    /* -f, -r; NULL: not given, "" and "<>": null sender */
	const char *full_name; /* -F */
	unsigned notify;       /* -N: QUEUE_NOTIFY_ bits, 0: not given */
	enum queue_ret ret;    /* -R */
	const char *envid;     /* -V, as given (xtext is the wire's) */
	const char *log_tag;   /* -L */
	/* SENDMAIL_RUN: -qIid, -qRpart, -qSpart; each NULL when not given */
	const char *run_id, *run_recipient, *run_sender;
	struct strs ignored; /* options that were taken and do nothing, as written */
	struct strs operands;
};

/* How the program was called: the last part of argv[0]. True for the names above. */
bool sendmail_name(const char *argv0, const char **name_r);

/*
 * Parse argv[1] and what follows. name: of sendmail_name. Strings are those of argv, or in arena.
 * Fails with USAGE (a long option, a value that is missing or has no meaning, -bt), LISTEN (-bd, -bD,
 * -bl: no daemon).
 */
int sendmail_args_parse(const char *name, int argc, char *const *argv, struct arena *arena,
    struct sendmail_args *args_r, struct fail *why);

#endif

#ifndef APP_SEND_ALIAS_PROGRAM_H
#define APP_SEND_ALIAS_PROGRAM_H

#include <sys/types.h>

#include "app/message/message.h"
#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The programs of aliases ("|command"), run as Postfix's local(8) does: as a user without rights, with a
 * clean environment, in "/", the message on standard input with "From ", Return-Path and Delivered-To
 * lines in front and LF line ends. A command of nothing but letters, digits, blanks and
 * "!@%-_=+:,./" whose first word is an absolute path is split at the blanks and executed; any other
 * is given to /bin/sh -c.
 *
 * What becomes of the message is said by the exit status (sysexits): 0 it has been delivered; 75 and
 * whatever is about this machine (71 OSERR, 74 IOERR), a program that cannot be executed (126, 127),
 * that was killed, or that took too long: later; any other: never, with what the program printed as the reason.
 */
#define ALIAS_PROGRAM_MS (1000 * 1000) /* Postfix's command_time_limit */

struct alias_program {
	const char *command, *name; /* name: of the alias */
	const char *recipient;      /* for Delivered-To */
	const char *user, *home;
	uid_t uid; /* never 0 */
	gid_t gid;
	const struct message *message;
};

/* Pure: the words to execute, NULL behind the last; in arena. */
char **alias_program_argv(const char *command, struct arena *arena);

/* Pure: an address as a program may get it in its environment: what a shell could take for more becomes '_'. */
const char *alias_program_safe(const char *address, struct arena *arena);

/*
 * Pure: what a status of waitpid(2) and the output mean. enhanced_r: RFC 3463. Returns 0, or -1. Fails with
 * PROGRAM, PROGRAM_REFUSED, NO_USER.
 */
int alias_program_verdict(
    const char *command, int status, struct slice output, char enhanced_r[16], struct fail *why);

/* Run it to its end; kills it, and what it started, at the deadline. Only as root. Fails as above, and with CANT_CREATE, STORAGE, STORAGE_FULL, OS, CANCELLED. */
int alias_program_run(const struct alias_program *p, struct arena *arena, char enhanced_r[16],
    int64_t deadline, struct fail *why);

/* The lines in front of the text for a program: "From ", Return-Path, Delivered-To. */
void alias_program_head(const struct alias_program *p, int64_t now, struct buf *out);

#endif

#ifndef APP_SEND_CREDENTIALS_H
#define APP_SEND_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The file that auth= of a policy names (mxtls-policy(5)): who to be at a smarthost. In the form of
 * mxtls.conf:
 *
 *   user = alice@example.org
 *   password = "open sesame"            # or one of:
 *   password-command = /usr/bin/pass show smtp
 *   token-command = /usr/local/bin/oauth-token alice
 *   mechanisms = plain login            # only these; default: all that fit
 *
 * The file's owner must be the process's user or root, nobody else may read it, except for the
 * group mxtls (DECISIONS A8). Commands run without a shell, with a PATH and environment of their
 * own; their first line of output is the secret.
 */
struct credentials {
	const char *user;
	const char *password;       /* NULL: by the command */
	const char *const *command; /* argv, ended by NULL, its first word an absolute path */
	bool token;                 /* the command prints a token */
	unsigned mechanisms;        /* of smtp/auth.h */
};

/* Pure: the text of a file. Fails with CREDENTIALS: "NAME:LINE: what was expected". */
int credentials_parse(const char *name, struct slice text, struct arena *arena,
    struct credentials *credentials_r, struct fail *why);

/*
 * Read a secret file of less than max_bytes, its owner and mode checked; in arena. Blocks on the disk. Fails
 * with CREDENTIALS.
 */
int credentials_read(const char *path, size_t max_bytes, struct arena *arena, struct slice *text_r,
    struct fail *why);

/* Read and parse a file, its owner and mode included. Blocks on the disk. Fails with CREDENTIALS. */
int credentials_load(
    const char *path, struct arena *arena, struct credentials *credentials_r, struct fail *why);

/*
 * The secret: the password, or what the command prints now. In arena. Fails with CREDENTIALS (the command
 * failed, or printed nothing, or more than a line of LIMIT_SECRET_BYTES), TIMEOUT, CANCELLED, OS.
 */
int credentials_secret(const struct credentials *credentials, struct arena *arena,
    const char **secret_r, int64_t deadline, struct fail *why);

#endif

#ifndef SMTP_DSN_H
#define SMTP_DSN_H

#include <stdbool.h>

#include "base/slice.h"

/*
 * Parameters of delivery status notifications (RFC 3461), as MAIL and RCPT carry them. Pure.
 */
#define SMTP_NOTIFY_NEVER 1u
#define SMTP_NOTIFY_SUCCESS 2u
#define SMTP_NOTIFY_FAILURE 4u
#define SMTP_NOTIFY_DELAY 8u

enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

/* Of one recipient. */
struct smtp_dsn {
	unsigned notify;   /* SMTP_NOTIFY_*; 0: not given */
	const char *orcpt; /* as it stands behind ORCPT=; NULL: not given */
};

/* s4.1: NEVER, or SUCCESS, FAILURE and DELAY, each once, with commas between. False for anything else. */
bool smtp_notify_parse(struct slice value, unsigned *notify_r);

/* s4.2: addr-type ";" xtext, at most LIMIT_ORCPT_BYTES. */
bool smtp_orcpt_valid(struct slice value);

/* s4.4: xtext of 1 to LIMIT_ENVID_BYTES. */
bool smtp_envid_valid(struct slice value);

/* s4.3: FULL or HDRS. */
bool smtp_ret_parse(struct slice value, enum smtp_ret *ret_r);

#endif

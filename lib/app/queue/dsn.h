#ifndef APP_QUEUE_DSN_H
#define APP_QUEUE_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Delivery status notifications: multipart/report of RFC 3462 with the delivery-status of RFC 3464, for
 * failures, delays and, where they were asked for (RFC 3461), successes. Pure: text in, text out.
 */
enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED };

struct dsn_rcpt {
	const char *address;
	const char *orcpt; /* as ORCPT= gave it, xtext and all; NULL: none */
	enum dsn_action action;
	const char *enhanced; /* RFC 3463; "" for the action's own */
	const char *host;     /* that said so; "" for none */
	const char *text;     /* what it said, or we; "" for none */
	int64_t time;         /* of the last attempt; 0: unknown */
};

struct dsn {
	const char *id;                    /* of the message that is reported */
	const char *to;                    /* its sender, who gets the report */
	const char *host;                  /* ours: Reporting-MTA */
	const char *domain;                /* of MAILER-DAEMON, the author */
	const char *envid;                 /* as ENVID= gave it; NULL: none */
	int64_t arrival, now, retry_until; /* Unix seconds; retry_until 0: unknown */
	const struct dsn_rcpt *rcpts;
	size_t rcpts_n;
	struct slice
	    original; /* what is sent back of the message, LF lines: its header section, or all of it */
	bool full;     /* original is all of it */
	bool has_8bit; /* original is not ASCII */
};

/* Append the report, LF lines. -1: out is full. */
int dsn_format(struct buf *out, const struct dsn *d);

/* Whether any address makes it a report of RFC 6533, which needs SMTPUTF8. */
bool dsn_is_global(const struct dsn *d);

#endif

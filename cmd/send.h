#ifndef SEND_H
#define SEND_H

#include "app/queue/envelope.h"
#include "app/send/sendmail_args.h"
#include "base/arena.h"
#include "command.h"
#include "route.h"

/* What `mxtls send`, sendmail and mxtls.conf can say about one message and its way. */
struct send_options {
	const char *sender, *full_name; /* NULL: not given; sender "" or "<>" is the null sender */
	const char *maildomain, *masquerade;
	struct route_options route;
	const char *root_to, *default_recipient;
	const char *config, *log, *queue;
	int64_t deadline_ms, max_size;
	struct queue_bounds bounds;
	int log_format; /* enum maillog_format */
	bool from_headers, ignore_dots, json, quiet, masquerade_always;
	bool no_queue;
	int delivery; /* enum send_delivery */

	/* of sendmail's letters */
	bool sendmail; /* called by one of its names */
	enum sendmail_when when;
	enum sendmail_errors errors;
	bool errors_given;
	unsigned notify; /* QUEUE_NOTIFY_ bits, 0: not given */
	enum queue_ret ret;
	const char *envid; /* NULL: not given */
	bool smtputf8, requiretls;
};

enum send_delivery { DELIVERY_AUTO, DELIVERY_NOW, DELIVERY_BACKGROUND, DELIVERY_QUEUE };

/* Submit the message on standard input; returns the exit status. self: whose name errors carry. */
int send_message(
    const struct command *self, const struct send_options *options, const struct strs *operands);

/* SMTP on standard input and output: each message is submitted as one of its own (sendmail -bs). */
int send_smtp(const struct command *self, const struct send_options *options);

/* The same in system mode, where the caller may not write to the queue: each message goes through mxtls-submit. */
int send_smtp_system(const struct command *self, const struct send_options *options);

/* What would become of these addresses, nothing is sent (sendmail -bv). */
int send_verify(
    const struct command *self, const struct send_options *options, const struct strs *operands);

/* The letters on top of what the configuration says. */
void sendmail_take_args(const struct sendmail_args *args, struct send_options *options);

/*
 * The program by its names sendmail, mailq, newaliases and runq; returns the exit status.
 */
int sendmail_main(const char *name, int argc, char **argv);

#endif

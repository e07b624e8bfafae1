#ifndef QUEUE_H
#define QUEUE_H

#include "app/queue/scan.h"
#include "base/arena.h"
#include "base/opt.h"
#include "command.h"
#include "route.h"

/* What `mxtls queue` and mxtls.conf can say. */
struct queue_options {
	const char *queue, *config, *log, *maildomain;
	const char *from, *to; /* part of an address; NULL: not given */
	struct route_options route;
	int64_t deadline_ms;
	int64_t lifetime_ms, delay_notice_ms;
	int64_t loop_ms; /* 0: not given */
	int64_t warn_ms, crit_ms;
	int format;     /* enum queue_format */
	int log_format; /* enum maillog_format */
	bool all;
};

enum queue_format {
	QUEUE_FORMAT_TEXT,
	QUEUE_FORMAT_JSON,
	QUEUE_FORMAT_NAGIOS,
	QUEUE_FORMAT_PROMETHEUS
};

/* One run of the command. */
struct queue_command {
	const struct queue_options *options;
	char *const *ids; /* operands behind the action */
	size_t ids_n;
	bool only_owner; /* list: messages of this user alone */
	uint32_t owner;
	struct arena arena;
	struct spool spool;
	/* for the reasons of messages that wait with their destination; rules NULL: unknown */
	struct rules *rules;
	struct rule via;
	struct deliver_options deliver;
	struct fail why;
};

/* Whether a message is one of those that operands and options name. */
bool queue_is_chosen(const struct queue_command *q, const struct queue_entry *entry);

/* Each fills stdout and returns the exit status. */
int queue_list(struct queue_command *q);
int queue_show(struct queue_command *q);
int queue_check(struct queue_command *q);
/* check cannot say anything, because of q->why. */
int queue_cannot_tell(struct queue_command *q);

/* Why a pending recipient waits, and since when it is not tried again: its own words, or its destination's. */
struct queue_reason {
	const char *text; /* "" unknown */
	int64_t next;     /* 0: now */
	unsigned tries;
};
void queue_reason_of(struct queue_command *q, const struct queue_entry *entry, size_t rcpt,
    struct queue_dest *space, struct queue_reason *reason_r);

#endif

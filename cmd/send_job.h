#ifndef SEND_JOB_H
#define SEND_JOB_H

#include "app/message/masquerade.h"
#include "app/send/alias.h"
#include "app/send/submit.h"
#include "route.h"
#include "send.h"

/* Everything that one run of send needs and must give back: for one message, or one after the other (-bs). */
struct send_job {
	const struct command *self;
	const struct send_options *options;
	struct arena arena;
	const char *maildomain;
	struct masquerade masquerade;
	struct aliases aliases;
	bool have_aliases;
	struct message message;
	bool have_message;
	struct route *route, own_route;
	bool keep_only; /* the policy cannot be read: messages are stored, nothing is delivered */
	struct spool *spool, own_spool;
	struct queue_work work;
	const char *stored_id;   /* in the queue; NULL: not stored */
	char id[QUEUE_ID_BYTES]; /* of the last one that was stored */
	struct deliver_result *results;
	int64_t deadline;
	/* of a message that mxtls-submit took for another user; NULL and 0: it is ours, and comes now */
	const uid_t *owner;
	uid_t user; /* who submits: the owner, or our own */
	const char *queue_id;
	int64_t time;
	/* Told once the message is stored, before it is tried; NULL: nobody. */
	void (*stored)(void *ctx);
	void *stored_ctx;
	struct fail why;
};

/*
 * Look at names, aliases, policy, route and queue: their errors cost nothing as long as no message was
 * read. options must outlive the job. Returns the job also on failure (*ok_r false, why set):
 * send_job_close ends it.
 */
struct send_job *
send_job_open(const struct command *self, const struct send_options *options, bool *ok_r);
void send_job_close(struct send_job *job);
/* The same in a route and a spool that are open, and stay so; NULL: as above. */
struct send_job *send_job_open_in(const struct command *self, const struct send_options *options,
    struct route *route, struct spool *spool, bool *ok_r);

/*
 * Read a message from fd and find its recipients: of its header, and operands (each an address list).
 * Fails as message_read; a job with a message has job->have_message.
 */
int send_job_read(struct send_job *job, int fd, const struct strs *operands);

/* Forget the message: the job can take another. */
void send_job_forget(struct send_job *job);

/* Store the message and try it, as the options say; the exit status. why of the job is set when it was not stored. */
int send_job_submit(struct send_job *job);

/*
 * The message on fd, which send_job_read refused because of why, goes back to its sender: a report is in the queue when this returns 0, unless
 * the sender is the null one. Fails with STORAGE, STORAGE_FULL.
 */
int send_job_refuse(struct send_job *job, const struct strs *operands, int fd,
    const struct fail *why, struct fail *failed);

/*
 * Who would get the mail of one address list: recipients and problems of a message without text, whose arena
 * the caller frees, also after a failure. Fails as envelope_recipients: nobody would.
 */
int send_job_recipients(
    struct send_job *job, const char *given, struct message *message_r, struct fail *why);

#endif

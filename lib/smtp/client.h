#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "smtp/ehlo.h"
#include "smtp/reply.h"

/*
 * The client's side of SMTP, one function per step of RFC 5321 s4.1.1. A dialogue is a plain
 * sequence of calls; each waits for its reply until its own deadline. The reply of the last step is in
 * client->reply. Unwanted replies fail as smtp_reply_fail says, with why->smtp_code.
 *
 * The client owns its conn. After a failure of the transport (every code but REPLY_*) only
 * smtp_client_fini may be called.
 */
struct smtp_client {
	struct conn *conn; /* NULL once closed */
	struct smtp_reply reply;
	int64_t reply_ms;   /* clock_ms() when it was complete; 0 before that */
	struct ehlo ehlo;   /* of this transport; forgotten at STARTTLS */
	size_t group_bytes; /* put and not sent yet */
	bool pipelining;    /* replies may be outstanding: do not complain of unread ones */
	conn_trace_fn *trace;
	void *trace_ctx;
};

/* Takes the conn. trace may be NULL; it is set on the TLS conn too. */
void smtp_client_init(
    struct smtp_client *client, struct conn *conn, conn_trace_fn *trace, void *trace_ctx);
/* Closes what is open, without QUIT. */
void smtp_client_fini(struct smtp_client *client);

/*
 * The one writer of commands: "VERB argument CRLF", queued and flushed. Refuses any byte below 0x20 and 0x7f in the
 * formatted line (COMMAND_BYTES: nothing is written), and more than LIMIT_COMMAND_ARG_BYTES. A reply that
 * came before its command is REPLY_SYNTAX: the dialogue is out of step.
 */
int smtp_cmd(struct smtp_client *client, int64_t deadline, struct fail *why, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* s3.1: wait for 220. */
int smtp_greeting(struct smtp_client *client, int64_t deadline, struct fail *why);

/* s4.1.1.1: EHLO; 250 fills client->ehlo. name: FQDN or address literal. */
int smtp_ehlo(struct smtp_client *client, const char *name, int64_t deadline, struct fail *why);
/* True for the replies to EHLO after which HELO is worth a try: 500, 501, 502, 504, 550 (DECISIONS C18). */
bool smtp_ehlo_unsupported(int code);
/* HELO; 250 leaves client->ehlo known with no extension. */
int smtp_helo(struct smtp_client *client, const char *name, int64_t deadline, struct fail *why);

/*
 * RFC 3207: STARTTLS, its reply, the switch, the handshake. Forgets client->ehlo; EHLO must
 * follow. Any reply but 220 fails with STARTTLS_REJECTED (the session goes on in clear, if the
 * caller's policy says so; 421 means that it will not); from 220 on every failure closes.
 * Other arguments as of starttls_client. After a failure behind the 220 *failed_tls_r may be a session to free.
 */
int smtp_starttls(struct smtp_client *client, struct tls_ctx *ctx, const char *server_name,
    enum key_type keys, size_t *post_220_bytes_r, struct tls **failed_tls_r, int64_t deadline,
    struct fail *why);

/*
 * The same up to the switch, for a hello of our own (tls/hello.h): on success the descriptor, which is
 * the caller's, and client->conn is NULL; -1 with why as above.
 */
int smtp_starttls_raw(
    struct smtp_client *client, size_t *post_220_bytes_r, int64_t deadline, struct fail *why);

/* s4.1.1.2: MAIL FROM:<path>; params "" or " BODY=8BITMIME ...". */
int smtp_mail(struct smtp_client *client, const char *path, const char *params, int64_t deadline,
    struct fail *why);
/* s4.1.1.3 */
int smtp_rcpt(struct smtp_client *client, const char *path, const char *params, int64_t deadline,
    struct fail *why);
/* s4.1.1.4: DATA, wait for 354. */
int smtp_data(struct smtp_client *client, int64_t deadline, struct fail *why);

/*
 * A group of commands (RFC 2920): MAIL, RCPTs and DATA are put, all of them sent by smtp_group_send, and then every
 * reply is read, in order. It is full at LIMIT_GROUP_BYTES: so much fits into the buffers on the way, and whoever has
 * read all replies before he sends the next group never blocks in writing while the server blocks in answering
 * (s3.1). Put fails as smtp_cmd; after COMMAND_BYTES nothing was put.
 */
int smtp_mail_put(struct smtp_client *client, const char *path, const char *params,
    int64_t deadline, struct fail *why);
int smtp_rcpt_put(struct smtp_client *client, const char *path, const char *params,
    int64_t deadline, struct fail *why);
int smtp_data_put(struct smtp_client *client, int64_t deadline, struct fail *why);
bool smtp_group_full(const struct smtp_client *client);
int smtp_group_send(struct smtp_client *client, int64_t deadline, struct fail *why);

enum smtp_step { SMTP_STEP_MAIL, SMTP_STEP_RCPT, SMTP_STEP_DATA };
enum smtp_answer {
	SMTP_ANSWER_YES,
	SMTP_ANSWER_NO,    /* 4xx, 5xx, and a 2xx that is not what this command asks for */
	SMTP_ANSWER_ASTRAY /* no answer to this command: replies and commands are out of step */
};
/* Pure. */
enum smtp_answer smtp_answer(enum smtp_step step, int code);
/*
 * The next reply of the group, to step. Fails with REPLY_TEMPORARY, REPLY_PERMANENT, REPLY_UNEXPECTED and
 * why->smtp_code for a "no"; with REPLY_SYNTAX and smtp_code 0 where it is astray: no reply of the group is to be believed then.
 */
int smtp_group_reply(
    struct smtp_client *client, enum smtp_step step, int64_t deadline, struct fail *why);
/* s3.1: 354 though nobody is there to get the message: a lone dot; its reply is nobody's, and may be anything. */
int smtp_data_nothing(struct smtp_client *client, int64_t deadline, struct fail *why);

/* Message text that was dot-stuffed by smtp/data.h, its final CRLF.CRLF included. */
int smtp_data_write(
    struct smtp_client *client, const void *data, size_t n, int64_t deadline, struct fail *why);
/*
 * A server that speaks before the end of the text, to refuse it, mostly closes then. 0 when it has not said
 * anything; -1 with its reply as the failure, and the connection is closed: the rest of the text cannot be taken
 * back. Never waits for the first line.
 */
int smtp_data_interrupted(struct smtp_client *client, int64_t deadline, struct fail *why);
/* The reply to the final dot: only a complete 2xx is a delivery. */
int smtp_data_reply(struct smtp_client *client, int64_t deadline, struct fail *why);
/* s4.1.1.5 */
int smtp_rset(struct smtp_client *client, int64_t deadline, struct fail *why);
/* s4.1.1.10: QUIT, its reply (0: it was 221), and close. A connection that is closed instead of answering is not worth a failure. */
int smtp_quit(struct smtp_client *client, int64_t deadline, struct fail *why);

#endif

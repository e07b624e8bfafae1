#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "smtp/server.h"

/* Private to the server: what server.c, server_mail.c and server_data.c share. */

struct serve {
	struct smtp_session session; /* first: what the ops see */
	struct conn *conn;           /* NULL once closed */
	bool interactive;            /* a socket: talking out of turn can be seen */
	int64_t deadline;            /* end of life */
	struct arena arena;          /* of the transaction */
	struct slice line;           /* current command, for fault points only */
	char point[16];
	uint64_t rolled;         /* faults of this point that happen, a bit for each */
	struct slice rcpt_local; /* of the recipient being looked at, for faults */
};

/*
 * Queue a reply, "code enhanced text", unless a fault replaces it. enhanced "": none. Returns true when the command may
 * take effect as planned (no fault changed the reply).
 */
bool serve_reply(struct serve *s, int code, const char *enhanced, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The reply a failure deserves, and its code. */
int serve_fail_code(const struct fail *why);
void serve_reply_fail(struct serve *s, const struct fail *why);
/* Reply, then close; ended says why, for the log. */
void
serve_goodbye(struct serve *s, int code, const char *enhanced, const char *text, const char *ended);
/* Close without a word. */
void serve_close(struct serve *s, const char *ended);
/* The same for a recipient: told to the owner, counted, 421 after too many. */
void serve_refuse(struct serve *s, const struct smtp_path *path, const struct fail *why);
/* Tell the owner. */
void serve_event(struct serve *s, enum smtp_event event, const struct smtp_path *path, int code,
    const char *text);
/* A command that was refused for its form or order: counted, 421 after too many. */
void serve_error(struct serve *s, int code, const char *enhanced, const char *text);
/* True when the client has sent more than it may before this point: answered and closed. */
bool serve_out_of_turn(struct serve *s, const char *where);
void serve_transaction_reset(struct serve *s);
/* Deadline for waiting ms from now, within the session's life. */
int64_t serve_deadline(const struct serve *s, int64_t ms);

/* Slots run out, so that less than this usual time is given (DECISIONS F41). */
bool serve_busy(const struct serve *s, int64_t usual_ms);
/* A host name or address literal that may stand in a Received field (reference S10). */
bool serve_name_ok(struct slice name);
/* Queue bytes; a failure closes. */
void serve_write(struct serve *s, const void *data, size_t n);

/* server_fault.c. The session passes a point: which of its faults happen is decided. */
void serve_point(struct serve *s, const char *point);
/* The first fault of a kind that happens here, or NULL. */
const struct smtp_fault *serve_fault(const struct serve *s, enum smtp_fault_kind kind);
/* Wait, when a fault says so. */
void serve_delay(struct serve *s);
/* The faults of a reply: is it still to be sent; was it, and does the command have its effect? */
enum serve_faulty { SERVE_AS_PLANNED, SERVE_ANSWERED, SERVE_WITHOUT_EFFECT };
enum serve_faulty serve_faulty_reply(struct serve *s, const char *reply, size_t n);
/* The faults of a handshake, conn still plain. True when it ended there. */
bool serve_faulty_handshake(struct serve *s, int64_t deadline);

bool serve_tls_available(const struct serve *s);
void serve_starttls(struct serve *s, struct slice args);
void serve_implicit_tls(struct serve *s);

void serve_mail(struct serve *s, struct slice args);
void serve_rcpt(struct serve *s, struct slice args);
void serve_data(struct serve *s);

#endif

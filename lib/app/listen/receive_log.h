#ifndef APP_LISTEN_RECEIVE_LOG_H
#define APP_LISTEN_RECEIVE_LOG_H

#include <stdbool.h>

#include "app/listen/receive.h"

/*
 * The log of `listen`: a line for each message, refusal, failed handshake, connection turned away and session, as text
 * or as the JSON of inbound_facts (facts.def), which `mxtls report` reads. Accepted messages are
 * always written; of the rest a client's network has a bound (base/flood.h), and what is left out
 * is counted. Lines go to standard error, or where log_open said.
 */

/*
 * A message that was read to its end, or whose end was refused.
 *
 * id        as in its Received field
 * accepted  answered with 250
 * outcome   "stored" and the like, or the reason
 */
void receive_log_message(struct receiver *r, const struct smtp_session *session, const char *id,
    bool accepted, const char *outcome);

/* What smtp_server_ops.event told. */
void receive_log_event(struct receiver *r, const struct smtp_session *session,
    enum smtp_event event, const struct smtp_path *path, int code, const char *text);

/* A connection that was answered with 421 or not at all. */
void receive_log_turned_away(struct receiver *r, const struct addr *peer, const char *reason);

/* A session that ended; text only with debug. */
void receive_log_session(struct receiver *r, const struct smtp_session *session);

/* Tell of lines left out whose window is over; all: also of others, at the end. */
void receive_log_flush(struct receiver *r, bool all);

#endif

#ifndef APP_SEND_MAILLOG_H
#define APP_SEND_MAILLOG_H

#include "app/send/deliver.h"
#include "base/opt.h"

/*
 * The line of each recipient in the log (base/log.h, log_event): what happened to the message, where, with
 * which TLS, by which rule. As text, words NAME=VALUE that people grep and programs split:
 *
 *   id=0vn3k8w2f7hq5x9d message-id=<1@example.org> from=<a@example.org> to=<b@example.net>
 *   mx=mx.example.net ip=192.0.2.25 port=25 status=delivered dsn=2.0.0 tls=pkix proto=TLSv1.3
 *   cipher=TLS_AES_256_GCM_SHA384 rule=/etc/mxtls/policy:12 group=banks fallback=no reply="250 ok"
 *
 * A value with blanks stands in double quotes, in which '"' and '\' have a '\' in front. What does not apply is left out;
 * tls is none for a delivery in clear, and fallback=yes when the rule would rather have had TLS. As JSON it
 * is the object of deliver_result_json with time, id, message_id and sender in front.
 */
enum maillog_format { MAILLOG_TEXT, MAILLOG_JSON };
extern const struct opt_word maillog_formats[]; /* for options */

struct maillog_message {
	const char *id;         /* in the queue; NULL: not stored */
	const char *message_id; /* NULL: not known */
	const char *sender;     /* "" for the null sender */
};

/* Pure. now: Unix seconds, for JSON. */
void maillog_text(const struct maillog_message *m, const struct deliver_result *r, struct buf *out);
void maillog_json(
    const struct maillog_message *m, const struct deliver_result *r, int64_t now, struct buf *out);

/* Write the line. */
void maillog_result(const struct maillog_message *m, const struct deliver_result *r, bool json);

#endif

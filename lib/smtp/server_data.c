#include <string.h>

#include "base/clock.h"
#include "smtp/data.h"
#include "smtp/session.h"

/* DATA: 354, the text to its true end, one reply (RFC 5321 s4.1.1.4). */

struct receive {
	struct serve *s;
	struct smtp_data_scanner scanner;
	struct buf text; /* un-stuffed, of one chunk */
	int64_t started_ms;
	uint64_t bytes; /* of message text */
	bool open;      /* begin succeeded, and neither end nor abort was called */
	bool cr;        /* the last byte was one: scan_local */
	bool refused;   /* swallowed to its end, then answered with why */
	struct fail why;
};

/*
 * The client must keep up a minimum rate after a grace: one that does not is cut off however often it sends a byte,
 * and one that does may take longer than the session's life (DECISIONS F41).
 */
static int64_t
text_deadline(const struct receive *r)
{
	const struct smtp_server_config *config = r->s->session.config;
	int64_t earned = (int64_t)(r->bytes / (uint64_t)config->min_rate_bytes) * 1000;
	int64_t rate = r->started_ms + config->command_timeout_ms + earned;
	int64_t idle = clock_deadline(config->command_timeout_ms);

	return rate < idle ? rate : idle;
}

static void
receive_abort(struct receive *r)
{
	if (r->open)
		r->s->session.config->ops->abort(r->s->session.app);
	r->open = false;
}

/* From now on only the end is looked for. */
static void
receive_refuse(struct receive *r)
{
	receive_abort(r);
	r->refused = true;
}

static void
receive_text(struct receive *r)
{
	struct smtp_session *session = &r->s->session;

	r->bytes += r->text.len;
	session->message_bytes = r->bytes;
	if (r->refused)
		return;
	if (r->bytes > (uint64_t)session->config->max_message_bytes) {
		fail_set(&r->why, FAIL_MESSAGE_TOO_BIG, "Message exceeds %lld bytes",
		    (long long)session->config->max_message_bytes);
		receive_refuse(r);
	} else if (session->config->ops->text(
		       session->app, slice_make(buf_str(&r->text), r->text.len), &r->why) != 0) {
		receive_refuse(r);
	}
}

/*
 * The scanner over a chunk of a local program, whose lines may end in LF alone: those get their CR, line by
 * line, so that what was consumed can be told.
 */
static enum smtp_data_event
scan_local(struct receive *r, struct slice chunk, size_t *used_r)
{
	enum smtp_data_event event = SMTP_DATA_MORE;

	*used_r = 0;
	while (*used_r < chunk.n && event == SMTP_DATA_MORE) {
		struct slice rest = slice_sub(chunk, *used_r, chunk.n);
		size_t n = slice_find(rest, '\n'), used;
		bool bare = n < rest.n && (n > 0 ? rest.p[n - 1] != '\r' : !r->cr);
		if (n > 0) {
			event = smtp_data_scan(&r->scanner, slice_sub(rest, 0, n), &r->text, &used);
			r->cr = rest.p[n - 1] == '\r';
		}
		if (n < rest.n && event == SMTP_DATA_MORE) {
			event = smtp_data_scan(
			    &r->scanner, slice_str(bare ? "\r\n" : "\n"), &r->text, &used);
			r->cr = false;
			n++;
		}
		*used_r += n;
	}
	return event;
}

/* Read to the end of data. True at the end; false when the session is over. */
static bool
receive_all(struct receive *r)
{
	struct serve *s = r->s;
	enum smtp_data_event event = SMTP_DATA_MORE;
	struct slice chunk;
	struct fail why;

	while (event == SMTP_DATA_MORE) {
		size_t used;
		/* an endless message is not swallowed for ever (reference S8) */
		if (r->bytes > 2 * (uint64_t)s->session.config->max_message_bytes) {
			serve_goodbye(s, 421, "4.3.4", "Message far beyond the limit",
			    "message far beyond the limit");
			return false;
		}
		if (conn_read(s->conn, &chunk, text_deadline(r), &why) != 0) {
			if (why.code == FAIL_TIMEOUT)
				serve_goodbye(s, 421, "4.4.2", "Timeout", "timeout in a message");
			else if (why.code == FAIL_CANCELLED)
				serve_goodbye(
				    s, 421, "4.3.2", "Shutting down", "shutdown in a message");
			else
				serve_close(
				    s, "closed in a message"); /* no final dot: no message */
			return false;
		}
		buf_reset(&r->text);
		event = s->session.config->local
			    ? scan_local(r, chunk, &used)
			    : smtp_data_scan(&r->scanner, chunk, &r->text, &used);
		receive_text(r);
		conn_unread(s->conn, chunk.n - used);
	}
	if (event == SMTP_DATA_END)
		return true;
	serve_goodbye(
	    s, 521, "5.5.2", "Bare CR, bare LF or NUL", "bare CR, bare LF or NUL in a message");
	return false;
}

static void
receive_end(struct receive *r)
{
	struct serve *s = r->s;
	const struct smtp_server_config *config = s->session.config;
	char note[128] = "Ok";

	serve_point(s, ".");
	/* a fault that replaces the final reply also takes its effect */
	if (!r->refused && serve_fault(s, SMTP_FAULT_REPLY) != NULL) {
		receive_abort(r);
		serve_reply(s, 250, "2.0.0", "%s", note);
		return;
	}
	if (!r->refused) {
		r->open = false;
		/* shutting down does not cut a commit off: it is short, and its outcome must be told */
		if (config->ops->end(s->session.app, &s->session, note,
			clock_deadline(config->command_timeout_ms), &r->why) == 0) {
			s->session.messages++;
			serve_reply(s, 250, "2.0.0", "%s", note);
			return;
		}
	}
	if (r->why.code == FAIL_MESSAGE_TOO_BIG)
		serve_event(
		    s, SMTP_EVENT_MESSAGE_REFUSED, NULL, serve_fail_code(&r->why), r->why.text);
	else
		s->session.refusals++;
	serve_reply_fail(s, &r->why);
}

void
serve_data(struct serve *s)
{
	const struct smtp_server_ops *ops = s->session.config->ops;
	struct receive r;
	struct fail why;

	s->session.message_bytes = 0;
	if (ops->begin(s->session.app, &s->session, &why) != 0) {
		serve_reply_fail(s, &why);
		serve_transaction_reset(s);
		return;
	}
	memset(&r, 0, sizeof(r));
	r.s = s;
	r.open = true;
	r.started_ms = clock_ms();
	smtp_data_scan_init(&r.scanner);
	r.scanner.normalize_lf = s->session.bare_lf;
	buf_init(&r.text, 2 * LIMIT_CONN_READ_BYTES + 8);
	bool asked = serve_reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
	/* without it the client would wait for us, and we for it */
	if (asked && conn_flush(s->conn, serve_deadline(s, s->session.config->command_timeout_ms),
			 NULL) != 0) {
		serve_close(s, "connection lost while replying");
		asked = false;
	}
	if (asked && receive_all(&r))
		receive_end(&r);
	else
		receive_abort(&r);
	buf_free(&r.text);
	if (s->conn != NULL)
		serve_transaction_reset(s);
	/* time spent on text that kept its rate does not count against the session */
	s->deadline += clock_ms() - r.started_ms;
}

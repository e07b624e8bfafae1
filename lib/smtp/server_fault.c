#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "io/io.h"
#include "io/sched.h"
#include "smtp/session.h"

/* What a server does wrong on purpose (smtp/fault.h). Without --fault nothing here does anything. */

#define GARBAGE_BYTES 300

void
serve_point(struct serve *s, const char *point)
{
	const struct smtp_server_config *config = s->session.config;

	snprintf(s->point, sizeof(s->point), "%s", point);
	s->rolled = 0;
	/* once for each passing of the point, however often it is looked at */
	for (size_t i = 0; i < config->faults_n && i < SMTP_FAULTS_MAX; i++)
		if (smtp_fault_at(&config->faults[i], point) &&
		    (config->faults[i].permille == 1000 ||
			smtp_fault_random(config->fault_random, 1000) < config->faults[i].permille))
			s->rolled |= (uint64_t)1 << i;
}

/* Has the transaction such a recipient, or is one being looked at? */
static bool
has_recipient(const struct serve *s, const char *local)
{
	if (slice_is_case(s->rcpt_local, local))
		return true;
	for (size_t i = 0; i < s->session.recipients_n; i++)
		if (slice_is_case(s->session.recipients[i].local, local))
			return true;
	return false;
}

const struct smtp_fault *
serve_fault(const struct serve *s, enum smtp_fault_kind kind)
{
	const struct smtp_server_config *config = s->session.config;

	for (size_t i = 0; i < config->faults_n && i < SMTP_FAULTS_MAX; i++) {
		const struct smtp_fault *fault = &config->faults[i];
		if ((s->rolled >> i & 1) != 0 && fault->kind == kind &&
		    (fault->to == NULL || has_recipient(s, fault->to)))
			return fault;
	}
	return NULL;
}

void
serve_delay(struct serve *s)
{
	const struct smtp_fault *fault = serve_fault(s, SMTP_FAULT_DELAY);

	if (fault != NULL && s->conn != NULL && conn_flush(s->conn, s->deadline, NULL) == 0)
		io_sleep(serve_deadline(s, fault->delay_ms), NULL);
}

static void
send_now(struct serve *s, const char *data, size_t n)
{
	serve_write(s, data, n);
	if (s->conn != NULL && conn_flush(s->conn, s->deadline, NULL) != 0)
		serve_close(s, "connection lost while replying");
}

static void
send_slowly(struct serve *s, const char *data, size_t n, int64_t each_ms)
{
	for (size_t i = 0; i < n && s->conn != NULL; i++) {
		send_now(s, data + i, 1);
		if (io_sleep(serve_deadline(s, each_ms), NULL) != 0 && i + 1 < n && s->conn != NULL)
			serve_close(s, "fault: slow");
	}
}

static void
drop(struct serve *s, const char *ended)
{
	s->session.ended = ended;
	conn_drop(s->conn);
	s->conn = NULL;
}

/* Faults that end the connection. */
static bool
fault_ends(struct serve *s, const char *reply, size_t n)
{
	const struct smtp_fault *fault = serve_fault(s, SMTP_FAULT_CUT);

	if (fault != NULL) {
		send_now(s, reply, fault->bytes < n ? fault->bytes : n);
		serve_close(s, "fault: cut");
	} else if (serve_fault(s, SMTP_FAULT_DROP) != NULL) {
		if (conn_flush(s->conn, s->deadline, NULL) == 0)
			drop(s, "fault: drop");
		else
			serve_close(s, "fault: drop");
	} else if (serve_fault(s, SMTP_FAULT_CLOSE_NOTIFY) != NULL) {
		send_now(s, reply, n / 2);
		serve_close(s, "fault: close-notify");
	} else {
		return false;
	}
	return true;
}

enum serve_faulty
serve_faulty_reply(struct serve *s, const char *reply, size_t n)
{
	const struct smtp_fault *fault;

	if (s->rolled == 0)
		return SERVE_AS_PLANNED;
	serve_delay(s);
	if (s->conn == NULL || fault_ends(s, reply, n))
		return SERVE_WITHOUT_EFFECT;
	if ((fault = serve_fault(s, SMTP_FAULT_REPLY)) != NULL) {
		serve_write(s, fault->text, strlen(fault->text));
		serve_write(s, "\r\n", 2);
		return SERVE_WITHOUT_EFFECT;
	}
	if ((fault = serve_fault(s, SMTP_FAULT_SLOW)) != NULL) {
		send_slowly(s, reply, n, fault->delay_ms);
		return SERVE_ANSWERED;
	}
	if ((fault = serve_fault(s, SMTP_FAULT_INJECT)) != NULL) {
		serve_write(s, reply, n);
		serve_write(s, fault->text, strlen(fault->text));
		return SERVE_ANSWERED;
	}
	return SERVE_AS_PLANNED;
}

/* Bytes where the ServerHello should be, then the end. */
static void
send_instead(struct serve *s, const char *data, size_t n, const char *ended)
{
	send_now(s, data, n);
	if (s->conn == NULL)
		return;
	s->session.ended = ended;
	conn_close_lingering(s->conn, serve_deadline(s, 2000));
	s->conn = NULL;
}

bool
serve_faulty_handshake(struct serve *s, int64_t deadline)
{
	static const char alert_head[6] = { 0x15, 3, 3, 0, 2, 2 }; /* RFC 8446 s6: fatal */
	char data[GARBAGE_BYTES];
	const struct smtp_fault *fault;

	serve_delay(s);
	/* the client speaks first */
	if (s->conn == NULL || conn_peek(s->conn, deadline, NULL) < 0)
		return false;
	if (serve_fault(s, SMTP_FAULT_DROP) != NULL) {
		drop(s, "fault: drop");
	} else if (serve_fault(s, SMTP_FAULT_GARBAGE) != NULL) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (char)smtp_fault_random(s->session.config->fault_random, 256);
		send_instead(s, data, sizeof(data), "fault: garbage");
	} else if ((fault = serve_fault(s, SMTP_FAULT_ALERT)) != NULL) {
		memcpy(data, alert_head, sizeof(alert_head));
		data[sizeof(alert_head)] = (char)fault->alert;
		send_instead(s, data, sizeof(alert_head) + 1, "fault: alert");
	} else if (serve_fault(s, SMTP_FAULT_STALL) != NULL) {
		fiber_idle(true);
		io_sleep(deadline, NULL);
		fiber_idle(false);
		serve_close(s, "fault: stall");
	}
	return s->conn == NULL;
}

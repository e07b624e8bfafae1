#ifndef APP_PROBE_INJECTION_H
#define APP_PROBE_INJECTION_H

#include "app/session.h"

/*
 * --check-injection: does a server answer, inside TLS, a command that came in clear behind STARTTLS in
 * the same segment (CVE-2011-0411)? Then whoever sits in between can put words into the encrypted
 * session.
 *
 * The command is a verb that no server knows (RFC 5321 s4.1.5 leaves X to private use), so that it
 * changes nothing anywhere and its answer, 500 or 502, cannot be taken for a greeting or for the "250
 * ok" of something else. A first run without it shows what the server says inside TLS of its own
 * accord; a second EHLO shows answers that come late. Two connections; no MAIL, RCPT or AUTH.
 */
#define INJECTION_VERB "XMXTLS"
#define INJECTION_CONNECTIONS 2

/* How far one run came. */
enum injection_end {
	INJECTION_NO_SESSION,   /* no STARTTLS was reached, see text */
	INJECTION_REFUSED,      /* STARTTLS got code instead of 220 */
	INJECTION_IN_CLEAR,     /* bytes in clear behind the 220 */
	INJECTION_NO_HANDSHAKE, /* 220, then the handshake failed (not by a timeout) */
	INJECTION_LOST,         /* closed or timed out behind that */
	INJECTION_ANSWERED,     /* a reply inside TLS before anything was said there */
	INJECTION_SILENT        /* none; then EHLO got the reply code */
};

struct injection_run {
	enum injection_end end;
	int code;      /* REFUSED, ANSWERED, SILENT: of the reply */
	int next_code; /* SILENT: of the reply after it, when code is none that EHLO gets; else 0 */
	bool marked;   /* ANSWERED, SILENT: the reply is one to our verb */
	char text[512]; /* the reply, or what went wrong; sanitised */
};

/* Whether a reply is one to a verb that is not known: 500 to 504, 555, or it repeats the verb. Pure. */
bool injection_marked(const struct smtp_reply *reply);

/*
 * Judge the two runs. Pure.
 *
 * reason_r  a sentence, in arena
 */
enum injection injection_decide(const struct injection_run *control,
    const struct injection_run *attack, struct arena *arena, char **reason_r);

struct injection_options {
	const struct session_options *session; /* with a tls context */
	int64_t wait_ms;                       /* for an answer inside TLS */
	int64_t pace_ms;                       /* before each of the two connections */
};

/*
 * Test one address and fill facts->injection and injection_reason.
 *
 * to        address and port
 * host      name of the MX host, as of session_init
 * deadline  of both runs
 */
void injection_check(const struct injection_options *options, const struct addr *to,
    const char *host, struct arena *arena, struct host_facts *facts, int64_t deadline);

#endif

#include <stdio.h>
#include <string.h>

#include "app/listen/receive.h"
#include "base/text.h"

/* The registered protocol of the session: RFC 3848, RFC 6531 s4.3. */
static const char *
with_protocol(const struct smtp_session *s)
{
	if (!s->esmtp)
		return "SMTP";
	if (s->smtputf8)
		return s->tls ? "UTF8SMTPS" : "UTF8SMTP";
	return s->tls ? "ESMTPS" : "ESMTP";
}

void
received_field(const struct smtp_session *s, const char *hostname, const char *id,
    const struct smtp_path *recipient, int64_t unix_seconds, struct buf *out)
{
	char date[64];

	/* every word that comes from the client had its bytes checked: helo by the server, the path by its parser */
	buf_printf(out, "Received: from %s", s->helo);
	if (s->peer_known)
		buf_printf(
		    out, " ([%s%s])", s->peer.sa.ss_family == AF_INET6 ? "IPv6:" : "", s->peer_ip);
	buf_printf(out, "\r\n\tby %s with %s id %s", hostname, with_protocol(s), id);
	if (recipient != NULL) {
		buf_puts(out, "\r\n\tfor <");
		smtp_path_append(recipient, out);
		buf_putc(out, '>');
	}
	/* RFC 5321 s4.4: additional registered clauses follow for; RFC 8314 s4.3: tls, then group */
	if (s->tls) {
		buf_printf(out, "\r\n\ttls %s", s->tls_cipher);
		if (s->tls_group[0] != '\0')
			buf_printf(out, " group %s", s->tls_group);
		buf_printf(out, " (%s)", s->tls_version);
	}
	text_date_rfc5322(unix_seconds, date);
	buf_printf(out, ";\r\n\t%s\r\n", date);
}

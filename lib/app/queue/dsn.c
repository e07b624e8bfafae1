#include "app/queue/dsn.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define LINE_BYTES 72 /* of the text for people */

static const struct {
	const char *action, *enhanced, *subject, *outcome, *follow;
} actions[] = {
	[DSN_FAILED] = { "failed", "5.0.0", "Undelivered mail returned to sender",
	    "could not be delivered to", "It will not be tried again." },
	[DSN_DELAYED] = { "delayed", "4.0.0", "Delayed mail (still being tried)",
	    "could not yet be delivered to",
	    "You need not send it again: it stays in the queue and is tried again." },
	[DSN_DELIVERED] = { "relayed", "2.0.0", "Mail was passed on",
	    "was passed on to the mail server of",
	    "That server does not report deliveries: you will hear no more, unless it fails." },
};

bool
dsn_is_global(const struct dsn *d)
{
	if (!text_is_ascii(slice_str(d->to)))
		return true;
	for (size_t i = 0; i < d->rcpts_n; i++)
		if (!text_is_ascii(slice_str(d->rcpts[i].address)))
			return true;
	return false;
}

/* RFC 3461 s4: xtext; what would not be a printable character stays as it is. */
static void
put_xtext(struct buf *out, const char *s)
{
	unsigned char c;

	for (; *s != '\0'; s++) {
		if (*s == '+' && s[1] != '\0' && s[2] != '\0' &&
		    text_unhex(slice_make(s + 1, 2), &c) && c > 0x1f && c < 0x7f) {
			buf_putc(out, (char)c);
			s += 2;
		} else {
			buf_putc(out, *s);
		}
	}
}

/*
 * Text with a first line of up to LINE_BYTES, the next ones begin with prefix; cut at blanks. ascii: what is
 * not becomes '?', since a report of RFC 3464 has nothing else in its fields.
 */
static void
put_folded(struct buf *out, const char *text, size_t used, const char *prefix, bool ascii)
{
	struct slice rest = slice_str(text);

	while (rest.n > 0) {
		size_t n = slice_find(rest, ' ');
		if (used > strlen(prefix) && used + n > LINE_BYTES) {
			buf_printf(out, "\n%s", prefix);
			used = strlen(prefix);
		} else if (used > 0 && rest.p != text) {
			buf_putc(out, ' ');
			used++;
		}
		for (size_t i = 0; i < n; i++)
			buf_putc(out, ascii && (unsigned char)rest.p[i] > 0x7f ? '?' : rest.p[i]);
		used += n;
		rest = slice_sub(rest, n + 1, rest.n);
	}
	buf_putc(out, '\n');
}

static void
put_head(struct buf *out, const struct dsn *d, enum dsn_action action, const char *boundary)
{
	char date[64];

	text_date_rfc5322(d->now, date);
	buf_printf(out,
	    "From: Mail Delivery System <MAILER-DAEMON@%s>\nTo: <%s>\nSubject: %s\nDate: %s\n",
	    d->domain, d->to, actions[action].subject, date);
	buf_printf(out, "Message-ID: <dsn.%s.%lld@%s>\n", d->id, (long long)d->now, d->domain);
	/* RFC 3834 s5: no program answers this */
	buf_puts(out, "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n");
	buf_printf(out,
	    "Content-Type: multipart/report; report-type=%sdelivery-status;\n\tboundary=\"%s\"\n",
	    dsn_is_global(d) ? "global-" : "", boundary);
	if (d->has_8bit || dsn_is_global(d))
		buf_puts(out, "Content-Transfer-Encoding: 8bit\n");
	buf_putc(out, '\n');
}

static void
put_people_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
	buf_printf(out, "  <%s>\n", r->address);
	if (r->text[0] != '\0') {
		buf_puts(out, "    ");
		if (r->host[0] != '\0')
			buf_printf(out, "%s: ", r->host);
		put_folded(out, r->text, 4 + strlen(r->host), "    ", !dsn_is_global(d));
	}
	buf_putc(out, '\n');
}

static void
put_people(struct buf *out, const struct dsn *d, enum dsn_action action)
{
	char date[64];

	text_date_rfc5322(d->arrival, date);
	buf_printf(out, "This is the mail system at %s.\n\n", d->host);
	for (enum dsn_action a = DSN_FAILED; a <= DSN_DELIVERED; a++) {
		bool any = false;
		for (size_t i = 0; i < d->rcpts_n; i++) {
			if (d->rcpts[i].action != a)
				continue;
			if (!any)
				buf_printf(
				    out, "Your message of %s\n%s:\n\n", date, actions[a].outcome);
			any = true;
			put_people_rcpt(out, d, &d->rcpts[i]);
		}
		if (any)
			buf_printf(out, "%s\n\n", actions[a].follow);
	}
	if (action == DSN_DELAYED && d->retry_until != 0) {
		text_date_rfc5322(d->retry_until, date);
		buf_printf(out, "After %s it is given up.\n\n", date);
	}
	buf_printf(out, "%s is below.\n", d->full ? "Your message" : "The header of your message");
}

static void
put_status_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
	char date[64];

	buf_putc(out, '\n');
	if (r->orcpt != NULL) {
		buf_puts(out, "Original-Recipient: ");
		put_xtext(out, r->orcpt);
		buf_putc(out, '\n');
	}
	buf_printf(out, "Final-Recipient: %s; %s\n",
	    text_is_ascii(slice_str(r->address)) ? "rfc822" : "utf-8", r->address);
	buf_printf(out, "Action: %s\n", actions[r->action].action);
	buf_printf(out, "Status: %s\n",
	    r->enhanced[0] != '\0' ? r->enhanced : actions[r->action].enhanced);
	if (r->host[0] != '\0')
		buf_printf(out, "Remote-MTA: dns; %s\n", r->host);
	if (r->text[0] != '\0') {
		/* what a server said begins with its code */
		bool smtp = r->text[0] >= '2' && r->text[0] <= '5' && r->host[0] != '\0';
		buf_printf(out, "Diagnostic-Code: %s; ", smtp ? "smtp" : "x-mxtls");
		put_folded(out, r->text, 23, "    ", !dsn_is_global(d));
	}
	if (r->time != 0) {
		text_date_rfc5322(r->time, date);
		buf_printf(out, "Last-Attempt-Date: %s\n", date);
	}
	if (r->action == DSN_DELAYED && d->retry_until != 0) {
		text_date_rfc5322(d->retry_until, date);
		buf_printf(out, "Will-Retry-Until: %s\n", date);
	}
}

static void
put_status(struct buf *out, const struct dsn *d)
{
	char date[64];

	text_date_rfc5322(d->arrival, date);
	buf_printf(out, "Reporting-MTA: dns; %s\nX-Queue-ID: %s\n", d->host, d->id);
	if (d->envid != NULL) {
		buf_puts(out, "Original-Envelope-Id: ");
		put_xtext(out, d->envid);
		buf_putc(out, '\n');
	}
	buf_printf(out, "Arrival-Date: %s\n", date);
	for (size_t i = 0; i < d->rcpts_n; i++)
		put_status_rcpt(out, d, &d->rcpts[i]);
}

/* The parts' types: of RFC 3464 and 3462, or of RFC 6533 where addresses are not ASCII. */
static void
put_parts(struct buf *out, const struct dsn *d, enum dsn_action action, const char *boundary)
{
	bool global = dsn_is_global(d);

	buf_printf(out, "--%s\nContent-Type: text/plain; charset=utf-8\n%s\n", boundary,
	    global ? "Content-Transfer-Encoding: 8bit\n" : "");
	put_people(out, d, action);
	buf_printf(out, "\n--%s\nContent-Type: message/%sdelivery-status\n%s\n", boundary,
	    global ? "global-" : "", global ? "Content-Transfer-Encoding: 8bit\n" : "");
	put_status(out, d);
	buf_printf(out, "\n--%s\nContent-Type: %s\n%s\n", boundary,
	    d->full ? "message/rfc822" : "text/rfc822-headers",
	    d->has_8bit ? "Content-Transfer-Encoding: 8bit\n" : "");
	buf_append(out, d->original.p, d->original.n);
	buf_printf(out, "\n--%s--\n", boundary);
}

int
dsn_format(struct buf *out, const struct dsn *d)
{
	char boundary[80];
	enum dsn_action action = DSN_DELIVERED;

	/* the worst of them gives the report its name */
	for (size_t i = 0; i < d->rcpts_n; i++)
		if (d->rcpts[i].action < action)
			action = d->rcpts[i].action;
	snprintf(boundary, sizeof(boundary), "dsn=_%s=_%lld", d->id, (long long)d->now);
	put_head(out, d, action, boundary);
	buf_puts(out, "This is a report in parts, of RFC 3462.\n\n");
	put_parts(out, d, action, boundary);
	return out->full ? -1 : 0;
}

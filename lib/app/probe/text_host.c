/*
 * The session with one address as text for people.
 */
#include <string.h>

#include "app/probe/text_impl.h"
#include "base/text.h"

#define INDENT 4
#define GREETING_BYTES 512 /* of one line */
#define KEYWORDS_SHOWN 50

static void
write_banner(const struct host_facts *host, struct buf *out)
{
	struct slice rest = slice_str(host->banner);

	for (const char *name = "greeting"; rest.n > 0; name = "") {
		size_t end = slice_find(rest, '\n');
		probe_text_label(out, INDENT, name);
		if (name[0] != '\0')
			buf_printf(out, "%lld ", (long long)host->banner_code);
		text_escape(out, slice_sub(rest, 0, end), GREETING_BYTES);
		buf_putc(out, '\n');
		rest = slice_sub(rest, end + 1, rest.n);
	}
}

static const char *
starttls_text(const struct host_facts *host)
{
	switch (host->starttls_state) {
	case STARTTLS_NOT_OFFERED:
		return host->ehlo_unsupported ? "not possible: the server knows no EHLO"
					      : "not offered in a complete reply to EHLO";
	case STARTTLS_OFFERED:
		return "offered";
	case STARTTLS_REFUSED:
		return "offered, but refused";
	case STARTTLS_FAILED:
		if (host->post_220_bytes > 0)
			return "accepted, but with bytes in clear behind the reply";
		return host->implicit_tls ? "the handshake failed"
					  : "accepted, then the handshake failed";
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		return "done";
	case STARTTLS_UNKNOWN:
		break;
	}
	return "unknown";
}

static void
write_starttls(const struct host_facts *host, struct buf *out)
{
	probe_text_label(out, INDENT, host->implicit_tls ? "implicit TLS" : "STARTTLS");
	buf_puts(out, starttls_text(host));
	if (host->starttls_reply != NULL) {
		buf_puts(out, ": ");
		probe_text_put(out, host->starttls_reply);
	}
	if (host->post_220_bytes > 0)
		buf_printf(out, "; then %lld byte%s", (long long)host->post_220_bytes,
		    host->post_220_bytes == 1 ? "" : "s");
	buf_putc(out, '\n');
}

/* STARTTLS itself is not announced inside TLS: that is no removal. */
static void
without_starttls(const struct strs *list, struct strs *out, char *kept[], size_t room)
{
	out->v = kept;
	out->n = 0;
	for (size_t i = 0; i < list->n && out->n < room; i++)
		if (!slice_is_case(slice_str(list->v[i]), "STARTTLS"))
			kept[out->n++] = list->v[i];
}

static void
write_ehlo_tls(const struct host_facts *host, struct buf *out)
{
	struct strs removed = { NULL, 0, 0 };
	char *kept[128];

	without_starttls(&host->ext_removed, &removed, kept, sizeof(kept) / sizeof(kept[0]));
	if (host->ehlo.n > 0 && host->ehlo_tls.n > 0 && host->ext_added.n == 0 && removed.n == 0) {
		probe_text_line(out, INDENT, "EHLO in TLS",
		    host->ext_removed.n > 0 ? "the same, without STARTTLS" : "the same");
		return;
	}
	probe_text_list(out, INDENT, "EHLO in TLS", &host->ehlo_tls, KEYWORDS_SHOWN);
	if (host->starttls_state != STARTTLS_DONE)
		return;
	probe_text_list(out, INDENT, "only in TLS", &host->ext_added, KEYWORDS_SHOWN);
	probe_text_list(out, INDENT, "only in clear", &removed, KEYWORDS_SHOWN);
}

/* "connect 0.1 ms, greeting 12 ms, ...": as far as the session went. */
static void
write_times(const struct timing_facts *timing, struct buf *out)
{
	const struct {
		const char *name;
		double seconds;
	} rows[] = { { "connect", timing->connect }, { "greeting", timing->banner },
		{ "EHLO", timing->ehlo }, { "STARTTLS", timing->starttls },
		{ "handshake", timing->tls }, { "EHLO in TLS", timing->ehlo_tls } };
	bool any = false;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].seconds < 0)
			continue;
		if (!any)
			probe_text_label(out, INDENT, "times");
		buf_printf(out, "%s%s ", any ? ", " : "", rows[i].name);
		probe_text_seconds(out, rows[i].seconds);
		any = true;
	}
	if (any)
		buf_putc(out, '\n');
}

/* "  192.0.2.1 port 25: success (2 connections)" */
static void
write_head(const struct host_facts *host, struct buf *out)
{
	/* otherwise it is among the reasons */
	bool measured = host->starttls_state == STARTTLS_DONE ||
			host->starttls_state == STARTTLS_IMPLICIT ||
			host->starttls_state == STARTTLS_NOT_OFFERED;

	buf_puts(out, "  ");
	probe_text_put(out, host->ip);
	buf_printf(out, " port %lld: %s", (long long)host->port, host_status_str(host->status));
	if (host->error != NULL && measured) {
		buf_puts(out, ": ");
		probe_text_put(out, host->error);
	}
	if (host->attempts > 0)
		buf_printf(out, " (%lld connection%s)", (long long)host->attempts,
		    host->attempts == 1 ? "" : "s");
	buf_putc(out, '\n');
}

void
probe_text_host(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, int64_t now, struct buf *out)
{
	write_head(host, out);
	if (host->banner != NULL)
		write_banner(host, out);
	probe_text_list(out, INDENT, "EHLO", &host->ehlo, KEYWORDS_SHOWN);
	if (host->ehlo_unsupported)
		probe_text_line(out, INDENT, "EHLO", "not known to the server, only HELO");
	if (host->attempts > 0 && host->timing.connect >= 0 &&
	    (host->banner != NULL || host->starttls_state != STARTTLS_UNKNOWN))
		write_starttls(host, out);
	if (host->tls_n > 0)
		probe_text_line(
		    out, INDENT, "server name", host->sni == NULL ? "none asked for" : host->sni);
	for (size_t i = 0; i < host->tls_n; i++)
		probe_text_handshake(facts, mx, host, i, now, out);
	write_ehlo_tls(host, out);
	if (host->quit == TRI_NO)
		probe_text_line(out, INDENT, "QUIT", "got no 221");
	write_times(&host->timing, out);
	probe_text_deep(host, out);
}

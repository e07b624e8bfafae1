#include "app/listen/receive_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/listen/inbound_tell.h"
#include "base/clock.h"
#include "base/facts.h"
#include "base/log.h"
#include "base/text.h"
#include "dns/dns.h"

/* --- writing -------------------------------------------------------------------------------------- */

static void
write_facts(const struct inbound_facts *facts)
{
	struct buf line;

	/* a recipient is at most LIMIT_PATH_BYTES, of which each byte may become six (json_text) */
	buf_init(&line, 32768 + facts->to.n * (LIMIT_PATH_BYTES * 6 + 4));
	if (facts_write_json_brief(&fact_table_inbound_facts, facts, &line) == 0)
		log_record(buf_str(&line));
	buf_free(&line);
}

/* May a line about this event of this network be written? */
static bool
pass(struct receiver *r, const struct inbound_facts *facts, unsigned *dropped_r)
{
	char key[96];
	int n = snprintf(key, sizeof(key), "%s %s", inbound_event_str(facts->event),
	    facts->network != NULL ? facts->network : facts->peer);

	return flood_pass(&r->flood, slice_make(key, (size_t)n), clock_ms(), dropped_r);
}

/* One line as JSON, unless there are too many of its kind. */
static void
put(struct receiver *r, struct inbound_facts *facts)
{
	unsigned dropped = 0;

	if (facts->accepted != TRI_YES && !pass(r, facts, &dropped))
		return;
	facts->suppressed = dropped;
	write_facts(facts);
}

/* The same as text. */
__attribute__((format(printf, 3, 4))) static void
say(struct receiver *r, const struct inbound_facts *facts, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE_BYTES], more[64] = "";
	unsigned dropped = 0;
	va_list ap;

	if (facts->accepted != TRI_YES && !pass(r, facts, &dropped))
		return;
	if (dropped > 0)
		snprintf(more, sizeof(more), " (and %u lines like this before)", dropped);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (facts->event == INBOUND_SESSION)
		log_debug("%s: %s%s", facts->peer, text, more);
	else
		log_info("%s: %s%s", facts->peer, text, more);
}

/* --- facts ---------------------------------------------------------------------------------------- */

static char *
word(struct arena *arena, const char *text)
{
	return text[0] == '\0' ? NULL : arena_strdup(arena, text);
}

static void
peer_facts(struct arena *arena, const struct addr *peer, struct inbound_facts *f)
{
	char text[ADDR_TEXT_BYTES];

	addr_ip_str(peer, text);
	f->peer = arena_strdup(arena, text);
	addr_network_str(peer, 24, 48, text);
	f->network = arena_strdup(arena, text);
}

static void
session_facts(struct arena *arena, const struct smtp_session *s, enum inbound_event event,
    struct inbound_facts *f)
{
	facts_init_inbound_facts(f);
	f->event = event;
	f->time = clock_wall();
	f->peer = arena_strdup(arena, s->peer_ip);
	if (s->peer_known)
		peer_facts(arena, &s->peer, f);
	f->helo = word(arena, s->helo);
	f->tls = s->tls ? TRI_YES : TRI_NO;
	f->tls_version = word(arena, s->tls_version);
	f->tls_cipher = word(arena, s->tls_cipher);
	f->tls_group = word(arena, s->tls_group);
	f->tls_sni = word(arena, s->tls_sni);
	f->client_fingerprint = word(arena, s->client_fingerprint);
	f->client_subject = word(arena, s->client_subject);
	if (f->client_fingerprint != NULL)
		f->client_verified = s->client_verified ? TRI_YES : TRI_NO;
}

static void
sender_facts(struct arena *arena, const struct smtp_path *sender, struct inbound_facts *f)
{
	f->from = smtp_path_text(sender, arena);
	f->from_domain = arena_strdup(arena, "");
	if (sender->domain.n == 0)
		return;
	const char *name =
	    sender->literal ? NULL
			    : dns_name_normalize(arena_slice(arena, sender->domain), arena, NULL);
	f->from_domain =
	    name != NULL ? arena_strdup(arena, name) : arena_slice(arena, sender->domain);
	text_lower_str(f->from_domain);
}

static void
recipient_facts(struct arena *arena, const struct smtp_session *s, struct inbound_facts *f)
{
	for (size_t i = 0; i < s->recipients_n; i++)
		strs_add(&f->to, arena, smtp_path_text(&s->recipients[i], arena));
	f->recipients = (int64_t)s->recipients_n;
}

/* --- events --------------------------------------------------------------------------------------- */

static const char *
tls_text(const struct smtp_session *s)
{
	return s->tls ? s->tls_version : "in clear";
}

void
receive_log_message(struct receiver *r, const struct smtp_session *s, const char *id, bool accepted,
    const char *outcome)
{
	struct inbound_facts f;
	struct arena arena;

	arena_init(&arena);
	session_facts(&arena, s, INBOUND_MESSAGE, &f);
	sender_facts(&arena, &s->sender, &f);
	f.accepted = accepted ? TRI_YES : TRI_NO;
	f.recipients = (int64_t)s->recipients_n;
	f.bytes = (int64_t)s->message_bytes;
	f.id = word(&arena, id);
	f.outcome = arena_strdup(&arena, outcome);
	if (r->stats != NULL)
		inbound_stats_add(r->stats, &f);
	if (r->tell_fd >= 0)
		inbound_tell(r->tell_fd, &f);
	if (r->log_json) {
		recipient_facts(&arena, s, &f);
		put(r, &f);
	} else {
		say(r, &f, "message %s from <%s> for %zu, %llu bytes, %s%s%s: %s", id, f.from,
		    s->recipients_n, (unsigned long long)s->message_bytes, tls_text(s),
		    s->tls ? " " : "", s->tls ? s->tls_cipher : "", outcome);
	}
	arena_free(&arena);
}

static void
refused(struct receiver *r, const struct smtp_session *s, enum smtp_event event,
    const struct smtp_path *path, int code, const char *text)
{
	struct inbound_facts f;
	struct arena arena;

	arena_init(&arena);
	session_facts(&arena, s, INBOUND_REFUSED, &f);
	if (event == SMTP_EVENT_MAIL_REFUSED || s->mail)
		sender_facts(&arena, event == SMTP_EVENT_MAIL_REFUSED ? path : &s->sender, &f);
	if (event != SMTP_EVENT_MAIL_REFUSED && path != NULL)
		strs_add(&f.to, &arena, smtp_path_text(path, &arena));
	f.code = code;
	f.outcome = arena_strdup(&arena, text);
	if (r->log_json)
		put(r, &f);
	else
		say(r, &f, "refused%s%s%s%s%s%s: %d %s", f.from != NULL ? " from <" : "",
		    f.from != NULL ? f.from : "", f.from != NULL ? ">" : "",
		    f.to.n > 0 ? " to <" : "", f.to.n > 0 ? f.to.v[0] : "", f.to.n > 0 ? ">" : "",
		    code, text);
	arena_free(&arena);
}

void
receive_log_event(struct receiver *r, const struct smtp_session *s, enum smtp_event event,
    const struct smtp_path *path, int code, const char *text)
{
	struct inbound_facts f;
	struct arena arena;

	if (event == SMTP_EVENT_MESSAGE_REFUSED) {
		receive_log_message(r, s, "", false, text);
		return;
	}
	if (event != SMTP_EVENT_TLS_FAILED) {
		refused(r, s, event, path, code, text);
		return;
	}
	arena_init(&arena);
	session_facts(&arena, s, INBOUND_TLS_FAILED, &f);
	f.outcome = arena_strdup(&arena, text);
	if (r->log_json)
		put(r, &f);
	else
		say(r, &f, "STARTTLS: %s", text);
	arena_free(&arena);
}

void
receive_log_turned_away(struct receiver *r, const struct addr *peer, const char *reason)
{
	struct inbound_facts f;
	struct arena arena;

	arena_init(&arena);
	facts_init_inbound_facts(&f);
	f.event = INBOUND_TURNED_AWAY;
	f.time = clock_wall();
	peer_facts(&arena, peer, &f);
	f.outcome = arena_strdup(&arena, reason);
	if (r->log_json)
		put(r, &f);
	else
		say(r, &f, "turned away: %s", reason);
	arena_free(&arena);
}

void
receive_log_session(struct receiver *r, const struct smtp_session *s)
{
	struct inbound_facts f;
	struct arena arena;

	arena_init(&arena);
	session_facts(&arena, s, INBOUND_SESSION, &f);
	f.messages = s->messages;
	f.refusals = s->refusals;
	f.duration = (double)(clock_ms() - s->started_ms) / 1000;
	f.ended = word(&arena, s->ended == NULL ? "" : s->ended);
	if (r->log_json)
		put(r, &f);
	else if (log_wants(LOG_LEVEL_DEBUG))
		say(r, &f, "session of %s ended: %s, %u messages, %u commands, %s",
		    s->helo[0] == '\0' ? "nobody" : s->helo, s->ended == NULL ? "" : s->ended,
		    s->messages, s->commands, tls_text(s));
	arena_free(&arena);
}

void
receive_log_flush(struct receiver *r, bool all)
{
	struct inbound_facts f;
	char name[64];
	unsigned dropped;

	while (flood_next(&r->flood, all ? INT64_MAX : clock_ms(), name, &dropped)) {
		if (!r->log_json) {
			log_info("%u lines left out: %s", dropped, name);
			continue;
		}
		facts_init_inbound_facts(&f);
		f.event = INBOUND_NOTE;
		f.time = clock_wall();
		f.outcome = name;
		f.suppressed = dropped;
		write_facts(&f);
	}
}

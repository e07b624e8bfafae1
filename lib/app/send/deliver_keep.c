#include "app/send/deliver_keep.h"

#include <stdlib.h>
#include <string.h>

#include "app/send/deliver_impl.h"
#include "app/send/throttle.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/sched.h"

#define KEY_BYTES (64 * 1024) /* of a key that is longer nothing is kept */

struct deliver_keep {
	struct deliver_conn *idle; /* the last one used first: it is the least likely to be gone */
	size_t all;                /* with those in use */
};

struct deliver_keep *
deliver_keep_new(void)
{
	struct deliver_keep *keep = mem_alloc(sizeof(*keep));

	keep->idle = NULL;
	keep->all = 0;
	return keep;
}

void
deliver_keep_free(struct deliver_keep *keep)
{
	free(keep);
}

/* --- one connection --------------------------------------------------------------------------------- */

struct deliver_conn *
deliver_conn_new(struct deliver_group *g)
{
	struct deliver_conn *c;

	if (g->options->keep == NULL) {
		c = arena_alloc(g->arena, sizeof(*c));
		c->arena = g->arena;
	} else {
		c = mem_alloc(sizeof(*c));
		memset(c, 0, sizeof(*c));
		c->arena = &c->own;
		arena_init(c->arena);
		c->keep = g->options->keep;
		c->keep->all++;
	}
	facts_init_host_facts(&c->facts);
	c->place = -1;
	return c;
}

void
deliver_conn_close(struct deliver_conn *c, const struct fail *why)
{
	/* first: closing waits, and others look at the number meanwhile */
	if (c->keep != NULL)
		c->keep->all--;
	if (c->begun)
		session_close(&c->session, why);
	throttle_leave(c->place);
	if (c->keep == NULL)
		return;
	free(c->key);
	arena_free(&c->own);
	free(c);
}

/* --- the key ---------------------------------------------------------------------------------------- */

static void
put_address(struct buf *key, const struct addr *addr)
{
	char text[ADDR_TEXT_BYTES] = "-";

	if (addr != NULL)
		addr_str(addr, text);
	buf_printf(key, " %s", text);
}

static void
put_text(struct buf *key, const char *text)
{
	if (text == NULL)
		buf_puts(key, " -");
	else
		buf_printf(key, " %zu:%s", strlen(text), text);
}

/* Everything that decide() reads of it. Rules live as long as the process. */
static void
put_demand(struct buf *key, const struct demand *d)
{
	buf_printf(key, "\ndemand %d%d%d%d%d%d%d%d %d %d", d->want_tls, d->need_tls, d->dane,
	    d->sts, d->pkix, d->require_tls, d->strict, d->lowered, d->fallback, d->min);
	put_text(key, d->host);
	put_text(key, d->nexthop);
	for (size_t i = 0; i < d->rules_n; i++)
		buf_printf(key, " %p", (const void *)d->rules[i]);
}

static void
put_tlsa(struct buf *key, const struct deliver_host *host)
{
	const struct tlsa_facts *tlsa = &host->facts.tlsa;

	buf_printf(key, "\ntlsa %d %d", host->tlsa_known, tlsa->status);
	put_text(key, tlsa->base_domain);
	for (size_t i = 0; i < tlsa->records_n; i++) {
		const struct tlsa_record_facts *r = &tlsa->records[i];
		buf_printf(key, " %d %d %d %d", (int)r->usage, (int)r->selector,
		    (int)r->matching_type, r->usable);
		put_text(key, r->data);
	}
}

char *
deliver_keep_key(
    const struct deliver_attempt *a, const struct session_options *options, const struct addr *to)
{
	const struct deliver_group *g = a->g;
	struct buf key;

	buf_init(&key, KEY_BYTES);
	buf_puts(&key, "to");
	put_address(&key, to);
	put_text(&key, a->host->mx->name);
	put_text(&key, rule_nexthop(&g->rule, g->domain));
	put_text(&key, options->sni);
	put_address(&key, options->dial.source);
	/* the TLS context is made of these, too */
	buf_printf(&key, "\nrule %p %p %p %d %d", (const void *)g->origin,
	    (const void *)g->options->via, (const void *)options->trust, options->implicit_tls,
	    options->auth_level);
	buf_printf(&key, " %d %u", g->mx_dnssec, options->dial.refuse);
	put_text(&key, g->rule.auth);
	put_demand(&key, &a->demand);
	put_tlsa(&key, a->host);
	if (!key.full)
		return buf_steal(&key);
	buf_free(&key);
	return NULL;
}

/* --- the idle ones ---------------------------------------------------------------------------------- */

/* Whether the message may leave on it, by what was found out when it was made. */
static bool
is_allowed(const struct deliver_attempt *a, const struct deliver_conn *c)
{
	struct decision d;

	decide(&a->demand, &c->facts, deliver_leaf(c), a->g->age_s, false, &d);
	return d.action == (c->session.in_tls ? DECIDE_DELIVER_TLS : DECIDE_DELIVER_CLEAR);
}

static bool
is_worn(const struct deliver_conn *c)
{
	int64_t now = clock_ms();

	return c->transactions >= c->most || now - c->begun_ms >= DELIVER_KEEP_MS ||
	       now - c->used_ms >= DELIVER_KEEP_IDLE_MS;
}

static void
close_idle(struct deliver_conn *c)
{
	struct fail none;

	fail_clear(&none);
	c->session.deadline = DEADLINE_NEVER; /* QUIT has a bound of its own */
	deliver_conn_close(c, &none);
}

struct deliver_conn *
deliver_keep_take(struct deliver_keep *keep, const struct deliver_attempt *a, const char *key)
{
	for (struct deliver_conn **at = &keep->idle; *at != NULL; at = &(*at)->next) {
		struct deliver_conn *c = *at;
		if (strcmp(c->key, key) != 0)
			continue;
		*at = c->next;
		if (!is_worn(c) && is_allowed(a, c)) {
			c->session.deadline = a->g->deadline;
			return c;
		}
		/* closing waits: others may have changed the list meanwhile */
		close_idle(c);
		return deliver_keep_take(keep, a, key);
	}
	return NULL;
}

int
deliver_keep_place(struct deliver_keep *keep, const struct rule *origin)
{
	for (struct deliver_conn **at = &keep->idle; *at != NULL; at = &(*at)->next) {
		struct deliver_conn *c = *at;
		if (c->place < 0 || c->origin != origin)
			continue;
		*at = c->next;
		int place = c->place;
		c->place = -1;
		close_idle(c);
		return place;
	}
	return -1;
}

bool
deliver_keep_put(struct deliver_keep *keep, struct deliver_conn *c)
{
	if (keep == NULL || c->key == NULL || !c->in_step || c->session.client.conn == NULL ||
	    sched_stopping())
		return false;
	c->used_ms = clock_ms();
	if (is_worn(c))
		return false;
	/* of the message that is over */
	c->session.options.exchange = NULL;
	c->next = keep->idle;
	keep->idle = c;
	return true;
}

void
deliver_keep_trim(struct deliver_keep *keep, size_t most)
{
	struct deliver_conn *c;

	while (keep->all > most && (c = keep->idle) != NULL) {
		keep->idle = c->next;
		close_idle(c);
	}
}

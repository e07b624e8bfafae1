#include "app/probe/address.h"

#include <string.h>

#include "app/probe/session.h"
#include "base/clock.h"
#include "base/limits.h"
#include "io/io.h"
#include "policy/verdict.h"

#define BACK_OFF_MS 1000     /* before the first retry; then twice as long each time */
#define BACK_OFF_MAX_MS 8000 /* greylisting wants minutes, which a probe does not wait */

/* --- key types ----------------------------------------------------------------------------------- */

enum key_type
probe_other_key(const struct host_facts *facts, const struct cert_facts *certs, size_t certs_n)
{
	if (facts->tls_n == 0 || facts->tls[0].complete != TRI_YES)
		return KEY_ANY;
	const struct cert_facts *leaf = facts_leaf(certs, certs_n, &facts->tls[0]);
	if (leaf == NULL)
		return KEY_ANY;
	return leaf->key_type == KEY_RSA ? KEY_ECDSA : KEY_RSA;
}

/*
 * DECISIONS C21: a second handshake that fails means that there is no such certificate, unless
 * it failed for another reason. A server may also ignore what was asked for.
 */
static enum key_status
key_status(const struct tls_facts *tls, const struct host_facts *session,
    const struct cert_facts *certs, size_t certs_n)
{
	if (tls->complete == TRI_YES) {
		const struct cert_facts *leaf = facts_leaf(certs, certs_n, tls);
		return tls->offer == KEY_ANY || (leaf != NULL && leaf->key_type == tls->offer)
			   ? KEY_STATUS_PRESENT
			   : KEY_STATUS_ABSENT;
	}
	if (tls->complete == TRI_UNKNOWN || session->status == HOST_IO_TIMEOUT ||
	    session->status == HOST_CANCELLED || tls->offer == KEY_ANY)
		return KEY_STATUS_UNKNOWN;
	return KEY_STATUS_ABSENT;
}

/* --- sessions ------------------------------------------------------------------------------------ */

/* False when nothing more may be kept of this target. */
static bool
session(struct address_job *job, enum key_type keys, struct host_facts *facts, int64_t deadline)
{
	facts_init_host_facts(facts);
	facts->ip = job->facts->ip;
	facts->port = job->facts->port;
	if (job->arena->bytes >= LIMIT_TARGET_BYTES) {
		facts->error =
		    arena_strdup(job->arena, "the other servers of this target have said too much");
		return false;
	}
	probe_session(job->session, job->to, job->host, job->domain, keys, job->arena, facts,
	    job->certs, job->certs_n, deadline);
	return true;
}

/* How far a session came that measured nothing. */
static int
progress(const struct host_facts *facts)
{
	if (facts->starttls_state != STARTTLS_UNKNOWN)
		return 3;
	return facts->ehlo_code >= 0 ? 2 : facts->banner_code >= 0 ? 1 : 0;
}

/* True when there is nothing left to try. */
static bool
first_session(struct address_job *job, int64_t deadline)
{
	struct host_facts try;
	int64_t before = job->facts->attempts;
	bool may = session(job, KEY_ANY, &try, deadline);

	if (try.tls_n > 0)
		try.tls[0].key_status = key_status(&try.tls[0], &try, *job->certs, *job->certs_n);
	try.attempts += before;
	if (before == 0 || try.status == HOST_CANCELLED || verdict_host_measured(&try) ||
	    progress(&try) >= progress(job->facts))
		*job->facts = try;
	job->facts->attempts = try.attempts;
	return !may;
}

/* What the second session adds is one entry of tls, whatever came of it. */
static bool
second_session(struct address_job *job, enum key_type keys, int64_t deadline)
{
	struct host_facts try;
	bool may = session(job, keys, &try, deadline);
	struct tls_facts *entry = job->facts->tls_n > 1 ? &job->facts->tls[1]
							: arena_push(job->arena, &job->facts->tls,
							      &job->facts->tls_n, sizeof(*entry));

	facts_init_tls_facts(entry);
	if (try.tls_n > 0)
		*entry = try.tls[0];
	entry->offer = keys;
	entry->key_status = key_status(entry, &try, *job->certs, *job->certs_n);
	if (entry->complete != TRI_YES && entry->error == NULL)
		entry->error = try.starttls_state == STARTTLS_NOT_OFFERED
				   ? arena_strdup(job->arena, "STARTTLS was not offered this time")
				   : try.error;
	job->facts->attempts += try.attempts;
	if (try.status == HOST_CANCELLED)
		job->facts->status = HOST_CANCELLED;
	return !may;
}

static bool
second_wanted(const struct address_job *job)
{
	const struct host_facts *facts = job->facts;

	return job->both_keys &&
	       (facts->tls_n < 2 || facts->tls[1].key_status == KEY_STATUS_UNKNOWN) &&
	       probe_other_key(facts, *job->certs, *job->certs_n) != KEY_ANY;
}

/* One try at everything that is not known yet; true when there is nothing left to try. */
static bool
try_once(struct address_job *job)
{
	int64_t queued = clock_ms();

	if (gate_enter(job->turn, DEADLINE_NEVER, NULL) != 0) {
		job->facts->status = HOST_CANCELLED;
		return true;
	}
	/* the time in the queue is nobody's fault but ours */
	job->deadline += clock_ms() - queued;
	bool over = false;
	if (!verdict_host_measured(job->facts))
		over = first_session(job, job->deadline);
	if (!over && job->facts->status != HOST_CANCELLED && second_wanted(job))
		over = second_session(
		    job, probe_other_key(job->facts, *job->certs, *job->certs_n), job->deadline);
	gate_leave(job->turn);
	return over || job->facts->status == HOST_CANCELLED;
}

/* --- tries ---------------------------------------------------------------------------------------- */

bool
probe_worth_retry(const struct host_facts *facts)
{
	switch (facts->status) {
	case HOST_BLOCKLISTED:         /* our own decision */
	case HOST_CONNECT_UNREACHABLE: /* no packet has left this host */
	case HOST_CANCELLED:
	case HOST_NOT_TRIED:
	case HOST_DNS_ERROR:
		return false;
	default:
		return !verdict_host_measured(facts);
	}
}

/* False when the deadline or a stop leaves no time for another try. */
static bool
back_off(struct address_job *job, unsigned try)
{
	int64_t pause = try < 4 ? (int64_t)BACK_OFF_MS <<
	try : BACK_OFF_MAX_MS
		;
	int64_t until = clock_deadline(pause < BACK_OFF_MAX_MS ? pause : BACK_OFF_MAX_MS);

	if (until >= job->deadline)
		return false;
	if (io_sleep(until, NULL) == 0)
		return true;
	job->facts->status = HOST_CANCELLED;
	return false;
}

void
probe_address(struct address_job *job)
{
	for (unsigned try = 0; !try_once(job); try++) {
		if (try == job->retries || !(probe_worth_retry(job->facts) || second_wanted(job)) ||
		    !back_off(job, try))
			return;
	}
}

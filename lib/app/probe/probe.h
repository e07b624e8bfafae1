#ifndef APP_PROBE_H
#define APP_PROBE_H

#include "app/probe/policy.h"
#include "app/probe/session.h"
#include "app/target.h"
#include "policy/bar.h"
#include "policy/mx.h"

/*
 * Probing targets: from a target to MX hosts, to addresses, to one session with each, to a record
 * with a verdict. All addresses of a target at the same time, but one session at a time at each
 * address, whichever target it is for (DECISIONS C20). Runs with and without fibers.
 */

struct probe_options {
	struct session_options session; /* its dial.refuse is set by target */
	struct dns_resolver *resolver;  /* NULL: every target is an address */
	enum mx_family family;
	bool first_mx;    /* of the MX hosts only the one that a sender would try first */
	bool both_keys;   /* ask each address for an RSA and an ECDSA certificate (DECISIONS C21) */
	unsigned retries; /* of probe_address */
	uint16_t port;    /* of targets that name none; 0: 25, or 465 with implicit TLS */
	int64_t deadline_ms; /* for one target; waiting for our own other sessions is free */
	bool allow_private;  /* private addresses from DNS, too (DECISIONS A9) */
	bool lookup_only;    /* no session: hosts stay not-tried */
	bool no_dane;        /* TLSA records are not looked up */
	bool caa;            /* CAA records of the MX hosts are looked up */
	struct probe_policy policy;
	uint32_t seed;        /* mx_lookup */
	unsigned concurrency; /* targets at once */
	int64_t grace_ms;     /* what sessions have left after the first INT or TERM */
	struct bar bar;       /* what is asked of a target; certificates as of session.at */

	/* The deep look at each address that has STARTTLS, behind its session and on time of its own. */
	unsigned enum_what;   /* of enum enum_what; 0: none */
	bool check_injection; /* app/probe/injection.h */
	int64_t pace_ms;      /* between two connections to one address */
};

/*
 * Where targets come from: the next one, its strings in arena; false when there is none left.
 * Must not wait.
 */
typedef bool probe_next_fn(void *ctx, struct arena *arena, struct target *target_r);
/*
 * A target is done. number: in the order of probe_next_fn, from 0. facts is gone when this
 * returns; NULL when the target was stopped before its end. Must not wait.
 */
typedef void probe_done_fn(void *ctx, size_t number, const struct target_facts *facts);

/*
 * Probe all targets; done is called once for each, in the order in which they end. Runs the
 * scheduler. After INT or TERM no new target is begun (see signals_stop_seen), and after
 * sched_stop.
 */
void
probe_run(const struct probe_options *options, probe_next_fn *next, probe_done_fn *done, void *ctx);

/*
 * What everything that was found out about a target comes to: advice, verdict and what is asked of
 * it, into facts.
 */
void
probe_judge(const struct probe_options *options, struct target_facts *facts, struct arena *arena);

/* The port to connect to: the target's own, that of the options, or the usual one. */
uint16_t probe_port(const struct probe_options *options, const struct target *target);

/*
 * With --mx=first: of n >= 1 hosts the one that a sender would try first. Among equals that is a
 * matter of chance for a sender, but here the same one each time, so that two probes can be compared.
 */
void probe_keep_first(struct mx_list *list);

#endif

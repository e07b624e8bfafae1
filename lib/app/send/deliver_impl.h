#ifndef APP_SEND_DELIVER_IMPL_H
#define APP_SEND_DELIVER_IMPL_H

#include "app/send/deliver.h"
#include "app/send/deliver_keep.h"
#include "app/session.h"
#include "base/limits.h"
#include "policy/decide.h"
#include "policy/mx.h"
#include "tls/verify.h"

/* Private to deliver*.c: an address that may be tried again in clear, when no host works over TLS. */
struct deliver_later {
	struct deliver_host *host;
	struct addr addr;
};

#define DELIVER_SIGNATURE_BYTES 16384

/* Recipients that go the same way. */
struct deliver_group {
	const struct deliver_options *options;
	const struct message *message;
	struct arena *arena;
	int64_t deadline;

	const char *domain; /* of the recipients; with a smarthost of all, only for reports */
	struct rule rule;   /* by value: --via changes it */
	const struct rule *origin; /* as matched, for reports */
	bool literal;              /* domain is an address literal */
	bool local;                /* users of this host: deliver_local */
	struct slice
	    signature; /* fields in front of the text; of at most DELIVER_SIGNATURE_BYTES */
	struct deliver_result **members;
	size_t n;

	struct tls_ctx *tls[2]; /* by demand.strict; found when first needed */
	struct tls_trust *trust;
	enum dnssec mx_dnssec; /* of what led to the hosts; SECURE: the administrator named them */
	int64_t age_s;         /* of the message */
	struct sticky_entry sticky; /* what was seen of it before, once it was looked up */
	bool sticky_known, sticky_failed;
	struct sts_facts sts; /* of the domain, once it was asked for */
	bool sts_known, sts_failed;
	struct deliver_look *look; /* not NULL: no message is sent, this tells what would be */
	bool other_failure; /* of a host that could not be asked: the policy is not to blame */
	struct deliver_later *later;
	size_t later_n;
};

/* Whether mail to a domain is for users of this host, and the delivery of such a group. */
bool deliver_is_local(const struct deliver_options *options, const char *domain);
void deliver_local(struct deliver_group *g);
/*
 * Mail to this host's own name that no MX takes is for its users, too: it is kept until somebody says where
 * that goes, not bounced as a mail loop. After a group's end.
 */
void deliver_own_name(struct deliver_group *g);

/* What was found out at one address instead of sending there. */
struct deliver_look {
	struct decision decision;
	struct host_facts facts;
	struct fail why;
};

/* An MX host of a group's next hop. */
struct deliver_host {
	const struct mx_host *mx;
	struct exchange_facts facts; /* addresses and TLSA records */
	bool tlsa_known;
	bool dane_asked, sts_asked; /* at the address tried last: its rules use what is published */
	bool
	    one_by_one; /* never ask for several things together (RFC 2920): a rule says so, or it broke off */
	bool told; /* for reports: that it is not connected to */
};

/* The rule of a recipient's group: --via takes the place of the rule's own route, never of its level. */
struct rule deliver_effective_rule(const struct deliver_options *options, const struct rule *rule);
/* The trust store of the rule, or of the options. Fails with TLS_CONFIG. */
int deliver_set_up_trust(struct deliver_group *g, struct fail *why);
/* The hosts of the next hop, best first; sets mx_dnssec. Fails as mx_lookup and mx_list_check. */
int deliver_find_hosts(struct deliver_group *g, struct mx_list *list_r, struct fail *why);
/* The addresses of a host in the order to try them; fills host->facts. Fails as mx_addresses. */
int deliver_addresses(struct deliver_group *g, struct deliver_host *host, struct addr **addrs_r,
    size_t *n_r, struct fail *why);

/* Members without a final answer: not tried, or deferred in a way that another host may mend. */
size_t deliver_pending(const struct deliver_group *g);

/*
 * End every pending member, deferred or failed: by what a host said to it, where one did, else by why. NULL:
 * every host was found and asked.
 */
void deliver_fail_pending(struct deliver_group *g, const struct fail *why);

/*
 * The mx: and ip: rules at an address, without the group's own. As of rules_constraints, of at most
 * LIMIT_CONSTRAINTS + 1.
 */
size_t deliver_constraints(const struct deliver_group *g, const struct deliver_host *host,
    const struct addr *to, const struct rule *out[LIMIT_CONSTRAINTS + 1]);

/* What is demanded at one address of a host; asks for its TLSA records where they count. */
void deliver_demand(struct deliver_group *g, struct deliver_host *host, const struct addr *to,
    struct demand *demand_r);

/*
 * The MTA-STS policy of the group's domain anew, since a message is about to fail for good by it (RFC 8461 s5.1).
 * True when it is another one now.
 */
bool deliver_sts_changed(struct deliver_group *g);

/*
 * Try one address of one host for all pending members, as far as the demand allows it. clear_retry: as of
 * decide(). The action of the last decision tells whether the policy allows another connection to this
 * address in clear: now (RECONNECT_CLEAR), or when no host works over TLS (clear_later).
 */
void deliver_try(struct deliver_group *g, struct deliver_host *host, const struct addr *to,
    bool clear_retry, struct decision *last_r);

/* --- one connection ------------------------------------------------------------------------------- */

/*
 * A session and what was found out about it, in an arena of its own where it may outlive the message
 * (deliver_options.keep); else in the group's.
 */
struct deliver_conn {
	struct deliver_conn *next; /* among the idle ones */
	struct deliver_keep *keep; /* NULL: ends with the message */
	struct arena own, *arena;
	struct session session;
	struct host_facts facts;
	struct cert_facts *certs;
	size_t certs_n;
	struct addr to;
	char *key;                 /* of deliver_keep_key; NULL: not to be kept */
	const struct rule *origin; /* whose place it has */
	int place;                 /* of throttle_enter; -1: none */
	bool begun;                /* session is initialised */
	bool logged_in;
	bool in_step; /* the last transaction came to its end, and another may follow */
	bool unended; /* ... but for a RSET */
	unsigned transactions, most; /* begun; as many as there may be */
	int rcpt_most; /* recipients that it has taken at once when more were too many; 0: not known */
	int64_t begun_ms, used_ms;
};

struct deliver_attempt {
	struct deliver_group *g;
	struct deliver_host *host;
	struct demand demand;
	struct deliver_conn *c;
	const char *clear_reason;
	/* of each member: accepted in this transaction; has had its word at this address */
	bool *in, *asked;
	bool *now; /* ... by a reply in this transaction */
	/*
	 * The connection has carried a transaction, and does not take this one: that says nothing about this
	 * message, which goes on over a new connection
	 */
	bool again;
};

/* A new one, with nothing begun; and its end, with its place. why: as session_close. */
struct deliver_conn *deliver_conn_new(struct deliver_group *g);
void deliver_conn_close(struct deliver_conn *c, const struct fail *why);
/* The certificate of its last handshake; NULL: none. */
const struct cert_facts *deliver_leaf(const struct deliver_conn *c);

/* What a connection that the attempt would make with these options is good for: a heap string, NULL when too long. */
char *deliver_keep_key(
    const struct deliver_attempt *a, const struct session_options *options, const struct addr *to);
/* An idle connection with that key, on which the message may leave; NULL: none. */
struct deliver_conn *
deliver_keep_take(struct deliver_keep *keep, const struct deliver_attempt *a, const char *key);
/* The place of an idle connection of the rule, which is closed for it; -1: there is none. */
int deliver_keep_place(struct deliver_keep *keep, const struct rule *origin);
/* Keep it, if it is good for more: true. */
bool deliver_keep_put(struct deliver_keep *keep, struct deliver_conn *c);

/* Where a failure came: it tells what a 5xx is about. */
enum deliver_stage {
	STAGE_SESSION, /* before MAIL: about the host, never about the message */
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_TEXT,
	STAGE_UNANSWERED /* the final dot was sent, no reply came */
};

/*
 * The transactions of a connection that the decision lets the message leave on: every pending member gets
 * its answer, or the reason why not.
 */
void deliver_transactions(struct deliver_attempt *a, struct fail *why);

/* Members whose fate this connection can still change. */
bool deliver_is_eligible(const struct deliver_attempt *a, size_t i);
bool deliver_any_eligible(const struct deliver_attempt *a);

/*
 * What MAIL says beside the sender. -1: no transaction can be begun, every eligible member has got why: SMTPUTF8,
 * MESSAGE_TOO_BIG.
 */
#define DELIVER_MAIL_PARAMS_BYTES (LIMIT_ENVID_BYTES + 160)
int deliver_envelope_params(
    struct deliver_attempt *a, char out[DELIVER_MAIL_PARAMS_BYTES], struct fail *why);
/*
 * MAIL, RCPT for the eligible members, DATA; a->in tells who was accepted, those refused have their word. Returns 1
 * when the server waits for the text, 0 when nobody is to get it (the transaction is still open), -1 when the session
 * is over: with a->again when the message goes on over another one.
 */
int deliver_envelope(struct deliver_attempt *a, const char *params, struct fail *why);

/*
 * A failure of one member, r. A permanent refusal is final; anything else leaves it pending for the next address, with
 * the reason kept in case there is none; without an answer to the final dot it is deferred, since another host could
 * deliver it twice (RFC 1047).
 */
void deliver_note_failure(const struct deliver_attempt *a, struct deliver_result *r,
    const struct fail *why, enum deliver_stage stage);
/*
 * Whether a failure only says that a connection which has carried others is at its end: it was closed, timed out,
 * or is refused further messages. Then the message goes on over a new one, and a->again is set.
 */
bool deliver_is_worn_out(struct deliver_attempt *a, const struct fail *why);

/*
 * A failure of every member that this connection can still change; in not NULL: of those it marks.
 */
void deliver_note_failure_all(const struct deliver_attempt *a, const bool *in,
    const struct fail *why, enum deliver_stage stage);

/* Write down what the session counts as in a report about TLS (RFC 8460), where results are kept. */
void deliver_note_tls(struct deliver_attempt *a, const struct addr *to);

/* A context and a trust store for these options; the process keeps them. Fail as their makers. */
struct tls_ctx *deliver_tls_ctx(const struct tls_client_options *options, struct fail *why);
struct tls_trust *deliver_tls_trust(const char *ca_file, const char *ca_dir, struct fail *why);

#endif

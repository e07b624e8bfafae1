#ifndef APP_SEND_DELIVER_H
#define APP_SEND_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "app/message/message.h"
#include "base/facts.h"
#include "dns/dns.h"
#include "policy/mtasts_lookup.h"
#include "policy/rules.h"
#include "policy/sticky.h"

/*
 * Delivery of one message: its recipients are grouped by next hop and rule, each group goes to the
 * hosts of its next hop in order (RFC 5321 s5), happy path, next address, next MX, until every
 * recipient has a final answer or nobody is left to ask. What may travel in clear is
 * decided by policy/decide.h, nowhere else. Nothing is queued: what could not be delivered now is the
 * caller's to tell.
 */

enum deliver_status {
	DELIVER_PENDING,  /* not tried (yet) */
	DELIVER_DONE,     /* a complete 2xx to the end of data */
	DELIVER_DEFERRED, /* may work later */
	DELIVER_FAILED    /* will not */
};
const char *deliver_status_str(enum deliver_status status);

/* What happened to one recipient. Strings live in the arena of deliver(). */
struct deliver_result {
	const struct message_recipient *to;
	enum deliver_status status;
	struct fail why;   /* code NONE when delivered */
	int exit_status;   /* sysexits; 0 when delivered */
	char enhanced[16]; /* RFC 3463: the server's, or ours */
	const char *reply; /* the server's last word about this recipient, NULL without */
	const struct rule *rule;
	enum rule_level level; /* the rule's, or more than it where --via logs in */
	const char *via;       /* smarthost; NULL: straight to the domain's hosts */
	const char *exchange;  /* host name, NULL when none was reached */
	char ip[ADDR_TEXT_BYTES];
	int port;
	const struct tls_facts
	    *tls; /* of the session that the outcome comes from; NULL: in clear, or none */
	enum starttls_state starttls; /* at the address above */
	/* of decide_protection: dane, sts, pkix, pin, enc, none; NULL when not delivered */
	const char *protection;
	bool lowered;             /* a rule with lower=yes took the place of rule's level */
	const char *clear_reason; /* why it went in clear; NULL when it did not */
	bool maybe_duplicate; /* the connection was lost between final dot and reply (RFC 1047) */
	bool
	    dsn_passed; /* delivered, and the server sends the DSNs from here on (RFC 3461 s5.2.1) */
};

struct local;
struct dkim;
struct deliver_keep;
struct deliver_options {
	struct dns_resolver *resolver;
	struct sticky_store *sticky; /* for sticky=yes; NULL: such rules defer */
	const char *throttle_dir;    /* of app/send/throttle.h, for concurrency= and rate= */
	const char *tlsrpt_dir;      /* of app/send/tlsrpt_store.h; NULL: results are not kept */
	struct mtasts *mtasts;       /* NULL: MTA-STS policies are not looked for */
	const struct rules *rules;
	const struct rule *via; /* of --via: its host replaces that of every rule; NULL: none */
	const char *ca_file, *ca_dir; /* where a rule names none; NULL: the system's */
	const struct dkim
	    *dkim; /* signs what leaves this host (app/message/dkim.h); NULL: nobody */
	const struct local *local; /* mail for users of this host (app/store/local.h); NULL: kept */
	const char *helo;          /* FQDN or literal; NULL: the literal of our end */
	uint16_t port;             /* of MX hosts */
	int64_t
	    timeout_ms; /* for connecting at most 30 s of it; each reply; twice it for the final one */
	bool verbose; /* the dialogue on stderr */
	bool
	    last_try; /* what is deferred now fails for good: by no MTA-STS policy that may be an old one */
	uint32_t seed; /* order of equal MX hosts */
	/* connections for further messages (app/send/deliver_keep.h); NULL: each ends with its message */
	struct deliver_keep *keep;
	/*
	 * Called when recipients have got the message, as soon as the server has said so and before
	 * anything else is done on that connection: the place to write it down. NULL: none.
	 */
	void (*delivered)(void *ctx, struct deliver_result *const *results, size_t n);
	void *delivered_ctx;
};

/*
 * Deliver to all recipients; results has message->recipient_n elements and is filled completely, in the
 * order of the recipients. Inside sched_run groups go in parallel. Blocks on the disk when it reads the text.
 */
void deliver(const struct deliver_options *options, const struct message *message,
    struct deliver_result *results, struct arena *arena, int64_t deadline);

/* Worst of all: 75 beats 64-78, which beat 0. */
int deliver_exit(const struct deliver_result *results, size_t n);

/* One line for people (no newline), and one JSON object. */
void deliver_result_text(const struct deliver_result *r, struct buf *out);
void deliver_result_json(const struct deliver_result *r, struct buf *out);

/*
 * Pure: exit status of a permanent refusal by its enhanced status ("" without) and code. in_rcpt:
 * it was said to RCPT.
 */
int deliver_refusal_exit(int code, const char *enhanced, bool in_rcpt);

#endif

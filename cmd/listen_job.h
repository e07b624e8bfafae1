#ifndef CMD_LISTEN_JOB_H
#define CMD_LISTEN_JOB_H

#include "app/listen/address.h"
#include "app/listen/inbound_stats.h"
#include "app/listen/listener.h"
#include "app/listen/receive.h"
#include "app/listen/tls_files.h"
#include "app/store/commit.h"
#include "io/sandbox.h"
#include "listen_fault.h"
#include "policy/rules.h"

/* What the command line of listen says, and what is made of it. */
enum { LOG_TEXT, LOG_JSON };

struct listen_options {
	const char *hostname, *queue, *policy, *log_to, *client_ca, *stats, *clear_folder,
	    *user; /* NULL: not given */
	struct strs deliver, certs, keys, accept, relay_from, faults, allow, exempt;
	int64_t max_size, max_recipients, max_messages, max_errors, max_connections,
	    max_connections_per_address, max_connections_per_minute, stop_after;
	int64_t timeout_ms, lifetime_ms, handshake_ms, drain_ms, commit_helpers, command_ms,
	    fault_seed, workers;
	struct queue_bounds bounds;
	const char *fault_ca;                        /* NULL: not given */
	int tls, min_tls, client_cert, log, verbose; /* min_tls: enum tls_version */
	int bare_lf;                                 /* 1: normalize */
	bool self_signed, implicit_tls, mark, stdio, fault_anywhere, list_fields, self_check;
};

struct listen_job {
	struct listener listener;
	struct receiver receiver;
	struct smtp_server_config
	    config; /* of --stdio, and what those of the addresses are made of */
	struct smtp_server_config configs[LISTEN_ADDRESSES];
	struct listen_address addresses[LISTEN_ADDRESSES];
	struct tls_files tls;
	struct exclude allow;
	struct rules *rules;
	struct listen_faults faults;
	struct inbound_stats stats;
	const char *stats_path; /* NULL: only told */
	uint64_t stats_written; /* messages by then */
	int64_t stats_at;       /* when it is due again */
	struct commit commit;
	unsigned commit_helpers;
	struct user user;
	bool has_user;
	struct fail why;
	bool stdio;
	int ret;
};

/* A new one, with nothing in it yet. The caller's to free, by the second. */
struct listen_job *listen_job_new(void);
void listen_job_free(struct listen_job *job);

/*
 * Everything that serving needs, up to the open sockets; with stdio or self_check without them. Prints where it
 * listens. On failure, with why in job, listen_job_free takes away what is there.
 */
int listen_job_set_up(struct listen_job *job, const struct listen_options *options,
    const struct strs *operands, struct arena *arena);

#endif

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/survey/exclude.h"
#include "app/identity.h"
#include "app/listen/address.h"
#include "app/listen/listener.h"
#include "app/listen/receive_log.h"
#include "app/listen/tls_files.h"
#include "app/store/places.h"
#include "base/clock.h"
#include "base/facts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "command.h"
#include "io/sched.h"
#include "io/sandbox.h"
#include "io/signals.h"
#include "io/socket.h"
#include "io/workers.h"
#include "listen_fault.h"
#include "policy/rules.h"
#include "listen_workers.h"
#include "route.h"
#include "tls/tls.h"

#define STATS_MS 60000

enum { LOG_TEXT, LOG_JSON };

struct listen_options {
	const char *hostname, *deliver, *queue, *policy, *log_to, *client_ca, *stats, *clear_folder,
	    *user; /* NULL: not given */
	struct strs certs, keys, accept, relay_from, faults, allow, exempt;
	int64_t max_size, max_recipients, max_messages, max_errors, max_connections,
	    max_connections_per_address;
	int64_t timeout_ms, lifetime_ms, handshake_ms, drain_ms, commit_helpers, command_ms,
	    fault_seed, workers;
	const char *fault_ca;                        /* NULL: not given */
	int tls, min_tls, client_cert, log, verbose; /* min_tls: enum tls_version */
	bool self_signed, implicit_tls, mark, stdio, fault_anywhere, list_fields, self_check;
};

/* Postfix's words (smtpd_tls_security_level) are understood, too (DECISIONS F44). */
static const struct opt_word tls_words[] = { { "off", SMTP_TLS_OFF },
	{ "offered", SMTP_TLS_OFFERED }, { "required", SMTP_TLS_REQUIRED },
	{ "none", SMTP_TLS_OFF }, { "may", SMTP_TLS_OFFERED }, { "encrypt", SMTP_TLS_REQUIRED },
	{ NULL, 0 } };

static const struct opt_word client_certs[] = { { "off", TLS_CLIENT_CERT_NO },
	{ "request", TLS_CLIENT_CERT_ASK }, { "required", TLS_CLIENT_CERT_REQUIRE }, { NULL, 0 } };

static const struct opt_word versions[] = { { "TLSv1.0", TLS_VERSION_1_0 },
	{ "TLSv1.1", TLS_VERSION_1_1 }, { "TLSv1.2", TLS_VERSION_1_2 },
	{ "TLSv1.3", TLS_VERSION_1_3 }, { NULL, 0 } };

static const struct opt_word logs[] = { { "text", LOG_TEXT }, { "json", LOG_JSON }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct listen_options, member, __VA_ARGS__)
static const struct opt listen_opts[] = {
	OPT_GROUP("STARTTLS"),
	ROW(WORD, tls, "tls", 0, "MODE",
	    "offer STARTTLS, or require it (not for a public MX: RFC 3207)", .words = tls_words,
	    .initial = "offered"),
	ROW(FLAG, implicit_tls, "implicit-tls", 0, NULL, "TLS from the first byte, no STARTTLS"),
	ROW(STRS, exempt, "tls-exempt", 0, "ADDRESS",
	    "recipient of mail in clear where TLS is required, such as that of TLS reports"),
	ROW(STRS, certs, "cert", 0, "FILE", "certificate chain, PEM, leaf first"),
	ROW(STRS, keys, "key", 0, "FILE", "private key of the --cert in the same place, PEM"),
	ROW(FLAG, self_signed, "self-signed", 0, NULL,
	    "make a certificate for the host name at start, for tests"),
	ROW(WORD, min_tls, "min-tls", 0, "VERSION", "oldest TLS version", .words = versions,
	    .initial = "TLSv1.2"),
	ROW(WORD, client_cert, "client-cert", 0, "MODE", "certificates of clients, for the log",
	    .words = client_certs, .initial = "off"),
	ROW(STR, client_ca, "client-ca", 0, "FILE", "roots that verify them, PEM"),

	OPT_GROUP("Mail"),
	ROW(STRS, allow, "allow-from", 0, "CIDR", "serve only clients of these networks"),
	ROW(STRS, accept, "accept", 0, "DOMAIN",
	    "take mail for this domain or address, or those in a file (with a slash)"),
	ROW(STRS, relay_from, "relay-from", 0, "CIDR",
	    "clients of this network may send to everybody"),
	ROW(STR, deliver, "deliver", 0, "WHERE",
	    "maildir:DIR, maildir:DIR/%d/%u, mbox:FILE, command:PROGRAM ARG..., lmtp:SOCKET, queue "
	    "or discard"),
	ROW(STR, queue, "queue", 0, "DIR",
	    "where --deliver queue puts it (default: ~/.local/state/mxtls/queue)"),
	ROW(STR, policy, "policy", 0, "FILE",
	    "policy that may list address literals to relay to (default: that of the "
	    "configuration)"),
	ROW(DURATION, command_ms, "command-timeout", 0, "TIME", "a command may take at most",
	    .min = 1, .initial = "60s"),
	ROW(FLAG, mark, "mark", 0, NULL,
	    "say in fields of the message whether it came encrypted; forged ones are removed"),
	ROW(STR, clear_folder, "clear-folder", 0, "NAME",
	    "put mail that came in clear into this folder of the maildir"),
	ROW(STR, hostname, "hostname", 0, "NAME",
	    "own name in the greeting and in Received (default: this host's full name)"),
	ROW(SIZE, max_size, "max-size", 0, "SIZE", "refuse messages that are bigger", .min = 1,
	    .initial = "25M"),
	ROW(INT, max_recipients, "max-recipients", 0, "N", "recipients of one message", .min = 1,
	    .max = 10000, .initial = "100"),

	OPT_GROUP("Connections"),
	ROW(FLAG, stdio, "stdio", 0, NULL, "one session on standard input and output"),
	ROW(INT, max_connections, "max-connections", 0, "N", "connections at once", .min = 1,
	    .max = LIMIT_FIBERS, .initial = "1000"),
	ROW(INT, max_connections_per_address, "max-connections-per-address", 0, "N",
	    "connections at once from one address or IPv6 /64", .min = 1, .max = LIMIT_FIBERS,
	    .initial = "50"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one command at most", .min = 1,
	    .initial = "300s"),
	ROW(DURATION, lifetime_ms, "lifetime", 0, "TIME",
	    "of a session at most, without message text that keeps its rate", .min = 1,
	    .initial = "20m"),
	ROW(INT, max_errors, "max-errors", 0, "N", "errors of a session, then 421", .min = 1,
	    .max = 10000, .initial = "10"),
	ROW(INT, max_messages, "max-messages", 0, "N", "messages of a session; 0: no limit",
	    .min = 0, .max = INT32_MAX, .initial = "0"),
	ROW(DURATION, handshake_ms, "handshake-timeout", 0, "TIME", "for a TLS handshake at most",
	    .min = 1, .initial = "30s"),
	ROW(DURATION, drain_ms, "drain", 0, "TIME", "after SIGTERM, wait for sessions at most",
	    .initial = "30s"),
	ROW(INT, commit_helpers, "commit-helpers", 0, "N", "processes that write messages to disk",
	    .min = 0, .max = COMMIT_HELPERS_MAX, .initial = "2"),

	OPT_GROUP("Confinement"),
	ROW(INT, workers, "workers", 0, "N",
	    "processes that serve clients, in a sandbox; 0: this one does, without", .min = 0,
	    .max = WORKERS_MAX, .initial = "0"),
	ROW(STR, user, "user", 0, "NAME",
	    "workers are this user (started as root only); one worker if --workers does not say"),
	ROW(FLAG, self_check, "self-check", 0, NULL,
	    "tell what a worker is kept from with this --deliver and --user, and exit"),

	OPT_GROUP("Output"),
	ROW(WORD, log, "log", 0, "FORMAT", "format of the log", .words = logs, .initial = "text"),
	ROW(STR, log_to, "log-to", 0, "WHERE", "stderr, syslog, or a file to append to",
	    .initial = "stderr"),
	ROW(STR, stats, "stats", 0, "FILE",
	    "write how much mail came encrypted, from whom, every minute and on SIGUSR1"),
	ROW(FLAG, list_fields, "list-fields", 0, NULL,
	    "list the fields of the log, with kind and meaning, and exit"),
	ROW(COUNT, verbose, "verbose", 'v', NULL, "log sessions, too; twice: the dialogue"),

	OPT_GROUP("Faults on purpose, for testing clients"),
	ROW(STRS, faults, "fault", 0, "POINT=FAULT",
	    "misbehave at a command, GREETING, . (the end of data) or TLS; kinds in the manual"),
	ROW(INT, fault_seed, "fault-seed", 0, "N", "of faults with a probability", .min = 0,
	    .max = INT32_MAX, .initial = "1"),
	ROW(STR, fault_ca, "fault-ca", 0, "FILE", "write the root that signed faulty certificates"),
	ROW(FLAG, fault_anywhere, "fault-anywhere", 0, NULL, "allow --fault outside of loopback"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "[OPTION]... ADDRESS:PORT[,SETTING]...", "[OPTION]... --stdio",
	NULL };

static const char *const examples[] = {
	"mxtls listen --self-signed --accept a.example --deliver discard 127.0.0.1:2525",
	"A receiver to try things with.",
	"mxtls listen --tls required --cert chain.pem --key key.pem \\\n"
	"      --accept example.org --deliver maildir:/var/mail/in '[::]:25'",
	"One that takes no mail in clear.",
	"mxtls listen --tls off --relay-from 192.0.2.0/24 --deliver queue 192.0.2.1:25",
	"A relay for application servers; mxtls queue run --loop 1m sends it on.",
	NULL,
};

/* Whether two descriptors are one socket, as inetd hands it over. */
static bool
same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* The dialogue, line by line: sessions mix, so each line says whose it is. */
static void
trace(void *ctx, bool sent, struct slice data)
{
	const struct smtp_session *session = ctx;

	while (data.n > 0) {
		struct slice line = slice_sub(data, 0, slice_find(data, '\n'));
		data = slice_sub(data, line.n + 1, data.n);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		log_debug("%s: %s: %.*s", session->peer_ip, sent ? "S" : "C", (int)line.n,
		    line.n == 0 ? "" : line.p);
	}
}

static int
set_up_log(const struct listen_options *options, struct receiver *receiver, struct fail *why)
{
	log_level_set(options->verbose > 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	receiver->log_json = options->log == LOG_JSON;
	if (strcmp(options->log_to, "stderr") == 0)
		return 0;
	log_json_set(receiver->log_json);
	if (options->verbose == 0) /* what is in the log need not be on stderr, too */
		log_level_set(LOG_LEVEL_WARN);
	if (log_open(options->log_to, "mxtls") != 0)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot open the log %s", options->log_to);
	return 0;
}

struct job {
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
	struct sandbox_user user;
	bool has_user;
	struct fail why;
	bool stdio;
	int ret;
};

/* TLS as asked for, or nothing is started: a missing certificate never turns it off (reference S30). */
static int
set_up_tls(const struct listen_options *options, struct job *job, struct fail *why)
{
	job->tls.options = (struct tls_server_options){
		.cert_files = (const char *const *)options->certs.v,
		.key_files = (const char *const *)options->keys.v,
		.n = options->certs.n,
		.self_signed_name = options->self_signed ? job->config.hostname : NULL,
		.min = (enum tls_version)options->min_tls,
		.client = (enum tls_client_cert)options->client_cert,
		.client_ca = options->client_ca,
	};
	if (options->client_ca != NULL && options->client_cert == TLS_CLIENT_CERT_NO)
		job->tls.options.client = TLS_CLIENT_CERT_ASK;
	if (options->client_ca == NULL && options->client_cert == TLS_CLIENT_CERT_REQUIRE)
		return fail_set(why, FAIL_USAGE, "--client-cert required needs --client-ca");
	if (options->certs.n != options->keys.n)
		return fail_set(why, FAIL_USAGE, "%zu --cert and %zu --key: they come in pairs",
		    options->certs.n, options->keys.n);
	if (options->certs.n > 0 && options->self_signed)
		return fail_set(why, FAIL_USAGE, "--self-signed and --cert exclude each other");
	if (options->certs.n == 0 && !options->self_signed)
		return fail_set(why, FAIL_USAGE,
		    "STARTTLS needs --cert and --key, or --self-signed, or --tls off");
	return tls_files_load(&job->tls, why);
}

/* The addresses to listen on: operands, or sockets of the service manager. How many, or -1. */
static int
find_addresses(const struct listen_options *options, const struct strs *operands, struct job *job,
    struct fail *why)
{
	int n = (int)operands->n;

	for (int i = 0; i < n; i++)
		if (listen_address_parse(slice_str(operands->v[i]), &job->addresses[i], why) != 0)
			return -1;
	if (n == 0 && (n = listen_address_passed(job->addresses, why)) <= 0)
		return n < 0 ? -1
			     : fail_set(why, FAIL_USAGE,
				   "expected 1 to %d ADDRESS:PORT, or sockets in LISTEN_FDS",
				   LISTEN_ADDRESSES);
	for (int i = 0; i < n; i++) {
		struct listen_address *a = &job->addresses[i];
		/* DECISIONS F43: a receiver that misbehaves on purpose is for this machine */
		if (options->faults.n > 0 && !options->fault_anywhere && !addr_is_loopback(&a->at))
			return fail_set(why, FAIL_USAGE,
			    "--fault listens on loopback only, unless --fault-anywhere is given");
		if (!a->tls_set)
			a->tls = job->config.tls;
		a->implicit_tls |= options->implicit_tls && !a->tls_set;
	}
	return n;
}

/* Open the sockets, all or none, and say where: the only lines on stdout. */
static int
open_sockets(struct job *job, int n, struct fail *why)
{
	char text[ADDR_TEXT_BYTES];

	for (int i = 0; i < n; i++) {
		struct listen_address *a = &job->addresses[i];
		if (a->fd < 0 && (a->fd = socket_listen(&a->at, 4096, &a->at, why)) < 0)
			return -1;
	}
	for (int i = 0; i < n; i++) {
		struct listen_address *a = &job->addresses[i];
		job->configs[i] = job->config;
		job->configs[i].tls = a->implicit_tls ? SMTP_TLS_REQUIRED : a->tls;
		job->configs[i].implicit_tls = a->implicit_tls;
		job->listener.at[i] = (struct listener_address){ a->fd, &job->configs[i] };
		addr_str(&a->at, text);
		printf("listening on %s\n", text);
	}
	job->listener.n = (size_t)n;
	fflush(stdout);
	return 0;
}

/* New certificates, when there are any: for every session that begins TLS from now on. 1, 0, or -1 with why. */
static int
look_at_keys(struct job *job, bool force, struct fail *why)
{
	struct tls_ctx *old;
	char fingerprint[65];

	if (job->tls.ctx == NULL)
		return 0;
	int ret = tls_files_reload(&job->tls, force, &old, why);
	if (ret < 0)
		return fail_prefix(why, "the certificates of before stay in use");
	if (ret == 0)
		return 0;
	job->config.tls_ctx = job->tls.ctx;
	for (size_t i = 0; i < job->listener.n; i++)
		job->configs[i].tls_ctx = job->tls.ctx;
	tls_ctx_free(old);
	tls_ctx_server_fingerprint(job->tls.ctx, fingerprint);
	log_info("certificates loaded again; SHA-256 of the first: %s", fingerprint);
	return 1;
}

static void
look_at_files(struct job *job, bool hangup)
{
	struct fail why;

	if (look_at_keys(job, hangup, &why) < 0)
		log_error("%s", why.text);
}

/* The counts, when they are due or wanted. */
static void
look_at_stats(struct job *job, bool wanted)
{
	struct fail why;

	if (wanted)
		inbound_stats_log(&job->stats);
	if (job->stats_path == NULL ||
	    (!wanted &&
		(clock_ms() < job->stats_at || job->stats.total.messages == job->stats_written)))
		return;
	job->stats_at = clock_deadline(STATS_MS);
	job->stats_written = job->stats.total.messages;
	if (inbound_stats_write(&job->stats, job->stats_path, clock_wall(), &why) != 0)
		log_error("%s", why.text);
}

static void
look(void *arg, enum listener_look what)
{
	if (what != LISTENER_STATUS)
		look_at_files(arg, what == LISTENER_HANGUP);
	look_at_stats(arg, what == LISTENER_STATUS);
}

/* Does any session of these need certificates? */
static bool
wants_tls(const struct job *job, int n)
{
	bool wanted = n == 0 && job->config.tls != SMTP_TLS_OFF;

	for (int i = 0; i < n; i++)
		wanted |= job->addresses[i].tls != SMTP_TLS_OFF || job->addresses[i].implicit_tls;
	return wanted;
}

/* One session on descriptors 0 and 1, which may be one socket (inetd), pipes or a terminal. */
static void
serve_stdio(struct job *job)
{
	bool one_socket = !isatty(STDIN_FILENO) && same_file(STDIN_FILENO, STDOUT_FILENO);
	int flags_in = fcntl(STDIN_FILENO, F_GETFL), flags_out = fcntl(STDOUT_FILENO, F_GETFL);
	struct receipt *receipt = receipt_new(&job->receiver);
	struct smtp_session session;

	/* deadlines need descriptors that do not block; the open files are shared with whoever started us */
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);
	if (socket_nonblocking(in, &job->why) != 0 || socket_nonblocking(out, &job->why) != 0) {
		job->ret = -1;
		receipt_free(receipt);
		return;
	}
	if (one_socket)
		close(out);
	struct conn *conn = one_socket ? conn_plain(in) : conn_plain_pair(in, out);
	struct addr peer;
	smtp_server_run(conn, &job->config, one_socket && socket_peer(in, &peer) ? &peer : NULL,
	    receipt, &session);
	receive_log_session(&job->receiver, &session);
	receipt_free(receipt);
	fcntl(STDIN_FILENO, F_SETFL, flags_in);
	fcntl(STDOUT_FILENO, F_SETFL, flags_out);
}

static void
job_main(void *arg)
{
	struct job *job = arg;

	if (job->stdio) {
		signals_stop_on(0);
		serve_stdio(job);
		return;
	}
	signals_catch(SIGINT);
	signals_catch(SIGTERM);
	signals_catch(SIGHUP);
	signals_catch(SIGUSR1);
	/* without fibers each session is a child of its own, which commits for itself */
	if (!sched_has_fibers()) {
		job->receiver.store.commit = NULL;
		if (job->stats_path != NULL)
			log_warn("--stats: without fibers nothing is counted");
	}
	job->ret = listener_run(&job->listener, &job->why);
}

/* It goes into replies and Received fields as it is. */
static int
check_hostname(const char *name, struct fail *why)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._:[]";

	if (name[0] == '\0' || strlen(name) > LIMIT_DOMAIN_BYTES ||
	    name[strspn(name, allowed)] != '\0')
		return fail_set(
		    why, FAIL_USAGE, "--hostname: '%s' is neither host name nor literal", name);
	return 0;
}

static const char *
own_name(struct arena *arena)
{
	const char *name = identity_hostname(arena);

	return name != NULL ? name : identity_nodename(arena);
}

/* Which recipients are taken. A policy that cannot be read is no policy that lists nothing. */
static int
set_up_accept(const struct listen_options *options, struct arena *arena, struct job *job)
{
	struct accept *accept = &job->receiver.accept;
	const char *policy = options->policy;

	for (size_t i = 0; i < options->accept.n; i++)
		if (accept_add(accept, options->accept.v[i], &job->why) != 0)
			return -1;
	for (size_t i = 0; i < options->relay_from.n; i++)
		if (accept_relay_from(accept, options->relay_from.v[i], &job->why) != 0)
			return -1;
	if (!accept->relays)
		return 0;
	if (policy == NULL)
		policy = places_config("policy", arena);
	if (policy != NULL && (job->rules = rules_load(policy, &job->why)) == NULL)
		return -1;
	accept->rules = job->rules;
	return 0;
}

/* Whom workers become. */
static int
set_up_user(const struct listen_options *options, struct job *job, struct fail *why)
{
	if (options->user == NULL)
		return 0;
	if (sandbox_user_find(options->user, &job->user, why) != 0)
		return fail_prefix(why, "--user");
	if (geteuid() != 0)
		return fail_set(
		    why, FAIL_USAGE, "--user: only root can become '%s'", options->user);
	job->has_user = true;
	return 0;
}

/* Where it goes, and what can be promised to clients of that. */
static int
set_up_store(const struct listen_options *options, struct arena *arena, struct job *job)
{
	struct smtp_server_config *config = &job->config;
	struct store *store = &job->receiver.store;
	struct spool spool;
	bool queue = options->deliver != NULL && strcmp(options->deliver, "queue") == 0;

	if (options->deliver == NULL)
		return fail_set(&job->why, FAIL_USAGE, "--deliver is missing: " STORE_EXPECTED);
	if (queue && route_spool(&spool, options->queue, arena, &job->why) != 0)
		return -1;
	if (store_open(store, options->deliver, &job->receiver.accept, queue ? &spool : NULL,
		&job->why) != 0)
		return -1;
	store->command_ms = options->command_ms;
	store->mark = options->mark;
	if (options->clear_folder != NULL &&
	    store_set_clear_folder(store, options->deliver, options->clear_folder, &job->why) != 0)
		return -1;
	config->requiretls = store_keeps_requiretls(store);
	config->dsn = store->kind == STORE_QUEUE;
	/* LIMITS says what is true (RFC 9422) */
	if (store_one_recipient(store))
		config->max_recipients = 1;
	return 0;
}

/* --allow-from, and recipients of --tls-exempt, as they must be written. */
static int
set_up_allow(const struct listen_options *options, struct job *job, struct fail *why)
{
	struct smtp_path path;
	struct fail what;

	for (size_t i = 0; i < options->allow.n; i++)
		if (exclude_add(&job->allow, slice_str(options->allow.v[i]), &what) != 0 ||
		    job->allow.names.n > 0)
			return fail_set(why, FAIL_USAGE,
			    "--allow-from: '%s' is no network: expected 192.0.2.0/24 or the like",
			    options->allow.v[i]);
	job->listener.allow = options->allow.n > 0 ? &job->allow : NULL;
	for (size_t i = 0; i < options->exempt.n; i++)
		if (smtp_mailbox_parse(slice_str(options->exempt.v[i]), &path, &what) != 0)
			return fail_set(why, FAIL_USAGE, "--tls-exempt: '%s': %s",
			    options->exempt.v[i], what.text);
	return 0;
}

static int
set_up(const struct listen_options *options, const struct strs *operands, struct arena *arena,
    struct job *job)
{
	struct smtp_server_config *config = &job->config;
	unsigned descriptors = socket_descriptor_limit();

	smtp_server_config_init(config);
	config->hostname = options->hostname != NULL ? options->hostname : own_name(arena);
	config->ops = &receive_ops;
	config->max_message_bytes = options->max_size;
	config->max_recipients = (unsigned)options->max_recipients;
	config->command_timeout_ms = options->timeout_ms;
	config->handshake_timeout_ms = options->handshake_ms;
	config->lifetime_ms = options->lifetime_ms;
	config->max_errors = (unsigned)options->max_errors;
	config->max_messages = (unsigned)options->max_messages;
	config->tls = (enum smtp_server_tls)options->tls;
	config->implicit_tls = options->implicit_tls;
	config->tls_exempt = (const char *const *)options->exempt.v;
	config->tls_exempt_n = options->exempt.n;
	receiver_init(&job->receiver, config->hostname);
	job->receiver.stats = &job->stats;
	job->stats_path = options->stats;
	if (check_hostname(config->hostname, &job->why) != 0)
		return -1;
	if (set_up_log(options, &job->receiver, &job->why) != 0)
		return -1;
	int n = options->stdio || options->self_check
		    ? 0
		    : find_addresses(options, operands, job, &job->why);
	if (n < 0 || set_up_accept(options, arena, job) != 0 ||
	    (!options->self_check && wants_tls(job, n) && set_up_tls(options, job, &job->why) != 0))
		return -1;
	config->tls_ctx = job->tls.ctx;
	if (set_up_allow(options, job, &job->why) != 0 ||
	    listen_faults_init(&job->faults, &options->faults, options->fault_seed,
		options->fault_ca, job->tls.ctx != NULL ? &job->tls.options : NULL, config, arena,
		&job->why) != 0 ||
	    set_up_user(options, job, &job->why) != 0)
		return -1;
	/* mailboxes are the user's, from the beginning */
	if (job->has_user && sandbox_user_borrow(&job->user, &job->why) != 0)
		return -1;
	int stored = set_up_store(options, arena, job);
	if (job->has_user)
		sandbox_user_return();
	if (stored != 0)
		return -1;
	job->listener.receiver = &job->receiver;
	job->listener.drain_ms = options->drain_ms;
	job->listener.max_connections = (unsigned)options->max_connections;
	if (job->listener.max_connections + 64 > descriptors)
		job->listener.max_connections = descriptors > 128 ? descriptors - 64 : 64;
	job->listener.max_per_network = (unsigned)options->max_connections_per_address;
	config->trace = options->verbose > 1 ? trace : NULL;
	config->busy = &job->listener.busy;
	job->listener.look = look;
	job->listener.look_ctx = job;
	return options->stdio || options->self_check ? 0 : open_sockets(job, n, &job->why);
}

/* Helpers are forked before the loop starts; one session commits for itself. */
static int
serve_begin(void *arg, struct fail *why)
{
	struct job *job = arg;

	if (!store_uses_commit(&job->receiver.store) || job->stdio)
		return 0;
	if (commit_start(&job->commit, job->commit_helpers, why) != 0)
		return -1;
	job->receiver.store.commit = &job->commit;
	return 0;
}

static int
serve(void *arg)
{
	struct job *job = arg;
	int status = EX_OK;

	sched_run(job_main, job);
	receive_log_flush(&job->receiver, true);
	if (job->ret != 0)
		status = command_fail(&cmd_listen, &job->why);
	if (job->receiver.store.commit != NULL)
		commit_stop(&job->commit, clock_deadline(5000));
	log_info("%llu messages, %llu of them over TLS", (unsigned long long)job->receiver.messages,
	    (unsigned long long)job->receiver.messages_tls);
	return status;
}

static void
workers_status(void *arg, bool wanted)
{
	look_at_stats(arg, wanted);
}

static int
workers_reload(void *arg, bool force, struct fail *why)
{
	return look_at_keys(arg, force, why);
}

static int
run(const struct listen_options *options, struct job *job)
{
	struct listen_workers lw = { .n = options->workers > 0 ? (unsigned)options->workers : 1,
		.deliver = options->deliver,
		.user = job->has_user ? &job->user : NULL,
		.listener = &job->listener,
		.receiver = &job->receiver,
		.stats = &job->stats,
		.begin = serve_begin,
		.serve = serve,
		.status = workers_status,
		.reload = workers_reload,
		.arg = job };

	if (options->self_check) {
		int status = listen_workers_check(&lw, &job->why);
		return job->why.code == FAIL_NONE ? status : command_fail(&cmd_listen, &job->why);
	}
	if (job->stdio || (options->workers == 0 && !job->has_user)) {
		if (serve_begin(job, &job->why) != 0)
			return command_fail(&cmd_listen, &job->why);
		return serve(job);
	}
	return listen_workers_run(&lw, &job->why) == 0 ? EX_OK
						       : command_fail(&cmd_listen, &job->why);
}

static int
listen_run(const void *arg, const struct strs *operands)
{
	const struct listen_options *options = arg;
	struct arena arena;
	int status;

	if (options->list_fields) {
		facts_list_fields(&fact_table_inbound_facts, stdout);
		return EX_OK;
	}
	if (options->stdio && operands->n != 0)
		return command_usage_error(&cmd_listen, "--stdio takes no ADDRESS:PORT");
	if (options->stdio && (options->workers > 0 || options->user != NULL))
		return command_usage_error(&cmd_listen, "--stdio takes no --workers and no --user");
	if (operands->n > LISTEN_ADDRESSES)
		return command_usage_error(&cmd_listen, "more than 7 ADDRESS:PORT");
	struct job *job = mem_alloc(sizeof(*job));
	arena_init(&arena);
	exclude_init(&job->allow);
	inbound_stats_init(&job->stats, LIMIT_STATS_ROWS, clock_wall());
	job->stdio = options->stdio;
	job->commit_helpers = (unsigned)options->commit_helpers;
	job->listener.caps = listen_caps_new();
	tls_init();
	if (set_up(options, operands, &arena, job) != 0)
		status = command_fail(&cmd_listen, &job->why);
	else
		status = run(options, job);
	if (job->stats_path != NULL && status == EX_OK && !options->self_check)
		look_at_stats(job, true);
	receiver_fini(&job->receiver);
	rules_free(job->rules);
	listen_faults_fini(&job->faults);
	exclude_free(&job->allow);
	inbound_stats_free(&job->stats);
	listen_caps_free(job->listener.caps);
	tls_ctx_free(job->tls.ctx);
	arena_free(&arena);
	free(job);
	return status;
}

const struct command cmd_listen = {
	.name = "listen",
	.summary = "receive mail, STARTTLS off, offered or required",
	.usage = usage,
	.description =
	    "Receive mail by SMTP on ADDRESS:PORT and deliver it; port 0 takes a free one. The "
	    "port is printed as soon as connections are taken. SIGTERM finishes running sessions.",
	.opts = listen_opts,
	.options_size = sizeof(struct listen_options),
	.order = OPT_ANYWHERE,
	.examples = examples,
	.run = listen_run,
};

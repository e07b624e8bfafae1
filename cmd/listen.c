#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/listener.h"
#include "app/receive_log.h"
#include "app/places.h"
#include "base/clock.h"
#include "base/facts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "policy/rules.h"
#include "route.h"
#include "tls/tls.h"

enum { STARTTLS_OFF, STARTTLS_OFFER, STARTTLS_REQUIRE };
enum { LOG_TEXT, LOG_JSON };

struct listen_options {
	const char *hostname, *deliver, *queue, *policy, *log_to; /* NULL: not given */
	struct strs certs, keys, accept, relay_from, faults;
	int64_t max_size, max_recipients, max_connections, max_connections_per_address;
	int64_t timeout_ms, drain_ms, commit_helpers, command_ms;
	int tls, min_tls, log, verbose; /* min_tls: enum tls_version */
	bool self_signed, stdio, fault_anywhere, list_fields;
};

/* Postfix's words (smtpd_tls_security_level) are understood, too (DECISIONS F44). */
static const struct opt_word tls_words[] = { { "off", STARTTLS_OFF }, { "offered", STARTTLS_OFFER },
	{ "required", STARTTLS_REQUIRE }, { "none", STARTTLS_OFF }, { "may", STARTTLS_OFFER },
	{ "encrypt", STARTTLS_REQUIRE }, { NULL, 0 } };

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
	ROW(STRS, certs, "cert", 0, "FILE", "certificate chain, PEM, leaf first"),
	ROW(STRS, keys, "key", 0, "FILE", "private key of the --cert in the same place, PEM"),
	ROW(FLAG, self_signed, "self-signed", 0, NULL,
	    "make a certificate for the host name at start, for tests"),
	ROW(WORD, min_tls, "min-tls", 0, "VERSION", "oldest TLS version", .words = versions,
	    .initial = "TLSv1.2"),

	OPT_GROUP("Mail"),
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
	ROW(DURATION, drain_ms, "drain", 0, "TIME", "after SIGTERM, wait for sessions at most",
	    .initial = "30s"),
	ROW(INT, commit_helpers, "commit-helpers", 0, "N", "processes that write messages to disk",
	    .min = 0, .max = COMMIT_HELPERS_MAX, .initial = "2"),

	OPT_GROUP("Output"),
	ROW(WORD, log, "log", 0, "FORMAT", "format of the log", .words = logs, .initial = "text"),
	ROW(STR, log_to, "log-to", 0, "WHERE", "stderr, syslog, or a file to append to",
	    .initial = "stderr"),
	ROW(FLAG, list_fields, "list-fields", 0, NULL,
	    "list the fields of the log, with kind and meaning, and exit"),
	ROW(COUNT, verbose, "verbose", 'v', NULL, "log sessions, too; twice: the dialogue"),

	OPT_GROUP("Faults on purpose, for testing clients"),
	ROW(STRS, faults, "fault", 0, "POINT=FAULT",
	    "at POINT (GREETING, a command, or . for the end of data): reply:TEXT, delay:TIME or "
	    "cut:BYTES"),
	ROW(FLAG, fault_anywhere, "fault-anywhere", 0, NULL, "allow --fault outside of loopback"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "[OPTION]... ADDRESS:PORT...", "[OPTION]... --stdio", NULL };

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

/* STARTTLS as asked for, or nothing is started: a missing certificate never turns it off (reference S30). */
static int
set_up_tls(
    const struct listen_options *options, struct smtp_server_config *config, struct fail *why)
{
	struct tls_server_options tls = { .cert_files = (const char *const *)options->certs.v,
		.key_files = (const char *const *)options->keys.v,
		.n = options->certs.n,
		.self_signed_name = options->self_signed ? config->hostname : NULL,
		.min = (enum tls_version)options->min_tls };

	if (options->certs.n != options->keys.n)
		return fail_set(why, FAIL_USAGE, "%zu --cert and %zu --key: they come in pairs",
		    options->certs.n, options->keys.n);
	if (options->certs.n > 0 && options->self_signed)
		return fail_set(why, FAIL_USAGE, "--self-signed and --cert exclude each other");
	config->tls = options->tls == STARTTLS_OFF     ? SMTP_TLS_OFF
		      : options->tls == STARTTLS_OFFER ? SMTP_TLS_OFFERED
						       : SMTP_TLS_REQUIRED;
	if (config->tls == SMTP_TLS_OFF)
		return 0;
	if (options->certs.n == 0 && !options->self_signed)
		return fail_set(why, FAIL_USAGE,
		    "STARTTLS needs --cert and --key, or --self-signed, or --tls off");
	config->tls_ctx = tls_ctx_server(&tls, why);
	return config->tls_ctx == NULL ? -1 : 0;
}

static int
set_up_faults(const struct listen_options *options, struct arena *arena,
    struct smtp_server_config *config, struct fail *why)
{
	struct smtp_fault *faults = arena_alloc(arena, (options->faults.n + 1) * sizeof(*faults));

	for (size_t i = 0; i < options->faults.n; i++)
		if (smtp_fault_parse(slice_str(options->faults.v[i]), arena, &faults[i], why) != 0)
			return fail_prefix(why, "--fault");
	config->faults = faults;
	config->faults_n = options->faults.n;
	return 0;
}

/* Open one socket. */
static int
open_socket(const struct listen_options *options, const char *operand, struct listener *l,
    struct addr *bound_r, struct fail *why)
{
	struct addr at;

	if (addr_parse(slice_str(operand), -1, &at, why) != 0)
		return -1;
	/* DECISIONS F43: a receiver that misbehaves on purpose is for this machine */
	if (options->faults.n > 0 && !options->fault_anywhere && !addr_is_loopback(&at))
		return fail_set(why, FAIL_USAGE,
		    "--fault listens on loopback only, unless --fault-anywhere is given");
	int fd = socket_listen(&at, 4096, bound_r, why);
	if (fd < 0)
		return -1;
	l->fds[l->n++] = fd;
	return 0;
}

/* Open the sockets, all or none, and say where: the only lines on stdout. */
static int
open_sockets(const struct listen_options *options, const struct strs *operands, struct listener *l,
    struct fail *why)
{
	struct addr bound[LISTENER_ADDRESSES];
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < operands->n; i++)
		if (open_socket(options, operands->v[i], l, &bound[i], why) != 0)
			return -1;
	for (size_t i = 0; i < operands->n; i++) {
		addr_str(&bound[i], text);
		printf("listening on %s\n", text);
	}
	fflush(stdout);
	return 0;
}

struct job {
	struct listener listener;
	struct receiver receiver;
	struct smtp_server_config config;
	struct commit commit;
	struct rules *rules;
	struct fail why;
	bool stdio;
	int ret;
};

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
	/* without fibers each session is a child of its own, which commits for itself */
	if (!sched_has_fibers())
		job->receiver.store.commit = NULL;
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
	config->requiretls = store_keeps_requiretls(store);
	config->dsn = store->kind == STORE_QUEUE;
	/* LIMITS says what is true (RFC 9422) */
	if (store_one_recipient(store))
		config->max_recipients = 1;
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
	receiver_init(&job->receiver, config->hostname);
	if (check_hostname(config->hostname, &job->why) != 0)
		return -1;
	if (set_up_log(options, &job->receiver, &job->why) != 0)
		return -1;
	if (set_up_accept(options, arena, job) != 0 ||
	    set_up_tls(options, config, &job->why) != 0 ||
	    set_up_faults(options, arena, config, &job->why) != 0 ||
	    set_up_store(options, arena, job) != 0)
		return -1;
	job->listener.config = config;
	job->listener.receiver = &job->receiver;
	job->listener.drain_ms = options->drain_ms;
	job->listener.max_connections = (unsigned)options->max_connections;
	if (job->listener.max_connections + 64 > descriptors)
		job->listener.max_connections = descriptors > 128 ? descriptors - 64 : 64;
	job->listener.max_per_network = (unsigned)options->max_connections_per_address;
	config->trace = options->verbose > 1 ? trace : NULL;
	config->busy = &job->listener.busy;
	return options->stdio ? 0 : open_sockets(options, operands, &job->listener, &job->why);
}

static int
listen_run(const void *arg, const struct strs *operands)
{
	const struct listen_options *options = arg;
	struct arena arena;
	int status = EX_OK;

	if (options->list_fields) {
		facts_list_fields(&fact_table_inbound_facts, stdout);
		return EX_OK;
	}
	if (options->stdio ? operands->n != 0
			   : operands->n == 0 || operands->n > LISTENER_ADDRESSES)
		return command_usage_error(&cmd_listen, options->stdio
							    ? "--stdio takes no ADDRESS:PORT"
							    : "expected 1 to 4 ADDRESS:PORT");
	struct job *job = mem_alloc(sizeof(*job));
	arena_init(&arena);
	job->stdio = options->stdio;
	tls_init();
	if (set_up(options, operands, &arena, job) != 0) {
		status = command_fail(&cmd_listen, &job->why);
		goto out;
	}
	/* helpers are forked before the loop starts; one session commits for itself */
	if (store_uses_commit(&job->receiver.store) && !options->stdio) {
		if (commit_start(&job->commit, (unsigned)options->commit_helpers, &job->why) != 0) {
			status = command_fail(&cmd_listen, &job->why);
			goto out;
		}
		job->receiver.store.commit = &job->commit;
	}
	sched_run(job_main, job);
	receive_log_flush(&job->receiver, true);
	if (job->ret != 0)
		status = command_fail(&cmd_listen, &job->why);
	if (job->receiver.store.commit != NULL)
		commit_stop(&job->commit, clock_deadline(5000));
	log_info("%llu messages, %llu of them over TLS", (unsigned long long)job->receiver.messages,
	    (unsigned long long)job->receiver.messages_tls);
out:
	receiver_fini(&job->receiver);
	rules_free(job->rules);
	tls_ctx_free(job->config.tls_ctx);
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

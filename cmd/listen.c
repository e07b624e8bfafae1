#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/listen/receive_log.h"
#include "base/clock.h"
#include "base/facts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "io/workers.h"
#include "listen_job.h"
#include "listen_workers.h"
#include "route.h"
#include "tls/tls.h"

#define STATS_MS 60000

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

static const struct opt_word bare_lfs[] = { { "refuse", 0 }, { "normalize", 1 }, { NULL, 0 } };

static const struct opt_word logs[] = { { "text", LOG_TEXT }, { "json", LOG_JSON }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct listen_options, member, __VA_ARGS__)
static const struct opt listen_opts[] = {
	OPT_GROUP("STARTTLS"),
	ROW(WORD, tls, "tls", 0, "MODE",
	    "offer STARTTLS, or require it, which a public MX must not do (RFC 3207, section 4)",
	    .words = tls_words, .initial = "offered"),
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
	ROW(WORD, bare_lf, "bare-lf", 0, "MODE",
	    "lines of a client of --relay-from that end in LF alone; never the end of data",
	    .words = bare_lfs, .initial = "refuse"),
	ROW(STRS, deliver, "deliver", 0, "WHERE",
	    "maildir:DIR, maildir:DIR/%d/%u, mbox:FILE, command:PROGRAM ARG..., lmtp:SOCKET, queue "
	    "or discard"),
	ROW(STR, queue, "queue", 0, "DIR",
	    "where --deliver queue puts it (default: ~/.local/state/mxtls/queue)"),
	ROUTE_OPTS_BOUNDS(struct listen_options),
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
	ROW(INT, max_connections_per_minute, "max-connections-per-minute", 0, "N",
	    "connections of one address or IPv6 /64 within a minute; 0: no limit", .min = 0,
	    .max = LISTEN_CAPS_MINUTE_MAX, .initial = "300"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one command at most", .min = 1,
	    .initial = "300s"),
	ROW(DURATION, lifetime_ms, "lifetime", 0, "TIME",
	    "of a session at most, without message text that keeps its rate", .min = 1,
	    .initial = "20m"),
	ROW(INT, max_errors, "max-errors", 0, "N", "errors of a session, then 421", .min = 1,
	    .max = 10000, .initial = "10"),
	ROW(INT, max_messages, "max-messages", 0, "N", "messages of a session; 0: no limit",
	    .min = 0, .max = INT32_MAX, .initial = "0"),
	ROW(INT, stop_after, "stop-after", 0, "N", "messages, then end as on SIGTERM; 0: never",
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
	    .max = WORKERS_MAX, .initial = "1"),
	ROW(STR, user, "user", 0, "NAME", "workers are this user (started as root only)"),
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

/* New certificates, when there are any: for every session that begins TLS from now on. 1, 0, or -1 with why. */
static int
look_at_keys(struct listen_job *job, bool force, struct fail *why)
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
look_at_files(struct listen_job *job, bool hangup)
{
	struct fail why;

	if (look_at_keys(job, hangup, &why) < 0)
		log_error("%s", why.text);
}

/* The counts, when they are due or wanted. */
static void
look_at_stats(struct listen_job *job, bool wanted)
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

/* One session on descriptors 0 and 1, which may be one socket (inetd), pipes or a terminal. */
static void
serve_stdio(struct listen_job *job)
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
	struct listen_job *job = arg;

	if (job->stdio) {
		signals_stop_on(0);
		serve_stdio(job);
		return;
	}
	signals_catch(SIGINT);
	signals_catch(SIGTERM);
	signals_catch(SIGHUP);
	signals_catch(SIGUSR1);
	signals_catch(WORKERS_RETIRE);
	/* without fibers each session is a child of its own, which commits for itself */
	if (!sched_has_fibers())
		job->receiver.store.commit = NULL;
	job->ret = listener_run(&job->listener, &job->why);
}

/* Helpers are forked before the loop starts; one session commits for itself. */
static int
serve_begin(void *arg, struct fail *why)
{
	struct listen_job *job = arg;

	if (!store_uses_commit(&job->receiver.store) || job->stdio)
		return 0;
	if (commit_start(&job->commit, job->commit_helpers, why) != 0)
		return -1;
	job->receiver.store.commit = &job->commit;
	return 0;
}

static void
log_sum(uint64_t messages, uint64_t messages_tls)
{
	log_info("%llu messages, %llu of them over TLS", (unsigned long long)messages,
	    (unsigned long long)messages_tls);
}

static int
serve(void *arg)
{
	struct listen_job *job = arg;
	int status = EX_OK;

	sched_run(job_main, job);
	receive_log_flush(&job->receiver, true);
	if (job->ret != 0)
		status = command_fail(&cmd_listen, &job->why);
	if (job->receiver.store.commit != NULL)
		commit_stop(&job->commit, clock_deadline(5000));
	/* workers tell their supervisor, which has the sum; processes of sessions tell nobody */
	if (job->receiver.tell_fd < 0 && sched_wants_fibers())
		log_sum(job->receiver.messages, job->receiver.messages_tls);
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
run(const struct listen_options *options, struct listen_job *job)
{
	struct listen_workers lw = { .n = (unsigned)options->workers,
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
	if (job->stdio || options->workers == 0) {
		if (serve_begin(job, &job->why) != 0)
			return command_fail(&cmd_listen, &job->why);
		return serve(job);
	}
	if (listen_workers_run(&lw, &job->why) != 0)
		return command_fail(&cmd_listen, &job->why);
	log_sum(job->stats.total.messages, job->stats.total.tls);
	return EX_OK;
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
	if (options->stdio && (options->workers > 1 || options->user != NULL))
		return command_usage_error(&cmd_listen, "--stdio takes no --workers and no --user");
	if (options->workers == 0 && options->user != NULL && !options->self_check)
		return command_usage_error(
		    &cmd_listen, "--user is for workers, and --workers 0 has none");
	if (options->workers == 0 && !options->stdio && !sched_wants_fibers() &&
	    (options->stats != NULL || options->stop_after > 0))
		return command_usage_error(&cmd_listen, "without fibers --stats and --stop-after "
							"need workers, and --workers 0 has none");
	if (operands->n > LISTEN_ADDRESSES)
		return command_usage_error(&cmd_listen, "more than 7 ADDRESS:PORT");
	struct listen_job *job = listen_job_new();
	arena_init(&arena);
	job->stdio = options->stdio;
	job->commit_helpers = (unsigned)options->commit_helpers;
	job->listener.look = look;
	job->listener.look_ctx = job;
	tls_init();
	if (listen_job_set_up(job, options, operands, &arena) != 0)
		status = command_fail(&cmd_listen, &job->why);
	else
		status = run(options, job);
	if (job->stats_path != NULL && status == EX_OK && !options->self_check)
		look_at_stats(job, true);
	listen_job_free(job);
	arena_free(&arena);
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

#include "listen_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/store/places.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "command.h"
#include "io/socket.h"
#include "route.h"
#include "tls/tls.h"

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
	log_json_set(receiver->log_json);
	if (strcmp(options->log_to, "stderr") == 0)
		return 0;
	if (options->verbose == 0) /* what is in the log need not be on stderr, too */
		log_level_set(LOG_LEVEL_WARN);
	if (log_open(options->log_to, "mxtls") != 0)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot open the log %s", options->log_to);
	return 0;
}

/* TLS as asked for, or nothing is started: a missing certificate never turns it off (reference S30). */
static int
set_up_tls(const struct listen_options *options, struct listen_job *job, struct fail *why)
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
find_addresses(const struct listen_options *options, const struct strs *operands,
    struct listen_job *job, struct fail *why)
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
open_sockets(struct listen_job *job, int n, struct fail *why)
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

/* Does any session of these need certificates? */
static bool
wants_tls(const struct listen_job *job, int n)
{
	bool wanted = n == 0 && job->config.tls != SMTP_TLS_OFF;

	for (int i = 0; i < n; i++)
		wanted |= job->addresses[i].tls != SMTP_TLS_OFF || job->addresses[i].implicit_tls;
	return wanted;
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
set_up_accept(const struct listen_options *options, struct arena *arena, struct listen_job *job)
{
	struct accept *accept = &job->receiver.accept;
	const char *policy = options->policy;

	for (size_t i = 0; i < options->accept.n; i++)
		if (accept_add(accept, options->accept.v[i], &job->why) != 0)
			return -1;
	for (size_t i = 0; i < options->relay_from.n; i++)
		if (accept_relay_from(accept, options->relay_from.v[i], &job->why) != 0)
			return -1;
	if (options->bare_lf != 0 && !accept->relays)
		return fail_set(&job->why, FAIL_USAGE,
		    "--bare-lf normalize is for clients of --relay-from, and there are none");
	job->receiver.normalize_lf = options->bare_lf != 0;
	job->receiver.stop_after = (uint64_t)options->stop_after;
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
set_up_user(const struct listen_options *options, struct listen_job *job, struct fail *why)
{
	if (options->user == NULL)
		return 0;
	if (user_find(options->user, &job->user, why) != 0)
		return fail_prefix(why, "--user");
	if (geteuid() != 0)
		return fail_set(
		    why, FAIL_USAGE, "--user: only root can become '%s'", options->user);
	job->has_user = true;
	return 0;
}

/* Where it goes, and what can be promised to clients of that. */
static int
set_up_store(const struct listen_options *options, struct arena *arena, struct listen_job *job)
{
	struct smtp_server_config *config = &job->config;
	struct store *store = &job->receiver.store;
	struct spool spool;
	const char *where = options->deliver.n == 1 ? options->deliver.v[0] : NULL;
	bool queue = where != NULL && strcmp(where, "queue") == 0;

	if (options->deliver.n > 1)
		return fail_set(&job->why, FAIL_USAGE,
		    "--deliver is given %zu times: mail goes to one place", options->deliver.n);
	if (where == NULL)
		return fail_set(&job->why, FAIL_USAGE, "--deliver is missing: " STORE_EXPECTED);
	if (queue && route_spool(&spool, options->queue, arena, &job->why) != 0)
		return -1;
	if (queue)
		spool.bounds = options->bounds;
	if (store_open(store, where, &job->receiver.accept, queue ? &spool : NULL, &job->why) != 0)
		return -1;
	store->command_ms = options->command_ms;
	store->mark = options->mark;
	if (options->clear_folder != NULL &&
	    store_set_clear_folder(store, where, options->clear_folder, &job->why) != 0)
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
set_up_allow(const struct listen_options *options, struct listen_job *job, struct fail *why)
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

/* A file that cannot be made is told now, not in a minute. That of a receiver that runs is not touched. */
static int
set_up_stats(const struct listen_options *options, struct listen_job *job)
{
	job->receiver.stats = &job->stats;
	job->stats_path = options->stats;
	if (job->stats_path == NULL)
		return 0;
	char *folder = file_folder(job->stats_path);
	int error = access(folder, W_OK | X_OK) == 0 ? 0 : errno;
	free(folder);
	errno = error;
	if (error != 0)
		return fail_errno(&job->why, FAIL_CANT_CREATE, "cannot write %s", job->stats_path);
	return 0;
}

static void
set_up_listener(const struct listen_options *options, struct listen_job *job)
{
	unsigned descriptors = socket_descriptor_limit();

	job->listener.receiver = &job->receiver;
	job->listener.drain_ms = options->drain_ms;
	job->listener.max_connections = (unsigned)options->max_connections;
	if (job->listener.max_connections + 64 > descriptors)
		job->listener.max_connections = descriptors > 128 ? descriptors - 64 : 64;
	job->listener.max_per_network = (unsigned)options->max_connections_per_address;
	job->listener.max_per_minute = (unsigned)options->max_connections_per_minute;
}

int
listen_job_set_up(struct listen_job *job, const struct listen_options *options,
    const struct strs *operands, struct arena *arena)
{
	struct smtp_server_config *config = &job->config;

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
	if (set_up_stats(options, job) != 0)
		return -1;
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
	if (job->has_user && user_borrow(&job->user, &job->why) != 0)
		return -1;
	int stored = set_up_store(options, arena, job);
	if (job->has_user)
		user_return();
	if (stored != 0)
		return -1;
	set_up_listener(options, job);
	config->trace = options->verbose > 1 ? trace : NULL;
	config->busy = &job->listener.busy;
	return options->stdio || options->self_check ? 0 : open_sockets(job, n, &job->why);
}

struct listen_job *
listen_job_new(void)
{
	struct listen_job *job = mem_alloc(sizeof(*job));

	exclude_init(&job->allow);
	inbound_stats_init(&job->stats, LIMIT_STATS_ROWS, clock_wall());
	job->listener.caps = listen_caps_new();
	return job;
}

void
listen_job_free(struct listen_job *job)
{
	receiver_fini(&job->receiver);
	rules_free(job->rules);
	listen_faults_fini(&job->faults);
	exclude_free(&job->allow);
	inbound_stats_free(&job->stats);
	listen_caps_free(job->listener.caps);
	tls_ctx_free(job->tls.ctx);
	free(job);
}

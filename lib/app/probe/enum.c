#include "app/probe/enum.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "io/io.h"

struct deep {
	const struct enum_options *options;
	const struct addr *to;
	const char *host;
	int64_t next_ms; /* not before */
	int64_t deadline;
};

/* STARTTLS up to the 220, like any session. The descriptor, or -1. */
static int
starttls_descriptor(const struct deep *deep, struct arena *arena, struct fail *why)
{
	struct host_facts facts;
	struct cert_facts *certs = NULL;
	size_t certs_n = 0, post_220_bytes;
	struct session session;
	int fd = -1;

	facts_init_host_facts(&facts);
	session_init(&session, deep->options->session, deep->to, deep->host, NULL, KEY_ANY, arena,
	    &facts, &certs, &certs_n, deep->deadline);
	if (session_open(&session, why) == 0) {
		if (facts.starttls_state == STARTTLS_OFFERED)
			fd = smtp_starttls_raw(
			    &session.client, &post_220_bytes, session_step(&session), why);
		else
			fail_set(why, FAIL_STARTTLS_NOT_OFFERED, "STARTTLS is no longer offered");
	}
	session_close(&session, why);
	return fd;
}

static int
descriptor(const struct deep *deep, struct fail *why)
{
	const struct session_options *session = deep->options->session;
	struct arena arena;
	int fd;

	if (session->implicit_tls) {
		int64_t connect = clock_deadline(
		    session->connect_ms != 0 ? session->connect_ms : session->timeout_ms);
		return dial(deep->to, &session->dial, NULL,
		    connect < deep->deadline ? connect : deep->deadline, why);
	}
	arena_init(&arena);
	fd = starttls_descriptor(deep, &arena, why);
	arena_free(&arena);
	return fd;
}

/* "192.0.2.1:25 TLSv1.2, 131 suites, 30 groups: TLS_RSA_WITH_AES_128_CBC_SHA" */
static void
trace(const struct deep *deep, const struct hello_offer *offer, const struct hello_answer *answer,
    const struct fail *why)
{
	char to[ADDR_TEXT_BYTES], suite[HELLO_NAME_BYTES], group[HELLO_NAME_BYTES], alert[32];
	const char *version =
	    hello_version_name(offer->versions_n > 0 ? offer->versions[0] : offer->client_version);

	addr_str(deep->to, to);
	fprintf(stderr, "%s TLS offer %s, %zu suites, %zu groups: ", to, version, offer->suites_n,
	    offer->groups_n);
	if (why != NULL)
		fprintf(stderr, "%s\n", why->text);
	else if (answer->kind == HELLO_ALERT)
		fprintf(stderr, "alert %s\n", hello_alert_str(answer->alert, alert));
	else
		fprintf(stderr, "%s 0x%04x %s %s\n",
		    answer->kind == HELLO_RETRY ? "HelloRetryRequest" : "ServerHello",
		    answer->version, hello_suite_str(answer->suite, suite),
		    answer->group == 0 ? "" : hello_group_str(answer->group, group));
}

static int
ask(void *ctx, const struct hello_offer *offer, bool key_exchange, struct hello_answer *answer_r,
    struct fail *why)
{
	struct deep *deep = ctx;
	int64_t step;

	if (io_sleep(deep->next_ms, why) != 0)
		return ENUM_STOP;
	if (clock_ms() >= deep->deadline) {
		fail_set(why, FAIL_TIMEOUT, "the time for it is over");
		return ENUM_STOP;
	}
	int fd = descriptor(deep, why);
	deep->next_ms = clock_deadline(deep->options->pace_ms);
	if (fd < 0)
		return ENUM_STOP;
	step = clock_deadline(deep->options->session->timeout_ms);
	int ret = hello_ask(
	    fd, offer, key_exchange, answer_r, step < deep->deadline ? step : deep->deadline, why);
	hello_close(fd);
	deep->next_ms = clock_deadline(deep->options->pace_ms);
	if (deep->options->session->verbose)
		trace(deep, offer, answer_r, ret == 0 ? NULL : why);
	if (ret == 0)
		return ENUM_ANSWER;
	if (why->code == FAIL_TIMEOUT && clock_ms() < deep->deadline)
		return ENUM_LATE;
	return why->code == FAIL_EOF || why->code == FAIL_TLS_HANDSHAKE ? ENUM_SILENT : ENUM_STOP;
}

void
enum_host(const struct enum_options *options, const struct addr *to, const char *host,
    struct arena *arena, struct enum_facts *facts, int64_t deadline)
{
	struct deep deep = { .options = options,
		.to = to,
		.host = host,
		.next_ms = clock_deadline(options->pace_ms),
		.deadline = deadline };
	const char *sni = options->session->sni == NULL ? host : options->session->sni;
	unsigned char random[96];

	/* nothing secret comes of it, but the point of the X25519 share must not be 0 */
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 9, sizeof(random));
	enum_search(options->what, sni == NULL || sni[0] == '\0' ? NULL : sni, random, ask, &deep,
	    arena, facts);
}

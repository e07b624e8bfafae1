/*
 * Who asks should be known to those who are asked.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "app/survey/impl.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/sched.h"
#include "io/socket.h"

#define LOOKUP_MS 15000

struct helo_job {
	struct survey *survey;
	struct addr source;
};

static bool
has_name(const struct dns_answer *answer, const char *helo)
{
	for (size_t i = 0; i < answer->n; i++)
		if (answer->records[i].name != NULL &&
		    slice_is_case(slice_str(answer->records[i].name), helo))
			return true;
	return false;
}

static void
helo_fiber(void *arg)
{
	struct helo_job *job = arg;
	struct survey *s = job->survey;
	const char *helo = s->probe->session.helo;
	const struct dns_answer *answer;
	char ip[ADDR_TEXT_BYTES];
	struct arena arena;

	arena_init(&arena);
	addr_ip_str(&job->source, ip);
	if (dns_query(s->probe->resolver, dns_reverse_name(&job->source, &arena), DNS_PTR, &answer,
		clock_deadline(LOOKUP_MS), NULL) == 0) {
		bool known = answer->status == DNS_OK || answer->status == DNS_NODATA ||
			     answer->status == DNS_NXDOMAIN;
		if (known && !has_name(answer, helo))
			log_warn("EHLO says %s, but the PTR record of %s does not: servers cannot "
				 "tell who asks them, and some will refuse; see --helo",
			    helo, ip);
		dns_answer_release(answer);
	}
	arena_free(&arena);
	free(job);
	s->helpers--;
	io_wake(&s->ended, -1);
}

void
survey_check_helo(struct survey *s, const struct addr *to)
{
	struct helo_job *job;
	struct addr source;

	if (s->helo_checked)
		return;
	s->helo_checked = true;
	if (s->probe->session.helo == NULL) {
		log_warn("EHLO will say an address literal, since this host has no full name: "
			 "servers cannot tell who asks them, and some will refuse; see --helo");
		return;
	}
	if (s->probe->session.helo[0] == '[')
		return;
	if (s->probe->session.dial.source != NULL)
		source = *s->probe->session.dial.source;
	else if (!socket_source(to, &source))
		return;
	if (addr_is_private(&source)) /* behind NAT the world sees another one */
		return;
	job = mem_alloc(sizeof(*job));
	job->survey = s;
	job->source = source;
	s->helpers++;
	if (fiber_spawn(helo_fiber, job, "helo", DEADLINE_NEVER, NULL) != 0)
		helo_fiber(job);
}

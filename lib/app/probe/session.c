#include "app/probe/session.h"

void
probe_session(const struct session_options *options, const struct addr *to, const char *host,
    const char *domain, enum key_type keys, struct arena *arena, struct host_facts *facts,
    struct cert_facts **certs_inout, size_t *certs_n_inout, int64_t deadline)
{
	struct session s;
	struct fail why;

	fail_clear(&why);
	session_init(&s, options, to, host, domain, keys, arena, facts, certs_inout, certs_n_inout,
	    deadline);
	if (session_open(&s, &why) == 0 && facts->starttls_state == STARTTLS_OFFERED)
		session_starttls(&s, &why);
	session_close(&s, &why);
}

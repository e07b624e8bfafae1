#include "policy/txt.h"

#include <string.h>

int
txt_lookup(struct dns_resolver *resolver, const char *prefix, const char *domain,
    struct arena *arena, struct txt *txt, int64_t deadline, struct fail *why)
{
	const struct dns_answer *answer;
	const char *name = arena_printf(arena, "%s.%s", prefix, domain);

	memset(txt, 0, sizeof(*txt));
	if (dns_query(resolver, name, DNS_TXT, &answer, deadline, why) != 0)
		return -1;
	txt->code = dns_answer_fail(answer);
	if (txt->code == FAIL_NXDOMAIN)
		txt->code = FAIL_NONE;
	else if (txt->code != FAIL_NONE)
		txt->error = arena_strdup(
		    arena, answer->error != NULL ? answer->error : fail_info(txt->code)->text);
	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++) {
		struct slice *text = arena_push(arena, &txt->texts, &txt->n, sizeof(*text));
		size_t n = answer->records[i].data_len;
		*text =
		    slice_make(arena_strndup(arena, (const char *)answer->records[i].data, n), n);
	}
	dns_answer_release(answer);
	return 0;
}

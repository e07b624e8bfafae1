/*
 * MTA-STS records and policies and TLSRPT records: the first byte says which, for TXT records the
 * texts are separated by NUL. What was accepted must be what the syntax allows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "policy/mtasts.h"
#include "policy/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static size_t
split(struct slice text, struct slice *texts, size_t max)
{
	size_t n = 0;

	while (text.n > 0 && n < max) {
		size_t end = slice_find(text, '\0');
		texts[n++] = slice_sub(text, 0, end);
		text = slice_sub(text, end + 1, text.n);
	}
	return n;
}

static void
policy(struct slice text, struct arena *arena)
{
	struct mtasts_policy policy;
	struct strs findings = { NULL, 0, 0 };
	struct sts_facts facts;
	struct fail why;

	fail_clear(&why);
	if (mtasts_policy_parse(text, arena, &policy, &findings, &why) != 0) {
		must(why.code == FAIL_STS_POLICY && why.text[0] != '\0');
		return;
	}
	must(findings.n <= LIMIT_STS_FINDINGS);
	must(policy.max_age >= 0 && policy.max_age <= LIMIT_STS_MAX_AGE_S);
	must(policy.mode != STS_MODE_UNKNOWN);
	must(policy.mx.n > 0 || policy.mode == STS_MODE_NONE);
	facts_init_sts_facts(&facts);
	mtasts_facts_policy(&facts, &policy, arena);
	must(facts.mx.n == policy.mx.n);
	for (size_t i = 0; i < policy.mx.n; i++) {
		const char *pattern = policy.mx.v[i];
		/* a pattern matches itself, and nothing below itself */
		must(mtasts_mx_matches(&policy.mx, pattern));
		must(strchr(pattern, ' ') == NULL && strlen(pattern) <= LIMIT_DOMAIN_BYTES + 2);
		if (i > 3)
			break;
	}
}

static void
records(struct slice text, struct arena *arena)
{
	struct slice texts[8];
	size_t n = split(text, texts, 8);
	struct sts_facts sts;
	struct tlsrpt_facts tlsrpt;

	facts_init_sts_facts(&sts);
	enum sts_status status = mtasts_record_read(texts, n, arena, &sts);
	must(status == sts.status);
	must((status == STS_VALID) == (sts.id != NULL));
	must(status != STS_RECORD_INVALID || (sts.reason != NULL && sts.record != NULL));
	must(sts.id == NULL || (sts.id[0] != '\0' && strlen(sts.id) <= 32));
	tlsrpt_read(texts, n, arena, &tlsrpt);
	must((tlsrpt.status == TLSRPT_VALID) == (tlsrpt.rua.n > 0));
	must(tlsrpt.rua.n <= LIMIT_TLSRPT_URIS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	if (size == 0)
		return 0;
	struct slice text = slice_make((const char *)data + 1, size - 1);
	arena_init(&arena);
	if (data[0] == 'p')
		policy(text, &arena);
	else
		records(text, &arena);
	arena_free(&arena);
	return 0;
}

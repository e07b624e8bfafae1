#include <string.h>

#include "app/report/report.h"
#include "base/limits.h"
#include "base/text.h"

/* A domain's value in the set: its verdict, and whether the newer survey has it, too. */
#define VERDICT_MASK 0xffu
#define SEEN 0x100u
#define KNOWN 0x200u

static struct slice
key_of(const struct target_facts *target, char out[LIMIT_DOMAIN_BYTES * 2])
{
	const char *name = target->alabel != NULL ? target->alabel : target->domain;
	size_t n = 0;

	for (; name != NULL && name[n] != '\0' && n < LIMIT_DOMAIN_BYTES * 2; n++)
		out[n] = text_lower(name[n]);
	return slice_make(out, n);
}

void
report_compare_old(struct report_compare *compare, const struct target_facts *target)
{
	char name[LIMIT_DOMAIN_BYTES * 2];
	bool added;
	uint32_t *value = report_set_add(&compare->verdicts, key_of(target, name), &added);

	if (value != NULL)
		*value = KNOWN | ((uint32_t)target->summary.verdict & VERDICT_MASK);
}

/* From good to bad; 0: neither, says nothing about how good. */
static int
rung(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_DANE:
		return 1;
	case VERDICT_MTA_STS:
		return 2;
	case VERDICT_PKIX:
		return 3;
	case VERDICT_ENCRYPTED:
		return 4;
	case VERDICT_BACKUP_PLAINTEXT:
		return 5;
	case VERDICT_BROKEN_SOME:
		return 6;
	case VERDICT_PLAINTEXT:
		return 7;
	case VERDICT_BROKEN:
		return 8;
	case VERDICT_UNDELIVERABLE:
		return 9;
	case VERDICT_UNKNOWN:
	case VERDICT_NO_MAIL:
		break;
	}
	return 0;
}

int
report_compare_direction(enum verdict from, enum verdict to)
{
	int a = rung(from), b = rung(to);

	if (a == 0 || b == 0 || a == b)
		return 0;
	return a < b ? 1 : -1;
}

void
report_compare_new(struct report_compare *compare, const struct target_facts *target)
{
	char name[LIMIT_DOMAIN_BYTES * 2];
	uint32_t *value = report_set_find(&compare->verdicts, key_of(target, name));
	enum verdict to = target->summary.verdict;

	if (value == NULL) {
		compare->added++;
		return;
	}
	if ((*value & SEEN) != 0) /* twice in the list */
		return;
	*value |= SEEN;
	enum verdict from = (enum verdict)(*value & VERDICT_MASK);
	compare->common++;
	if ((unsigned)from < REPORT_VERDICTS && (unsigned)to < REPORT_VERDICTS)
		compare->moves[from][to]++;
	int direction = report_compare_direction(from, to);
	compare->same += from == to;
	compare->better += direction < 0;
	compare->worse += direction > 0;
	compare->lost += from != VERDICT_UNKNOWN && to == VERDICT_UNKNOWN;
	compare->found += from == VERDICT_UNKNOWN && to != VERDICT_UNKNOWN;
	if (direction <= 0)
		return;
	const struct strs *reasons = &target->summary.reasons;
	struct report_finding finding = {
		.domain = target->alabel != NULL ? target->alabel : target->domain,
		.reason = reasons->n > 0 ? reasons->v[0] : NULL,
		.rank = target->rank,
		.verdict = to,
		.before = from,
	};
	if (finding.domain != NULL)
		report_findings_add(&compare->worsened, &finding);
}

void
report_compare_finish(struct report_compare *compare)
{
	for (size_t i = 0; i < compare->verdicts.cap; i++)
		if (compare->verdicts.hashes[i] != 0 && (compare->verdicts.values[i] & SEEN) == 0)
			compare->gone++;
	report_set_free(&compare->verdicts);
}

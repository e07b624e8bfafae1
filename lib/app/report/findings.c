#include <stdlib.h>
#include <string.h>

#include "app/report/survey.h"
#include "base/mem.h"

#define REASON_BYTES 300 /* kept of a reason */

void
report_findings_init(struct report_findings *findings, size_t max)
{
	memset(findings, 0, sizeof(*findings));
	findings->max = max;
}

static void
free_finding(struct report_finding *finding)
{
	free(finding->domain);
	free(finding->reason);
}

void
report_findings_free(struct report_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		free_finding(&findings->list[i]);
	free(findings->list);
	findings->list = NULL;
	findings->n = 0;
}

static int
severity(enum verdict verdict)
{
	static const enum verdict worst_first[] = { VERDICT_BROKEN, VERDICT_PLAINTEXT,
		VERDICT_UNDELIVERABLE, VERDICT_BROKEN_SOME, VERDICT_BACKUP_PLAINTEXT,
		VERDICT_ENCRYPTED };
	int n = sizeof(worst_first) / sizeof(worst_first[0]);

	for (int i = 0; i < n; i++)
		if (worst_first[i] == verdict)
			return n - i;
	return 0;
}

/* Whether a goes before b, which came first. */
static bool
is_worse(const struct report_finding *a, const struct report_finding *b)
{
	if (severity(a->verdict) != severity(b->verdict))
		return severity(a->verdict) > severity(b->verdict);
	/* -1, no rank, is the largest */
	return (uint64_t)a->rank < (uint64_t)b->rank;
}

void
report_findings_add(struct report_findings *findings, const struct report_finding *finding)
{
	size_t at = findings->n;

	findings->offered++;
	while (at > 0 && is_worse(finding, &findings->list[at - 1]))
		at--;
	if (at == findings->max)
		return;
	if (findings->list == NULL)
		findings->list = mem_array(findings->max, sizeof(struct report_finding));
	if (findings->n == findings->max)
		free_finding(&findings->list[--findings->n]);
	memmove(&findings->list[at + 1], &findings->list[at],
	    (findings->n - at) * sizeof(struct report_finding));
	findings->n++;
	struct report_finding *kept = &findings->list[at];
	*kept = *finding;
	kept->domain = mem_strdup(finding->domain);
	kept->reason = finding->reason == NULL
			   ? NULL
			   : mem_strndup(finding->reason, strnlen(finding->reason, REASON_BYTES));
}

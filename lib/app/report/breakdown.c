#include "app/report/breakdown.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define METRIC(id, token, text, has) { token, text },
const struct report_metric_info report_metrics[REPORT_METRICS_N] = { REPORT_METRICS(METRIC) };
#undef METRIC

void
report_breakdown_init(struct report_breakdown *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
	map_init(&b->by_name);
}

void
report_breakdown_free(struct report_breakdown *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->groups[i].name);
	free(b->groups);
	map_free(&b->by_name);
}

static struct report_group *
group(struct report_breakdown *b, struct slice name)
{
	void *found = map_get(&b->by_name, name);

	if (found != NULL)
		return &b->groups[(uintptr_t)found - 1];
	if (b->n >= b->max)
		return &b->other;
	b->groups = mem_grow(b->groups, b->n, &b->cap, sizeof(struct report_group));
	struct report_group *added = &b->groups[b->n++];
	memset(added, 0, sizeof(*added));
	added->name = mem_strndup(name.p, name.n);
	map_set(&b->by_name, name, (void *)(uintptr_t)b->n);
	return added;
}

void
report_breakdown_open(struct report_breakdown *b, struct slice name)
{
	(void)group(b, name);
}

void
report_breakdown_add(
    struct report_breakdown *b, struct slice name, const struct report_unit *domain)
{
	struct report_group *g = group(b, name);

	g->domains++;
#define METRIC(id, token, text, has) g->n[REPORT_METRIC_##id] += (has) ? 1 : 0;
	REPORT_METRICS(METRIC)
#undef METRIC
}

static int
by_domains(const void *a, const void *b)
{
	const struct report_group *x = a, *y = b;

	if (x->domains != y->domains)
		return x->domains < y->domains ? 1 : -1;
	return strcmp(x->name, y->name);
}

void
report_breakdown_sort(struct report_breakdown *b)
{
	if (b->n > 0)
		qsort(b->groups, b->n, sizeof(struct report_group), by_domains);
	map_free(&b->by_name); /* its numbers are wrong now */
}

size_t
report_breakdown_rest(const struct report_breakdown *b, size_t top, struct report_group *rest_r)
{
	size_t count = b->other.domains > 0;

	*rest_r = b->other;
	for (size_t i = top; i < b->n; i++, count++) {
		rest_r->domains += b->groups[i].domains;
		for (size_t m = 0; m < REPORT_METRICS_N; m++)
			rest_r->n[m] += b->groups[i].n[m];
	}
	return count;
}

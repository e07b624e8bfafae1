#ifndef APP_PROBE_PROMETHEUS_H
#define APP_PROBE_PROMETHEUS_H

#include "base/buf.h"
#include "base/facts.h"
#include "base/map.h"

/*
 * Records of a probe as metrics in the text format of Prometheus, for the textfile collector of
 * node_exporter. All samples of a metric must stand together, so they are collected here until all
 * targets are done. Pure. What was not measured has no sample: a "no" must be earned. A target, or
 * an address of a host, that comes a second time is left out, since its samples would be
 * duplicates, for which the whole file is refused.
 */

#define PROBE_PROMETHEUS_METRICS 14

struct probe_prometheus {
	struct buf samples[PROBE_PROMETHEUS_METRICS];
	struct map seen; /* labels of what has samples */
};

void probe_prometheus_init(struct probe_prometheus *p);
void probe_prometheus_free(struct probe_prometheus *p);
void probe_prometheus_add(struct probe_prometheus *p, const struct target_facts *facts);
/* The whole file. Returns 0, or -1 when it is above LIMIT_RECORD_BYTES. */
int probe_prometheus_write(const struct probe_prometheus *p, struct buf *out);

#endif

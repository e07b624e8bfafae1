#ifndef APP_PROBE_NAGIOS_H
#define APP_PROBE_NAGIOS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/facts.h"
#include "policy/bar.h"

/*
 * Records of a probe as one line for Nagios and its like: "MXTLS OK - text | performance data"
 * (the plugin guidelines). One line for all targets, worst first. Pure. Remote text is escaped
 * (text_escape), and what the plugin interface or a status page would take for its own (| < >) is
 * replaced.
 */

struct probe_nagios_part {
	int status; /* 0 to 3; -1: no record (yet) */
	char *text, *perfdata;
};

struct probe_nagios {
	struct arena arena;
	struct probe_nagios_part *parts; /* by the number of the target */
	size_t parts_n;
	struct buf trouble; /* what could not be done at all */
};

void probe_nagios_init(struct probe_nagios *n);
void probe_nagios_free(struct probe_nagios *n);
/* number: of the target, which orders those of one status. at: as for bar_apply. */
void probe_nagios_add(struct probe_nagios *n, size_t number, const struct target_facts *facts,
    const struct bar *bar, int64_t at);
/* A target that could not be probed, for a reason on our side: UNKNOWN unless another is worse. */
void probe_nagios_trouble(struct probe_nagios *n, const char *text);
/* The line with its newline. Returns its status. */
int probe_nagios_write(const struct probe_nagios *n, struct buf *out);

#endif

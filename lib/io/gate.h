#ifndef IO_GATE_H
#define IO_GATE_H

#include <stdint.h>

#include "io/io.h"

/*
 * A gate lets at most limit holders through; others wait first in, first out. Without fibers it
 * never blocks. Whoever enters leaves, on every exit. Nobody holds a gate while joining a job.
 */
struct gate {
	unsigned limit, held;
	struct waitq waiting;
};

void gate_init(struct gate *g, unsigned limit);
/* 0, or -1 with TIMEOUT or CANCELLED: then the gate is not held. */
int gate_enter(struct gate *g, int64_t deadline, struct fail *why);
void gate_leave(struct gate *g);

#endif

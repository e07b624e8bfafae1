#include "io/gate.h"

#include "io/fiber.h"

void
gate_init(struct gate *g, unsigned limit)
{
	g->limit = limit;
	g->held = 0;
	waitq_init(&g->waiting);
}

int
gate_enter(struct gate *g, int64_t deadline, struct fail *why)
{
	/* without fibers nobody else can hold it; and whoever waits goes first */
	if (sched.current == NULL || (g->held < g->limit && waitq_empty(&g->waiting))) {
		g->held++;
		return 0;
	}
	/* woken by gate_leave, which hands its place over: held stays as it is */
	return io_park(&g->waiting, deadline, why);
}

void
gate_leave(struct gate *g)
{
	if (io_wake(&g->waiting, 1) == 0)
		g->held--;
}

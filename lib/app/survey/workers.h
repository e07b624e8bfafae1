#ifndef APP_SURVEY_WORKERS_H
#define APP_SURVEY_WORKERS_H

#include <stdbool.h>

#include "app/probe/probe.h"
#include "base/list.h"
#include "base/map.h"
#include "io/child.h"
#include "io/gate.h"

/*
 * Sessions in other processes, for machines with several cores (DECISIONS D26b). The parent looks up
 * names, joins, decides who is asked when, and writes; a worker has a session when it is told to and
 * sends back its facts. Both ways a line each, over a socket: the target's facts, a server's facts. A
 * worker whose parent is gone ends; one that ends by itself is replaced.
 */
struct survey_worker {
	struct child child;
	int fd; /* -1: not running */
	struct gate writing;
	unsigned long answers; /* of this process */
	unsigned failures;     /* processes in a row that did not answer anything, and this one */
};

struct survey_workers {
	const struct probe_options *probe;
	struct survey_worker *v;
	unsigned n;
	struct list asked;    /* struct survey_question */
	struct map by_number; /* the same */
	uint32_t last;
	bool stopping;
};

/* Fork n workers; before the loop starts. probe: borrowed. Fails with OS. */
int survey_workers_start(
    struct survey_workers *w, unsigned n, const struct probe_options *probe, struct fail *why);
/* They end; after the loop. Also of one that is all zero. */
void survey_workers_stop(struct survey_workers *w);

/*
 * Ask the server at one address of a target: a session in a worker, always the same one for one
 * address.
 *
 * target  its facts as JSON
 * line_r  the answer is appended: survey_server_line
 * 0, or -1 with why: CANCELLED, IO (the worker ended before it had answered; asking again is allowed).
 */
int survey_workers_ask(struct survey_workers *w, struct slice target, size_t exchange, size_t host,
    unsigned pass, const char *ip, struct buf *line_r, struct fail *why);

/*
 * Read answers of worker i, and of those that come after it when it ends. 0 after
 * survey_workers_close, else -1 with why: CANCELLED, OS, IO (they end one after the other and answer nothing).
 */
int survey_workers_read(struct survey_workers *w, unsigned i, struct fail *why);
/* No more questions: survey_workers_read comes to its end. */
void survey_workers_close(struct survey_workers *w);

/* What is known of a server before anybody asks it; arguments as below. */
void survey_server_init(const struct exchange_facts *mx, size_t host, bool literal, unsigned pass,
    struct arena *arena, struct server_facts *facts);

/*
 * One server, here and now. mx: of the target, with its TLSA records; its host number "host" is
 * asked. literal: the target is an address. Cancelled: status HOST_CANCELLED.
 */
void survey_ask_server(const struct probe_options *probe, struct exchange_facts *mx, size_t host,
    bool literal, unsigned pass, struct arena *arena, struct server_facts *facts);

/* A server's facts as a line of FILE.cache; those that are too long for one are shortened. */
void survey_server_line(struct server_facts *facts, struct buf *line);

#endif

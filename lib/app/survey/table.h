#ifndef APP_SURVEY_TABLE_H
#define APP_SURVEY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/slice.h"
#include "io/addr.h"

/*
 * What a survey remembers: each distinct server (address, port, name to verify, TLSA records), and
 * the domains that wait for one. A server costs 60 bytes or so, with its share of the hash tables
 * and its address; what it did is in a file. No I/O, no clock.
 *
 * Servers are known by 128 bits of a keyed hash: two that had the same would be taken for one, which
 * among 2^32 of them happens with a chance of 2^-65.
 */

enum survey_state {
	SURVEY_NEW,      /* nobody has asked for it in this pass */
	SURVEY_QUEUED,   /* a session is to come, or under way */
	SURVEY_FINISHED, /* at: where its line is */
	SURVEY_SKIPPED   /* its address has been asked for enough names: see first */
};

struct survey_server {
	uint64_t key[2];
	uint64_t at;      /* FINISHED: offset and length of its line, see survey_file.h */
	uint32_t waiting; /* the first link of domains that wait, 0 = none */
	uint8_t state, pass;
	bool measured; /* whether its STARTTLS is known: a further pass will not ask again */
	bool told;     /* with --dedupe-output its line is in the output */
};

/* One address and port, whatever the names. */
struct survey_address {
	uint64_t key;
	uint32_t
	    first; /* the server that was asked for first; it stands for those that are skipped */
	uint32_t names;
};

/* A domain whose servers are not all finished; its facts are in the spool. */
struct survey_waiting {
	uint64_t at; /* in the spool */
	uint64_t seq;
	uint32_t servers; /* that it waits for */
	uint32_t next;    /* in the list of those that wait no longer */
};

struct survey_index {
	uint32_t *slots; /* numbers; 0 = free */
	size_t slots_n, n;
};

struct survey_table {
	struct pool servers, addresses, waiting, links;
	struct survey_index by_key, by_address;
	size_t waiting_n; /* domains that wait */
};

void survey_table_init(struct survey_table *t);
void survey_table_free(struct survey_table *t);

/*
 * The number of a server, made when it is not there yet (*made_r).
 *
 * to      address and port
 * name    MX host, NULL for an address
 * digest  of the TLSA records that are enforced there, NULL: none. Whoever finds others asks anew
 */
uint32_t survey_server(struct survey_table *t, const struct addr *to, const char *name,
    const char *digest, bool *made_r);
struct survey_server *survey_server_at(const struct survey_table *t, uint32_t number);

/* The address of a server, made when it is not there yet. Valid until the next call. */
struct survey_address *survey_address(struct survey_table *t, const struct addr *to);

/* Domain waits for a server; once for each, so that it may wait for several. */
void survey_wait(struct survey_table *t, uint32_t server, uint32_t waiting);
/*
 * The server is finished: the domains that waited for nothing else now, as a list by
 * survey_waiting.next; 0 = none.
 */
uint32_t survey_wake(struct survey_table *t, uint32_t server);

/* A domain that waits for nothing yet. */
uint32_t survey_waiting_new(struct survey_table *t, uint64_t at, uint64_t seq);
struct survey_waiting *survey_waiting_at(const struct survey_table *t, uint32_t number);
void survey_waiting_free(struct survey_table *t, uint32_t number);

#endif

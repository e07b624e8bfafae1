#ifndef POLICY_PORT25_H
#define POLICY_PORT25_H

#include <stdbool.h>

#include "base/facts.h"
#include "base/limits.h"

/*
 * "Your network blocks port 25" (DECISIONS C23): many access networks drop connections to port 25, or
 * answer them with a proxy of their own. Then a probe tells nothing about its targets, and that is
 * said. Pure, and of constant size however many records it has seen.
 *
 *   blocked      no address at port 25 has answered, and those of two networks of one family timed
 *                out when connecting
 *   intercepted  every greeting at port 25 names one and the same host, three servers that have
 *                nothing to do with each other gave it, and it belongs to none of them
 *
 * A network is a /24 or /48. What servers in one network, or of one domain, have in common may have
 * its reason at the other end: a claim is made late rather than wrongly.
 */
#define PORT25_UNRELATED 3

/* Servers of which no two are in one network, or have names in one domain where these count. */
struct port25_servers {
	struct {
		char domain[LIMIT_DOMAIN_BYTES + 1];
		unsigned char network[7];
	} v[PORT25_UNRELATED];
	size_t n;
};

struct port25 {
	size_t answered;                       /* addresses that did anything but time out */
	struct port25_servers silent;          /* that timed out, whatever their names */
	char greeting[LIMIT_DOMAIN_BYTES + 1]; /* the one name all greetings had, "" = none yet */
	bool differ;                   /* another greeting, or one of the servers' own names */
	struct port25_servers greeted; /* with that name */
};

/* A zeroed struct port25 is one that has seen nothing. */
void port25_note(struct port25 *p, const struct target_facts *facts);

/* What is the matter, as a sentence; NULL when nothing is, or not yet. */
const char *port25_finding(const struct port25 *p);

/* Whether there is a finding and this record has addresses at port 25, so that it is about them. */
bool port25_concerns(const struct port25 *p, const struct target_facts *facts);

#endif

#ifndef SMTP_EHLO_H
#define SMTP_EHLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "smtp/reply.h"

/*
 * What a server's reply to EHLO offers (RFC 5321 s4.1.1.1). A keyword is a whole word, in any ASCII case,
 * on any line but the first; a word that merely contains it is not it.
 */
enum ehlo_cap {
	EHLO_STARTTLS = 1 << 0,
	EHLO_PIPELINING = 1 << 1,
	EHLO_SIZE = 1 << 2,
	EHLO_8BITMIME = 1 << 3,
	EHLO_SMTPUTF8 = 1 << 4,
	EHLO_DSN = 1 << 5,
	EHLO_ENHANCEDSTATUSCODES = 1 << 6,
	EHLO_REQUIRETLS = 1 << 7,
	EHLO_CHUNKING = 1 << 8,
	EHLO_AUTH = 1 << 9,
};

struct ehlo {
	bool known;    /* an EHLO reply of 250 was read on this transport */
	unsigned caps; /* of enum ehlo_cap */
	unsigned auth; /* mechanisms behind AUTH, of smtp/auth.h */
	uint64_t size; /* SIZE argument, 0: none or without number */
	/* LIMITS (RFC 9422 s4): transactions of a session, recipients and their domains in each; 0: none told */
	unsigned mail_max, rcpt_max, rcpt_domain_max;
	bool
	    masked; /* a keyword of X characters: something strips STARTTLS (reference: XXXXXXXA) */
};

/* Pure. The reply's code is the caller's business. */
void ehlo_parse(const struct smtp_reply *reply, struct ehlo *ehlo_r);

/*
 * Pure. A greeting that a firewall has written over ("220 *****2****0*": Cisco's fixup): its text, without the code, is
 * asterisks but for 0, 2 and blanks. Such a one also gets commands wrong that come in one packet.
 */
bool ehlo_banner_masked(struct slice text);

/* Append each line but the first, sanitised, to list. */
void ehlo_lines(const struct smtp_reply *reply, struct arena *arena, struct strs *list);

/* Lines of a whose keyword has no line in b (ASCII case ignored), appended to missing_r. */
void ehlo_difference(
    const struct strs *a, const struct strs *b, struct arena *arena, struct strs *missing_r);

#endif

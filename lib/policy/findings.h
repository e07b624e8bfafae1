#ifndef POLICY_FINDINGS_H
#define POLICY_FINDINGS_H

#include "base/arena.h"
#include "base/facts.h"

/*
 * What a probe finds beside the rungs of its verdict, and what it did not look at: reasons that
 * change no verdict. Pure.
 */

/*
 * Add to facts->summary.reasons: what is odd or weak about each handshake (DECISIONS C22: reported, no
 * error), what --check-injection found, a masked EHLO keyword beside STARTTLS, MX hosts and
 * addresses that were not probed. The last ones count in no rung, so a good verdict
 * must not hide them.
 */
void findings_add(struct target_facts *facts, struct arena *arena);

/* What is weak about one handshake, as bits. leaf: its first certificate, NULL when not known. */
enum {
	FINDINGS_OLD_TLS = 1,     /* TLS 1.1 and older (RFC 8996) */
	FINDINGS_SMALL_KEY = 2,   /* RSA below 2048, ECDSA below 224 bits (SP 800-57: 112 bits) */
	FINDINGS_WEAK_DIGEST = 4, /* the certificate is signed with MD5 or SHA-1 */
	FINDINGS_SMALL_DH = 8     /* a finite field below 2048 bits (RFC 7919) */
};
unsigned findings_weak(const struct tls_facts *tls, const struct cert_facts *leaf);

/*
 * "mx.example.com [192.0.2.1]", with ":port" behind it where that is not 25; without the name where
 * it is the address.
 */
char *
findings_where(const struct exchange_facts *mx, const struct host_facts *host, struct arena *arena);

#endif

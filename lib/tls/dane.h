#ifndef TLS_DANE_H
#define TLS_DANE_H

#include "base/slice.h"
#include "tls/tls.h"

/*
 * DANE (RFC 6698, 7671, 7672): a chain of certificates against TLSA records. Every record is
 * compared, not only until one matches, so that a report can tell which are wrong. Nothing here
 * knows where the records came from: whether they may be believed is lib/policy's business.
 * Everything but tls_dane is pure.
 *
 * How a record proves identity, by its usage:
 *   3 DANE-EE  the server's own certificate has the record's data. Its names and dates do not
 *              matter (RFC 7672 s3.1.1).
 *   2 DANE-TA  a certificate of the chain, but never the server's own, has the record's data (or
 *              the record is a whole certificate or key, sent or not); the chain verifies up to it,
 *              dates count (those of an issuer that is not self-signed and the record's own do not,
 *              as in OpenSSL), and the server's certificate names one of the names (s3.1.2, s3.2.3).
 *   0, 1       never (s3.1.3)
 */

struct tls_dane_question {
	/* those that are not usable are compared, too, as far as they have a sound form */
	const struct tlsa_record_facts *records;
	size_t records_n;
	/* names for DANE-TA: A-labels, one trailing dot is cut; at least one of them must match */
	const char *const *names;
	size_t names_n;
	int64_t at;     /* Unix seconds to verify as of */
	int auth_level; /* OpenSSL security level for the chain of a DANE-TA record, 0 or 1 */
};

/* The note of a DANE-TA record whose chain is good, but whose certificate has none of the names. */
#define TLS_DANE_OTHER_NAME "the certificate names another host"

/* What became of one record. */
struct tls_dane_fit {
	enum tri matched; /* proves the identity; UNKNOWN: it has no form that can be compared */
	int depth;        /* of the certificate that has the record's data; -1: none has */
	const char *note; /* why it does not match although one has; NULL otherwise. In arena. */
};

/*
 * The chain of a completed client session. fits_r: one for each record.
 * Returns VALID when a usable record matches; MISMATCH when none does; UNUSABLE when no record is
 * usable; NOT_CHECKED when the handshake is not complete.
 */
enum dane tls_dane(const struct tls *tls, const struct tls_dane_question *question,
    struct arena *arena, struct tls_dane_fit *fits_r);

/*
 * The same for certificates in DER, leaf first, as a server would send them. Of certificates
 * beyond LIMIT_CHAIN_CERTS nothing is known. Fails with MESSAGE (one of them is no certificate).
 */
int tls_dane_chain(const struct slice *certs, size_t n, const struct tls_dane_question *question,
    struct arena *arena, struct tls_dane_fit *fits_r, enum dane *dane_r, struct fail *why);

/*
 * Whether association data has the form that selector and matching type ask for: the length of the
 * digest, or one whole certificate or public key that OpenSSL can read (RFC 6698 s2.1.4). False for
 * selectors and matching types that are not 0 to 1 and 0 to 2.
 */
bool tls_tlsa_is_sound(int selector, int matching_type, const void *data, size_t n);

/*
 * The record that describes a certificate (DER, n bytes): its data as "3 1 1 <hex>", ready for a
 * zone file. Fails with MESSAGE (no certificate), USAGE (usage above 3, selector above 1, matching
 * type above 2).
 */
int tls_tlsa_record(const void *der, size_t n, int usage, int selector, int matching_type,
    struct arena *arena, char **text_r, struct fail *why);

#endif

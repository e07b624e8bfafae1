#ifndef PROBE_CERT_H
#define PROBE_CERT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/slice.h"
#include "tls/verify.h"

/*
 * --print-tlsa and --check-cert of mxtls probe: instead of records, lines about certificates.
 */
struct probe_cert {
	bool print;          /* --print-tlsa */
	bool dane;           /* TLSA records count */
	struct slice *certs; /* of --check-cert; NULL: not given */
	size_t certs_n;
	struct verify_facts verify; /* of certs, by probe_cert_judge */
	const char *next_key;       /* of --next-cert, hex; NULL: not given */
};

/*
 * Read the files, NULL where none is given. Fails with NO_INPUT (cannot be read, no certificate) and
 * USAGE (options that exclude each other).
 */
int probe_cert_load(const char *check_file, const char *next_file, struct arena *arena,
    struct probe_cert *cert, struct fail *why);

/* Judge the chain of --check-cert, if there is one, as of at (Unix seconds). Fails with MESSAGE. */
int probe_cert_judge(struct probe_cert *cert, struct tls_trust *trust, int64_t at,
    struct arena *arena, struct fail *why);

/* Lines about a target to out; returns the status for it. at: as for probe_tlsa_check. */
int probe_cert_add(
    const struct probe_cert *cert, const struct target_facts *facts, int64_t at, struct buf *out);

#endif

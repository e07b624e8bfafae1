#ifndef PROBE_OPTS_H
#define PROBE_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"
#include "probe_survey.h"

/*
 * The command line of mxtls probe: what its options are, and where they go.
 */

/* --mx, --key-types */
enum { MX_ALL, MX_FIRST };
enum { KEYS_BOTH, KEYS_ANY };

struct probe_cli {
	const char *input, *output;                              /* target list, records */
	const char *ca_file, *ca_dir, *helo, *source, *at, *sni; /* NULL: not given */
	const char *deep;                                        /* --enum, NULL: no deep look */
	const char *warn, *crit, *check_cert, *next_cert;
	const char *pem;       /* a folder, or "-" */
	struct strs resolvers; /* ADDR[:PORT] each */
	int64_t port;          /* 0: 25, or 465 with implicit TLS */
	int64_t timeout_ms, deadline_ms, concurrency, retries, pace_ms;
	int format, require;  /* enum probe_format, enum verdict */
	int family, mx, keys; /* family: 0 both, 4, 6 */
	bool verbose, implicit_tls, trust_ad, allow_private, list_fields, no_dane, check_injection;
	bool print_tlsa, no_mta_sts, no_tlsrpt, caa;
	struct probe_survey_cli survey;
};

extern const struct opt probe_opts[];

#endif

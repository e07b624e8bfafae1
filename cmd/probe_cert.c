#include "probe_cert.h"

#include <stdio.h>

#include "app/probe/tlsa.h"
#include "base/limits.h"
#include "tls/cert.h"
#include "tls/pem.h"

static int
read_certs(const char *option, const char *path, struct arena *arena, struct slice **certs_r,
    size_t *certs_n_r, struct fail *why)
{
	FILE *file = fopen(path, "re");
	char chunk[1024];
	struct buf text;
	size_t n;

	if (file == NULL)
		return fail_errno(why, FAIL_NO_INPUT, "option --%s: cannot read %s", option, path);
	buf_init(&text, LIMIT_CONFIG_BYTES);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_append(&text, chunk, n);
	int ret = ferror(file) ? fail_errno(why, FAIL_NO_INPUT, "cannot be read")
			       : tls_pem_certs(text.data, text.len, arena, certs_r, certs_n_r, why);
	fclose(file);
	buf_free(&text);
	if (ret == 0)
		return 0;
	if (why != NULL)
		why->code = FAIL_NO_INPUT;
	return fail_prefix(why, "option --%s: %s", option, path);
}

int
probe_cert_load(const char *check_file, const char *next_file, struct arena *arena,
    struct probe_cert *cert, struct fail *why)
{
	struct cert_facts facts;
	struct slice *next;
	size_t n;

	if (cert->print && check_file != NULL)
		return fail_set(
		    why, FAIL_USAGE, "--print-tlsa and --check-cert exclude each other");
	if (next_file != NULL && !cert->print)
		return fail_set(why, FAIL_USAGE, "--next-cert is for --print-tlsa");
	if (check_file != NULL &&
	    read_certs("check-cert", check_file, arena, &cert->certs, &cert->certs_n, why) != 0)
		return -1;
	if (next_file == NULL)
		return 0;
	if (read_certs("next-cert", next_file, arena, &next, &n, why) != 0 ||
	    tls_cert_parse(next[0].p, next[0].n, arena, &facts, why) != 0)
		return -1;
	cert->next_key = facts.spki_fingerprint;
	return 0;
}

int
probe_cert_judge(struct probe_cert *cert, struct tls_trust *trust, int64_t at, struct arena *arena,
    struct fail *why)
{
	if (cert->certs_n == 0)
		return 0;
	return tls_verify_certs(
	    cert->certs, cert->certs_n, trust, NULL, NULL, at, 0, arena, &cert->verify, why);
}

int
probe_cert_add(
    const struct probe_cert *cert, const struct target_facts *facts, int64_t at, struct buf *out)
{
	struct arena arena;

	if (cert->print)
		return probe_tlsa_print(facts, cert->next_key, out);
	arena_init(&arena);
	int status = probe_tlsa_check(
	    facts, cert->certs, cert->certs_n, &cert->verify, cert->dane, at, &arena, out);
	arena_free(&arena);
	return status;
}

#include "listen_fault.h"

#include <string.h>

/* The contexts of faults in certificates and versions. */
static int
make_contexts(struct listen_faults *f, const char *root_file, const struct tls_server_options *tls,
    const char *hostname, struct fail *why)
{
	f->root = tls_faulty_new(hostname, why);
	if (f->root == NULL ||
	    (root_file != NULL && tls_faulty_write_root(f->root, root_file, why) != 0))
		return -1;
	for (size_t i = 0; i < f->n; i++) {
		struct smtp_fault *fault = &f->faults[i];
		struct tls_server_options old = *tls;
		old.min = TLS_VERSION_1_0;
		old.max = fault->version;
		if (fault->kind == SMTP_FAULT_CERT)
			fault->tls_ctx = tls_faulty_ctx(f->root, fault->cert, tls, why);
		else if (fault->kind == SMTP_FAULT_VERSION)
			fault->tls_ctx = tls_ctx_server(&old, why);
		else
			continue;
		if (fault->tls_ctx == NULL)
			return fail_prefix(why, "--fault");
	}
	return 0;
}

int
listen_faults_init(struct listen_faults *f, const struct strs *specs, int64_t seed,
    const char *root_file, const struct tls_server_options *tls, struct smtp_server_config *config,
    struct arena *arena, struct fail *why)
{
	bool contexts = root_file != NULL && tls != NULL;

	if (specs->n > SMTP_FAULTS_MAX)
		return fail_set(why, FAIL_USAGE, "--fault: more than %d", SMTP_FAULTS_MAX);
	f->faults = arena_alloc(arena, (specs->n + 1) * sizeof(*f->faults));
	for (; f->n < specs->n; f->n++) {
		struct smtp_fault *fault = &f->faults[f->n];
		if (smtp_fault_parse(slice_str(specs->v[f->n]), arena, fault, why) != 0)
			return fail_prefix(why, "--fault");
		if (strcmp(fault->point, "TLS") == 0 && tls == NULL)
			return fail_set(
			    why, FAIL_USAGE, "--fault %s: no address has TLS", specs->v[f->n]);
		contexts |= fault->kind == SMTP_FAULT_CERT || fault->kind == SMTP_FAULT_VERSION;
	}
	f->random = (uint64_t)seed;
	config->faults = f->faults;
	config->faults_n = f->n;
	config->fault_random = &f->random;
	return contexts ? make_contexts(f, root_file, tls, config->hostname, why) : 0;
}

void
listen_faults_fini(struct listen_faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		tls_ctx_free(f->faults[i].tls_ctx);
	tls_faulty_free(f->root);
}

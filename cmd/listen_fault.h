#ifndef CMD_LISTEN_FAULT_H
#define CMD_LISTEN_FAULT_H

#include "base/arena.h"
#include "smtp/server.h"

/* --fault, --fault-seed and --fault-ca of listen. */
struct listen_faults {
	struct smtp_fault *faults;
	size_t n;
	struct tls_faulty *root; /* NULL: no fault needs it */
	uint64_t random;
};

/*
 * Parse the specs and make what they need; config gets them. tls: of the listener, NULL when nothing has
 * TLS. root_file: where the root goes, or NULL. Fails with USAGE, TLS_CONFIG, CANT_CREATE; fini must follow.
 */
int listen_faults_init(struct listen_faults *f, const struct strs *specs, int64_t seed,
    const char *root_file, const struct tls_server_options *tls, struct smtp_server_config *config,
    struct arena *arena, struct fail *why);
void listen_faults_fini(struct listen_faults *f);

#endif

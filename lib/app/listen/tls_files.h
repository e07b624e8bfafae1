#ifndef APP_LISTEN_TLS_FILES_H
#define APP_LISTEN_TLS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/tls.h"

/*
 * A server's certificates that are renewed while it runs: build the new context, check it, swap. On any error the
 * old one stays (reference listen.md S30): nothing that goes wrong here turns TLS off.
 */
struct tls_files {
	struct tls_server_options options; /* what it points to outlives this */
	struct tls_ctx *ctx;               /* in use */
	uint64_t seen; /* private: what the files looked like at the last look */
};

/* Load for the first time. Fails with TLS_CONFIG. */
int tls_files_load(struct tls_files *f, struct fail *why);

/*
 * Load again, when forced or when a file is another one than at the last look (inode, size, times). Returns 1
 * when ctx is a new one: the old one, *old_r, is the caller's to free once nobody takes it for a new
 * session. 0: nothing changed. -1 with why: the old one stays, and is not tried again before something changes.
 */
int tls_files_reload(struct tls_files *f, bool force, struct tls_ctx **old_r, struct fail *why);

#endif

#ifndef APP_LISTEN_ADDRESS_H
#define APP_LISTEN_ADDRESS_H

#include "io/addr.h"
#include "smtp/server.h"

/*
 * Where `listen` listens, with settings of each address: ADDRESS:PORT[,tls=MODE][,implicit-tls], and sockets
 * that the service manager has opened (sd_listen_fds(3), without libsystemd).
 */
#define LISTEN_ADDRESSES 7 /* io_wait_many takes 8 descriptors: these and the one of signals */

struct listen_address {
	struct addr at;
	int fd;       /* -1: to be opened */
	bool tls_set; /* tls was given, else what --tls says */
	enum smtp_server_tls tls;
	bool implicit_tls;
};

/* The words of --tls, which are also Postfix's (DECISIONS F44). False when it is none. */
bool listen_tls_parse(struct slice word, enum smtp_server_tls *tls_r);

/* Pure. Fails with USAGE naming the text and what was expected. */
int listen_address_parse(struct slice text, struct listen_address *a_r, struct fail *why);

/*
 * Sockets passed by LISTEN_PID and LISTEN_FDS, which leave the environment; descriptors from 3 on. A name of
 * LISTEN_FDNAMES that is tls=MODE or implicit-tls (words joined by a comma) is its setting; other names mean
 * nothing. Returns how many there are, 0 without, or -1 with USAGE (too many, or one is no listening stream socket).
 */
int listen_address_passed(struct listen_address a_r[LISTEN_ADDRESSES], struct fail *why);

#endif

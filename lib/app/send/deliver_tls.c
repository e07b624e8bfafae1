#include <stdlib.h>
#include <string.h>

#include "app/send/deliver_impl.h"
#include "base/mem.h"

/*
 * TLS contexts and trust stores, kept for as long as the process lives: making a context costs more than
 * the rest of a delivery in clear, and a queue is many deliveries by few rules. What files they were made
 * of is read once; processes that deliver do not live for long.
 */
struct kept_ctx {
	struct kept_ctx *next;
	struct tls_client_options options; /* strings are ours */
	struct tls_ctx *ctx;
};

struct kept_trust {
	struct kept_trust *next;
	char *file, *dir;
	struct tls_trust *trust;
};

static struct kept_ctx *contexts;
static struct kept_trust *trusts;

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
copy(const char *s)
{
	return s == NULL ? NULL : mem_strdup(s);
}

struct tls_ctx *
deliver_tls_ctx(const struct tls_client_options *options, struct fail *why)
{
	struct kept_ctx *k;

	for (k = contexts; k != NULL; k = k->next)
		if (k->options.min == options->min && k->options.max == options->max &&
		    k->options.security_level == options->security_level &&
		    k->options.alpn == options->alpn &&
		    same(k->options.ciphers, options->ciphers) &&
		    same(k->options.cert_file, options->cert_file))
			return k->ctx;
	struct tls_ctx *ctx = tls_ctx_client(options, why);
	if (ctx == NULL)
		return NULL;
	k = mem_alloc(sizeof(*k));
	k->options = *options;
	k->options.ciphers = copy(options->ciphers);
	k->options.cert_file = copy(options->cert_file);
	k->ctx = ctx;
	k->next = contexts;
	contexts = k;
	return ctx;
}

struct tls_trust *
deliver_tls_trust(const char *ca_file, const char *ca_dir, struct fail *why)
{
	struct kept_trust *k;

	for (k = trusts; k != NULL; k = k->next)
		if (same(k->file, ca_file) && same(k->dir, ca_dir))
			return k->trust;
	struct tls_trust *trust = tls_trust_new(ca_file, ca_dir, why);
	if (trust == NULL)
		return NULL;
	k = mem_alloc(sizeof(*k));
	k->file = copy(ca_file);
	k->dir = copy(ca_dir);
	k->trust = trust;
	k->next = trusts;
	trusts = k;
	return trust;
}

#include "tls/faulty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/limits.h"
#include "base/mem.h"
#include "tls/internal.h"

#define DAY (24 * 60 * 60)
#define HUGE_BYTES (150 * 1024) /* OpenSSL's clients take 100 KiB, GnuTLS 128 KiB */
#define OTHER_NAME "wrong-name.invalid"

struct tls_faulty {
	const char *hostname;
	X509 *root;
	EVP_PKEY *key;
};

bool
tls_faulty_parse(struct slice word, enum tls_faulty_kind *kind_r)
{
	static const char *const words[] = { "good", "wrong-name", "expired", "not-yet",
		"self-signed", "untrusted", "weak", "huge" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_is(word, words[i])) {
			*kind_r = (enum tls_faulty_kind)i;
			return true;
		}
	return false;
}

static int
make_root(const char *name, X509 **root_r, EVP_PKEY **key_r, struct fail *why)
{
	struct tls_make make = { .name = name, .from = -DAY, .to = 3650L * DAY, .ca = true };

	return tls_make_cert(&make, root_r, key_r, why);
}

struct tls_faulty *
tls_faulty_new(const char *hostname, struct fail *why)
{
	struct tls_faulty *f = mem_alloc(sizeof(*f));

	f->hostname = hostname;
	if (make_root("mxtls fault root", &f->root, &f->key, why) == 0)
		return f;
	free(f);
	return NULL;
}

void
tls_faulty_free(struct tls_faulty *f)
{
	if (f == NULL)
		return;
	X509_free(f->root);
	EVP_PKEY_free(f->key);
	free(f);
}

int
tls_faulty_write_root(const struct tls_faulty *f, const char *path, struct fail *why)
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot create %s", path);
	bool ok = PEM_write_X509(file, f->root) == 1;
	if (fclose(file) == 0 && ok)
		return 0;
	ERR_clear_error();
	return fail_set(why, FAIL_CANT_CREATE, "cannot write %s", path);
}

/* The root behind the leaf again and again. */
static STACK_OF(X509) * huge_chain(const struct tls_faulty *f)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	int each = i2d_X509(f->root, NULL);

	for (int n = 0; chain != NULL && each > 0 && n < HUGE_BYTES; n += each)
		if (X509_up_ref(f->root) == 1 && sk_X509_push(chain, f->root) == 0)
			X509_free(f->root);
	return chain;
}

static int
make_leaf(const struct tls_faulty *f, enum tls_faulty_kind kind, X509 **cert_r, EVP_PKEY **key_r,
    struct fail *why)
{
	struct tls_make make = { .name = kind == TLS_FAULTY_WRONG_NAME ? OTHER_NAME : f->hostname,
		.from = kind == TLS_FAULTY_NOT_YET ? DAY : -30L * DAY,
		.to = kind == TLS_FAULTY_EXPIRED ? -DAY : 90L * DAY,
		.rsa_bits = kind == TLS_FAULTY_WEAK ? 1024 : 0,
		.issuer = f->root,
		.issuer_key = f->key };
	X509 *other = NULL;
	EVP_PKEY *other_key = NULL;

	if (kind == TLS_FAULTY_SELF_SIGNED)
		make.issuer = NULL;
	if (kind == TLS_FAULTY_UNTRUSTED) {
		if (make_root("mxtls unknown root", &other, &other_key, why) != 0)
			return -1;
		make.issuer = other;
		make.issuer_key = other_key;
	}
	int rc = tls_make_cert(&make, cert_r, key_r, why);
	X509_free(other);
	EVP_PKEY_free(other_key);
	return rc;
}

struct tls_ctx *
tls_faulty_ctx(const struct tls_faulty *f, enum tls_faulty_kind kind,
    const struct tls_server_options *options, struct fail *why)
{
	struct tls_server_options plain = { .min = options->min, .max = options->max };
	struct tls_ctx *ctx = tls_ctx_server_new(&plain, why);
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;

	if (ctx == NULL)
		return NULL;
	if (kind == TLS_FAULTY_WEAK)
		SSL_CTX_set_security_level(ctx->ssl, 0);
	STACK_OF(X509) *chain = kind == TLS_FAULTY_HUGE ? huge_chain(f) : NULL;
	if (make_leaf(f, kind, &cert, &key, why) != 0 ||
	    SSL_CTX_use_cert_and_key(ctx->ssl, cert, key, chain, 0) != 1) {
		char reason[200];
		tls_error_drain(reason, sizeof(reason));
		if (cert != NULL)
			fail_set(
			    why, FAIL_TLS_CONFIG, "cannot use a faulty certificate: %s", reason);
		tls_ctx_free(ctx);
		ctx = NULL;
	}
	sk_X509_pop_free(chain, X509_free);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

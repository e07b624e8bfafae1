/*
 * The server's certificates: files or a self-signed one. Everything that could make a listener
 * come up without usable TLS is refused here, with the file's name (reference listen.md S30, F9).
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "tls/internal.h"

static int
file_error(struct fail *why, const char *path, const char *what)
{
	char reason[200];

	tls_error_drain(reason, sizeof(reason));
	return fail_set(
	    why, FAIL_TLS_CONFIG, "%s: %s%s%s", path, what, reason[0] == '\0' ? "" : ": ", reason);
}

static BIO *
file_open(const char *path, struct fail *why)
{
	struct stat st;
	BIO *bio;

	ERR_clear_error();
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		fail_set(why, FAIL_TLS_CONFIG, "%s: is a directory", path);
		return NULL;
	}
	errno = 0;
	bio = BIO_new_file(path, "r");
	if (bio == NULL) {
		fail_errno(why, FAIL_TLS_CONFIG, "%s", path);
		ERR_clear_error();
	}
	return bio;
}

/* The rest of a PEM file behind the leaf: its intermediates. */
static int
read_intermediates(BIO *bio, const char *path, STACK_OF(X509) * chain, struct fail *why)
{
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_push(chain, cert) == 0) {
			X509_free(cert);
			return file_error(why, path, "cannot keep the chain");
		}
	}
	unsigned long e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		return file_error(why, path, "damaged certificate after the first");
	ERR_clear_error();
	return 0;
}

static X509 *
read_certs(const char *path, STACK_OF(X509) * chain, struct fail *why)
{
	BIO *bio = file_open(path, why);
	X509 *leaf;

	if (bio == NULL)
		return NULL;
	leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (leaf == NULL) {
		file_error(why, path, "no PEM certificate");
	} else if (read_intermediates(bio, path, chain, why) != 0) {
		X509_free(leaf);
		leaf = NULL;
	}
	BIO_free(bio);
	return leaf;
}

/* Never prompt: a listener has nobody to ask. */
static int
refuse_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *
read_key(const char *path, struct fail *why)
{
	BIO *bio = file_open(path, why);
	bool asked = false;
	EVP_PKEY *key;

	if (bio == NULL)
		return NULL;
	key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &asked);
	if (key == NULL && asked) {
		ERR_clear_error();
		fail_set(why, FAIL_TLS_CONFIG,
		    "%s: the private key is encrypted; store it without a passphrase", path);
	} else if (key == NULL) {
		file_error(why, path, "no PEM private key");
	}
	BIO_free(bio);
	return key;
}

static void
warn_dates(const X509 *cert, const char *path)
{
	int64_t from, to, now = clock_wall();
	char date[32];

	if (tls_time(X509_get0_notAfter(cert), &to) && to < now) {
		text_date_rfc3339(to, date);
		log_warn("%s: the certificate expired on %s", path, date);
	} else if (tls_time(X509_get0_notBefore(cert), &from) && from > now) {
		text_date_rfc3339(from, date);
		log_warn("%s: the certificate is not valid before %s", path, date);
	}
}

static int
use_pair(struct tls_ctx *ctx, X509 *cert, EVP_PKEY *key, STACK_OF(X509) * chain,
    const char *cert_path, const char *key_path, struct fail *why)
{
	if (X509_check_private_key(cert, key) != 1) {
		ERR_clear_error();
		return fail_set(why, FAIL_TLS_CONFIG,
		    "%s: the key does not belong to the certificate in %s", key_path, cert_path);
	}
	if (ctx->leaves_n == TLS_LEAVES)
		return file_error(why, cert_path, "too many certificates for one name");
	/* 0: a second certificate with the same kind of key would silently replace the first */
	if (SSL_CTX_use_cert_and_key(ctx->ssl, cert, key, chain, 0) != 1)
		return file_error(why, cert_path, "certificate refused");
	warn_dates(cert, cert_path);
	if (ctx->fingerprint[0] == '\0')
		tls_cert_fingerprint(cert, ctx->fingerprint);
	X509_up_ref(cert);
	ctx->leaves[ctx->leaves_n++] = cert;
	return 0;
}

struct tls_ctx *
tls_ctx_server_new(const struct tls_server_options *options, struct fail *why)
{
	enum tls_version min = options->min == TLS_VERSION_ANY ? TLS_VERSION_1_2 : options->min;
	/* OpenSSL 3 allows TLS 1.0 and 1.1, which sign with SHA-1, at level 0 only */
	int level = min < TLS_VERSION_1_2 ? 0 : 1;
	struct tls_ctx *ctx = tls_ctx_new(true, min, options->max, level, why);

	if (ctx == NULL)
		return NULL;
	/* tickets and cache off: reference listen.md S22 */
	SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(ctx->ssl, 0);
	if (options->client != TLS_CLIENT_CERT_NO && tls_ctx_ask_client(ctx, options, why) != 0) {
		tls_ctx_free(ctx);
		return NULL;
	}
	return ctx;
}

static bool
has_kind(const struct tls_ctx *ctx, const X509 *cert)
{
	int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(cert));

	for (size_t i = 0; i < ctx->leaves_n; i++)
		if (EVP_PKEY_get_base_id(X509_get0_pubkey(ctx->leaves[i])) == kind)
			return true;
	return false;
}

/*
 * The context whose certificates have a name in common with this one, which is of another kind, or a new one
 * behind the others.
 */
static struct tls_ctx *
context_for(struct tls_ctx *first, X509 *cert, const char *path,
    const struct tls_server_options *options, struct fail *why)
{
	struct tls_ctx *ctx, *last = first;
	unsigned n = 0;

	for (ctx = first; ctx != NULL; last = ctx, ctx = ctx->next, n++) {
		enum tls_names names =
		    ctx->leaves_n == 0 ? TLS_NAMES_ALL : tls_certs_compare(cert, ctx->leaves[0]);
		if (names != TLS_NAMES_NONE && !has_kind(ctx, cert))
			return ctx;
		if (names == TLS_NAMES_ALL) {
			fail_set(why, FAIL_TLS_CONFIG,
			    "%s: there is a certificate of this kind for these names already",
			    path);
			return NULL;
		}
	}
	if (n >= LIMIT_SERVER_CERTS) {
		fail_set(why, FAIL_TLS_CONFIG, "%s: more than %d names", path, LIMIT_SERVER_CERTS);
		return NULL;
	}
	last->next = tls_ctx_server_new(options, why);
	return last->next;
}

static int
load_pair(struct tls_ctx *ctx, const struct tls_server_options *options, const char *cert_path,
    const char *key_path, struct fail *why)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	int rc = -1;

	if (chain == NULL)
		return file_error(why, cert_path, "cannot read the chain");
	cert = read_certs(cert_path, chain, why);
	if (cert != NULL)
		ctx = context_for(ctx, cert, cert_path, options, why);
	if (cert != NULL && ctx != NULL)
		key = read_key(key_path, why);
	if (key != NULL)
		rc = use_pair(ctx, cert, key, chain, cert_path, key_path, why);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	return rc;
}

static int
use_selfsigned(struct tls_ctx *ctx, const char *name, struct fail *why)
{
	X509 *cert;
	EVP_PKEY *key;

	if (tls_selfsigned(name, &cert, &key, why) != 0)
		return -1;
	int rc = use_pair(ctx, cert, key, NULL, "self-signed certificate", "its key", why);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

static int
load_certs(struct tls_ctx *ctx, const struct tls_server_options *options, struct fail *why)
{
	if (options->self_signed_name != NULL)
		return use_selfsigned(ctx, options->self_signed_name, why);
	if (options->n == 0)
		return fail_set(why, FAIL_TLS_CONFIG, "no server certificate given");
	for (size_t i = 0; i < options->n; i++)
		if (load_pair(ctx, options, options->cert_files[i], options->key_files[i], why) !=
		    0)
			return -1;
	return 0;
}

struct tls_ctx *
tls_ctx_server(const struct tls_server_options *options, struct fail *why)
{
	struct tls_ctx *ctx = tls_ctx_server_new(options, why);

	if (ctx != NULL && load_certs(ctx, options, why) != 0) {
		tls_ctx_free(ctx);
		return NULL;
	}
	if (ctx != NULL && ctx->next != NULL)
		tls_ctx_set_names(ctx);
	return ctx;
}

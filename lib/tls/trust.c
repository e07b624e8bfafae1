/*
 * The trust store: found at the start, read when the first chain is judged.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/log.h"
#include "base/mem.h"
#include "tls/trust.h"

/* Where systems keep their bundle, after OpenSSL's own default. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
	"/usr/local/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt" };

/* "5ad8a5d6.0": the hash of a subject and a counter, what the lookup by directory opens. */
static bool
is_hash_link(const char *name)
{
	for (int i = 0; i < 8; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return name[8] == '.' && isdigit((unsigned char)name[9]);
}

/* 1 hashed, 0 not, -1 it cannot be read (errno). */
static int
directory_state(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int state = 0;

	if (dir == NULL)
		return -1;
	while (state == 0 && (entry = readdir(dir)) != NULL)
		state = is_hash_link(entry->d_name);
	closedir(dir);
	return state;
}

/* Only the first certificate is read here: enough to know that the file is there and is one. */
static int
check_file(const char *path, struct fail *why)
{
	char reason[200];
	BIO *bio;
	X509 *cert;

	ERR_clear_error();
	errno = 0;
	bio = BIO_new_file(path, "r");
	if (bio == NULL) {
		ERR_clear_error();
		return fail_errno(why, FAIL_TLS_CONFIG, "CA file %s", path);
	}
	cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	tls_error_drain(reason, sizeof(reason));
	BIO_free(bio);
	if (cert == NULL)
		return fail_set(
		    why, FAIL_TLS_CONFIG, "CA file %s: no PEM certificate: %s", path, reason);
	X509_free(cert);
	return 0;
}

static int
check_given(const char *file, const char *dir, struct fail *why)
{
	if (file != NULL && check_file(file, why) != 0)
		return -1;
	if (dir == NULL)
		return 0;
	int state = directory_state(dir);
	if (state < 0)
		return fail_errno(why, FAIL_TLS_CONFIG, "CA directory %s", dir);
	if (state == 0)
		return fail_set(why, FAIL_TLS_CONFIG,
		    "CA directory %s holds no hashed certificates: run openssl rehash on it", dir);
	return 0;
}

static void
find_system(struct tls_trust *trust)
{
	const char *const dirs[] = { "/etc/ssl/certs", X509_get_default_cert_dir() };
	const char *file = X509_get_default_cert_file();

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (directory_state(dirs[i]) == 1) {
			trust->dir = mem_strdup(dirs[i]);
			return;
		}
	}
	for (size_t i = 0; access(file, R_OK) != 0; i++) {
		if (i == sizeof(bundles) / sizeof(bundles[0])) {
			log_warn(
			    "no CA certificates found: install ca-certificates, or name a CA file");
			return;
		}
		file = bundles[i];
	}
	trust->file = mem_strdup(file);
}

struct tls_trust *
tls_trust_new(const char *ca_file, const char *ca_dir, struct fail *why)
{
	struct tls_trust *trust;

	if (check_given(ca_file, ca_dir, why) != 0)
		return NULL;
	trust = mem_alloc(sizeof(*trust));
	tls_judged_init(&trust->judged);
	if (ca_file != NULL)
		trust->file = mem_strdup(ca_file);
	if (ca_dir != NULL)
		trust->dir = mem_strdup(ca_dir);
	if (ca_file == NULL && ca_dir == NULL)
		find_system(trust);
	return trust;
}

void
tls_trust_free(struct tls_trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	tls_judged_free(&trust->judged);
	free(trust->file);
	free(trust->dir);
	free(trust);
}

void
tls_trust_places(const struct tls_trust *trust, const char **file_r, const char **dir_r)
{
	*file_r = trust->file;
	*dir_r = trust->dir;
}

X509_STORE *
tls_trust_store(struct tls_trust *trust, struct fail *why)
{
	char reason[200];
	X509_STORE *store;

	if (trust->store != NULL)
		return trust->store;
	if (trust->file == NULL && trust->dir == NULL) {
		fail_set(why, FAIL_TLS_CONFIG, "no CA certificates on this system");
		return NULL;
	}
	ERR_clear_error();
	store = X509_STORE_new();
	if (store == NULL ||
	    (trust->file != NULL && X509_STORE_load_file(store, trust->file) != 1) ||
	    (trust->dir != NULL && X509_STORE_load_path(store, trust->dir) != 1)) {
		X509_STORE_free(store);
		tls_error_drain(reason, sizeof(reason));
		fail_set(why, FAIL_TLS_CONFIG, "cannot load the CA certificates of %s: %s",
		    trust->file != NULL ? trust->file : trust->dir, reason);
		return NULL;
	}
	ERR_clear_error();
	trust->store = store;
	return store;
}

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
#include "tls/tls.h"
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

/*
 * Only the first certificate is read here, and its PEM only: enough to know that the file is there and holds one.
 * To take it apart costs a tenth of a delivery, and is done when a chain is judged.
 */
static int
check_file(const char *path, struct fail *why)
{
	char reason[200], *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	bool found = false;
	long n = 0;

	tls_init();
	ERR_clear_error();
	errno = 0;
	BIO *bio = BIO_new_file(path, "r");
	if (bio == NULL) {
		ERR_clear_error();
		return fail_errno(why, FAIL_TLS_CONFIG, "CA file %s", path);
	}
	while (!found && PEM_read_bio(bio, &name, &header, &der, &n) == 1) {
		found = n > 2 && der[0] == 0x30 /* a sequence */ &&
			(strcmp(name, PEM_STRING_X509) == 0 ||
			    strcmp(name, PEM_STRING_X509_TRUSTED) == 0 ||
			    strcmp(name, PEM_STRING_X509_OLD) == 0);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	tls_error_drain(reason, sizeof(reason));
	BIO_free(bio);
	if (!found)
		return fail_set(
		    why, FAIL_TLS_CONFIG, "CA file %s: no PEM certificate: %s", path, reason);
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

/* The system's are looked for when they are needed: deliveries in clear never need them. */
static void
look_up(struct tls_trust *trust)
{
	if (trust->file == NULL && trust->dir == NULL)
		find_system(trust);
}

void
tls_trust_places(const struct tls_trust *trust, const char **file_r, const char **dir_r)
{
	/* what it finds was so all along */
	look_up((struct tls_trust *)(uintptr_t)trust);
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
	look_up(trust);
	if (trust->file == NULL && trust->dir == NULL) {
		fail_set(why, FAIL_TLS_CONFIG, "no CA certificates on this system");
		return NULL;
	}
	tls_init();
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

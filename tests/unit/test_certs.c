#include "test_certs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#define NEED(expression) \
	do { \
		if (!(expression)) \
			broken(#expression); \
	} while (0)

_Noreturn static void
broken(const char *what)
{
	ERR_print_errors_fp(stderr);
	fprintf(stderr, "test_certs: %s failed\n", what);
	exit(EXIT_FAILURE);
}

/* RSA keys take long to make: each size is made once. */
static EVP_PKEY *
rsa_key(int bits)
{
	static struct {
		int bits;
		EVP_PKEY *key;
	} made[4];
	size_t i = 0;

	while (made[i].bits != 0 && made[i].bits != bits)
		i++;
	if (made[i].bits == 0) {
		made[i].bits = bits;
		NEED(made[i].key = EVP_RSA_gen((unsigned)bits));
	}
	EVP_PKEY_up_ref(made[i].key);
	return made[i].key;
}

static EVP_PKEY *
make_key(const struct test_cert_spec *spec)
{
	switch (spec->key) {
	case KEY_RSA:
		return rsa_key(spec->rsa_bits == 0 ? 2048 : spec->rsa_bits);
	case KEY_EDDSA:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	default:
		return EVP_EC_gen("P-256");
	}
}

static void
push_name(GENERAL_NAMES *names, int type, struct slice value)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

	NEED(name != NULL && string != NULL);
	NEED(ASN1_STRING_set(string, value.p, (int)value.n));
	GENERAL_NAME_set0_value(name, type, string);
	NEED(sk_GENERAL_NAME_push(names, name));
}

static void
add_names(X509 *cert, const struct test_cert_spec *spec)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (size_t i = 0; i < CERTS_NAMES && spec->dns[i].p != NULL; i++)
		push_name(names, GEN_DNS, spec->dns[i]);
	for (size_t i = 0; i < CERTS_NAMES && spec->ip[i].p != NULL; i++)
		push_name(names, GEN_IPADD, spec->ip[i]);
	if (spec->email != NULL)
		push_name(names, GEN_EMAIL, slice_str(spec->email));
	if (sk_GENERAL_NAME_num(names) > 0)
		NEED(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0));
	GENERAL_NAMES_free(names);
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	NEED(extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value));
	NEED(X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static void
add_broken_san(X509 *cert, const char *bytes)
{
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	NEED(ASN1_OCTET_STRING_set(data, (const unsigned char *)bytes, (int)strlen(bytes)));
	NEED(extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, data));
	NEED(X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(data);
}

struct test_cert
test_cert_make(const struct test_cert_spec *spec, const struct test_cert *issuer)
{
	static long serial = 0x1000;
	struct test_cert c = { X509_new(), make_key(spec) };
	EVP_PKEY *signer = issuer == NULL ? c.key : issuer->key;
	X509 *parent = issuer == NULL ? c.cert : issuer->cert;
	long from = spec->from_days, to = spec->to_days;

	NEED(c.cert != NULL && c.key != NULL);
	if (from == 0 && to == 0)
		from = -1, to = 90;
	NEED(X509_set_version(c.cert, X509_VERSION_3));
	NEED(ASN1_INTEGER_set(X509_get_serialNumber(c.cert), ++serial));
	NEED(X509_gmtime_adj(X509_getm_notBefore(c.cert), from * 86400));
	NEED(X509_gmtime_adj(X509_getm_notAfter(c.cert), to * 86400));
	if (spec->cn != NULL)
		NEED(X509_NAME_add_entry_by_txt(X509_get_subject_name(c.cert), "CN", MBSTRING_UTF8,
		    (const unsigned char *)spec->cn, -1, -1, 0));
	NEED(X509_set_issuer_name(c.cert, X509_get_subject_name(parent)));
	NEED(X509_set_pubkey(c.cert, c.key));
	add_extension(c.cert, parent, NID_subject_key_identifier, "hash");
	if (spec->ca) {
		add_extension(c.cert, parent, NID_basic_constraints, "critical,CA:TRUE");
		add_extension(c.cert, parent, NID_key_usage, "critical,keyCertSign,cRLSign");
	}
	if (issuer != NULL)
		add_extension(c.cert, parent, NID_authority_key_identifier, "keyid:always");
	if (spec->purpose != NULL)
		add_extension(c.cert, parent, NID_ext_key_usage, spec->purpose);
	if (spec->broken_san != NULL)
		add_broken_san(c.cert, spec->broken_san);
	add_names(c.cert, spec);
	NEED(X509_sign(c.cert, signer,
		 EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
	return c;
}

void
test_cert_free(struct test_cert *c)
{
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
	memset(c, 0, sizeof(*c));
}

static char folder[64];
static pid_t folder_owner;

static void
remove_folder(void)
{
	char command[128];

	if (getpid() != folder_owner)
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command) != 0)
		fprintf(stderr, "%s failed\n", command);
}

const char *
test_path(const char *name)
{
	static char paths[64][128];
	static unsigned n;
	char *path = paths[n++ % 64];

	if (folder[0] == '\0') {
		snprintf(folder, sizeof(folder), "/tmp/mxtls-unit-XXXXXX");
		NEED(mkdtemp(folder) != NULL);
		folder_owner = getpid();
		atexit(remove_folder);
	}
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

const char *
test_write_certs(const char *name, const struct test_cert *certs, size_t n)
{
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	NEED(f != NULL);
	for (size_t i = 0; i < n; i++)
		NEED(PEM_write_X509(f, certs[i].cert));
	NEED(fclose(f) == 0);
	return path;
}

const char *
test_write_key(const char *name, const struct test_cert *c, const char *passphrase)
{
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	NEED(f != NULL);
	NEED(PEM_write_PKCS8PrivateKey(f, c->key, passphrase == NULL ? NULL : EVP_aes_128_cbc(),
	    passphrase, passphrase == NULL ? 0 : (int)strlen(passphrase), NULL, NULL));
	NEED(fclose(f) == 0);
	return path;
}

const char *
test_write_file(const char *name, const char *text)
{
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	NEED(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

struct test_peer
test_peer_start(int (*fn)(int fd, const void *arg), const void *arg)
{
	struct test_peer p;
	int fds[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fflush(NULL);
	p.pid = fork();
	NEED(p.pid >= 0);
	if (p.pid == 0) {
		alarm(30);
		signal(SIGPIPE, SIG_IGN); /* a peer that has hung up is no accident */
		close(fds[0]);
		_exit(fn(fds[1], arg));
	}
	close(fds[1]);
	p.fd = fds[0];
	NEED(fcntl(p.fd, F_SETFL, O_NONBLOCK) == 0);
	return p;
}

int
test_peer_end(struct test_peer *p)
{
	int status;

	close(p->fd);
	NEED(waitpid(p->pid, &status, 0) == p->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

EVP_PKEY *
test_dh_params(const char *name)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	char *group = OPENSSL_strdup(name);
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("group", group, 0),
		OSSL_PARAM_END };
	EVP_PKEY *key = NULL;

	EVP_PKEY_fromdata_init(ctx);
	if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params) != 1)
		abort();
	EVP_PKEY_CTX_free(ctx);
	OPENSSL_free(group);
	return key;
}

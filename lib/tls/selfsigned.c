#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tls/internal.h"

#define DAY_SECONDS (24 * 60 * 60)
/*
 * Nobody checks its dates (it is pinned or ignored); a listener that runs for years must not
 * expire.
 */
#define VALID_DAYS 3650

/* The name as subjectAltName, built as a structure: text for X509V3_EXT_conf could inject more. */
static int
add_name(X509 *cert, const char *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *entry = GENERAL_NAME_new();
	unsigned char ip[16];
	size_t ip_bytes = tls_host_ip(name, ip);
	ASN1_STRING *value = ip_bytes > 0 ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	const void *data = ip_bytes > 0 ? (const void *)ip : name;
	size_t n = ip_bytes > 0 ? ip_bytes : strlen(name);
	int ok = 0;

	if (names == NULL || entry == NULL || value == NULL ||
	    ASN1_STRING_set(value, data, (int)n) != 1) {
		ASN1_STRING_free(value);
	} else {
		GENERAL_NAME_set0_value(entry, ip_bytes > 0 ? GEN_IPADD : GEN_DNS, value);
		if (sk_GENERAL_NAME_push(names, entry) > 0) {
			entry = NULL;
			ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
		}
	}
	GENERAL_NAME_free(entry);
	GENERAL_NAMES_free(names);
	return ok;
}

static int
add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	int ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static int
set_serial(X509 *cert)
{
	unsigned char bytes[16];
	BIGNUM *number;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] &= 0x7f; /* RFC 5280 s4.1.2.2: positive */
	bytes[0] |= 0x40; /* and not zero */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	int ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return ok;
}

static int
fill_extensions(X509 *cert, const struct tls_make *make, const char *name)
{
	if (make->ca)
		return add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
		       add_extension(cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		       add_extension(cert, NID_subject_key_identifier, "hash");
	return add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(cert, NID_ext_key_usage, "serverAuth") &&
	       add_extension(cert, NID_subject_key_identifier, "hash") && add_name(cert, name);
}

static int
fill(X509 *cert, EVP_PKEY *key, const struct tls_make *make, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	/* RFC 5280 A.1: ub-common-name is 64; the subjectAltName has the whole name */
	const char *cn = strlen(name) <= 64 ? name : "mxtls";
	time_t now = (time_t)clock_wall();
	X509_NAME *issuer = make->issuer == NULL ? subject : X509_get_subject_name(make->issuer);

	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	       ASN1_TIME_set(X509_getm_notBefore(cert), now + make->from) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(cert), now + make->to) != NULL &&
	       X509_NAME_add_entry_by_txt(
		   subject, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, issuer) == 1 && X509_set_pubkey(cert, key) == 1 &&
	       fill_extensions(cert, make, name) &&
	       X509_sign(cert, make->issuer == NULL ? key : make->issuer_key, EVP_sha256()) > 0;
}

int
tls_selfsigned(const char *name, X509 **cert_r, EVP_PKEY **key_r, struct fail *why)
{
	struct tls_make make = {
		.name = name, .from = -DAY_SECONDS, .to = (long)VALID_DAYS * DAY_SECONDS
	};

	return tls_make_cert(&make, cert_r, key_r, why);
}

int
tls_make_cert(const struct tls_make *make, X509 **cert_r, EVP_PKEY **key_r, struct fail *why)
{
	char host[LIMIT_DOMAIN_BYTES + 1], reason[200];
	X509 *cert;
	EVP_PKEY *key;

	if (!tls_host_copy(make->name, host, sizeof(host)))
		return fail_set(why, FAIL_TLS_CONFIG,
		    "no certificate can be made for the name \"%s\"", make->name);
	ERR_clear_error();
	cert = X509_new();
	key = make->rsa_bits > 0 ? EVP_RSA_gen((unsigned)make->rsa_bits) : EVP_EC_gen("P-256");
	if (cert == NULL || key == NULL || !fill(cert, key, make, host)) {
		X509_free(cert);
		EVP_PKEY_free(key);
		tls_error_drain(reason, sizeof(reason));
		return fail_set(why, FAIL_TLS_CONFIG, "cannot make a certificate: %s", reason);
	}
	*cert_r = cert;
	*key_r = key;
	return 0;
}

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "base/text.h"
#include "tls/cert.h"
#include "tls/internal.h"

static void
digest_hex(const void *data, size_t n, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_n = 0;

	out[0] = '\0';
	if (EVP_Digest(data, n, digest, &digest_n, EVP_sha256(), NULL) == 1 && digest_n == 32)
		text_hex(digest, 32, out);
}

void
tls_cert_fingerprint(const X509 *cert, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	out[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), digest, &n) == 1 && n == 32)
		text_hex(digest, 32, out);
}

bool
tls_time(const ASN1_TIME *t, int64_t *seconds_r)
{
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*seconds_r = timegm(&tm);
	return true;
}

/* Remote bytes as text without controls; the rest beyond LIMIT_CERT_TEXT_BYTES is cut. */
static char *
escaped(struct arena *arena, const void *data, size_t n)
{
	struct buf out;
	char *text;

	buf_init(&out, LIMIT_CERT_TEXT_BYTES);
	text_escape(&out, slice_make(data, n), LIMIT_CERT_TEXT_BYTES);
	text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

/* RFC 2253 form; non-ASCII characters stay readable as UTF-8 where the encoding is sound. */
static char *
name_text(X509_NAME *name, struct arena *arena)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *text = NULL;

	if (bio == NULL)
		return NULL;
	if (X509_NAME_print_ex(
		bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
		(void)BIO_reset(bio);
		X509_NAME_print_ex(
		    bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_UTF8_CONVERT);
	}
	long n = BIO_get_mem_data(bio, &data);
	if (n > LIMIT_CERT_TEXT_BYTES)
		text = arena_printf(arena, "%.*s...", LIMIT_CERT_TEXT_BYTES, data);
	else if (n >= 0)
		text = arena_strndup(arena, n == 0 ? "" : data, (size_t)n);
	BIO_free(bio);
	return text;
}

static char *
common_name(const X509_NAME *subject, struct arena *arena)
{
	int at = -1, last = -1;
	unsigned char *utf8;

	while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
		last = at;
	if (last < 0)
		return NULL;
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
	int n = ASN1_STRING_to_UTF8(&utf8, value);
	if (n < 0) /* not text in its declared encoding: the bytes as they are */
		return escaped(
		    arena, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
	char *text = escaped(arena, utf8, (size_t)n);
	OPENSSL_free(utf8);
	return text;
}

static void
add_san(struct strs *names, struct arena *arena, const GENERAL_NAME *entry)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(entry, &type);
	char ip[INET6_ADDRSTRLEN];

	if (type != GEN_DNS && type != GEN_IPADD)
		return;
	const unsigned char *data = ASN1_STRING_get0_data(value);
	size_t n = (size_t)ASN1_STRING_length(value);
	if (type == GEN_IPADD && (n == 4 || n == 16) &&
	    inet_ntop(n == 4 ? AF_INET : AF_INET6, data, ip, sizeof(ip)) != NULL)
		strs_add(names, arena, ip);
	else
		strs_add(names, arena, escaped(arena, data, n));
}

static void
add_sans(X509 *cert, struct arena *arena, struct cert_facts *facts)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int n = sk_GENERAL_NAME_num(names); /* -1 for NULL */

	for (int i = 0; i < n && facts->names.n < LIMIT_SANS; i++)
		add_san(&facts->names, arena, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
}

static char *
serial_text(const X509 *cert, struct arena *arena)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	/* RFC 5280 s4.1.2.2: at most 20 bytes; longer ones are cut for the record */
	size_t n = (size_t)ASN1_STRING_length(serial);
	bool negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
	char hex[2 * 32 + 1];

	if (n > 32)
		n = 32;
	text_hex(ASN1_STRING_get0_data(serial), n, hex);
	return arena_printf(arena, "%s%s", negative ? "-" : "", hex);
}

static void
add_key(const X509 *cert, struct cert_facts *facts)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);

	facts->key_type = KEY_OTHER;
	if (key == NULL) /* an algorithm or curve this OpenSSL does not know */
		return;
	facts->key_bits = EVP_PKEY_get_bits(key);
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		facts->key_type = KEY_RSA;
		break;
	case EVP_PKEY_EC:
		facts->key_type = KEY_ECDSA;
		break;
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		facts->key_type = KEY_EDDSA;
		break;
	default:
		break;
	}
}

static char *
spki_fingerprint(const X509 *cert, struct arena *arena)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	char hex[65];

	if (n < 0)
		return NULL;
	digest_hex(der, (size_t)n, hex);
	OPENSSL_free(der);
	return arena_strdup(arena, hex);
}

static char *
signature_algorithm(const X509 *cert, struct arena *arena)
{
	int nid = X509_get_signature_nid(cert);
	const X509_ALGOR *algorithm;
	const ASN1_OBJECT *object;
	char oid[80];

	if (nid != NID_undef)
		return arena_strdup(arena, OBJ_nid2sn(nid));
	X509_get0_signature(NULL, &algorithm, cert);
	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	if (OBJ_obj2txt(oid, sizeof(oid), object, 1) <= 0)
		return NULL;
	return arena_strdup(arena, oid);
}

void
tls_cert_facts(X509 *cert, struct arena *arena, struct cert_facts *facts_r)
{
	char fingerprint[65];

	facts_init_cert_facts(facts_r);
	tls_cert_fingerprint(cert, fingerprint);
	facts_r->fingerprint = arena_strdup(arena, fingerprint);
	facts_r->spki_fingerprint = spki_fingerprint(cert, arena);
	facts_r->subject = name_text(X509_get_subject_name(cert), arena);
	facts_r->issuer = name_text(X509_get_issuer_name(cert), arena);
	facts_r->common_name = common_name(X509_get_subject_name(cert), arena);
	add_sans(cert, arena, facts_r);
	facts_r->serial = serial_text(cert, arena);
	if (!tls_time(X509_get0_notBefore(cert), &facts_r->not_before))
		facts_r->not_before = 0;
	if (!tls_time(X509_get0_notAfter(cert), &facts_r->not_after))
		facts_r->not_after = 0;
	facts_r->signature_algorithm = signature_algorithm(cert, arena);
	add_key(cert, facts_r);
	facts_r->is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
	facts_r->self_signed = X509_self_signed(cert, 1) == 1;
	ERR_clear_error();
}

int
tls_cert_parse(
    const void *der, size_t n, struct arena *arena, struct cert_facts *facts_r, struct fail *why)
{
	const unsigned char *p = der;
	char reason[200];
	X509 *cert;

	if (n > LIMIT_CHAIN_BYTES)
		return fail_set(
		    why, FAIL_MESSAGE, "certificate is longer than %d bytes", LIMIT_CHAIN_BYTES);
	ERR_clear_error();
	cert = d2i_X509(NULL, &p, (long)n);
	if (cert == NULL || p != (const unsigned char *)der + n) {
		X509_free(cert);
		tls_error_drain(reason, sizeof(reason));
		return fail_set(why, FAIL_MESSAGE, "not a certificate: %s",
		    reason[0] == '\0' ? "bytes behind its end" : reason);
	}
	tls_cert_facts(cert, arena, facts_r);
	X509_free(cert);
	return 0;
}

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/limits.h"
#include "base/text.h"
#include "tls/internal.h"

/* True once the ServerHello has settled version and cipher suite, also when the rest failed. */
static const SSL_CIPHER *
negotiated(const struct tls *tls)
{
	return SSL_get_current_cipher(tls->ssl);
}

const char *
tls_session_version(const struct tls *tls)
{
	return negotiated(tls) == NULL ? ""
				       : tls_version_str((enum tls_version)SSL_version(tls->ssl));
}

const char *
tls_session_cipher(const struct tls *tls)
{
	const SSL_CIPHER *cipher = negotiated(tls);
	const char *name = cipher == NULL ? "" : SSL_CIPHER_standard_name(cipher);

	return name == NULL ? SSL_CIPHER_get_name(cipher) : name;
}

const char *
tls_session_group(const struct tls *tls)
{
	return tls->group;
}

const char *
tls_session_sni(const struct tls *tls)
{
	return SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
}

/*
 * TLS 1.2 with finite fields names no group. Of a prime that is not one of RFC 7919 the size is what
 * matters (a weak one is a finding).
 */
static void
group_of_temporary_key(const struct tls *tls, char *out, size_t out_bytes)
{
	EVP_PKEY *key = NULL;

	if (SSL_get_peer_tmp_key(tls->ssl, &key) != 1)
		return;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_DH) {
		const char *name = tls_dh_group(key);
		if (name != NULL)
			snprintf(out, out_bytes, "%s", name);
		else
			snprintf(out, out_bytes, "dh%d", EVP_PKEY_get_bits(key));
	} else if (EVP_PKEY_get_group_name(key, out, out_bytes, NULL) != 1) {
		out[0] = '\0';
	}
	EVP_PKEY_free(key);
}

void
tls_note_group(struct tls *tls)
{
	/* a group id we know no name of comes as 0x1000000 | id (TLSEXT_nid_unknown) */
	long group = SSL_get_negotiated_group(tls->ssl);
	const char *name = group == 0 ? NULL : SSL_group_to_name(tls->ssl, (int)group);

	ERR_clear_error();
	if (name != NULL)
		snprintf(tls->group, sizeof(tls->group), "%s", name);
	else if (group != 0)
		snprintf(tls->group, sizeof(tls->group), "0x%04lx", group & 0xffff);
	else
		group_of_temporary_key(tls, tls->group, sizeof(tls->group));
	ERR_clear_error();
}

static const char *
hash_name(int nid)
{
	switch (nid) {
	case NID_sha1:
		return "sha1";
	case NID_sha224:
		return "sha224";
	case NID_sha256:
		return "sha256";
	case NID_sha384:
		return "sha384";
	case NID_sha512:
		return "sha512";
	case NID_md5_sha1: /* TLS 1.0 and 1.1 with RSA (RFC 4346 s4.7) */
		return "md5_sha1";
	default:
		return OBJ_nid2sn(nid);
	}
}

/* RFC 8446 s4.2.3 binds curve and hash; TLS 1.2 wrote the same code points with the hash alone. */
static const char *
ecdsa_scheme(int hash)
{
	switch (hash) {
	case NID_sha256:
		return "ecdsa_secp256r1_sha256";
	case NID_sha384:
		return "ecdsa_secp384r1_sha384";
	case NID_sha512:
		return "ecdsa_secp521r1_sha512";
	default:
		return hash == NID_sha224 ? "ecdsa_sha224" : "ecdsa_sha1";
	}
}

/* The name of the scheme the server signed with, as in IANA's TLS SignatureScheme registry. */
static char *
signature_scheme(const struct tls *tls, struct arena *arena)
{
	int type = NID_undef, hash = NID_undef;
	X509 *cert =
	    tls->server ? SSL_get_certificate(tls->ssl) : SSL_get0_peer_certificate(tls->ssl);
	bool pss_key = cert != NULL && EVP_PKEY_is_a(X509_get0_pubkey(cert), "RSA-PSS");

	if (tls->server) {
		SSL_get_signature_type_nid(tls->ssl, &type);
		SSL_get_signature_nid(tls->ssl, &hash);
	} else {
		SSL_get_peer_signature_type_nid(tls->ssl, &type);
		SSL_get_peer_signature_nid(tls->ssl, &hash);
	}
	switch (type) {
	case NID_undef: /* RSA key exchange signs nothing */
		return NULL;
	case NID_ED25519:
		return arena_strdup(arena, "ed25519");
	case NID_ED448:
		return arena_strdup(arena, "ed448");
	case NID_X9_62_id_ecPublicKey:
		return arena_strdup(arena, ecdsa_scheme(hash));
	case NID_rsaEncryption:
		return arena_printf(arena, "rsa_pkcs1_%s", hash_name(hash));
	case NID_rsassaPss:
		return arena_printf(
		    arena, "rsa_pss_%s_%s", pss_key ? "pss" : "rsae", hash_name(hash));
	default:
		return arena_printf(arena, "%s_%s", OBJ_nid2sn(type), hash_name(hash));
	}
}

/* In TLS 1.3 tickets follow the handshake: without any after the first data there is none. */
static enum tri
ticket(const struct tls *tls)
{
	SSL_SESSION *session = SSL_get_session(tls->ssl);

	if (!tls->complete || tls->server || session == NULL)
		return TRI_UNKNOWN;
	if (SSL_SESSION_has_ticket(session))
		return TRI_YES;
	return SSL_version(tls->ssl) == TLS1_3_VERSION && !tls->read_any ? TRI_UNKNOWN : TRI_NO;
}

static char *
alpn(const struct tls *tls, struct arena *arena)
{
	const unsigned char *name;
	unsigned int n;
	struct buf out;
	char *text;

	SSL_get0_alpn_selected(tls->ssl, &name, &n);
	if (n == 0)
		return NULL;
	buf_init(&out, 1024);
	text_escape(&out, slice_make((const char *)name, n), 1024);
	text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

static void
add_cert(X509 *cert, const char *fingerprint, struct arena *arena, struct cert_facts **certs,
    size_t *certs_n)
{
	for (size_t i = 0; i < *certs_n; i++)
		if (strcmp((*certs)[i].fingerprint, fingerprint) == 0)
			return;
	struct cert_facts *facts = arena_push(arena, certs, certs_n, sizeof(**certs));
	tls_cert_facts(cert, arena, facts);
}

static void
gather_chain(const struct tls *tls, struct arena *arena, struct tls_facts *facts,
    struct cert_facts **certs, size_t *certs_n)
{
	STACK_OF(X509) *chain = tls->server ? NULL : SSL_get_peer_cert_chain(tls->ssl);
	int n = sk_X509_num(chain); /* -1 for NULL */
	char fingerprint[65];

	if (n > LIMIT_CHAIN_CERTS)
		n = LIMIT_CHAIN_CERTS;
	if (n > 0)
		facts->chain_order_ok = TRI_YES;
	for (int i = 0; i < n; i++) {
		X509 *cert = sk_X509_value(chain, i);
		tls_cert_fingerprint(cert, fingerprint);
		strs_add(&facts->chain, arena, fingerprint);
		add_cert(cert, fingerprint, arena, certs, certs_n);
		/* RFC 5246 s7.4.2: each following certificate certifies the one before */
		if (i > 0 && X509_check_issued(cert, sk_X509_value(chain, i - 1)) != X509_V_OK)
			facts->chain_order_ok = TRI_NO;
	}
	ERR_clear_error();
}

/* Base64 without line breaks; NULL without memory. */
static char *
encode(const X509 *cert, struct arena *arena)
{
	unsigned char *der = NULL;
	char *text = NULL;
	int n = i2d_X509(cert, &der);

	if (n > 0) {
		text = arena_alloc(arena, ((size_t)n + 2) / 3 * 4 + 1);
		EVP_EncodeBlock((unsigned char *)text, der, n);
	}
	OPENSSL_free(der);
	return text;
}

void
tls_gather_raw(const struct tls *tls, struct arena *arena, struct cert_facts *certs, size_t certs_n)
{
	STACK_OF(X509) *chain = tls->server ? NULL : SSL_get_peer_cert_chain(tls->ssl);
	char fingerprint[65];

	for (int i = 0; i < sk_X509_num(chain) && i < LIMIT_CHAIN_CERTS; i++) {
		const X509 *cert = sk_X509_value(chain, i);
		tls_cert_fingerprint(cert, fingerprint);
		for (size_t j = 0; j < certs_n; j++)
			if (certs[j].raw == NULL && strcmp(certs[j].fingerprint, fingerprint) == 0)
				certs[j].raw = encode(cert, arena);
	}
	ERR_clear_error();
}

static void
gather_negotiated(const struct tls *tls, struct arena *arena, struct tls_facts *facts)
{
	const SSL_CIPHER *cipher = negotiated(tls);

	if (cipher == NULL)
		return;
	facts->version_value = SSL_version(tls->ssl);
	facts->version_name = arena_strdup(arena, tls_session_version(tls));
	facts->cipher_name = arena_strdup(arena, tls_session_cipher(tls));
	facts->cipher_hex =
	    arena_printf(arena, "0x%04x", (unsigned)SSL_CIPHER_get_protocol_id(cipher));
	facts->cipher_bits = SSL_CIPHER_get_bits(cipher, NULL);
}

static void
gather_complete(const struct tls *tls, struct arena *arena, struct tls_facts *facts)
{
	const unsigned char *response;

	if (tls->group[0] != '\0')
		facts->group = arena_strdup(arena, tls->group);
	facts->signature_scheme = signature_scheme(tls, arena);
	facts->alpn = alpn(tls, arena);
	if (tls->server)
		return;
	facts->ocsp_staple =
	    SSL_get_tlsext_status_ocsp_resp(tls->ssl, &response) > 0 ? TRI_YES : TRI_NO;
	facts->client_cert_requested = tls->client_cert_requested ? TRI_YES : TRI_NO;
}

void
tls_gather(const struct tls *tls, struct arena *arena, struct tls_facts *facts,
    struct cert_facts **certs_inout, size_t *certs_n_inout)
{
	char name[32];

	ERR_clear_error();
	facts->offer = tls->keys;
	facts->complete = tls->complete ? TRI_YES : tls->dead ? TRI_NO : TRI_UNKNOWN;
	gather_negotiated(tls, arena, facts);
	if (tls->complete)
		gather_complete(tls, arena, facts);
	facts->session_ticket = ticket(tls);
	gather_chain(tls, arena, facts, certs_inout, certs_n_inout);
	if (tls->alert >= 0)
		facts->alert = arena_printf(arena, "%s %s", tls->alert_sent ? "sent" : "received",
		    tls_alert_str(tls->alert, name));
	if (!tls->complete && tls->error != NULL)
		facts->error = arena_strdup(arena, tls->error);
	ERR_clear_error();
}

/*
 * Does a certificate name a host? RFC 6125 s6.4, with wildcards for one whole left-most label only
 * and the common name only where there is no DNS name at all.
 */
#include <arpa/inet.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "base/text.h"
#include "tls/internal.h"

bool
tls_host_copy(const char *name, char *out, size_t out_bytes)
{
	struct slice s = slice_str(name);

	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = slice_sub(s, 1, s.n - 1);
	else if (s.n >= 1 &&
		 s.p[s.n - 1] == '.') /* the root label: names in certificates have none */
		s = slice_sub(s, 0, s.n - 1);
	/* a leading dot would make X509_check_host match every name below */
	if (s.n == 0 || s.n >= out_bytes || s.p[0] == '.')
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

size_t
tls_host_ip(const char *host, unsigned char out[16])
{
	if (inet_pton(AF_INET, host, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, host, out) == 1)
		return 16;
	return 0;
}

static char *
escaped(struct arena *arena, const char *name)
{
	struct buf out;
	char *text;

	buf_init(&out, LIMIT_CERT_TEXT_BYTES);
	text_escape(&out, slice_str(name), LIMIT_CERT_TEXT_BYTES);
	text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

/* May the common name stand in? Not beside a DNS name, nor beside names that cannot be read. */
static bool
subject_counts(const X509 *cert)
{
	GENERAL_NAMES *names;
	bool dns = false;

	if (X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) < 0)
		return true;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	if (names == NULL)
		return false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !dns; i++)
		dns = sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
	GENERAL_NAMES_free(names);
	return !dns;
}

bool
tls_cert_names(X509 *cert, const char *name, struct arena *arena, char **matched_r)
{
	char host[LIMIT_DOMAIN_BYTES + 1], *peer = NULL;
	unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
	unsigned char ip[16];
	size_t ip_bytes;
	bool match;

	if (!tls_host_copy(name, host, sizeof(host)))
		return false;
	ERR_clear_error();
	ip_bytes = tls_host_ip(host, ip);
	if (ip_bytes > 0) {
		match = X509_check_ip(cert, ip, ip_bytes, 0) == 1;
	} else {
		if (!subject_counts(cert))
			flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
		match = X509_check_host(cert, host, strlen(host), flags, &peer) == 1;
	}
	if (match && matched_r != NULL)
		*matched_r = escaped(arena, peer == NULL ? host : peer);
	OPENSSL_free(peer);
	ERR_clear_error();
	return match;
}

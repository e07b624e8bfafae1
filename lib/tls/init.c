#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/slice.h"
#include "tls/internal.h"

void
tls_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	/* DECISIONS A6: no session keys on disk, whatever the environment asks for */
	unsetenv("SSLKEYLOGFILE");
	/*
	 * No clean-up at exit: all the memory goes at once, and it costs a fifteenth of a short
	 * run. A failure shows in the first context, which reports it.
	 */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
}

const char *
tls_library_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}

bool
tls_version_parse(const char *text, enum tls_version *version_r)
{
	struct slice s = slice_str(text);

	if (slice_starts_case(s, "TLS"))
		s = slice_sub(s, 3, s.n);
	if (slice_starts_case(s, "v"))
		s = slice_sub(s, 1, s.n);
	if (slice_is(s, "1") || slice_is(s, "1.0"))
		*version_r = TLS_VERSION_1_0;
	else if (slice_is(s, "1.1"))
		*version_r = TLS_VERSION_1_1;
	else if (slice_is(s, "1.2"))
		*version_r = TLS_VERSION_1_2;
	else if (slice_is(s, "1.3"))
		*version_r = TLS_VERSION_1_3;
	else
		return false;
	return true;
}

const char *
tls_version_str(enum tls_version version)
{
	switch (version) {
	case TLS_VERSION_1_0:
		return "TLSv1.0";
	case TLS_VERSION_1_1:
		return "TLSv1.1";
	case TLS_VERSION_1_2:
		return "TLSv1.2";
	case TLS_VERSION_1_3:
		return "TLSv1.3";
	case TLS_VERSION_ANY:
		break;
	}
	return "any";
}

void
tls_error_drain(char *out, size_t out_bytes)
{
	unsigned long first = ERR_get_error(), last = first, e;
	const char *first_text, *last_text;

	out[0] = '\0';
	if (first == 0)
		return;
	while ((e = ERR_get_error()) != 0)
		last = e;
	first_text = ERR_SYSTEM_ERROR(first) ? strerror(ERR_GET_REASON(first))
					     : ERR_reason_error_string(first);
	last_text = ERR_SYSTEM_ERROR(last) ? NULL : ERR_reason_error_string(last);
	if (first_text == NULL)
		snprintf(out, out_bytes, "error %lx", first);
	else if (last_text == NULL || last == first)
		snprintf(out, out_bytes, "%s", first_text);
	else /* the first is the deepest cause, the last is what the caller was doing */
		snprintf(out, out_bytes, "%s: %s", last_text, first_text);
}

const char *
tls_alert_str(int description, char out[32])
{
	static const struct {
		int description;
		const char *name;
	} names[] = { { 0, "close_notify" }, { 10, "unexpected_message" }, { 20, "bad_record_mac" },
		{ 21, "decryption_failed" }, { 22, "record_overflow" },
		{ 30, "decompression_failure" }, { 40, "handshake_failure" },
		{ 41, "no_certificate" }, { 42, "bad_certificate" },
		{ 43, "unsupported_certificate" }, { 44, "certificate_revoked" },
		{ 45, "certificate_expired" }, { 46, "certificate_unknown" },
		{ 47, "illegal_parameter" }, { 48, "unknown_ca" }, { 49, "access_denied" },
		{ 50, "decode_error" }, { 51, "decrypt_error" }, { 60, "export_restriction" },
		{ 70, "protocol_version" }, { 71, "insufficient_security" },
		{ 80, "internal_error" }, { 86, "inappropriate_fallback" }, { 90, "user_canceled" },
		{ 100, "no_renegotiation" }, { 109, "missing_extension" },
		{ 110, "unsupported_extension" }, { 111, "certificate_unobtainable" },
		{ 112, "unrecognized_name" }, { 113, "bad_certificate_status_response" },
		{ 114, "bad_certificate_hash_value" }, { 115, "unknown_psk_identity" },
		{ 116, "certificate_required" }, { 120, "no_application_protocol" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].description == description)
			return names[i].name;
	snprintf(out, 32, "alert %d", description);
	return out;
}

#include "app/message/dkim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/send/credentials.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dns/dns.h"
#include "tls/sha256.h"
#include "tls/sign.h"

#define CHUNK_BYTES 16384
#define KEY_FILE_BYTES 32768

/* --- keys ---------------------------------------------------------------------------------------- */

static int
open_key(const char *setting, struct arena *arena, struct dkim_key *key, struct fail *why)
{
	struct slice rest = slice_str(setting), text;
	struct slice domain = slice_word(&rest), selector = slice_word(&rest);

	rest = slice_trim(rest);
	if (domain.n == 0 || selector.n == 0 || rest.n == 0)
		return fail_set(
		    why, FAIL_USAGE, "\"%.100s\": expected DOMAIN SELECTOR FILE", setting);
	key->domain = dns_name_normalize(arena_slice(arena, domain), arena, why);
	key->selector = dns_name_normalize(arena_slice(arena, selector), arena, why);
	if (key->domain == NULL || key->selector == NULL)
		return -1;
	key->file = arena_slice(arena, rest);
	if (credentials_read(key->file, KEY_FILE_BYTES, arena, &text, why) != 0)
		return -1;
	if ((key->key = tls_sign_key_new(text, why)) == NULL)
		return fail_prefix(why, "%s", key->file);
	return 0;
}

static bool
has_rsa(const struct dkim *dkim, const char *domain)
{
	for (size_t i = 0; i < dkim->n; i++)
		if (strcmp(dkim->keys[i].domain, domain) == 0 &&
		    tls_sign_key_type(dkim->keys[i].key) == TLS_SIGN_RSA)
			return true;
	return false;
}

int
dkim_open(struct dkim *dkim, const struct strs *settings, struct arena *arena, struct fail *why)
{
	dkim->n = 0;
	dkim->keys = arena_alloc(arena, (settings->n + 1) * sizeof(*dkim->keys));
	for (size_t i = 0; i < settings->n; i++) {
		if (open_key(settings->v[i], arena, &dkim->keys[i], why) != 0)
			return -1;
		dkim->n++;
	}
	for (size_t i = 0; i < dkim->n; i++)
		if (!has_rsa(dkim, dkim->keys[i].domain))
			return fail_set(why, FAIL_USAGE,
			    "%s: an Ed25519 key needs an RSA key for %s beside it, since many "
			    "receivers "
			    "know no other",
			    dkim->keys[i].file, dkim->keys[i].domain);
	return 0;
}

void
dkim_close(struct dkim *dkim)
{
	for (size_t i = 0; i < dkim->n; i++)
		tls_sign_key_free(dkim->keys[i].key);
	dkim->n = 0;
}

/* --- canonical forms ------------------------------------------------------------------------------- */

void
dkim_relax_field(const struct header_field *field, struct buf *out)
{
	bool blank = false, begun = false;

	for (size_t i = 0; i < field->name.n; i++)
		buf_putc(out, text_lower(field->name.p[i]));
	buf_putc(out, ':');
	for (size_t i = 0; i < field->value.n; i++) {
		char c = field->value.p[i];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			blank = begun;
			continue;
		}
		if (blank)
			buf_putc(out, ' ');
		blank = false;
		begun = true;
		buf_putc(out, c);
	}
	buf_puts(out, "\r\n");
}

void
dkim_body_feed(struct dkim_body *body, struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\r') /* the text has none but in front of LF */
			continue;
		if (c == ' ' || c == '\t') {
			body->blank = true;
		} else if (c == '\n') {
			if (body->in_line)
				buf_puts(out, "\r\n");
			else
				body->empty++;
			body->blank = body->in_line = false;
		} else {
			for (; body->empty > 0; body->empty--)
				buf_puts(out, "\r\n");
			if (body->blank)
				buf_putc(out, ' ');
			body->blank = false;
			body->in_line = true;
			buf_putc(out, c);
		}
	}
}

void
dkim_body_end(struct dkim_body *body, struct buf *out)
{
	if (body->in_line)
		buf_puts(out, "\r\n");
	body->in_line = body->blank = false;
	body->empty = 0;
}

/* --- signing --------------------------------------------------------------------------------------- */

/* What is signed when it is there; those with a second mark may not be added later on either (s8.15). */
static const struct signed_field {
	const char *name;
	bool once_more;
} signed_fields[] = {
	{ "From", true },
	{ "Sender", false },
	{ "Reply-To", true },
	{ "To", true },
	{ "Cc", true },
	{ "Subject", true },
	{ "Date", true },
	{ "Message-ID", true },
	{ "In-Reply-To", false },
	{ "References", false },
	{ "MIME-Version", false },
	{ "Content-Type", true },
	{ "Content-Transfer-Encoding", false },
	{ "Auto-Submitted", false },
	{ "List-Id", false },
	{ "List-Unsubscribe", false },
	{ "List-Unsubscribe-Post", false },
};

struct work {
	struct header header;
	struct arena arena;
	struct buf section, canonical, names;
	char body_hash[65];
};

/* Canonical fields in the order of h=, and h= itself. s5.4.2: of several with one name the last comes first. */
static void
collect(struct work *w)
{
	for (size_t i = 0; i < sizeof(signed_fields) / sizeof(signed_fields[0]); i++) {
		const struct signed_field *s = &signed_fields[i];
		for (size_t k = w->header.n; k > 0; k--) {
			const struct header_field *f = &w->header.v[k - 1];
			if (!slice_is_case(f->name, s->name))
				continue;
			dkim_relax_field(f, &w->canonical);
			buf_printf(&w->names, "%s%s", w->names.len > 0 ? ":" : "", s->name);
		}
		if (s->once_more)
			buf_printf(&w->names, "%s%s", w->names.len > 0 ? ":" : "", s->name);
	}
}

/* The header section into memory, the body into its hash. */
static int
read_message(struct work *w, const struct message *message, struct fail *why)
{
	struct tls_sha256 *sum = tls_sha256_new();
	struct message_reader reader;
	struct dkim_body body = { 0 };
	char *chunk = mem_alloc(CHUNK_BYTES);
	bool in_body = false;
	size_t n = 1;
	int rc = 0;
	struct buf out;

	buf_init(&out,
	    4 * CHUNK_BYTES + 2 * (size_t)LIMIT_SUBMIT_BYTES); /* of nothing but empty lines */
	message_reader_init(&reader, message);
	while (rc == 0 && n > 0) {
		rc = message_reader_next(&reader, chunk, CHUNK_BYTES, &n, why);
		if (rc != 0)
			break;
		struct slice text = slice_make(chunk, n);
		if (!in_body) {
			if (buf_append(&w->section, chunk, n) != 0) {
				rc = fail_set(
				    why, FAIL_MESSAGE_TOO_BIG, "header section is too big to sign");
				break;
			}
			const char *end = memmem(w->section.data, w->section.len, "\r\n\r\n", 4);
			if (end == NULL)
				continue;
			size_t length = (size_t)(end - w->section.data) + 2;
			in_body = true;
			text = slice_make(end + 4, w->section.len - length - 2);
			dkim_body_feed(&body, text, &out);
			w->section.len = length;
		} else {
			dkim_body_feed(&body, text, &out);
		}
		tls_sha256_add(sum, out.data, out.len);
		buf_reset(&out);
	}
	dkim_body_end(&body, &out);
	tls_sha256_add(sum, buf_str(&out), out.len);
	tls_sha256_end(sum, w->body_hash);
	buf_free(&out);
	free(chunk);
	return rc;
}

/* s3.5: the tags, folded; b= last and still empty. */
static void
write_tags(const struct work *w, const struct dkim_key *key, int64_t now, struct buf *field)
{
	unsigned char hash[32];
	struct slice names = slice_make(w->names.data, w->names.len);
	size_t column;

	text_unhex(slice_str(w->body_hash), hash);
	buf_printf(field,
	    "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n\td=%s; s=%s;\r\n\tt=%" PRId64
	    ";\r\n\th=",
	    tls_sign_key_type(key->key) == TLS_SIGN_RSA ? "rsa-sha256" : "ed25519-sha256",
	    key->domain, key->selector, now);
	column = 10;
	while (names.n > 0) {
		struct slice name = slice_sub(names, 0, slice_find(names, ':'));
		names = slice_sub(names, name.n + 1, names.n);
		if (column + name.n > 70) {
			buf_puts(field, "\r\n\t ");
			column = 9;
		}
		buf_append(field, name.p, name.n);
		buf_puts(field, names.n > 0 ? ":" : ";");
		column += name.n + 1;
	}
	buf_puts(field, "\r\n\tbh=");
	text_base64(slice_make((const char *)hash, sizeof(hash)), field);
	buf_puts(field, ";\r\n\tb=");
}

static void
write_signature(const struct buf *signature, struct buf *field)
{
	struct buf text;

	buf_init(&text, 2 * signature->len + 8);
	text_base64(slice_make(signature->data, signature->len), &text);
	for (size_t at = 0; at < text.len; at += 64) {
		if (at > 0)
			buf_puts(field, "\r\n\t ");
		buf_append(field, text.data + at, text.len - at < 64 ? text.len - at : 64);
	}
	buf_puts(field, "\r\n");
	buf_free(&text);
}

static int
sign_with(
    struct work *w, const struct dkim_key *key, int64_t now, struct buf *out, struct fail *why)
{
	struct buf field, data, signature;
	struct header own;

	buf_init(&field, 16384);
	buf_init(&data, w->canonical.len + 16384);
	buf_init(&signature, 4096);
	write_tags(w, key, now, &field);
	header_parse(slice_make(field.data, field.len), &w->arena, &own);
	buf_append(&data, w->canonical.data, w->canonical.len);
	dkim_relax_field(&own.v[0], &data);
	data.len -= 2; /* s3.7: its own field without the CR LF */
	int rc = tls_sign(key->key, slice_make(data.data, data.len), &signature, why);
	if (rc == 0) {
		write_signature(&signature, &field);
		buf_append(out, field.data, field.len);
		if (out->full || field.full)
			rc = fail_set(why, FAIL_INTERNAL, "no room for a signature");
	}
	buf_free(&field);
	buf_free(&data);
	buf_free(&signature);
	return rc;
}

/* The domain of the first author, in A-labels; NULL when there is none. */
static const char *
author_domain(const struct header *header, struct arena *arena)
{
	const struct header_field *from = header_find(header, "From");
	struct header_addresses list = { 0 };

	if (from == NULL || header_address_parse(from->value, 100, arena, &list, NULL) != 0 ||
	    list.n == 0 || list.v[0].domain == NULL)
		return NULL;
	return dns_name_normalize(list.v[0].domain, arena, NULL);
}

/* Relaxed alignment (RFC 7489 s3.1.1): the domain itself, or one below it. */
static bool
is_aligned(const char *author, const char *domain)
{
	size_t n = strlen(author), m = strlen(domain);

	return n >= m && strcmp(author + n - m, domain) == 0 &&
	       (n == m || author[n - m - 1] == '.');
}

int
dkim_sign(const struct dkim *dkim, const struct message *message, int64_t now, struct buf *out,
    struct fail *why)
{
	struct work w = { .section = { 0 } };
	int rc;

	arena_init(&w.arena);
	buf_init(&w.section, 2 * LIMIT_HEADER_BYTES + CHUNK_BYTES);
	buf_init(&w.canonical, 4 * LIMIT_HEADER_BYTES);
	buf_init(&w.names, LIMIT_HEADER_BYTES);
	if ((rc = read_message(&w, message, why)) == 0) {
		header_parse(slice_make(w.section.data, w.section.len), &w.arena, &w.header);
		const char *author = author_domain(&w.header, &w.arena);
		collect(&w);
		if (w.canonical.full || w.names.full)
			rc = fail_set(
			    why, FAIL_MESSAGE_TOO_BIG, "header section is too big to sign");
		for (size_t i = 0; rc == 0 && author != NULL && i < dkim->n; i++)
			if (is_aligned(author, dkim->keys[i].domain))
				rc = sign_with(&w, &dkim->keys[i], now, out, why);
	}
	buf_free(&w.section);
	buf_free(&w.canonical);
	buf_free(&w.names);
	arena_free(&w.arena);
	return rc;
}

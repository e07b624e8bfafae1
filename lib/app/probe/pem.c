#include "app/probe/pem.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/text.h"

#define LINE_CHARS 64      /* RFC 7468 s2 */
#define HOST_CHARS 150     /* of a file name */
#define COMMENT_BYTES 1000 /* of remote text */

static void
put(struct buf *out, const char *text)
{
	text_escape(out, slice_str(text == NULL ? "?" : text), COMMENT_BYTES);
}

static const char *
kind_of(const struct target_facts *facts, const struct tls_facts *tls)
{
	const struct cert_facts *leaf = facts_leaf(facts->certs, facts->certs_n, tls);

	return key_type_str(leaf == NULL ? KEY_OTHER : leaf->key_type);
}

static void
write_block(const struct cert_facts *cert, struct buf *out)
{
	size_t n = strlen(cert->raw);

	buf_puts(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t i = 0; i < n; i += LINE_CHARS) {
		buf_append(out, cert->raw + i, n - i < LINE_CHARS ? n - i : LINE_CHARS);
		buf_putc(out, '\n');
	}
	buf_puts(out, "-----END CERTIFICATE-----\n");
}

bool
probe_pem_write(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, const struct tls_facts *tls, struct buf *out)
{
	if (tls->chain.n == 0)
		return false;
	buf_puts(out, "# ");
	put(out, facts->domain);
	buf_puts(out, ": ");
	put(out, mx->name);
	buf_puts(out, " [");
	put(out, host->ip);
	buf_printf(out, "]:%lld, %s, as sent\n", (long long)host->port, kind_of(facts, tls));
	for (size_t i = 0; i < tls->chain.n; i++) {
		const struct cert_facts *cert =
		    facts_cert(facts->certs, facts->certs_n, tls->chain.v[i]);
		buf_printf(out, "# %zu of %zu: ", i + 1, tls->chain.n);
		put(out, cert == NULL ? NULL
			 : cert->subject == NULL || cert->subject[0] == '\0'
			     ? cert->names.n > 0 ? cert->names.v[0] : "(no subject)"
			     : cert->subject);
		buf_putc(out, '\n');
		if (cert != NULL && cert->raw != NULL)
			write_block(cert, out);
	}
	return true;
}

/* first: no hidden file, and nothing that looks like an option */
static char
safe(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return c;
	if (c == ':')
		c = '-';
	return !first && (c == '-' || c == '.') ? c : '_';
}

static void
put_safe(struct buf *out, const char *text, size_t most)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n && i < most; i++)
		buf_putc(out, safe(text[i], out->len == 0));
	if (n > most)
		buf_printf(out, "-%08x", crc32c(0, text, n));
}

void
probe_pem_name(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, const struct tls_facts *tls, char out[PROBE_PEM_NAME_BYTES])
{
	const char *ip = host->ip == NULL ? "unknown" : host->ip;
	struct buf name;

	buf_init(&name, PROBE_PEM_NAME_BYTES - 1);
	if (mx->name != NULL && mx->name[0] != '\0' && strcmp(mx->name, ip) != 0) {
		put_safe(&name, mx->name, HOST_CHARS);
		buf_putc(&name, '_');
	}
	put_safe(&name, ip, 45);
	buf_printf(&name, "_%lld_%s.pem", (long long)host->port, kind_of(facts, tls));
	snprintf(out, PROBE_PEM_NAME_BYTES, "%s", buf_str(&name));
	buf_free(&name);
}

#include <string.h>

#include "app/probe/text.h"
#include "base/text.h"

#define VALUE_BYTES 512

static void
label(struct buf *out, const char *text)
{
	buf_printf(out, "    %-*s", PROBE_LABEL_WIDTH, text);
}

static void
put(struct buf *out, const char *text)
{
	text_escape(out, slice_str(text == NULL ? "?" : text), VALUE_BYTES);
}

static bool
same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void
write_versions(const struct enum_facts *deep, struct buf *out)
{
	/* "none" must be earned */
	if (deep->versions.n == 0 && deep->complete != TRI_YES)
		return;
	label(out, "versions");
	if (deep->versions.n == 0)
		buf_puts(out, "none");
	for (size_t i = 0; i < deep->versions.n; i++) {
		buf_puts(out, i > 0 ? ", " : "");
		put(out, deep->versions.v[i]);
	}
	buf_putc(out, '\n');
}

/* One line for each version: "groups        TLSv1.3: x25519, secp256r1". */
static void
write_groups(const struct enum_facts *deep, struct buf *out)
{
	for (size_t i = 0; i < deep->groups_n; i++) {
		const struct enum_group_facts *group = &deep->groups[i];
		if (i > 0 && same(group->version, group[-1].version)) {
			buf_puts(out, ", ");
		} else {
			buf_puts(out, i > 0 ? "\n" : "");
			label(out, i > 0 ? "" : "groups");
			put(out, group->version);
			buf_puts(out, ": ");
		}
		put(out, group->name);
	}
	if (deep->groups_n > 0)
		buf_putc(out, '\n');
}

/* One line for each suite. */
static void
write_ciphers(const struct enum_facts *deep, struct buf *out)
{
	for (size_t i = 0; i < deep->ciphers_n; i++) {
		const struct enum_cipher_facts *cipher = &deep->ciphers[i];
		label(out, i > 0 ? "" : "ciphers");
		put(out, cipher->version);
		buf_putc(out, ' ');
		put(out, cipher->name);
		if (cipher->group != NULL) {
			buf_puts(out, ", ");
			put(out, cipher->group);
		}
		if (cipher->dh_bits > 0)
			buf_printf(out, ", DH %lld bits", (long long)cipher->dh_bits);
		buf_putc(out, '\n');
	}
}

void
probe_text_deep(const struct host_facts *host, struct buf *out)
{
	const struct enum_facts *deep = &host->deep;

	if (deep->complete != TRI_UNKNOWN) {
		write_versions(deep, out);
		write_groups(deep, out);
		write_ciphers(deep, out);
		label(out, "deep look");
		buf_printf(out, "%lld connections, ", (long long)deep->connections);
		buf_puts(out, deep->complete == TRI_YES ? "complete" : "incomplete: ");
		if (deep->complete != TRI_YES)
			put(out, deep->reason);
		buf_putc(out, '\n');
	}
	if (host->injection != INJECTION_NOT_TESTED || host->injection_reason != NULL) {
		label(out, "injection");
		buf_puts(out, injection_str(host->injection));
		if (host->injection_reason != NULL) {
			buf_puts(out, ": ");
			put(out, host->injection_reason);
		}
		buf_putc(out, '\n');
	}
}

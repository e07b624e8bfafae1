#include "policy/psl.h"

#include <libpsl.h>
#include <string.h>

#include "base/library.h"
#include "base/log.h"
#include "base/text.h"

static __typeof__(psl_latest) *latest;
static __typeof__(psl_builtin) *builtin;
static __typeof__(psl_registrable_domain) *registrable;

static bool
open_library(void)
{
	static const char *const files[] = { LIBRARY_FILE("libpsl", "5"), NULL };
	static const struct library_function rows[] = { { "psl_latest", &latest },
		{ "psl_builtin", &builtin }, { "psl_registrable_domain", &registrable } };
	const char *wrong = library_open("libpsl", files, rows, sizeof(rows) / sizeof(rows[0]));

	if (wrong != NULL)
		log_warn("%s: who runs a mail server is not known", wrong);
	return wrong == NULL;
}

static const psl_ctx_t *
list(void)
{
	static const psl_ctx_t *psl;
	static bool tried;

	if (tried)
		return psl;
	tried = true;
	if (!open_library())
		return NULL;
	psl = latest(NULL); /* the distribution's file, or what is built in */
	if (psl == NULL)
		psl = builtin();
	return psl;
}

/* The last label of an IPv4 address is a number; no top-level domain is (RFC 3696 s2). */
static bool
is_address(struct slice name)
{
	size_t at = name.n;

	if (slice_find(name, ':') < name.n)
		return true;
	while (at > 0 && name.p[at - 1] >= '0' && name.p[at - 1] <= '9')
		at--;
	return at < name.n && (at == 0 || name.p[at - 1] == '.');
}

bool
psl_registrable(struct slice name, char out[LIMIT_DOMAIN_BYTES + 1])
{
	char lower[LIMIT_DOMAIN_BYTES + 1];

	out[0] = '\0';
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > LIMIT_DOMAIN_BYTES || memchr(name.p, '\0', name.n) != NULL ||
	    is_address(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = text_lower(name.p[i]);
	lower[name.n] = '\0';
	const psl_ctx_t *psl = list();
	/* points into its argument */
	const char *found = psl == NULL ? NULL : registrable(psl, lower);
	if (found == NULL || found[0] == '\0')
		return false;
	memcpy(out, found, strlen(found) + 1);
	return true;
}

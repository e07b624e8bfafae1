#include "app/report/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define D (1u << REPORT_DOMAINS)
#define H (1u << REPORT_HOSTS)
#define A (1u << REPORT_ADDRESSES)

const char *const report_level_ids[REPORT_LEVELS] = { "domains", "mx_hosts", "addresses" };
const char *const report_level_titles[REPORT_LEVELS] = { "domains", "MX hosts", "addresses" };

/* In the order of their enums (facts.def, report_tally.h). */
static const struct report_word words_VERDICT[] = { { "unknown", "not measured" },
	{ "dane", "DANE" }, { "mta-sts-enforce", "MTA-STS enforced" },
	{ "pkix", "trusted certificate" }, { "encrypted", "encrypted, identity not proved" },
	{ "backup-plaintext", "a backup MX in clear" },
	{ "broken-some", "some MX hosts fail the own policy" },
	{ "plaintext", "a primary MX in clear" }, { "broken", "own policy makes senders fail" },
	{ "no-mail", "accepts no mail (null MX)" },
	{ "undeliverable", "no such domain or no MX" } };
static const struct report_word words_MX_STATUS[] = { { "unknown", "not looked up" },
	{ "literal", "a host, no lookup" }, { "has_mx", "MX records" },
	{ "implicit_mx", "only an address (implicit MX)" }, { "null_mx", "null MX" },
	{ "null_mx_with_other_mx", "null MX beside others" }, { "no_mx", "neither MX nor address" },
	{ "nxdomain", "no such domain" }, { "dns_error", "lookup failed" } };
static const struct report_word words_STARTTLS[] = { { "all", NULL }, { "some", NULL },
	{ "none", NULL }, { "unknown", NULL } };
static const struct report_word words_IDENTITY[] = { { "trusted", "trusted chain" },
	{ "name-match", "names the MX host" },
	{ "trusted-and-match", "trusted, and names the host" }, { "expired", NULL },
	{ "self-signed", NULL }, { "missing-intermediate", "issuer's certificate not sent" } };
static const struct report_word words_DAYS_LEFT[] = { { "0", "expired, or today" }, { "1-3", NULL },
	{ "4-7", NULL }, { "8-14", NULL }, { "15-30", NULL }, { "31-60", NULL }, { "61-90", NULL },
	{ "91-180", NULL }, { "181-365", NULL }, { "366+", "more than 365" } };
static const struct report_word words_LIFETIME[] = { { "1-10", NULL }, { "11-47", NULL },
	{ "48-100", NULL }, { "101-200", NULL }, { "201-398", NULL }, { "399-825", NULL },
	{ "826-3650", NULL }, { "3651+", "more than 3650" } };
static const struct report_word words_DANE[] = { { "not_checked", "not checked" },
	{ "none", "no TLSA records" }, { "insecure", "not signed" },
	{ "unmeasured", "TLSA records, host not measured" },
	{ "unusable", "only unusable TLSA records" },
	{ "dane-insecure-mx", "valid, MX not signed" }, { "valid", "valid at every host" },
	{ "partial", "valid at some hosts" }, { "error", "TLSA lookup failed" },
	{ "no-tls", "TLSA records, but no TLS" }, { "mismatch", "certificate matches no record" },
	{ "bogus", "DNSSEC bogus" } };
static const struct report_word words_MTA_STS[] = { { "not_checked", "not checked" },
	{ "none", "no policy" }, { "enforce", NULL },
	{ "enforce-mx-mismatch", "enforce, but an MX is not in it" }, { "testing", NULL },
	{ "testing-mx-mismatch", "testing, an MX is not in it" }, { "mode-none", "mode none" },
	{ "record-invalid", "record invalid" }, { "fetch-error", "policy not fetched" },
	{ "webpki-invalid", "certificate of the policy host" },
	{ "policy-invalid", "policy invalid" }, { "dns-error", "lookup failed" } };
static const struct report_word words_TLSRPT[] = { { "not_checked", "not checked" },
	{ "none", "no record" }, { "valid", NULL }, { "invalid", NULL },
	{ "dns-error", "lookup failed" } };
static const struct report_word words_IPV6[] = { { "aaaa", "has an IPv6 address" },
	{ "reachable", "reachable over IPv6" }, { "starttls", "STARTTLS over IPv6" } };
static const struct report_word words_STATUS[] = { { "not-tried", NULL }, { "success", NULL },
	{ "connection-refused", NULL }, { "connection-timeout", NULL },
	{ "connection-unreachable", NULL }, { "connection-closed", NULL }, { "io-timeout", NULL },
	{ "handshake-error", NULL }, { "post-tls-application-error", NULL },
	{ "protocol-error", NULL }, { "application-error", NULL }, { "blocklisted-target", NULL },
	{ "temporary-rejection", NULL }, { "policy-rejection", NULL }, { "line-too-long", NULL },
	{ "dns-error", NULL }, { "skipped-ratelimit", NULL }, { "cancelled", NULL },
	{ "unknown-error", NULL } };
static const struct report_word words_NOT_ASKED[] = {
	{ "skipped-ratelimit", "certificates of further names at one address" },
	{ "excluded", "excluded addresses" }, { "mx-left-out", "further MX hosts" }
};
#define NO_WORDS(id) static const struct report_word words_##id[] = { { NULL, NULL } }
NO_WORDS(VERSION);
NO_WORDS(CIPHER);
NO_WORDS(GROUP);
NO_WORDS(KEY);
NO_WORDS(SIGNATURE);
NO_WORDS(ISSUER);
NO_WORDS(TLSA);
NO_WORDS(RESULT);

/* an array of one is NO_WORDS: clang wants a constant */
#define COUNT_OF(words) (sizeof(words) / sizeof((words)[0]))

#define WORDS false
#define COUNT true
#define TABLE(table, id_text, level_bits, base, order, title_text, note_text) \
	[REPORT_TABLE_##table] = { .id = id_text, \
		.title = title_text, \
		.note = note_text, \
		.levels = level_bits, \
		.basis = REPORT_BASIS_##base, \
		.by_count = order, \
		.words = words_##table, \
		.words_n = COUNT_OF(words_##table) > 1 ? COUNT_OF(words_##table) : 0 },
const struct report_table_info report_tables[REPORT_TABLES] = {
#include "app/report/tables.def"
};
#undef TABLE

static size_t
add_row(struct report_tally *tally, struct slice name)
{
	tally->rows = mem_grow(tally->rows, tally->n, &tally->cap, sizeof(struct report_row));
	struct report_row *row = &tally->rows[tally->n];
	memset(row, 0, sizeof(*row));
	row->name = mem_strndup(name.p, name.n);
	map_set(&tally->by_name, name, (void *)(uintptr_t)(tally->n + 1));
	return tally->n++;
}

void
report_tally_init(struct report_tally *tally, enum report_table table)
{
	memset(tally, 0, sizeof(*tally));
	tally->info = &report_tables[table];
	map_init(&tally->by_name);
	for (size_t i = 0; i < tally->info->words_n; i++)
		add_row(tally, slice_str(tally->info->words[i].token));
}

void
report_tally_free(struct report_tally *tally)
{
	for (size_t i = 0; i < tally->n; i++)
		free(tally->rows[i].name);
	free(tally->rows);
	map_free(&tally->by_name);
}

size_t
report_tally_row(struct report_tally *tally, struct slice value)
{
	void *found = map_get(&tally->by_name, value);

	if (found != NULL)
		return (size_t)(uintptr_t)found - 1;
	if (tally->n < LIMIT_REPORT_ROWS)
		return add_row(tally, value);
	tally->full = true;
	found = map_get(&tally->by_name, slice_str("(other)"));
	return found != NULL ? (size_t)(uintptr_t)found - 1 : add_row(tally, slice_str("(other)"));
}

const char *
report_tally_label(const struct report_tally *tally, size_t row)
{
	if (row < tally->info->words_n && tally->info->words[row].label != NULL)
		return tally->info->words[row].label;
	return tally->rows[row].name;
}

static const struct report_tally *sorting;

static int
by_count(const void *a, const void *b)
{
	const struct report_row *x = &sorting->rows[*(const size_t *)a];
	const struct report_row *y = &sorting->rows[*(const size_t *)b];

	for (size_t level = 0; level < REPORT_LEVELS; level++)
		if (x->n[level] != y->n[level])
			return x->n[level] < y->n[level] ? 1 : -1;
	return strcmp(x->name, y->name);
}

size_t
report_tally_order(const struct report_tally *tally, size_t *order)
{
	size_t n = 0;
	/* what is not known comes last */
	bool unknown_first = tally->info->words == words_VERDICT ||
			     tally->info->words == words_MX_STATUS ||
			     tally->info->words == words_STATUS;

	for (size_t i = unknown_first ? 1 : 0; i < tally->n; i++) {
		const struct report_row *row = &tally->rows[i];
		if (!tally->info->by_count || row->n[0] + row->n[1] + row->n[2] > 0)
			order[n++] = i;
	}
	if (unknown_first)
		order[n++] = 0;
	sorting = tally;
	if (tally->info->by_count && n > 0)
		qsort(order, n, sizeof(order[0]), by_count);
	return n;
}

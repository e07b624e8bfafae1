#include "app/report/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "policy/verdict.h"

void
report_unit_init(struct report_unit *unit)
{
	/* the values need no zeroing: values_n says how many there are */
	memset(unit, 0, offsetof(struct report_unit, values));
}

void
report_unit_value(struct report_unit *unit, enum report_table table, size_t row)
{
	uint32_t value = (uint32_t)table << 16 | (uint32_t)row;

	for (uint32_t i = 0; i < unit->values_n; i++)
		if (unit->values[i] == value)
			return;
	if (unit->values_n < LIMIT_REPORT_VALUES)
		unit->values[unit->values_n++] = value;
}

/* A value by its text; nothing for NULL. */
static void
text_value(struct report_unit *unit, struct report_tally *tallies, enum report_table table,
    const char *text)
{
	if (text != NULL)
		report_unit_value(unit, table, report_tally_row(&tallies[table], slice_str(text)));
}

/*
 * The state of DANE of two hosts together. Faults come before everything; a valid host beside one
 * that has none is partial.
 */
static enum report_dane
merge_dane(enum report_dane a, enum report_dane b)
{
	enum report_dane low = a < b ? a : b, high = a < b ? b : a;

	if (high == REPORT_DANE_VALID && low != REPORT_DANE_VALID)
		return REPORT_DANE_PARTIAL;
	return high;
}

static void
add_values(struct report_unit *whole, const struct report_unit *part)
{
	for (uint32_t i = 0; i < part->values_n; i++)
		report_unit_value(whole, part->values[i] >> 16, part->values[i] & 0xffff);
}

void
report_unit_merge(struct report_unit *whole, const struct report_unit *part)
{
	whole->addresses += part->addresses;
	whole->reachable += part->reachable;
	whole->measured += part->measured;
	whole->encrypted += part->encrypted;
	whole->handshakes += part->handshakes;
	whole->trusted += part->trusted;
	whole->named += part->named;
	whole->proved += part->proved;
	whole->expired += part->expired;
	whole->self_signed += part->self_signed;
	whole->incomplete += part->incomplete;
	whole->ipv6_record |= part->ipv6_record;
	whole->ipv6_reachable |= part->ipv6_reachable;
	whole->ipv6_encrypted |= part->ipv6_encrypted;
	whole->old_tls |= part->old_tls;
	whole->tls13 |= part->tls13;
	whole->post_quantum |= part->post_quantum;
	whole->tlsa |= part->tlsa;
	whole->ratelimited |= part->ratelimited;
	add_values(whole, part);
}

void
report_unit_merge_host(struct report_unit *domain, const struct report_unit *host)
{
	report_unit_merge(domain, host);
	domain->dane = domain->hosts == 0 ? host->dane : merge_dane(domain->dane, host->dane);
	domain->hosts++;
}

static size_t
bucket(int64_t n, const int64_t *limits, size_t limits_n)
{
	size_t i = 0;

	while (i < limits_n && n > limits[i])
		i++;
	return i;
}

size_t
report_bucket_days_left(int64_t days)
{
	static const int64_t limits[] = { 0, 3, 7, 14, 30, 60, 90, 180, 365 };

	return bucket(days, limits, sizeof(limits) / sizeof(limits[0]));
}

size_t
report_bucket_lifetime(int64_t days)
{
	static const int64_t limits[] = { 10, 47, 100, 200, 398, 825, 3650 };

	return bucket(days, limits, sizeof(limits) / sizeof(limits[0]));
}

/* The value of a component of a distinguished name, unescaped; false when it has none. */
static bool
component(const char *dn, const char *type, char *out, size_t out_size)
{
	size_t n = strlen(type), len = 0;
	bool start = true;

	for (; *dn != '\0'; dn++) {
		if (start && strncmp(dn, type, n) == 0)
			break;
		start = *dn == ',' || *dn == '+';
		if (*dn == '\\' && dn[1] != '\0')
			dn++;
	}
	if (*dn == '\0')
		return false;
	for (dn += n; *dn != '\0' && *dn != ',' && *dn != '+'; dn++) {
		unsigned char byte;
		if (*dn == '\\' && dn[1] != '\0' && dn[2] != '\0' &&
		    text_unhex(slice_make(dn + 1, 2), &byte)) {
			dn += 2;
		} else {
			if (*dn == '\\' && dn[1] != '\0')
				dn++;
			byte = (unsigned char)*dn;
		}
		if (len + 1 < out_size && byte != '\0')
			out[len++] = (char)byte;
	}
	out[len] = '\0';
	return len > 0;
}

void
report_issuer(const char *dn, char *out, size_t out_size)
{
	if (!component(dn, "O=", out, out_size) && !component(dn, "CN=", out, out_size))
		snprintf(out, out_size, "%s", dn);
}

void
report_unit_leaf(
    struct report_unit *unit, const struct cert_facts *leaf, struct report_tally *tallies)
{
	char text[LIMIT_CERT_TEXT_BYTES];

	snprintf(
	    text, sizeof(text), "%s %lld", key_type_str(leaf->key_type), (long long)leaf->key_bits);
	text_value(unit, tallies, REPORT_TABLE_KEY, text);
	text_value(unit, tallies, REPORT_TABLE_SIGNATURE, leaf->signature_algorithm);
	if (leaf->self_signed) {
		text_value(unit, tallies, REPORT_TABLE_ISSUER, "(self-signed)");
	} else if (leaf->issuer != NULL) {
		report_issuer(leaf->issuer, text, sizeof(text));
		text_value(unit, tallies, REPORT_TABLE_ISSUER, text);
	}
	if (leaf->days_left >= 0)
		report_unit_value(
		    unit, REPORT_TABLE_DAYS_LEFT, report_bucket_days_left(leaf->days_left));
	if (leaf->not_before != 0 && leaf->not_after > leaf->not_before)
		report_unit_value(unit, REPORT_TABLE_LIFETIME,
		    report_bucket_lifetime((leaf->not_after - leaf->not_before + 43200) / 86400));
}

bool
report_is_post_quantum(const char *group)
{
	return group != NULL &&
	       (strcasestr(group, "mlkem") != NULL || strcasestr(group, "kyber") != NULL);
}

static void
add_handshake(struct report_unit *unit, const struct target_facts *target,
    const struct report_store *leaves, const struct tls_facts *tls, struct report_tally *tallies)
{
	const struct verify_facts *verify = &tls->verify;
	const struct cert_facts *leaf =
	    target == NULL ? NULL : facts_leaf(target->certs, target->certs_n, tls);

	unit->handshakes++;
	unit->trusted += verify->trusted == TRI_YES;
	unit->named += verify->matches_mx == TRI_YES;
	unit->proved += verify->trusted == TRI_YES && verify->matches_mx == TRI_YES;
	unit->expired += verify->expired == TRI_YES;
	unit->self_signed += verify->self_signed == TRI_YES;
	unit->incomplete += verify->missing_intermediate == TRI_YES;
	unit->tls13 |= tls->version_name != NULL && strcmp(tls->version_name, "TLSv1.3") == 0;
	unit->old_tls |= tls->version_name != NULL && strcmp(tls->version_name, "TLSv1.3") != 0 &&
			 strcmp(tls->version_name, "TLSv1.2") != 0;
	unit->post_quantum |= report_is_post_quantum(tls->group);
	text_value(unit, tallies, REPORT_TABLE_VERSION, tls->version_name);
	text_value(unit, tallies, REPORT_TABLE_CIPHER, tls->cipher_name);
	text_value(unit, tallies, REPORT_TABLE_GROUP, tls->group);
	if (leaf != NULL) {
		report_unit_leaf(unit, leaf, tallies);
	} else if (leaves != NULL && tls->chain.n > 0) {
		const struct report_unit *stored =
		    report_store_get(leaves, slice_str(tls->chain.v[0]));
		if (stored != NULL)
			add_values(unit, stored);
	}
}

/* Whether a connection to the address came about. */
static bool
is_reachable(enum host_status status)
{
	switch (status) {
	case HOST_NOT_TRIED:
	case HOST_CONNECT_REFUSED:
	case HOST_CONNECT_TIMEOUT:
	case HOST_CONNECT_UNREACHABLE:
	case HOST_BLOCKLISTED:
	case HOST_DNS_ERROR:
	case HOST_CANCELLED:
	case HOST_UNKNOWN_ERROR:
		return false;
	default:
		return true;
	}
}

void
report_unit_address(struct report_unit *unit, const struct target_facts *target,
    const struct report_store *leaves, const struct host_facts *host, struct report_tally *tallies)
{
	bool tls =
	    host->starttls_state == STARTTLS_DONE || host->starttls_state == STARTTLS_IMPLICIT;

	report_unit_init(unit);
	unit->addresses = 1;
	unit->resolved = unit->accepts_mail = true;
	unit->reachable = is_reachable(host->status);
	unit->measured = verdict_host_measured(host);
	for (size_t i = 0; i < host->tls_n; i++)
		if (host->tls[i].complete == TRI_YES)
			add_handshake(unit, target, leaves, &host->tls[i], tallies);
	unit->encrypted = tls && unit->handshakes > 0;
	unit->ipv6_record = host->ip != NULL && strchr(host->ip, ':') != NULL;
	unit->ipv6_reachable = unit->ipv6_record && unit->reachable;
	unit->ipv6_encrypted = unit->ipv6_record && unit->encrypted;
	text_value(unit, tallies, REPORT_TABLE_STATUS, host_status_str(host->status));
	text_value(unit, tallies, REPORT_TABLE_RESULT, host->result_type);
	for (size_t i = 0; i < host->tls_n; i++) /* DECISIONS D28 */
		unit->ratelimited |=
		    strcmp(key_status_str(host->tls[i].key_status), "skipped-ratelimit") == 0;
	unit->ratelimited |= strcmp(host_status_str(host->status), "skipped-ratelimit") == 0;
	if (host->status == HOST_BLOCKLISTED)
		report_unit_value(unit, REPORT_TABLE_NOT_ASKED, REPORT_NOT_ASKED_EXCLUDED);
}

void
report_unit_referred(struct report_unit *unit, const struct report_unit *stored,
    const struct host_facts *host, struct report_tally *tallies)
{
	memcpy(unit, stored, offsetof(struct report_unit, values));
	memcpy(unit->values, stored->values, stored->values_n * sizeof(stored->values[0]));
	text_value(unit, tallies, REPORT_TABLE_RESULT, host->result_type);
}

/* What the certificates of a host make of its usable TLSA records. */
static enum report_dane
dane_of_handshakes(const struct report_unit *unit, const struct exchange_facts *mx)
{
	size_t valid = 0, mismatch = 0;

	for (size_t i = 0; i < mx->hosts_n; i++)
		for (size_t j = 0; j < mx->hosts[i].tls_n; j++) {
			const struct tls_facts *tls = &mx->hosts[i].tls[j];
			valid += tls->dane == DANE_VALID;
			mismatch += tls->dane == DANE_MISMATCH;
		}
	if (mismatch > 0)
		return REPORT_DANE_MISMATCH;
	if (unit->measured > unit->encrypted)
		return REPORT_DANE_NO_TLS;
	if (valid == 0)
		return REPORT_DANE_UNMEASURED;
	return mx->tlsa.status == TLSA_INSECURE_MX ? REPORT_DANE_INSECURE_MX : REPORT_DANE_VALID;
}

static enum report_dane
host_dane(const struct report_unit *unit, const struct exchange_facts *mx)
{
	switch (mx->tlsa.status) {
	case TLSA_NOT_CHECKED:
		return REPORT_DANE_NOT_CHECKED;
	case TLSA_NONE:
		return REPORT_DANE_NONE;
	case TLSA_INSECURE:
		return REPORT_DANE_INSECURE;
	case TLSA_UNUSABLE:
		return unit->measured > unit->encrypted ? REPORT_DANE_NO_TLS : REPORT_DANE_UNUSABLE;
	case TLSA_BOGUS:
		return REPORT_DANE_BOGUS;
	case TLSA_ERROR:
		return REPORT_DANE_ERROR;
	case TLSA_USABLE:
	case TLSA_INSECURE_MX:
		break;
	}
	return dane_of_handshakes(unit, mx);
}

void
report_unit_host(
    struct report_unit *unit, const struct exchange_facts *mx, struct report_tally *tallies)
{
	unit->accepts_mail = true;
	unit->resolved = mx->hosts_n > 0 || mx->ipv4_addresses.n + mx->ipv6_addresses.n > 0;
	unit->ipv6_record |= mx->ipv6_addresses.n > 0;
	unit->dane = host_dane(unit, mx);
	unit->tlsa = mx->tlsa.records_n > 0;
	for (size_t i = 0; i < mx->tlsa.records_n; i++) {
		const struct tlsa_record_facts *record = &mx->tlsa.records[i];
		char text[80];
		snprintf(text, sizeof(text), "%lld %lld %lld", (long long)record->usage,
		    (long long)record->selector, (long long)record->matching_type);
		text_value(unit, tallies, REPORT_TABLE_TLSA, text);
	}
}

/* What senders find: the mode of a policy, or why there is none to go by. */
static enum report_sts
sts_state(const struct sts_facts *sts)
{
	bool mismatch = sts->unmatched_mx.n > 0;

	switch (sts->status) {
	case STS_NOT_CHECKED:
		return REPORT_STS_NOT_CHECKED;
	case STS_NONE:
		return REPORT_STS_NONE;
	case STS_RECORD_INVALID:
		return REPORT_STS_RECORD_INVALID;
	case STS_FETCH_ERROR:
		return REPORT_STS_FETCH_ERROR;
	case STS_WEBPKI_INVALID:
		return REPORT_STS_WEBPKI_INVALID;
	case STS_POLICY_INVALID:
		return REPORT_STS_POLICY_INVALID;
	case STS_DNS_ERROR:
		return REPORT_STS_DNS_ERROR;
	case STS_VALID:
		break;
	}
	if (sts->mode == STS_MODE_ENFORCE)
		return mismatch ? REPORT_STS_ENFORCE_MISMATCH : REPORT_STS_ENFORCE;
	if (sts->mode == STS_MODE_TESTING)
		return mismatch ? REPORT_STS_TESTING_MISMATCH : REPORT_STS_TESTING;
	return REPORT_STS_MODE_NONE;
}

static bool
accepts_mail(enum mx_status status)
{
	return status == MX_HAS_MX || status == MX_IMPLICIT || status == MX_NULL_WITH_OTHER ||
	       status == MX_LITERAL;
}

void
report_unit_domain(
    struct report_unit *unit, const struct target_facts *target, struct report_tally *tallies)
{
	enum mx_status status = target->mx_status;

	unit->accepts_mail = accepts_mail(status);
	unit->resolved = unit->accepts_mail || status == MX_NULL || status == MX_NONE;
	if (target->dns.dnssec == DNSSEC_BOGUS)
		unit->dane = REPORT_DANE_BOGUS;
	unit->verdict = target->summary.verdict;
	text_value(unit, tallies, REPORT_TABLE_VERDICT, verdict_str(target->summary.verdict));
	text_value(unit, tallies, REPORT_TABLE_MX_STATUS, mx_status_str(status));
	unit->sts = sts_state(&target->sts);
	unit->tlsrpt = target->tlsrpt.status == TLSRPT_VALID;
	report_unit_value(unit, REPORT_TABLE_MTA_STS, unit->sts);
	text_value(unit, tallies, REPORT_TABLE_TLSRPT, tlsrpt_status_str(target->tlsrpt.status));
	if (unit->accepts_mail)
		text_value(unit, tallies, REPORT_TABLE_RESULT, target->sts.result_type);
	if (target->exchanges_left_out > 0)
		report_unit_value(unit, REPORT_TABLE_NOT_ASKED, REPORT_NOT_ASKED_MX);
}

enum report_starttls
report_unit_starttls(const struct report_unit *unit)
{
	if (unit->measured == 0)
		return REPORT_STARTTLS_UNKNOWN;
	if (unit->encrypted == 0)
		return REPORT_STARTTLS_NONE;
	return unit->encrypted == unit->measured ? REPORT_STARTTLS_ALL : REPORT_STARTTLS_SOME;
}

bool
report_unit_proved(const struct report_unit *unit)
{
	return report_unit_starttls(unit) == REPORT_STARTTLS_ALL &&
	       unit->proved == unit->handshakes;
}

bool
report_unit_counts(const struct report_unit *unit, enum report_basis basis)
{
	switch (basis) {
	case REPORT_BASIS_NAMES:
		break;
	case REPORT_BASIS_MAIL:
		return unit->accepts_mail;
	case REPORT_BASIS_MEASURED:
		return unit->measured > 0;
	case REPORT_BASIS_TLS:
		return unit->handshakes > 0;
	case REPORT_BASIS_TLSA:
		return unit->tlsa;
	}
	return true;
}

/* The rows of the tables that follow from the counts. */
static void
count_derived(const struct report_unit *unit, enum report_level level, struct report_tally *tallies)
{
	struct report_row *identity = tallies[REPORT_TABLE_IDENTITY].rows;
	struct report_row *ipv6 = tallies[REPORT_TABLE_IPV6].rows;

	if (unit->handshakes > 0) {
		identity[REPORT_IDENTITY_TRUSTED].n[level] += unit->trusted == unit->handshakes;
		identity[REPORT_IDENTITY_NAMED].n[level] += unit->named == unit->handshakes;
		identity[REPORT_IDENTITY_PROVED].n[level] += unit->proved == unit->handshakes;
		identity[REPORT_IDENTITY_EXPIRED].n[level] += unit->expired > 0;
		identity[REPORT_IDENTITY_SELF_SIGNED].n[level] += unit->self_signed > 0;
		identity[REPORT_IDENTITY_INCOMPLETE].n[level] += unit->incomplete > 0;
	}
	if (!unit->accepts_mail)
		return;
	tallies[REPORT_TABLE_STARTTLS].rows[report_unit_starttls(unit)].n[level]++;
	ipv6[REPORT_IPV6_RECORD].n[level] += unit->ipv6_record;
	ipv6[REPORT_IPV6_REACHABLE].n[level] += unit->ipv6_reachable;
	ipv6[REPORT_IPV6_STARTTLS].n[level] += unit->ipv6_encrypted;
	if (level != REPORT_ADDRESSES)
		tallies[REPORT_TABLE_DANE].rows[unit->dane].n[level]++;
	if (unit->ratelimited)
		tallies[REPORT_TABLE_NOT_ASKED].rows[REPORT_NOT_ASKED_RATELIMIT].n[level]++;
}

void
report_unit_count(
    const struct report_unit *unit, enum report_level level, struct report_tally *tallies)
{
	for (int table = 0; table < REPORT_TABLES; table++)
		if ((report_tables[table].levels & 1u << level) != 0 &&
		    report_unit_counts(unit, report_tables[table].basis))
			tallies[table].of[level]++;
	for (uint32_t i = 0; i < unit->values_n; i++) {
		struct report_tally *tally = &tallies[unit->values[i] >> 16];
		if ((tally->info->levels & 1u << level) != 0 &&
		    report_unit_counts(unit, tally->info->basis))
			tally->rows[unit->values[i] & 0xffff].n[level]++;
	}
	count_derived(unit, level, tallies);
}

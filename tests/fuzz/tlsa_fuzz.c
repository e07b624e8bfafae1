/*
 * TLSA records and a chain as bytes from the network, through everything that judges them.
 *
 * Input: a byte: number of records; for each usage, selector, matching type, length (2 bytes), data;
 * then the certificates, each with a length (2 bytes). A record of length 0xffff has the digest or
 * bytes of the first certificate, so that matching is reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/dane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS 8
#define CERTS 6

struct input {
	const uint8_t *p;
	size_t n;
};

static struct slice
cut(struct input *in, size_t n)
{
	struct slice s;

	if (n > in->n)
		n = in->n;
	s = slice_make((const char *)in->p, n);
	in->p += n;
	in->n -= n;
	return s;
}

static unsigned
number(struct input *in, size_t bytes)
{
	struct slice s = cut(in, bytes);
	unsigned value = 0;

	for (size_t i = 0; i < s.n; i++)
		value = value << 8 | (unsigned char)s.p[i];
	return value;
}

struct parts {
	struct dns_record records[RECORDS];
	bool of_leaf[RECORDS];
	struct dns_answer answer;
	struct slice certs[CERTS];
	size_t certs_n;
};

static void
read_parts(struct input *in, struct parts *parts)
{
	parts->answer.n = number(in, 1) % (RECORDS + 1);
	for (size_t i = 0; i < parts->answer.n; i++) {
		struct dns_record *r = &parts->records[i];
		r->usage = (uint8_t)number(in, 1);
		r->selector = (uint8_t)number(in, 1);
		r->matching = (uint8_t)number(in, 1);
		unsigned n = number(in, 2);
		parts->of_leaf[i] = n == 0xffff;
		struct slice s = cut(in, parts->of_leaf[i] ? 0 : n);
		r->data = (const unsigned char *)s.p;
		r->data_len = s.n;
	}
	while (parts->certs_n < CERTS && in->n > 0)
		parts->certs[parts->certs_n++] = cut(in, number(in, 2));
}

static void
check_facts(const struct tlsa_facts *tlsa, enum dane dane)
{
	size_t matched = 0, usable = 0;
	struct buf json;

	for (size_t i = 0; i < tlsa->records_n; i++) {
		const struct tlsa_record_facts *r = &tlsa->records[i];
		usable += r->usable;
		matched += r->usable && r->matched == TRI_YES;
		if (r->usable &&
		    (r->usage < 2 || r->usage > 3 || r->selector > 1 || r->matching_type > 2))
			abort();
		if (r->matched == TRI_YES && r->depth < 0)
			abort();
		/* only a key alone can be an issuer of the leaf without a place in the chain */
		if (r->usage == 3 && r->depth > 0)
			abort();
	}
	if ((dane == DANE_VALID) != (matched > 0) || (dane == DANE_UNUSABLE) != (usable == 0))
		abort();
	buf_init(&json, 10 * 1000 * 1000);
	if (facts_write_json(&fact_table_tlsa_facts, tlsa, &json) != 0)
		abort();
	buf_free(&json);
}

static void
judge(struct parts *parts, struct arena *arena)
{
	static const char *const names[] = { "mx.example.test", "example.test" };
	struct tls_dane_fit fits[RECORDS];
	struct exchange_facts mx;
	enum dane dane;
	char *text;

	facts_init_exchange_facts(&mx);
	parts->answer.status = DNS_OK;
	parts->answer.dnssec = DNSSEC_SECURE;
	parts->answer.records = parts->records;
	dane_from_answer(&parts->answer, DNSSEC_SECURE, arena, &mx.tlsa);
	for (size_t i = 0; i < mx.tlsa.records_n; i++) {
		struct tlsa_record_facts *r = &mx.tlsa.records[i];
		if (parts->of_leaf[i] && parts->certs_n > 0 &&
		    tls_tlsa_record(parts->certs[0].p, parts->certs[0].n, (int)r->usage,
			(int)r->selector, (int)r->matching_type, arena, &text, NULL) == 0)
			r->data = text + strlen("3 1 1 ");
	}
	size_t usable = dane_judge_records(mx.tlsa.records, mx.tlsa.records_n, arena);
	mx.tlsa.status = usable > 0 ? TLSA_USABLE : TLSA_UNUSABLE;
	struct tls_dane_question question = { .records = mx.tlsa.records,
		.records_n = mx.tlsa.records_n,
		.names = names,
		.names_n = 2,
		.at = 1800000000 };
	if (tls_dane_chain(parts->certs, parts->certs_n, &question, arena, fits, &dane, NULL) != 0)
		return;
	if (dane_note_fits(&mx.tlsa, dane, fits, arena) != dane)
		abort();
	check_facts(&mx.tlsa, dane);
	dane_advise(&mx, NULL, 0, arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct parts parts;
	struct arena arena;

	memset(&parts, 0, sizeof(parts));
	arena_init(&arena);
	read_parts(&in, &parts);
	judge(&parts, &arena);
	arena_free(&arena);
	return 0;
}

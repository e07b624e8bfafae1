#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dns/answer.h"
#include "dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that is reachable from an answer is read, so that a sanitizer sees bad pointers. */
static void
check(const struct dns_answer *a)
{
	size_t sum = 0;

	if (a->n > LIMIT_DNS_RECORDS || (a->n > 0) != (a->status == DNS_OK))
		abort();
	if (!dns_answer_usable(a) && (a->error == NULL || a->ttl != 0))
		abort();
	for (const char *s = a->error; s != NULL && *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
	if (a->cname != NULL)
		sum += strlen(a->cname);
	for (size_t i = 0; i < a->n; i++) {
		const struct dns_record *r = &a->records[i];
		for (const char *s = r->name; s != NULL && *s != '\0'; s++)
			if (*s <= ' ' || *s > '~')
				abort();
		for (size_t k = 0; k < r->data_len; k++)
			sum += r->data[k];
		if (r->data != NULL && r->data[r->data_len] != '\0')
			abort();
	}
	/* the sum is used, so that reading is not optimised away */
	if (sum == SIZE_MAX)
		abort();
}

/* The first byte chooses the type and whether AD counts; the rest is the message. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_MX, DNS_TLSA, DNS_TXT, DNS_A, DNS_AAAA, DNS_NS,
		DNS_CNAME, DNS_PTR };
	unsigned char query[DNS_QUERY_BYTES];

	if (size == 0)
		return 0;
	enum dns_type type = data[0] == 0xca ? DNS_CAA : types[data[0] & 7];
	struct dns_answer *a =
	    dns_message_parse(data + 1, size - 1, "a.test", type, (data[0] & 8) != 0);
	check(a);
	if ((data[0] & 8) == 0 && (a->dnssec == DNSSEC_SECURE || a->dnssec == DNSSEC_INSECURE))
		abort();
	dns_answer_release(a);
	uint16_t id = size > 2 ? (uint16_t)((unsigned)data[1] << 8 | data[2]) : 0;
	size_t n = dns_message_build(query, id, "a.test", type, true, false);
	dns_message_match(data + 1, size - 1, query, n);
	return 0;
}

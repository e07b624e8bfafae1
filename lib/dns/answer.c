#include "dns/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

static size_t
text_bytes(const char *s)
{
	return s == NULL ? 0 : strlen(s) + 1;
}

/* Copy n bytes and a NUL to *at, which moves on. */
static char *
put(char **at, const void *data, size_t n)
{
	char *p = *at;

	if (n > 0)
		memcpy(p, data, n);
	p[n] = '\0';
	*at = p + n + 1;
	return p;
}

static const char *
put_text(char **at, const char *s)
{
	return s == NULL ? NULL : put(at, s, strlen(s));
}

static size_t
packed_bytes(const struct dns_answer *a)
{
	size_t n = sizeof(*a) + a->n * sizeof(*a->records);

	n += text_bytes(a->cname) + text_bytes(a->error);
	for (size_t i = 0; i < a->n; i++) {
		n += text_bytes(a->records[i].name);
		if (a->records[i].data != NULL)
			n += a->records[i].data_len + 1;
	}
	return n;
}

struct dns_answer *
dns_answer_pack(const struct dns_answer *a)
{
	size_t bytes = packed_bytes(a);
	struct dns_answer *out = mem_alloc(bytes);
	/* sizeof(struct) is a multiple of its alignment, which is that of a pointer: as a record's */
	struct dns_record *records = (struct dns_record *)(void *)(out + 1);
	char *at = (char *)(records + a->n);

	*out = *a;
	out->refs = 1;
	out->bytes = bytes;
	out->cname = put_text(&at, a->cname);
	out->error = put_text(&at, a->error);
	for (size_t i = 0; i < a->n; i++) {
		const struct dns_record *from = &a->records[i];
		records[i] = *from;
		records[i].name = put_text(&at, from->name);
		if (from->data != NULL)
			records[i].data =
			    (const unsigned char *)put(&at, from->data, from->data_len);
	}
	out->records = a->n == 0 ? NULL : records;
	return out;
}

struct dns_answer *
dns_answer_failed(enum dns_status status, enum dnssec dnssec, const char *error)
{
	struct dns_answer a = {
		.status = status, .dnssec = dnssec, .rcode = -1, .ede = -1, .error = error
	};

	return dns_answer_pack(&a);
}

const struct dns_answer *
dns_answer_hold(const struct dns_answer *a)
{
	/* the count is the one thing that changes in a published answer */
	((struct dns_answer *)(uintptr_t)a)->refs++;
	return a;
}

void
dns_answer_release(const struct dns_answer *answer)
{
	struct dns_answer *a = (struct dns_answer *)(uintptr_t)answer;

	if (a != NULL && --a->refs == 0)
		free(a);
}

bool
dns_answer_usable(const struct dns_answer *a)
{
	return a->status == DNS_OK || a->status == DNS_NODATA || a->status == DNS_NXDOMAIN;
}

static uint32_t
min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t
dns_answer_cache_ttl(const struct dns_answer *a)
{
	/* RFC 9520 s3.2: a failed resolution is kept for at least a second */
	if (!dns_answer_usable(a))
		return LIMIT_DNS_FAILURE_TTL_S;
	/* the state is missing because a query failed: soon ask again */
	if (a->dnssec == DNSSEC_INDETERMINATE)
		return min_u32(a->ttl, LIMIT_DNS_FAILURE_TTL_S);
	return min_u32(a->ttl, a->status == DNS_OK ? LIMIT_DNS_TTL_S : LIMIT_DNS_NEGATIVE_TTL_S);
}

enum fail_code
dns_answer_fail(const struct dns_answer *answer)
{
	if (answer->dnssec == DNSSEC_BOGUS)
		return FAIL_DNS_BOGUS;
	switch (answer->status) {
	case DNS_SERVFAIL:
		return FAIL_DNS_SERVFAIL;
	case DNS_REFUSED:
		return FAIL_DNS_REFUSED;
	case DNS_TIMEOUT:
		return FAIL_DNS_TIMEOUT;
	case DNS_MALFORMED:
		return FAIL_DNS_MALFORMED;
	case DNS_NXDOMAIN:
		return FAIL_NXDOMAIN;
	case DNS_NOT_ASKED:
	case DNS_OK:
	case DNS_NODATA:
		break;
	}
	return FAIL_NONE;
}

const char *
dns_ede_str(int code)
{
	static const char *const texts[] = {
		"other error",
		"unsupported DNSKEY algorithm",
		"unsupported DS digest type",
		"stale answer",
		"forged answer",
		"DNSSEC indeterminate",
		"DNSSEC bogus",
		"signature expired",
		"signature not yet valid",
		"DNSKEY missing",
		"RRSIGs missing",
		"no zone key bit set",
		"NSEC missing",
		"cached error",
		"not ready",
		"blocked",
		"censored",
		"filtered",
		"prohibited",
		"stale NXDOMAIN answer",
		"not authoritative",
		"not supported",
		"no reachable authority",
		"network error",
		"invalid data",
	};

	return code < 0 || (size_t)code >= sizeof(texts) / sizeof(*texts) ? NULL : texts[code];
}

bool
dns_ede_is_bogus(int code)
{
	return code >= 6 && code <= 12;
}

const char *
dns_rcode_str(int rcode)
{
	switch (rcode) {
	case 0:
		return "NOERROR";
	case 1:
		return "FORMERR";
	case 2:
		return "SERVFAIL";
	case 3:
		return "NXDOMAIN";
	case 4:
		return "NOTIMP";
	case 5:
		return "REFUSED";
	case 16:
		return "BADVERS";
	default:
		return NULL;
	}
}

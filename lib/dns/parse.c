#include <arpa/nameser.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "dns/answer.h"
#include "dns/message.h"

#define OPT_EDE 15         /* RFC 8914 s2 */
#define EDE_TEXT_BYTES 200 /* of the server's words, in our error text */
#define ERROR_TEXT_BYTES 512

/*
 * One message being read. Strings are built in the arena and point there until the answer is
 * packed. Functions return NULL, or what is wrong with the message.
 */
struct parse {
	ns_msg msg;
	struct arena arena;
	struct dns_answer answer;
	struct dns_record *records;
	enum dns_type type;
};

static unsigned
get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* RFC 2181 s8: a TTL with the top bit set is zero. */
static uint32_t
clean_ttl(uint32_t ttl)
{
	return ttl > INT32_MAX ? 0 : ttl;
}

/* A name as libresolv writes it: no final dot, but the root is "." or "" by the function's taste. */
static struct slice
name_slice(const char *name)
{
	return strcmp(name, ".") == 0 ? slice_str("") : slice_str(name);
}

/*
 * A name inside record data: lower-case text in the arena. Exactly n bytes from p on must be the
 * name, compression pointers may lead anywhere before it. NULL when they are not.
 */
static const char *
read_name(struct parse *p, const unsigned char *at, size_t n)
{
	char text[NS_MAXDNAME];

	int used =
	    ns_name_uncompress(ns_msg_base(p->msg), ns_msg_end(p->msg), at, text, sizeof(text));
	if (used < 0 || (size_t)used != n)
		return NULL;
	char *name = arena_slice(&p->arena, name_slice(text));
	text_lower_str(name);
	return name;
}

/* RFC 1035 s3.3.14: one or more counted strings, joined without anything between. */
static bool
read_txt(struct parse *p, const unsigned char *data, size_t n, struct dns_record *r)
{
	unsigned char *out = arena_alloc(&p->arena, n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i += (size_t)data[i] + 1) {
		if (data[i] > n - i - 1)
			return false;
		memcpy(out + len, data + i + 1, data[i]);
		len += data[i];
	}
	r->data = out;
	r->data_len = len;
	return n > 0;
}

/* RFC 8659 s4.1: flags, a counted tag of letters and digits, and the value. */
static bool
read_caa(struct parse *p, const unsigned char *data, size_t n, struct dns_record *r)
{
	if (n < 3 || data[1] == 0 || data[1] > n - 2)
		return false;
	for (size_t i = 0; i < data[1]; i++) {
		char c = text_lower((char)data[2 + i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			return false;
	}
	char *tag = arena_strndup(&p->arena, (const char *)data + 2, data[1]);
	text_lower_str(tag);
	r->flags = data[0];
	r->name = tag;
	r->data_len = n - 2 - data[1];
	r->data = (unsigned char *)arena_strndup(
	    &p->arena, (const char *)data + 2 + data[1], r->data_len);
	return true;
}

/* The data of a record of the type asked for; false when it does not have the type's form. */
static bool
read_data(struct parse *p, const unsigned char *data, size_t n, struct dns_record *r)
{
	switch (p->type) {
	case DNS_A:
	case DNS_AAAA:
		if (n != (p->type == DNS_A ? NS_INADDRSZ : NS_IN6ADDRSZ))
			return false;
		memcpy(r->address, data, n);
		return true;
	case DNS_MX: /* RFC 1035 s3.3.9 */
		if (n < 3)
			return false;
		r->preference = (uint16_t)get16(data);
		r->name = read_name(p, data + 2, n - 2);
		return r->name != NULL;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		r->name = read_name(p, data, n);
		return r->name != NULL;
	case DNS_TXT:
		return read_txt(p, data, n, r);
	case DNS_TLSA: /* RFC 6698 s2.1; without association data it matches nothing, which is not our matter */
		if (n < 3)
			return false;
		r->usage = data[0];
		r->selector = data[1];
		r->matching = data[2];
		r->data = (unsigned char *)arena_strndup(&p->arena, (const char *)data + 3, n - 3);
		r->data_len = n - 3;
		return true;
	case DNS_CAA:
		return read_caa(p, data, n, r);
	}
	return false;
}

static void
lower_ttl(struct parse *p, uint32_t ttl)
{
	ttl = clean_ttl(ttl);
	if (ttl < p->answer.ttl)
		p->answer.ttl = ttl;
}

/*
 * One pass over the answer section for one owner: records of the type asked for are added,
 * *target_r is the first alias (NULL without). RRSIGs and other owners are passed over.
 */
static const char *
read_owner(struct parse *p, const char *owner, const char **target_r)
{
	ns_rr rr;

	*target_r = NULL;
	for (int i = 0; i < ns_msg_count(p->msg, ns_s_an); i++) {
		if (ns_parserr(&p->msg, ns_s_an, i, &rr) != 0)
			return "malformed record";
		bool wanted = ns_rr_type(rr) == (ns_type)p->type;
		bool alias = ns_rr_type(rr) == ns_t_cname && *target_r == NULL && !wanted;
		if (ns_rr_class(rr) != ns_c_in || (!wanted && !alias) ||
		    !slice_eq_case(name_slice(rr.name), slice_str(owner)))
			continue;
		lower_ttl(p, ns_rr_ttl(rr));
		if (alias) {
			*target_r = read_name(p, ns_rr_rdata(rr), ns_rr_rdlen(rr));
			if (*target_r == NULL)
				return "malformed CNAME record";
			continue;
		}
		if (p->answer.n == LIMIT_DNS_RECORDS)
			continue;
		struct dns_record *r = arena_push(&p->arena, &p->records, &p->answer.n, sizeof(*r));
		r->ttl = clean_ttl(ns_rr_ttl(rr));
		if (!read_data(p, ns_rr_rdata(rr), ns_rr_rdlen(rr), r))
			return "malformed record data";
	}
	return NULL;
}

/* Follow the aliases from name (RFC 1034 s3.6.2) to the records of the type asked for. */
static const char *
read_chain(struct parse *p, struct slice name)
{
	const char *seen[LIMIT_CNAME_CHAIN + 1];
	const char *owner = arena_slice(&p->arena, name);
	size_t n = 0;

	p->answer.ttl = UINT32_MAX;
	for (;;) {
		const char *target;
		const char *error = read_owner(p, owner, &target);
		if (error != NULL)
			return error;
		if (p->answer.n > 0 || target == NULL)
			return NULL;
		seen[n++] = owner;
		for (size_t i = 0; i < n; i++)
			if (slice_eq_case(slice_str(seen[i]), slice_str(target)))
				return "alias loop (CNAME)";
		if (n > LIMIT_CNAME_CHAIN)
			return "too many aliases (CNAME)";
		p->answer.cname = owner = target;
	}
}

/*
 * The authority section of an answer without records: *soa_r, *ns_r whether there are such
 * records. RFC 2308 s5: the negative TTL is the smaller of the SOA's own and its last field.
 */
static const char *
read_authority(struct parse *p, bool *soa_r, bool *ns_r)
{
	ns_rr rr;

	*soa_r = *ns_r = false;
	for (int i = 0; i < ns_msg_count(p->msg, ns_s_ns); i++) {
		if (ns_parserr(&p->msg, ns_s_ns, i, &rr) != 0)
			return "malformed record";
		if (ns_rr_class(rr) != ns_c_in)
			continue;
		*ns_r |= ns_rr_type(rr) == ns_t_ns;
		/* two names of at least a byte, five numbers */
		if (ns_rr_type(rr) != ns_t_soa || ns_rr_rdlen(rr) < 22)
			continue;
		*soa_r = true;
		const unsigned char *last = ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4;
		lower_ttl(p, ns_rr_ttl(rr));
		lower_ttl(p, (uint32_t)get16(last) << 16 | get16(last + 2));
	}
	return NULL;
}

/* The answer and authority sections of NOERROR and NXDOMAIN. */
static const char *
read_sections(struct parse *p, struct slice name)
{
	struct dns_answer *a = &p->answer;
	const char *error = read_chain(p, name);
	bool soa, ns;

	if (error != NULL)
		return error;
	if (a->n > 0) {
		/* RFC 6604 s3: NXDOMAIN is about the last name of the chain, so there is nothing there */
		if (a->rcode == ns_r_nxdomain)
			return "NXDOMAIN with records";
		a->status = DNS_OK;
		a->records = p->records;
		return NULL;
	}
	if ((error = read_authority(p, &soa, &ns)) != NULL)
		return error;
	if (!soa)
		a->ttl = 0; /* RFC 2308 s5: without SOA it should not be kept */
	a->status = a->rcode == ns_r_nxdomain ? DNS_NXDOMAIN : DNS_NODATA;
	/* RFC 2308 s2.2: that is a referral, not "no such record" */
	if (a->status == DNS_NODATA && ns && !soa && !ns_msg_getflag(p->msg, ns_f_aa) &&
	    !ns_msg_getflag(p->msg, ns_f_ra)) {
		a->status = DNS_REFUSED;
		a->error = "the server only refers to others: it is not a resolver";
	}
	return NULL;
}

/* RFC 8914 s2: keep the first extended error, or the first that says bogus. *text_r is the server's. */
static const char *
read_options(struct parse *p, const unsigned char *data, size_t n, struct slice *text_r)
{
	while (n > 0) {
		if (n < 4 || get16(data + 2) > n - 4)
			return "malformed OPT record";
		size_t len = get16(data + 2);
		if (get16(data) == OPT_EDE && len >= 2) {
			int code = (int)get16(data + 4);
			if (p->answer.ede < 0 ||
			    (dns_ede_is_bogus(code) && !dns_ede_is_bogus(p->answer.ede))) {
				p->answer.ede = code;
				*text_r = slice_make((const char *)data + 6, len - 2);
			}
		}
		data += 4 + len;
		n -= 4 + len;
	}
	return NULL;
}

/* The OPT record (RFC 6891 s6.1): upper bits of the response code, options. */
static const char *
read_opt(struct parse *p, struct slice *text_r)
{
	ns_rr rr;

	for (int i = 0; i < ns_msg_count(p->msg, ns_s_ar); i++) {
		if (ns_parserr(&p->msg, ns_s_ar, i, &rr) != 0)
			return "malformed record";
		if (ns_rr_type(rr) != ns_t_opt)
			continue;
		p->answer.rcode |= (int)(ns_rr_ttl(rr) >> 24) << 4;
		return read_options(p, ns_rr_rdata(rr), ns_rr_rdlen(rr), text_r);
	}
	return NULL;
}

/* "SERVFAIL: DNSSEC bogus: what the server says" */
static const char *
rcode_error(struct parse *p, struct slice text)
{
	const char *rcode = dns_rcode_str(p->answer.rcode);
	const char *ede = dns_ede_str(p->answer.ede);
	struct buf b;

	buf_init(&b, ERROR_TEXT_BYTES);
	if (rcode != NULL)
		buf_puts(&b, rcode);
	else
		buf_printf(&b, "response code %d", p->answer.rcode);
	if (ede != NULL)
		buf_printf(&b, ": %s", ede);
	else if (p->answer.ede >= 0)
		buf_printf(&b, ": extended error %d", p->answer.ede);
	if (text.n > 0) {
		buf_puts(&b, ": ");
		text_escape(&b, text, EDE_TEXT_BYTES);
	}
	const char *out = arena_strdup(&p->arena, buf_str(&b));
	buf_free(&b);
	return out;
}

/* RFC 1035 s4.1.2; a failure may come without. */
static const char *
read_question(struct parse *p, struct slice name)
{
	ns_rr rr;

	if (ns_msg_count(p->msg, ns_s_qd) == 0 && p->answer.rcode != ns_r_noerror &&
	    p->answer.rcode != ns_r_nxdomain)
		return NULL;
	if (ns_msg_count(p->msg, ns_s_qd) != 1 || ns_parserr(&p->msg, ns_s_qd, 0, &rr) != 0)
		return "malformed question";
	if (ns_rr_type(rr) != (ns_type)p->type || ns_rr_class(rr) != ns_c_in ||
	    !slice_eq_case(name_slice(rr.name), name))
		return "answer to another question";
	return NULL;
}

static const char *
read_message(struct parse *p, const unsigned char *data, size_t n, struct slice name)
{
	struct dns_answer *a = &p->answer;
	struct slice text = { NULL, 0 };
	const char *error;

	if (n > LIMIT_DNS_TCP_BYTES || ns_initparse(data, (int)n, &p->msg) != 0)
		return "not a DNS message";
	if (!ns_msg_getflag(p->msg, ns_f_qr) || ns_msg_getflag(p->msg, ns_f_opcode) != ns_o_query)
		return "not a reply to a query";
	if (ns_msg_getflag(p->msg, ns_f_tc))
		return "truncated";
	a->rcode = ns_msg_getflag(p->msg, ns_f_rcode);
	if ((error = read_opt(p, &text)) != NULL || (error = read_question(p, name)) != NULL)
		return error;
	if (a->rcode == ns_r_noerror || a->rcode == ns_r_nxdomain)
		return read_sections(p, name);
	a->status = a->rcode == ns_r_servfail ? DNS_SERVFAIL : DNS_REFUSED;
	a->error = rcode_error(p, text);
	return NULL;
}

static enum dnssec
decide_dnssec(const struct dns_answer *a, bool ad, bool trust_ad)
{
	if (a->status == DNS_SERVFAIL && dns_ede_is_bogus(a->ede))
		return DNSSEC_BOGUS;
	if (!trust_ad)
		return DNSSEC_NOT_CHECKED;
	if (!dns_answer_usable(a))
		return DNSSEC_INDETERMINATE;
	return ad ? DNSSEC_SECURE : DNSSEC_INSECURE;
}

struct dns_answer *
dns_message_parse(
    const unsigned char *data, size_t n, const char *name, enum dns_type type, bool trust_ad)
{
	struct slice wanted = slice_str(name);
	struct parse p;
	bool ad = false;

	if (wanted.n > 0 && wanted.p[wanted.n - 1] == '.')
		wanted.n--;
	memset(&p, 0, sizeof(p));
	arena_init(&p.arena);
	p.type = type;
	p.answer.rcode = p.answer.ede = -1;
	const char *error = read_message(&p, data, n, wanted);
	if (error != NULL) {
		p.answer.status = DNS_MALFORMED;
		p.answer.error = arena_printf(&p.arena, "malformed answer: %s", error);
		p.answer.records = NULL;
		p.answer.n = 0;
		p.answer.cname = NULL;
	} else {
		ad = ns_msg_getflag(p.msg, ns_f_ad) != 0;
	}
	if (!dns_answer_usable(&p.answer))
		p.answer.ttl = 0;
	p.answer.dnssec = decide_dnssec(&p.answer, ad, trust_ad);
	struct dns_answer *out = dns_answer_pack(&p.answer);
	arena_free(&p.arena);
	return out;
}

#include "dns/message.h"

#include <arpa/nameser.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define FLAG_RD 0x01 /* in byte 2 */
#define FLAG_TC 0x02
#define FLAG_QR 0x80
#define FLAG_AD 0x20 /* in byte 3 */
#define FLAG_CD 0x10
#define OPCODE_MASK 0x78
#define RCODE_MASK 0x0f
#define EDNS_DO 0x80 /* in byte 7 of the OPT record's fixed part */

static unsigned char *
put16(unsigned char *at, unsigned v)
{
	at[0] = (unsigned char)(v >> 8);
	at[1] = (unsigned char)v;
	return at + 2;
}

/* Length of an uncompressed name at p, the root byte included; 0 when it does not end within n bytes. */
static size_t
name_len(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != 0 && p[i] <= NS_MAXLABEL)
		i += (size_t)p[i] + 1;
	return i < n && p[i] == 0 ? i + 1 : 0;
}

size_t
dns_message_build(unsigned char out[DNS_QUERY_BYTES], uint16_t id, const char *name,
    enum dns_type type, bool edns, bool cd)
{
	unsigned char wire[NS_MAXCDNAME + 1];
	unsigned char *at = out;

	if (ns_name_pton(name, wire, sizeof(wire)) < 0)
		return 0;
	size_t len = name_len(wire, sizeof(wire));
	memset(out, 0, NS_HFIXEDSZ);
	put16(out, id);
	out[2] = FLAG_RD;
	out[3] = cd ? FLAG_CD : FLAG_AD;
	put16(out + 4, 1);
	put16(out + 10, edns);
	at = out + NS_HFIXEDSZ;
	memcpy(at, wire, len);
	at = put16(at + len, (unsigned)type);
	at = put16(at, ns_c_in);
	if (edns) {
		/* RFC 6891 s6.1.2: root, OPT, size, extended rcode, version, DO, no options */
		*at++ = 0;
		at = put16(at, ns_t_opt);
		at = put16(at, LIMIT_DNS_UDP_BYTES);
		memset(at, 0, 6);
		at[2] = EDNS_DO;
		at += 6;
	}
	return (size_t)(at - out);
}

/* Length bytes are below 'A', so the whole name may be compared without regard to case. */
static bool
same_question(const unsigned char *a, const unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text_lower((char)a[i]) != text_lower((char)b[i]))
			return false;
	return true;
}

enum dns_match
dns_message_match(const unsigned char *data, size_t n, const unsigned char *query, size_t query_len)
{
	if (n < NS_HFIXEDSZ || query_len < NS_HFIXEDSZ || memcmp(data, query, 2) != 0)
		return DNS_MATCH_NOT_OURS;
	if ((data[2] & FLAG_QR) == 0 || (data[2] & OPCODE_MASK) != 0)
		return DNS_MATCH_NOT_OURS;
	unsigned rcode = data[3] & RCODE_MASK;
	unsigned questions = (unsigned)data[4] << 8 | data[5];
	size_t asked = name_len(query + NS_HFIXEDSZ, query_len - NS_HFIXEDSZ) + NS_QFIXEDSZ;
	if (questions == 1) {
		if (n - NS_HFIXEDSZ < asked ||
		    !same_question(data + NS_HFIXEDSZ, query + NS_HFIXEDSZ, asked))
			return DNS_MATCH_NOT_OURS;
	} else if (questions != 0 || rcode == ns_r_noerror || rcode == ns_r_nxdomain) {
		/* servers that could not read the query send the header alone */
		return DNS_MATCH_NOT_OURS;
	}
	if ((data[2] & FLAG_TC) != 0)
		return DNS_MATCH_TRUNCATED;
	if (rcode == ns_r_formerr || rcode == ns_r_notimpl)
		return DNS_MATCH_NO_EDNS;
	return DNS_MATCH_REPLY;
}

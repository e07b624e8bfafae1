#ifndef TESTS_UNIT_DNS_BUILD_H
#define TESTS_UNIT_DNS_BUILD_H

#include <arpa/nameser.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Building DNS messages for tests, without bounds: what is appended must fit. Sections in order;
 * the counts in the header follow.
 */
struct msg {
	unsigned char d[80000];
	size_t n;
};

enum {
	MSG_QR = 0x8000,
	MSG_AA = 0x0400,
	MSG_TC = 0x0200,
	MSG_RD = 0x0100,
	MSG_RA = 0x0080,
	MSG_AD = 0x0020
};

static inline void
msg_u8(struct msg *m, unsigned v)
{
	m->d[m->n++] = (unsigned char)v;
}

static inline void
msg_u16(struct msg *m, unsigned v)
{
	msg_u8(m, v >> 8);
	msg_u8(m, v & 0xff);
}

static inline void
msg_u32(struct msg *m, uint32_t v)
{
	msg_u16(m, v >> 16);
	msg_u16(m, v & 0xffff);
}

static inline void
msg_raw(struct msg *m, const void *data, size_t n)
{
	memcpy(m->d + m->n, data, n);
	m->n += n;
}

/* Dots separate labels; "" and "." are the root. */
static inline void
msg_name(struct msg *m, const char *name)
{
	while (*name != '\0' && *name != '.') {
		size_t len = strcspn(name, ".");
		msg_u8(m, (unsigned)len);
		msg_raw(m, name, len);
		name += len + (name[len] == '.');
	}
	msg_u8(m, 0);
}

static inline void
msg_start(struct msg *m, unsigned id, unsigned flags)
{
	m->n = 0;
	msg_u16(m, id);
	msg_u16(m, flags);
	for (int i = 0; i < 4; i++)
		msg_u16(m, 0);
}

static inline void
msg_count(struct msg *m, int section)
{
	unsigned char *at = m->d + 4 + 2 * section;

	if (++at[1] == 0)
		at[0]++;
}

static inline void
msg_question(struct msg *m, const char *name, unsigned type)
{
	msg_count(m, 0);
	msg_name(m, name);
	msg_u16(m, type);
	msg_u16(m, 1);
}

/* Header of a record; its data follows until msg_end. */
static inline size_t
msg_begin(struct msg *m, int section, const char *owner, unsigned type, uint32_t ttl)
{
	msg_count(m, section);
	msg_name(m, owner);
	msg_u16(m, type);
	msg_u16(m, 1);
	msg_u32(m, ttl);
	msg_u16(m, 0);
	return m->n;
}

static inline void
msg_end(struct msg *m, size_t begin)
{
	size_t n = m->n - begin;

	m->d[begin - 2] = (unsigned char)(n >> 8);
	m->d[begin - 1] = (unsigned char)n;
}

static inline void
msg_rr(struct msg *m, int section, const char *owner, unsigned type, uint32_t ttl, const void *data,
    size_t n)
{
	size_t at = msg_begin(m, section, owner, type, ttl);

	msg_raw(m, data, n);
	msg_end(m, at);
}

static inline void
msg_target(struct msg *m, const char *owner, unsigned type, uint32_t ttl, const char *target)
{
	size_t at = msg_begin(m, 1, owner, type, ttl);

	msg_name(m, target);
	msg_end(m, at);
}

static inline void
msg_mx(struct msg *m, const char *owner, unsigned preference, const char *target)
{
	size_t at = msg_begin(m, 1, owner, ns_t_mx, 300);

	msg_u16(m, preference);
	msg_name(m, target);
	msg_end(m, at);
}

static inline void
msg_soa(struct msg *m, const char *owner, uint32_t ttl, uint32_t minimum)
{
	size_t at = msg_begin(m, 2, owner, ns_t_soa, ttl);

	msg_name(m, "ns.test");
	msg_name(m, "hostmaster.test");
	for (int i = 0; i < 4; i++)
		msg_u32(m, 1);
	msg_u32(m, minimum);
	msg_end(m, at);
}

/* OPT record with upper bits of the response code and, with ede >= 0, an extended error. */
static inline void
msg_opt(struct msg *m, unsigned upper_rcode, int ede, const char *text)
{
	msg_count(m, 3);
	msg_u8(m, 0);
	msg_u16(m, ns_t_opt);
	msg_u16(m, 1232);
	msg_u32(m, upper_rcode << 24);
	msg_u16(m, 0);
	size_t at = m->n;
	if (ede >= 0) {
		msg_u16(m, 15);
		msg_u16(m, (unsigned)(2 + strlen(text)));
		msg_u16(m, (unsigned)ede);
		msg_raw(m, text, strlen(text));
	}
	msg_end(m, at);
}

#endif

#ifndef IO_ADDR_H
#define IO_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/slice.h"

/*
 * One IPv4 or IPv6 socket address. Pure functions; nothing here asks the DNS.
 */
struct addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

#define ADDR_TEXT_BYTES 64

/* Parse "192.0.2.1" or "2001:db8::1" (no brackets, no zone); false when it is neither. */
bool addr_parse_ip(struct slice text, uint16_t port, struct addr *addr_r);

/* True for the text of an IPv4 or IPv6 address, also in brackets: it is no host name. */
bool addr_is_literal(const char *text);

/*
 * Parse ADDRESS:PORT as options take it: 192.0.2.1:25, [2001:db8::1]:25, :25 and *:25 (any), 25 alone
 * when port_only is allowed by default_port < 0. With default_port >= 0 the port may be missing.
 * Fails with USAGE naming the text and what was expected.
 */
int addr_parse(struct slice text, int default_port, struct addr *addr_r, struct fail *why);

/* From raw bytes of an A (4) or AAAA (16) record. */
void addr_from_bytes(const void *bytes, size_t n, uint16_t port, struct addr *addr_r);

/* An IPv4-mapped address (::ffff:192.0.2.1), as a socket for both families has them, becomes the IPv4 one. */
void addr_unmap(struct addr *a);

uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
/* "192.0.2.1" / "2001:db8::1", without port. */
void addr_ip_str(const struct addr *a, char out[ADDR_TEXT_BYTES]);
/* "192.0.2.1:25" / "[2001:db8::1]:25". */
void addr_str(const struct addr *a, char out[ADDR_TEXT_BYTES]);
/* "192.0.2.0/24" / "2001:db8::/48": the network of so many bits that it is in. */
void addr_network_str(
    const struct addr *a, unsigned v4_bits, unsigned v6_bits, char out[ADDR_TEXT_BYTES]);
bool addr_equal_ip(const struct addr *a, const struct addr *b);

/* Classes (DECISIONS A9). IPv4-mapped and NAT64 (64:ff9b::/96) addresses are judged by the IPv4 inside. */
bool addr_is_loopback(const struct addr *a);
bool addr_is_unspecified(const struct addr *a);
/* RFC 1918, ULA, link-local, loopback, unspecified, shared 100.64/10; documentation ranges are not private. */
bool addr_is_private(const struct addr *a);

#endif

#include "policy/port25.h"

#include <arpa/inet.h>
#include <string.h>

/* The last two labels: registrable domains are longer, so what is taken for unrelated is. */
static struct slice
domain_of(struct slice name)
{
	size_t dots = 0;

	for (size_t i = name.n; i > 0; i--)
		if (name.p[i - 1] == '.' && ++dots == 2)
			return slice_sub(name, i, name.n);
	return name;
}

/* /24 or /48, with the family in front. */
static bool
network_of(const char *ip, unsigned char out[7])
{
	unsigned char bytes[16];

	memset(out, 0, 7);
	if (ip != NULL && inet_pton(AF_INET, ip, bytes) == 1) {
		out[0] = 4;
		memcpy(out + 1, bytes, 3);
		return true;
	}
	if (ip != NULL && inet_pton(AF_INET6, ip, bytes) == 1) {
		out[0] = 6;
		memcpy(out + 1, bytes, 6);
		return true;
	}
	return false;
}

/* A target that is an address has no name but that. */
static struct slice
server_domain(const struct exchange_facts *mx, const struct host_facts *host)
{
	unsigned char network[7];

	if (mx->name == NULL || network_of(mx->name, network))
		return slice_str(host->ip);
	return domain_of(slice_str(mx->name));
}

/* domain: empty when it does not matter. */
static void
add_server(struct port25_servers *servers, struct slice domain, const struct host_facts *host)
{
	unsigned char network[7];

	if (servers->n == PORT25_UNRELATED || !network_of(host->ip, network) ||
	    domain.n > LIMIT_DOMAIN_BYTES)
		return;
	for (size_t i = 0; i < servers->n; i++)
		if (memcmp(servers->v[i].network, network, sizeof(network)) == 0 ||
		    (domain.n > 0 && slice_eq_case(slice_str(servers->v[i].domain), domain)))
			return;
	memcpy(servers->v[servers->n].network, network, sizeof(network));
	memcpy(servers->v[servers->n].domain, domain.p, domain.n);
	servers->v[servers->n].domain[domain.n] = '\0';
	servers->n++;
}

/* RFC 5321 s4.2: a greeting starts with the name of the server; empty when it is no such name. */
static struct slice
greeting_name(const struct host_facts *host)
{
	struct slice text = slice_str(host->banner);

	text = slice_sub(text, 0, slice_find(text, '\n'));
	struct slice name = slice_word(&text);
	bool letters = false;
	for (size_t i = 0; i < name.n; i++)
		letters |= (name.p[i] >= 'a' && name.p[i] <= 'z') ||
			   (name.p[i] >= 'A' && name.p[i] <= 'Z');
	if (!letters || slice_find(name, '.') == name.n || name.n > LIMIT_DOMAIN_BYTES)
		return slice_str("");
	return name;
}

static void
note_greeting(struct port25 *p, const struct exchange_facts *mx, const struct host_facts *host)
{
	struct slice name = greeting_name(host);

	/* whoever greets with its own name, or with none, is no proxy */
	if (name.n == 0 || slice_eq_case(domain_of(name), server_domain(mx, host)) ||
	    (p->greeting[0] != '\0' && !slice_eq_case(slice_str(p->greeting), name))) {
		p->differ = true;
		return;
	}
	memcpy(p->greeting, name.p, name.n);
	p->greeting[name.n] = '\0';
	add_server(&p->greeted, server_domain(mx, host), host);
}

/* Connections that were tried to port 25. */
static bool
is_tried(const struct host_facts *host)
{
	return host->port == 25 && host->attempts > 0 && host->status != HOST_CANCELLED &&
	       host->status != HOST_CONNECT_UNREACHABLE && host->status != HOST_BLOCKLISTED;
}

void
port25_note(struct port25 *p, const struct target_facts *facts)
{
	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++) {
			const struct host_facts *host = &mx->hosts[j];
			if (!is_tried(host))
				continue;
			if (host->status == HOST_CONNECT_TIMEOUT) {
				add_server(&p->silent, slice_str(""), host);
				continue;
			}
			p->answered++;
			if (host->banner != NULL)
				note_greeting(p, mx, host);
		}
	}
}

/* A host alone may be down with both its addresses. */
static bool
is_blocked(const struct port25 *p)
{
	const struct port25_servers *silent = &p->silent;

	return p->answered == 0 &&
	       (silent->n == PORT25_UNRELATED ||
		   (silent->n == 2 && silent->v[0].network[0] == silent->v[1].network[0]));
}

static bool
is_intercepted(const struct port25 *p)
{
	return !p->differ && p->greeted.n == PORT25_UNRELATED;
}

const char *
port25_finding(const struct port25 *p)
{
	if (is_blocked(p))
		return "your network blocks or intercepts port 25: no server answered; try from "
		       "another network";
	if (is_intercepted(p))
		return "your network blocks or intercepts port 25: unrelated servers all greet "
		       "with the name of one host; try from another network";
	return NULL;
}

bool
port25_concerns(const struct port25 *p, const struct target_facts *facts)
{
	bool tried = false;

	for (size_t i = 0; i < facts->exchanges_n; i++)
		for (size_t j = 0; j < facts->exchanges[i].hosts_n; j++)
			tried |= is_tried(&facts->exchanges[i].hosts[j]);
	return tried && port25_finding(p) != NULL;
}

#include "app/survey/table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

#define KEY_BYTES (1 + 16 + 2 + LIMIT_DOMAIN_BYTES + 1 + 64)

struct link {
	uint32_t waiting, next;
};

void
survey_table_init(struct survey_table *t)
{
	memset(t, 0, sizeof(*t));
	pool_init(&t->servers, sizeof(struct survey_server));
	pool_init(&t->addresses, sizeof(struct survey_address));
	pool_init(&t->waiting, sizeof(struct survey_waiting));
	pool_init(&t->links, sizeof(struct link));
}

void
survey_table_free(struct survey_table *t)
{
	pool_free(&t->servers);
	pool_free(&t->addresses);
	pool_free(&t->waiting);
	pool_free(&t->links);
	free(t->by_key.slots);
	free(t->by_address.slots);
}

/* --- keys ---------------------------------------------------------------------------------------- */

static size_t
address_bytes(const struct addr *to, unsigned char out[18])
{
	uint16_t port = addr_port(to);
	size_t n;

	if (to->sa.ss_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)&to->sa)->sin6_addr, 16);
		n = 16;
	} else {
		memcpy(out, &((const struct sockaddr_in *)(const void *)&to->sa)->sin_addr, 4);
		n = 4;
	}
	memcpy(out + n, &port, 2);
	return n + 2;
}

/* The first byte tells apart the halves of the hash. */
static struct slice
server_key(const struct addr *to, const char *name, const char *digest, unsigned char *out)
{
	size_t n = 1 + address_bytes(to, out + 1);

	out[0] = 1;
	/* neither a name nor hex holds a NUL */
	for (const char *text = name == NULL ? "" : name, *end = text + LIMIT_DOMAIN_BYTES;
	     *text != '\0' && text < end; text++)
		out[n++] = (unsigned char)*text;
	out[n++] = '\0';
	for (const char *text = digest == NULL ? "" : digest, *end = text + 64;
	     *text != '\0' && text < end; text++)
		out[n++] = (unsigned char)*text;
	return slice_make((const char *)out, n);
}

/* --- hash tables --------------------------------------------------------------------------------- */

/* Both kinds of element begin with 64 bits of their hash. */
static uint64_t
key_of(const struct pool *pool, uint32_t number)
{
	uint64_t key;

	memcpy(&key, pool_at(pool, number), sizeof(key));
	return key;
}

static void
grow(struct survey_index *index, const struct pool *pool)
{
	size_t n = index->slots_n == 0 ? 64 : index->slots_n * 2;
	uint32_t *slots = mem_array(n, sizeof(*slots));

	for (size_t i = 0; i < index->slots_n; i++) {
		if (index->slots[i] == 0)
			continue;
		size_t at = key_of(pool, index->slots[i]) & (n - 1);
		while (slots[at] != 0)
			at = (at + 1) & (n - 1);
		slots[at] = index->slots[i];
	}
	free(index->slots);
	index->slots = slots;
	index->slots_n = n;
}

/* The slot of the element with this key, or the free one where it belongs. key2: NULL = no matter. */
static uint32_t *
find(struct survey_index *index, const struct pool *pool, uint64_t key, const uint64_t *key2)
{
	if (index->n + 1 > index->slots_n / 4 * 3)
		grow(index, pool);
	for (size_t at = key & (index->slots_n - 1);; at = (at + 1) & (index->slots_n - 1)) {
		uint32_t *slot = &index->slots[at];
		if (*slot == 0)
			return slot;
		const uint64_t *found = pool_at(pool, *slot);
		if (found[0] == key && (key2 == NULL || found[1] == *key2))
			return slot;
	}
}

uint32_t
survey_server(struct survey_table *t, const struct addr *to, const char *name, const char *digest,
    bool *made_r)
{
	unsigned char bytes[KEY_BYTES];
	struct slice key = server_key(to, name, digest, bytes);
	uint64_t hash[2] = { map_hash(key), 0 };

	bytes[0] = 2;
	hash[1] = map_hash(key);
	uint32_t *slot = find(&t->by_key, &t->servers, hash[0], &hash[1]);

	*made_r = *slot == 0;
	if (*slot == 0) {
		*slot = pool_take(&t->servers);
		t->by_key.n++;
		memcpy(survey_server_at(t, *slot)->key, hash, sizeof(hash));
	}
	return *slot;
}

struct survey_server *
survey_server_at(const struct survey_table *t, uint32_t number)
{
	return pool_at(&t->servers, number);
}

struct survey_address *
survey_address(struct survey_table *t, const struct addr *to)
{
	unsigned char bytes[18];
	size_t n = address_bytes(to, bytes);
	uint64_t hash = map_hash(slice_make((const char *)bytes, n));
	uint32_t *slot = find(&t->by_address, &t->addresses, hash, NULL);

	if (*slot == 0) {
		*slot = pool_take(&t->addresses);
		t->by_address.n++;
		((struct survey_address *)pool_at(&t->addresses, *slot))->key = hash;
	}
	return pool_at(&t->addresses, *slot);
}

/* --- who waits ----------------------------------------------------------------------------------- */

void
survey_wait(struct survey_table *t, uint32_t server, uint32_t waiting)
{
	struct survey_server *s = survey_server_at(t, server);
	uint32_t number = pool_take(&t->links);
	struct link *link = pool_at(&t->links, number);

	link->waiting = waiting;
	link->next = s->waiting;
	s->waiting = number;
	survey_waiting_at(t, waiting)->servers++;
}

uint32_t
survey_wake(struct survey_table *t, uint32_t server)
{
	struct survey_server *s = survey_server_at(t, server);
	uint32_t ready = 0;

	while (s->waiting != 0) {
		uint32_t number = s->waiting;
		struct link *link = pool_at(&t->links, number);
		uint32_t domain = link->waiting;
		struct survey_waiting *waiting = survey_waiting_at(t, domain);
		s->waiting = link->next;
		pool_give(&t->links, number);
		if (--waiting->servers == 0) {
			waiting->next = ready;
			ready = domain;
		}
	}
	return ready;
}

uint32_t
survey_waiting_new(struct survey_table *t, uint64_t at, uint64_t seq)
{
	uint32_t number = pool_take(&t->waiting);
	struct survey_waiting *waiting = survey_waiting_at(t, number);

	waiting->at = at;
	waiting->seq = seq;
	t->waiting_n++;
	return number;
}

struct survey_waiting *
survey_waiting_at(const struct survey_table *t, uint32_t number)
{
	return pool_at(&t->waiting, number);
}

void
survey_waiting_free(struct survey_table *t, uint32_t number)
{
	pool_give(&t->waiting, number);
	t->waiting_n--;
}

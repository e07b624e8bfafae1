#include "app/listen/caps.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct row {
	atomic_uint all;
	atomic_uint networks[LISTEN_CAPS_SLOTS];
};

struct table {
	_Atomic pid_t pids[LISTEN_CAPS_ROWS]; /* whose row it is, 0: free */
	struct row rows[LISTEN_CAPS_ROWS];
	_Atomic uint64_t minutes[LISTEN_CAPS_SLOTS]; /* struct minute, packed */
};

struct listen_caps {
	struct table *table; /* shared; pages that nobody touched take no memory */
	struct row *own;
	uint64_t key;
};

struct listen_caps *
listen_caps_new(void)
{
	struct listen_caps *caps = mem_alloc(sizeof(*caps));

	caps->table = mmap(
	    NULL, sizeof(*caps->table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (caps->table == MAP_FAILED) {
		log_error("out of memory");
		exit(EX_OSERR);
	}
	if (getrandom(&caps->key, sizeof(caps->key), 0) != (ssize_t)sizeof(caps->key))
		caps->key = (uint64_t)clock_ms() ^ (uint64_t)getpid() << 32;
	return caps;
}

void
listen_caps_free(struct listen_caps *caps)
{
	if (caps == NULL)
		return;
	munmap(caps->table, sizeof(*caps->table));
	free(caps);
}

bool
listen_caps_join(struct listen_caps *caps)
{
	for (size_t i = 0; i < LISTEN_CAPS_ROWS; i++) {
		pid_t none = 0;
		caps->own = &caps->table->rows[i];
		if (atomic_compare_exchange_strong(&caps->table->pids[i], &none, getpid()))
			return true;
	}
	caps->own = NULL;
	return false;
}

void
listen_caps_forget(struct listen_caps *caps, pid_t pid)
{
	for (size_t i = 0; i < LISTEN_CAPS_ROWS; i++) {
		struct row *row = &caps->table->rows[i];
		if (caps->table->pids[i] != pid)
			continue;
		for (size_t slot = 0; slot < LISTEN_CAPS_SLOTS; slot++)
			if (row->networks[slot] != 0)
				row->networks[slot] = 0;
		row->all = 0;
		caps->table->pids[i] = 0;
	}
}

/* A 64-bit multiply and shift over key and address: not for secrets, but not to be aimed at either. */
static unsigned
slot_of(const struct listen_caps *caps, const struct addr *peer)
{
	uint64_t h = caps->key, part = 0;

	if (peer->sa.ss_family == AF_INET)
		memcpy(&part, &((const struct sockaddr_in *)(const void *)&peer->sa)->sin_addr, 4);
	else
		memcpy(
		    &part, &((const struct sockaddr_in6 *)(const void *)&peer->sa)->sin6_addr, 8);
	h ^= part;
	for (int i = 0; i < 3; i++) {
		h ^= h >> 32;
		h *= UINT64_C(0x9e3779b97f4a7c15) ^ (caps->key << 1);
	}
	return (unsigned)(h >> 40) % LISTEN_CAPS_SLOTS;
}

enum listen_cap
listen_caps_enter(struct listen_caps *caps, const struct addr *peer, unsigned max_all,
    unsigned max_network, unsigned *slot_r)
{
	unsigned slot = slot_of(caps, peer), all = 0, network = 0;

	for (size_t i = 0; i < LISTEN_CAPS_ROWS; i++) {
		const struct row *row = &caps->table->rows[i];
		if (caps->table->pids[i] == 0)
			continue;
		all += row->all;
		network += row->networks[slot];
	}
	if (all >= max_all)
		return LISTEN_CAP_ALL;
	if (network >= max_network)
		return LISTEN_CAP_NETWORK;
	/* two processes may see the same last place: a cap may be passed by the number of processes */
	caps->own->all++;
	caps->own->networks[slot]++;
	*slot_r = slot;
	return LISTEN_CAP_NONE;
}

/* The minute a network was last seen in, how many came in it, and in the one before. */
struct minute {
	uint32_t number;
	unsigned now, before;
};

static struct minute
minute_unpack(uint64_t packed, uint32_t number)
{
	struct minute m = { (uint32_t)(packed >> 32), (unsigned)(packed >> 16 & 0xffff),
		(unsigned)(packed & 0xffff) };

	if (m.number == number)
		return m;
	return (struct minute){ number, 0, m.number + 1 == number ? m.now : 0 };
}

static uint64_t
minute_pack(struct minute m)
{
	return (uint64_t)m.number << 32 | (uint64_t)m.now << 16 | m.before;
}

enum listen_cap
listen_caps_rate(
    struct listen_caps *caps, const struct addr *peer, unsigned max_minute, int64_t now_ms)
{
	_Atomic uint64_t *at = &caps->table->minutes[slot_of(caps, peer)];
	uint32_t number = (uint32_t)(now_ms / 60000) + 1; /* 0: never */
	unsigned left = (unsigned)(60000 - now_ms % 60000);
	uint64_t seen = *at;

	for (;;) {
		struct minute m = minute_unpack(seen, number);
		if (m.now + m.before * left / 60000 >= max_minute)
			return LISTEN_CAP_RATE;
		m.now += m.now < LISTEN_CAPS_MINUTE_MAX;
		if (atomic_compare_exchange_weak(at, &seen, minute_pack(m)))
			return LISTEN_CAP_NONE;
	}
}

void
listen_caps_leave(struct listen_caps *caps, unsigned slot)
{
	caps->own->all--;
	caps->own->networks[slot]--;
}

unsigned
listen_caps_open(const struct listen_caps *caps)
{
	unsigned all = 0;

	for (size_t i = 0; i < LISTEN_CAPS_ROWS; i++)
		all += caps->table->pids[i] == 0 ? 0 : caps->table->rows[i].all;
	return all;
}

unsigned
listen_caps_own(const struct listen_caps *caps)
{
	return caps->own->all;
}

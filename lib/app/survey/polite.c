#include "app/survey/polite.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

/* A provider, or a network: at most limit sessions at once, and a rate. */
struct survey_lane {
	unsigned limit, running;
	double a_second, tokens; /* a_second 0: no rate */
	int64_t tokens_ms;
	struct list blocked; /* places that wait for a session here to end */
	unsigned users;      /* jobs that name it */
	size_t key_n;
	char key[1 + LIMIT_DOMAIN_BYTES];
};

/* An address with jobs that wait or run, or with a time to let pass. */
struct survey_place {
	struct list jobs;
	struct list blocked; /* link in a lane */
	int64_t ready_ms;
	uint64_t shuffle; /* order among those that are ready at the same time */
	size_t heap_at;   /* in the heap, counted from 1; 0: not there */
	unsigned refusals;
	bool running, exempt;
	size_t key_n;
	unsigned char key[16];
};

struct survey_limits
survey_limits_default(unsigned shards)
{
	unsigned n = shards == 0 ? 1 : shards;
	struct survey_limits limits = { .apart_ms = 1000 * (int64_t)n,
		.network_at_once = 10 / n,
		.network_a_second = 5.0 / n,
		.provider_at_once = 20 / n,
		.big_at_once = 40 / n,
		.back_off_ms = 60 * 1000,
		.back_off_max_ms = 15 * 60 * 1000 };

	/* more machines than sessions: one each is what is left */
	if (limits.network_at_once == 0)
		limits.network_at_once = 1;
	if (limits.provider_at_once == 0)
		limits.provider_at_once = 1;
	if (limits.big_at_once == 0)
		limits.big_at_once = 1;
	return limits;
}

/* xorshift64*: an order that nobody could foresee is not needed, only one that spreads. */
static uint64_t
next_random(struct survey_polite *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return p->random * 0x2545f4914f6cdd1dULL;
}

void
survey_polite_init(
    struct survey_polite *p, const struct survey_limits *limits, uint64_t seed, int64_t now_ms)
{
	memset(p, 0, sizeof(*p));
	p->limits = *limits;
	p->random = seed ^ 0x9e3779b97f4a7c15ULL;
	if (p->random == 0)
		p->random = 1;
	p->tokens = 1;
	p->tokens_ms = now_ms;
	map_init(&p->places);
	map_init(&p->lanes);
}

/* --- the heap ------------------------------------------------------------------------------------ */

static bool
before(const struct survey_place *a, const struct survey_place *b)
{
	return a->ready_ms != b->ready_ms ? a->ready_ms < b->ready_ms : a->shuffle < b->shuffle;
}

static void
heap_put(struct survey_polite *p, size_t at, struct survey_place *place)
{
	p->heap[at - 1] = place;
	place->heap_at = at;
}

static void
heap_sift(struct survey_polite *p, size_t at)
{
	struct survey_place *place = p->heap[at - 1];

	for (; at > 1 && before(place, p->heap[at / 2 - 1]); at /= 2)
		heap_put(p, at, p->heap[at / 2 - 1]);
	for (size_t child; (child = 2 * at) <= p->heap_n; at = child) {
		if (child < p->heap_n && before(p->heap[child], p->heap[child - 1]))
			child++;
		if (!before(p->heap[child - 1], place))
			break;
		heap_put(p, at, p->heap[child - 1]);
	}
	heap_put(p, at, place);
}

static void
heap_add(struct survey_polite *p, struct survey_place *place)
{
	if (place->heap_at != 0)
		return;
	place->shuffle = next_random(p);
	p->heap = mem_grow(p->heap, p->heap_n, &p->heap_cap, sizeof(struct survey_place *));
	p->heap_n++;
	heap_put(p, p->heap_n, place);
	heap_sift(p, p->heap_n);
}

static void
heap_remove(struct survey_polite *p, struct survey_place *place)
{
	size_t at = place->heap_at;
	struct survey_place *last = p->heap[p->heap_n - 1];

	place->heap_at = 0;
	p->heap_n--;
	if (last == place)
		return;
	heap_put(p, at, last);
	heap_sift(p, at);
}

/* --- lanes --------------------------------------------------------------------------------------- */

static struct survey_lane *
lane_hold(struct survey_polite *p, char kind, struct slice name, unsigned limit, double a_second,
    int64_t now_ms)
{
	char key[1 + LIMIT_DOMAIN_BYTES];
	size_t n = 1 + (name.n < LIMIT_DOMAIN_BYTES ? name.n : LIMIT_DOMAIN_BYTES);

	key[0] = kind;
	memcpy(key + 1, name.p, n - 1);
	struct survey_lane *lane = map_get(&p->lanes, slice_make(key, n));
	if (lane == NULL) {
		lane = mem_alloc(sizeof(*lane));
		lane->limit = limit;
		lane->a_second = a_second;
		lane->tokens = a_second < 1 ? 1 : a_second;
		lane->tokens_ms = now_ms;
		list_init(&lane->blocked);
		lane->key_n = n;
		memcpy(lane->key, key, n);
		map_set(&p->lanes, slice_make(key, n), lane);
	}
	lane->users++;
	return lane;
}

static void
lane_release(struct survey_polite *p, struct survey_lane *lane)
{
	if (lane == NULL || --lane->users > 0)
		return;
	map_remove(&p->lanes, slice_make(lane->key, lane->key_n));
	free(lane);
}

/* Tokens come at a rate, up to those of one second (at least one). */
static double
refill(double tokens, double a_second, int64_t *since_ms, int64_t now_ms)
{
	double most = a_second < 1 ? 1 : a_second;

	tokens += a_second * (double)(now_ms - *since_ms) / 1000;
	*since_ms = now_ms;
	return tokens < most ? tokens : most;
}

/* When there will be a whole one. */
static int64_t
token_ms(double tokens, double a_second, int64_t now_ms)
{
	return now_ms + 1 + (int64_t)((1 - tokens) / a_second * 1000);
}

/* --- queue --------------------------------------------------------------------------------------- */

static void
place_key(const struct addr *to, struct survey_place *place)
{
	if (to->sa.ss_family == AF_INET6) {
		memcpy(place->key, &((const struct sockaddr_in6 *)(const void *)&to->sa)->sin6_addr,
		    16);
		place->key_n = 16;
	} else {
		memcpy(
		    place->key, &((const struct sockaddr_in *)(const void *)&to->sa)->sin_addr, 4);
		place->key_n = 4;
	}
}

static struct slice
key_of(const struct survey_place *place)
{
	return slice_make((const char *)place->key, place->key_n);
}

static struct survey_place *
place_get(struct survey_polite *p, const struct addr *to, int64_t now_ms)
{
	struct survey_place key, *place;

	place_key(to, &key);
	place = map_get(&p->places, key_of(&key));
	if (place != NULL)
		return place;
	place = mem_alloc(sizeof(*place));
	place_key(to, place);
	place->ready_ms = now_ms;
	list_init(&place->jobs);
	list_init(&place->blocked);
	map_set(&p->places, key_of(place), place);
	return place;
}

static bool
is_big(struct slice provider)
{
	return slice_is(provider, "google.com") || slice_is(provider, "outlook.com");
}

void
survey_polite_add(struct survey_polite *p, struct survey_job *job, const struct addr *to,
    struct slice provider, bool exempt, int64_t now_ms)
{
	struct survey_place *place = place_get(p, to, now_ms);
	struct slice network = slice_sub(key_of(place), 0, place->key_n == 4 ? 3 : 6);

	job->place = place;
	job->provider = job->network = NULL;
	place->exempt = exempt;
	if (!exempt) {
		job->network = lane_hold(p, place->key_n == 4 ? '4' : '6', network,
		    p->limits.network_at_once, p->limits.network_a_second, now_ms);
		job->provider = lane_hold(p, 'p', provider,
		    is_big(provider) ? p->limits.big_at_once : p->limits.provider_at_once, 0,
		    now_ms);
	}
	list_append(&place->jobs, &job->link);
	p->queued++;
	if (!place->running && list_empty(&place->blocked))
		heap_add(p, place);
}

/* Whether a session may begin in the lane; if not, the place waits there. */
static bool
lane_open(struct survey_polite *p, struct survey_lane *lane, struct survey_place *place)
{
	if (lane == NULL || lane->running < lane->limit)
		return true;
	heap_remove(p, place);
	list_append(&lane->blocked, &place->blocked);
	return false;
}

static bool
lane_token(
    struct survey_polite *p, struct survey_lane *lane, struct survey_place *place, int64_t now_ms)
{
	if (lane == NULL || lane->a_second <= 0)
		return true;
	lane->tokens = refill(lane->tokens, lane->a_second, &lane->tokens_ms, now_ms);
	if (lane->tokens >= 1)
		return true;
	place->ready_ms = token_ms(lane->tokens, lane->a_second, now_ms);
	heap_sift(p, place->heap_at);
	return false;
}

/* Room in the lane: the first place that waits for that may try again. */
static void
lane_offer(struct survey_polite *p, struct survey_lane *lane)
{
	if (lane == NULL || lane->running >= lane->limit || list_empty(&lane->blocked))
		return;
	struct survey_place *place = LIST_ITEM(lane->blocked.next, struct survey_place, blocked);
	list_remove(&place->blocked);
	heap_add(p, place);
}

static void
place_drop(struct survey_polite *p, struct survey_place *place)
{
	if (place->heap_at != 0)
		heap_remove(p, place);
	list_remove(&place->blocked);
	map_remove(&p->places, key_of(place));
	free(place);
}

static struct survey_job *
begin(struct survey_polite *p, struct survey_place *place, struct survey_job *job)
{
	heap_remove(p, place);
	list_remove(&job->link);
	place->running = true;
	p->queued--;
	if (job->provider != NULL)
		job->provider->running++;
	if (job->network != NULL) {
		job->network->running++;
		job->network->tokens--;
	}
	if (p->limits.a_second > 0)
		p->tokens--;
	return job;
}

struct survey_job *
survey_polite_next(struct survey_polite *p, int64_t now_ms, int64_t *when_r)
{
	*when_r = INT64_MAX;
	if (p->limits.a_second > 0)
		p->tokens = refill(p->tokens, p->limits.a_second, &p->tokens_ms, now_ms);
	while (p->heap_n > 0) {
		struct survey_place *place = p->heap[0];
		if (place->ready_ms > now_ms) {
			*when_r = place->ready_ms;
			return NULL;
		}
		if (list_empty(&place->jobs)) { /* its time has passed, and nobody came */
			place_drop(p, place);
			continue;
		}
		if (p->limits.a_second > 0 && p->tokens < 1) {
			*when_r = token_ms(p->tokens, p->limits.a_second, now_ms);
			return NULL;
		}
		struct survey_job *job = LIST_ITEM(place->jobs.next, struct survey_job, link);
		if (lane_open(p, job->provider, place) && lane_open(p, job->network, place) &&
		    lane_token(p, job->network, place, now_ms))
			return begin(p, place, job);
		/* what it could not use may serve another */
		lane_offer(p, job->provider);
		lane_offer(p, job->network);
	}
	return NULL;
}

static void
lane_leave(struct survey_polite *p, struct survey_lane *lane)
{
	if (lane == NULL)
		return;
	lane->running--;
	lane_offer(p, lane);
}

static int64_t
back_off_ms(const struct survey_polite *p, unsigned refusals)
{
	int64_t pause = p->limits.back_off_ms;

	for (unsigned i = 1; i < refusals && pause < p->limits.back_off_max_ms; i++)
		pause *= 2;
	return pause < p->limits.back_off_max_ms ? pause : p->limits.back_off_max_ms;
}

void
survey_polite_done(struct survey_polite *p, struct survey_job *job, bool back_off, int64_t now_ms)
{
	struct survey_place *place = job->place;
	int64_t pause = place->exempt ? 0 : p->limits.apart_ms;

	place->running = false;
	place->refusals = back_off ? place->refusals + 1 : 0;
	if (back_off && back_off_ms(p, place->refusals) > pause)
		pause = back_off_ms(p, place->refusals);
	place->ready_ms = now_ms + pause;
	lane_leave(p, job->provider);
	lane_leave(p, job->network);
	lane_release(p, job->provider);
	lane_release(p, job->network);
	heap_add(p, place);
}

static void
free_value(struct slice key, void *value, void *ctx)
{
	(void)key;
	(void)ctx;
	free(value);
}

void
survey_polite_free(struct survey_polite *p)
{
	map_each(&p->places, free_value, NULL);
	map_each(&p->lanes, free_value, NULL);
	map_free(&p->places);
	map_free(&p->lanes);
	free(p->heap);
}

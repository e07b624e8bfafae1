#include <stdio.h>

#include "base/flood.h"
#include "io/addr.h"
#include "test.h"

static unsigned
passes(struct flood *f, const char *key, unsigned n, int64_t now_ms, unsigned *dropped_r)
{
	unsigned passed = 0, dropped;

	*dropped_r = 0;
	for (unsigned i = 0; i < n; i++) {
		passed += flood_pass(f, slice_str(key), now_ms, &dropped);
		*dropped_r += dropped;
	}
	return passed;
}

TEST(a_key_has_so_many_lines_in_a_window_and_what_was_left_out_is_told_once)
{
	static struct flood f;
	char name[64];
	unsigned dropped;

	CHECK_INT(
	    passes(&f, "refused 192.0.2.0/24", FLOOD_LINES + 30, 1000, &dropped), FLOOD_LINES);
	CHECK_INT(dropped, 0);
	CHECK(!flood_next(&f, 1000, name, &dropped));
	/* a new window: the next line tells */
	CHECK_INT(passes(&f, "refused 192.0.2.0/24", 2, 1000 + FLOOD_WINDOW_MS, &dropped), 2);
	CHECK_INT(dropped, 30);
	/* or the caller does, when there is no next one */
	passes(&f, "refused 192.0.2.0/24", FLOOD_LINES, 2000 + FLOOD_WINDOW_MS, &dropped);
	CHECK(!flood_next(&f, 2000 + FLOOD_WINDOW_MS, name, &dropped));
	CHECK(flood_next(&f, 1000 + 2 * FLOOD_WINDOW_MS, name, &dropped));
	CHECK_STR(name, "refused 192.0.2.0/24");
	CHECK_INT(dropped, 2);
	CHECK(!flood_next(&f, INT64_MAX, name, &dropped));
}

TEST(a_million_keys_take_no_more_memory_and_lose_no_count)
{
	static struct flood f;
	char name[64], key[100];
	unsigned dropped, told = 0, passed = 0;

	for (unsigned i = 0; i < 100000; i++) {
		int n = snprintf(key, sizeof(key),
		    "session with a name that is longer than the place for it %u", i);
		passed += flood_pass(&f, slice_make(key, (size_t)n), 5, &dropped);
	}
	CHECK(passed <= FLOOD_SLOTS * FLOOD_LINES);
	while (flood_next(&f, INT64_MAX, name, &dropped))
		told += dropped;
	CHECK_INT(passed + told, 100000);
}

TEST(a_few_keys_do_not_take_lines_from_each_other)
{
	static struct flood f;
	char key[32];
	unsigned dropped;

	for (unsigned i = 0; i < 24; i++) {
		snprintf(key, sizeof(key), "refused 192.0.%u.0/24", i);
		CHECK_INT(passes(&f, key, FLOOD_LINES, 5, &dropped), FLOOD_LINES);
		CHECK_INT(dropped, 0);
	}
}

TEST(networks_of_addresses)
{
	static const struct {
		const char *ip, *want;
	} rows[] = { { "192.0.2.77", "192.0.2.0/24" }, { "255.255.255.255", "255.255.255.0/24" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48" }, { "::1", "::/48" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a;
		char text[ADDR_TEXT_BYTES];
		TEST_ROW("%s", rows[i].ip);
		CHECK(addr_parse_ip(slice_str(rows[i].ip), 25, &a));
		addr_network_str(&a, 24, 48, text);
		CHECK_STR(text, rows[i].want);
	}
}

TEST(an_IPv4_client_of_a_socket_for_both_families_is_one_with_its_own_address)
{
	static const struct {
		const char *ip, *want;
	} rows[] = { { "::ffff:192.0.2.77", "192.0.2.77:2525" },
		{ "192.0.2.77", "192.0.2.77:2525" }, { "2001:db8::1", "[2001:db8::1]:2525" },
		{ "::192.0.2.77", "[::192.0.2.77]:2525" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a;
		char text[ADDR_TEXT_BYTES];
		TEST_ROW("%s", rows[i].ip);
		CHECK(addr_parse_ip(slice_str(rows[i].ip), 2525, &a));
		addr_unmap(&a);
		addr_str(&a, text);
		CHECK_STR(text, rows[i].want);
	}
}

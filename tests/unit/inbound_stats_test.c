#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/listen/inbound_stats.h"
#include "base/clock.h"
#include "base/json.h"
#include "test.h"
#include "test_certs.h"

#include <jansson.h>

static void
add(struct inbound_stats *s, char *domain, char *network, char *version, char *cipher, char *group,
    int64_t time)
{
	struct inbound_facts f;

	facts_init_inbound_facts(&f);
	f.event = INBOUND_MESSAGE;
	f.accepted = TRI_YES;
	f.from_domain = domain;
	f.network = network;
	f.tls = version != NULL ? TRI_YES : TRI_NO;
	f.tls_version = version;
	f.tls_cipher = cipher;
	f.tls_group = group;
	f.time = time;
	inbound_stats_add(s, &f);
}

static json_t *
as_json(const struct inbound_stats *s)
{
	struct buf text;

	buf_init(&text, INBOUND_STATS_BYTES);
	CHECK_INT(inbound_stats_json(s, 2000, &text), 0);
	json_t *root = json_parse(buf_str(&text), text.len, NULL);
	CHECK(root != NULL);
	buf_free(&text);
	return root;
}

static json_int_t
number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

TEST(messages_are_counted_by_domain_and_network_with_version_cipher_group_and_the_last_in_clear)
{
	static char a[] = "a.test", b[] = "b.test", none[] = "", net[] = "192.0.2.0/24",
		    other[] = "2001:db8::/48", v12[] = "TLSv1.2", v13[] = "TLSv1.3", c1[] = "C1",
		    c2[] = "C2", x[] = "x25519";
	struct inbound_stats s;
	struct inbound_facts refused;

	inbound_stats_init(&s, 10, 1000);
	add(&s, a, net, v13, c1, x, 1100);
	add(&s, a, net, v12, c2, NULL, 1200);
	add(&s, b, net, NULL, NULL, NULL, 1300);
	add(&s, b, other, v13, c1, x, 1400);
	add(&s, b, other, v13, c1, x, 1500);
	add(&s, none, other, NULL, NULL, NULL, 1600);
	facts_init_inbound_facts(&refused);
	refused.event = INBOUND_MESSAGE;
	refused.accepted = TRI_NO;
	inbound_stats_add(&s, &refused);
	json_t *root = as_json(&s);
	const json_t *total = json_object_get(root, "total"),
		     *domains = json_object_get(root, "domains"),
		     *networks = json_object_get(root, "networks");
	CHECK_INT(number(total, "messages"), 6);
	CHECK_INT(number(total, "tls"), 4);
	CHECK_STR(json_string_value(json_object_get(total, "last_clear")), "1970-01-01T00:26:40Z");
	CHECK_INT(json_array_size(domains), 3);
	const json_t *first = json_array_get(domains, 0), *second = json_array_get(domains, 1);
	CHECK_STR(json_string_value(json_object_get(first, "name")), "b.test");
	CHECK_INT(number(first, "messages"), 3);
	CHECK_INT(number(first, "tls"), 2);
	CHECK_STR(json_string_value(json_object_get(first, "last_clear")), "1970-01-01T00:21:40Z");
	CHECK_STR(json_string_value(json_object_get(second, "name")), "a.test");
	CHECK(json_is_null(json_object_get(second, "last_clear")));
	CHECK_INT(number(json_object_get(second, "versions"), "TLSv1.3"), 1);
	CHECK_INT(number(json_object_get(second, "versions"), "TLSv1.2"), 1);
	CHECK_INT(number(json_object_get(second, "ciphers"), "C2"), 1);
	CHECK_INT(number(json_object_get(second, "groups"), "x25519"), 1);
	CHECK_INT(number(json_object_get(second, "groups"), "other"), 1);
	CHECK_INT(json_array_size(networks), 2);
	CHECK_INT(number(json_array_get(networks, 0), "messages"), 3);
	json_decref(root);
	inbound_stats_free(&s);
}

TEST(a_flood_of_invented_domains_takes_no_more_memory_loses_no_count_and_pushes_out_no_regular)
{
	static char regular[] = "regular.test", net[] = "192.0.2.0/24", v13[] = "TLSv1.3";
	struct inbound_stats s;
	char name[64];
	json_int_t messages;

	inbound_stats_init(&s, 100, 1000);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%u.invented.test", i);
		add(&s, name, net, NULL, NULL, NULL, 1001);
		if (i % 10 == 0)
			add(&s, regular, net, v13, NULL, NULL, 1002);
	}
	json_t *root = as_json(&s);
	const json_t *domains = json_object_get(root, "domains"), *row;
	size_t i;
	CHECK_INT(json_array_size(domains), 100);
	CHECK_STR(json_string_value(json_object_get(json_array_get(domains, 0), "name")), regular);
	CHECK_INT(number(json_array_get(domains, 0), "messages"), 10000);
	messages = number(json_object_get(root, "other_domains"), "messages");
	json_array_foreach((json_t *)(uintptr_t)domains, i, row) messages +=
	    number(row, "messages");
	CHECK_INT(messages, 110000);
	json_decref(root);
	inbound_stats_free(&s);
}

TEST(more_kinds_than_are_kept_are_other_and_the_sum_stays_right)
{
	static char a[] = "a.test", net[] = "192.0.2.0/24", v13[] = "TLSv1.3";
	struct inbound_stats s;
	char cipher[32];

	inbound_stats_init(&s, 10, 1000);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(cipher, sizeof(cipher), "C%u", i);
		add(&s, a, net, v13, cipher, NULL, 1001);
	}
	json_t *root = as_json(&s);
	const json_t *ciphers = json_object_get(json_object_get(root, "total"), "ciphers");
	CHECK_INT(json_object_size(ciphers), INBOUND_STATS_KINDS + 1);
	CHECK_INT(number(ciphers, "other"), 600 - INBOUND_STATS_KINDS);
	json_decref(root);
	inbound_stats_free(&s);
}

TEST(the_file_is_replaced_whole_or_not_at_all)
{
	struct inbound_stats s;
	struct fail why;
	char text[64] = "";

	inbound_stats_init(&s, 10, 1000);
	const char *path = test_write_file("stats.json", "old");
	CHECK_INT(inbound_stats_write(&s, path, 2000, &why), 0);
	FILE *file = fopen(path, "r");
	CHECK(file != NULL && fgets(text, sizeof(text), file) != NULL);
	if (file != NULL)
		fclose(file);
	CHECK(strncmp(text, "{\"schema\":\"mxtls-inbound/1\",", 28) == 0);
	CHECK_INT(inbound_stats_write(&s, test_path("none/stats.json"), 2000, &why), -1);
	CHECK_INT(why.code, FAIL_CANT_CREATE);
	inbound_stats_free(&s);
}

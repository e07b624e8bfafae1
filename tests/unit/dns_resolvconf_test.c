#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "dns/resolvconf.h"
#include "test.h"

/* All that was read, on one line. */
static void
print(const struct resolvconf *rc, struct buf *out)
{
	char text[ADDR_TEXT_BYTES];

	buf_reset(out);
	for (size_t i = 0; i < rc->n; i++) {
		addr_str(&rc->servers[i], text);
		buf_printf(out, "%s%s%s ", text, rc->zones[i][0] == '\0' ? "" : "%", rc->zones[i]);
	}
	buf_printf(out, "timeout=%lld attempts=%d%s", (long long)rc->timeout_ms, rc->attempts,
	    rc->trust_ad ? " trust-ad" : "");
}

TEST(resolvconf_reads_servers_and_options_as_resolv_conf_5_says)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "# nothing\n", "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "nameserver 192.0.2.1", "192.0.2.1:53 timeout=-1 attempts=-1" },
		{ "nameserver 192.0.2.1\r\n", "192.0.2.1:53 timeout=-1 attempts=-1" },
		{ "nameserver\t2001:db8::1  # home\n", "[2001:db8::1]:53 timeout=-1 attempts=-1" },
		{ "nameserver fe80::1%eth0\n", "[fe80::1]:53%eth0 timeout=-1 attempts=-1" },
		{ "nameserver fe80::1%aninterfacewithalongname\n",
		    "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "search a.example b.example\nnameserver 192.0.2.1\ndomain c\n",
		    "192.0.2.1:53 timeout=-1 attempts=-1" },
		{ " nameserver 192.0.2.1\n", "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ ";nameserver 192.0.2.1\n#nameserver 192.0.2.2\n",
		    "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "nameserver ns.example\nnameserver 192.0.2.300\nnameserver\nnameserver "
		  "192.0.2.2\n",
		    "192.0.2.2:53 timeout=-1 attempts=-1" },
		{ "nameserver 192.0.2.1:5353\n", "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
		  "nameserver 192.0.2.4\n",
		    "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 timeout=-1 attempts=-1" },
		{ "options timeout:1 attempts:3 trust-ad edns0\n",
		    "127.0.0.1:53 timeout=1000 attempts=3 trust-ad" },
		{ "options timeout:1\noptions trust-ad\noptions timeout:2\n",
		    "127.0.0.1:53 timeout=2000 attempts=-1 trust-ad" },
		{ "options timeout:31 attempts:6\n", "127.0.0.1:53 timeout=30000 attempts=5" },
		{ "options timeout:0 attempts:0\n", "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "options timeout:x attempts:-1 timeout: timeout\n",
		    "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "options timeout:99999999999999999999\n", "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "options no-trust-ad trust-ad:1 trust-adx\n",
		    "127.0.0.1:53 timeout=-1 attempts=-1" },
		{ "trust-ad\n", "127.0.0.1:53 timeout=-1 attempts=-1" },
	};
	struct resolvconf rc;
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].text);
		resolvconf_parse(slice_str(rows[i].text), &rc);
		print(&rc, &out);
		CHECK_STR(buf_str(&out), rows[i].want);
	}
	buf_free(&out);
}

static void
write_file(const char *path, const char *text, size_t times)
{
	FILE *f = fopen(path, "w");

	while (times-- > 0)
		fputs(text, f);
	fclose(f);
}

TEST(resolvconf_load_reads_the_file_and_refuses_what_it_cannot_read_whole)
{
	char dir[] = "/tmp/resolvconf-test-XXXXXX", path[64];
	struct resolvconf rc;
	struct fail why;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	CHECK_INT(resolvconf_load(path, &rc, &why), -1);
	CHECK_INT(why.code, FAIL_CONFIG);
	CHECK(strstr(why.text, path) != NULL);
	write_file(path, "nameserver 192.0.2.7\nnameserver fe80::1%lo\n", 1);
	CHECK_INT(resolvconf_load(path, &rc, &why), 0);
	CHECK_INT(rc.n, 2);
	CHECK(((const struct sockaddr_in6 *)(const void *)&rc.servers[1].sa)->sin6_scope_id != 0);
	write_file(path, "nameserver 192.0.2.7\n", 4000);
	CHECK_INT(resolvconf_load(path, &rc, &why), -1);
	CHECK_INT(why.code, FAIL_CONFIG);
	CHECK_INT(resolvconf_load(dir, &rc, &why), -1);
	CHECK_INT(why.code, FAIL_CONFIG);
	unlink(path);
	rmdir(dir);
}

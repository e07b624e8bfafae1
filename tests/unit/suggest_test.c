#include "app/send/suggest.h"

#include <stdio.h>

#include "base/limits.h"
#include "test.h"

TEST(nothing_is_proposed_that_one_observation_speaks_against)
{
	static const struct {
		const char *what;
		unsigned seen, tls, verified, clear, failed;
		bool dane, sts, testing;
		enum suggestion want;
	} rows[] = {
		{ "always verified", 3, 3, 3, 0, 0, false, false, false, SUGGEST_VERIFY },
		{ "once not", 3, 3, 2, 0, 0, false, false, false, SUGGEST_ENCRYPT },
		{ "once in clear", 30, 29, 29, 1, 0, false, false, false, SUGGEST_MIXED },
		{ "once failed", 30, 29, 29, 0, 1, false, false, false, SUGGEST_MIXED },
		{ "never TLS", 3, 0, 0, 3, 0, false, false, false, SUGGEST_NONE },
		{ "always failed", 3, 0, 0, 0, 3, false, false, false, SUGGEST_MIXED },
		{ "too few", 2, 2, 2, 0, 0, false, false, false, SUGGEST_TOO_FEW },
		{ "never seen", 0, 0, 0, 0, 0, false, false, false, SUGGEST_TOO_FEW },
		/* what is published is known at the first sight */
		{ "DANE", 1, 1, 1, 0, 0, true, false, false, SUGGEST_PUBLISHED },
		{ "MTA-STS", 9, 9, 9, 0, 0, false, true, false, SUGGEST_PUBLISHED },
		{ "testing", 3, 3, 3, 0, 0, false, false, true, SUGGEST_VERIFY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct suggest_domain d = { .seen = rows[i].seen,
			.tls = rows[i].tls,
			.verified = rows[i].verified,
			.clear = rows[i].clear,
			.failed = rows[i].failed,
			.dane = rows[i].dane,
			.sts = rows[i].sts,
			.testing = rows[i].testing };
		TEST_ROW("%s", rows[i].what);
		CHECK_INT(suggest_judge(&d, 3), rows[i].want);
	}
}

#define RECORD(verdict, more) \
	"{\"schema\":\"mxtls-probe/1\",\"type\":\"domain\",\"alabel\":\"a.test\"," more \
	"\"summary\":{\"verdict\":\"" verdict "\"}}"
#define DELIVERY(more) \
	"{\"time\":\"2026-11-24T10:00:00Z\",\"recipient\":\"x@A.test\",\"status\":" \
	"\"delivered\"," more "\"id\":null}"

TEST(each_kind_of_line_counts_as_what_it_shows)
{
	static const struct {
		const char *line;
		unsigned seen, tls, verified, clear, failed;
	} rows[] = {
		{ RECORD("pkix", ""), 1, 1, 1, 0, 0 },
		{ RECORD("encrypted", ""), 1, 1, 0, 0, 0 },
		{ RECORD("plaintext", ""), 1, 0, 0, 1, 0 },
		{ RECORD("backup-plaintext", ""), 1, 0, 0, 1, 0 },
		{ RECORD("broken", ""), 1, 0, 0, 0, 1 },
		{ RECORD("unknown", ""), 0, 0, 0, 0, 0 },
		{ RECORD("no-mail", ""), 0, 0, 0, 0, 0 },
		{ RECORD("undeliverable", ""), 0, 0, 0, 0, 0 },
		{ "{\"schema\":\"mxtls-probe/1\",\"type\":\"certificate\"}", 0, 0, 0, 0, 0 },
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"done\",\"tls\":{\"trusted\":true,"
			   "\"matches_mx\":true},"),
		    1, 1, 1, 0, 0 },
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"done\",\"tls\":{\"trusted\":true,"
			   "\"matches_mx\":false},"),
		    1, 1, 0, 0, 0 },
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"not-offered\","), 1, 0, 0, 1, 0 },
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"refused\","), 1, 0, 0, 0, 1 },
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"failed\","), 1, 0, 0, 0, 1 },
		/* level none never asks; a smarthost is not the domain's; nobody was reached */
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"offered\","), 0, 0, 0, 0, 0 },
		{ DELIVERY("\"exchange\":\"mx\",\"starttls\":\"unknown\","), 0, 0, 0, 0, 0 },
		{ DELIVERY("\"exchange\":\"mx\",\"via\":\"s.test\",\"starttls\":\"done\","), 0, 0,
		    0, 0, 0 },
		{ DELIVERY("\"exchange\":null,\"starttls\":null,"), 0, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct suggest *s = suggest_new();
		struct suggest_domain none = { 0 };
		struct fail why;
		size_t n;
		TEST_ROW("%s", rows[i].line);
		fail_clear(&why);
		CHECK_INT(suggest_line(s, slice_str(rows[i].line), &why), 0);
		CHECK_STR(why.text, "");
		const struct suggest_domain *const *v = suggest_domains(s, &n);
		const struct suggest_domain *d = n == 0 ? &none : v[0];
		if (n > 0)
			CHECK_STR(d->name, "a.test");
		CHECK_INT(d->seen, rows[i].seen);
		CHECK_INT(d->tls, rows[i].tls);
		CHECK_INT(d->verified, rows[i].verified);
		CHECK_INT(d->clear, rows[i].clear);
		CHECK_INT(d->failed, rows[i].failed);
		suggest_free(s);
	}
}

TEST(what_was_published_last_counts)
{
	static const char dane[] =
	    RECORD("dane", "\"timestamp\":\"2026-11-20T00:00:00Z\",\"exchanges\":[{\"tlsa\":"
			   "{\"status\":\"usable\"}}],");
	static const char later[] = RECORD("pkix", "\"timestamp\":\"2026-11-21T00:00:00Z\",\"mta_"
						   "sts\":{\"policy_status\":\"valid\",\"mode\":"
						   "\"testing\"},");
	struct suggest *s = suggest_new();
	struct fail why;
	size_t n;

	CHECK_INT(suggest_line(s, slice_str(later), &why), 0);
	CHECK_INT(suggest_line(s, slice_str(dane), &why), 0);
	const struct suggest_domain *d = suggest_domains(s, &n)[0];
	CHECK(!d->dane && !d->sts && d->testing);
	CHECK_INT(d->records, 2);
	struct buf out;
	buf_init(&out, 1000);
	suggest_reason(d, SUGGEST_TOO_FEW, &out);
	CHECK_STR(buf_str(&out),
	    "seen 2 times: 2 verified, 0 only encrypted, 0 in clear, 0 failed; "
	    "MTA-STS in testing, 2026-11-20 to 2026-11-21");
	buf_free(&out);
	suggest_free(s);
}

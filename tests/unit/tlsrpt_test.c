#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/send/tlsrpt_report.h"
#include "app/send/tlsrpt_store.h"
#include "base/gzip.h"
#include "base/limits.h"
#include "policy/tlsrpt_judge.h"
#include "scratch.h"
#include "test.h"

/* --- what a session counts as (RFC 8460 s4.3) ----------------------------------------------------- */

enum session {
	NO_SESSION,
	CLEAR,
	NO_EHLO,
	BUSY,
	REFUSED,
	BROKEN,
	STOPPED,
	INJECTED,
	NOT_ASKED,
	TLS
};
enum cert { GOOD, EXPIRED, OTHER_NAME, UNTRUSTED, CN_ONLY };

static char mx_name[] = "mx.a.test", alert[] = "handshake failure", a_test[] = "a.test";
static char listed[] = "*.a.test", other[] = "other.test";

static void
make_session(enum session session, enum cert cert, enum dane dane, struct host_facts *host,
    struct tls_facts *tls, struct cert_facts *leaf, char **name)
{
	static const struct {
		int ehlo;
		enum starttls_state state;
		enum host_status status;
	} rows[] = { [CLEAR] = { 250, STARTTLS_NOT_OFFERED, HOST_SUCCESS },
		[NO_EHLO] = { 502, STARTTLS_NOT_OFFERED, HOST_SUCCESS },
		[BUSY] = { 421, STARTTLS_UNKNOWN, HOST_TEMPORARY },
		[REFUSED] = { 250, STARTTLS_REFUSED, HOST_SUCCESS },
		[BROKEN] = { 250, STARTTLS_FAILED, HOST_HANDSHAKE_ERROR },
		[STOPPED] = { 250, STARTTLS_FAILED, HOST_CANCELLED },
		[INJECTED] = { 250, STARTTLS_FAILED, HOST_HANDSHAKE_ERROR },
		[NOT_ASKED] = { 250, STARTTLS_OFFERED, HOST_SUCCESS },
		[TLS] = { 250, STARTTLS_DONE, HOST_SUCCESS } };

	facts_init_host_facts(host);
	facts_init_tls_facts(tls);
	facts_init_cert_facts(leaf);
	host->ehlo_code = rows[session].ehlo;
	host->starttls_state = rows[session].state;
	host->status = rows[session].status;
	host->ehlo_unsupported = session == NO_EHLO;
	host->post_220_bytes = session == INJECTED ? 5 : 0;
	host->tls = tls;
	host->tls_n = session == TLS || session == BROKEN;
	tls->complete = session == TLS ? TRI_YES : TRI_NO;
	if (session == BROKEN)
		tls->alert = alert;
	tls->dane = dane;
	tls->verify.trusted = cert == UNTRUSTED ? TRI_NO : TRI_YES;
	tls->verify.expired = cert == EXPIRED ? TRI_YES : TRI_NO;
	tls->verify.matches_mx = cert == OTHER_NAME ? TRI_NO : TRI_YES;
	*name = mx_name;
	if (cert == CN_ONLY)
		leaf->common_name = mx_name;
	else
		leaf->names = (struct strs){ .v = name, .n = 1, .cap = 1 };
}

#define NONE TLSRPT_POLICY_NONE
#define TLSA TLSRPT_POLICY_TLSA
#define STS TLSRPT_POLICY_STS

TEST(each_session_counts_as_what_is_published_says)
{
	static const struct {
		const char *what;
		bool dane, sts; /* asked for */
		enum tlsa_status tlsa;
		enum sts_status status;
		enum sts_mode mode;
		bool listed;
		enum session session;
		enum cert cert;
		enum dane proof;
		enum fail_code refused;
		const char *want; /* "" success, "-" does not count, "RESULT" or "RESULT/REASON" */
		enum tlsrpt_policy type;
	} rows[] = {
#define NO_DANE true, true, TLSA_NONE
#define NO_POLICY NO_DANE, STS_NONE, STS_MODE_UNKNOWN, false
		{ "TLS", NO_POLICY, TLS, GOOD, DANE_NONE, FAIL_NONE, "", NONE },
		{ "TLS, any certificate", NO_POLICY, TLS, UNTRUSTED, DANE_NONE, FAIL_NONE, "",
		    NONE },
		{ "complete EHLO without it", NO_POLICY, CLEAR, GOOD, DANE_NONE, FAIL_NONE,
		    "starttls-not-supported", NONE },
		{ "HELO only", NO_POLICY, NO_EHLO, GOOD, DANE_NONE, FAIL_NONE,
		    "starttls-not-supported", NONE },
		{ "421 says nothing", NO_POLICY, BUSY, GOOD, DANE_NONE, FAIL_NONE, "-", NONE },
		{ "refused", NO_POLICY, REFUSED, GOOD, DANE_NONE, FAIL_NONE,
		    "validation-failure/starttls-rejected", NONE },
		{ "broken", NO_POLICY, BROKEN, GOOD, DANE_NONE, FAIL_NONE,
		    "validation-failure/handshake failure", NONE },
		{ "stopped by us", NO_POLICY, STOPPED, GOOD, DANE_NONE, FAIL_NONE, "-", NONE },
		{ "injection", NO_POLICY, INJECTED, GOOD, DANE_NONE, FAIL_NONE,
		    "validation-failure/response-injection", NONE },
		{ "never asked for TLS", NO_POLICY, NOT_ASKED, GOOD, DANE_NONE, FAIL_NONE, "-",
		    NONE },
		{ "not known whether there is one", NO_DANE, STS_DNS_ERROR, STS_MODE_UNKNOWN, false,
		    TLS, GOOD, DANE_NONE, FAIL_NONE, "-", NONE },
		{ "mode none", NO_DANE, STS_VALID, STS_MODE_NONE, false, CLEAR, GOOD, DANE_NONE,
		    FAIL_NONE, "starttls-not-supported", NONE },
		/* nobody looked, so nobody can say that there is none */
		{ "level dane", true, false, TLSA_NONE, STS_NONE, STS_MODE_UNKNOWN, false, TLS,
		    GOOD, DANE_NONE, FAIL_NONE, "-", NONE },
		{ "dane=no", false, true, TLSA_NOT_CHECKED, STS_NONE, STS_MODE_UNKNOWN, false, TLS,
		    GOOD, DANE_NONE, FAIL_NONE, "-", NONE },
		{ "level may", false, false, TLSA_NOT_CHECKED, STS_NOT_CHECKED, STS_MODE_UNKNOWN,
		    false, CLEAR, GOOD, DANE_NONE, FAIL_NONE, "-", NONE },

#define USABLE true, false, TLSA_USABLE, STS_NOT_CHECKED, STS_MODE_UNKNOWN, false
		{ "TLSA matches", USABLE, TLS, UNTRUSTED, DANE_VALID, FAIL_NONE, "", TLSA },
		{ "TLSA mismatch", USABLE, TLS, GOOD, DANE_MISMATCH, FAIL_NONE, "tlsa-invalid",
		    TLSA },
		{ "TLSA, no STARTTLS", USABLE, CLEAR, GOOD, DANE_NONE, FAIL_NONE,
		    "starttls-not-supported", TLSA },
		{ "TLSA, broken", USABLE, BROKEN, GOOD, DANE_NONE, FAIL_NONE,
		    "validation-failure/handshake failure", TLSA },
		{ "TLSA, 421", USABLE, BUSY, GOOD, DANE_NONE, FAIL_NONE, "-", TLSA },
		{ "TLSA of an unsigned MX", true, true, TLSA_INSECURE_MX, STS_NOT_CHECKED,
		    STS_MODE_UNKNOWN, false, TLS, GOOD, DANE_MISMATCH, FAIL_NONE, "tlsa-invalid",
		    TLSA },
		{ "TLSA unusable: any certificate", true, true, TLSA_UNUSABLE, STS_NOT_CHECKED,
		    STS_MODE_UNKNOWN, false, TLS, UNTRUSTED, DANE_UNUSABLE, FAIL_NONE, "", TLSA },
		{ "TLSA unusable, and MTA-STS", true, true, TLSA_UNUSABLE, STS_VALID,
		    STS_MODE_ENFORCE, true, TLS, OTHER_NAME, DANE_UNUSABLE, FAIL_NONE,
		    "certificate-host-mismatch", STS },
		{ "TLSA bogus", true, true, TLSA_BOGUS, STS_NOT_CHECKED, STS_MODE_UNKNOWN, false,
		    NO_SESSION, GOOD, DANE_NONE, FAIL_TLSA_LOOKUP, "dnssec-invalid", TLSA },
		{ "TLSA no answer", true, true, TLSA_ERROR, STS_NOT_CHECKED, STS_MODE_UNKNOWN,
		    false, NO_SESSION, GOOD, DANE_NONE, FAIL_TLSA_LOOKUP, "dnssec-invalid", TLSA },
		{ "dane-only", true, false, TLSA_NONE, STS_NOT_CHECKED, STS_MODE_UNKNOWN, false,
		    NO_SESSION, GOOD, DANE_NONE, FAIL_DANE_REQUIRED, "dane-required", TLSA },

#define ENFORCE NO_DANE, STS_VALID, STS_MODE_ENFORCE, true
		{ "STS good", ENFORCE, TLS, GOOD, DANE_NONE, FAIL_NONE, "", STS },
		{ "STS expired", ENFORCE, TLS, EXPIRED, DANE_NONE, FAIL_NONE, "certificate-expired",
		    STS },
		{ "STS other name", ENFORCE, TLS, OTHER_NAME, DANE_NONE, FAIL_NONE,
		    "certificate-host-mismatch", STS },
		{ "STS: a CN is no name (RFC 8461 s4.2)", ENFORCE, TLS, CN_ONLY, DANE_NONE,
		    FAIL_NONE, "certificate-host-mismatch", STS },
		{ "STS untrusted", ENFORCE, TLS, UNTRUSTED, DANE_NONE, FAIL_NONE,
		    "certificate-not-trusted", STS },
		{ "STS, no STARTTLS", ENFORCE, CLEAR, GOOD, DANE_NONE, FAIL_NONE,
		    "starttls-not-supported", STS },
		{ "STS, refused", ENFORCE, REFUSED, GOOD, DANE_NONE, FAIL_NONE,
		    "validation-failure/starttls-rejected", STS },
		{ "STS, not listed", NO_DANE, STS_VALID, STS_MODE_ENFORCE, false, NO_SESSION, GOOD,
		    DANE_NONE, FAIL_STS_MX, "validation-failure/sts-mx-mismatch", STS },
		{ "testing, not listed", NO_DANE, STS_VALID, STS_MODE_TESTING, false, TLS, GOOD,
		    DANE_NONE, FAIL_NONE, "validation-failure/sts-mx-mismatch", STS },
		{ "testing, expired", NO_DANE, STS_VALID, STS_MODE_TESTING, true, TLS, EXPIRED,
		    DANE_NONE, FAIL_NONE, "certificate-expired", STS },
		{ "testing, dane=no", false, true, TLSA_NOT_CHECKED, STS_VALID, STS_MODE_TESTING,
		    true, TLS, GOOD, DANE_NONE, FAIL_NONE, "", STS },
		{ "fetch failed", NO_DANE, STS_FETCH_ERROR, STS_MODE_UNKNOWN, false, TLS, GOOD,
		    DANE_NONE, FAIL_NONE, "sts-policy-fetch-error", STS },
		{ "policy host's certificate", NO_DANE, STS_WEBPKI_INVALID, STS_MODE_UNKNOWN, false,
		    CLEAR, GOOD, DANE_NONE, FAIL_NONE, "sts-webpki-invalid", STS },
		{ "no policy", NO_DANE, STS_POLICY_INVALID, STS_MODE_UNKNOWN, false, TLS, GOOD,
		    DANE_NONE, FAIL_NONE, "sts-policy-invalid", STS },
		{ "no record", NO_DANE, STS_RECORD_INVALID, STS_MODE_UNKNOWN, false, TLS, GOOD,
		    DANE_NONE, FAIL_NONE, "sts-policy-invalid", STS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *pattern = rows[i].listed ? listed : other, *name;
		struct tlsa_facts tlsa;
		struct sts_facts sts;
		struct host_facts host;
		struct tls_facts tls;
		struct cert_facts leaf;
		struct tlsrpt_verdict v;
		char got[200];
		TEST_ROW("%s", rows[i].what);
		facts_init_tlsa_facts(&tlsa);
		facts_init_sts_facts(&sts);
		tlsa.status = rows[i].tlsa;
		sts.status = rows[i].status;
		sts.mode = rows[i].mode;
		sts.mx = (struct strs){ .v = &pattern, .n = 1, .cap = 1 };
		make_session(
		    rows[i].session, rows[i].cert, rows[i].proof, &host, &tls, &leaf, &name);
		struct tlsrpt_site site = { .domain = "a.test",
			.host = mx_name,
			.dane_asked = rows[i].dane,
			.sts_asked = rows[i].sts,
			.tlsa = &tlsa,
			.sts = &sts,
			.refused = rows[i].refused };
		tlsrpt_judge(&site, rows[i].session == NO_SESSION ? NULL : &host, &leaf, &v);
		snprintf(got, sizeof(got), "%s%s%s",
		    !v.counts          ? "-"
		    : v.result == NULL ? ""
				       : v.result,
		    v.counts && v.reason != NULL ? "/" : "",
		    v.counts && v.reason != NULL ? v.reason : "");
		CHECK_STR(got, rows[i].want);
		if (v.counts)
			CHECK_INT(v.type, rows[i].type);
	}
}

/* --- days ------------------------------------------------------------------------------------------- */

TEST(days_are_those_of_the_calendar)
{
	static const struct {
		const char *text;
		long long start;
	} rows[] = { { "1970-01-01", 0 }, { "2026-11-23", 1795392000 },
		{ "2024-02-29", 1709164800 }, { "2026-02-29", -1 }, { "2026-13-01", -1 },
		{ "2026-00-10", -1 }, { "2026-11-31", -1 }, { "2026-1-1", -1 }, { "", -1 },
		{ "2026-11-23 ", -1 }, { "2026-11-2x", -1 }, { "+026-11-23", -1 },
		{ "1969-12-31", -1 }, { "2026/11/23", -1 } };
	char day[TLSRPT_DAY_BYTES];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(tlsrpt_day_parse(rows[i].text), rows[i].start);
	}
	tlsrpt_day_str(1795392000 + 86399, day);
	CHECK_STR(day, "2026-11-23");
	tlsrpt_day_str(1795392000 + 86400, day);
	CHECK_STR(day, "2026-11-24");
}

static void
read_text(struct tlsrpt_day *day, const char *text)
{
	tlsrpt_day_read(day, slice_str(text));
}

TEST(lines_that_are_the_same_are_summed_up_and_bad_ones_counted)
{
	struct tlsrpt_day day;
	struct buf out;

	tlsrpt_day_init(&day);
	read_text(&day,
	    "# summed up: 3\n\n"
	    "{\"domain\":\"b.test\",\"sessions\":2}\n"
	    "{\"domain\":\"a.test\",\"result\":\"tlsa-invalid\",\"ip\":\"192.0.2.1\",\"sessions\":"
	    "1}\n"
	    "{\"domain\":\"b.test\",\"sessions\":3}\n"
	    "{\"domain\":\"a.test\",\"result\":\"tlsa-invalid\",\"ip\":\"192.0.2.2\",\"sessions\":"
	    "1}\n"
	    "{\"domain\":\"a.test\",\"type\":\"sts\",\"mx\":[\"a\",\"b\"],\"sessions\":1}\n"
	    "{\"domain\":\"a.test\",\"type\":\"sts\",\"mx\":[\"ab\"],\"sessions\":1}\n");
	CHECK_INT(day.n, 5);
	CHECK_INT(day.bad, 0);
	read_text(&day, "{\"domain\":\"b.test\"}\n"          /* no number */
			"{\"domain\":\"\",\"sessions\":1}\n" /* no domain */
			"{\"domain\":\"b.test\",\"sessions\":-1}\n"
			"{\"domain\":\"b.test\",\"sessions\":9223372036854775807}\n"
			"{\"domain\":3,\"sessions\":1}\n"
			"{\"domain\":\"b\xff.test\",\"sessions\":1}\n" /* not UTF-8 */
			"nonsense\n"
			"{\"domain\":\"b.test\",\"sessions\":1}"); /* cut off */
	CHECK_INT(day.n, 5);
	CHECK_INT(day.bad, 8);
	tlsrpt_day_sort(&day);
	buf_init(&out, 10000);
	CHECK_INT(tlsrpt_day_write(&day, &out), 0);
	CHECK_STR(buf_str(&out),
	    "{\"domain\":\"a.test\",\"result\":\"tlsa-invalid\",\"ip\":\"192.0.2.1\",\"sessions\":"
	    "1}\n"
	    "{\"domain\":\"a.test\",\"result\":\"tlsa-invalid\",\"ip\":\"192.0.2.2\",\"sessions\":"
	    "1}\n"
	    "{\"domain\":\"a.test\",\"type\":\"sts\",\"mx\":[\"a\",\"b\"],\"sessions\":1}\n"
	    "{\"domain\":\"a.test\",\"type\":\"sts\",\"mx\":[\"ab\"],\"sessions\":1}\n"
	    "{\"domain\":\"b.test\",\"sessions\":5}\n");
	buf_free(&out);
	tlsrpt_day_free(&day);
}

TEST(too_many_different_results_lose_where_first_and_then_are_counted_as_left_out)
{
	struct tlsrpt_day day;
	struct buf text;

	tlsrpt_day_init(&day);
	buf_init(&text, 64 * 1024 * 1024);
	for (int i = 0; i < LIMIT_TLSRPT_ROWS; i++)
		buf_printf(&text,
		    "{\"domain\":\"a.test\",\"result\":\"tlsa-invalid\",\"ip\":\"%d\",\"sessions\":"
		    "1}\n",
		    i);
	tlsrpt_day_read(&day, slice_make(text.data, text.len));
	CHECK_INT(day.n, LIMIT_TLSRPT_ROWS / 2 + 1);
	CHECK_INT(day.rows[LIMIT_TLSRPT_ROWS / 2]->sessions, LIMIT_TLSRPT_ROWS / 2);
	buf_reset(&text);
	for (int i = 0; i < LIMIT_TLSRPT_ROWS; i++)
		buf_printf(&text, "{\"domain\":\"d%d.test\",\"sessions\":2}\n", i);
	tlsrpt_day_read(&day, slice_make(text.data, text.len));
	CHECK_INT(day.n, LIMIT_TLSRPT_ROWS);
	CHECK_INT(day.dropped, 2 * (LIMIT_TLSRPT_ROWS / 2 + 1));
	buf_free(&text);
	tlsrpt_day_free(&day);
}

/* --- files ------------------------------------------------------------------------------------------ */

#define NOW 1795400000 /* 2026-11-23 */

static long long
sessions_of(const char *dir, const char *name, long long *rows_r)
{
	struct tlsrpt_day day;
	struct fail why;
	long long sum = 0;

	fail_clear(&why);
	CHECK_INT(tlsrpt_store_load(dir, name, &day, &why), 0);
	CHECK_STR(why.text, "");
	for (size_t i = 0; i < day.n; i++)
		sum += day.rows[i]->sessions;
	*rows_r = (long long)day.n;
	tlsrpt_day_free(&day);
	return sum;
}

TEST(the_store_keeps_sums_up_and_drops)
{
	struct tlsrpt_session_facts f;
	struct scratch s;
	struct fail why;
	struct buf big;
	long long rows;

	scratch_begin(&s);
	char dir[100];
	snprintf(dir, sizeof(dir), "%s", scratch_path(&s, "tlsrpt"));
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), 0);
	CHECK_INT(tlsrpt_store_tidy(dir, NOW, &why), 0);
	facts_init_tlsrpt_session_facts(&f);
	f.domain = a_test;
	tlsrpt_store_append(dir, &f, NOW);
	tlsrpt_store_append(dir, &f, NOW);
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), 2);
	CHECK_INT(rows, 1);

	/* big enough to be summed up */
	buf_init(&big, 64 * 1024 * 1024);
	long long lines = 0;
	for (; big.len < LIMIT_TLSRPT_SUM_BYTES; lines++)
		buf_puts(&big, "{\"domain\":\"a.test\",\"sessions\":1}\n");
	scratch_write(&s, "tlsrpt/2026-11-23", big.data, big.len);
	CHECK_INT(tlsrpt_store_tidy(dir, NOW, &why), 0);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23"), F_OK), -1);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23.sum"), F_OK), 0);
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), lines);
	tlsrpt_store_append(dir, &f, NOW);
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), lines + 1);

	/* killed after the file was put aside: it counts; after it was summed up: not twice */
	scratch_write(&s, "tlsrpt/2026-11-23.2", "{\"domain\":\"b.test\",\"sessions\":7}\n", 34);
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), lines + 8);
	scratch_write(&s, "tlsrpt/2026-11-23.1", "{\"domain\":\"b.test\",\"sessions\":9}\n", 34);
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), lines + 8);
	scratch_write(&s, "tlsrpt/2026-11-23", big.data, big.len);
	CHECK_INT(tlsrpt_store_tidy(dir, NOW, &why), 0);
	CHECK_INT(sessions_of(dir, "2026-11-23", &rows), 2 * lines + 7);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23.1"), F_OK), -1);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23.2"), F_OK), -1);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23.3"), F_OK), -1);

	/* a day that is full takes no more */
	CHECK_INT(truncate(scratch_path(&s, "tlsrpt/2026-11-23.sum"), 0), 0);
	scratch_write(&s, "tlsrpt/2026-11-23", "\n", 1);
	CHECK_INT(truncate(scratch_path(&s, "tlsrpt/2026-11-23"), LIMIT_TLSRPT_DAY_BYTES), 0);
	tlsrpt_store_append(dir, &f, NOW);
	struct stat st;
	CHECK_INT(stat(scratch_path(&s, "tlsrpt/2026-11-23"), &st), 0);
	CHECK_INT(st.st_size, LIMIT_TLSRPT_DAY_BYTES);

	/* days go when they are old, other files stay */
	scratch_write(&s, "tlsrpt/notes", "x", 1);
	CHECK_INT(tlsrpt_store_tidy(dir, NOW + 86400 * LIMIT_TLSRPT_KEPT_DAYS, &why), 0);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23.sum"), F_OK), 0);
	CHECK_INT(tlsrpt_store_tidy(dir, NOW + 86400 * (LIMIT_TLSRPT_KEPT_DAYS + 1), &why), 0);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23"), F_OK), -1);
	CHECK_INT(access(scratch_path(&s, "tlsrpt/2026-11-23.sum"), F_OK), -1);
	CHECK_INT(scratch_count(&s, "tlsrpt"), 2); /* and the lock */

	CHECK_INT(chmod(dir, 0777), 0);
	CHECK_INT(tlsrpt_store_tidy(dir, NOW, &why), -1);
	CHECK_INT(why.code, FAIL_PERMISSION);
	buf_free(&big);
	scratch_end(&s);
}

TEST(gzip_gives_the_same_bytes_for_the_same_text)
{
	struct buf a, b, small;
	struct fail why;
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0 };

	buf_init(&a, 1000);
	buf_init(&b, 1000);
	buf_init(&small, 5);
	CHECK_INT(gzip(slice_str("hello hello hello"), &a, &why), 0);
	CHECK_INT(gzip(slice_str("hello hello hello"), &b, &why), 0);
	CHECK_MEM(a.data, a.len, b.data, b.len);
	CHECK_MEM(a.data, 8, head, 8);
	/* the length, at the end (RFC 1952 s2.3.1) */
	CHECK_INT((unsigned char)a.data[a.len - 4], 17);
	CHECK_INT(gzip(slice_str("hello hello hello"), &small, &why), -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	buf_free(&a);
	buf_free(&b);
	buf_free(&small);
}

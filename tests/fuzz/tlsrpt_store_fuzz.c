/* Files of the store of results: what was read comes back the same when it is written, and makes a report. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/send/tlsrpt_report.h"
#include "base/json.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
write_report(const struct tlsrpt_day *day, size_t from)
{
	struct tlsrpt_report report = { .organization = "o",
		.sender = "s.test",
		.contact = "c@s.test",
		.day = "2026-11-23",
		.domain = day->rows[from]->domain,
		.rows = &day->rows[from],
		.n = tlsrpt_report_rows(day, from) };
	struct buf out;

	must(report.n > 0);
	buf_init(&out, LIMIT_TLSRPT_REPORT_BYTES);
	tlsrpt_report_json(&report, &out);
	must(!out.full && memchr(out.data, '\n', out.len) == out.data + out.len - 1);
	tlsrpt_report_text(&report, &out);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tlsrpt_day day, again;
	struct buf one, two;

	tlsrpt_day_init(&day);
	tlsrpt_day_init(&again);
	buf_init(&one, 16 * 1024 * 1024);
	buf_init(&two, 16 * 1024 * 1024);
	tlsrpt_day_read(&day, slice_make((const char *)data, size));
	tlsrpt_day_sort(&day);
	must(tlsrpt_day_write(&day, &one) == 0);
	tlsrpt_day_read(&again, slice_make(buf_str(&one), one.len));
	tlsrpt_day_sort(&again);
	must(again.bad == 0 && again.n == day.n);
	must(tlsrpt_day_write(&again, &two) == 0);
	must(one.len == two.len && (one.len == 0 || memcmp(one.data, two.data, one.len) == 0));
	for (size_t i = 0; i < day.n; i += tlsrpt_report_rows(&day, i))
		write_report(&day, i);
	buf_free(&one);
	buf_free(&two);
	tlsrpt_day_free(&day);
	tlsrpt_day_free(&again);
	return 0;
}

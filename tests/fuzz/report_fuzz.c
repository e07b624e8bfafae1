#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/report/report.h"
#include "base/buf.h"

/*
 * Whatever stands in the files: every line is counted or told, every format can be written, JSON is JSON,
 * and what people read holds no control character. The first byte chooses options.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const struct buf *out, bool tabs)
{
	for (size_t i = 0; i < out->len; i++) {
		unsigned char c = (unsigned char)out->data[i];
		if ((c < 0x20 && c != '\n' && !(tabs && c == '\t')) || c == 0x7f)
			abort();
	}
}

static void
check_json(const struct buf *out)
{
	json_t *value = json_loadb(out->data, out->len, 0, NULL);

	if (!json_is_object(value))
		abort();
	json_decref(value);
}

static void
check_outputs(const struct report *report)
{
	struct buf out;

	buf_init(&out, 1 << 28);
	report_write_json(report, &out);
	check_json(&out);
	buf_reset(&out);
	report_write_text(report, &out);
	check_text(&out, false);
	buf_reset(&out);
	report_write_tsv(report, &out);
	check_text(&out, true);
	buf_reset(&out);
	report_write_markdown(report, &out);
	check_text(&out, false);
	buf_reset(&out);
	report_write_html(report, &out);
	check_text(&out, false);
	buf_free(&out);
}

static size_t told;

static void
complain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20)
			abort();
	told++;
}

/* Lines with something in them. */
static size_t
count_lines(const uint8_t *data, size_t size)
{
	size_t n = 0, start = 0;

	for (size_t i = 0; i <= size; i++) {
		if (i < size && data[i] != '\n')
			continue;
		size_t len = i - start;
		if (i < size && len > 0 && data[i - 1] == '\r')
			len--;
		n += len > 0;
		start = i + 1;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[40];
	static int fd = -1;
	char *paths[] = { path };
	struct fail why;

	if (size == 0)
		return 0;
	if (fd < 0) {
		fd = memfd_create("lines", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data + 1, size - 1, 0) != (ssize_t)size - 1)
		abort();
	struct report_options options = { .grouping = (enum report_grouping)((data[0] & 3) % 3),
		.anonymize = (data[0] & 4) != 0,
		.name_domains = (data[0] & 8) != 0,
		.top = 5,
		.complain = complain };
	bool compare = (data[0] & 16) != 0;
	struct report *report = report_new(&options);
	told = 0;
	if ((compare && report_read_old(report, paths, 1, &why) != 0) ||
	    report_read(report, paths, 1, &why) != 0)
		abort();
	size_t lines = count_lines(data + 1, size - 1);
	if (report->lines != lines << compare || report->left_out > report->lines ||
	    (report->left_out > 0 && told == 0))
		abort();
	if (report_finish(report))
		check_outputs(report);
	report_free(report);
	return 0;
}

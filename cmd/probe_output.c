#include "probe_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/probe/csv.h"
#include "app/probe/text.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/sched.h"

enum probe_format
probe_format_of(const char *path)
{
	static const struct {
		const char *end;
		enum probe_format format;
	} ends[] = { { ".json", FORMAT_JSON }, { ".jsonl", FORMAT_JSON },
		{ ".ndjson", FORMAT_JSON }, { ".csv", FORMAT_CSV },
		{ ".prom", FORMAT_PROMETHEUS } };
	size_t n = path == NULL ? 0 : strlen(path);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i].end);
		if (n > end && strcmp(path + n - end, ends[i].end) == 0)
			return ends[i].format;
	}
	return FORMAT_TEXT;
}

/* A reader that went away, or a full disk: nothing more can be told, so nothing more is found out. */
void
probe_output_bytes(struct probe_output *o, const char *text, size_t n)
{
	if (o->failed || n == 0)
		return;
	if (fwrite(text, 1, n, o->file) == n && fflush(o->file) == 0)
		return;
	o->failed = true;
	o->error = errno;
	sched_stop(clock_ms());
}

static void
write_waiting(struct probe_output *o, bool all)
{
	for (; o->printed < o->waiting_cap; o->printed++) {
		char *text = o->waiting[o->printed];
		if (text == NULL && !all)
			return;
		if (text == NULL)
			continue;
		probe_output_bytes(o, text, strlen(text));
		free(text);
		o->waiting[o->printed] = NULL;
	}
}

/* Records for people come in the order of the targets. */
static void
add_text(struct probe_output *o, size_t number, const struct target_facts *facts)
{
	struct buf text;
	size_t old = o->waiting_cap;

	while (o->waiting_cap <= number)
		o->waiting = mem_grow(o->waiting, o->waiting_cap, &o->waiting_cap, sizeof(char *));
	for (size_t i = old; i < o->waiting_cap; i++)
		o->waiting[i] = NULL;
	buf_init(&text, LIMIT_RECORD_BYTES);
	if (number > 0)
		buf_putc(&text, '\n');
	probe_text_write(facts, clock_wall(), o->colour, &text);
	o->waiting[number] = buf_steal(&text);
	write_waiting(o, false);
}

static void
begin_csv(struct probe_output *o, struct buf *out)
{
	if (!o->begun)
		probe_csv_header(out);
	o->begun = true;
}

/* Records for programs come as they are finished. */
static void
add_record(struct probe_output *o, const struct target_facts *facts)
{
	struct buf text;

	buf_init(&text, LIMIT_RECORD_BYTES);
	if (o->format == FORMAT_CSV) {
		begin_csv(o, &text);
		probe_csv_write(facts, &text);
	} else {
		facts_write_json(&fact_table_target_facts, facts, &text);
		buf_putc(&text, '\n');
	}
	if (!text.full)
		probe_output_bytes(o, text.data, text.len);
	else /* cannot be: LIMIT_TARGET_BYTES */
		fprintf(stderr, "mxtls probe: %s: the record is too long\n", facts->alabel);
	buf_free(&text);
}

void
probe_output_add(struct probe_output *o, size_t number, const struct target_facts *facts)
{
	switch (o->format) {
	case FORMAT_DEFAULT:
	case FORMAT_TEXT:
		add_text(o, number, facts);
		break;
	case FORMAT_JSON:
	case FORMAT_CSV:
		add_record(o, facts);
		break;
	case FORMAT_NAGIOS:
		probe_nagios_add(&o->nagios, number, facts, o->bar, o->at);
		break;
	case FORMAT_PROMETHEUS:
		probe_prometheus_add(&o->prometheus, facts);
		break;
	case FORMAT_NONE:
		break;
	}
}

int
probe_output_open(struct probe_output *o, enum probe_format format, const char *path,
    const struct bar *bar, int64_t at, struct fail *why)
{
	const char *no_color = getenv("NO_COLOR");

	o->format = format;
	o->file = stdout;
	o->bar = bar;
	o->at = at;
	if (path != NULL && strcmp(path, "-") != 0) {
		o->file = fopen(path, "we");
		if (o->file == NULL)
			return fail_errno(why, FAIL_CANT_CREATE, "cannot create %s", path);
		o->path = path;
	}
	/* no-color.org: set and not empty */
	o->colour = (no_color == NULL || no_color[0] == '\0') && isatty(fileno(o->file)) == 1;
	probe_nagios_init(&o->nagios);
	probe_prometheus_init(&o->prometheus);
	return 0;
}

int
probe_output_end(struct probe_output *o)
{
	struct buf text;
	int status = 0;

	write_waiting(o, true);
	buf_init(&text, PROBE_PROMETHEUS_METRICS * (size_t)LIMIT_RECORD_BYTES);
	if (o->format == FORMAT_CSV)
		begin_csv(o, &text);
	else if (o->format == FORMAT_NAGIOS)
		status = probe_nagios_write(&o->nagios, &text);
	else if (o->format == FORMAT_PROMETHEUS &&
		 probe_prometheus_write(&o->prometheus, &text) != 0)
		fprintf(stderr, "mxtls probe: too many samples for one file\n");
	probe_output_bytes(o, buf_str(&text), text.len);
	buf_free(&text);
	return status;
}

bool
probe_output_close(struct probe_output *o)
{
	bool ok = true;

	if (o->file == NULL)
		return true;
	write_waiting(o, true);
	free(o->waiting);
	probe_nagios_free(&o->nagios);
	probe_prometheus_free(&o->prometheus);
	if (o->file != stdout) {
		ok = fclose(o->file) == 0 && !o->failed;
		if (!ok)
			fprintf(stderr, "mxtls probe: cannot write to %s: %s\n", o->path,
			    strerror(o->failed ? o->error : errno));
	}
	return ok;
}

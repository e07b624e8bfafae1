#include "probe_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "io/signals.h"

#define RENEW_MS 500
#define COLUMNS 78

/* --- the two lines ------------------------------------------------------------------------------- */

/* Lines of the list that are done with. */
static uint64_t
done(const struct survey_status *s)
{
	return s->before + s->written + s->skipped;
}

static double
seconds(const struct survey_status *s, int64_t now_ms)
{
	return now_ms > s->start_ms ? (double)(now_ms - s->start_ms) / 1000 : 0.001;
}

/* Records a second since the start of this process. */
static double
rate(const struct survey_status *s, int64_t now_ms)
{
	return (double)s->written / seconds(s, now_ms);
}

/* Seconds to the end at this rate; negative when nobody knows. */
static double
seconds_left(const struct survey_status *s, int64_t now_ms)
{
	if (s->lines == 0 || s->written == 0 || s->lines < done(s))
		return -1;
	return (double)(s->lines - done(s)) / rate(s, now_ms);
}

static void
put_time(struct buf *out, double secs)
{
	long s = (long)secs;

	if (s >= 86400)
		buf_printf(out, "%ldd%02ldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		buf_printf(out, "%ldh%02ldm", s / 3600, s % 3600 / 60);
	else
		buf_printf(out, "%ldm%02lds", s / 60, s % 60);
}

void
probe_progress_line(const struct survey_status *s, int64_t now_ms, struct buf *out)
{
	double left = seconds_left(s, now_ms);

	buf_printf(out, "%llu", (unsigned long long)done(s));
	if (s->lines > 0)
		buf_printf(out, " of %llu (%.1f%%)", (unsigned long long)s->lines,
		    100.0 * (double)done(s) / (double)s->lines);
	buf_printf(
	    out, ", %.0f/s, %llu in flight", rate(s, now_ms), (unsigned long long)s->running);
	if (s->retry > 0)
		buf_printf(out, ", %llu to retry", (unsigned long long)s->retry);
	for (int i = 0; i <= VERDICT_UNDELIVERABLE; i++)
		if (s->verdicts[i] > 0)
			buf_printf(out, ", %llu %s", (unsigned long long)s->verdicts[i],
			    verdict_str((enum verdict)i));
	if (left >= 0) {
		buf_puts(out, ", ");
		put_time(out, left);
		buf_puts(out, " left");
	}
}

static void
put_count(struct json *j, const char *key, uint64_t n)
{
	json_key(j, slice_str(key));
	json_put_int(j, (int64_t)n);
}

void
probe_progress_json(
    const struct survey_status *s, const char *state, int64_t now_ms, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	json_key(&j, slice_str("state"));
	json_put_str(&j, state);
	json_key(&j, slice_str("time"));
	json_put_time(&j, clock_wall());
	put_count(&j, "lines", s->lines);
	put_count(&j, "done", done(s));
	put_count(&j, "records", s->before + s->written);
	put_count(&j, "records_before", s->before);
	put_count(&j, "pass", s->pass);
	put_count(&j, "to_retry", s->retry);
	put_count(&j, "looking_up", s->resolving);
	put_count(&j, "waiting", s->waiting);
	put_count(&j, "queued", s->queued);
	put_count(&j, "in_flight", s->running);
	put_count(&j, "servers", s->servers);
	put_count(&j, "connections", s->connections);
	json_key(&j, slice_str("records_per_second"));
	json_put_secs(&j, rate(s, now_ms));
	json_key(&j, slice_str("seconds"));
	json_put_secs(&j, seconds(s, now_ms));
	json_key(&j, slice_str("seconds_left"));
	json_put_secs(&j, seconds_left(s, now_ms));
	json_key(&j, slice_str("verdicts"));
	json_object_begin(&j);
	for (int i = 0; i <= VERDICT_UNDELIVERABLE; i++)
		put_count(&j, verdict_str((enum verdict)i), s->verdicts[i]);
	json_object_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
}

/* --- where they go ------------------------------------------------------------------------------- */

void
probe_progress_init(struct probe_progress *p, const char *path)
{
	memset(p, 0, sizeof(*p));
	p->path = path;
	p->terminal = isatty(STDERR_FILENO) == 1;
	signals_status_on();
}

/* One write for the whole line: it does not flicker. */
static void
renew_line(struct probe_progress *p, const struct survey_status *status, int64_t now_ms)
{
	struct buf line;
	char text[COLUMNS + 8];

	buf_init(&line, LIMIT_LOG_LINE_BYTES);
	probe_progress_line(status, now_ms, &line);
	if (line.len > COLUMNS)
		memcpy(line.data + COLUMNS - 3, "...", 4), line.len = COLUMNS;
	int n = snprintf(text, sizeof(text), "\r%-*s", (int)p->width, buf_str(&line));
	p->width = line.len;
	fwrite(text, 1, (size_t)n, stderr);
	fflush(stderr);
	buf_free(&line);
}

static void
clear_line(struct probe_progress *p)
{
	if (!p->terminal || p->width == 0)
		return;
	fprintf(stderr, "\r%*s\r", (int)p->width, "");
	p->width = 0;
}

/* Readers see the old line or the new one. */
static void
renew_file(struct probe_progress *p, const struct survey_status *status, const char *state)
{
	struct buf line, name;

	if (p->path == NULL)
		return;
	buf_init(&line, LIMIT_CONFIG_LINE_BYTES);
	buf_init(&name, LIMIT_CONFIG_LINE_BYTES);
	buf_printf(&name, "%s.new", p->path);
	probe_progress_json(status, state, clock_ms(), &line);
	FILE *file = fopen(buf_str(&name), "we");
	bool ok = file != NULL && fwrite(line.data, 1, line.len, file) == line.len;
	if (file != NULL && fclose(file) != 0)
		ok = false;
	if ((!ok || rename(buf_str(&name), p->path) != 0) && !p->complained) {
		p->complained = true;
		clear_line(p);
		fprintf(stderr, "mxtls probe: cannot write the status file %s\n", p->path);
	}
	buf_free(&line);
	buf_free(&name);
}

void
probe_progress_show(const struct survey_status *status, void *ctx)
{
	struct probe_progress *p = ctx;
	int64_t now = clock_ms();

	if (signals_status_wanted()) {
		struct buf line;
		buf_init(&line, LIMIT_LOG_LINE_BYTES);
		probe_progress_line(status, now, &line);
		clear_line(p);
		fprintf(stderr, "mxtls probe: %s\n", buf_str(&line));
		buf_free(&line);
	}
	if (now < p->told_ms + RENEW_MS)
		return;
	p->told_ms = now;
	renew_file(p, status, status->pass == 0 ? "running" : "retrying");
	if (p->terminal)
		renew_line(p, status, now);
}

void
probe_progress_end(struct probe_progress *p, const struct survey_status *status, const char *state)
{
	clear_line(p);
	renew_file(p, status, state);
	if (!p->terminal)
		return;
	struct buf line;
	buf_init(&line, LIMIT_LOG_LINE_BYTES);
	probe_progress_line(status, clock_ms(), &line);
	fprintf(stderr, "mxtls probe: %s: %s\n", state, buf_str(&line));
	buf_free(&line);
}

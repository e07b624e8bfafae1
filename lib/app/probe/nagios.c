#include "app/probe/nagios.h"

#include <string.h>

#include "base/text.h"
#include "policy/verdict.h"

/* NRPE takes 1024 bytes in its oldest version, 64 KiB in newer ones; Nagios itself 8 KiB. */
#define TEXT_BYTES 2000
#define PERFDATA_BYTES 4000
#define PART_BYTES 500
#define DAY 86400

/* By rank: the worst first, as verdict_exit_worst. */
static const int by_rank[] = { 2, 1, 3, 0 };
static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
static const char *const lower_words[] = { "ok", "warning", "critical", "unknown" };

void
probe_nagios_init(struct probe_nagios *n)
{
	memset(n, 0, sizeof(*n));
	arena_init(&n->arena);
	buf_init(&n->trouble, TEXT_BYTES);
}

void
probe_nagios_free(struct probe_nagios *n)
{
	arena_free(&n->arena);
	buf_free(&n->trouble);
}

/* Text on the line: no bytes that mean something to whoever reads it. */
static void
put(struct buf *out, const char *text, size_t max_bytes)
{
	size_t start = out->len;

	text_escape(out, slice_str(text == NULL ? "?" : text), max_bytes);
	for (size_t i = start; i < out->len; i++) {
		char *c = &out->data[i];
		*c = *c == '|' ? '/' : *c == '<' ? '(' : *c == '>' ? ')' : *c;
	}
}

/* --- one target ---------------------------------------------------------------------------------- */

static char *
part_text(const struct target_facts *facts, struct arena *arena)
{
	const struct summary_facts *summary = &facts->summary;
	struct buf out;

	buf_init(&out, 4 * PART_BYTES);
	put(&out, facts->domain, PART_BYTES / 2);
	buf_printf(&out, ": %s", verdict_str(summary->verdict));
	if (summary->exit_status != 0 && summary->reasons.n > 0) {
		buf_puts(&out, " (");
		for (size_t i = 0; i < summary->reasons.n; i++) {
			if (out.len > PART_BYTES) {
				buf_printf(&out, "; %zu more", summary->reasons.n - i);
				break;
			}
			if (i > 0)
				buf_puts(&out, "; ");
			put(&out, summary->reasons.v[i], PART_BYTES);
		}
		buf_putc(&out, ')');
	}
	if (summary->min_days_left >= 0)
		buf_printf(&out, ", %lld day%s left", (long long)summary->min_days_left,
		    summary->min_days_left == 1 ? "" : "s");
	char *text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

/* The certificate with limits that ends first. */
static const struct cert_facts *
first_to_end(const struct target_facts *facts)
{
	const struct cert_facts *first = NULL;

	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++)
			for (size_t k = 0; k < mx->hosts[j].tls_n; k++) {
				const struct tls_facts *tls = &mx->hosts[j].tls[k];
				const struct cert_facts *leaf =
				    facts_leaf(facts->certs, facts->certs_n, tls);
				if (leaf == NULL || leaf->not_after == 0 || !bar_concerns(mx, tls))
					continue;
				if (first == NULL || leaf->not_after < first->not_after)
					first = leaf;
			}
	}
	return first;
}

/* 'target name': quoted, since a target may hold what separates; no quote and no = within. */
static void
put_label(struct buf *out, const char *domain, const char *name)
{
	buf_puts(out, out->len > 0 ? " '" : "'");
	size_t start = out->len;
	if (domain != NULL) {
		put(out, domain, PART_BYTES / 2);
		buf_putc(out, ' ');
	}
	for (size_t i = start; i < out->len; i++)
		if (out->data[i] == '\'' || out->data[i] == '=')
			out->data[i] = '_';
	buf_printf(out, "%s'", name);
}

/* Each label names the target, so that it stays the same when targets are added. */
static char *
part_perfdata(
    const struct target_facts *facts, const struct bar *bar, int64_t at, struct arena *arena)
{
	const struct cert_facts *first = first_to_end(facts);
	const char *domain = facts->domain;
	int64_t warn, crit;
	struct buf out;

	buf_init(&out, 8 * PART_BYTES);
	if (first != NULL) {
		bar_limits(bar, first, &warn, &crit);
		int64_t days = (first->not_after - at) / DAY;
		put_label(&out, domain, "days_left");
		/* "14:" is a range: alert below 14 */
		buf_printf(&out, "=%lld;%lld:;%lld:", (long long)days, (long long)(warn / DAY),
		    (long long)(crit / DAY));
	}
	put_label(&out, domain, "addresses");
	buf_printf(&out, "=%lld;;;0", (long long)facts->summary.hosts);
	put_label(&out, domain, "unknown");
	buf_printf(&out, "=%lld;;;0", (long long)facts->summary.unknown);
	if (facts->duration >= 0) {
		put_label(&out, domain, "time");
		buf_printf(&out, "=%.3fs;;;0", facts->duration);
	}
	char *text = arena_strdup(arena, buf_str(&out));
	buf_free(&out);
	return text;
}

void
probe_nagios_add(struct probe_nagios *n, size_t number, const struct target_facts *facts,
    const struct bar *bar, int64_t at)
{
	while (n->parts_n <= number) {
		struct probe_nagios_part *part =
		    arena_push(&n->arena, &n->parts, &n->parts_n, sizeof(*part));
		part->status = -1;
	}
	n->parts[number] =
	    (struct probe_nagios_part){ .status = (int)facts->summary.exit_status & 3,
		    .text = part_text(facts, &n->arena),
		    .perfdata = part_perfdata(facts, bar, at, &n->arena) };
}

void
probe_nagios_trouble(struct probe_nagios *n, const char *text)
{
	if (n->trouble.len > 0)
		buf_puts(&n->trouble, "; ");
	put(&n->trouble, text, PART_BYTES);
}

/* --- the line ------------------------------------------------------------------------------------ */

/* "3 targets: 1 critical, 2 ok" */
static void
write_counts(const size_t counts[4], size_t total, struct buf *out)
{
	const char *separator = ": ";

	buf_printf(out, "%zu targets", total);
	for (size_t i = 0; i < 4; i++) {
		if (counts[by_rank[i]] == 0)
			continue;
		buf_printf(out, "%s%zu %s", separator, counts[by_rank[i]], lower_words[by_rank[i]]);
		separator = ", ";
	}
}

/* Those that are not good, worst first, as many as fit. */
static void
write_problems(const struct probe_nagios *n, struct buf *out)
{
	for (size_t rank = 0; rank < 3; rank++)
		for (size_t i = 0; i < n->parts_n; i++) {
			if (n->parts[i].status != by_rank[rank])
				continue;
			if (out->len + strlen(n->parts[i].text) > TEXT_BYTES) {
				buf_puts(out, "; ...");
				return;
			}
			buf_printf(out, "; %s", n->parts[i].text);
		}
}

static void
write_perfdata(const struct probe_nagios *n, struct buf *out)
{
	size_t written = 0;

	for (size_t i = 0; i < n->parts_n; i++) {
		const char *text = n->parts[i].perfdata;
		if (text == NULL || written + strlen(text) > PERFDATA_BYTES)
			continue;
		buf_printf(out, "%s%s", written == 0 ? " | " : " ", text);
		written += strlen(text);
	}
}

int
probe_nagios_write(const struct probe_nagios *n, struct buf *out)
{
	size_t counts[4] = { 0 }, total = 0;
	const struct probe_nagios_part *only = NULL;
	int status = n->trouble.len > 0 ? 3 : 0;

	for (size_t i = 0; i < n->parts_n; i++) {
		if (n->parts[i].status < 0)
			continue;
		only = &n->parts[i];
		counts[n->parts[i].status]++;
		total++;
		status = verdict_exit_worst(status, n->parts[i].status);
	}
	if (total == 0)
		status = 3;
	buf_printf(out, "MXTLS %s - ", words[status]);
	if (total == 1) {
		buf_puts(out, only->text);
	} else if (total > 1) {
		write_counts(counts, total, out);
		write_problems(n, out);
	}
	if (n->trouble.len > 0)
		buf_printf(out, "%s%s", total > 0 ? "; " : "", buf_str(&n->trouble));
	else if (total == 0)
		buf_puts(out, "no target was probed");
	write_perfdata(n, out);
	buf_putc(out, '\n');
	return status;
}

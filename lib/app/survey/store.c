/*
 * The files of a survey, and going on with one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/probe/address.h"
#include "app/probe/csv.h"
#include "app/survey/impl.h"
#include "app/survey/join.h"
#include "app/survey/line.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define COMPLAINTS 20 /* about lines, before they are only counted */

static char present; /* what a map's values point at */

bool
survey_bit(const struct survey_bits *bits, uint64_t i)
{
	return i / 8 < bits->n && (bits->v[i / 8] >> (i % 8) & 1) != 0;
}

void
survey_bit_set(struct survey_bits *bits, uint64_t i)
{
	while (i / 8 >= bits->n) {
		size_t n = bits->n;
		bits->v = mem_grow(bits->v, i / 8, &bits->n, 1);
		memset(bits->v + n, 0, bits->n - n);
	}
	bits->v[i / 8] |= (unsigned char)(1 << (i % 8));
}

/* --- names --------------------------------------------------------------------------------------- */

static int
open_beside(struct survey *s, struct survey_file *f, const char *end, bool keep, struct fail *why)
{
	struct buf name;
	int ret;

	if (s->output.is_stream || s->options->csv)
		return survey_file_open_unnamed(
		    f, s->output.is_stream ? NULL : s->options->output, why);
	buf_init(&name, LIMIT_CONFIG_LINE_BYTES);
	buf_printf(&name, "%s%s", s->options->output, end);
	ret = survey_file_open(f, buf_str(&name), keep, NULL, why);
	buf_free(&name);
	return ret;
}

/* A survey of days must not be lost because somebody forgot a word. */
static int
check_unfinished(const struct survey_options *options, struct fail *why)
{
	struct buf name;
	int ret = 0;

	if (options->output == NULL || strcmp(options->output, "-") == 0 || options->resume)
		return 0;
	buf_init(&name, LIMIT_CONFIG_LINE_BYTES);
	buf_printf(&name, "%s.cache", options->output);
	if (access(buf_str(&name), F_OK) == 0)
		ret = fail_set(why, FAIL_USAGE,
		    "%s belongs to a survey that is not finished: go on with it by --resume, or "
		    "remove that file",
		    buf_str(&name));
	buf_free(&name);
	return ret;
}

/* --- reading what is there ----------------------------------------------------------------------- */

static void
complain(const struct survey_file *f, uint64_t line, const char *what, unsigned *complaints)
{
	if (++*complaints <= COMPLAINTS)
		log_warn("%s:%llu: %s", f->path, (unsigned long long)line, what);
}

static void
complain_end(const struct survey_file *f, unsigned complaints)
{
	if (complaints > COMPLAINTS)
		log_warn("%s: %u more lines like these", f->path, complaints - COMPLAINTS);
}

/* What must be the same for the records to be those of one survey. */
static int
check_meta(const struct survey *s, struct slice line, struct fail *why)
{
	const struct survey_meta_facts *now = s->options->meta;
	struct survey_meta_facts then;
	struct arena arena;
	const char *other = NULL;

	arena_init(&arena);
	if (facts_read_json(&fact_table_survey_meta_facts, line.p, line.n, &arena, &then, why) !=
	    0) {
		arena_free(&arena);
		return fail_prefix(why, "%s:1", s->output.path);
	}
#define DIFFERS(member, what) \
	if (other == NULL && now->member != then.member) \
	other = what
#define DIFFERS_STR(member, what) \
	if (other == NULL && !slice_eq(slice_str(now->member), slice_str(then.member))) \
	other = what
	DIFFERS_STR(input_sha256, "the list");
	DIFFERS_STR(shard, "--shard");
	DIFFERS(dedupe, "--dedupe-output");
	DIFFERS(port, "--port");
	DIFFERS(implicit_tls, "--implicit-tls");
	DIFFERS(family, "-4, -6 or --source");
	DIFFERS_STR(mx, "--mx");
	DIFFERS_STR(key_types, "--key-types");
	DIFFERS_STR(sni, "--sni");
	DIFFERS(dane, "--no-dane");
	DIFFERS(mta_sts, "--no-mta-sts");
	DIFFERS(tlsrpt, "--no-tlsrpt");
	DIFFERS(caa, "--caa");
	arena_free(&arena);
	if (other == NULL)
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "%s was begun with another value of what has to stay: %s; finish it as it was begun, "
	    "or "
	    "take another file",
	    s->output.path, other);
}

static void
note_host(struct survey *s, struct slice line)
{
	struct survey_host_facts host;
	struct arena arena;
	struct addr to;
	const char *name, *digest;
	bool made;

	arena_init(&arena);
	if (facts_read_json(&fact_table_survey_host_facts, line.p, line.n, &arena, &host, NULL) ==
		0 &&
	    host.ref != NULL && survey_ref_parse(host.ref, &arena, &to, &name, &digest)) {
		uint32_t number = survey_server(&s->table, &to, name, digest, &made);
		survey_server_at(&s->table, number)->told = true;
	}
	arena_free(&arena);
}

static void
note_cert(struct survey *s, struct slice line)
{
	struct survey_cert_facts cert;
	struct arena arena;

	arena_init(&arena);
	if (facts_read_json(&fact_table_survey_cert_facts, line.p, line.n, &arena, &cert, NULL) ==
		0 &&
	    cert.cert.fingerprint != NULL)
		map_set(&s->told_certs, slice_str(cert.cert.fingerprint), &present);
	arena_free(&arena);
}

/* Which lines have their record. */
static int
read_output(struct survey *s, struct fail *why)
{
	struct survey_lines lines;
	struct slice line;
	int64_t offset;
	uint64_t seq;
	unsigned complaints = 0;
	int ret = 0;

	survey_lines_init(&lines, &s->output, 0, s->output.size);
	while (ret == 0 && survey_lines_next(&lines, &line, &offset)) {
		enum survey_line kind = survey_line_kind(line, &seq);
		if (lines.number == 1 && kind != SURVEY_LINE_META)
			ret = fail_set(why, FAIL_USAGE,
			    "%s:1: not the first line of a survey: nothing to go on with",
			    s->output.path);
		else if (lines.number == 1)
			ret = check_meta(s, line, why);
		else if (kind == SURVEY_LINE_FOREIGN)
			complain(&s->output, lines.number,
			    "torn, or no line of a survey: it is left as it is", &complaints);
		else if (kind == SURVEY_LINE_DOMAIN && survey_bit(&s->written, seq))
			complain(&s->output, lines.number,
			    "a second record of the same line of the list", &complaints);
		else if (kind == SURVEY_LINE_DOMAIN)
			survey_bit_set(&s->written, seq), s->status->before++;
		else if (kind == SURVEY_LINE_HOST)
			note_host(s, line);
		else if (kind == SURVEY_LINE_CERTIFICATE)
			note_cert(s, line);
	}
	complain_end(&s->output, complaints);
	survey_lines_free(&lines);
	return ret;
}

/* A server that was asked before; not again in the same pass. */
static bool
read_server(struct survey *s, struct slice line, int64_t offset)
{
	struct server_facts facts;
	struct arena arena;
	struct addr to;
	bool made, ok = false;

	arena_init(&arena);
	if (survey_line_is_whole(line) && line.n < SURVEY_LINE_BYTES &&
	    facts_read_json(&fact_table_server_facts, line.p, line.n, &arena, &facts, NULL) == 0 &&
	    facts.host.ip != NULL &&
	    addr_parse_ip(slice_str(facts.host.ip), (uint16_t)facts.host.port, &to)) {
		uint32_t number =
		    survey_server(&s->table, &to, facts.name, facts.tlsa_digest, &made);
		struct survey_server *server = survey_server_at(&s->table, number);
		if (server->state != SURVEY_FINISHED) {
			struct survey_address *address = survey_address(&s->table, &to);
			if (address->names++ == 0)
				address->first = number;
			s->status->servers++;
		}
		server->state = SURVEY_FINISHED;
		server->at = survey_file_at(offset, line.n + 1);
		server->pass = (uint8_t)facts.pass;
		server->measured = !probe_worth_retry(&facts.host);
		ok = true;
	}
	arena_free(&arena);
	return ok;
}

static void
read_cache(struct survey *s)
{
	struct survey_lines lines;
	struct slice line;
	int64_t offset;
	unsigned complaints = 0;

	survey_lines_init(&lines, &s->cache, 0, s->cache.size);
	while (survey_lines_next(&lines, &line, &offset))
		if (!read_server(s, line, offset))
			complain(&s->cache, lines.number,
			    "torn, or no line of this file: its server is asked again",
			    &complaints);
	complain_end(&s->cache, complaints);
	survey_lines_free(&lines);
}

/* Lines that have been through the first pass. */
static void
read_retry(struct survey *s)
{
	struct survey_lines lines;
	struct slice line;
	int64_t offset;
	unsigned complaints = 0;
	unsigned long long seq;

	survey_lines_init(&lines, &s->retry, 0, s->retry.size);
	while (survey_lines_next(&lines, &line, &offset)) {
		if (!slice_number(slice_word(&line), UINT32_MAX, &seq) || seq == 0)
			complain(
			    &s->retry, lines.number, "no line of this file: left out", &complaints);
		else if (!survey_bit(&s->written, seq) && !survey_bit(&s->retried, seq))
			survey_bit_set(&s->retried, seq), s->status->retry++;
	}
	complain_end(&s->retry, complaints);
	survey_lines_free(&lines);
}

/* --- opening and closing ------------------------------------------------------------------------- */

static int
write_first_line(struct survey *s, struct fail *why)
{
	struct buf out;

	buf_init(&out, LIMIT_RECORD_BYTES);
	if (s->options->csv) {
		probe_csv_header(&out);
	} else {
		facts_write_json(&fact_table_survey_meta_facts, s->options->meta, &out);
		buf_putc(&out, '\n');
	}
	bool ok = survey_file_append(&s->output, out.data, out.len, NULL);
	buf_free(&out);
	if (!ok)
		*why = s->output.why;
	return ok ? 0 : -1;
}

int
survey_store_open(struct survey *s, struct fail *why)
{
	const struct survey_options *options = s->options;
	int64_t torn;

	if (check_unfinished(options, why) != 0 ||
	    survey_file_open(&s->output, options->output, options->resume, &torn, why) != 0)
		return -1;
	if (options->resume && s->output.is_stream)
		return fail_set(why, FAIL_USAGE, "option --resume: --output has to be a file");
	if (torn > 0)
		log_warn("%s: %lld bytes behind the last whole line: a torn record, cut off",
		    s->output.path, (long long)torn);
	bool keep = options->resume && s->output.size > 0;
	if (open_beside(s, &s->cache, ".cache", keep, why) != 0 ||
	    open_beside(s, &s->retry, ".retry", keep, why) != 0 ||
	    survey_file_open_unnamed(
		&s->spool, s->output.is_stream ? NULL : options->output, why) != 0)
		return -1;
	survey_results_init(&s->results, &s->cache);
	/* a pipe gets records only */
	if (s->output.is_stream && !options->csv)
		return 0;
	if (!keep)
		return write_first_line(s, why);
	if (read_output(s, why) != 0)
		return -1;
	read_cache(s);
	read_retry(s);
	return 0;
}

void
survey_store_close(struct survey *s, bool all)
{
	if (s->results.file != NULL)
		survey_results_free(&s->results);
	if (all && !s->output.is_stream && !s->options->csv) {
		unlink(s->cache.path);
		unlink(s->retry.path);
	}
	survey_file_close(&s->output);
	survey_file_close(&s->cache);
	survey_file_close(&s->retry);
	survey_file_close(&s->spool);
	free(s->written.v);
	free(s->retried.v);
	free(s->seen.v);
}

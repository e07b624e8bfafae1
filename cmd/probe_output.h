#ifndef PROBE_OUTPUT_H
#define PROBE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "app/probe/nagios.h"
#include "app/probe/prometheus.h"
#include "base/facts.h"
#include "base/fail.h"
#include "policy/bar.h"

/*
 * Where the records of mxtls probe go, in each format. Text comes in the order of the targets, JSON
 * and CSV as targets end, one line for Nagios and the metrics of Prometheus at the end of the run.
 */

enum probe_format {
	FORMAT_DEFAULT, /* none given: by the name of the file, else text */
	FORMAT_TEXT,
	FORMAT_JSON,
	FORMAT_CSV,
	FORMAT_NAGIOS,
	FORMAT_PROMETHEUS,
	FORMAT_NONE /* nothing of these: something else goes to standard output */
};

/* What the end of a file's name asks for: .json .jsonl .ndjson .csv .prom; else FORMAT_TEXT. */
enum probe_format probe_format_of(const char *path);

struct probe_output {
	enum probe_format format;
	FILE *file;
	const char *path; /* NULL: standard output */
	bool colour;
	bool begun;  /* the header of CSV is written */
	bool failed; /* nothing more can be written */
	int error;
	const struct bar *bar;
	int64_t at; /* certificates are judged as of */
	/* Text waits for the targets before it; a record is text, NULL when there is none yet. */
	char **waiting;
	size_t waiting_cap, printed;
	struct probe_nagios nagios;
	struct probe_prometheus prometheus;
};

/* path: NULL or "-" is standard output. Fails with CANT_CREATE. */
int probe_output_open(struct probe_output *o, enum probe_format format, const char *path,
    const struct bar *bar, int64_t at, struct fail *why);
/* The record of a target. */
void probe_output_add(struct probe_output *o, size_t number, const struct target_facts *facts);
/* Further bytes for the same place. */
void probe_output_bytes(struct probe_output *o, const char *text, size_t n);
/*
 * Everything is there: write what waits. Returns the status of the Nagios line, 0 with another
 * format.
 */
int probe_output_end(struct probe_output *o);
/* Whether all records are where they belong; standard output is main's business. Frees. */
bool probe_output_close(struct probe_output *o);

#endif

"""mxtls report: beside jq over the same records, and what memory and CPU do as records grow."""

import json
import os
import shutil
import sys

from measure import Failed, Program, Table, median, ratio

# One question of the many that a report answers.
JQ = "group_by(.summary.verdict) | map({verdict: .[0].summary.verdict, domains: length})"
PATIENCE_S = 600


def maker(bench, records, *options):
    """The words that write records to standard output."""
    return [sys.executable, bench.root / "tests/lib/survey_make.py", "--records", records, *options]


def run(bench, *words):
    """A program: what it has written, and what it took."""
    peak = bench.dir / "peak"
    program = Program(bench.log, bench.build / "tests/bench/peak", peak, *words)
    program.output = program.rest(PATIENCE_S)
    program.cpu = program.end()
    program.peak = int(peak.read_text()) * 1024
    return program


def report(bench, path):
    program = run(bench, bench.build / "mxtls", "report", "--json", path)
    program.report = json.loads(program.output)
    return program


def verdicts(program):
    rows = program.report["tables"]["verdict"]["rows"]
    return {row["value"]: row["domains"] for row in rows if row["domains"] > 0}


def beside_jq(bench):
    path = bench.dir / "records.ndjson"
    with open(path, "wb") as f:
        f.write(run(bench, *maker(bench, bench.report_records)).output.encode())
    ours, theirs = [], []
    for _ in range(bench.pairs):
        ours.append(report(bench, path))
        theirs.append(run(bench, shutil.which("jq"), "-s", "-c", JQ, path))
        told = {group["verdict"]: group["domains"] for group in json.loads(theirs[-1].output)}
        if told != verdicts(ours[-1]):
            raise Failed(f"report: the verdicts are {verdicts(ours[-1])}, by jq {told}")
    table = Table(
        f"report: {bench.report_records} records, {path.stat().st_size / 1048576:.0f} MiB; jq: one of the questions",
        "", "CPU s", "s", "peak MiB", "CPU, jq to ours", "time, jq to ours",
    )  # fmt: skip
    for name, runs, ratios in (
        ("mxtls report --json", ours, ["1", "1"]),
        ("jq -s 'group_by(...)'", theirs, [
            ratio(t.cpu.total / o.cpu.total for t, o in zip(theirs, ours)),
            ratio(t.seconds / o.seconds for t, o in zip(theirs, ours)),
        ]),
    ):  # fmt: skip
        table.row(
            name, f"{median(r.cpu.total for r in runs):.2f}", f"{median(r.seconds for r in runs):.2f}",
            f"{median(r.peak for r in runs) / 1048576:.1f}", *ratios,
        )  # fmt: skip
    bench.say(table)
    path.unlink()


def growth(bench):
    """Any number of records over the same servers, by a pipe: a million of them are 6 GB."""
    table = Table(
        "report: records over the same servers", "records", "MX hosts", "CPU us/record", "peak MiB"
    )
    pipe = bench.dir / "records.pipe"
    os.mkfifo(pipe)
    for records in bench.report_growth:
        words = maker(bench, records, "--providers", 40, "--own", 100)
        source = Program(bench.log, "sh", "-c", 'out=$1; shift; exec "$@" > "$out"', "sh", pipe, *words)
        reader = report(bench, pipe)
        source.end()
        if reader.report["survey"]["records"] != records:
            raise Failed(f"report: {reader.report['survey']['records']} of {records} records")
        table.row(
            records, reader.report["denominators"]["mx_hosts"]["names"],
            f"{reader.cpu.total / records * 1e6:.1f}", f"{reader.peak / 1048576:.1f}",
        )  # fmt: skip
    bench.say(table)


def measure(bench):
    beside_jq(bench)
    growth(bench)

"""Durable files: the raw rate of the disk, and what commit helpers make of it."""

import shutil

from measure import Program, Table, median, ratio

PROCESSES = 16
FIBERS = 64
HELPERS = 4


def rate(bench, program, *argv):
    folder = bench.dir / "disk"
    folder.mkdir()
    run = Program(bench.log, bench.build / "tests/bench" / program, folder, *argv)
    files = int(run.rest())
    run.end()
    shutil.rmtree(folder)
    return files


def measure(bench):
    raw, grouped = [], []
    for _ in range(bench.pairs):
        raw.append(rate(bench, "rawcommit", PROCESSES, bench.commit_seconds, "rename"))
        grouped.append(rate(bench, "commitrate", FIBERS, bench.commit_seconds, HELPERS))
    table = Table("commits: durable maildir files of 5 KB a second", "", "files/s", "to the raw rate")
    table.row(f"write, fsync, rename, fsync by {PROCESSES} processes", median(raw), "1")
    table.row(
        f"one process, {FIBERS} fibers, {HELPERS} commit helpers", median(grouped),
        ratio(g / r for g, r in zip(grouped, raw)),
    )  # fmt: skip
    bench.say(table)

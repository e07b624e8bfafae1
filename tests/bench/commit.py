"""Durable files: the raw rate of the disk, and what commit helpers make of it."""

from measure import Program, Table, median, ratio

PROCESSES = 16
HELPERS = 16


def rate(bench, program, *argv):
    """Files a second, on a file system of its own."""
    folder = (bench.dir / "disk").resolve()
    run = Program(bench.log, bench.root / "tests/bench/disk", folder, bench.build / "tests/bench" / program,
                  folder / "files", *argv)  # fmt: skip
    files = int(run.rest())
    run.end()
    return files


def measure(bench):
    raw, ours = [], {(into, fibers): [] for into in ("maildir", "queue") for fibers in (PROCESSES, 64)}
    for _ in range(bench.pairs):
        raw.append(rate(bench, "rawcommit", PROCESSES, bench.commit_seconds, "rename"))
        for (into, fibers), rates in ours.items():
            rates.append(rate(bench, "commitrate", fibers, bench.commit_seconds, HELPERS, into))
    table = Table("commits: durable files of 5 KB a second", "", "files/s", "to the raw rate")
    table.row(f"write, fsync, rename, fsync by {PROCESSES} processes", round(median(raw)), "1")
    for (into, fibers), rates in ours.items():
        table.row(f"{into}: one process, {fibers} fibers, {HELPERS} commit helpers", round(median(rates)),
                  ratio(g / r for g, r in zip(rates, raw)))  # fmt: skip
    bench.say(table)

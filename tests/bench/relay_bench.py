"""The relay: 5 KB messages through listen into the queue, and on to a sink, beside Postfix."""

import os
import subprocess

from commit import PROCESSES, rate
from measure import Failed, Table, median, ratio


RUNS = (
    ("postfix", "intake", "Postfix, into its queue"),
    ("opensmtpd", "intake", "OpenSMTPD, into its queue: it does not sync"),
    ("mxtls", "intake", "mxtls, into the queue"),
    ("mxtls", "maildir", "mxtls, into a maildir"),
    ("postfix", "relay", "Postfix, through it to smtp-sink"),
    ("mxtls", "relay", "mxtls, through it to smtp-sink"),
)


def seconds(bench, who, messages, what):
    """Seconds for so many messages from the same generator, with fsync, on the same disk."""
    folder = (bench.dir / "disk").resolve()
    result = subprocess.run(
        [bench.root / "tests/bench/disk", folder, bench.root / "tests/box", bench.root / "tests/bench/relay_rate.sh",
         (bench.build / "mxtls").resolve(), who, str(messages), what, str(PROCESSES)],
        stdout=subprocess.PIPE, stderr=open(bench.log, "ab"), timeout=600, check=False, env=dict(
            os.environ, QUEUE_DISK=str(folder / "relay")),
    )  # fmt: skip
    if result.returncode != 0:
        raise Failed(f"relay: {who} did not take everything, see {bench.log}")
    return float(result.stdout.split()[-1])


def measure(bench):
    messages = 1000 if bench.quick else 5000
    raw, rates = [], {run: [] for run in RUNS}
    for _ in range(bench.pairs):
        raw.append(rate(bench, "rawcommit", PROCESSES, bench.commit_seconds, "rename"))
        for run in RUNS:
            rates[run].append(messages / seconds(bench, run[0], messages, run[1]))
    table = Table(f"relay: 5 KB messages a second by {PROCESSES} sessions of smtp-source, on a disk", "", "a second",
                  "to Postfix", "to the raw rate")  # fmt: skip
    table.row(f"write, fsync, rename, fsync by {PROCESSES} processes", round(median(raw)), "", "1")
    for run in RUNS:
        beside = rates[RUNS[4] if run[1] == "relay" else RUNS[0]]
        table.row(
            run[2], round(median(rates[run])), ratio(m / p for m, p in zip(rates[run], beside)),
            ratio(m / r for m, r in zip(rates[run], raw)),
        )  # fmt: skip
    bench.say(table)

"""The relay: 5 KB messages through listen into the queue, and on to a sink, beside Postfix."""

import os
import subprocess

from commit import rate
from measure import Failed, Table, median, ratio


def seconds(bench, who, messages, what):
    """Seconds for so many messages from the same generator, with fsync, on the same disk."""
    result = subprocess.run(
        [bench.root / "tests/box", bench.root / "tests/bench/relay_rate.sh", (bench.build / "mxtls").resolve(), who,
         str(messages), what],
        stdout=subprocess.PIPE, stderr=open(bench.log, "ab"), timeout=600, check=False, env=dict(
            os.environ, QUEUE_DISK=str((bench.dir / "relay-disk").resolve())),
    )  # fmt: skip
    if result.returncode != 0:
        raise Failed(f"relay: {who} did not take everything, see {bench.log}")
    return float(result.stdout.split()[-1])


def measure(bench):
    messages = 1000 if bench.quick else 5000
    raw, taken, relayed = [], {"mxtls": [], "postfix": []}, {"mxtls": [], "postfix": []}
    for _ in range(bench.pairs):
        raw.append(rate(bench, "rawcommit", 16, bench.commit_seconds, "rename"))
        for who in taken:
            taken[who].append(messages / seconds(bench, who, messages, "intake"))
            relayed[who].append(messages / seconds(bench, who, messages, "relay"))
    table = Table("relay: 5 KB messages a second by 16 sessions of smtp-source, on a disk", "", "a second", "to Postfix",
                  "to the raw rate")  # fmt: skip
    table.row("write, fsync, rename, fsync by 16 processes", median(raw), "", "1")
    for title, rates in (("into the queue", taken), ("through it to smtp-sink", relayed)):
        for who, name in (("postfix", "Postfix"), ("mxtls", "mxtls")):
            table.row(
                f"{name}, {title}", round(median(rates[who])),
                ratio(m / p for m, p in zip(rates[who], rates["postfix"])),
                ratio(m / r for m, r in zip(rates[who], raw)),
            )  # fmt: skip
    bench.say(table)

"""Queueing a message: what a call of sendmail costs, beside Postfix."""

import os
import subprocess

from measure import Failed, Table, median, ms, ratio


def measure(bench):
    result = subprocess.run(
        [bench.root / "tests/box", bench.root / "tests/bench/submit_cpu.sh", bench.build.resolve(),
         str(2 if bench.quick else 9), str(20 if bench.quick else 100)],
        stdout=subprocess.PIPE, stderr=open(bench.log, "ab"), timeout=600, check=False, env=dict(os.environ),
    )  # fmt: skip
    if result.returncode != 0:
        raise Failed(f"submit: not every message was queued, see {bench.log}")
    rows = [[float(v) for v in line.split()] for line in result.stdout.splitlines()]
    table = Table("sendmail: a message of 1 KB into the queue, CPU", "", "a message, ms", "to Postfix")
    for column, name in enumerate(["Postfix sendmail", "mxtls-submit"]):
        table.row(name, ms(median(r[column] for r in rows)), ratio(r[column] / r[0] for r in rows))
    bench.say(table)

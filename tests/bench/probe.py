"""probe: many targets at once in one process, seen from the client's side."""

import os

from measure import Failed, Program, Table, kib, median, median_cpu, ms, ratio


class Run:
    """What one run cost probe, per target: greeting to QUIT, chain verified, JSON written."""

    def __init__(self, bench, at_once, rounds):
        self.targets = at_once * rounds
        farm = Program(
            bench.log, bench.build / "tests/bench/smtpfarm", bench.certs / "ecdsa.chain",
            bench.certs / "ecdsa.key", at_once, "hold",
        )  # fmt: skip
        port = farm.line(r"^listening on \S+:(\d+)$")
        records = self._start(bench, port, at_once)
        peak = int(farm.line(r"^peak (\d+)$"))
        self.resident = self.probe.memory()
        farm.go()
        self.cpu = self.probe.end(status=None).per(self.targets)
        self.seconds = self.probe.seconds
        farm.stop()
        self._check(records, peak, at_once)

    def _start(self, bench, port, at_once):
        targets, records = bench.dir / "targets", bench.dir / "records.ndjson"
        with open(targets, "w", encoding="ascii") as f:
            for i in range(self.targets):
                f.write(f"[127.2.{i // 250}.{i % 250 + 1}]:{port}\n")
        if records.exists():
            os.unlink(records)
        self.probe = Program(
            bench.log, bench.build / "mxtls", "probe", "-f", targets, "--json", "-o", records,
            "--concurrency", at_once, "--ca-file", bench.certs / "root.crt",
            "--helo", "probe.example", "--key-types", "any", "--retries", 0, "--timeout", "120s", "--deadline", "300s",
        )  # fmt: skip
        return records

    def _check(self, records, peak, at_once):
        with open(records, encoding="utf-8") as f:
            good = sum('"status":"success"' in r and '"browser_trusted":true' in r for r in f)
        if peak != at_once or good != self.targets:
            raise Failed(
                f"probe: {peak} of {at_once} at once, {good} of {self.targets} verified; see {records}"
            )


def measure(bench):
    alone = Run(bench, 1, 1).resident
    bare, runs = [], []
    for _ in range(bench.pairs):
        bare.append(bench.bare.run()[1])
        runs.append(Run(bench, bench.at_once, 1))
    table = Table(
        f"probe: {bench.at_once} targets at once in one process; CPU of the client per target, chain verified",
        "", "user ms", "system ms", "total ms", "to the bare handshake", "memory KiB",
    )  # fmt: skip
    cpu = median_cpu(bare)
    table.row(
        "bare handshake (s_time -verify 3)", ms(cpu.user), ms(cpu.system), ms(cpu.total), "1", ""
    )
    cpu = median_cpu([r.cpu for r in runs])
    table.row(
        "STARTTLS, JSON record (--key-types any)", ms(cpu.user), ms(cpu.system), ms(cpu.total),
        ratio(r.cpu.total / b.total for r, b in zip(runs, bare)),
        kib(median((r.resident - alone) / bench.at_once for r in runs)),
    )  # fmt: skip
    bench.say(table)
    growth(bench, alone)


def growth(bench, alone):
    table = Table(
        "probe: how it grows",
        "at once", "targets", "CPU ms/target", "memory KiB/target", "seconds",
    )  # fmt: skip
    for at_once in bench.growth:
        rounds = max(1, min(500, bench.growth_sessions // at_once))
        run = Run(bench, at_once, rounds)
        memory = kib((run.resident - alone) / at_once) if at_once > 1 else ""
        table.row(at_once, run.targets, ms(run.cpu.total), memory, f"{run.seconds:.1f}")
    bench.say(table)

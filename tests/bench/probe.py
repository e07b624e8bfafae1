"""probe: one process for one target, and many targets at once in one process, seen from the
client's side."""

import os
import pathlib
import shutil

from measure import Failed, Program, Table, kib, median, median_cpu, ms, ratio

ONE_KEY = [("ecdsa.chain", "ecdsa.key")]
BOTH_KEYS = [("both-rsa.chain", "both-rsa.key"), ("both-ecdsa.chain", "both-ecdsa.key")]


def start_farm(bench, at_once, mode, certs):
    files = [bench.certs / name for pair in certs for name in pair]
    farm = Program(bench.log, bench.build / "tests/bench/smtpfarm", at_once, mode, *files)
    return farm, farm.line(r"^listening on \S+:(\d+)$")


class Run:
    """What one run cost probe, per target: greeting to QUIT, chain verified, JSON written. The
    targets are operands, or with survey a list (-f), whose results also go through a file."""

    def __init__(self, bench, at_once, rounds, both=False, survey=False):
        self.targets = at_once * rounds
        farm, port = start_farm(bench, at_once, "hold", BOTH_KEYS if both else ONE_KEY)
        records = self._start(bench, port, at_once, "rsa,ecdsa" if both else "any", survey)
        peak = int(farm.line(r"^peak (\d+)$"))
        self.resident = self.probe.memory()
        farm.go()
        self.cpu = self.probe.end(status=None).per(self.targets)
        self.seconds = self.probe.seconds
        farm.stop()
        self._check(records, peak, at_once, 2 if both else 1)

    def _start(self, bench, port, at_once, keys, survey):
        folder = bench.dir / "records"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        records = folder / "records.ndjson"
        targets = [f"[127.2.{i // 250}.{i % 250 + 1}]:{port}" for i in range(self.targets)]
        if survey:
            with open(bench.dir / "targets", "w", encoding="ascii") as f:
                f.writelines(target + "\n" for target in targets)
            targets = ["-f", bench.dir / "targets"]
        self.probe = Program(
            bench.log, bench.build / "mxtls", "probe", "--json", "-o", records,
            "--concurrency", at_once, "--ca-file", bench.certs / "root.crt",
            "--helo", "probe.example", "--key-types", keys, "--retries", 0, "--timeout", "120s", "--deadline", "300s",
            *targets,
        )  # fmt: skip
        return records

    def _check(self, records, peak, at_once, handshakes):
        with open(records, encoding="utf-8") as f:
            good = sum(
                '"status":"success"' in r and r.count('"browser_trusted":true') == handshakes
                for r in f
            )
        if peak != at_once or good != self.targets:
            raise Failed(
                f"probe: {peak} of {at_once} at once, {good} of {self.targets} verified; see {records}"
            )


# --- one process ------------------------------------------------------------------------------------


def postfix_client(bench):
    """posttls-finger as `make deps` unpacks it, and an environment it starts in; or None."""
    debs = os.environ.get("MXTLS_DEBS") or bench.root / "build/debs"
    postfix = pathlib.Path(debs).resolve() / "postfix/usr"
    if not (postfix / "sbin/posttls-finger").exists():
        return None
    folder = bench.dir / "postfix"
    folder.mkdir()
    # it wants a user and a group that are nobody else's, and starts nothing as them
    with open(folder / "main.cf", "w", encoding="ascii") as f:
        f.write("compatibility_level = 3.6\nmail_owner = daemon\nsetgid_group = mail\n")
    os.environ["MAIL_CONFIG"] = str(folder)
    return ["env", f"LD_LIBRARY_PATH={postfix}/lib/postfix", postfix / "sbin/posttls-finger"]


def one_process(bench):
    """Each as a person calls it: s_client with its default CAs, probe with both kinds of key."""
    farm, port = start_farm(bench, 1, "go", ONE_KEY)
    target = f"[127.0.0.1]:{port}"
    clients = {
        "mxtls probe": ([bench.build / "mxtls", "probe", target], 1, "TLSv1.3"),
        "openssl s_client -starttls smtp": (
            ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}"],
            None, "TLSv1.3",
        ),
    }  # fmt: skip
    finger = postfix_client(bench)
    if finger is not None:
        clients["posttls-finger"] = ([*finger, target], 0, "TLS connection established")
    runs = {name: [] for name in clients}
    for _ in range(bench.pairs):
        for name in clients:
            runs[name].append(0)
        for _ in range(bench.processes):
            for name, (argv, status, word) in clients.items():
                program = Program(bench.log, *argv, errors_too=True)
                program.child.stdin.close()
                text = program.rest()
                runs[name][-1] += program.end(status).total / bench.processes
                if word not in text:
                    raise program.failed(f"no {word!r} in what it says")
    farm.stop()
    table = Table(
        f"probe: one process, one target ({bench.processes} of each in turn a round)",
        "", "CPU ms", "mxtls to it",
    )  # fmt: skip
    ours = runs["mxtls probe"]
    for name, theirs in runs.items():
        table.row(name, ms(median(theirs)), ratio(o / t for o, t in zip(ours, theirs)))
    bench.say(table)
    if finger is None:
        bench.say("posttls-finger is not here: make deps unpacks it\n")


# --- many at once ------------------------------------------------------------------------------------


def measure(bench):
    one_process(bench)
    alone = Run(bench, 1, 1).resident
    bare = []
    kinds = {
        "one session (--key-types any)": (bench.few, bench.rounds),
        "RSA and ECDSA, two sessions": (bench.few, bench.rounds, True),
        f"one session, {bench.many} at once": (bench.many, 1),
        "one session, as a survey (-f)": (bench.few, bench.rounds, False, True),
    }
    runs = {kind: [] for kind in kinds}
    for _ in range(bench.pairs):
        bare.append(bench.bare.run()[1])
        for kind, how in kinds.items():
            runs[kind].append(Run(bench, *how))
    table = Table(
        f"probe: {bench.few} targets at once in one process; CPU of the client per target, chain verified, JSON written",
        "", "user ms", "system ms", "total ms", "to the bare handshake", "to one session", "memory KiB",
    )  # fmt: skip
    cpu = median_cpu(bare)
    table.row(
        "bare handshake (s_time -verify 3)", ms(cpu.user), ms(cpu.system), ms(cpu.total), "1", "", ""
    )  # fmt: skip
    first = next(iter(runs.values()))
    for kind, done in runs.items():
        cpu = median_cpu([r.cpu for r in done])
        table.row(
            kind, ms(cpu.user), ms(cpu.system), ms(cpu.total),
            ratio(r.cpu.total / b.total for r, b in zip(done, bare)),
            ratio(r.cpu.total / o.cpu.total for r, o in zip(done, first)),
            kib(median((r.resident - alone) / kinds[kind][0] for r in done)),
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

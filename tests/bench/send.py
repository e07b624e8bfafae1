"""send: one message to a smarthost, one process from its start to its exit, beside msmtp."""

import os
import pathlib
import subprocess

from measure import Failed, Program, Table, median, ms, ratio

NAME = "ecdsa.box.test"
TEXT = (
    "From: a@x.example\nTo: b@y.example\nSubject: bench\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n"
    "Message-ID: <1@x.example>\n\n" + "a line of text, about as long as people and programs write them\n" * 75
)


def start_sink(bench):
    sink = Program(
        bench.log, bench.build / "mxtls", "listen", "--cert", bench.certs / "ecdsa.chain",
        "--key", bench.certs / "ecdsa.key", "--deliver", "discard", "--hostname", "mx.example",
        "--accept", "y.example", "127.0.0.1:0",
    )  # fmt: skip
    return sink, sink.line(r"^listening on \S+:(\d+)$")


def msmtp(bench):
    """msmtp as `make deps` unpacks it; or None."""
    debs = os.environ.get("MXTLS_DEBS") or bench.root / "build/debs"
    usr = pathlib.Path(debs).resolve() / "msmtp/usr"
    if not (usr / "bin/msmtp").exists():
        return None
    return usr


def clients_of(bench, port, usr):
    """Both with the certificate verified, as a chain and by name; nothing is stored on either side."""
    root = bench.certs / "root.crt"
    rules = {"clear": f"default none via=[127.0.0.1]:{port}", "STARTTLS": f"default verify via=[127.0.0.1]:{port} match={NAME}"}
    theirs = {"clear": ["--tls=off"], "STARTTLS": ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={root}", f"--tls-host-override={NAME}"]}
    clients = {}
    for how, rule in rules.items():
        policy = bench.dir / f"policy-{how}"
        policy.write_text(rule + "\n", encoding="ascii")
        clients[how, "mxtls send"] = [
            bench.build / "mxtls", "send", "--no-queue", "--quiet", "--config", "/dev/null", "--policy", policy,
            *(["--ca-file", root] if how == "STARTTLS" else []), "-f", "a@x.example", "b@y.example",
        ]  # fmt: skip
        if usr is not None:
            clients[how, "msmtp"] = [
                usr / "bin/msmtp", "-C", "/dev/null", "--host=127.0.0.1", f"--port={port}", "--auth=off", "-f", "a@x.example",
                *theirs[how], "b@y.example",
            ]  # fmt: skip
    return clients


def once(bench, argv, env):
    """CPU seconds. By vfork: what Python does in a child that it prepares (measure.Program) costs more
    than half a delivery."""
    with open(bench.dir / "message", "rb") as text:
        child = subprocess.Popen(
            [str(a) for a in argv], stdin=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
        )  # fmt: skip
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode != 0 or said != b"":
        raise Failed(f"{argv[0]} ended with {child.returncode}: {said.decode()}")
    return usage.ru_utime + usage.ru_stime


def measure(bench):
    usr = msmtp(bench)
    environment = {"mxtls send": dict(os.environ), "msmtp": dict(os.environ)}
    if usr is not None:
        environment["msmtp"]["LD_LIBRARY_PATH"] = ":".join(str(p) for p in (usr / "lib").glob("*-linux-gnu*"))
    (bench.dir / "message").write_text(TEXT, encoding="ascii")
    sink, port = start_sink(bench)
    clients = clients_of(bench, port, usr)
    runs = {who: [] for who in clients}
    for _ in range(bench.pairs):
        for who in clients:
            runs[who].append(0)
        for _ in range(bench.processes):
            for who, argv in clients.items():
                runs[who][-1] += once(bench, argv, environment[who[1]]) / bench.processes
    sink.stop()
    table = Table(
        f"send: one message of 5 KB to a smarthost ({bench.processes} of each in turn a round)",
        "", "CPU ms", "mxtls to it",
    )  # fmt: skip
    for (how, who), theirs in runs.items():
        ours = runs[how, "mxtls send"]
        table.row(f"{who}, {how}", ms(median(theirs)), ratio(o / t for o, t in zip(ours, theirs)))
    bench.say(table)
    if usr is None:
        bench.say("msmtp is not here: make deps unpacks it\n")

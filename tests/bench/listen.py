"""listen: many sessions at once in one process, seen from the server's side."""

from measure import Failed, Program, Table, kib, median, median_cpu, ms, ratio


class Run:
    """What one run of the generator cost the receiver, per session."""

    def __init__(self, bench, startup, at_once, rounds, mode, size=0):
        server = start_listen(bench, at_once)
        idle = server.memory()
        clients = load(bench, server, at_once, rounds, mode, size, "hold")
        peak = int(clients.line(r"^peak (\d+)$"))
        self.memory = (server.memory() - idle) / at_once
        clients.go()
        done = int(clients.line(r"^(\d+) sessions$"))
        clients.end()
        if peak != at_once or done != at_once * rounds:
            raise Failed(f"listen: {peak} of {at_once} sessions at once, {done} done")
        self.cpu = server.stop().minus(startup).per(done)
        self.seconds = clients.seconds


def start_listen(bench, at_once):
    # above 80 % of its connections it waits 10 s for a command: they are held longer than that
    server = Program(
        bench.log, bench.build / "mxtls", "listen", "--cert", bench.certs / "ecdsa.chain",
        "--key", bench.certs / "ecdsa.key", "--deliver", "discard", "--hostname", "mx.example", "--workers", 0,
        "--max-connections", 2 * at_once, "127.0.0.1:0",
    )  # fmt: skip
    server.address = server.line(r"^listening on (\S+)$")
    # what OpenSSL and the loop make once is not a session's
    load(bench, server, 1, 1, "tls", 0).end()
    return server


def load(bench, server, *argv):
    return Program(bench.log, bench.build / "tests/bench/smtpload", server.address, *argv)


def measure(bench):
    startup = start_listen(bench, 1).stop()
    kinds = {
        "STARTTLS, no message": ("tls", 0),
        "STARTTLS, 5 KB message": ("tls", 5120),
        "in clear, no message": ("plain", 0),
        "in clear, 5 KB message": ("plain", 5120),
    }
    bare, runs = [], {kind: [] for kind in kinds}
    for _ in range(bench.pairs):
        bare.append(bench.bare.run()[0])
        for kind, (mode, size) in kinds.items():
            runs[kind].append(Run(bench, startup, bench.at_once, 1, mode, size))
    table = Table(
        f"listen: {bench.at_once} sessions at once in one process; CPU of the server per session",
        "", "user ms", "system ms", "total ms", "to the bare handshake", "memory KiB",
    )  # fmt: skip
    cpu = median_cpu(bare)
    table.row("bare handshake (s_server)", ms(cpu.user), ms(cpu.system), ms(cpu.total), "1", "")
    for kind, done in runs.items():
        cpu = median_cpu([r.cpu for r in done])
        table.row(
            kind, ms(cpu.user), ms(cpu.system), ms(cpu.total),
            ratio(r.cpu.total / b.total for r, b in zip(done, bare)),
            kib(median(r.memory for r in done)),
        )  # fmt: skip
    bench.say(table)
    growth(bench, startup)


def growth(bench, startup):
    table = Table(
        "listen: how it grows (no message)",
        "", "at once", "sessions", "CPU ms/session", "memory KiB/session", "seconds",
    )  # fmt: skip
    kinds = [("STARTTLS", "tls", n) for n in bench.growth] + [("in clear", "plain", n) for n in bench.growth[-2:]]
    for name, mode, at_once in kinds:
        rounds = max(1, min(500, bench.growth_sessions // at_once))
        run = Run(bench, startup, at_once, rounds, mode)
        table.row(
            name, at_once, at_once * rounds, ms(run.cpu.total), kib(run.memory), f"{run.seconds:.1f}"
        )
    bench.say(table)

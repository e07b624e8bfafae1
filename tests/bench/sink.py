"""sink: messages of 5 KB into `listen --deliver discard` and Postfix's smtp-sink, CPU of the server for each, new and
reused connections in clear; and a new STARTTLS connection for each message beside the bare handshake."""

import socket
import time

from measure import Cpu, Failed, Program, Table, median_cpu, ms, ratio

AT_ONCE = 32
BYTES = 5120


class Sink:
    """smtp-sink, from the Debian package that the tests use."""

    def __init__(self, bench):
        self.bench = bench
        config = bench.dir / "sink"
        config.mkdir()
        (config / "main.cf").write_text("compatibility_level = 3.6\nalias_maps =\n", encoding="ascii")
        script = '. "$ROOT/tests/lib/debs.bash"; deb_command postfix smtp-sink && exec "${DEB_COMMAND[@]}" "$@"'
        env = [f"ROOT={bench.root}", f"MAIL_CONFIG={config}"]
        self.argv = ["env", *env, "bash", "-c", script, "smtp-sink", "-u", "nobody"]

    def start(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{s.getsockname()[1]}"
        server = Program(self.bench.log, *self.argv, f"inet:{address}", "1000")
        server.address = address
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", int(address.split(":")[1])), 1).close()
                return server
            except OSError:
                time.sleep(0.05)
        raise server.failed("is not there")


class Listen:
    def __init__(self, bench):
        self.bench = bench

    def start(self):
        server = Program(
            self.bench.log, self.bench.build / "mxtls", "listen", "--cert", self.bench.certs / "ecdsa.chain",
            "--key", self.bench.certs / "ecdsa.key", "--deliver", "discard", "--hostname", "mx.example",
            "127.0.0.1:0",
        )  # fmt: skip
        server.address = server.line(r"^listening on (\S+)$")
        return server


def run(bench, kind, mode, rounds, messages):
    """CPU of the server for one message."""
    startup = kind.start().stop()
    server = kind.start()
    load = Program(
        bench.log, bench.build / "tests/bench/smtpload", server.address, AT_ONCE, rounds, mode, BYTES,
        f"messages={messages}",
    )  # fmt: skip
    done = int(load.line(r"^(\d+) sessions$"))
    load.end()
    used = server.stop().minus(startup)
    if done != AT_ONCE * rounds:
        raise Failed(f"sink: {done} of {AT_ONCE * rounds} sessions")
    return used.per(done * messages)


def measure(bench):
    sink, listen = Sink(bench), Listen(bench)
    rounds = 10 if bench.pairs < 5 else 60
    rows = {
        "new connection": ("plain", rounds, 1),
        "reused connection": ("plain", 1, rounds),
    }
    table = Table(
        "sink: CPU of the server for a message of 5 KB, one process, discarded",
        "", "user ms", "system ms", "total ms", "ratio", "at most",
    )  # fmt: skip
    theirs, ours, tls, bare = {k: [] for k in rows}, {k: [] for k in rows}, [], []
    for _ in range(bench.pairs):
        for name, how in rows.items():
            theirs[name].append(run(bench, sink, *how))
            ours[name].append(run(bench, listen, *how))
        bare.append(bench.bare.run()[0])
        tls.append(run(bench, listen, "tls", rounds, 1))
    for name in rows:
        row(table, f"smtp-sink, {name}", theirs[name])
        row(table, f"mxtls, {name}", ours[name],
            ratio(o.total / t.total for o, t in zip(ours[name], theirs[name])), "1.5")  # fmt: skip
    row(table, "bare handshake (s_server)", bare)
    new = theirs["new connection"]
    allowed = [Cpu(1.3 * b.user + 1.5 * t.user, 1.3 * b.system + 1.5 * t.system) for b, t in zip(bare, new)]
    row(table, "1.3 handshakes + 1.5 smtp-sink", allowed)
    row(table, "mxtls, new STARTTLS connection", tls, ratio(o.total / a.total for o, a in zip(tls, allowed)), "1")
    bench.say(table)


def row(table, name, runs, quotient="", most=""):
    cpu = median_cpu(runs)
    table.row(name, ms(cpu.user), ms(cpu.system), ms(cpu.total), quotient, most)

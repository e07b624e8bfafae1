"""scale: how much listen bears: 10,000 idle connections, 1,000 that drip, a message of 1 GB."""

import smtplib
import socket
import ssl
import threading
import time

import listen
from measure import Failed, Program, Table, kib

DRIP_S = 1  # a byte each second
PATIENCE_S = 60
BLOCK = b"Subject: this is no header any more, and long enough for a line\r\n" * 1024


def measure(bench):
    idle(bench)
    drip(bench)
    big(bench)


def good_client(server, tls=True):
    """Seconds until a client that is no part of the crowd is greeted, and until its message is acknowledged."""
    host, port = server.address.split(":")
    begin = time.monotonic()
    with smtplib.SMTP(host, int(port), "good.example", PATIENCE_S) as s:
        greeted = time.monotonic() - begin
        if tls:
            s.starttls()
        s.sendmail("a@good.example", ["postmaster"], "Subject: x\r\n\r\nx\r\n")
        return greeted, time.monotonic() - begin


def idle(bench):
    table = Table(
        f"listen: {bench.idle} idle connections in one process ({bench.descriptors} descriptors a process)",
        "", "at once", "memory KiB/connection", "another client is greeted after ms", "its message taken after ms",
    )  # fmt: skip
    for name, mode in (("in clear", "plain"), ("STARTTLS", "tls")):
        server = listen.start_listen(bench, bench.idle)
        before = server.memory()
        clients = listen.load(bench, server, bench.idle, 1, mode, 0, "hold")
        peak = int(clients.line(r"^peak (\d+)$"))
        memory = server.memory() - before
        greeted, taken = good_client(server)
        clients.go()
        clients.end()
        server.stop()
        if peak != bench.idle:
            raise Failed(f"scale: {peak} of {bench.idle} connections")
        table.row(name, peak, kib(memory / peak), f"{greeted * 1000:.0f}", f"{taken * 1000:.0f}")
    bench.say(table)


class Crowd:
    """Connections that send a byte of a command now and then, until they are let go."""

    def __init__(self, server, count, tls):
        host, port = server.address.split(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socks = []
        for i in range(count):
            source = (f"127.2.{i // 200}.{i % 200 + 1}", 0)
            s = socket.create_connection((host, int(port)), PATIENCE_S, source)
            s.recv(500)
            if tls:
                s.sendall(b"EHLO drip.example\r\n")
                s.recv(2000)
                s.sendall(b"STARTTLS\r\n")
                s.recv(500)
                s = context.wrap_socket(s)
            self.socks.append(s)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.drip)
        self.thread.start()

    def drip(self):
        for byte in b"EHLO " + b"x" * 1000:
            for s in self.socks:
                try:
                    s.sendall(bytes([byte]))
                except OSError:
                    pass
            if self.over.wait(DRIP_S):
                return

    def end(self):
        self.over.set()
        self.thread.join()
        for s in self.socks:
            s.close()


def drip(bench):
    table = Table(
        f"listen: {bench.drip} clients that send a byte each second, and {bench.good} good ones meanwhile, one after the other",
        "", "greeted after ms: median", "worst", "message taken after ms: median", "worst",
    )  # fmt: skip
    for name, tls in (("in clear", False), ("STARTTLS", True)):
        server = listen.start_listen(bench, bench.drip)
        crowd = Crowd(server, bench.drip, tls)
        try:
            times = []
            for _ in range(bench.good):
                times.append(good_client(server, tls))
                time.sleep(0.05)
        finally:
            crowd.end()
        server.stop()
        columns = [sorted(t[i] for t in times) for i in range(2)]
        table.row(name, *(f"{c[at] * 1000:.0f}" for c in columns for at in (len(c) // 2, -1)))
    bench.say(table)


def peak_kib(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1])


def send_big(server, size, tls):
    """Seconds from DATA to 250."""
    host, port = server.address.split(":")
    with smtplib.SMTP(host, int(port), "big.example", PATIENCE_S) as s:
        s.ehlo()
        if tls:
            s.starttls()
            s.ehlo()
        s.mail("a@big.example")
        s.rcpt("postmaster")
        begin = time.monotonic()
        if s.docmd("DATA")[0] != 354:
            raise Failed("scale: DATA is refused")
        block = BLOCK * 16
        for _ in range(max(1, size // len(block))):
            s.sock.sendall(block)
        s.sock.sendall(b".\r\n")
        code, text = s.getreply()
        if code != 250:
            raise Failed(f"scale: {code} {text!r}")
        return time.monotonic() - begin


def big(bench):
    table = Table(
        f"listen: a message of {bench.big >> 20} MiB, after one of 1 MiB",
        "", "peak memory before KiB", "grown by KiB", "seconds",
    )  # fmt: skip
    box = bench.dir / "big"
    for name, deliver, tls in (
        ("in clear, discarded", "discard", False),
        ("STARTTLS, discarded", "discard", True),
        ("STARTTLS, maildir", f"maildir:{box}", True),
    ):
        server = Program(
            bench.log, bench.build / "mxtls", "listen", "--cert", bench.certs / "ecdsa.chain",
            "--key", bench.certs / "ecdsa.key", "--deliver", deliver, "--max-size", "2G", "--workers", 0,
            "127.0.0.1:0",
        )  # fmt: skip
        server.address = server.line(r"^listening on (\S+)$")
        send_big(server, 1 << 20, tls)
        before = peak_kib(server)
        seconds = send_big(server, bench.big, tls)
        table.row(name, before, peak_kib(server) - before, f"{seconds:.1f}")
        server.stop()
    stored = sorted(f.stat().st_size for f in (box / "new").iterdir())
    if len(stored) != 2 or stored[1] < bench.big * 0.98:
        raise Failed(f"scale: stored {stored}")
    for f in (box / "new").iterdir():
        f.unlink()
    bench.say(table)

#!/usr/bin/env python3
"""
The torture of a session (make torture): cut at every byte, in both directions, in clear and over TLS.

    cut.py MXTLS [--sample N --seed S] [--delivery NAME] [--how NAME] [--part NAME]

A round is a session that brings one message, and ends after N bytes: of what the client sends (part "out") or of
what it reads ("in"), by FIN, by RST, or by silence (until --timeout, and the server ends it), for each N. A part has
one server, which must serve a good client afterwards and end well when it is told to. Then:

  - a message whose 250 the client has read is there, whole
  - one whose final dot was not sent, or not read by the server, is not
  - each that is there is whole, and nothing is left in tmp/

Prints a line for each failure and at the end how many rounds there were; exit status 1 if any failed.
"""
import argparse
import mailbox
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 20
HERE = os.path.dirname(os.path.abspath(__file__))
BIG = 20000  # more than is kept in memory
STALLED = 200  # silent sessions at once


class Cut(Exception):
    """The session is over: it was cut here, or the server closed it."""


class Wire:
    """A connection with a budget of bytes in each direction; None: no limit."""

    def __init__(self, port, out, into):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.out, self.into = out, into
        self.sent = self.read = 0
        self.whole = self.acked = self.dot = False

    def send(self, data):
        part = data if self.out is None else data[: self.out - self.sent]
        self.sent += len(part)
        self.whole = len(part) == len(data)
        try:
            self.sock.sendall(part)
        except OSError:
            raise Cut from None
        if len(part) < len(data) or self.sent == self.out:
            raise Cut

    def recv(self):
        if self.read == self.into:
            raise Cut
        try:
            data = self.sock.recv(65536 if self.into is None else self.into - self.read)
        except ConnectionError:
            raise Cut from None
        self.read += len(data)
        if not data:
            raise Cut
        return data

    def end(self, how):
        if how == "rst":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Session:
    """SMTP over a wire; TLS in memory, so that the wire has its bytes."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def __init__(self, wire):
        self.wire, self.tls, self.buffer = wire, None, b""

    def through(self, call, *args):
        """A step of TLS, with what it must send and read."""
        while True:
            try:
                done = call(*args)
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.wire.recv())
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise Cut from None
            else:
                self.flush()
                return done

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.wire.send(data)

    def starttls(self):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing)
        self.through(self.tls.do_handshake)

    def say(self, data):
        """One command, and the code of its reply."""
        if self.tls is None:
            self.wire.send(data)
        else:
            self.through(self.tls.write, data)
        return self.reply()

    def reply(self):
        while True:
            line, newline, rest = self.buffer.partition(b"\n")
            if newline:
                self.buffer = rest
                if line[3:4] != b"-":
                    return line[:3]
            else:
                data = self.wire.recv() if self.tls is None else self.through(self.tls.read, 65536)
                if not data:  # close_notify
                    raise Cut
                self.buffer += data


def text_of(token, size):
    return (f"Subject: {token}\r\n\r\n" + "0123456789abcdef\r\n" * (size // 18) + f"end {token}\r\n").encode()


def bring(wire, token, tls, size):
    """The whole session; sets wire.acked when 250 is read, and wire.dot when the final dot was sent."""
    session = Session(wire)
    session.reply()
    session.say(b"EHLO c\r\n")
    if tls:
        session.say(b"STARTTLS\r\n")
        session.starttls()
        session.say(b"EHLO c\r\n")
    session.say(b"MAIL FROM:<a@c.test>\r\n")
    session.say(b"RCPT TO:<u@ok.test>\r\n")
    session.say(b"DATA\r\n")
    try:
        wire.acked = session.say(text_of(token, size) + b".\r\n") == b"250"
    finally:
        wire.dot = wire.whole
    session.say(b"QUIT\r\n")


class Torture:
    DELIVERIES = ["maildir", "mbox", "command", "lmtp", "queue"]

    def __init__(self, args):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="cut.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.random = random.Random(args.seed)
        self.rounds = self.failures = self.acked = self.serial = 0
        self.command = f"{self.dir}/command"
        with open(self.command, "w") as f:
            f.write('#!/bin/sh\nset -e\ncat > "$1/.$MXTLS_ID"\nmv "$1/.$MXTLS_ID" "$1/$MXTLS_ID"\n')
        os.chmod(self.command, 0o755)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def problem(self, *words):
        self.failures += 1
        print(*words, flush=True)

    # --- a server for each part

    def start(self, delivery, *more, tls=("--self-signed",), place=None):
        """In a place of its own, or in the one of a server before it."""
        self.lmtp = None
        if place is None:
            self.serial += 1
            place = f"{self.dir}/p{self.serial}"
            os.mkdir(place)
        if delivery == "lmtp":
            self.lmtp = subprocess.Popen([sys.executable, f"{HERE}/../peers/lmtp_peer.py", "--listen", f"{place}/socket", "--spool", place],
                                         stdout=subprocess.DEVNULL)  # fmt: skip
            while not os.path.exists(f"{place}/socket"):
                time.sleep(0.01)
        where = {"maildir": f"maildir:{place}/box", "mbox": f"mbox:{place}/mbox", "command": f"command:{self.command} {place}",
                 "lmtp": f"lmtp:unix:{place}/socket", "queue": "queue"}[delivery]  # fmt: skip
        words = [self.args.mxtls, "listen", *tls, "--accept", "ok.test", "--deliver", where, "--max-connections", "1000",
                 "--max-connections-per-address", "1000", *more]  # fmt: skip
        if delivery == "queue":
            words += ["--queue", f"{place}/queue"]
        self.log = open(f"{place}.log", "a+")
        server = subprocess.Popen([*words, "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        timer = threading.Timer(PATIENCE, server.kill)
        timer.start()
        line = server.stdout.readline()
        timer.cancel()
        self.port = int(line.rsplit(b":", 1)[1])
        return place, server

    def stop(self, server, name):
        """All sessions are over when it is."""
        server.send_signal(signal.SIGTERM)
        try:
            status = server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            status = server.wait()
        if status != 0:
            self.log.seek(0)
            self.problem(f"{name}: the server ended with status {status}:", self.log.read()[-2000:])
        self.log.close()
        if self.lmtp is not None:
            self.lmtp.terminate()
            self.lmtp.wait()

    def found(self, delivery, place, name, killed=False):
        """Tokens of the messages that are there, whole; who is killed leaves what is not there yet."""
        texts = []
        if delivery == "mbox":
            if os.path.exists(f"{place}/mbox"):
                texts = [m.as_bytes() for m in mailbox.mbox(f"{place}/mbox")]
        else:
            folder = {"maildir": f"{place}/box/new", "queue": f"{place}/queue/q"}.get(delivery, place)
            for entry in os.scandir(folder):
                if entry.is_file() and (delivery in ("maildir", "queue") or entry.name.isalnum()):
                    with open(entry.path, "rb") as f:
                        texts.append(f.read())
            tmp = {"maildir": f"{place}/box/tmp", "queue": f"{place}/queue/tmp"}.get(delivery)
            if tmp and not killed and os.listdir(tmp):
                self.problem(f"{name}: left in tmp/: {os.listdir(tmp)[:3]}")
        tokens = []
        for text in texts:
            text = text.replace(b"\r\n", b"\n")
            token = re.search(rb"^Subject: (tok-\S+)$", text, re.M)
            size = BIG if len(text) > BIG // 2 else 0
            wanted = b"?" if token is None else text_of(token.group(1).decode(), size).replace(b"\r\n", b"\n")
            at = text.find(b"Subject: tok-")
            # a queue file has a line behind it that says it is whole
            if at < 0 or (text[at : at + len(wanted)] != wanted if delivery == "queue" else text[at:].rstrip(b"\n") != wanted.rstrip(b"\n")):
                self.problem(f"{name}: in part: {text[-100:]!r}")
            else:
                tokens.append(token.group(1).decode())
        if len(set(tokens)) != len(tokens):
            self.problem(f"{name}: twice")
        return set(tokens)

    # --- a part

    def whole(self, token, tls, size):
        """How many bytes go out and come in when nothing is cut."""
        wire = Wire(self.port, None, None)
        bring(wire, token, tls, size)
        wire.end("fin")
        if not wire.acked:
            self.problem("a whole session is not acknowledged")
        return {"out": wire.sent, "in": wire.read}

    def part(self, delivery, tls, direction, how, size, workers):
        name = f"{delivery}{' workers' * workers}{' big' * bool(size)} {'TLS' if tls else 'clear'} {direction} {how}"
        more = ["--workers", "2" if workers else "0"]
        if how == "stall":
            more += ["--timeout", "2s", "--handshake-timeout", "2s"]
        place, server = self.start(delivery, *more)
        # a signature of TLS may be longer next time
        good = {f"tok-{self.serial}-before", f"tok-{self.serial}-after"}
        length = self.whole(f"tok-{self.serial}-before", tls, size)[direction] + 8 * tls
        cuts = list(range(0, length + 1, 1009 if size else 1))
        if self.args.sample:
            cuts = sorted(self.random.sample(cuts, min(self.args.sample, len(cuts))))
        acked, dots = set(good), set(good)
        silent = []
        for n in cuts:
            self.rounds += 1
            token = f"tok-{self.serial}-{n}"
            wire = Wire(self.port, n if direction == "out" else None, n if direction == "in" else None)
            try:
                if n:
                    bring(wire, token, tls, size)
            except Cut:
                pass
            except (TimeoutError, ssl.SSLError) as e:
                self.problem(f"{name} at {n}: {e!r}")
            if wire.acked:
                acked.add(token)
            if wire.dot:
                dots.add(token)
            if how == "stall":
                silent.append((n, wire))
                if len(silent) == STALLED:
                    self.wait_for_end(name, silent)
            else:
                wire.end(how)
        self.wait_for_end(name, silent)
        self.whole(f"tok-{self.serial}-after", tls, size)  # a good one is served
        self.stop(server, name)
        there = self.found(delivery, place, name)
        for token in acked - there:
            self.problem(f"{name}: {token} was acknowledged and is not there")
        for token in there - dots:
            self.problem(f"{name}: {token} is there, and was not sent to its end")
        self.acked += len(acked - good)
        print(f"{name}: {len(cuts)} cuts, {len(acked - good)} acknowledged, {len(there - good)} there", flush=True)
        shutil.rmtree(place, ignore_errors=True)

    def wait_for_end(self, name, silent):
        for n, wire in silent:
            wire.sock.settimeout(PATIENCE)
            try:
                while wire.sock.recv(65536):
                    pass
            except TimeoutError:
                self.problem(f"{name} at {n}: silence is not ended")
            except OSError:
                pass
            wire.sock.close()
        silent.clear()


PARTS = [(tls, direction, how) for tls in (False, True) for direction in ("out", "in") for how in ("fin", "rst", "stall")]


def plan(args):
    for delivery in args.delivery or Torture.DELIVERIES:
        for tls, direction, how in PARTS:
            # what a delivery does with a message that is cut does not depend on how it came
            if delivery == "maildir" or (not tls and direction == "out" and how == "fin"):
                yield delivery, tls, direction, how, 0, False
        yield delivery, False, "out", "fin", BIG, False
        if delivery == "maildir":
            yield delivery, True, "out", "fin", BIG, False
            yield delivery, True, "out", "rst", 0, True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mxtls")
    p.add_argument("--sample", type=int, help="so many cuts of each part")
    p.add_argument("--seed", default="1")
    p.add_argument("--delivery", action="append")
    p.add_argument("--how", action="append", choices=("fin", "rst", "stall"))
    p.add_argument("--part", help="only parts whose name has this, such as 'TLS out'")
    args = p.parse_args()
    torture = Torture(args)
    try:
        for delivery, tls, direction, how, size, workers in plan(args):
            if how in (args.how or [how]) and (not args.part or args.part in f"{'TLS' if tls else 'clear'} {direction} {how}"):
                torture.part(delivery, tls, direction, how, size, workers)
    finally:
        torture.close()
    print(f"cut: {torture.rounds} rounds, {torture.acked} acknowledged, {torture.failures} failures")
    return 1 if torture.failures or not torture.acked else 0


if __name__ == "__main__":
    sys.exit(main())

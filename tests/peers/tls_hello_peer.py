#!/usr/bin/env python3
"""
A server that answers ClientHellos from a list of what it "supports", without any TLS library: SSLv3,
groups nobody has yet, and answers in odd shapes. It parses the ClientHello strictly by the RFCs and
shares no code with mxtls. No handshake ever completes; the hello of a real TLS library gets an alert.

    tls_hello_peer.py --listen ADDRESS:PORT --suites VERSION=SUITE,... [...] [OPTION...]

    --suites 0304=1301,1302    suites of one version (hex), in this server's order; a version without
                               suites is not supported
    --groups 11ec,001d         groups, in this server's order (any version)
    --implicit                 TLS from the first byte; otherwise SMTP up to STARTTLS first
    --limit N                  421 instead of a greeting from connection N + 1 on
    --refuse alert|close|reset|http|stall   what a ClientHello gets that has nothing in common
    --mute 0301                a ClientHello of this version gets no answer at all
    --fragment N               answers in records of N bytes
    --warning                  a warning alert (unrecognized_name) in front of each answer
    --lower                    an older version instead of a refusal
    --certificate BYTES        size of the (meaningless) Certificate message

Prints "ready PORT", and for each connection "S<n> hello VERSION suites=N groups=HEX,... share=HEX|empty|none
sni=NAME alpn=NAME", "S<n> malformed REASON", "S<n> answer TEXT", "S<n> closed HEX" (what came behind), "S<n> end".
"""

import argparse
import itertools
import os
import socket
import struct
import sys
import threading

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
ECDHE = set(range(0xC006, 0xC00B)) | set(range(0xC010, 0xC015)) | {
    0xC023, 0xC024, 0xC027, 0xC028, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9}


class Malformed(Exception):
    pass


class Closed(Exception):
    pass


def log(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Bytes:
    """A strict cursor."""

    def __init__(self, data, what):
        self.data, self.what = data, what

    def take(self, n):
        if len(self.data) < n:
            raise Malformed(f"{self.what}: {n} bytes wanted, {len(self.data)} left")
        part, self.data = self.data[:n], self.data[n:]
        return part

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def vector(self, n, what):
        return Bytes(self.take(self.number(n)), what)

    def numbers(self):
        if len(self.data) % 2 or not self.data:
            raise Malformed(f"{self.what}: not a list of numbers")
        return [self.number(2) for _ in range(len(self.data) // 2)]

    def end(self):
        if self.data:
            raise Malformed(f"{self.what}: {len(self.data)} bytes too many")


class Hello:
    def __init__(self, body):
        self.sni = self.alpn = None
        self.foreign = False
        self.versions, self.groups, self.shares = None, [], None
        hello = Bytes(body, "ClientHello")
        self.legacy_version = hello.number(2)
        hello.take(32)
        session_id = hello.vector(1, "session id")
        if len(session_id.data) > 32:
            raise Malformed("session id")
        self.session_id = session_id.data
        self.suites = hello.vector(2, "suites").numbers()
        if hello.vector(1, "compression").data != b"\0":
            raise Malformed("compression")
        if len(set(self.suites)) != len(self.suites):
            raise Malformed("a suite twice")
        self.has_extensions = bool(hello.data)
        if self.has_extensions:
            extensions = hello.vector(2, "extensions")
            seen = set()
            while extensions.data:
                kind = extensions.number(2)
                if kind in seen:
                    raise Malformed(f"extension {kind} twice")
                seen.add(kind)
                self.extension(kind, extensions.vector(2, f"extension {kind}"))
        hello.end()
        if self.legacy_version == 0x0300 and self.has_extensions:
            raise Malformed("SSLv3 with extensions")
        if self.versions and (len(self.session_id) != 32 or self.shares is None or not self.groups):
            raise Malformed("TLS 1.3 without what it needs")

    def extension(self, kind, data):
        if kind == 0:
            names = data.vector(2, "server_name")
            if names.number(1) != 0:
                raise Malformed("server_name: type")
            self.sni = names.vector(2, "host_name").data.decode("ascii")
            names.end()
        elif kind == 10:
            self.groups = data.vector(2, "supported_groups").numbers()
        elif kind == 11:
            if 0 not in data.vector(1, "ec_point_formats").data:
                raise Malformed("ec_point_formats")
        elif kind == 13:
            data.vector(2, "signature_algorithms").numbers()
        elif kind == 16:
            names = data.vector(2, "alpn")
            self.alpn = names.vector(1, "protocol").data.decode("ascii")
            names.end()
        elif kind == 23:
            pass
        elif kind == 43:
            self.versions = data.vector(1, "supported_versions").numbers()
        elif kind == 51:
            shares = data.vector(2, "key_share")
            self.shares = {}
            while shares.data:
                group = shares.number(2)
                self.shares[group] = shares.vector(2, "key").data
            if 0x1D in self.shares and len(self.shares[0x1D]) != 32:
                raise Malformed("key_share: size")
        elif kind == 0xFF01:
            if data.take(len(data.data)) != b"\0":
                raise Malformed("renegotiation_info")
        else:
            self.foreign = True  # not one that mxtls makes
            data.take(len(data.data))
        data.end()

    def version(self):
        return max(self.versions) if self.versions else self.legacy_version

    def __str__(self):
        share = "none" if self.shares is None else ",".join(f"{g:04x}" for g in self.shares) or "empty"
        groups = ",".join(f"{g:04x}" for g in self.groups)
        return (f"{self.version():04x} suites={len(self.suites)} groups={groups} share={share} "
                f"sni={self.sni or '-'} alpn={self.alpn or '-'}")


def vector(n, data):
    return len(data).to_bytes(n, "big") + data


def message(kind, body):
    return bytes([kind]) + vector(3, body)


def extension(kind, body):
    return struct.pack(">H", kind) + vector(2, body)


class Session:
    def __init__(self, sock, number, args):
        self.sock, self.name, self.args, self.number = sock, f"S{number}", args, number
        self.buffer = b""

    def log(self, text):
        log(f"{self.name} {text}")

    def read(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(65536)
            if not data:
                raise Closed()
            self.buffer += data
        part, self.buffer = self.buffer[:n], self.buffer[n:]
        return part

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.read(1)
        return line.strip().upper()

    def smtp(self):
        if self.args.limit and self.number > self.args.limit:
            self.sock.sendall(b"421 4.7.0 too many connections from you\r\n")
            self.log(f"behind 421: {self.line().decode('latin-1')}")
            return False
        self.sock.sendall(b"220 hello.box.test ESMTP\r\n")
        while (line := self.line()) != b"STARTTLS":
            if line.startswith(b"EHLO"):
                self.sock.sendall(b"250-hello.box.test\r\n250 STARTTLS\r\n")
            elif line == b"QUIT":
                self.sock.sendall(b"221 bye\r\n")
                return False
            else:
                self.sock.sendall(b"502 not known\r\n")
        self.sock.sendall(b"220 go\r\n")
        return True

    def client_hello(self):
        kind, major, minor, size = struct.unpack(">BBBH", self.read(5))
        if kind != 22 or major != 3 or minor > 1 or size > 16384:
            raise Malformed(f"record {kind} {major}.{minor} {size}")
        record = Bytes(self.read(size), "record")
        if record.number(1) != 1:
            raise Malformed("no ClientHello")
        hello = Hello(record.vector(3, "message").data)
        record.end()
        if (minor == 0) != (hello.legacy_version == 0x0300):
            raise Malformed("record version")
        return hello

    def send_record(self, kind, version, data):
        step = self.args.fragment or 16384
        out = b""
        for at in range(0, len(data), step if kind == 22 else len(data)):
            part = data[at : at + step] if kind == 22 else data
            out += struct.pack(">BHH", kind, version, len(part)) + part
        self.sock.sendall(out)

    def alert(self, level, description, version=0x0303):
        self.send_record(21, version, bytes([level, description]))

    def refuse(self, description):
        self.log(f"answer refuse {description}")
        how = self.args.refuse
        if how == "alert":
            self.alert(2, description)
        elif how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Closed()
        elif how == "http":
            self.sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        elif how == "stall":
            while self.sock.recv(1000):
                pass
        if how != "alert":
            raise Closed()

    def answer(self, hello):
        version = hello.version()
        if hello.foreign:
            self.alert(2, 40)
            raise Closed()
        if version in self.args.mute:
            self.log("answer nothing")
            while self.sock.recv(1000):
                pass
            return
        if self.args.warning:
            self.alert(1, 112)
        while version >= 0x0300 and version not in self.args.suites and self.args.lower:
            version -= 1
        suites = self.args.suites.get(version)
        if suites is None:
            self.refuse(70)
            return
        suite = next((s for s in suites if s in hello.suites), None)
        group = next((g for g in self.args.groups if g in hello.groups), None)
        if suite is None or (group is None and (version == 0x0304 or suite in ECDHE)):
            self.refuse(40)
            return
        if version == 0x0304:
            self.server_hello_13(hello, suite, group)
        else:
            self.server_hello(hello, version, suite, group)

    def server_hello_13(self, hello, suite, group):
        shared = next((g for g in self.args.groups if g in hello.shares), None)
        body = struct.pack(">H", 0x0303) + (os.urandom(32) if shared else RETRY)
        body += vector(1, hello.session_id) + struct.pack(">HB", suite, 0)
        share = struct.pack(">H", shared) + vector(2, os.urandom(32)) if shared else struct.pack(">H", group)
        body += vector(2, extension(43, b"\3\4") + extension(51, share))
        self.log(f"answer {'hello' if shared else 'retry'} 0304 {suite:04x} {shared or group:04x}")
        self.send_record(22, 0x0303, message(2, body))

    def server_hello(self, hello, version, suite, group):
        body = struct.pack(">H", version) + os.urandom(32) + vector(1, os.urandom(32))
        body += struct.pack(">HB", suite, 0)
        if hello.has_extensions:
            body += vector(2, extension(0xFF01, b"\0"))
        flight = message(2, body) + message(11, vector(3, b"\x30" * self.args.certificate))
        if suite in ECDHE:
            flight += message(12, b"\3" + struct.pack(">H", group) + vector(1, b"\4" * 65))
        flight += message(14, b"")
        self.log(f"answer hello {version:04x} {suite:04x} {group if suite in ECDHE else 0:04x}")
        self.send_record(22, version, flight)

    def run(self):
        try:
            if self.args.implicit or self.smtp():
                hello = self.client_hello()
                self.log(f"hello {hello}")
                self.answer(hello)
                rest = self.buffer
                while data := self.sock.recv(1000):
                    rest += data
                self.log(f"closed {rest.hex()}")
        except Malformed as error:
            self.log(f"malformed {error}")
        except Closed:
            pass
        except OSError as error:
            self.log(f"failed {error}")
        finally:
            self.sock.close()
            self.log("end")


def address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def numbers(text):
    return [int(part, 16) for part in text.split(",") if part]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--suites", nargs="+", required=True)
    parser.add_argument("--groups", type=numbers, default=[])
    parser.add_argument("--mute", type=numbers, default=[])
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--fragment", type=int, default=0)
    parser.add_argument("--certificate", type=int, default=800)
    parser.add_argument("--refuse", choices=["alert", "close", "reset", "http", "stall"], default="alert")
    for flag in ("--implicit", "--warning", "--lower"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()
    args.suites = {int(v, 16): numbers(s) for v, s in (row.split("=") for row in args.suites)}
    host, port = address(args.listen)
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    log(f"ready {listener.getsockname()[1]}")
    for number in itertools.count(1):
        sock, _ = listener.accept()
        sock.settimeout(30)
        threading.Thread(target=Session(sock, number, args).run, daemon=True).start()


main()

#!/usr/bin/env python3
"""
A scripted SMTP peer that can misbehave, above all around STARTTLS. It shares no code with mxtls.

    smtp_peer.py --listen ADDRESS:PORT [--cert FILE.pem]... [OPTION...] STEP...
    smtp_peer.py --connect ADDRESS:PORT [OPTION...] STEP...

As a server it prints "ready PORT" (port 0 asks for a free one), then plays STEP... with every client,
many at a time. As a client it plays them once and exits 0, or 1 at the first step that failed.
Each STEP is one argument (quote it), or one line of the file after --script. From a bats file:

    peer_start bad '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.30:25 \\
        --cert "$CERTS/rsa.pem" 'send 220 mx ESMTP' 'ehlo STARTTLS' 'expect STARTTLS' \\
        'raw 220 go ahead\\r\\n250 injected\\r\\n' 'tls' 'serve'
    run -0 "$MXTLS" probe "[192.0.2.30]:25"
    peer_wait_line bad 'S1 end'
    file_has_not "$(peer_log bad)" 'C: MAIL'

Steps:
    send TEXT        TEXT and CRLF. Escapes: \\r \\n \\t \\0 \\xHH \\\\
    raw TEXT         TEXT as it is: one write, so one segment
    drip MS TEXT     TEXT, one byte every MS milliseconds
    repeat N TEXT    TEXT N times
    random N         N bytes of noise, the same in every run
    pause MS         wait; with `raw` before and after it: two segments
    expect [WORD]    read one line; it must begin with WORD (any case), or the session ends
    alone            the session ends unless nothing came behind the line that was read last: it was not pipelined
    reply [CODE]     as a client: read one complete reply; it must begin with CODE
    recv [N]         wait for any bytes (at least N), for example a ClientHello, and drop them
    ehlo [WORD,...]  expect EHLO or HELO, answer 250 with these extensions ("SIZE 1000,STARTTLS")
    starttls         expect STARTTLS, send 220, then TLS with --cert: the well-behaved one
    tls [FILE.pem...]  TLS handshake now (server: with FILE... or every --cert, one of each kind of
                     key; client: verifies nothing)
    serve [WORD=REPLY,...]  an ordinary server until QUIT: EHLO MAIL RCPT DATA RSET NOOP QUIT, and
                     STARTTLS while in clear if `ehlo` words have it: serve ehlo=STARTTLS;SIZE
                     rcpt=550 5.1.1 no, mail=..., starttls=..., data=..., dot=... replace a reply;
                     rcpt:bob=450 4.2.0 later  that of a RCPT with this text in it;
                     auth=USER;SECRET  MAIL only after AUTH with these (PLAIN, LOGIN, XOAUTH2, OAUTHBEARER);
                     mails=3  421 (mails-reply=...) to further MAILs of a session; leave=3  it closes after that many texts;
                     max=3  452 4.5.3 (max-reply=...) to further RCPTs of a transaction; tls-ehlo=...  extensions inside TLS.
                     Instead of a reply: "cut" closes, "break" goes on with the next step. 421 closes, too
    data             read up to CRLF.CRLF, and log how much it was
    close            TLS: close_notify; then close
    cut              close without close_notify
    reset            close by RST
    stall [MS]       do nothing until the peer closes (or MS have passed)
    until-close      read and drop until the peer closes
    session          the steps after it are for the next client; the last script serves all others

Options: --hello (server: log what each ClientHello offers), --script FILE, --timeout SECONDS (30, of one step), --max-tls 1.0|1.1|1.2|1.3, --min-tls,
--ciphers STRING, --sni NAME and --verify FILE (client), --client-cert (server asks for one), --spool DIR
(the text of each DATA as it was on the wire, without the final dot line, in DIR/S<n>.<k>).

Log lines, on stdout: "S<n> C: line" received, "S<n> S: line" sent (client: the other way round),
"S<n> tls TLSv1.3 CIPHER sni=NAME", "S<n> hello sigalgs=HEX,... ciphers=HEX,...", "S<n> tls-failed REASON", "S<n> data BYTES", "S<n> plain-bytes HEX"
for what recv dropped, "S<n> failed STEP: REASON", and last "S<n> end".
"""

import argparse
import base64
import itertools
import random
import re
import socket
import ssl
import struct
import sys
import threading
import time

lock = threading.Lock()


def log(text):
    with lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def visible(data):
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in data)


def unescape(text):
    table = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    out = b""
    for part in re.findall(r"\\x[0-9a-fA-F]{2}|\\.|[^\\]+|\\$", text, re.S):
        if part.startswith("\\x"):
            out += bytes([int(part[2:], 16)])
        elif part.startswith("\\") and len(part) == 2:
            if part[1] not in table:
                raise SystemExit(f"smtp_peer: unknown escape {part}")
            out += table[part[1]]
        else:
            out += part.encode()
    return out


def numbers16(data):
    return [data[i : i + 2].hex() for i in range(0, len(data) - 1, 2)]


def client_hello(data):
    """Signature algorithms and cipher suites of a ClientHello in one record (RFC 8446 s4.1.2)."""
    at = 5 + 4 + 2 + 32  # record, handshake header, version, random
    at += 1 + data[at]
    n = int.from_bytes(data[at : at + 2], "big")
    ciphers = numbers16(data[at + 2 : at + 2 + n])
    at += 2 + n
    at += 1 + data[at] + 2
    sigalgs = []
    while at + 4 <= len(data):
        kind, n = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == 13:
            sigalgs = numbers16(data[at + 6 : at + 4 + n])
        at += 4 + n
    return sigalgs, ciphers


class StepFailed(Exception):
    pass


class Ended(Exception):
    """The client said QUIT: what the script still has is for those who made `serve` break."""


class Session:
    """One connection and the steps played on it."""

    def __init__(self, sock, number, args, server):
        self.sock, self.args, self.server = sock, args, server
        self.name = f"S{number}"
        self.got, self.sent = ("C", "S") if server else ("S", "C")
        self.buffer = b""
        self.sni = None
        self.texts = 0
        sock.settimeout(args.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log(self, text):
        log(f"{self.name} {text}")

    def play(self, steps):
        """Play all steps; False when one failed."""
        step, good = "", False
        try:
            for step in steps:
                verb, _, rest = step.partition(" ")
                self.verbs[verb](self, rest)
            good = True
        except Ended:
            good = True
        except (StepFailed, OSError) as error:
            self.log(f"failed {step.split(' ')[0]}: {error or type(error).__name__}")
        finally:
            self.sock.close()
            self.log("end")
        return good

    # --- bytes ---------------------------------------------------------------------------------

    def write(self, data):
        for line in data.split(b"\n"):
            if line:
                self.log(f"{self.sent}: {visible(line.rstrip(bytes([13])))[:200]}")
        self.sock.sendall(data)

    def receive(self):
        """Some bytes, or none at a proper end of the stream."""
        try:
            return self.sock.recv(65536)
        except ssl.SSLError as error:  # its class and text for this differ between versions
            if "eof" not in str(error).lower():
                raise
            raise StepFailed("closed without close_notify") from error

    def fill(self):
        data = self.receive()
        if not data:
            raise StepFailed("the peer closed")
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > 1 << 20:
                raise StepFailed("a line of more than 1 MiB")
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        line = line.rstrip(b"\r")
        self.log(f"{self.got}: {visible(line)[:400]}")
        return line

    # --- steps ---------------------------------------------------------------------------------

    def send(self, text):
        self.write(unescape(text) + b"\r\n")

    def raw(self, text):
        self.write(unescape(text))

    def drip(self, rest):
        ms, _, text = rest.partition(" ")
        data = unescape(text)
        self.log(f"{self.sent}: {visible(data)[:200]}")
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])
            time.sleep(int(ms) / 1000)

    def repeat(self, rest):
        count, _, text = rest.partition(" ")
        data = unescape(text) * int(count)
        self.log(f"{self.sent}: ({len(data)} bytes)")
        self.sock.sendall(data)

    def random(self, rest):
        self.log(f"{self.sent}: ({rest} random bytes)")
        self.sock.sendall(random.Random(1).randbytes(int(rest)))

    def pause(self, rest):
        time.sleep(int(rest) / 1000)

    def expect(self, word):
        line = self.line()
        if not line.upper().startswith(word.upper().encode()):
            raise StepFailed(f"wanted {word}, got {visible(line)[:100]}")
        return line

    def alone(self, _rest):
        if self.buffer:
            raise StepFailed(f"more than one command: {visible(self.buffer)[:100]}")

    def reply(self, code):
        while True:
            line = self.line()
            if not line.startswith(code.encode()):
                raise StepFailed(f"wanted {code}, got {visible(line)[:100]}")
            if line[3:4] != b"-":
                return line

    def recv(self, rest):
        while len(self.buffer) < int(rest or 1):
            self.fill()
        self.log(f"plain-bytes {self.buffer[:32].hex()}")
        self.buffer = b""

    def ehlo(self, words):
        line = self.line()
        if line[:4].upper() not in (b"EHLO", b"HELO"):
            raise StepFailed(f"wanted EHLO, got {visible(line)[:100]}")
        self.say_ehlo(line, [w for w in words.split(",") if w])

    def say_ehlo(self, line, words):
        lines = ["peer.box.test"] + (words if line[:4].upper() == b"EHLO" else [])
        marks = ["-"] * (len(lines) - 1) + [" "]
        self.write("".join(f"250{m}{text}\r\n" for m, text in zip(marks, lines)).encode())

    def starttls(self, rest):
        self.expect("STARTTLS")
        self.send("220 2.0.0 go ahead")
        self.tls(rest)

    def tls(self, rest):
        if self.buffer:
            self.log(f"plain-bytes {self.buffer[:32].hex()}")
            self.buffer = b""
        context = self.context(rest.split())
        if self.server and self.args.hello:
            self.log_hello()
        try:
            if self.server:
                self.sock = context.wrap_socket(self.sock, server_side=True, suppress_ragged_eofs=False)
            else:
                self.sock = context.wrap_socket(
                    self.sock, server_hostname=self.args.sni, suppress_ragged_eofs=False
                )
        except (ssl.SSLError, OSError) as error:
            self.log(f"tls-failed {getattr(error, 'reason', None) or error}")
            raise StepFailed("no TLS") from error
        self.log(f"tls {self.sock.version()} {self.sock.cipher()[0]} sni={self.sni or '-'}")

    def log_hello(self):
        """What the ClientHello offers; it stays in the socket for OpenSSL."""
        end = time.monotonic() + 5
        data = b""
        while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
            if time.monotonic() > end:
                raise StepFailed("no whole ClientHello")
            data = self.sock.recv(1 << 16, socket.MSG_PEEK)
            if not data:
                raise StepFailed("the peer closed")
            time.sleep(0.002)
        sigalgs, ciphers = client_hello(data)
        self.log(f"hello sigalgs={','.join(sigalgs)} ciphers={','.join(ciphers)}")

    def context(self, pems):
        args = self.args
        kind = ssl.PROTOCOL_TLS_SERVER if self.server else ssl.PROTOCOL_TLS_CLIENT
        context = ssl.SSLContext(kind)
        versions = {
            "1.0": ssl.TLSVersion.TLSv1,
            "1.1": ssl.TLSVersion.TLSv1_1,
            "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3,
        }
        context.minimum_version = versions[args.min_tls]
        context.maximum_version = versions[args.max_tls]
        # Python hides a missing close_notify; the log must tell it (bit: OpenSSL 3, Python >= 3.10)
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
        if args.ciphers:
            context.set_ciphers(args.ciphers)
        if not self.server:
            context.check_hostname = bool(args.verify and args.sni)
            context.verify_mode = ssl.CERT_REQUIRED if args.verify else ssl.CERT_NONE
        if args.verify:
            context.load_verify_locations(args.verify)
        if self.server and args.client_cert:
            context.verify_mode = ssl.CERT_OPTIONAL
        for pem in pems or args.cert:
            context.load_cert_chain(pem)

        def remember(_sock, name, _context):
            self.sni = name

        if self.server:
            context.sni_callback = remember
        return context

    def data(self, _rest=""):
        lines = []
        while (line := self.data_line()) != b".\r\n":
            lines.append(line)
        text = b"".join(lines)
        self.texts += 1
        if self.args.spool:
            with open(f"{self.args.spool}/{self.name}.{self.texts}", "wb") as file:
                file.write(text)
        self.log(f"data {len(text)}")

    def data_line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line + b"\r\n"

    def serve(self, rest):
        Server(self, rest).run()

    def close(self, _rest):
        if isinstance(self.sock, ssl.SSLSocket):
            try:
                self.sock.unwrap()
            except (ssl.SSLError, OSError):
                pass  # the peer need not answer
        self.sock.close()

    def cut(self, _rest):
        self.sock.close()

    def reset(self, _rest):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def stall(self, rest):
        end = time.monotonic() + (int(rest) / 1000 if rest else self.args.timeout)
        try:
            while (left := end - time.monotonic()) > 0:
                self.sock.settimeout(left)
                if not self.receive():
                    self.log("closed by peer")
                    return
        except TimeoutError:
            pass
        finally:
            self.sock.settimeout(self.args.timeout)

    def until_close(self, _rest):
        try:
            while self.receive():
                pass
            self.log("closed by peer")
        except StepFailed as error:
            self.log(str(error))

    verbs = {
        "send": send,
        "raw": raw,
        "drip": drip,
        "repeat": repeat,
        "random": random,
        "pause": pause,
        "expect": expect,
        "alone": alone,
        "reply": reply,
        "recv": recv,
        "ehlo": ehlo,
        "starttls": starttls,
        "tls": tls,
        "data": data,
        "serve": serve,
        "close": close,
        "cut": cut,
        "reset": reset,
        "stall": stall,
        "until-close": until_close,
    }


class Break(Exception):
    """An ordinary server leaves the rest to the script."""


class Server:
    """The step "serve": an ordinary server with some replies replaced."""

    def __init__(self, session, rest):
        self.session = session
        self.ehlo, self.tls_ehlo, self.max = [], None, None
        self.max_reply = "452 4.5.3 too many recipients"
        self.mails, self.mails_reply, self.leave = None, "421 4.7.0 too many messages", None
        self.begun = 0
        self.one_rcpt = {}
        self.mail, self.accepted = False, 0
        self.auth, self.authenticated = None, False
        self.replies = {
            "mail": "250 2.1.0 ok",
            "rcpt": "250 2.1.5 ok",
            "starttls": "220 2.0.0 go ahead",
            "data": "354 go on",
            "dot": "250 2.0.0 taken",
            "rset": "250 2.0.0 ok",
            "noop": "250 2.0.0 ok",
            "quit": "221 2.0.0 bye",
        }
        for word in filter(None, rest.split(",")):
            self.option(*word.partition("=")[::2])

    def option(self, key, value):
        if key == "ehlo":
            self.ehlo = [w for w in value.split(";") if w]
        elif key == "tls-ehlo":
            self.tls_ehlo = [w for w in value.split(";") if w]
        elif key == "auth":
            self.auth = tuple(value.split(";"))
        elif key == "max":
            self.max = int(value)
        elif key in ("mails", "leave"):
            setattr(self, key, int(value))
        elif key == "mails-reply":
            self.mails_reply = value
        elif key == "max-reply":
            self.max_reply = value
        elif key.startswith("rcpt:"):
            self.one_rcpt[key[5:].encode()] = value
        elif key in self.replies:
            self.replies[key] = value
        else:
            raise StepFailed(f"serve knows no {key}")

    def run(self):
        try:
            while self.command(self.session.line()):
                pass
        except Break:
            return
        raise Ended

    def answer(self, reply):
        """Say it; True when the session goes on."""
        if reply == "break":
            raise Break
        if reply == "cut":
            raise StepFailed("cut on purpose")
        self.session.send(reply)
        if reply.startswith("421"):
            raise StepFailed("left with 421")
        return True

    def words(self):
        if not isinstance(self.session.sock, ssl.SSLSocket):
            return self.ehlo
        if self.tls_ehlo is not None:
            return self.tls_ehlo
        return [w for w in self.ehlo if w.upper() != "STARTTLS"]

    def command(self, line):
        verb = line[:4].upper().decode("latin-1")
        if verb in ("EHLO", "HELO"):
            self.mail, self.accepted = False, 0
            self.session.say_ehlo(line, self.words())
            return True
        if line.upper() == b"STARTTLS" and "STARTTLS" in map(str.upper, self.words()):
            self.answer(self.replies["starttls"])
            if self.replies["starttls"].startswith("220"):
                self.session.tls("")
            return True
        if verb == "QUIT":
            self.answer(self.replies["quit"])
            return False
        if verb == "AUTH" and self.auth:
            return self.say_auth(line)
        step = {"MAIL": self.say_mail, "RCPT": self.say_rcpt, "DATA": self.say_data}.get(verb)
        if step:
            return step(line)
        if verb == "RSET":
            self.mail, self.accepted = False, 0
        return self.answer(self.replies.get(verb.lower(), "502 5.5.1 not known"))

    def challenge(self, text=b""):
        """One 334 and its answer, decoded."""
        self.session.send("334 " + base64.b64encode(text).decode())
        return base64.b64decode(self.session.line(), validate=True)

    def say_auth(self, line):
        words = line.decode("latin-1").split(" ")
        mechanism = words[1].upper()
        if mechanism == "LOGIN":
            given = (self.challenge(b"Username:"), self.challenge(b"Password:"))
        else:
            response = base64.b64decode(words[2], validate=True) if len(words) > 2 else self.challenge()
            if mechanism == "PLAIN":
                given = tuple(response.split(b"\0")[1:])
            else:
                fields = response.split(b"\x01")
                start = {"XOAUTH2": b"user=", "OAUTHBEARER": b"n,a="}[mechanism]
                user = fields[0].removeprefix(start).removesuffix(b",") if fields[0].startswith(start) else None
                bearer = [f for f in fields if f.startswith(b"auth=Bearer ")]
                given = (user, bearer[0].removeprefix(b"auth=Bearer ") if bearer else None)
        self.authenticated = given == tuple(w.encode() for w in self.auth)
        self.session.log(f"auth {mechanism} {'right' if self.authenticated else 'wrong'} line={len(line)}")
        if self.authenticated:
            return self.answer("235 2.7.0 welcome")
        if mechanism in ("XOAUTH2", "OAUTHBEARER"):
            self.session.log(f"auth error acknowledged with {self.challenge(b'{}')}")
        return self.answer("535 5.7.8 no")

    def say_mail(self, _line):
        if self.auth and not self.authenticated:
            return self.answer("530 5.7.0 log in first")
        if self.mail:
            return self.answer("503 5.5.1 nested MAIL")
        self.begun += 1
        if self.mails is not None and self.begun > self.mails:
            return self.answer(self.mails_reply)
        self.mail, self.accepted = self.replies["mail"].startswith("2"), 0
        return self.answer(self.replies["mail"])

    def say_rcpt(self, line):
        reply = self.replies["rcpt"]
        for text, special in self.one_rcpt.items():
            if text in line:
                reply = special
        if not self.mail:
            reply = "503 5.5.1 MAIL first"
        elif reply.startswith("2") and self.max is not None and self.accepted >= self.max:
            reply = self.max_reply
        self.accepted += reply.startswith("2")
        return self.answer(reply)

    def say_data(self, _line):
        if self.accepted == 0:
            return self.answer("554 5.5.1 no valid recipients")
        self.answer(self.replies["data"])
        if self.replies["data"].startswith("354"):
            self.session.data()
            self.mail, self.accepted = False, 0
            self.answer(self.replies["dot"])
            if self.leave == self.session.texts:
                raise StepFailed("left on purpose")
        return True


def address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def scripts(steps):
    """Split at `session`, and refuse a step that does not exist before anybody connects."""
    result = [[]]
    for step in steps:
        if step == "session":
            result.append([])
            continue
        if step.partition(" ")[0] not in Session.verbs:
            raise SystemExit(f"smtp_peer: unknown step: {step}")
        result[-1].append(step)
    return result


def listen(args, plays):
    host, port = address(args.listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=1024) as server:
        log(f"ready {server.getsockname()[1]}")
        for number in itertools.count(1):
            sock, _ = server.accept()
            session = Session(sock, number, args, True)
            play = plays[min(number, len(plays)) - 1]
            threading.Thread(target=session.play, args=(play,), daemon=True).start()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--listen", metavar="ADDRESS:PORT")
    where.add_argument("--connect", metavar="ADDRESS:PORT")
    parser.add_argument("--cert", metavar="FILE.pem", action="append", default=[])
    parser.add_argument("--hello", action="store_true")
    parser.add_argument("--script", metavar="FILE")
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--min-tls", default="1.2")
    parser.add_argument("--max-tls", default="1.3")
    parser.add_argument("--ciphers")
    parser.add_argument("--sni")
    parser.add_argument("--verify", metavar="CAFILE")
    parser.add_argument("--client-cert", action="store_true")
    parser.add_argument("--spool", metavar="DIR")
    parser.add_argument("steps", nargs="*", metavar="STEP")
    args = parser.parse_args()
    steps = args.steps
    if args.script:
        with open(args.script, encoding="utf-8") as file:
            lines = (line.strip() for line in file)
            steps = [line for line in lines if line and not line.startswith("#")] + steps
    plays = scripts(steps)
    if args.listen:
        listen(args, plays)
        return 0
    sock = socket.create_connection(address(args.connect), timeout=args.timeout)
    return 0 if Session(sock, 1, args, False).play(plays[0]) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

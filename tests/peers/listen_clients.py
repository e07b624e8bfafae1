#!/usr/bin/env python3
"""
Clients that attack or load a receiver: tables of raw sessions with the replies they must get, and crowds.
It shares no code with mxtls.

    listen_clients.py ADDRESS:PORT table NAME [--tls]     every row of a table; "N rows ok", or exit 1
    listen_clients.py ADDRESS:PORT load CLIENTS FILE [--tls] [--messages N] [--first N]
    listen_clients.py ADDRESS:PORT crowd KIND N [--tls]
    listen_clients.py ADDRESS:PORT exhaust N
    listen_clients.py verify MAILDIR FILE [--twice]
    listen_clients.py stdio [--tls] COMMAND...

table: smuggling, syntax, relay, switch (see TABLES). A row is a name, the turns of the client (bytes to send,
and how many replies to wait for), and the codes that come, to the end of the connection.
load: CLIENTS connections send numbered messages as fast as they are answered, until each sent N or the
server is gone; the number of every acknowledged message goes into FILE as soon as its 250 was read. --first: of the clients, so
that the numbers of several loads differ.
crowd: N clients of a kind that hold the server up (idle; drip: a byte every 50 ms; noop and data: as fast as
it goes, reading what comes), meanwhile a good client sends a message; prints "good client: N ms".
exhaust: N connections at once, then none, then a good client, which must be served.
verify: every message of load that is in MAILDIR/new is complete, and every number in FILE has one; none is there twice,
unless with --twice (then it says how many).
stdio: COMMAND gets one socket as its descriptors 0 and 1, and a message by it.
"""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time

TIMEOUT = 20
HELLO = b"EHLO client.box.test\r\n"
MAIL = b"MAIL FROM:<a@sender.test>\r\n"
RCPT = b"RCPT TO:<u@ok.test>\r\n"
DATA = b"DATA\r\n"
ENVELOPE = [HELLO, MAIL, RCPT, DATA]
EVIL = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<u@ok.test>\r\nDATA\r\nSubject: evil\r\n\r\n.\r\n"


class Client:
    def __init__(self, where, tls=False, sock=None):
        self.buffer, self.codes, self.texts = b"", [], []
        self.sock = sock or socket.create_connection(where, TIMEOUT)
        self.sock.settimeout(TIMEOUT)
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reply()
        if tls:
            self.starttls()

    def starttls(self):
        self.say(HELLO)
        if self.say(b"STARTTLS\r\n") == "220":
            self.handshake()
        self.codes = self.codes[:1]

    def handshake(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert not self.buffer, self.buffer
        self.sock = context.wrap_socket(self.sock)

    def reply(self):
        """One complete reply: its code, or None at the end of the connection."""
        lines = []
        while True:
            while b"\n" not in self.buffer:
                try:
                    data = self.sock.recv(65536)
                except TimeoutError:
                    data = None
                except OSError:
                    data = b""
                if not data:
                    if self.buffer:
                        self.codes.append(f"partial({self.buffer!r})")
                    self.codes.append("closed" if data is not None else "open")
                    return None
                self.buffer += data
            line, _, self.buffer = self.buffer.partition(b"\n")
            lines.append(line.decode("latin-1").rstrip("\r"))
            if line[3:4] != b"-":
                self.codes.append(lines[-1][:3])
                self.texts.append("\n".join(lines))
                return self.codes[-1]

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # the replies tell

    def say(self, data, replies=1):
        self.send(data)
        code = None
        for _ in range(replies):
            code = self.reply()
            if code is None:
                break
        return code

    def message(self, text, recipient=b"u@ok.test"):
        """True when it was acknowledged."""
        for step, code in (
            (MAIL, "250"),
            (b"RCPT TO:<" + recipient + b">\r\n", "250"),
            (DATA, "354"),
            (text + b".\r\n", "250"),
        ):
            if self.say(step) != code:
                return False
        return True

    def close(self):
        self.sock.close()


# --- tables --------------------------------------------------------------------------------------


def smuggling():
    """Every end of data that is none: refused, and nothing behind it is run (reference S6, S7)."""
    ends = [
        b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r.\n", b"\n.\r",
        b"\r\n.\r\r\n", b"\r\r\n.\r\n", b"\r\n\r.\r\n", b"\n\n.\r\n", b"\r\n.\n\r\n", b"\n\r\n.\r\n",
        b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\x00\r\n.\r\n", b"\r\n.\r\x00\n", b"\r\n.\x00\n",
    ]  # fmt: skip
    for end in ends:
        turn = b"Subject: x\r\n\r\ntext" + end + EVIL
        yield repr(end), ENVELOPE + [turn], "220 250 250 250 354 521 closed"
    # what only looks like one
    for body in (b"text\r\n..\r\n", b".. \r\n. \r\n.x\r\n", b"\r\n..\r\n\r\n"):
        yield repr(body), ENVELOPE + [body + b".\r\n", b"QUIT\r\n"], "220 250 250 250 354 250 221 closed"
    # cut in pieces, it is still one: and still none
    yield "slow end", ENVELOPE + [(b"x\r", 0), (b"\n", 0), (b".", 0), (b"\r", 0), b"\n", b"QUIT\r\n"], (
        "220 250 250 250 354 250 221 closed"
    )
    yield "slow CR", ENVELOPE + [(b"x\r", 0), b".\r\n" + EVIL], "220 250 250 250 354 521 closed"


def syntax():
    yield "bare LF in a command", [HELLO, b"NOOP\nQUIT\r\n"], "220 250 521 closed"
    yield "bare CR in a command", [HELLO, b"NOOP\rQUIT\r\n"], "220 250 521 closed"
    yield "NUL in a command", [HELLO, b"NOOP \x00\r\nQUIT\r\n"], "220 250 521 closed"
    yield "NUL in an address", [HELLO, b"MAIL FROM:<a\x00b@sender.test>\r\n"], "220 250 521 closed"
    yield "2048 bytes are a line", [HELLO, b"NOOP " + b"x" * 2041 + b"\r\n", b"QUIT\r\n"], "220 250 250 221 closed"
    yield "2049 are none", [HELLO, b"NOOP " + b"x" * 2042 + b"\r\nQUIT\r\n"], "220 250 500 closed"
    yield "100 KB without an end", [HELLO, b"x" * 100000], "220 250 500 closed"
    yield "a long line of text", ENVELOPE + [b"x" * 40000 + b"\r\n.\r\n", b"QUIT\r\n"], (
        "220 250 250 250 354 250 221 closed"
    )
    yield "unknown commands", [HELLO] + [b"XYZZY\r\n"] * 10, "220 250" + " 500" * 9 + " 421 closed"
    yield "BDAT", [HELLO, MAIL, RCPT, b"BDAT 10 LAST\r\nMAIL FROM:<e@x.test>\r\n"], "220 250 250 250 502 closed"
    for verb in (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT"):
        yield verb.decode(), [verb + b" / HTTP/1.1\r\nHost: x\r\n\r\n"], "220 502 closed"
    yield "EHLO names", [b"EHLO a;b\r\n", b"EHLO a\\b\r\n", b"EHLO <x>\r\n", b"EHLO " + b"x" * 256 + b"\r\n", b"QUIT\r\n"], (
        "220 501 501 501 501 221 closed"
    )
    yield "SIZE too big", [HELLO, MAIL[:-2] + b" SIZE=100001\r\n", MAIL[:-2] + b" SIZE=100000\r\n", b"QUIT\r\n"], (
        "220 250 552 250 221 closed"
    )
    big = (b"x" * 998 + b"\r\n") * 101
    yield "too big, and the session goes on", ENVELOPE + [big + b".\r\n", MAIL, RCPT, DATA, b"ok\r\n.\r\n", b"QUIT\r\n"], (
        "220 250 250 250 354 552 250 250 354 250 221 closed"
    )
    yield "too big, with a smuggled end", ENVELOPE + [big + b"\n.\n" + EVIL], "220 250 250 250 354 521 closed"
    yield "endless", ENVELOPE + [big * 3], "220 250 250 250 354 421 closed"
    yield "too many recipients", [HELLO, MAIL] + [RCPT] * 6 + [DATA, b"x\r\n.\r\n", b"QUIT\r\n"], (
        "220 250 250" + " 250" * 5 + " 452 354 250 221 closed"
    )
    yield "parameters", [HELLO, MAIL[:-2] + b" FOO=1\r\n", MAIL[:-2] + b" AUTH=<>\r\n", MAIL, RCPT[:-2] + b" NOTIFY=NEVER\r\n", b"QUIT\r\n"], (
        "220 250 555 555 250 555 221 closed"
    )
    yield "order", [MAIL, HELLO, RCPT, DATA, MAIL, MAIL, DATA, b"RSET\r\n", RCPT, b"QUIT\r\n"], (
        "220 503 250 503 503 250 503 554 250 503 221 closed"
    )
    yield "no final dot", ENVELOPE + [(b"text\r\n", 0), None], "220 250 250 250 354 closed"
    yield "ahead of EHLO's reply", [(HELLO + MAIL, 2)], "220 554 closed"
    yield "ahead of DATA's reply", [HELLO, MAIL, RCPT, DATA + b"x\r\n.\r\n"], "220 250 250 250 554 closed"
    yield "pipelined", [HELLO, (MAIL + RCPT + RCPT + DATA, 4), b"x\r\n.\r\n", (b"RSET\r\n" + b"NOOP\r\n" * 3 + b"QUIT\r\n", 5)], (
        "220 250 250 250 250 354 250 250 250 250 250 221 closed"
    )
    yield "replies do not wait for a line that is half there", [HELLO, (b"NOOP\r\nNO", 1), b"OP\r\n", b"QUIT\r\n"], (
        "220 250 250 250 221 closed"
    )
    yield "VRFY, HELP, EXPN", [HELLO, b"VRFY u\r\n", b"HELP\r\n", b"EXPN l\r\n", b"QUIT\r\n"], "220 250 252 214 500 221 closed"


def relay():
    """The forms of nmap's smtp-open-relay: none of them leaves this host (reference S12)."""
    target, ip, name = "relaytest@far.test", "127.0.0.1", "client.box.test"
    user, domain = target.split("@")
    pairs = [
        ("", target), ("antispam@far.test", target), ("antispam@sender.test", target),
        (f"antispam@{name}", target), (f"antispam@[{ip}]", target),
        (f"antispam@{name}", f"{user}%{domain}@[{ip}]"), (f"antispam@{name}", f"{user}%{domain}@{name}"),
        (f"antispam@{name}", f'"{target}"'), (f"antispam@{name}", f'"{user}%{domain}"'),
        (f"antispam@{name}", f"{target}@[{ip}]"), (f"antispam@{name}", f'"{target}"@[{ip}]'),
        (f"antispam@{name}", f"{target}@{name}"), (f"antispam@{name}", f"@[{ip}]:{target}"),
        (f"antispam@{name}", f"@{name}:{target}"), (f"antispam@{name}", f"{domain}!{user}"),
        (f"antispam@{name}", f"{domain}!{user}@[{ip}]"), (f"antispam@{name}", f"{domain}!{user}@{name}"),
    ]  # fmt: skip
    other = ["u@notok.test", "u@sub.ok.test", "u@ok.test.", "u@ok.test.far.test", "u@[127.0.0.1]", "u@[IPv6:::1]",
             "postmaster@far.test", "postmaster@[127.0.0.1]", "u", ""]  # fmt: skip
    for sender, recipient in pairs + [("a@sender.test", r) for r in other]:
        turns = [HELLO, f"MAIL FROM:<{sender}>\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode(), DATA, b"QUIT\r\n"]
        yield f"{sender} to {recipient}", turns, ("220 250 250 550 554 221 closed", "220 250 250 501 554 221 closed")
    for recipient in ("u@ok.test", "u@OK.TEST", "postmaster", "PostMaster", "postmaster@ok.test", '"a b"@ok.test'):
        turns = [HELLO, MAIL, f"RCPT TO:<{recipient}>\r\n".encode(), b"QUIT\r\n"]
        yield recipient, turns, "220 250 250 250 221 closed"
    dictionary = [f"RCPT TO:<u{i}@far.test>\r\n".encode() for i in range(10)]
    yield "many refused recipients", [HELLO, MAIL] + dictionary, "220 250 250" + " 550" * 9 + " 421 closed"


def switch():
    """STARTTLS that goes wrong: never a command run that came in clear, never a word in clear after 220."""
    tls = b"STARTTLS\r\n"
    yield "same segment", [HELLO, tls + MAIL], "220 250 554 closed"
    yield "same segment, in part", [HELLO, tls + b"MAI"], "220 250 554 closed"
    yield "one byte", [HELLO, tls + b"\x16"], "220 250 554 closed"
    yield "delayed", [HELLO, tls, MAIL], "220 250 220 closed"
    yield "delayed, in part", [HELLO, tls, b"M"], "220 250 220 closed"
    yield "garbage", [HELLO, tls, bytes(range(256))], "220 250 220 closed"
    yield "a record that is no ClientHello", [HELLO, tls, b"\x16\x03\x01\x00\x05hello"], "220 250 220 alert closed"
    yield "a ClientHello that ends early", [HELLO, tls, (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0), None], (
        "220 250 220 closed",
        "220 250 220 alert closed",
    )
    yield "closed", [HELLO, tls, None], "220 250 220 closed"
    yield "with an argument", [HELLO, b"STARTTLS now\r\n", b"NOOP\r\n", b"QUIT\r\n"], "220 250 501 250 221 closed"
    yield "before EHLO", [tls, b"QUIT\r\n"], "220 503 221 closed"
    yield "inside a transaction", [HELLO, MAIL, tls, b"QUIT\r\n"], "220 250 250 503 221 closed"
    yield "HELO, then STARTTLS", [b"HELO x\r\n", tls, b"\x00"], "220 250 220 closed"


def inside():
    """Sessions that switch: b"TLS" is the handshake."""
    tls = [b"STARTTLS\r\n", b"TLS"]
    yield "EHLO is forgotten", [HELLO] + tls + [MAIL, RCPT, DATA, HELLO, b"QUIT\r\n"], (
        "220 250 220 503 503 503 250 221 closed"
    )
    yield "twice", [HELLO] + tls + [HELLO, b"STARTTLS\r\n", b"QUIT\r\n"], "220 250 220 250 503 221 closed"
    yield "twice, without EHLO", [HELLO] + tls + [b"STARTTLS\r\n", b"QUIT\r\n"], "220 250 220 503 221 closed"
    yield "errors go on counting", [HELLO] + [b"X\r\n"] * 8 + tls + [b"X\r\n", b"X\r\n"], (
        "220 250" + " 500" * 8 + " 220 500 421 closed"
    )
    yield "pipelined inside", [HELLO] + tls + [HELLO, (MAIL + RCPT + DATA, 3), b"x\r\n.\r\n", b"QUIT\r\n"], (
        "220 250 220 250 250 250 354 250 221 closed"
    )
    yield "ahead of EHLO's reply", [HELLO] + tls + [(HELLO + MAIL, 2)], "220 250 220 554 closed"
    # what the TLS library has read ahead does not show at the socket any more
    full = (b"x" * 70 + b"\r\n") * 227 + b"y" * 38 + b"\r\n"
    yield "a full record and a short one", [HELLO] + tls + [HELLO] + [MAIL, RCPT, DATA, full + b".\r\n"] * 20 + [b"QUIT\r\n"], (
        "220 250 220 250" + " 250 250 354 250" * 20 + " 221 closed"
    )


TABLES = {"smuggling": smuggling, "syntax": syntax, "relay": relay, "switch": switch, "inside": inside}


def run_row(where, turns, tls):
    client = Client(where, tls)
    for turn in turns:
        if turn is None:
            if tls:
                client.sock = client.sock.unwrap()
            client.sock.shutdown(socket.SHUT_WR)
            continue
        if turn == b"TLS":
            client.handshake()
            continue
        data, replies = turn if isinstance(turn, tuple) else (turn, 1)
        if replies == 0:
            time.sleep(0.01)  # a segment of its own
        client.say(data, replies)
    while client.codes[-1] not in ("closed", "open"):
        client.reply()
    client.close()
    # a TLS alert is no word in clear
    codes = ["alert" if c.startswith(("\x15\x03", "partial(b'\\x15\\x03")) else c for c in client.codes]
    return " ".join(codes)


def table(where, name, tls):
    bad = count = 0
    for title, turns, wanted in TABLES[name]():
        count += 1
        got = run_row(where, turns, tls)
        if got not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            bad += 1
            print(f"{title}\n  wanted: {wanted}\n  got:    {got}")
    print(f"{count - bad} rows ok")
    return bad != 0


# --- crowds --------------------------------------------------------------------------------------


def text_of(number):
    size = 200 + number * 7919 % 30000
    body = (b"%08d " % number) * (size // 9)
    lines = b"\r\n".join(body[i : i + 72] for i in range(0, len(body), 72))
    return b"Subject: number %d\r\n\r\n" % number + lines + b"\r\nend %d\r\n" % number


def load(where, clients, path, tls, messages, first_client):
    acked, lock = open(path, "w", encoding="ascii"), threading.Lock()

    def one(first):
        try:
            client = Client(where, tls)
            client.say(HELLO)
            for i in range(messages):
                number = first * 1000000 + i
                if not client.message(text_of(number)):
                    return
                with lock:
                    print(number, file=acked, flush=True)
            client.say(b"QUIT\r\n")
        except OSError:
            pass  # the server is gone

    threads = [threading.Thread(target=one, args=(first_client + i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    print("done", flush=True)


def crowd_client(where, kind, tls, stop, started):
    client = Client(where, tls)
    if kind in ("noop", "data"):
        client.say(HELLO)
    if kind == "data":
        client.say(MAIL)
        client.say(RCPT)
        client.say(DATA)
    started.release()
    client.sock.settimeout(0.2)
    line = {"noop": b"NOOP\r\n" * 2000, "data": (b"x" * 70 + b"\r\n") * 500}.get(kind)
    at = 0

    def drain():
        while not stop.is_set():
            try:
                client.sock.recv(1 << 20)
            except OSError:
                pass

    if kind == "noop":
        threading.Thread(target=drain).start()
    try:
        while not stop.is_set():
            if kind == "idle":
                stop.wait()
            elif kind == "drip":
                client.sock.sendall(HELLO[at % 5 : at % 5 + 1])
                at += 1
                stop.wait(0.05)
            else:
                client.sock.sendall(line)
    except OSError:
        pass
    client.close()


def crowd(where, kind, n, tls):
    stop, started = threading.Event(), threading.Semaphore(0)
    args = (where, kind, tls, stop, started)
    threads = [threading.Thread(target=crowd_client, args=args) for _ in range(n)]
    for thread in threads:
        thread.start()
    for _ in range(n):
        if not started.acquire(timeout=TIMEOUT):
            print("the crowd is not there")
            os._exit(1)
    begin = time.monotonic()
    client = Client(where, tls)
    client.say(HELLO)
    good = client.message(text_of(1))
    print(f"good client: {'taken' if good else client.texts[-1]} after {(time.monotonic() - begin) * 1000:.0f} ms", flush=True)
    os._exit(0 if good else 1)


def exhaust(where, n):
    socks = []
    for _ in range(n):
        sock = socket.socket()
        sock.settimeout(0.5)
        sock.connect(where)
        socks.append(sock)
    greeted = refused = 0
    for sock in socks:
        try:
            first = sock.recv(100)
        except OSError:
            continue
        greeted += first.startswith(b"220")
        refused += first.startswith(b"421")
    print(f"greeted {greeted} refused {refused}", flush=True)
    for sock in socks:
        sock.close()
    client = Client(where)
    client.say(HELLO)
    print("taken" if client.message(text_of(1)) else client.texts[-1])


def verify(maildir, path, twice):
    there, again = set(), 0
    for entry in os.scandir(os.path.join(maildir, "new")):
        with open(entry.path, "rb") as file:
            text = file.read()
        at = text.index(b"Subject: number ")
        number = int(text[at:].split(b"\n", 1)[0].split()[-1])
        if text[at:] != text_of(number).replace(b"\r\n", b"\n"):
            print(f"not complete: {entry.name}")
            return 1
        if number in there and not twice:
            print(f"twice: {number}")
            return 1
        again += number in there
        there.add(number)
    with open(path, encoding="ascii") as file:
        acked = {int(line) for line in file}
    print(f"{len(acked)} acknowledged, {len(there)} stored, {len(acked - there)} lost" + f", {again} twice" * twice)
    return len(acked - there) != 0


def stdio(command, tls):
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs)
    theirs.close()
    client = Client(None, tls, ours)
    client.say(HELLO)
    print(client.texts[-1])
    print("taken" if client.message(text_of(1)) else client.texts[-1])
    client.say(b"QUIT\r\n")
    print(" ".join(client.codes))
    client.close()
    return child.wait(TIMEOUT)


def main():
    words = [w for w in sys.argv[1:] if w != "--tls"]
    tls = "--tls" in sys.argv
    numbers = {"--messages": 1000000, "--first": 1}
    for option in numbers:
        if option in words:
            at = words.index(option)
            numbers[option] = int(words[at + 1])
            del words[at : at + 2]
    if words[0] == "verify":
        sys.exit(verify(words[1], words[2], "--twice" in words))
    if words[0] == "stdio":
        sys.exit(stdio(words[1:], tls))
    host, _, port = words[0].rpartition(":")
    where = (host.strip("[]"), int(port))
    if words[1] == "table":
        sys.exit(table(where, words[2], tls))
    elif words[1] == "load":
        load(where, int(words[2]), words[3], tls, numbers["--messages"], numbers["--first"])
    elif words[1] == "exhaust":
        exhaust(where, int(words[2]))
    else:
        crowd(where, words[2], int(words[3]), tls)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""
An SMTP server with and without the mistake of CVE-2011-0411, made on purpose: after STARTTLS it goes
on with the same input buffer, so that what came in clear behind the command is obeyed inside TLS.

    injection_peer.py --listen ADDRESS:PORT --cert FILE.pem --mode MODE

    vulnerable   keeps the buffer
    late         keeps it, and answers what is in it only after 3 s
    discard      empties it: safe
    reject       554 instead of 220 when it is not empty: safe
    tempfail     454 likewise
    feed         gives it to the handshake, which fails: safe
    clear        answers it in clear, behind the 220
    talker       empties it, but says "250 ok" inside TLS in every session, asked or not
    greeter      keeps it, and greets again inside TLS, asked or not
    some250      says "250 ok" inside TLS, but only when there was something in the buffer
    hangup       closes inside TLS when there was something in the buffer
    no-tls       does not offer STARTTLS

Prints "ready PORT", then "S<n> C: line", "S<n> tls", "S<n> T: line" (read inside TLS), "S<n> end".
"""

import argparse
import itertools
import socket
import ssl
import sys
import threading
import time


MODES = ["vulnerable", "late", "discard", "reject", "tempfail", "feed", "clear", "talker", "greeter",
         "some250", "hangup", "no-tls"]


def log(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Session:
    def __init__(self, sock, number, args):
        self.sock, self.name, self.args = sock, f"S{number}", args
        self.buffer, self.secure = b"", False

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def line(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("closed")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        log(f"{self.name} {'T' if self.secure else 'C'}: {line.strip().decode('latin-1')}")
        return line.strip().upper()

    def starttls(self):
        """False when the session goes on in clear."""
        mode, behind = self.args.mode, self.buffer
        if behind and mode in ("reject", "tempfail"):
            self.buffer = b""
            self.say("554 5.5.0 data behind STARTTLS" if mode == "reject" else "454 4.7.0 not now")
            return
        self.say("220 2.0.0 go ahead" + ("\r\n502 5.5.2 not known" if behind and mode == "clear" else ""))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.args.cert)
        if behind and mode == "feed":
            inside = ssl.MemoryBIO()
            inside.write(behind)
            context.wrap_bio(inside, ssl.MemoryBIO(), server_side=True).do_handshake()
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.secure = True
        log(f"{self.name} tls")
        if mode not in ("vulnerable", "late", "greeter"):
            self.buffer = b""
        if mode == "late" and behind:
            time.sleep(3)
        if mode == "talker" or (mode == "some250" and behind):
            self.say("250 ok")
        if mode == "greeter":
            self.say("220 injection.box.test ESMTP again")
        if mode == "hangup" and behind:
            raise ConnectionError("hang up")

    def run(self):
        try:
            self.say("220 injection.box.test ESMTP")
            while True:
                verb = (self.line().split() or [b""])[0]
                if verb == b"EHLO":
                    offer = not self.secure and self.args.mode != "no-tls"
                    self.say("250-injection.box.test\r\n250 STARTTLS" if offer else "250 injection.box.test")
                elif verb == b"STARTTLS" and not self.secure:
                    self.starttls()
                elif verb == b"QUIT":
                    self.say("221 2.0.0 bye")
                    return
                else:
                    self.say("502 5.5.2 not known")
        except OSError as error:
            log(f"{self.name} failed {error}")
        finally:
            self.sock.close()
            log(f"{self.name} end")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--mode", required=True, choices=MODES)
    args = parser.parse_args()
    host, _, port = args.listen.rpartition(":")
    listener = socket.create_server((host, int(port)))
    log(f"ready {listener.getsockname()[1]}")
    for number in itertools.count(1):
        sock, _ = listener.accept()
        sock.settimeout(30)
        threading.Thread(target=Session(sock, number, args).run, daemon=True).start()


main()

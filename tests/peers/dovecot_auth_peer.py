#!/usr/bin/env python3
"""
The login service behind a real Postfix (smtpd_sasl_type = dovecot): speaks Dovecot's authentication protocol 1.1, with
PLAIN and LOGIN, on a Unix socket.

    dovecot_auth_peer.py SOCKET USER:PASSWORD...

Prints "ready", and a line for each login: "auth MECHANISM USER OK|FAIL".
"""
import base64
import os
import socket
import sys
import threading


def b64(text):
    return base64.b64encode(text).decode()


class Client:
    def __init__(self, conn, accounts):
        self.file = conn.makefile("rwb")
        self.accounts = accounts
        self.login = {}  # of LOGIN: the user, once it is known

    def say(self, *words):
        self.file.write("\t".join(words).encode() + b"\n")
        self.file.flush()

    def decide(self, number, mechanism, user, password):
        ok = self.accounts.get(user) == password
        print("auth", mechanism, user, "OK" if ok else "FAIL", flush=True)
        self.say("OK" if ok else "FAIL", number, f"user={user}")

    def plain(self, number, response):
        _, user, password = base64.b64decode(response).decode().split("\0")
        self.decide(number, "PLAIN", user, password)

    def step(self, number, response):
        if number not in self.login:
            self.say("CONT", number, b64(b"Password:"))
            self.login[number] = base64.b64decode(response).decode()
        else:
            self.decide(number, "LOGIN", self.login.pop(number), base64.b64decode(response).decode())

    def serve(self):
        self.say("VERSION", "1", "1")
        self.say("MECH", "PLAIN", "plaintext")
        self.say("MECH", "LOGIN", "plaintext")
        self.say("SPID", "1")
        self.say("CUID", "1")
        self.say("COOKIE", "00112233445566778899aabbccddeeff")
        self.say("DONE")
        for line in self.file:
            words = line.decode().rstrip("\n").split("\t")
            response = next((w[5:] for w in words if w.startswith("resp=")), None)
            if words[0] == "AUTH" and words[2] == "PLAIN" and response is not None:
                self.plain(words[1], response)
            elif words[0] == "AUTH" and words[2] == "LOGIN" and response is not None:
                self.step(words[1], response)
            elif words[0] == "AUTH":
                self.say("CONT", words[1], "" if words[2] == "PLAIN" else b64(b"Username:"))
                if words[2] == "PLAIN":
                    self.login[words[1]] = None
            elif words[0] == "CONT" and self.login.get(words[1], "") is None:
                del self.login[words[1]]
                self.plain(words[1], words[2])
            elif words[0] == "CONT":
                self.step(words[1], words[2])


def main():
    path, accounts = sys.argv[1], dict(a.split(":", 1) for a in sys.argv[2:])
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    os.chmod(path, 0o777)
    server.listen(20)
    print("ready", flush=True)
    while True:
        conn, _ = server.accept()
        threading.Thread(target=Client(conn, accounts).serve, daemon=True).start()


if __name__ == "__main__":
    main()

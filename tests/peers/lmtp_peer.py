#!/usr/bin/env python3
"""An LMTP server (RFC 2033) on a Unix socket or 127.0.0.1:PORT, for tests of local delivery.

    lmtp_peer.py --listen PATH|PORT --spool DIR

Recipients: full@ is refused for now at RCPT (452), unknown@ for good (550 5.1.1), late@ after the text
(452 4.2.2), never@ after the text for good (554 5.2.0); all others get 250. Each message goes to DIR/N,
each command to stdout. Prints "ready" once it listens.
"""
import argparse
import os
import socketserver

AT_RCPT = {"full": "452 4.2.2 full", "unknown": "550 5.1.1 unknown user"}
AT_END = {"late": "452 4.2.2 over quota", "never": "554 5.2.0 never"}


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        rcpts = []
        self.say("220 store LMTP")
        while line := self.rfile.readline():
            command = line.decode("latin-1").rstrip("\r\n")
            print(command, flush=True)
            verb = command[:4].upper()
            if verb == "LHLO":
                self.say("250-store")
                self.say("250 8BITMIME")
            elif verb == "RCPT":
                local = command.split("<")[1].split("@")[0]
                self.say(AT_RCPT.get(local, "250 2.1.5 ok"))
                if local not in AT_RCPT:
                    rcpts.append(local)
            elif verb == "DATA":
                self.say("354 go")
                if not self.text():
                    return
                for local in rcpts:
                    self.say(AT_END.get(local, f"250 2.0.0 <{local}> stored"))
                rcpts = []
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def text(self):
        self.server.count += 1
        path = os.path.join(args.spool, str(self.server.count))
        with open(path + ".part", "wb") as out:
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                out.write(line[1:] if line.startswith(b".") else line)
        if line == b"":  # cut off: no message
            os.unlink(path + ".part")
            return False
        os.rename(path + ".part", path)
        return True


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    count = 0


class Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    count = 0


parser = argparse.ArgumentParser()
parser.add_argument("--listen", required=True)
parser.add_argument("--spool", required=True)
args = parser.parse_args()
if args.listen.startswith("/"):
    server = Unix(args.listen, Handler)
else:
    server = Tcp(("127.0.0.1", int(args.listen)), Handler)
print("ready", flush=True)
server.serve_forever()

#!/usr/bin/env python3
"""
SMTP up to STARTTLS in front of a server that speaks only TLS (openssl s_server, gnutls-serv):

    starttls_front.py --listen ADDRESS:PORT --to ADDRESS:PORT [--limit N]

After the 220 every byte goes through as it is, so the TLS is that of the server behind. --limit: from
connection N + 1 on the greeting is a 421, as of a server that has had enough. Waits until the server
behind takes connections, and prints "ready PORT"; then "S<n> start" and "S<n> end" for each connection, "S<n> quit" when it ended by QUIT.
"""

import argparse
import itertools
import socket
import sys
import threading
import time


def log(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def dialogue(client):
    """True when STARTTLS was asked for; reads byte by byte, so that nothing behind it is swallowed."""
    client.sendall(b"220 front.box.test ESMTP\r\n")
    while True:
        line = b""
        while not line.endswith(b"\n"):
            byte = client.recv(1)
            if not byte:
                return False
            line += byte
        verb = line.split()[0].upper() if line.split() else b""
        if verb == b"EHLO":
            client.sendall(b"250-front.box.test\r\n250 STARTTLS\r\n")
        elif verb == b"STARTTLS":
            client.sendall(b"220 2.0.0 go ahead\r\n")
            return True
        elif verb == b"QUIT":
            client.sendall(b"221 2.0.0 bye\r\n")
            return False
        else:
            client.sendall(b"502 5.5.1 not known\r\n")


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, number, args):
    log(f"S{number} start")
    client.settimeout(30)
    try:
        if args.limit and number > args.limit:
            client.sendall(b"421 4.7.0 too many connections from you\r\n")
            client.recv(100)
        elif dialogue(client):
            with socket.create_connection(address(args.to), 10) as server:
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join(10)
        else:
            log(f"S{number} quit")
    except OSError as error:
        log(f"S{number} failed {error}")
    finally:
        client.close()
        log(f"S{number} end")


def wait_for(server):
    end = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(server, 5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--limit", type=int, default=0)
    args = parser.parse_args()
    host, port = address(args.listen)
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    wait_for(address(args.to))
    log(f"ready {listener.getsockname()[1]}")
    for number in itertools.count(1):
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, number, args), daemon=True).start()


main()

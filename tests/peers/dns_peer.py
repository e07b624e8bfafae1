#!/usr/bin/env python3
"""
A resolver that is of no use: it answers every question with one response code, or never.

    dns_peer.py --listen ADDRESS:PORT [--rcode N]     2 SERVFAIL, 5 REFUSED...; without it: silence

UDP only. Prints "ready", then "asked TYPE" for each question.
"""

import argparse
import socket
import sys


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--rcode", type=int)
    args = parser.parse_args()
    host, _, port = args.listen.rpartition(":")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, int(port)))
    print("ready", flush=True)
    while True:
        query, peer = sock.recvfrom(4096)
        end = query.index(b"\0", 12) + 1  # of the name
        print("asked", int.from_bytes(query[end : end + 2], "big"), flush=True)
        if args.rcode is None:
            continue
        # QR, RD, RA; the question comes back, nothing else does
        flags = (0x8180 | args.rcode).to_bytes(2, "big")
        counts = b"\0\1" + b"\0\0" * 3
        sock.sendto(query[:2] + flags + counts + query[12 : end + 4], peer)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

#!/usr/bin/env python3
"""queue_fill.py N QUEUE DESTINATIONS [NAME]: fill a queue of mxtls with N small messages, without the program.

Recipients are u<i>@<destination>: [127.0.1.1], [127.0.1.2], ..., or NAME with %d in it. The files are what
app/queue/queuefile.h describes, checksum included.
"""
import os
import sys

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CRC = []
for byte in range(256):
    c = byte
    for _ in range(8):
        c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
    CRC.append(c)


def crc32c(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = CRC[(c ^ byte) & 255] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


def make_id(number):
    text = ""
    for _ in range(16):
        text = ALPHABET[number & 31] + text
        number >>= 5
    return text


def main():
    n, queue, destinations = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    name = sys.argv[4] if len(sys.argv) > 4 else "[127.0.1.%d]"
    for folder in ("", "q", "tmp", "j", "dest", "corrupt"):
        os.makedirs(f"{queue}/{folder}", mode=0o700, exist_ok=True)
    now = int(os.environ.get("NOW", "1795508823"))
    for i in range(n):
        ident = make_id((now * 1000000 + i) << 25)
        head = (f"mxtls-queue 1\nid {ident}\ntime {now}\nflags\nsender <a@client.example>\n"
                f"rcpt <u{i}@{name % (i % destinations + 1)}>\n\n")
        text = f"From: a@client.example\nSubject: message {i}\n\n" + "hello world\n" * 100
        body = (head + text).encode()
        with open(os.open(f"{queue}/q/{ident}", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(body + b"mxtls-end %020d %08x\n" % (len(body), crc32c(body)))


main()

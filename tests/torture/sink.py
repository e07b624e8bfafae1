#!/usr/bin/env python3
"""
The sink of the torture: an SMTP server on all loopback addresses that never loses what it took.

    sink.py PORT LOG

LOG gets one line "TOKEN RECIPIENT" for each recipient of each message that was answered with 250: TOKEN is
the first "tok-..." in the text. Recipients that begin with "bad" get 550; "later" get 450 the first time that
a sender named "tok-...@..." names them. Prints "ready" when it listens.
"""
import asyncio
import re
import sys

log = open(sys.argv[2], "a", buffering=1)
seen = set()


async def session(reader, writer):
    async def say(text):
        writer.write(text + b"\r\n")
        await writer.drain()

    sender, rcpts = b"", []
    try:
        await say(b"220 sink ESMTP")
        while line := await reader.readline():
            word = line[:4].upper()
            if word in (b"EHLO", b"HELO"):
                await say(b"250-sink\r\n250-8BITMIME\r\n250 SIZE 100000000")
            elif word == b"MAIL":
                sender, rcpts = line.strip(), []
                await say(b"250 2.1.0 ok")
            elif word == b"RCPT":
                rcpt = re.search(rb"<(.*)>", line).group(1)
                if rcpt.startswith(b"bad"):
                    await say(b"550 5.1.1 nobody")
                elif rcpt.startswith(b"later") and (sender, rcpt) not in seen:
                    seen.add((sender, rcpt))
                    await say(b"450 4.2.0 later")
                else:
                    rcpts.append(rcpt)
                    await say(b"250 2.1.5 ok")
            elif word == b"DATA":
                await say(b"354 go on")
                text = b""
                while (line := await reader.readline()) not in (b".\r\n", b""):
                    text += line
                if not line:
                    break
                token = re.search(rb"tok-[0-9a-z-]+", text)
                for rcpt in rcpts:
                    log.write(f"{token.group().decode() if token else '?'} {rcpt.decode()}\n")
                await say(b"250 2.0.0 taken")
            elif word == b"QUIT":
                await say(b"221 2.0.0 bye")
                break
            else:
                await say(b"250 2.0.0 ok")
    except ConnectionError:
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(session, "0.0.0.0", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())

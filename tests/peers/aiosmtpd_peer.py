#!/usr/bin/env python3
"""
aiosmtpd as a receiver: STARTTLS, SMTPUTF8, 8BITMIME and SIZE, no PIPELINING.

    PYTHONPATH=$DEBS/python3-aiosmtpd/usr/lib/python3/dist-packages aiosmtpd_peer.py ADDRESS PORT CERT.pem FILE

Prints "ready", and a line for each message, whose text (CR LF, without doubled dots) goes to FILE:
"message tls|clear SENDER RECIPIENT...".
"""
import asyncio
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Handler:
    async def handle_DATA(self, _server, session, envelope):
        with open(sys.argv[4], "wb") as out:
            out.write(envelope.content)
        print("message", "tls" if session.ssl else "clear", envelope.mail_from, *envelope.rcpt_tos, flush=True)
        return "250 2.0.0 taken"


async def main(address, port, cert):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="aiosmtpd.box.test", tls_context=context, enable_SMTPUTF8=True), address, port
    )
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))

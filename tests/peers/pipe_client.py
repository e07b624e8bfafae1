#!/usr/bin/env python3
"""
A message by SMTP through a program that carries lines, such as openssl s_client or gnutls-cli.

    pipe_client.py FILE SENDER RECIPIENT COMMAND...

COMMAND's standard input and output are the session, which is past its greeting (and inside TLS); whatever else it
prints is passed over. FILE ends its lines in CRLF. Prints the reply to the message; exit status 1 unless it is 250.
"""

import re
import subprocess
import sys
import threading


def main():
    name, sender, recipient, *command = sys.argv[1:]
    with open(name, "rb") as file:
        text = re.sub(rb"^\.", b"..", file.read(), flags=re.M)
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    timer = threading.Timer(20, child.kill)
    timer.start()

    def say(data, until):
        child.stdin.write(data)
        child.stdin.flush()
        for line in child.stdout:
            if re.match(until, line):
                return line.decode(errors="replace").strip()
        return "the end"

    steps = [
        # what a program shows of the replies before is not the reply to this
        (b"EHLO client.box.test\r\n", rb"250-PIPELINING"),
        (b"", rb"250 "),
        (f"MAIL FROM:<{sender}>\r\n".encode(), rb"\d{3} "),
        (f"RCPT TO:<{recipient}>\r\n".encode(), rb"\d{3} "),
        (b"DATA\r\n", rb"\d{3} "),
        (text + b".\r\n", rb"\d{3} "),
    ]
    for step in steps:
        answer = say(*step)
    print(answer)
    say(b"QUIT\r\n", rb"221 ")
    child.stdin.close()
    child.wait()
    timer.cancel()
    return not answer.startswith("250 ")


if __name__ == "__main__":
    sys.exit(main())

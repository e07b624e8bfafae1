#!/usr/bin/env python3
"""
The torture of listen (make torture): kill -9 and errors at every I/O call of a server that takes two messages.

    listen.py MXTLS SHIM [--sample N --seed S] [--scenario NAME] [--action NAME]

Each delivery, and each once more with +workers: a supervisor and a worker in its sandbox.

As run.py, whose shim it uses: each round has a server of its own under the shim, in a PID namespace, with a
commit helper, and a client outside of it, who writes down what was acknowledged. Afterwards:

  - what got 250 is there, whole, for every recipient; with the queue: it is run, and the sink has got it
  - what got another answer, or none, is nowhere, unless the server was killed: then it may be there, whole
  - nothing is in part, but the last message of an mbox file after a kill; nothing is left in tmp/ without a kill
  - a server without the shim goes on in the same place
"""
import collections
import mailbox
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

from run import Torture, play

RCPTS = ["good@[127.0.0.1]", "two@[127.0.0.2]"]
USERS = ["ann@ok.test", "bob@ok.test"]
SIZES = [100, 40000]  # in memory to the end, and a file from the start


class Client:
    """A session; what it does not understand is the end of it."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.settimeout(10)
        self.buffer = b""

    def reply(self):
        while True:
            line, newline, rest = self.buffer.partition(b"\n")
            if newline:
                self.buffer = rest
                if line[3:4] != b"-":
                    return line.decode(errors="replace")
                continue
            data = self.sock.recv(65536)
            if not data:
                return ""
            self.buffer += data

    def say(self, text):
        self.sock.sendall(text)
        return self.reply()

    def message(self, token, rcpts, text):
        """True: acknowledged; False: refused; None: the session is over."""
        if not self.say(f"MAIL FROM:<{token}@client.example>\r\n".encode()).startswith("250"):
            return None
        taken = [self.say(f"RCPT TO:<{r}>\r\n".encode())[:1] for r in rcpts]
        if not all(t == "2" for t in taken):
            self.say(b"RSET\r\n")
            return False if "" not in taken else None
        answer = self.say(b"DATA\r\n")
        if answer.startswith("354"):
            answer = self.say(text.replace(b"\n", b"\r\n") + b".\r\n")
        return answer.startswith("250") if answer else None


def text_of(token, size):
    return (f"Subject: {token}\nDate: x\nMessage-ID: <{token}@x>\n\n" + "0123456789abcdef\n" * (size // 17)
            + f"end {token}\n").encode()  # fmt: skip


class ListenTorture(Torture):
    KINDS = ["maildir", "maildirs", "mbox", "command", "lmtp", "queue"]
    SCENARIOS = [*KINDS, *(f"{kind}+workers" for kind in KINDS)]

    def __init__(self, args):
        super().__init__(args)
        self.policy = f"{self.dir}/policy"
        with open(self.policy, "w") as f:
            f.write("default may\npolicy ip:127.0.0.0/8 may\n")
        self.command = f"{self.dir}/command"
        with open(self.command, "w") as f:
            f.write('#!/bin/sh\nset -e\ncat > "$1/.$MXTLS_ID"\nmv "$1/.$MXTLS_ID" "$1/$MXTLS_ID"\n')
        os.chmod(self.command, 0o755)
        self.lmtp = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../peers/lmtp_peer.py"),
             "--listen", f"{self.dir}/lmtp", "--spool", self.dir],
            stdout=open(f"{self.dir}/lmtp.log", "w"), stderr=subprocess.DEVNULL)  # fmt: skip
        while not os.path.exists(f"{self.dir}/lmtp"):
            time.sleep(0.01)

    def close(self):
        self.lmtp.terminate()
        self.lmtp.wait()
        super().close()

    def words(self, scenario, place):
        kind, _, workers = scenario.partition("+")
        where = {"maildir": f"maildir:{place}/box", "maildirs": f"maildir:{place}/%d/%u", "mbox": f"mbox:{place}/mbox",
                 "command": f"command:{self.command} {place}", "lmtp": f"lmtp:unix:{self.dir}/lmtp", "queue": "queue"}  # fmt: skip
        words = ["listen", "--workers", "1" if workers else "0", "--tls", "off", "--hostname", "mx.test", "--commit-helpers", "1"]
        words += ["--deliver", where[kind]]
        if kind == "queue":
            words += ["--queue", f"{place}/queue", "--relay-from", "127.0.0.1", "--policy", self.policy]
        for user in USERS:
            words += ["--accept", user]
        return [*words, "127.0.0.1:0"]

    def rcpts(self, kind):
        return RCPTS if kind == "queue" else USERS[:1] if kind in ("command", "lmtp") else USERS

    # --- one server

    def serve(self, scenario, place, tokens, action="", **how):
        """Messages to a server; {token: acknowledged}, and what it said on standard error."""
        kind, _, workers = scenario.partition("+")
        frozen = bool(workers) and action == "kill"
        server = self.start(self.words(scenario, place), action="freeze" if frozen else action, **how)
        acked = dict.fromkeys(tokens)
        over = threading.Event()
        if frozen:  # a worker may not kill its supervisor
            threading.Thread(target=self.kill_when_frozen, args=(server, over)).start()
        try:
            port = self.port_of(server)
            if port:
                for token, size in tokens.items():
                    client = Client(port)  # of its own, so that one that is cut does not take the other along
                    if client.reply().startswith("220") and client.say(b"EHLO c\r\n").startswith("250"):
                        acked[token] = client.message(token, self.rcpts(kind), text_of(token, size))
                    client.sock.close()
        except ConnectionError:
            pass
        except TimeoutError:
            acked["hangs"] = False
        finally:
            self.settle(kind, place, server)
            over.set()
            server.kill()  # its namespace goes with it
            _, said = server.communicate()
        return acked, said.decode(errors="replace")

    def kill_when_frozen(self, server, over):
        while not over.wait(0.001):
            if self.struck_call()[1]:
                server.kill()
                return

    def boxes(self, kind, place):
        return {"maildir": [f"{place}/box"], "maildirs": [f"{place}/ok.test/ann", f"{place}/ok.test/bob"]}.get(kind, [])

    def settle(self, kind, place, server):
        """A session that was cut is cleaned up behind the client's back."""
        end = time.monotonic() + 5
        while server.poll() is None and any(self.files(b, "tmp") for b in self.boxes(kind, place)):
            if time.monotonic() > end:
                break
            time.sleep(0.01)

    def port_of(self, server):
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([server.stdout], [], [], 20)[0]:
                raise RuntimeError("the server says nothing")
            byte = os.read(server.stdout.fileno(), 1)
            if not byte:
                return None
            line += byte
        return int(line.rsplit(b":", 1)[1])

    # --- what is there: {token: how many whole copies}, and what is wrong

    def folder(self, paths, problems, marker=b"Subject: "):
        found = collections.Counter()
        for path in paths:
            with open(path, "rb") as f:
                data = f.read().replace(b"\r\n", b"\n")
            at = data.find(marker)
            token = data[at + 9 :].split(b"\n", 1)[0].decode(errors="replace")
            size = 0 if at < 0 else SIZES[len(data) > 20000]
            if at < 0 or data[at:] != text_of(token, size):
                problems.append(f"in part: {path}")
            else:
                found[token] += 1
        return found

    def files(self, *parts):
        folder = os.path.join(*parts)
        return [os.path.join(folder, n) for n in os.listdir(folder)] if os.path.isdir(folder) else []

    def found(self, kind, place, tokens, killed, problems):
        if kind == "mbox":
            return self.found_mbox(place, killed, problems)
        if kind == "command":
            return self.folder([p for p in self.files(place) if "/." not in p], problems)
        if kind == "lmtp":
            mine = [p for p in self.files(self.dir) if os.path.basename(p).isdigit()]
            found = self.folder(mine, problems)
            for path in mine:
                os.unlink(path)
            return found
        if kind == "queue":
            return self.found_queue(place, tokens, problems)
        boxes = self.boxes(kind, place)
        if not killed and any(self.files(b, "tmp") for b in boxes):
            problems.append("left in tmp/")
        return self.folder([p for b in boxes for p in self.files(b, "new")], problems)

    def found_mbox(self, place, killed, problems):
        found = collections.Counter()
        path = f"{place}/mbox"
        messages = list(mailbox.mbox(path)) if os.path.exists(path) else []
        for m in messages:
            token, size = m["Subject"], SIZES[len(m.get_payload()) > 20000]
            if token is None or not text_of(token, size).endswith(m.get_payload().encode().rstrip(b"\n") + b"\n"):
                if not killed:
                    problems.append("in part in the mbox file")
            else:
                found[token] += 2 # one copy for all
        return found

    def found_queue(self, place, tokens, problems):
        queue = f"{place}/queue"
        found = collections.Counter()
        for entry in self.in_queue(queue) if os.path.isdir(f"{queue}/q") else []:
            found[entry["sender"].partition("@")[0]] += len(entry["recipients"])
        for _ in range(3):
            if self.files(queue, "q"):
                self.run(queue)
        got = self.arrived()
        for token in tokens:
            for rcpt in RCPTS:
                if got.get((token, rcpt), 0) != found[token] / len(RCPTS):
                    problems.append(f"{token}: {found[token]} were queued, {rcpt} got {got.get((token, rcpt), 0)}")
        for folder in ("q", "corrupt"):
            if self.files(queue, folder):
                problems.append(f"files in {folder}/")
        return found

    # --- one round

    def round(self, scenario, at, action):
        self.serial += 1
        self.rounds += 1
        place = f"{self.dir}/p{self.serial}"
        os.mkdir(place)
        name = f"tok-{os.getpid()}-{self.serial}"
        tokens = {f"{name}-{i}": size for i, size in enumerate(SIZES)}
        acked, said = self.serve(scenario, place, tokens, at=at, action=action)
        _, call = self.struck_call()
        self.struck += bool(call)
        killed = action == "kill" and call != ""
        for problem in self.judge_round(scenario, place, name, tokens, acked, killed, call):
            self.failures += 1
            print(f"{scenario} {action} at {at} ({call}): {problem}; {acked}: {said.strip()[-300:]}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        return bool(call)

    def judge_round(self, scenario, place, name, tokens, acked, killed, call):
        kind = scenario.partition("+")[0]
        problems = ["hangs"] if acked.pop("hangs", None) is not None else []
        if call == "" and not all(acked.values()):
            problems.append("refused without a fault")
        if not killed and call == "unlinkat":
            killed = True  # what could not be unlinked is left
        # the same place, without the shim
        again = f"{name}-again"
        after, said = self.serve(scenario, place, {again: SIZES[0]})
        if not after[again]:
            problems.append(f"does not go on: {said.strip()[-200:]}")
        found = self.found(kind, place, [*tokens, again], killed, problems)
        copies = len(self.rcpts(kind))
        for token, yes in {**acked, **after}.items():
            if yes and found[token] != copies:
                problems.append(f"{token} was acknowledged, there are {found[token]} of {copies}")
            # the reply may be lost although the message is stored: that is not refused; LMTP's to us, too
            if yes is False and not killed and found[token] != 0 and kind != "lmtp":
                problems.append(f"{token} was refused, there are {found[token]}")
        return problems


if __name__ == "__main__":
    sys.exit(play(ListenTorture))

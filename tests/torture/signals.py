#!/usr/bin/env python3
"""
The torture by signals (make torture): a receiver under load is told to reload, and to stop, and is killed.

    signals.py MXTLS [--signals N] [--seed S] [--delivery NAME] [--part reload|random] [--workers no|yes]

Six clients, half of them over TLS, bring messages as fast as they are answered. Part "reload": N times new keys and
SIGHUP; no session fails, and the last key is served in the end. Part "random": N signals at random moments: HUP, USR1,
STOP and CONT, TERM and KILL to the server, which is started again in the same place, and TERM and KILL to one of its
children. Then:

  - a message whose 250 was read is there, whole, and there once
  - each that is there is whole; without a kill nothing is left in tmp/
  - a server that was told to stop has ended with status 0

Prints a line for each failure and at the end how many signals there were; exit status 1 if any failed.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time

import cut

CLIENTS = 6
# what is done, and how often
DEEDS = ["hup"] * 8 + ["usr1"] * 3 + ["pause"] * 2 + ["child-term"] * 3 + ["child-kill"] * 4 + ["term"] * 3 + ["kill"] * 3


class Torture(cut.Torture):
    DELIVERIES = ["maildir", "queue", "mbox", "command"]

    def __init__(self, args):
        super().__init__(args)
        self.signals = 0
        self.keys = f"{self.dir}/keys.pem"
        for name in ("a", "b"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-keyout", f"{self.dir}/{name}.key", "-out", f"{self.dir}/{name}.crt"],
                check=True, capture_output=True)  # fmt: skip
            with open(f"{self.dir}/{name}.pem", "wb") as f:
                for kind in ("crt", "key"):
                    f.write(open(f"{self.dir}/{name}.{kind}", "rb").read())
        self.new_keys("a")

    def new_keys(self, name):
        """Both in one file: there is no moment when they do not belong together."""
        os.link(f"{self.dir}/{name}.pem", f"{self.keys}.new")
        os.rename(f"{self.keys}.new", self.keys)
        if os.path.exists(f"{self.keys}.new"):  # it was that one already
            os.unlink(f"{self.keys}.new")

    # --- the clients

    def client(self, number, stop):
        serial = 0
        while not stop.is_set():
            serial += 1
            token = f"tok-{self.serial}-{number}-{serial}"
            why = "not acknowledged"
            wire = None
            try:
                wire = cut.Wire(self.port, None, None)
                cut.bring(wire, token, number % 2, cut.BIG if serial % 5 == 0 else 0)
            except (cut.Cut, OSError, cut.ssl.SSLError) as e:
                why = repr(e)
            if wire is not None:
                wire.end("fin")
            if wire is not None and wire.acked:
                self.took.add(token)
            else:
                self.failed.append(f"{token}: {why}")
                time.sleep(0.01)  # there may be no server at the moment

    def play(self, name, delivery, workers, conduct):
        tls = ("--cert", self.keys, "--key", self.keys)
        self.more = ["--workers", "2" if workers else "0"]
        self.took, self.failed, self.killed = set(), [], False
        self.place, self.server = self.start(delivery, *self.more, tls=tls)
        stop = threading.Event()
        threads = [threading.Thread(target=self.client, args=(i, stop)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            while len(self.took) < CLIENTS:
                time.sleep(0.01)
            conduct(delivery, tls)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.stop(self.server, name)

    def judge(self, name, delivery):
        there = self.found(delivery, self.place, name, self.killed)
        for token in self.took - there:
            self.problem(f"{name}: {token} was acknowledged and is not there")
        self.acked += len(self.took)
        print(f"{name}: {len(self.took)} acknowledged, {len(there)} there, {len(self.failed)} sessions failed", flush=True)

    # --- reload

    def reload(self, delivery, workers):
        name = f"reload {delivery}{' workers' * workers}"
        self.play(name, delivery, workers, self.reloads)
        for why in self.failed[:5]:
            self.problem(f"{name}: a session failed: {why}")
        self.judge(name, delivery)

    def reloads(self, _delivery, _tls):
        for i in range(self.args.signals):
            last = "ab"[i % 2]
            self.new_keys(last)
            self.server.send_signal(signal.SIGHUP)
            self.signals += 1
            time.sleep(self.random.uniform(0.002, 0.03))
        with open(f"{self.dir}/{last}.crt", encoding="ascii") as f:
            wanted = cut.ssl.PEM_cert_to_DER_cert(f.read())
        end = time.monotonic() + cut.PATIENCE
        while self.served() != wanted:
            if time.monotonic() > end:
                self.problem("the last key is not served")
                break
            time.sleep(0.05)

    def served(self):
        wire = cut.Wire(self.port, None, None)
        session = cut.Session(wire)
        session.reply()
        session.say(b"EHLO c\r\n")
        session.say(b"STARTTLS\r\n")
        session.starttls()
        der = session.tls.getpeercert(True)
        session.say(b"QUIT\r\n")
        wire.end("fin")
        return der

    # --- random

    def any(self, delivery, workers):
        name = f"random {delivery}{' workers' * workers}"
        self.play(name, delivery, workers, self.deeds)
        self.judge(name, delivery)

    def child(self):
        """A worker, or who writes messages; None: it has none at the moment."""
        family = [self.server.pid]
        for pid in family:
            try:
                with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
                    family += [int(word) for word in f.read().split()]
            except OSError:
                pass
        return self.random.choice(family[1:] or [None])

    def deeds(self, delivery, tls):
        for _ in range(self.args.signals):
            deed = self.random.choice(DEEDS)
            # an mbox file and a program's file have no name that comes last: who is killed leaves a part
            if "kill" in deed and delivery == "mbox":
                deed = "hup"
            self.killed |= "kill" in deed
            self.signals += 1
            self.do(deed)
            if self.server.poll() is not None:
                if deed != "kill" and self.server.returncode != 0:
                    self.problem(f"random {delivery}: after {deed} it ended with status {self.server.returncode}")
                _, self.server = self.start(delivery, *self.more, tls=tls, place=self.place)
            time.sleep(self.random.uniform(0, 0.05))

    def do(self, deed):
        pid = self.child() if deed.startswith("child") else self.server.pid
        if pid is None:
            return
        number = {"hup": signal.SIGHUP, "usr1": signal.SIGUSR1, "pause": signal.SIGSTOP}.get(deed)
        if number is None:
            number = signal.SIGKILL if deed.endswith("kill") else signal.SIGTERM
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if deed == "pause":
            time.sleep(0.01)
            os.kill(pid, signal.SIGCONT)
        if deed in ("term", "kill"):
            try:
                self.server.wait(cut.PATIENCE)
            except subprocess.TimeoutExpired:
                self.problem(f"{deed}: it does not end")
                self.server.kill()
                self.server.wait()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mxtls")
    p.add_argument("--signals", type=int, default=100)
    p.add_argument("--seed", default="1")
    p.add_argument("--delivery", action="append")
    p.add_argument("--part", choices=("reload", "random"))
    p.add_argument("--workers", choices=("no", "yes"))
    args = p.parse_args()
    torture = Torture(args)
    torture.random = random.Random(args.seed)
    try:
        for delivery in args.delivery or Torture.DELIVERIES:
            for workers in (False, True):
                if args.workers and workers != (args.workers == "yes"):
                    continue
                if args.part != "random" and (args.delivery or delivery == "maildir"):
                    torture.reload(delivery, workers)
                if args.part != "reload":
                    torture.any(delivery, workers)
    finally:
        torture.close()
    print(f"signals: {torture.signals} signals, {torture.acked} acknowledged, {torture.failures} failures")
    return 1 if torture.failures or not torture.acked else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""
The torture of the queue (make torture): kill -9 and errors at every I/O call of submit, run and report.

    run.py MXTLS SHIM [--sample N --seed S] [--scenario NAME] [--action NAME]

Run it inside tests/box. Each round has a queue of its own on tmpfs; the program runs under the shim, in a PID
namespace, so that "kill" leaves none of it; then the queue is run without the shim, and what the sink took is
compared with what was promised:

  - exit status 0, or killed behind the commit: every recipient is delivered or, if refused, reported
  - another exit status: nothing of the message is in the queue, nobody got it
  - killed before the commit: all or nothing
  - nobody gets it more than twice; those who were not in flight, once

Prints a line for each failure and at the end how many rounds there were; exit status 1 if any failed.
"""
import argparse
import collections
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

SPOOL = "/var/spool/mxtls"  # of system mode: built in, so it is ours alone in the box
ACTIONS = ["kill", "eio", "enospc", "eintr", "emfile", "short", "full"]
RCPTS = ["good@[127.0.0.1]", "bad@[127.0.0.1]", "later@[127.0.0.2]", "two@[127.0.0.2]"]
HERE = os.path.dirname(os.path.abspath(__file__))


class Torture:
    def __init__(self, args):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="torture.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.port = 20000 + os.getpid() % 20000
        self.log = f"{self.dir}/sink.log"
        self.shm = f"{self.dir}/counter"
        self.sink = subprocess.Popen([sys.executable, f"{HERE}/sink.py", str(self.port), self.log],
                                     stdout=subprocess.PIPE)
        assert self.sink.stdout.readline() == b"ready\n"
        # the runner of system mode works as another user
        os.chmod(self.dir, 0o711)
        for folder in ("/var/spool", "/var/lib"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "torture", folder], check=True)
        self.serial = 0
        self.read_to = 0
        self.taken = collections.Counter()
        self.failures = self.rounds = self.struck = 0

    def close(self):
        self.sink.terminate()
        self.sink.wait()
        for folder in ("/var/spool", "/var/lib"):
            subprocess.run(["umount", folder])
        shutil.rmtree(self.dir, ignore_errors=True)

    def arrived(self):
        """Counter of (token, recipient)."""
        with open(self.log) as f:
            f.seek(self.read_to)
            for line in f:
                self.taken[tuple(line.split())] += 1
            self.read_to = f.tell()
        return self.taken

    def shimmed(self, words, at, action, program=None):
        """Command and environment of a program under the shim, in a PID namespace of its own."""
        env = dict(os.environ, MXTLS_SEED="1")
        command = [program or self.args.mxtls, *words]
        if at is not None:
            with open(self.shm, "wb") as f:
                f.write(bytes(64))
            env.update(TORTURE_SHM=self.shm, TORTURE_AT=str(at), TORTURE_ACTION=action)
            # the shell is the namespace's init and survives kill(-1)
            inner = ('LD_PRELOAD=$SHIM "$@"; status=$?; '
                     'while kill -0 -1 2> /dev/null; do sleep 0.01; done; exit $status')
            env["SHIM"] = self.args.shim
            command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", inner, "sh", *command]
        return command, env

    def mxtls(self, words, stdin=None, at=None, action="", timeout=60, program=None):
        command, env = self.shimmed(words, at, action, program)
        return subprocess.run(command, input=stdin, env=env, capture_output=True, timeout=timeout)

    def start(self, words, at=None, action=""):
        """The same, to be talked to: killing it kills all of it."""
        command, env = self.shimmed(words, at, action)
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def common(self, queue):
        return ["--queue", queue, "--port", str(self.port), "--timeout", "5s", "--resolver", "127.0.0.1:9"]

    def send(self, queue, token, delivery, **how):
        text = f"From: {token}@client.example\nSubject: {token}\nDate: x\nMessage-ID: <{token}@x>\n\ntext\n"
        words = ["send", "--delivery", delivery, "--quiet", "-f", f"{token}@[127.0.0.3]", *self.common(queue), *RCPTS]
        return self.mxtls(words, text.encode(), **how)

    def run(self, queue, **how):
        return self.mxtls(["queue", "run", "--all", *self.common(queue)], **how)

    def in_queue(self, queue):
        out = subprocess.run([self.args.mxtls, "queue", "list", "--json", "--queue", queue], capture_output=True)
        found = [json.loads(line) for line in out.stdout.splitlines()]
        if os.path.isdir(f"{queue}/incoming"):
            found += [name for name in os.listdir(f"{queue}/incoming") if "." not in name]
        return found

    # --- scenarios: what is tortured; each returns (completed process, whether the message was stored before)

    def submit(self, queue, token, **how):
        return self.send(queue, token, "queue", **how), False

    def deliver(self, queue, token, **how):
        return self.send(queue, token, "now", **how), False

    def background(self, queue, token, **how):
        return self.send(queue, token, "background", **how), False

    def runner(self, queue, token, **how):
        assert self.send(queue, token, "queue").returncode == 0
        return self.run(queue, **how), True

    def again(self, queue, token, **how):
        """A second run, with a journal, a retry and a report under way."""
        assert self.send(queue, token, "now").returncode in (0, 67)
        return self.run(queue, **how), True

    def kept(self, queue, token, **how):
        """Several messages that share connections."""
        for each in self.tokens(token, "kept"):
            assert self.send(queue, each, "queue").returncode == 0
        return self.run(queue, **how), True

    def system_submit(self, queue, token, **how):
        """mxtls-submit; without its group, which LD_PRELOAD would not outlive, so as root."""
        for folder, mode in ((queue, 0o710), (f"{queue}/incoming", 0o1770), ("/var/lib/mxtls", 0o700)):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)
            shutil.chown(folder, "mxtls", "mxtls")
        text = f"From: {token}@client.example\nSubject: {token}\nDate: x\nMessage-ID: <{token}@x>\n\ntext\n"
        return self.mxtls(["-i", "-f", f"{token}@[127.0.0.3]", *RCPTS], text.encode(),
                          program=f"{os.path.dirname(self.args.mxtls)}/mxtls-submit", **how), False

    def system_intake(self, queue, token, **how):
        """The runner takes it in, and delivers it."""
        assert self.system_submit(queue, token)[0].returncode == 0
        return self.run(queue, **how), True

    SCENARIOS = ["submit", "deliver", "background", "runner", "again", "kept", "system_submit", "system_intake"]

    @staticmethod
    def tokens(token, scenario):
        return [token, f"{token}-b", f"{token}-c"] if scenario == "kept" else [token]

    # --- one round

    def round(self, scenario, at, action):
        self.serial += 1
        self.rounds += 1
        token = f"tok-{os.getpid()}-{self.serial}"
        queue = SPOOL if scenario.startswith("system") else f"{self.dir}/q{self.serial}"
        done, stored = getattr(self, scenario)(queue, token, at=at, action=action)
        _, call = self.struck_call()
        self.struck += bool(call)
        killed = action == "kill" and call != ""
        problems = self.judge(queue, self.tokens(token, scenario), done, stored, killed)
        for problem in problems:
            self.failures += 1
            print(f"{scenario} {action} at {at} ({call}): {problem}; status {done.returncode}: "
                  f"{done.stderr.decode(errors='replace').strip()[-300:]}", flush=True)
        if problems and self.args.keep:
            print(subprocess.run(f"cd {queue}.before && ls -R && cat j/*; cat ../sink.log | grep {token}", shell=True, text=True, capture_output=True).stdout)
        shutil.rmtree(queue + ".before", ignore_errors=True)
        if not (problems and self.args.keep):
            shutil.rmtree(queue, ignore_errors=True)
        return bool(call)

    def got(self, tokens):
        return {key: n for key, n in self.arrived().items() if key[0] in tokens}

    def judge(self, queue, tokens, done, stored, killed):
        problems = []
        if self.args.keep:
            subprocess.run(["cp", "-r", queue, f"{queue}.before"])
        waiting = self.in_queue(queue) if os.path.isdir(queue) else []
        early = self.got(tokens)
        # -odi: 67 is the refused recipient's, told after the commit
        accepted = stored or done.returncode in (0, 67)
        if not accepted and not killed and (waiting or early):
            problems.append(f"refused, but in the queue ({len(waiting)}) or delivered {early}")
        present = bool(waiting or early)
        for _ in range(4):
            if not os.path.isdir(queue) or not self.in_queue(queue):
                break
            self.run(queue)
        got = self.got(tokens)
        wanted = [(t, r) for t in tokens for r in (RCPTS[0], RCPTS[2], RCPTS[3], f"{t}@[127.0.0.3]")]
        if accepted or (killed and present):
            for key in wanted:
                if got.get(key, 0) == 0:
                    problems.append(f"{key} got nothing")
        for key, n in got.items():
            if n > 2:
                problems.append(f"{key} got it {n} times")
        # one message of each in flight in each of two destinations, and the report
        if sum(n - 1 for n in got.values()) > 3 * len(tokens):
            problems.append(f"too many duplicates: {got}")
        left = self.in_queue(queue) if os.path.isdir(queue) else []
        if left:
            problems.append(f"still in the queue: {left}")
        for folder in ("corrupt",):
            if os.path.isdir(f"{queue}/{folder}") and os.listdir(f"{queue}/{folder}"):
                problems.append(f"files in {folder}/")
        return problems

    def count(self, scenario):
        """How many I/O calls there are without a fault."""
        self.round(scenario, 0, "")
        return self.struck_call()[0]

    def struck_call(self):
        """How many I/O calls there were, and the name of the one that something was done to."""
        with open(self.shm, "rb") as f:
            calls, name = struct.unpack("Q56s", f.read(64))
        return calls, name.rstrip(b"\0").decode()


def play(kind):
    p = argparse.ArgumentParser()
    p.add_argument("mxtls")
    p.add_argument("shim")
    p.add_argument("--sample", type=int)
    p.add_argument("--seed", default="1")
    p.add_argument("--scenario", action="append")
    p.add_argument("--action", action="append")
    p.add_argument("--at", type=int)
    p.add_argument("--keep", action="store_true")
    args = p.parse_args()
    torture = kind(args)
    try:
        rounds = []
        for scenario in args.scenario or kind.SCENARIOS:
            calls = torture.count(scenario)
            print(f"{scenario}: {calls} I/O calls", flush=True)
            rounds += [(scenario, at, action) for action in args.action or ACTIONS for at in range(1, calls + 1)]
        if args.at:
            rounds = [r for r in rounds if r[1] == args.at]
        if args.sample:
            rounds = random.Random(args.seed).sample(rounds, min(args.sample, len(rounds)))
        last = time.monotonic()
        for i, r in enumerate(rounds):
            torture.round(*r)
            if time.monotonic() - last > 30:
                last = time.monotonic()
                print(f"{i + 1} of {len(rounds)} rounds, {torture.failures} failures", flush=True)
    finally:
        torture.close()
    print(f"torture: {torture.rounds} rounds, {torture.struck} with a fault, {torture.failures} failures")
    return 1 if torture.failures or not torture.struck else 0


if __name__ == "__main__":
    sys.exit(play(Torture))

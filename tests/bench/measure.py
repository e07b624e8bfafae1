"""Programs under measurement: start, talk to, CPU and memory, and a sure end for all of them."""

import ctypes
import os
import re
import resource
import select
import signal
import statistics
import subprocess
import time

PATIENCE_S = 120
running = []


class Failed(Exception):
    """Something did not work: the bench has no figures."""


def descriptors():
    """As many descriptors as this process may have; children inherit them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Cpu:
    """User and system time in seconds."""

    def __init__(self, user=0.0, system=0.0):
        self.user, self.system = user, system

    @property
    def total(self):
        return self.user + self.system

    def minus(self, other):
        return Cpu(max(self.user - other.user, 0), max(self.system - other.system, 0))

    def per(self, n):
        return Cpu(self.user / n, self.system / n)


class Program:
    """A child. Its output goes to a pipe that line() and rest() read; its errors to a file, or with
    errors_too into the same pipe."""

    def __init__(self, log, *argv, errors_too=False):
        self.name = os.path.basename(str(argv[0]))
        self.text = b""
        with open(log, "ab") as errors:
            self.child = subprocess.Popen(
                [str(a) for a in argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if errors_too else errors,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.pid = self.child.pid
        self.log = log
        self.started = time.monotonic()
        running.append(self)

    def failed(self, what):
        return Failed(f"{self.name}: {what}; see {self.log}")

    def _more(self, end):
        fd = self.child.stdout.fileno()
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise self.failed("no answer in time")
        data = os.read(fd, 65536)
        self.text += data
        return data != b""

    def line(self, pattern):
        """The first group of the first line that matches."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = re.search(pattern, self.text.decode(), re.M)
            if found:
                return found.group(1)
            if not self._more(end):
                raise self.failed(f"no line like {pattern!r}")

    def rest(self, patience_s=PATIENCE_S):
        end = time.monotonic() + patience_s
        while self._more(end):
            pass
        return self.text.decode()

    def go(self):
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()

    def memory(self):
        """Resident bytes now, shared pages included."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as f:
            return int(re.search(r"^Rss:\s+(\d+)", f.read(), re.M).group(1)) * 1024

    def end(self, status=0, patience_s=PATIENCE_S):
        """Wait for its end; status: what it must exit with, None for any. Its CPU."""
        pidfd = os.pidfd_open(self.pid)
        try:
            if not select.select([pidfd], [], [], patience_s)[0]:
                raise self.failed("no end in time")
        finally:
            os.close(pidfd)
        _, state, usage = os.wait4(self.pid, 0)
        self.seconds = time.monotonic() - self.started
        self.usage = usage
        self.child.returncode = os.waitstatus_to_exitcode(state)
        self._forget()
        if status is not None and self.child.returncode != status:
            raise self.failed(f"exit status {self.child.returncode}")
        return Cpu(usage.ru_utime, usage.ru_stime)

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        return self.end(status=None)

    def _forget(self):
        self.child.stdin.close()
        self.child.stdout.close()
        running.remove(self)


def end_all():
    """Whatever still runs, with what it has forked."""
    for program in list(running):
        try:
            os.killpg(program.pid, signal.SIGKILL)
            os.waitpid(program.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        program.child.returncode = -signal.SIGKILL
        program._forget()


def median(values):
    return statistics.median(values)


def median_cpu(values):
    """The run in the middle: user and system stay a pair, since the kernel only estimates how the
    (exact) sum splits."""
    return sorted(values, key=lambda c: c.total)[len(values) // 2]


class Table:
    """Rows of text under a title, columns aligned: the first to the left, others to the right."""

    def __init__(self, title, *head):
        self.title, self.rows = title, [head]

    def row(self, *cells):
        self.rows.append(cells)

    def __str__(self):
        widths = [max(len(str(r[i])) for r in self.rows) for i in range(len(self.rows[0]))]
        lines = [self.title]
        for row in self.rows:
            cells = [str(row[0]).ljust(widths[0])]
            cells += [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
            lines.append("  " + "  ".join(cells).rstrip())
        return "\n".join(lines) + "\n"


def ms(seconds):
    return f"{seconds * 1000:.3f}"


def kib(size):
    return f"{size / 1024:.1f}"


def ratio(values):
    """Median of the ratios of pairs, and their spread."""
    values = list(values)
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"

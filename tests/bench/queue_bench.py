"""The queue: how fast it is filled and delivered, beside Postfix, big messages, and how it grows."""

import os
import shutil
import subprocess

from measure import Failed, Table, median, ratio

DESTINATIONS = 100


def box(bench, script, *argv):
    """What a script of this folder prints, in numbers, with a folder of its own on a disk."""
    result = subprocess.run(
        [bench.root / "tests/box", bench.root / "tests/bench" / script, *(str(a) for a in argv)],
        stdout=subprocess.PIPE, stderr=open(bench.log, "ab"), timeout=600, check=False, env=dict(
            os.environ, QUEUE_DISK=str((bench.dir / "queue-disk").resolve())),
    )  # fmt: skip
    if result.returncode != 0:
        raise Failed(f"queue: {script} {argv[1]} did not do it all, see {bench.log}")
    return [float(word) for word in result.stdout.split()]


def deliver(bench, who, messages):
    """Seconds that it takes who to deliver so many queued messages to the same sink, with fsync."""
    return box(bench, "queue_rate.sh", (bench.build / "mxtls").resolve(), who, messages, DESTINATIONS)[-1]


def store(bench, who, messages):
    """CPU seconds that it takes to put one message into the queue of who."""
    return box(bench, "queue_cpu.sh", (bench.build / "mxtls").resolve(), who, messages)[-1] / messages


def big(bench, what, n):
    """Seconds and peak of memory of send and of the run; transactions."""
    stored, stored_kib, ran, ran_kib, _, messages = box(bench, "queue_big.sh", bench.build.resolve(), what, n)
    return stored, stored_kib, ran, ran_kib, int(messages)


def cpu_of(*argv, **environment):
    before = os.times()
    subprocess.run([str(a) for a in argv], stdout=subprocess.DEVNULL, check=True, env=dict(os.environ, **environment))
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def growth(bench, messages):
    """CPU seconds of list, and of a run in which every destination waits, with so many messages."""
    queue = bench.dir / "queue"
    fill = bench.root / "tests/bench/queue_fill.py"
    now = 1800000000
    subprocess.run([fill, str(messages), queue, str(DESTINATIONS), "d%d.test"], check=True,
                   env=dict(os.environ, NOW=str(now)))  # fmt: skip
    for i in range(1, DESTINATIONS + 1):
        (queue / "dest" / f"d{i}.test").write_text(f"1 {now} {now + 9999} 4.4.1 h refused\n")
    times = []
    for action in ("list", "run"):
        times.append(median(
            cpu_of(bench.build / "mxtls", "queue", action, "--queue", queue, MXTLS_NOW=str(now + 60))
            for _ in range(3)
        ))  # fmt: skip
    shutil.rmtree(queue)
    return times


def measure(bench):
    messages = 2000 if bench.quick else 10000
    ours, theirs = [], []
    for _ in range(min(bench.pairs, 3)):  # half a minute each, nearly all of it to fill Postfix's queue
        ours.append(deliver(bench, "mxtls", messages))
        theirs.append(deliver(bench, "postfix", messages))
    table = Table(f"queue: {messages} messages to {DESTINATIONS} destinations, on a disk", "", "a second", "to Postfix")
    table.row("Postfix, its queue", round(messages / median(theirs)), "1")
    table.row("mxtls queue run", round(messages / median(ours)), ratio(t / o for o, t in zip(ours, theirs)))
    bench.say(table)

    ours, theirs = [], []
    count = 20 if bench.quick else 200
    for _ in range(bench.pairs):
        ours.append(store(bench, "mxtls", count))
        theirs.append(store(bench, "postfix", count))
    table = Table("queue: CPU of putting one message into it, process and all", "", "ms", "to Postfix")
    table.row("Postfix sendmail", f"{median(theirs) * 1000:.2f}", "1")
    table.row("mxtls send, a queue of the user's own", f"{median(ours) * 1000:.2f}",
              ratio(o / t for o, t in zip(ours, theirs)))  # fmt: skip
    bench.say(table)

    table = Table("queue: one big message, resident memory at its peak", "", "send, s", "MiB", "run, s", "MiB",
                  "transactions")  # fmt: skip
    for what, unit, sizes in ("rcpts", "recipients", [100, 10000]), ("text", "bytes", [1000000, 98000000]):
        for n in sizes:
            stored, stored_kib, ran, ran_kib, transactions = big(bench, what, n)
            table.row(f"{n} {unit}", f"{stored:.2f}", f"{stored_kib / 1024:.1f}", f"{ran:.2f}",
                      f"{ran_kib / 1024:.1f}", str(transactions))  # fmt: skip
    bench.say(table)

    table = Table("queue: CPU of a look at it, and of a run in which nothing is due", "messages", "list, s", "run, s",
                  "us a message")  # fmt: skip
    for count in [1000, 10000] if bench.quick else [1000, 10000, 100000]:
        listed, ran = growth(bench, count)
        table.row(str(count), f"{listed:.3f}", f"{ran:.3f}", f"{listed * 1e6 / count:.1f}, {ran * 1e6 / count:.1f}")
    bench.say(table)

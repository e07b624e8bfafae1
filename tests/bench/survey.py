"""Surveys: sessions with thousands of addresses, lists of any length over the same servers, slow servers."""

import json
import os
import shutil

from measure import Failed, Program, Table, kib, median, median_cpu, ms, ratio

PATIENCE_S = 1200  # a million domains


class Farm:
    """An internet of its own: SMTP on every address of 127.0.0.0/8, and DNS, at one port."""

    def __init__(self, bench, servers):
        self.program = Program(
            bench.log, bench.build / "tests/bench/surveyfarm", bench.certs / "ecdsa.chain",
            bench.certs / "ecdsa.key", servers,
        )  # fmt: skip
        self.port = self.program.line(r"^listening on \S+:(\d+)$")

    def counts(self):
        """(sessions, addresses, queries) since the last time."""
        self.program.text = b""
        self.program.go()
        line = self.program.line(r"^sessions (\d+ addresses \d+ queries \d+)$")
        words = line.split()
        return int(words[0]), int(words[2]), int(words[4])

    def stop(self):
        self.program.stop()


def survey(bench, farm, targets, *options):
    """Run one survey to its end; the program, and its status."""
    names, out, status = (bench.dir / n for n in ("list", "survey.ndjson", "survey.status"))
    for path in (out, bench.dir / "survey.ndjson.cache", bench.dir / "survey.ndjson.retry"):
        path.unlink(missing_ok=True)
    with open(names, "w", encoding="ascii") as f:
        f.writelines(f"{t}\n" for t in targets)
    peak = bench.dir / "peak"
    program = Program(
        bench.log, bench.build / "tests/bench/peak", peak, bench.build / "mxtls", "probe", "-f",
        names, "-o", out, "--resolver", f"127.0.0.1:{farm.port}", "--port", farm.port, "--allow-private", "--ca-file",
        bench.certs / "root.crt", "--helo", "probe.example", "--status-file", status, *options,
    )  # fmt: skip
    program.cpu = program.end(patience_s=PATIENCE_S)
    program.peak = int(peak.read_text()) * 1024
    with open(status, encoding="utf-8") as f:
        program.status = json.load(f)
    with open(out, "rb") as f:
        records = sum(b'"type":"domain"' in line[:80] for line in f)
    if records != len(targets):
        raise Failed(f"survey: {records} records of {len(targets)} targets; see {out}")
    return program


def literals(farm, n, network=20):
    """n addresses from 127.NETWORK on, of 62,500 in each such network."""
    hosts = (divmod(i, 62500) for i in range(n))
    return [f"[127.{network + net}.{i // 250}.{i % 250 + 1}]:{farm.port}" for net, i in hosts]


def check(program, want):
    good = program.status["verdicts"]["encrypted"] + program.status["verdicts"]["pkix"]
    if good != want:
        raise Failed(f"survey: {good} of {want} targets measured: {program.status}")


# --- one session with each of thousands of addresses --------------------------------------------------


def finger(bench):
    """posttls-finger of Postfix, with the words that run it here; None where it is not."""
    debs = bench.build / "debs" / "postfix"
    if not (debs / "usr/sbin/posttls-finger").exists():
        debs = bench.root / "build/debs/postfix"
    program = debs / "usr/sbin/posttls-finger"
    if not program.exists():
        return None
    config = bench.dir / "postfix"
    config.mkdir(exist_ok=True)
    (config / "main.cf").write_text("compatibility_level = 3.6\nmail_owner = mail\nsetgid_group = utmp\n")
    libs = [str(debs / "usr/lib/postfix")] + [str(p) for p in debs.glob("usr/lib/*-linux-gnu*")]
    return ["env", f"MAIL_CONFIG={config}", f"LD_LIBRARY_PATH={':'.join(libs)}", str(program)]


def by_xargs(bench, farm, words, targets):
    """One process for each target, as many at once as there are cores twice over."""
    names = bench.dir / "list"
    names.write_text("".join(f"{t}\n" for t in targets))
    farm.counts()
    program = Program(
        bench.log, "sh", "-c", 'exec xargs -P "$1" -I TARGET -a "$2" "$0" "$3" TARGET',
        bench.root / "tests/bench/once", 2 * len(os.sched_getaffinity(0)), names, " ".join(words),
    )  # fmt: skip
    program.cpu = program.end(status=None)
    got = farm.counts()[0]
    if got < len(targets):
        raise Failed(f"{words[-1]}: {got} sessions of {len(targets)}; see {bench.log}")
    return program


def scanners(bench, farm, targets):
    """(name, words) of each peer that surveys a list by itself and is installed here."""
    names = bench.dir / "list"
    names.write_text("".join(t[1 : t.index("]")] + "\n" for t in targets))
    at_once, out = 1000, bench.dir / "scanner.ndjson"
    known = {
        "zgrab2": ["smtp", "--starttls", "--port", farm.port, "--senders", at_once,
                   "--input-file", names, "--output-file", out],
        "tls-scan": ["--starttls=smtp", f"--port={farm.port}", f"--concurrency={at_once}",
                     f"--infile={names}", f"--outfile={out}"],
    }  # fmt: skip
    return [(name, [name, *words]) for name, words in known.items() if shutil.which(name)]


def by_scanner(bench, farm, words, n):
    farm.counts()
    program = Program(bench.log, *words)
    program.cpu = program.end()
    got = farm.counts()[0]
    if got < n:
        raise Failed(f"{words[0]}: {got} sessions of {n}; see {bench.log}")
    return program


def sessions(bench):
    n, few = bench.survey_servers, bench.survey_processes
    farm = Farm(bench, 1)
    bare, ours = [], []
    for _ in range(bench.pairs):
        bare.append(bench.bare.run()[1])
        run = survey(bench, farm, literals(farm, n), "--key-types", "any", "--retries", 0)
        check(run, n)
        ours.append(run)
    if farm.counts()[1] != n:
        raise Failed("survey: not every address was asked")
    table = Table(
        f"survey: one session with each of {n} addresses, chain verified; processes by xargs: {few}",
        "", "CPU ms/session", "to the bare handshake", "sessions/s",
    )  # fmt: skip
    cpu = median_cpu(bare)
    table.row("bare handshake (s_time -verify 3)", ms(cpu.total), "1", f"{1 / cpu.total:.0f}")
    table.row(
        "mxtls probe -f",
        ms(median(r.cpu.total / n for r in ours)),
        ratio(r.cpu.total / n / b.total for r, b in zip(ours, bare)),
        f"{median(n / r.seconds for r in ours):.0f}",
    )
    peers = [("openssl s_client -starttls smtp", ["s_client"])]
    if finger(bench):
        peers.append(("posttls-finger", finger(bench)))
    for name, words in peers:
        runs = [by_xargs(bench, farm, words, literals(farm, few)) for _ in range(2)]
        table.row(
            f"xargs -P, {name}",
            ms(median(r.cpu.total / few for r in runs)),
            ratio(r.cpu.total / few / cpu.total for r in runs),
            f"{median(few / r.seconds for r in runs):.0f}",
        )
    for name, words in scanners(bench, farm, literals(farm, n)):
        runs = [by_scanner(bench, farm, words, n) for _ in range(2)]
        table.row(
            name,
            ms(median(r.cpu.total / n for r in runs)),
            ratio(r.cpu.total / n / cpu.total for r in runs),
            f"{median(n / r.seconds for r in runs):.0f}",
        )
    bench.say(table)
    farm.stop()


# --- lists of any length -------------------------------------------------------------------------------


def lists(bench):
    table = Table(
        f"survey: lists over {bench.survey_shared} mail servers that are shared as by Zipf's law",
        "domains", "servers asked", "sessions", "queries", "seconds", "CPU ms/domain", "peak MiB",
    )  # fmt: skip
    farm = Farm(bench, bench.survey_shared)
    for n in bench.survey_lists:
        farm.counts()
        run = survey(bench, farm, [f"d{i}.test" for i in range(1, n + 1)])
        asked, addresses, queries = farm.counts()
        servers = run.status["servers"]
        # each of them once for each kind of key
        if addresses != servers or asked != 2 * servers or asked != run.status["connections"]:
            raise Failed(f"survey: {asked} sessions with {addresses} addresses, {servers} servers")
        table.row(
            n, servers, asked, queries, f"{run.seconds:.1f}", ms(run.cpu.total / n),
            f"{run.peak / 1048576:.1f}",
        )  # fmt: skip
    bench.say(table)
    farm.stop()


def memory(bench):
    """Bytes that each further server costs: two surveys whose other needs are the same."""
    few, many = bench.survey_memory
    peaks = []
    for n in (few, many):
        farm = Farm(bench, 1)
        run = survey(
            bench, farm, literals(farm, n), "--key-types", "any", "--retries", 0, "--concurrency", 20,
        )  # fmt: skip
        check(run, n)
        peaks.append(run.peak)
        farm.stop()
    table = Table("survey: memory for each server, 20 sessions at once", "servers", "peak MiB", "bytes/server")
    table.row(few, f"{peaks[0] / 1048576:.1f}", "")
    table.row(many, f"{peaks[1] / 1048576:.1f}", f"{(peaks[1] - peaks[0]) / (many - few):.0f}")
    bench.say(table)


# --- slow servers --------------------------------------------------------------------------------------


def slow(bench):
    n_quick, n_slow = bench.survey_slow
    options = ["--key-types", "any", "--retries", 0, "--concurrency", n_quick + n_slow]
    table = Table(
        f"survey: {n_quick} quick servers, alone and beside {n_slow} that greet after 20 s",
        "", "quick ones done after s", "all after s", "peak KiB/session",
    )  # fmt: skip
    farm = Farm(bench, 1)
    alone = survey(bench, farm, literals(farm, n_quick), *options)
    check(alone, n_quick)
    table.row("alone", f"{alone.seconds:.1f}", f"{alone.seconds:.1f}", "")
    both = survey(bench, farm, literals(farm, n_slow, 32) + literals(farm, n_quick), *options)
    check(both, n_quick + n_slow)
    with open(bench.dir / "survey.ndjson", encoding="utf-8") as f:
        ended = [json.loads(line) for line in f]
    ended = [r for r in ended if r["type"] == "domain" and "[127.20." in r["domain"]]
    last = max(r["duration"] for r in ended)
    table.row(
        "beside slow ones", f"{last:.1f}", f"{both.seconds:.1f}",
        kib((both.peak - alone.peak) / n_slow),
    )  # fmt: skip
    bench.say(table)
    if last >= 20:
        raise Failed(f"survey: quick servers took {last} s")
    farm.stop()


def measure(bench):
    sessions(bench)
    lists(bench)
    memory(bench)
    slow(bench)

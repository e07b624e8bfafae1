#!/usr/bin/env python3
"""
Read reports of RFC 8460 and check them by its letter, sharing no code with mxtls: names of files (s5.1), compression,
every field's name and type (s4.4), the registered result types (s4.3), and that the sums are right.

    tlsrptcheck.py FILE...      for each policy one line, sorted:
        DOMAIN TYPE POLICY-DOMAIN GOOD FAILED [RESULT[/REASON]@HOST:COUNT...]
Anything wrong: a line on stderr, and status 1.
"""
import datetime
import gzip
import ipaddress
import json
import os
import re
import sys

RESULTS = {
    "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
    "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required",
    "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid",
}
DOMAIN = re.compile(r"([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def need(ok, what):
    if not ok:
        raise ValueError(what)


def members(value, where, required, optional=()):
    need(isinstance(value, dict), f"{where} is no object")
    missing = set(required) - set(value)
    odd = set(value) - set(required) - set(optional)
    need(not missing, f"{where} lacks {sorted(missing)}")
    need(not odd, f"{where} has {sorted(odd)}")


def count(value, where):
    need(isinstance(value, int) and not isinstance(value, bool) and value >= 0, f"{where} is {value!r}")
    return value


def seconds(text):
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), f"time {text!r}")
    return int(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp())


def failure(entry):
    members(entry, "failure-details", ["result-type", "failed-session-count"],
            ["sending-mta-ip", "receiving-mx-hostname", "receiving-ip", "failure-reason-code",
             "receiving-mx-helo", "additional-information"])
    need(entry["result-type"] in RESULTS, f"result-type {entry['result-type']}")
    for name in ("sending-mta-ip", "receiving-ip"):
        if name in entry:
            ipaddress.ip_address(entry[name])
    if entry["result-type"] == "validation-failure":
        need(entry.get("failure-reason-code"), "validation-failure without failure-reason-code (s4.3.1)")
    text = entry["result-type"]
    if "failure-reason-code" in entry:
        text += "/" + entry["failure-reason-code"].replace(" ", "_")
    host = entry.get("receiving-mx-hostname", "-")
    where = "+" if "receiving-ip" in entry and "sending-mta-ip" in entry else ""
    return f"{text}@{host}{where}:{count(entry['failed-session-count'], 'failed-session-count')}", entry[
        "failed-session-count"]


def policy(entry, domain):
    members(entry, "policies", ["policy", "summary"], ["failure-details"])
    p = entry["policy"]
    members(p, "policy", ["policy-type", "policy-domain"], ["policy-string", "mx-host"])
    kind = p["policy-type"]
    need(kind in ("tlsa", "sts", "no-policy-found"), f"policy-type {kind}")
    for name in ("policy-string", "mx-host"):
        need(isinstance(p.get(name, []), list) and all(isinstance(s, str) for s in p.get(name, [])), f"{name} is no list")
    need(DOMAIN.fullmatch(p["policy-domain"]), f"policy-domain {p['policy-domain']!r}")
    if kind == "tlsa":
        for record in p.get("policy-string", []):
            need(re.fullmatch(r"\d+ \d+ \d+ [0-9a-fA-F]+", record), f"TLSA {record!r}")
    if kind == "sts" and "policy-string" in p:
        need(p["policy-string"][0] == "version: STSv1", "an STS policy begins with its version")
        need([s[4:] for s in p["policy-string"] if s.startswith("mx: ")] == p.get("mx-host", []), "mx-host")
    if kind == "no-policy-found":
        need("policy-string" not in p and "mx-host" not in p, "a policy where none was found")
    members(entry["summary"], "summary", ["total-successful-session-count", "total-failure-session-count"])
    good = count(entry["summary"]["total-successful-session-count"], "successful")
    failed = count(entry["summary"]["total-failure-session-count"], "failed")
    details = [failure(d) for d in entry.get("failure-details", [])]
    need(sum(n for _, n in details) == failed, "the failures do not sum up")
    return " ".join([domain, kind, p["policy-domain"], str(good), str(failed)] + sorted(t for t, _ in details))


def report(path):
    name = re.fullmatch(r"([^!]+)!([^!]+)!(\d+)!(\d+)(![^.!]+)?\.json(\.gz)?", os.path.basename(path))
    need(name, "file name")
    with open(path, "rb") as f:
        data = f.read()
    if name[6]:
        need(data[:2] == b"\x1f\x8b", "not gzip")
        data = gzip.decompress(data)
    r = json.loads(data.decode("utf-8"))
    members(r, "report", ["organization-name", "date-range", "contact-info", "report-id", "policies"])
    members(r["date-range"], "date-range", ["start-datetime", "end-datetime"])
    start, end = seconds(r["date-range"]["start-datetime"]), seconds(r["date-range"]["end-datetime"])
    need((start, end) == (int(name[3]), int(name[4])), "the file's name has other times")
    need(start % 86400 == 0 and end == start + 86399, "not one day of UTC (s4.1)")
    need(DOMAIN.fullmatch(name[1]) and DOMAIN.fullmatch(name[2]), "domains of the file name")
    need(r["organization-name"] and "@" in r["contact-info"] and r["report-id"], "who reports")
    need(r["policies"], "no policies")
    return [policy(p, name[2]) for p in r["policies"]]


def main():
    bad = 0
    lines = []
    for path in sys.argv[1:]:
        try:
            lines += report(path)
        except (ValueError, KeyError, TypeError, OSError, EOFError) as e:
            print(f"{path}: {e}", file=sys.stderr)
            bad = 1
    for line in sorted(lines):
        print(line)
    return bad


if __name__ == "__main__":
    sys.exit(main())

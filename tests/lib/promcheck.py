#!/usr/bin/env python3
"""Check the text format of Prometheus on stdin as promtool does, and print "name{labels} value" lines.

Each metric has one HELP and one TYPE line before its samples, which stand together; label names and
escapes are sound; no sample comes twice; the file ends in a newline.
"""
import re
import sys

text = sys.stdin.read()
assert text.endswith("\n"), "no newline at the end"
seen, described, current, samples = set(), set(), None, set()
for line in text.splitlines():
    match = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
    if match:
        kind, name, rest = match.groups()
        if kind == "HELP":
            assert name not in seen, "two blocks: " + line
            seen.add(name)
            current = name
        else:
            assert name == current and rest == "gauge", line
            described.add(name)
        continue
    match = re.fullmatch(r'(mxtls_[a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([-0-9.e+]+)', line)
    assert match, "not a sample: " + line
    name, labels, value = match.group(1), match.group(2) or "", match.group(3)
    assert name == current and name in described, "outside of its block: " + line
    assert not labels.endswith(","), line
    names = re.findall(r'([a-z]+)="', re.sub(r"\\.", "", labels))
    assert len(names) == len(set(names)), "label twice: " + line
    assert (name, labels) not in samples, "duplicate: " + line
    samples.add((name, labels))
    float(value)
    print(line)

# The records of mxtls probe for programs: CSV, Nagios, Prometheus, and the exit statuses that go with
# --require, --warn and --crit; against real Postfix servers, read by other programs' parsers.
# shellcheck disable=SC2154,SC2153 # stderr is set by run --separate-stderr, ROOT by the box
load lib/rig
load lib/probe

setup_file() {
    certs_make
    dns_start < <(
        postfix_zone
        cat <<'ZONE'
good.test.   MX 10 rsa.box.test.
good.test.   MX 20 both.box.test.
plain.test.  MX 10 notls.box.test.
backup.test. MX 10 rsa.box.test.
backup.test. MX 20 notls.box.test.
null.test.   MX 0 .
nowhere.test. MX 10 missing.box.test.
ZONE
    )
    postfix_start rsa both notls expired selfsigned wrongname
}

setup() {
    ROOTS=(--ca-file "$CERTS/root.crt" -4)
}

# formatted STATUS ARGUMENT...: stdout apart from stderr, which must be empty
formatted() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" probe "${ROOTS[@]}" "$@"
    same "$stderr" ""
}

# csv EXPRESSION: of the rows as python's csv module reads them
csv() {
    python3 -c 'import csv, sys
rows = list(csv.DictReader(sys.stdin, strict=True))
assert all(None not in row and None not in row.values() for row in rows), "cells and columns differ"
print(eval(sys.argv[1]))' "$1" <<< "$output"
}

@test "--csv: a header, then a row for each address and handshake, as python's csv module reads it" {
    formatted 2 --csv good.test plain.test null.test nowhere.test
    same "$(csv '" ".join(sorted(r["domain"] + ":" + r["mx"] + ":" + r["sigalg_offer"] for r in rows))')" \
        "good.test:both.box.test:any good.test:both.box.test:rsa good.test:rsa.box.test:any good.test:rsa.box.test:ecdsa nowhere.test:missing.box.test: null.test:: plain.test:notls.box.test:"
    same "$(csv '" ".join(sorted(set(r["verdict"] + r["exit_status"] for r in rows)))')" \
        "no-mail0 pkix0 plaintext2 undeliverable2"
    same "$(csv '[r["fingerprint_sha256"] for r in rows if r["mx"] == "rsa.box.test"][0]')" \
        "$(cert_fingerprint "$CERTS/rsa.crt")"
    same "$(csv '" ".join(r["key_type"] for r in rows if r["mx"] == "both.box.test")')" "ecdsa rsa"
    same "$(csv '[r["banner"] for r in rows if r["mx"] == "notls.box.test"][0].startswith("notls.box.test ESMTP")')" True
}

@test "--csv: what a server sends is no formula, and one row stays one line" {
    serve formula 'send 220-=HYPERLINK("http://x","y")' 'send 220 @x' 'expect EHLO' 'send 250 x' 'expect QUIT' 'send 221 bye'
    formatted 2 --csv "$TARGET"
    same "${#lines[@]}" 2
    same "$(csv 'rows[0]["banner"]')" "'=HYPERLINK(\"http://x\",\"y\")\\x0a@x"
}

@test "-o FILE: the end of its name chooses the format, unless there is an option for it" {
    cd "$BATS_TEST_TMPDIR"
    formatted 0 -o x.csv good.test
    same "$output" ""
    same "$(head -c 12 x.csv)" "domain,rank,"
    for name in x.json x.jsonl x.ndjson; do
        formatted 0 -o "$name" good.test
        same "$(jq -r .summary.verdict "$name")" pkix
    done
    formatted 0 -o x.prom good.test
    "$ROOT/tests/lib/promcheck.py" < x.prom > /dev/null
    formatted 0 -o x.txt good.test
    same "$(head -c 15 x.txt)" "good.test: pkix"
    formatted 0 -o x.csv --json good.test
    same "$(jq -r .summary.verdict x.csv)" pkix
    formatted 0 -o x.json --format=text good.test
    same "$(head -c 15 x.json)" "good.test: pkix"
}

@test "--nagios: one line with performance data, statuses 0 to 3" {
    formatted 0 --nagios good.test
    same "${#lines[@]}" 1
    matches "^MXTLS OK - good\.test: pkix, 89 days left \| 'good\.test days_left'=89;14:;3: 'good\.test addresses'=2;;;0 'good\.test unknown'=0;;;0 'good\.test time'=[0-9.]+s;;;0\$"
    formatted 1 --nagios '[selfsigned.box.test]'
    matches '^MXTLS WARNING - \[selfsigned\.box\.test\]: encrypted \(.*not trusted'
    formatted 2 --nagios plain.test
    matches '^MXTLS CRITICAL - plain\.test: plaintext \(notls\.box\.test \[192\.0\.2\.14\]: no STARTTLS'
    formatted 3 --nagios --retries 0 '[192.0.2.77]:26'
    matches '^MXTLS UNKNOWN - \[192\.0\.2\.77\]:26: unknown \('
}

@test "--nagios: several targets are one line, the worst first; also from a list" {
    formatted 2 --nagios null.test '[selfsigned.box.test]' plain.test good.test
    same "${#lines[@]}" 1
    matches '^MXTLS CRITICAL - 4 targets: 1 critical, 1 warning, 2 ok; plain\.test: .*; \[selfsigned\.box\.test\]: encrypted '
    printf '%s\n' good.test plain.test > "$BATS_TEST_TMPDIR/list"
    formatted 2 --nagios -f "$BATS_TEST_TMPDIR/list"
    matches '^MXTLS CRITICAL - 2 targets: 1 critical, 1 ok; plain\.test: '
}

@test "--nagios: wrong usage and local errors are UNKNOWN, status 3 (DECISIONS C17)" {
    local words
    while read -r words; do
        # shellcheck disable=SC2086 # words are words
        run -3 --separate-stderr "$MXTLS" probe $words
        same "$stderr" ""
        same "${#lines[@]}" 1
        matches '^MXTLS UNKNOWN - [^|]+$'
    done <<'ROWS'
--nagios
--nagios --jsno x
--jsno --nagios x
--format nagios --port 0 x
--format=nagios --warn soon x
--nagios --require
--nagios -f /nonexistent
--nagios --ca-file /nonexistent x
--nagios -o /nonexistent/x x
--nagios a..b
ROWS
    run -2 --separate-stderr "$MXTLS" probe --nagios plain.test a..b
    matches '^MXTLS CRITICAL - plain\.test: .*; .*a\.\.b'
}

@test "--prometheus: one block for each metric, however many targets" {
    formatted 2 --prometheus good.test plain.test good.test '[expired.box.test]'
    "$ROOT/tests/lib/promcheck.py" <<< "$output" > "$BATS_TEST_TMPDIR/samples"
    file_has "$BATS_TEST_TMPDIR/samples" 'mxtls_verdict{domain="good.test",verdict="pkix"} 1'
    file_has "$BATS_TEST_TMPDIR/samples" 'mxtls_verdict{domain="plain.test",verdict="plaintext"} 1'
    file_has "$BATS_TEST_TMPDIR/samples" 'mxtls_exit_status{domain="plain.test"} 2'
    file_has "$BATS_TEST_TMPDIR/samples" \
        'mxtls_starttls_supported{domain="plain.test",mx="notls.box.test",ip="192.0.2.14"} 0'
    file_has "$BATS_TEST_TMPDIR/samples" \
        'mxtls_starttls_supported{domain="good.test",mx="rsa.box.test",ip="192.0.2.11"} 1'
    file_has "$BATS_TEST_TMPDIR/samples" \
        'mxtls_cert_verified{domain="[expired.box.test]",mx="expired.box.test",ip="192.0.2.15",keytype="ecdsa"} 0'
    for key in rsa ecdsa; do
        file_has "$BATS_TEST_TMPDIR/samples" \
            "mxtls_cert_not_after_timestamp_seconds{domain=\"good.test\",mx=\"both.box.test\",ip=\"192.0.2.13\",keytype=\"$key\"} $(date -u -d "$(openssl x509 -in "$CERTS/both-$key.crt" -noout -enddate | sed 's/.*=//')" +%s)"
    done
    same "$(grep -c 'mxtls_probe_phase_seconds{domain="good.test",mx="rsa.box.test"' "$BATS_TEST_TMPDIR/samples")" 6
}

@test "--require moves the bar; --warn and --crit are days or shares of the lifetime (DECISIONS C16, C19)" {
    local status words
    while read -r status words; do
        # shellcheck disable=SC2086 # words are words
        run "-$status" --separate-stderr "$MXTLS" probe "${ROOTS[@]}" $words
    done <<'ROWS'
0 --require pkix good.test
2 --require dane good.test
2 --require mta-sts-enforce good.test
0 --require encrypted [selfsigned.box.test]
0 --require encrypted [expired.box.test]
2 --require pkix [selfsigned.box.test]
2 --require encrypted plain.test
1 backup.test
2 --require encrypted backup.test
2 --require encrypted nowhere.test
0 null.test
2 --require encrypted null.test
3 --require encrypted --retries 0 [192.0.2.77]:26
1 --warn 90 good.test
0 --warn 89 good.test
2 --crit 90 good.test
1 --warn 51% good.test
0 --warn 49% good.test
2 --crit 51% good.test
1 --at +80d good.test
2 --at +88d good.test
0 --at +88d --warn 0 --crit 0 good.test
64 --warn 101% good.test
64 --require none good.test
ROWS
    formatted 2 --require dane good.test
    has "  - required is dane or better"
    formatted 1 --warn 90 good.test
    has "  - rsa.box.test [192.0.2.11]: certificate (rsa) ends in 89 days, on 20"
    formatted 1 --warn 90 --json good.test
    same "$(q '.summary.exit_status')" 1
}

@test "-f: status 0 whatever the verdicts, but not with --require" {
    printf '%s\n' good.test plain.test > "$BATS_TEST_TMPDIR/list"
    run -0 "$MXTLS" probe "${ROOTS[@]}" --csv -f "$BATS_TEST_TMPDIR/list"
    run -2 "$MXTLS" probe "${ROOTS[@]}" --csv --require encrypted -f "$BATS_TEST_TMPDIR/list"
}

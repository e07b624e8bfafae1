# mxtls probe --pem: the chains as servers sent them, in files or on standard output; compared with the
# files that the servers have, and verified by openssl.
# shellcheck disable=SC2153,SC2154 # ROOT is set by the box, stderr by run
load lib/rig
load lib/probe

setup_file() {
    certs_make
    dns_start < <(
        postfix_zone
        echo 'two.test. MX 10 rsa.box.test.'
        echo 'two.test. MX 20 both.box.test.'
    )
    postfix_start rsa both expired notls
}

setup() {
    DIR=$BATS_TEST_TMPDIR/chains
    ROOTS=(--ca-file "$CERTS/root.crt")
}

# certs_of FILE: the certificates of a PEM file, each as one line of base64
certs_of() {
    awk '/-BEGIN/ { text = ""; inside = 1; next } /-END/ { print text; inside = 0 } inside { text = text $0 }' "$1"
}

@test "--pem DIR: a file for each handshake, with what the server sent in its order" {
    run -0 --separate-stderr "$MXTLS" probe --pem "$DIR" "${ROOTS[@]}" -4 two.test
    same "$stderr" ""
    same "$(cd "$DIR" && echo *)" \
        "both.box.test_192.0.2.13_25_ecdsa.pem both.box.test_192.0.2.13_25_rsa.pem rsa.box.test_192.0.2.11_25_rsa.pem"
    same "$(certs_of "$DIR/rsa.box.test_192.0.2.11_25_rsa.pem")" "$(certs_of "$CERTS/rsa.chain")"
    same "$(certs_of "$DIR/both.box.test_192.0.2.13_25_rsa.pem")" "$(certs_of "$CERTS/both-rsa.chain")"
    same "$(certs_of "$DIR/both.box.test_192.0.2.13_25_ecdsa.pem")" "$(certs_of "$CERTS/both-ecdsa.chain")"
    # other programs read it
    openssl verify -CAfile "$CERTS/root.crt" -untrusted "$DIR/rsa.box.test_192.0.2.11_25_rsa.pem" \
        "$DIR/rsa.box.test_192.0.2.11_25_rsa.pem"
    same "$(head -n 1 "$DIR/rsa.box.test_192.0.2.11_25_rsa.pem")" "# two.test: rsa.box.test [192.0.2.11]:25, rsa, as sent"
    # the records are what they are without it
    has "two.test: pkix"
}

@test "--pem DIR: IPv6, an address as target, and a second run that replaces the files" {
    run -1 "$MXTLS" probe --pem "$DIR" "${ROOTS[@]}" -6 '[rsa.box.test]' 2001:db8::15
    same "$(cd "$DIR" && echo *)" "2001-db8--15_25_ecdsa.pem rsa.box.test_2001-db8--11_25_rsa.pem"
    same "$(certs_of "$DIR/rsa.box.test_2001-db8--11_25_rsa.pem")" "$(certs_of "$CERTS/rsa.chain")"
    echo old > "$DIR/rsa.box.test_2001-db8--11_25_rsa.pem"
    run "$MXTLS" probe --pem "$DIR" "${ROOTS[@]}" -6 '[rsa.box.test]'
    same "$(certs_of "$DIR/rsa.box.test_2001-db8--11_25_rsa.pem")" "$(certs_of "$CERTS/rsa.chain")"
}

@test "--pem DIR goes with every format; without TLS there is no file" {
    run -0 "$MXTLS" probe --pem "$DIR" --json "${ROOTS[@]}" -4 '[rsa.box.test]'
    same "$(q '.certificates[] | .raw' | sort)" "$(certs_of "$CERTS/rsa.chain" | sort)"
    run -0 "$MXTLS" probe --pem "$DIR" --nagios "${ROOTS[@]}" -4 '[both.box.test]'
    has "MXTLS OK"
    run -2 "$MXTLS" probe --pem "$DIR" -4 '[notls.box.test]'
    same "$(find "$DIR" -type f | wc -l)" 3
    # the DER form is kept only when it is asked for
    run -0 "$MXTLS" probe --json "${ROOTS[@]}" -4 '[rsa.box.test]'
    same "$(q '[.certificates[] | .raw] | unique | .[]')" null
}

@test "--pem -: the chains alone on standard output, each handshake behind the other" {
    run -0 --separate-stderr "$MXTLS" probe --pem - "${ROOTS[@]}" -4 '[both.box.test]'
    same "$stderr" ""
    same "$(certs_of /dev/stdin <<< "$output" | wc -l)" 4
    same "$(grep -c '^# \[both\.box\.test\]: both\.box\.test \[192\.0\.2\.13\]:25, \(rsa\|ecdsa\), as sent$' <<< "$output")" 2
    has_not pkix
    # the status is that of the probe, and the records may go to a file
    run -2 "$MXTLS" probe --pem - -o "$BATS_TEST_TMPDIR/r.json" "${ROOTS[@]}" -4 '[expired.box.test]'
    same "$(certs_of /dev/stdin <<< "$output")" "$(certs_of "$CERTS/expired.chain")"
    same "$(jq -r .summary.verdict "$BATS_TEST_TMPDIR/r.json")" encrypted
}

@test "--pem -: another format on standard output is wrong usage (DECISIONS C25)" {
    local words
    while read -r words; do
        # shellcheck disable=SC2086
        run -64 --separate-stderr "$MXTLS" probe --pem - $words 192.0.2.11
        same "$words: $output" "$words: "
        [[ $stderr == *"--pem"* ]] || assert_fail "no reason" "$words: $stderr"
    done <<ROWS
--json
--csv
--prometheus
--format=text
-o -
--print-tlsa
--check-cert $CERTS/rsa.chain
ROWS
    run -3 --separate-stderr "$MXTLS" probe --pem - --nagios 192.0.2.11
    has "MXTLS UNKNOWN - --pem - writes to standard output"
}

@test "--pem DIR that cannot be made or written into is told before anything is probed" {
    touch "$BATS_TEST_TMPDIR/file"
    run -73 --separate-stderr "$MXTLS" probe -v --pem "$BATS_TEST_TMPDIR/file" 192.0.2.11
    same "$stderr" "mxtls probe: option --pem: folder $BATS_TEST_TMPDIR/file: Not a directory"
    run -73 --separate-stderr "$MXTLS" probe -v --pem "$BATS_TEST_TMPDIR/a/b" 192.0.2.11
    same "$stderr" "mxtls probe: option --pem: cannot make folder $BATS_TEST_TMPDIR/a/b: No such file or directory"
    mkdir -m 555 "$BOX/closed"
    run -73 --separate-stderr setpriv --reuid=vmail --clear-groups "$MXTLS" probe -v --pem "$BOX/closed" 192.0.2.11
    same "$stderr" "mxtls probe: option --pem: cannot write into folder $BOX/closed: Permission denied"
    same "$output" ""
}

@test "--pem DIR on a full disk: told once, no partial file, the old one stays, the records are complete" {
    local mount=$BATS_TEST_TMPDIR/small
    mkdir "$mount"
    mount -t tmpfs -o size=16k tmpfs "$mount"
    run -0 "$MXTLS" probe --pem "$mount" "${ROOTS[@]}" -4 '[rsa.box.test]'
    cp "$mount/rsa.box.test_192.0.2.11_25_rsa.pem" "$BATS_TEST_TMPDIR/before"
    dd if=/dev/zero of="$mount/fill" bs=1k 2> /dev/null || true
    run -74 --separate-stderr "$MXTLS" probe --pem "$mount" "${ROOTS[@]}" -4 '[rsa.box.test]' '[both.box.test]'
    same "$(grep -c . <<< "$stderr")" 1
    [[ $stderr == "mxtls probe: cannot write $mount/"*".pem: No space left on device" ]] || assert_fail "not told" "$stderr"
    has "[rsa.box.test]: pkix"
    has "[both.box.test]: pkix"
    same "$(cd "$mount" && echo *)" "fill rsa.box.test_192.0.2.11_25_rsa.pem"
    cmp "$mount/rsa.box.test_192.0.2.11_25_rsa.pem" "$BATS_TEST_TMPDIR/before"
    run -3 --separate-stderr "$MXTLS" probe --pem "$mount" --nagios "${ROOTS[@]}" -4 '[rsa.box.test]'
    matches '^MXTLS UNKNOWN - .*cannot write .*: No space left on device'
    umount "$mount"
}

@test "--pem -: a reader that goes away is no error" {
    run -0 bash -c 'set -o pipefail; "$@" | head -n 1' - "$MXTLS" probe --pem - "${ROOTS[@]}" -4 '[rsa.box.test]'
    matches '^# \[rsa\.box\.test\]: rsa\.box\.test'
}

# Delivery by DANE (RFC 7672): signed zones behind a validating resolver, scripted servers on port 25, and each
# level that uses TLSA records against each state that they can be in. Judged by what was on the wire.
load lib/rig
load lib/send

LEVELS=(may auto encrypt verify dane dane-only)

setup_file() {
    certs_make
    message_make
    # expired, and for another name
    cert_issue odd san=DNS:other.box.test from=-91d to=-1d dir="$BATS_FILE_TMPDIR"
    export DNSSEC_TAMPER=_25._tcp.tampered.box.test.
    dnssec_start < <(zone)
    {
        local level
        for level in "${LEVELS[@]}"; do
            echo "policy .$level.test $level"
            echo "policy .$level.unsigned.test $level"
        done
        echo 'policy now.test auto fallback=now'
        echo 'policy nodane.test encrypt dane=no'
        echo 'policy bounce.test dane-only on-fail=bounce'
        echo 'policy later.test dane-only on-fail=after:1h'
    } > "$BATS_FILE_TMPDIR/policy"
    mx good 31 'send 220 mx' 'serve ehlo=STARTTLS'
    mx clear 32 'send 220 mx' 'serve ehlo=SIZE 1000000'
    mx broken 33 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    mx requiretls 35 'send 220 mx' 'serve ehlo=STARTTLS,tls-ehlo=REQUIRETLS;SIZE 1000000'
    peer_start odd '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.36:25 --cert "$BATS_FILE_TMPDIR/odd.pem" \
        'send 220 mx' 'serve ehlo=STARTTLS'
    peer_start named '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.37:25 --cert "$CERTS/wrongname.pem" \
        'send 220 mx' 'serve ehlo=STARTTLS'
    mx refusing 34 'send 220 mx' 'serve ehlo=STARTTLS,starttls=454 4.7.0 no'
}

CASES=(match mismatch unusable tampered none issuer clear clearunusable broken refusing eeold tawrong refusingunusable brokenunusable)

zone() {
    local level case
    # the certificate of all servers is for *.box.test
    for case in match mismatch unusable tampered none issuer; do echo "$case.box.test. A 192.0.2.31"; done
    echo 'eeold.box.test. A 192.0.2.36'
    echo 'tawrong.box.test. A 192.0.2.37'
    echo 'refusingunusable.box.test. A 192.0.2.34'
    echo 'brokenunusable.box.test. A 192.0.2.33'
    echo "_25._tcp.eeold.box.test. TLSA $(cert_tlsa "$BATS_FILE_TMPDIR/odd.crt")"
    echo "_25._tcp.tawrong.box.test. TLSA $(cert_tlsa "$CERTS/intermediate.crt" 2 1 1)"
    for case in refusingunusable brokenunusable; do
        echo "_25._tcp.$case.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt" 1 1 1)"
    done
    echo 'clear.box.test. A 192.0.2.32'
    echo 'clearunusable.box.test. A 192.0.2.32'
    echo 'broken.box.test. A 192.0.2.33'
    echo 'refusing.box.test. A 192.0.2.34'
    for case in match tampered clear broken refusing; do
        echo "_25._tcp.$case.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt")"
    done
    echo "_25._tcp.mismatch.box.test. TLSA $(cert_tlsa "$CERTS/ecdsa.crt")"
    echo "_25._tcp.issuer.box.test. TLSA $(cert_tlsa "$CERTS/intermediate.crt" 2 1 1)"
    echo "_25._tcp.unusable.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt" 1 1 1)"
    echo "_25._tcp.clearunusable.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt" 0 0 1)"
    for level in "${LEVELS[@]}"; do
        for case in "${CASES[@]}"; do echo "$case.$level.test. MX 10 $case.box.test."; done
        echo "dead.$level.test. MX 10 dead.test."
        echo "match.$level.unsigned.test. MX 10 match.box.test."
        echo "mismatch.$level.unsigned.test. MX 10 mismatch.box.test."
        echo "two.$level.test. MX 10 mismatch.box.test."
        echo "two.$level.test. MX 20 match.box.test."
    done
    echo 'requiretls.test. MX 10 requiretls.box.test.'
    echo 'requiretls.unsigned.test. MX 10 requiretls.box.test.'
    echo 'requiretls.box.test. A 192.0.2.35'
    echo 'now.test. MX 10 broken.box.test.'
    echo 'nodane.test. MX 10 mismatch.box.test.'
    echo 'bounce.test. MX 10 none.box.test.'
    echo 'later.test. MX 10 none.box.test.'
}

# row SERVER CASE "WANTED..." "PROTECTION..." [ZONE]: the message to CASE.LEVEL.ZONE (test) at each of LEVELS; one word
# of what was on the wire a level, as of outcome(), "-" is no connection; and how it was protected.
row() {
    local name=$1 case=$2 zone=${5:-test} bad='' i=0 level got status proof
    local -a wanted proofs
    read -ra wanted <<< "$3"
    read -ra proofs <<< "$4"
    for level in "${LEVELS[@]}"; do
        status=0
        "$MXTLS" send --no-queue --json --timeout 20s --ca-file "$CERTS/root.crt" --policy "$BATS_FILE_TMPDIR/policy" \
            --helo "$level.$case.$zone.box.test" -f alice@client.box.test "bob@$case.$level.$zone" \
            < "$MESSAGE" > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" 3>&- || status=$?
        sessions "$name" > /dev/null || return
        got=$(outcome "$name" "$level.$case.$zone")
        proof=$(jq -r .protection "$BATS_TEST_TMPDIR/out")
        if [ "${got// /+}" != "${wanted[i]/#-/}" ] || { [[ ${wanted[i]} == *[PTp] ]] && [ "$status" != 0 ]; } ||
            { [[ ${wanted[i]} == *[X-] ]] && [ "$status" != 75 ]; } || [ "$proof" != "${proofs[i]}" ]; then
            bad+="$case x $level: wanted ${wanted[i]} ${proofs[i]}, was ${got:-no session} $proof, status $status: $(cat \
                "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/err")"$'\n'
        fi
        i=$((i + 1))
    done
    [ -z "$bad" ] || assert_fail "$bad" ""
}

dane_send() {
    send "$1" --policy "$BATS_FILE_TMPDIR/policy" -f alice@client.box.test "${@:2}"
}

#                          may auto encrypt verify dane dane-only

@test "TLSA records that match: delivered, and said to be DANE (RFC 7672 s2.2)" {
    row good match        "T   T    T       T      T    T" "enc dane dane dane dane dane"
    row good issuer       "T   T    T       T      T    T" "enc dane dane dane dane dane"
}

@test "TLSA records that do not match: skipped, although the chain is trusted (RFC 7672 s3)" {
    row good mismatch     "T   X    X       X      X    X" "enc null null null null null"
}

@test "TLSA records of no use to SMTP: TLS is needed, its certificate is not judged (RFC 7672 s2.2)" {
    row good unusable     "T   T    T       T      T    -" "enc enc enc pkix enc null"
    row clear clearunusable "P X    X       X      X    -" "none null null null null null"
}

@test "TLSA records and no STARTTLS, a refused one, or a failed handshake: never in clear" {
    row clear clear       "P   X    X       X      X    X" "none null null null null null"
    row refusing refusing "p   X    X       X      X    X" "none null null null null null"
    row broken broken     "X   X    X       X      X    X" "null null null null null null"
}

@test "a TLSA lookup that is bogus or fails: no connection, and later (RFC 7672 s2.1.3)" {
    row good tampered     "T   -    -       -      -    -" "enc null null null null null"
    dane_send 75 bob@tampered.auto.test
    same "$(r .failure)" dns-bogus
    dane_send 75 bob@dead.auto.test
    same "$(r .failure)" tlsa-lookup-failed
    same "$(r .enhanced)" 4.7.5
}

@test "securely no TLSA records: as without DANE" {
    row good none         "T   T    T       T      T    -" "enc enc enc pkix enc null"
    dane_send 75 bob@none.dane-only.test
    same "$(r .failure)" dane-required
}

@test "an unsigned MX record and signed TLSA records: enforced, but not for dane-only (DECISIONS B12)" {
    row good match        "T   T    T       T      T    -" "enc dane dane dane dane null" unsigned.test
    row good mismatch     "T   X    X       X      X    -" "enc null null null null null" unsigned.test
}

@test "the next host is tried when TLSA records of the first one do not match" {
    dane_send 0 bob@two.auto.test
    same "$(r .exchange)" match.box.test
}

@test "fallback=now never counts where TLSA records ask for TLS" {
    dane_send 75 bob@now.test
    same "$(r .failure)" connection-closed
}

@test "dane=no: what is published does not count" {
    dane_send 0 bob@nodane.test
    same "$(r .protection)" enc
}

@test "on-fail=bounce fails for good what no host can satisfy, on-fail=after waits" {
    dane_send 69 bob@bounce.test
    same "$(r .status)" failed
    same "$(r .enhanced)" 5.7.5
    dane_send 75 bob@later.test
    same "$(r .status)" deferred
}

@test "a resolver that does not validate: no DANE, and dane-only goes nowhere (DECISIONS B10)" {
    dane_send 0 --resolver 127.0.0.2 bob@mismatch.auto.test
    same "$(r .protection)" enc
    dane_send 75 --resolver 127.0.0.2 bob@match.dane-only.test
    [[ $(r .error) == *"does not validate"* ]] || assert_fail "no reason" "$output"
}

@test "with TLSA records the server name in the handshake is the TLSA base domain (RFC 7672 s8.1)" {
    file_has "$(peer_log good)" "sni=match.box.test"
}

# requiretls STATUS RECIPIENT: through sendmail's option, at once, errors told
requiretls() {
    local dir=$BATS_TEST_TMPDIR
    mkdir -p "$dir/config/mxtls"
    printf 'ca-file = %s\npolicy = %s\n' "$CERTS/root.crt" "$BATS_FILE_TMPDIR/policy" > "$dir/config/mxtls/mxtls.conf"
    ln -sf "$MXTLS" "$dir/sendmail"
    XDG_CONFIG_HOME=$dir/config XDG_STATE_HOME=$dir/state run "-$1" --separate-stderr "$dir/sendmail" -odi -oep \
        -O REQUIRETLS=yes -f alice@client.box.test "$2" < "$MESSAGE"
}

@test "REQUIRETLS: signed way, proved server, its offer; else failed for good with 5.7.30 (RFC 8689 s4.2.1)" {
    requiretls 0 bob@requiretls.test
    file_has "$(peer_log requiretls)" 'C: MAIL FROM:<alice@client.box.test> SIZE=153 REQUIRETLS'
    requiretls 69 bob@match.auto.test
    [[ $stderr == *"REQUIRETLS"* ]] || assert_fail "why" "$stderr"
    requiretls 69 bob@refusing.auto.test
    requiretls 69 bob@broken.auto.test
    requiretls 69 bob@mismatch.auto.test
    requiretls 69 bob@clear.may.test
    [[ $stderr == *"REQUIRETLS"* ]] || assert_fail "why" "$stderr"
    # the MX record is not signed
    requiretls 69 bob@requiretls.unsigned.test
    # nothing can be said while the lookup fails
    requiretls 0 bob@dead.auto.test
    file_has_not "$(peer_log clear)" 'REQUIRETLS'
}

@test "TLS-Required: No beats what is published, not what the administrator asks for (RFC 8689 s5)" {
    { echo 'TLS-Required: No'; cat "$MESSAGE"; } > "$BATS_TEST_TMPDIR/no"
    MESSAGE=$BATS_TEST_TMPDIR/no dane_send 0 bob@mismatch.auto.test
    same "$(r .protection)" enc
    MESSAGE=$BATS_TEST_TMPDIR/no dane_send 0 bob@broken.auto.test
    same "$(r .protection)" none
    MESSAGE=$BATS_TEST_TMPDIR/no dane_send 75 bob@mismatch.encrypt.test
    MESSAGE=$BATS_TEST_TMPDIR/no dane_send 75 bob@mismatch.dane-only.test
}

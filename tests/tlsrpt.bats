# Reports about TLS (RFC 8460): what sessions count as, kept by those who deliver, and written as files; against scripted
# servers, signed zones and real policy hosts, checked by a reader that shares no code with mxtls.
load lib/rig
load lib/https
load lib/send

# Domains and what is published for them; all have _smtp._tls records unless the name begins with "un".
DANE=(danegood danebad danebogus daneclear danebroken)
STS=(stsboth stsgood stsexpired stsmismatch stsuntrusted stsclear ststesting stsunlisted stsgone stsinvalid stscert)
PLAIN=(plain plainclear plainbroken plainrefusing plainhelo daneonly unwanted)

setup_file() {
    certs_make
    message_make
    # shellcheck disable=SC2046 # words
    https_begin $(printf 'mta-sts.%s.test ' "${STS[@]}")
    https_policy stsgood.test enforce 604800 '*.box.test'
    for d in stsboth stsexpired stsmismatch stsuntrusted stsclear; do https_policy "$d.test" enforce 604800 "$d.box.test"; done
    https_policy ststesting.test testing 604800 ststesting.box.test
    https_policy stsunlisted.test enforce 604800 other.box.test
    https_site mta-sts.stsgone.test good 'return 404 "not here"'
    https_site mta-sts.stsinvalid.test good 'return 200 "version: STSv1\r\nmode: strict\r\n"'
    https_site mta-sts.stscert.test expired 'return 200 "version: STSv1\r\n"'
    cert_issue expired-mx dir="$BATS_FILE_TMPDIR" san=DNS:stsexpired.box.test from=-90d to=-1d
    cert_issue wrong-mx dir="$BATS_FILE_TMPDIR" san=DNS:other.box.test
    cert_issue self-mx dir="$BATS_FILE_TMPDIR" san=DNS:stsuntrusted.box.test issuer=self
    export DNSSEC_TAMPER=_25._tcp.danebogus.box.test.
    dnssec_start < <(zone)
    https_start
    mx good 31 'send 220 mx' 'serve ehlo=STARTTLS'
    mx clear 32 'send 220 mx' 'serve ehlo=SIZE 1000000'
    mx broken 33 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    mx refusing 34 'send 220 mx' 'serve ehlo=STARTTLS,starttls=454 4.7.0 no'
    mx helo 35 'send 220 mx' 'serve ehlo=550 no'
    bad_mx expired 36 expired-mx
    bad_mx wrong 37 wrong-mx
    bad_mx self 38 self-mx
    {
        echo 'policy daneonly.test dane-only'
        echo 'policy none.test none'
        echo 'policy via.test encrypt via=[192.0.2.31]:25'
        echo "policy ca.test verify ca=$CERTS/root.crt"
        echo 'policy may.test may'
    } > "$BATS_FILE_TMPDIR/policy"
    # who brings his own certificates sees what nobody else does, and keeps no results (DECISIONS A7)
    mkdir "$BATS_FILE_TMPDIR/certs"
    cp "$CERTS/root.crt" "$BATS_FILE_TMPDIR/certs/root.pem"
    openssl rehash "$BATS_FILE_TMPDIR/certs"
    mount --bind "$BATS_FILE_TMPDIR/certs" /etc/ssl/certs # of the box
}

bad_mx() {
    peer_start "$1" '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen "192.0.2.$2:25" \
        --cert "$BATS_FILE_TMPDIR/$3.pem" 'send 220 mx' 'serve ehlo=STARTTLS'
}

zone() {
    local d
    for d in "${DANE[@]}" "${STS[@]}" "${PLAIN[@]}"; do echo "$d.test. MX 10 $d.box.test."; done
    for d in "${DANE[@]}" "${STS[@]}" "${PLAIN[@]}" none via ca may; do
        if [ "$d" != unwanted ]; then echo "_smtp._tls.$d.test. TXT \"v=TLSRPTv1; rua=mailto:tls@$d.test\""; fi
    done
    echo 'danegood.test. MX 20 plain.box.test.'
    for d in none via ca may; do echo "$d.test. MX 10 plain.box.test."; done
    for d in danegood danebad danebogus stsgood stsunlisted stsgone stsinvalid stscert plain daneonly unwanted; do
        echo "$d.box.test. A 192.0.2.31"
    done
    for d in daneclear stsclear plainclear; do echo "$d.box.test. A 192.0.2.32"; done
    for d in danebroken plainbroken; do echo "$d.box.test. A 192.0.2.33"; done
    echo 'plainrefusing.box.test. A 192.0.2.34'
    echo 'plainhelo.box.test. A 192.0.2.35'
    echo 'stsexpired.box.test. A 192.0.2.36'
    # TLSA records of no use beside an enforced MTA-STS policy
    echo 'stsboth.box.test. A 192.0.2.37'
    echo "_25._tcp.stsboth.box.test. TLSA $(cert_tlsa "$BATS_FILE_TMPDIR/wrong-mx.crt" 1 1 1)"
    echo 'stsmismatch.box.test. A 192.0.2.37'
    echo 'ststesting.box.test. A 192.0.2.37'
    echo 'stsuntrusted.box.test. A 192.0.2.38'
    for d in danegood danebogus daneclear danebroken; do
        echo "_25._tcp.$d.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt")"
    done
    echo "_25._tcp.danebad.box.test. TLSA $(cert_tlsa "$CERTS/ecdsa.crt")"
    for d in "${STS[@]}"; do
        echo "_mta-sts.$d.test. TXT \"v=STSv1; id=1;\""
        echo "mta-sts.$d.test. A 192.0.2.80"
    done
}

setup() {
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    STORE=$XDG_STATE_HOME/mxtls/tlsrpt
    OUT=$BATS_TEST_TMPDIR/out
    mkdir "$OUT"
}

# deliver STATUS DOMAIN...: one message to each
deliver() {
    local want=$1
    shift
    mxtls_send "$want" --json --policy "$BATS_FILE_TMPDIR/policy" -f alice@client.box.test "${@/#/bob@}"
}

# What is kept so far, as of tlsrptcheck.py: reports of today, looked at from tomorrow.
reports() {
    rm -f "$OUT"/*
    MXTLS_NOW=+1d run -0 --separate-stderr "$MXTLS" policy tlsrpt --maildomain client.box.test "$@" "$OUT"
    run -0 "$RIG_LIB/tlsrptcheck.py" "$OUT"/*
}

@test "no policy: sessions over TLS are good; no STARTTLS, a refused one and a broken handshake are failures (RFC 8460 s4.3.1)" {
    deliver 0 plain.test
    deliver 0 plain.test
    deliver 0 plainclear.test
    deliver 0 plainhelo.test
    deliver 0 plainrefusing.test
    deliver 75 plainbroken.test
    reports
    same "$output" "$(sort << 'WANT'
plain.test no-policy-found plain.test 2 0
plainbroken.test no-policy-found plainbroken.test 0 1 validation-failure/TLS_handshake:_the_peer_closed_the_connection@plainbroken.box.test+:1
plainclear.test no-policy-found plainclear.test 0 1 starttls-not-supported@plainclear.box.test+:1
plainhelo.test no-policy-found plainhelo.test 0 1 starttls-not-supported@plainhelo.box.test+:1
plainrefusing.test no-policy-found plainrefusing.test 0 1 validation-failure/starttls-rejected@plainrefusing.box.test+:1
WANT
)"
    same "$(gzip -dc "$OUT"/*!plainclear.test!* | jq -r '.policies[0]["failure-details"][0] | ."sending-mta-ip" + " " + ."receiving-ip"')" \
        "192.0.2.1 192.0.2.32"
}

@test "DANE: the records that applied, tlsa-invalid, dnssec-invalid, dane-required, starttls-not-supported (RFC 8460 s4.3.2.1)" {
    deliver 0 danegood.test
    deliver 75 danebad.test danebad.test
    deliver 75 danebogus.test
    deliver 75 daneclear.test
    deliver 75 danebroken.test
    deliver 75 daneonly.test
    reports
    same "$output" "$(sort << 'WANT'
danebad.test tlsa danebad.box.test 0 1 tlsa-invalid@danebad.box.test+:1
danebogus.test tlsa danebogus.box.test 0 1 dnssec-invalid@danebogus.box.test:1
danebroken.test tlsa danebroken.box.test 0 1 validation-failure/TLS_handshake:_the_peer_closed_the_connection@danebroken.box.test+:1
daneclear.test tlsa daneclear.box.test 0 1 starttls-not-supported@daneclear.box.test+:1
danegood.test tlsa danegood.box.test 1 0
daneonly.test tlsa daneonly.box.test 0 1 dane-required@daneonly.box.test:1
WANT
)"
    run -0 jq -r '.policies[0].policy["policy-string"][]' <(gzip -dc "$OUT"/*!danegood.test!*)
    same "$output" "$(cert_tlsa "$CERTS/wildcard.crt" | tr A-F a-f)"
}

@test "MTA-STS: every result type of certificate and policy; testing is judged as enforce (RFC 8460 s4.3.2.2)" {
    deliver 0 stsgood.test
    deliver 75 stsexpired.test
    # unusable TLSA records do not relax it (RFC 8461 s2)
    deliver 75 stsboth.test
    same "$(r .failure)" certificate-host-mismatch
    deliver 75 stsmismatch.test
    deliver 75 stsuntrusted.test
    deliver 75 stsclear.test
    deliver 0 ststesting.test
    deliver 75 stsunlisted.test
    deliver 0 stsgone.test
    deliver 0 stsinvalid.test
    deliver 0 stscert.test
    reports
    same "$output" "$(sort << 'WANT'
stsboth.test sts stsboth.test 0 1 certificate-host-mismatch@stsboth.box.test+:1
stsclear.test sts stsclear.test 0 1 starttls-not-supported@stsclear.box.test+:1
stscert.test sts stscert.test 0 1 sts-webpki-invalid@stscert.box.test+:1
stsexpired.test sts stsexpired.test 0 1 certificate-expired@stsexpired.box.test+:1
stsgone.test sts stsgone.test 0 1 sts-policy-fetch-error@stsgone.box.test+:1
stsgood.test sts stsgood.test 1 0
stsinvalid.test sts stsinvalid.test 0 1 sts-policy-invalid@stsinvalid.box.test+:1
stsmismatch.test sts stsmismatch.test 0 1 certificate-host-mismatch@stsmismatch.box.test+:1
ststesting.test sts ststesting.test 0 1 certificate-host-mismatch@ststesting.box.test+:1
stsuntrusted.test sts stsuntrusted.test 0 1 certificate-not-trusted@stsuntrusted.box.test+:1
stsunlisted.test sts stsunlisted.test 0 1 validation-failure/sts-mx-mismatch@stsunlisted.box.test:1
WANT
)"
    run -0 jq -c '.policies[0].policy' <(gzip -dc "$OUT"/*!stsgood.test!*)
    same "$output" '{"policy-type":"sts","policy-string":["version: STSv1","mode: enforce","mx: *.box.test","max_age: 604800"],"policy-domain":"stsgood.test","mx-host":["*.box.test"]}'
}

@test "only for domains that ask for reports; of one domain with --domain; plain with --plain (RFC 8460 s3, s5.1)" {
    deliver 0 plain.test unwanted.test plainclear.test
    MXTLS_NOW=+1d run -0 "$MXTLS" policy tlsrpt --maildomain client.box.test "$OUT"
    has "domains that ask for no report: 1"
    matches "^$OUT/client.box.test!plain.test![0-9]+![0-9]+\.json\.gz mailto:tls@plain.test$"
    same "$(find "$OUT" -name '*unwanted*')" ""
    reports --domain plainclear.test --plain --organization 'Company "X"' --contact tls@company-x.test
    same "$output" 'plainclear.test no-policy-found plainclear.test 0 1 starttls-not-supported@plainclear.box.test+:1'
    same "$(jq -r '."organization-name", ."contact-info"' "$OUT"/*.json)" $'Company "X"\ntls@company-x.test'
    # the same report again is the same file
    reports
    sum=$(cd "$OUT" && sha256sum -- *)
    reports
    same "$(cd "$OUT" && sha256sum -- *)" "$sum"
}

@test "nothing is kept by who sees another world, by smarthosts, by rules that look for nothing or bring roots, by explain (DECISIONS A7, E30)" {
    send 0 -f alice@client.box.test bob@plain.test
    mxtls_send 0 --resolver 127.0.0.1 -f alice@client.box.test bob@plain.test
    deliver 0 none.test may.test ca.test via.test
    run -0 "$MXTLS" policy explain --connect plain.test
    same "$(ls "$STORE" 2> /dev/null)" ""
}

@test "days: today is shown and not reported; old ones are dropped; a wrong day is told" {
    deliver 0 plainclear.test
    today=$(date -u +%F)
    run -64 "$MXTLS" policy tlsrpt --day "$today" "$OUT"
    has "$today is not over (UTC)"
    run -0 "$MXTLS" policy tlsrpt --day "$today"
    same "$output" $'plainclear.test: no-policy-found: 0 good, 1 failed\n  1 starttls-not-supported at plainclear.box.test [192.0.2.32]'
    run -0 --separate-stderr "$MXTLS" policy tlsrpt --day "$today" --json
    same "$(jq -c . <<< "$output")" "{\"domain\":\"plainclear.test\",\"day\":\"$today\",\"successful\":0,\"failed\":1,\"file\":null,\"rua\":[]}"
    run -0 "$MXTLS" policy tlsrpt "$OUT" --maildomain client.box.test
    has "no results kept of"
    for day in 2026-02-29 2026-1-1 yesterday 1969-12-31; do
        run -64 "$MXTLS" policy tlsrpt --day "$day"
        has "\"$day\" is not a day, expected one like 2026-01-31"
    done
    run -73 "$MXTLS" policy tlsrpt "$OUT/none"
    MXTLS_NOW=+10d deliver 0 plain.test
    same "$(find "$STORE" -name '20*' | wc -l)" 2
    MXTLS_NOW=+11d deliver 0 plain.test
    same "$(find "$STORE" -name "$today*")" ""
}

@test "twenty senders at once, and summing up beside them: nothing is lost, nothing counts twice" {
    local i pids=()
    deliver 0 plainclear.test
    # a big file, so that it is summed up
    line=$(grep -m 1 . "$STORE/$(date -u +%F)")
    yes "$line" | head -n 60000 >> "$STORE/$(date -u +%F)"
    for i in {1..20}; do
        "$MXTLS" send --no-queue -f alice@client.box.test bob@plainclear.test bob@plain.test < "$MESSAGE" > /dev/null 2>&1 3>&- &
        pids+=($!)
        if ((i % 5 == 0)); then "$MXTLS" queue run --queue "$BATS_TEST_TMPDIR/queue" 3>&-; fi
    done
    wait "${pids[@]}"
    "$MXTLS" queue run --queue "$BATS_TEST_TMPDIR/queue"
    [ -e "$STORE/$(date -u +%F).sum" ]
    reports
    same "$output" "plain.test no-policy-found plain.test 20 0
plainclear.test no-policy-found plainclear.test 0 60021 starttls-not-supported@plainclear.box.test+:60021"
}

@test "a store that cannot be written, or that others could, holds no message up" {
    mkdir -p "$STORE"
    chmod 777 "$STORE"
    deliver 0 plain.test
    same "$(r .status)" delivered
    [[ $stderr == *"no result for reports about TLS could be kept: $STORE: others than its owner may write"* ]]
    run -77 "$MXTLS" policy tlsrpt
    rmdir "$STORE"
    echo > "$STORE"
    deliver 0 plain.test
    same "$(r .status)" delivered
    # damaged lines are told, and the others count
    rm "$STORE"
    deliver 0 plain.test
    printf '{"domain":"pl\n{"domain":"plain.test","sessions":-3}\n{"dom' >> "$STORE/$(date -u +%F)"
    deliver 0 plain.test
    MXTLS_NOW=+1d run -0 "$MXTLS" policy tlsrpt
    has "plain.test: no-policy-found: 2 good, 0 failed"
    has "3 damaged lines"
}

@test "the queue's children keep results, too" {
    run -0 "$MXTLS" send --delivery queue --queue "$BATS_TEST_TMPDIR/queue" -f alice@client.test bob@plain.test bob@plainclear.test < "$MESSAGE"
    run -0 "$MXTLS" queue run --queue "$BATS_TEST_TMPDIR/queue"
    reports
    same "$output" "plain.test no-policy-found plain.test 1 0
plainclear.test no-policy-found plainclear.test 0 1 starttls-not-supported@plainclear.box.test+:1"
}

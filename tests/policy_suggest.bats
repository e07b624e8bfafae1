# mxtls policy suggest: what surveys by mxtls probe and the delivery log of mxtls send say about domains becomes lines that
# policy check takes. The evidence is made by both programs, against scripted servers.
load lib/rig
load lib/send

setup_file() {
    certs_make
    message_make
    dnssec_start < <(zone)
    mx good 31 'send 220 mx' 'serve ehlo=STARTTLS'
    mx clear 32 'send 220 mx' 'serve ehlo=SIZE 1000000'
    mx broken 33 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    # with TLS for the first four clients, then without: a server that is not always the same
    mx turning 34 'send 220 mx' 'serve ehlo=STARTTLS' session 'send 220 mx' 'serve ehlo=STARTTLS' session 'send 220 mx' 'serve ehlo=SIZE 1000000'
    export LOG=$BATS_FILE_TMPDIR/log SURVEY=$BATS_FILE_TMPDIR/survey
    echo 'policy never.test none' > "$BATS_FILE_TMPDIR/none"
    local i
    for i in 1 2 3; do
        deliver
        printf '%s\n' verified.test encrypted.test clear.test dane.test | "$MXTLS" probe -f - --allow-private \
            --timeout 20s --ca-file "$CERTS/root.crt" -o "$BATS_FILE_TMPDIR/survey.$i.ndjson" 3>&-
    done > "$BATS_FILE_TMPDIR/out" 2>&1
    cat "$BATS_FILE_TMPDIR"/survey.*.ndjson > "$SURVEY"
}

deliver() {
    "$MXTLS" send --no-queue --timeout 20s --ca-file "$CERTS/root.crt" --log "$LOG" --log-format json -f alice@client.box.test \
        bob@verified.test carl@verified.test bob@encrypted.test bob@clear.test bob@broken.test bob@turning.test \
        bob@dane.test bob@nowhere.test < "$MESSAGE" 3>&- || true
    # these tell nothing: level none, a smarthost
    "$MXTLS" send --no-queue --policy "$BATS_FILE_TMPDIR/none" --log "$LOG" --log-format json -f alice@client.box.test \
        bob@never.test < "$MESSAGE" 3>&-
    "$MXTLS" send --no-queue --via '[192.0.2.32]' --log "$LOG" --log-format json -f alice@client.box.test \
        bob@via.test < "$MESSAGE" 3>&-
}

zone() {
    local d
    for d in verified clear broken turning never via; do echo "$d.test. MX 10 $d.box.test."; done
    # the certificate is for *.box.test
    echo 'encrypted.test. MX 10 mx.encrypted.test.'
    echo 'mx.encrypted.test. A 192.0.2.31'
    echo 'verified.box.test. A 192.0.2.31'
    echo 'never.box.test. A 192.0.2.31'
    echo 'via.box.test. A 192.0.2.31'
    echo 'clear.box.test. A 192.0.2.32'
    echo 'broken.box.test. A 192.0.2.33'
    echo 'turning.box.test. A 192.0.2.34'
    echo 'dane.test. MX 10 dane.box.test.'
    echo 'dane.box.test. A 192.0.2.31'
    echo "_25._tcp.dane.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt")"
}

suggest() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" policy suggest "$@"
}

@test "by the log alone: verify, encrypt, and what is left to auto, each with its evidence" {
    suggest 0 --log "$LOG"
    day=$(date -u +%F)
    same "$(grep -vE '^# mxtls policy suggest|^$' <<< "$output" | sed "s/, $day\( to .*\)\{0,1\}\$//")" "$(cat << 'WANT'
# 0 of them were seen fewer than 3 times (--min-seen): nothing is said about them
# publish what level auto, the default, goes by: no line needed
# dane.test: publishes DANE; seen 3 times: 3 verified, 0 only encrypted, 0 in clear, 0 failed
# always verified: a trusted certificate for the MX host
# verified.test: seen 3 times: 3 verified, 0 only encrypted, 0 in clear, 0 failed
group suggested-verify verified.test
policy suggested-verify verify
# always encrypted, but not always with such a certificate
# encrypted.test: seen 3 times: 0 verified, 3 only encrypted, 0 in clear, 0 failed
group suggested-encrypt encrypted.test
policy suggested-encrypt encrypt
# never TLS: in clear by level auto, too
# clear.test: seen 3 times: 0 verified, 0 only encrypted, 3 in clear, 0 failed
# now this, now that: left to level auto
# broken.test: seen 3 times: 0 verified, 0 only encrypted, 0 in clear, 3 failed
# turning.test: seen 3 times: 2 verified, 0 only encrypted, 1 in clear, 0 failed
WANT
)"
}

@test "by surveys and the log together, by standard input; the minimum counts both" {
    suggest 0 --log "$LOG" "$SURVEY" --min-seen 6
    has "# verified.test: seen 6 times: 6 verified"
    has "# encrypted.test: seen 6 times: 0 verified, 6 only encrypted"
    has_not "broken.test"
    has "# 2 of them were seen fewer than 6 times"
    run -0 "$MXTLS" policy suggest - < "$SURVEY"
    has "# dane.test: publishes DANE; seen 3 times"
    has "# verified.test: seen 3 times: 3 verified"
    suggest 0 "$SURVEY" --min-seen 4
    has_not "group "
}

@test "what it prints is a policy that policy check takes, and that does what it says" {
    suggest 0 --log "$LOG" --none
    printf '%s\n' "$output" > "$BATS_TEST_TMPDIR/policy"
    file_has "$BATS_TEST_TMPDIR/policy" "policy suggested-none none"
    run -0 "$MXTLS" policy check "$BATS_TEST_TMPDIR/policy"
    has "good: 3 policies for 3 patterns of domains"
    has_not "warning"
    run -0 "$MXTLS" send --no-queue --json --ca-file "$CERTS/root.crt" --policy "$BATS_TEST_TMPDIR/policy" \
        -f alice@client.box.test bob@verified.test bob@encrypted.test bob@clear.test < "$MESSAGE"
    same "$(jq -r '.level' <<< "$output" | xargs)" "verify encrypt none"
    # pasted into the policy in use, they are not proposed again
    suggest 0 --log "$LOG" --none --policy "$BATS_TEST_TMPDIR/policy"
    has "#   has level verify by $BATS_TEST_TMPDIR/policy:"
    [[ $output != *$'\ngroup '* && $output != *$'\npolicy '* ]]
}

@test "JSON: an object for each domain" {
    suggest 0 --json --log "$LOG" "$SURVEY"
    same "$(jq -r 'select(.domain == "verified.test") | [.suggest, .seen, .records, .tls, .verified, .clear, .failed, .dane, .mta_sts, .broken, .rule, .level] | map(tostring) | join(" ")' <<< "$output")" \
        "verify 6 3 6 6 0 0 false null false null null"
    same "$(jq -r 'select(.suggest == "none") | .domain' <<< "$output")" clear.test
    same "$(jq -r 'select(.domain == "dane.test") | .suggest, .dane' <<< "$output" | xargs)" "auto true"
    same "$(jq -r .domain <<< "$output" | xargs)" "broken.test clear.test dane.test encrypted.test turning.test verified.test"
}

@test "what cannot be read is told, with file and line, and the rest counts" {
    { cat "$LOG"; echo '{"no":1}'; echo 'nonsense'; printf '{"recipient":"a@b'; } > "$BATS_TEST_TMPDIR/log"
    local count
    count=$(wc -l < "$LOG")
    suggest 65 --log "$BATS_TEST_TMPDIR/log"
    has "group suggested-verify verified.test"
    [[ $stderr == *"$BATS_TEST_TMPDIR/log:$((count + 1)): neither a record of mxtls probe nor a line of the delivery log"* ]]
    [[ $stderr == *"$BATS_TEST_TMPDIR/log:$((count + 2)): not JSON"* ]]
    [[ $stderr == *"$BATS_TEST_TMPDIR/log:$((count + 3)): the last line is cut off"* ]]
    suggest 66 --log "$BATS_TEST_TMPDIR/none"
    suggest 64
    [[ $stderr == *"suggest by what? Expected files of mxtls probe, or --log FILE"* ]]
    echo 'policy x nonsense' > "$BATS_TEST_TMPDIR/bad"
    suggest 78 --policy "$BATS_TEST_TMPDIR/bad" "$SURVEY"
}

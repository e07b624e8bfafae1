# mxtls policy: check, explain, forget. Signed zones behind a validating resolver, MTA-STS policies from nginx, scripted
# servers; what explain says is held against what send does.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/https
load lib/send

setup_file() {
    certs_make
    message_make
    https_begin mta-sts.sts.test
    https_policy sts.test enforce 604800 sts.box.test
    dnssec_start < <(zone)
    https_start
    mx good 31 'send 220 mx' 'serve ehlo=STARTTLS'
    mx clear 32 'send 220 mx' 'serve ehlo=SIZE 1000000'
    mx broken 33 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    export POLICY=$BATS_FILE_TMPDIR/policy
    cat > "$POLICY" << 'POLICY'
group banks bank.test .bank.test
policy banks        secure  on-fail=bounce
policy clear.test   encrypt
policy broken.test  may fallback=now
policy mx:*.host.test verify
policy old.test     none
default auto
POLICY
}

zone() {
    local name
    echo 'dane.test. MX 10 dane.box.test.'
    echo "_25._tcp.dane.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt")"
    echo 'bad.test. MX 10 bad.box.test.'
    echo "_25._tcp.bad.box.test. TLSA $(cert_tlsa "$CERTS/ecdsa.crt")"
    echo 'sts.test. MX 10 sts.box.test.'
    echo 'sts.test. MX 20 other.box.test.'
    echo '_mta-sts.sts.test. TXT "v=STSv1; id=1;"'
    echo 'mta-sts.sts.test. A 192.0.2.80'
    for name in dane bad sts other; do echo "$name.box.test. A 192.0.2.31"; done
    echo 'bank.test. MX 10 other.box.test.'
    echo 'old.test. MX 10 other.box.test.'
    echo 'mxrule.test. MX 10 a.host.test.'
    echo 'a.host.test. A 192.0.2.31'
    echo 'clear.test. MX 10 clear.box.test.'
    echo 'broken.test. MX 10 broken.box.test.'
    echo 'clear.box.test. A 192.0.2.32'
    echo 'broken.box.test. A 192.0.2.33'
    echo 'nomail.test. MX 0 .'
    echo 'gone.test. MX 10 nowhere.box.test.'
}

# explain STATUS ARG...
explain() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" policy explain --policy "$POLICY" --ca-file "$CERTS/root.crt" \
        --timeout 10s "$@"
}

@test "explain names the rule, what is published, and what is demanded at each address" {
    explain 0 bob@dane.test
    same "$output" "bob@dane.test: level auto by $POLICY:7 (default)
  MX records: secure
  10 dane.box.test, TLSA usable
    192.0.2.31 port 25: TLSv1.2 or newer, a certificate that a TLSA record describes"
    explain 0 sts.test
    same "$output" "sts.test: level auto by $POLICY:7 (default)
  MTA-STS: enforce, for sts.box.test
  MX records: secure
  10 sts.box.test, TLSA none
    192.0.2.31 port 25: TLSv1.2 or newer, a trusted certificate for sts.box.test (MTA-STS)
  20 other.box.test, TLSA none
    192.0.2.31 port 25: not used: the domain's MTA-STS policy does not list this host"
    explain 0 bank.test old.test mxrule.test
    matches "^bank.test: level secure by $POLICY:2 \(group banks\)$"
    matches 'TLSv1.2 or newer, a trusted certificate for bank.test or a name below bank.test'
    matches '192.0.2.31 port 25: in clear, whatever is offered'
    matches "^      by $POLICY:5$"
    matches 'TLSv1.2 or newer, a trusted certificate for a.host.test$'
}

@test "explain --connect says what send then does, and sends nothing" {
    local domain action before
    before=$(grep -c 'C: MAIL' "$(peer_log good)" "$(peer_log clear)" "$(peer_log broken)" || true)
    while read -r domain status action; do
        explain "$status" --json --connect "bob@$domain"
        same "$domain $(jq -r '.hosts[0].addresses[0].action' <<< "$output")" "$domain $action"
        same "$(jq -r .exit_status <<< "$output")" "$status"
    done << 'ROWS'
dane.test 0 tls
bad.test 75 skip
sts.test 0 tls
clear.test 75 skip
broken.test 0 clear-reconnect
bank.test 69 skip
old.test 0 clear
mxrule.test 75 skip
ROWS
    same "$(grep -c 'C: MAIL' "$(peer_log good)" "$(peer_log clear)" "$(peer_log broken)" || true)" "$before"
    while read -r domain status _; do
        send "$status" --no-queue --policy "$POLICY" -f a@client.box.test "bob@$domain"
    done << 'ROWS'
dane.test 0
bad.test 75
sts.test 0
clear.test 75
broken.test 0
bank.test 69
old.test 0
mxrule.test 75
ROWS
}

@test "explain: no such domain, no mail, no host, not an address; several targets, the worst counts" {
    explain 68 bob@nosuch.test
    matches 'nosuch.test'
    explain 68 nomail.test
    explain 75 gone.test
    matches 'nowhere.box.test'
    explain 65 'bob@@x'
    explain 75 dane.test gone.test nomail.test
    explain 64
}

@test "explain --requiretls and --tls-required-no: as for such a message (RFC 8689)" {
    explain 69 --connect --requiretls dane.test
    matches 'REQUIRETLS must be offered'
    matches 'does not offer REQUIRETLS'
    explain 0 --tls-required-no bad.test
    matches 'TLS if it is offered, in clear after a failed handshake'
}

@test "explain --via: level and keys are about the smarthost, and a login raises the level" {
    printf 'user = a\npassword = b\n' > "$BATS_TEST_TMPDIR/auth"
    chmod 600 "$BATS_TEST_TMPDIR/auth"
    explain 0 --via '[dane.box.test]:25' --auth "$BATS_TEST_TMPDIR/auth" bob@anything.test
    matches "level verify by $POLICY:7"
    matches 'by the smarthost \[dane.box.test\], with a login'
    explain 64 --auth "$BATS_TEST_TMPDIR/auth" bob@anything.test
}

@test "check: a good policy, errors with file and line, warnings, and what the rules name" {
    run -0 "$MXTLS" policy check "$POLICY"
    same "$output" "$POLICY: good: 6 policies for 5 patterns of domains; all others: auto, $POLICY:7 (default)"
    local file=$BATS_TEST_TMPDIR/policy
    echo 'default secre' > "$file"
    run -78 --separate-stderr "$MXTLS" policy check "$file"
    [[ $stderr == *"$file:1: unknown level"*'did you mean "secure"'* ]] || assert_fail "$stderr"
    printf 'group unused a.test\ndefault may\n' > "$file"
    run -0 --separate-stderr "$MXTLS" policy check --policy "$file"
    [[ $stderr == *"warning: $file:1: group unused has no policy"* ]] || assert_fail "$stderr"
    # what is there, but no good
    echo 'user = x' > "$BATS_TEST_TMPDIR/auth"
    chmod 600 "$BATS_TEST_TMPDIR/auth"
    echo nonsense > "$BATS_TEST_TMPDIR/cert"
    printf 'policy a.test verify via=[x.test] auth=auth\npolicy b.test verify ca=cert\npolicy c.test may client-cert=cert\n' > "$file"
    run -78 --separate-stderr "$MXTLS" policy check "$file"
    same "$(grep -c "$file:[123]: " <<< "$stderr")" 3
    HOME=$BATS_TEST_TMPDIR/nowhere XDG_CONFIG_HOME='' run -0 "$MXTLS" policy check
    matches 'no policy file'
    run -78 --separate-stderr "$MXTLS" policy check --json "$file"
    same "$(jq -r '.check, .status' <<< "$output" | xargs)" "policy fail policy fail policy fail"
    printf 'group unused a.test\ndefault may\n' > "$file"
    run -0 --separate-stderr "$MXTLS" policy check --json "$file"
    same "$stderr$(jq -r '.status + " " + .text' <<< "$output" | sed "s|$file||")" \
        "warn :1: group unused has no policy"$'\n'"ok : good: 1 policies for 0 patterns of domains; all others: may, $file:2 (default)"
    run -64 "$MXTLS" policy check a b
    run -64 "$MXTLS" policy chekc
    run -64 "$MXTLS" policy
}

@test "forget drops a remembered MTA-STS policy" {
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    mkdir -p "$XDG_STATE_HOME/mxtls/sts"
    touch "$XDG_STATE_HOME/mxtls/sts/sts.test"
    run -0 "$MXTLS" policy forget STS.test. other.test
    same "$output" "sts.test: MTA-STS policy forgotten
other.test: no MTA-STS policy was remembered"
    [ ! -e "$XDG_STATE_HOME/mxtls/sts/sts.test" ]
    run -68 "$MXTLS" policy forget ../x
}

@test "every policy of the manual's examples is one that check takes, with the files that it names (mxtls-policy(5))" {
    local dir=$BATS_TEST_TMPDIR n=0 file
    cp "$CERTS/root.crt" "$dir/lab-root.pem"
    echo lab.test > "$dir/lab.domains"
    # the credentials are an example, too
    sed -nE '/^\.Sh EXAMPLES/,/^\.Sh SEE ALSO/s/^\.Dl ((user|password|token-command) = .*)/\1/p' "$ROOT/man/mxtls-policy.5" > "$dir/provider.auth"
    chmod 600 "$dir/provider.auth"
    same "$(cut -d ' ' -f 1 "$dir/provider.auth" | xargs)" "user token-command"
    awk -v dir="$dir" '/^\.Sh/ { examples = $2 == "EXAMPLES" }
        examples && /^\.Bd -literal/ { file = dir "/example." ++n; next }
        /^\.Ed/ { file = "" }
        file != "" { print > file }' "$ROOT/man/mxtls-policy.5"
    for file in "$dir"/example.*; do
        run -0 --separate-stderr "$MXTLS" policy check "$file"
        matches "^$file: good: [1-9]"
        same "$stderr" ""
        n=$((n + 1))
    done
    [ "$n" -ge 5 ]
    # and they do what the text says
    run -0 "$MXTLS" policy check "$dir/example.1"
    has "all others: auto"
    for words in 'cron host:admins.example  verify' 'banks:policy banks         secure' 'carriers:carriers  may      fallback=now min=TLSv1.0' \
        'OAuth:via=[smtp.provider.example]:587 auth=provider.auth'; do
        grep -qF -- "${words#*:}" "$dir"/example.* || assert_fail "no example: $words" ""
    done
}

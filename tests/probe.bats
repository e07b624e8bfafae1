# mxtls probe against real Postfix servers and real DNS: what it finds out, what it says about it,
# and its exit status. Servers that misbehave are in probe_peers.bats.
# shellcheck disable=SC2154,SC2153 # stderr is set by run --separate-stderr, ROOT by the box
load lib/rig
load lib/probe

setup_file() {
    certs_make
    {
        postfix_zone
        cat <<'ZONE'
good.test.      MX 10 rsa.box.test.
good.test.      MX 20 ecdsa.box.test.
plain.test.     MX 10 notls.box.test.
backup.test.    MX 10 rsa.box.test.
backup.test.    MX 20 notls.box.test.
mixed.test.     MX 10 rsa.box.test.
mixed.test.     MX 10 wrongname.box.test.
mixed.test.     MX 10 expired.box.test.
null.test.      MX 0 .
nullother.test. MX 0 .
nullother.test. MX 10 rsa.box.test.
none.test.      TXT "nothing here"
nowhere.test.   MX 10 missing.box.test.
literal.test.   MX 10 192.0.2.11.
alias.test.     MX 10 alias.box.test.
alias.box.test. CNAME rsa.box.test.
private.test.   MX 10 private.box.test.
private.box.test. A 10.1.2.3
private.box.test. A 127.0.0.1
private.box.test. AAAA fd00::25
half.test.      MX 10 half.box.test.
half.box.test.  A 192.0.2.11
half.box.test.  A 192.0.2.200
xn--bcher-kva.test. MX 10 rsa.box.test.
1.2.0.192.in-addr.arpa. PTR client.box.test.
ZONE
        for i in {0..9}; do
            echo "flood.test. MX 10 f$i.box.test."
            for j in {1..20}; do echo "f$i.box.test. A 198.51.100.$((i * 20 + j))"; done
        done
        for i in {1..60}; do echo "hosts.test. MX $i h$i.box.test."; done
        echo "hosts.test. MX 0 addresses.box.test."
        for i in {1..25}; do echo "addresses.box.test. A 198.51.100.$i"; done
    } > "$BATS_FILE_TMPDIR/zone"
    dns_start < "$BATS_FILE_TMPDIR/zone"
    postfix_start rsa ecdsa both notls expired wrongname selfsigned incomplete notyet tls12
}

setup() {
    ROOTS=(--ca-file "$CERTS/root.crt")
}

@test "a domain whose MX hosts all prove their names: pkix, every address of every MX, status 0" {
    probe 0 "${ROOTS[@]}" good.test
    same "$(q .schema)" mxtls-probe/1
    same "$(q '.domain, .alabel, .mx_status' | xargs)" "good.test good.test has_mx"
    same "$(q '.summary.verdict, .summary.starttls, .summary.hosts, .summary.mixed' | xargs)" \
        "pkix all 4 false"
    same "$(q '.exchanges[] | "\(.preference) \(.name) \(.primary)"')" \
        $'10 rsa.box.test true\n20 ecdsa.box.test false'
    same "$(q '[.exchanges[].hosts[].ip] | sort | join(" ")')" \
        "192.0.2.11 192.0.2.12 2001:db8::11 2001:db8::12"
    same "$(q '[.exchanges[].hosts[].status] | unique | join(" ")')" success
    same "$(q '[.exchanges[].hosts[].port] | unique | .[]')" 25
    same "$(q '[.exchanges[].hosts[].tls[0].validation | .browser_trusted, .matches_mx] | all')" true
    same "$(q '.exchanges[0].hosts[0].tls[0].validation | .matched_name, .matches_domain' | xargs)" \
        "rsa.box.test false"
    same "$(q '.summary.min_days_left')" 89
}

@test "what is found out at one address: greeting, both EHLO replies, STARTTLS, QUIT, times" {
    probe 0 "${ROOTS[@]}" -4 '[rsa.box.test]'
    same "$(q '.mx_status, (.exchanges | length)' | xargs)" "literal 1"
    host
    same "$(h .banner_code)" 220
    [[ $(h .banner) == "rsa.box.test ESMTP Postfix"* ]] || assert_fail banner "$(h .banner)"
    same "$(h '.ehlo_code, .ehlo_unsupported, .keyword_masked' | xargs)" "250 false false"
    h '.ehlo[]' | grep -qx STARTTLS
    h '.ehlo[]' | grep -qx PIPELINING
    if h '.ehlo_tls[]' | grep -qx STARTTLS; then assert_fail "STARTTLS inside TLS" "$(h .ehlo_tls)"; fi
    same "$(h '.ext_removed | join(",")')" STARTTLS
    same "$(h '.ext_added | length')" 0
    same "$(h '.starttls_state, .starttls_code, .post_220_bytes, .quit' | xargs)" "done 220 0 true"
    [[ $(h .starttls) == "220 2.0.0 Ready to start TLS" ]] || assert_fail reply "$(h .starttls)"
    same "$(h '.sni, .attempts, .implicit_tls' | xargs)" "rsa.box.test 2 false"
    same "$(h '[.timing[] | numbers | select(. >= 0 and . < 20)] | length')" 6
    same "$(h '.result_type, .error' | xargs)" "null null"
}

@test "version, cipher, fingerprint and verification are those that openssl s_client sees" {
    local name theirs
    for name in rsa ecdsa both tls12 expired selfsigned incomplete notyet; do
        # the exit status is a matter of the other tests
        run "$MXTLS" probe --json "${ROOTS[@]}" -4 "[$name.box.test]"
        host
        theirs=$(s_client "$name")
        same "$name $(h '.tls[0] | .version.name, .cipher_suite.name' | xargs)" \
            "$name $(theirs_version <<< "$theirs") $(theirs_cipher <<< "$theirs")"
        same "$name $(h '.tls[0].chain[0]')" "$name $(theirs_fingerprint <<< "$theirs")"
        same "$name $(h '.tls[0].validation.verify_code')" "$name $(theirs_code <<< "$theirs")"
        same "$name $(h '.tls[0].chain | length')" "$name $(grep -c BEGIN <<< "$theirs")"
    done
}

# The server's word on itself: protocol, cipher by its IANA name, leaf, X509_V_ number.
s_client() {
    timeout 20 openssl s_client -starttls smtp -connect "$1.box.test:25" -4 -servername "$1.box.test" \
        -CAfile "$CERTS/root.crt" -showcerts -name client.box.test < /dev/null 2>&1
}

theirs_version() {
    sed -nE 's/^New, (TLSv1\.[0-9]), Cipher is .*/\1/p' | head -n 1
}

theirs_cipher() {
    local name
    name=$(sed -nE 's/^New, .*, Cipher is (.*)/\1/p' | head -n 1)
    openssl ciphers -stdname ALL:@SECLEVEL=0 | awk -v name="$name" '$3 == name { print $1; exit }'
}

theirs_fingerprint() {
    openssl x509 -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f
}

# the first of all errors; "Verify return code" is the last one
theirs_code() {
    awk -F '[=:]' '/^verify error:num=/ { code = $3; exit } END { print code + 0 }'
}

@test "certificate facts are those of the certificate" {
    probe 0 "${ROOTS[@]}" -4 '[rsa.box.test]'
    local print leaf crt=$CERTS/rsa.crt
    print=$(cert_fingerprint "$crt")
    leaf=$(q ".certificates[\"$print\"]")
    same "$(jq -r '.names | join(",")' <<< "$leaf")" rsa.box.test
    same "$(jq -r .issuer_dn <<< "$leaf")" "$(openssl x509 -in "$crt" -noout -issuer -nameopt RFC2253 | sed 's/^issuer=//')"
    same "$(date -u -d "$(jq -r .validity.end <<< "$leaf")" +%s)" \
        "$(date -u -d "$(openssl x509 -in "$crt" -noout -enddate | sed 's/.*=//')" +%s)"
    same "$(jq -r '.subject_key_info.key_algorithm | "\(.name) \(.bits)"' <<< "$leaf")" "rsa 2048"
    same "$(jq -r .spki_subject_fingerprint <<< "$leaf")" "$(cert_tlsa "$crt" | sed 's/.* //')"
    same "$(q '.certificates | length')" 2
}

@test "each way in which a certificate proves nothing has its own words: encrypted, status 1, 2 when expired (DECISIONS C19)" {
    local name type status
    while read -r name type status; do
        probe "$status" "${ROOTS[@]}" -4 "[$name.box.test]"
        host
        same "$name $(q .summary.verdict) $(h .result_type)" "$name encrypted $type"
    done <<'ROWS'
expired certificate-expired 2
notyet certificate-expired 1
wrongname certificate-host-mismatch 1
selfsigned certificate-not-trusted 1
incomplete certificate-not-trusted 1
ROWS
    probe 1 --ca-file "$CERTS/stranger.crt" -4 '[rsa.box.test]'
    host
    same "$(h .result_type)" certificate-not-trusted
    probe 1 "${ROOTS[@]}" -4 '[wrongname.box.test]'
    host
    same "$(h '.tls[0].validation | .browser_trusted, .matches_mx, .matched_name' | xargs)" "true false null"
}

@test "no STARTTLS in a complete EHLO reply: plaintext, status 2" {
    probe 2 plain.test
    same "$(q '.summary.verdict, .summary.starttls' | xargs)" "plaintext none"
    host
    same "$(h '.starttls_state, .result_type, .status, .quit' | xargs)" \
        "not-offered starttls-not-supported success true"
    same "$(h '.tls | length')" 0
}

@test "only a backup MX without STARTTLS: backup-plaintext, status 1 (DECISIONS C14)" {
    probe 1 "${ROOTS[@]}" backup.test
    same "$(q '.summary.verdict, .summary.starttls, .summary.mixed' | xargs)" "backup-plaintext some true"
}

@test "the lowest rung of the primary MX hosts is the verdict, each reason names its address" {
    probe 2 "${ROOTS[@]}" -4 mixed.test
    same "$(q '.summary.verdict, .summary.mixed' | xargs)" "encrypted true"
    has "wrongname.box.test [192.0.2.16]: certificate names another host"
    has "expired.box.test [192.0.2.15]: certificate is not valid at this time"
    has_not "rsa.box.test [192.0.2.11]"
}

@test "without MX the domain is its own host (RFC 5321 s5.1)" {
    probe 0 "${ROOTS[@]}" rsa.box.test
    same "$(q '.mx_status, .exchanges[0].name' | xargs)" "implicit_mx rsa.box.test"
}

@test "null MX: no-mail, status 0 (RFC 7505); beside others it is ignored" {
    probe 0 null.test
    same "$(q '.mx_status, .summary.verdict, (.exchanges | length)' | xargs)" "null_mx no-mail 0"
    probe 0 "${ROOTS[@]}" nullother.test
    same "$(q '.mx_status, .summary.verdict' | xargs)" "null_mx_with_other_mx pkix"
}

@test "nothing to deliver to: undeliverable, status 2" {
    local target mx
    while read -r target mx; do
        probe 2 "$target"
        same "$target $(q '.mx_status, .summary.verdict' | xargs)" "$target $mx undeliverable"
    done <<'ROWS'
absent.example nxdomain
none.test no_mx
nowhere.test has_mx
literal.test has_mx
ROWS
    has "names an address, not a host"
}

@test "an MX record that names an alias is found and used (RFC 2181 s10.3)" {
    probe 1 "${ROOTS[@]}" -4 alias.test
    same "$(q '.exchanges[0] | .name, .cname' | xargs)" "alias.box.test rsa.box.test"
    [[ $(q '.exchanges[0].finding') == *CNAME* ]] || assert_fail finding "$output"
    host
    # the name to prove is the one of the MX record
    same "$(h '.status, .sni, .result_type' | xargs)" "success alias.box.test certificate-host-mismatch"
}

@test "private addresses that DNS gives are refused, those of the command line are not (DECISIONS A9)" {
    probe 3 private.test
    same "$(q '[.exchanges[].hosts[].status] | unique | join(",")')" blocklisted-target
    same "$(q '[.exchanges[].hosts[].attempts] | add')" 0
    probe 3 '[private.box.test]'
    same "$(q '[.exchanges[].hosts[].status] | unique | join(",")')" blocklisted-target
    probe 3 -4 --timeout 2s --allow-private private.test
    same "$(q '[.exchanges[].hosts[] | select(.ip == "127.0.0.1") | .status][0]')" connection-refused
    probe 3 '127.0.0.1:2'
    same "$(q '.exchanges[0].hosts[0].status')" connection-refused
}

@test "an address that does not answer does not change what the other one proves" {
    probe 0 "${ROOTS[@]}" --ca-file "$CERTS/root.crt" '[rsa.box.test]'
    probe 1 "${ROOTS[@]}" half.test
    same "$(q '.summary | .verdict, .measured, .unknown' | xargs)" "encrypted 1 1"
    same "$(q '[.exchanges[0].hosts[] | .status] | sort | join(",")')" "connection-refused,success"
}

@test "-4 and -6 leave one family out" {
    probe 0 "${ROOTS[@]}" -4 good.test
    same "$(q '[.exchanges[].hosts[].ip] | sort | join(" ")')" "192.0.2.11 192.0.2.12"
    probe 0 "${ROOTS[@]}" -6 good.test
    same "$(q '[.exchanges[].hosts[].ip] | sort | join(" ")')" "2001:db8::11 2001:db8::12"
}

@test "a host that has only addresses of the other family is not measured, but not undeliverable" {
    probe 3 -6 half.test
    same "$(q '.summary.verdict, .exchanges[0].status' | xargs)" "unknown NOERROR"
    has "no address was tried"
    probe 2 -6 nowhere.test
    run -64 --separate-stderr "$MXTLS" probe --json -6 192.0.2.11
    same "$output" ""
    [[ $stderr == *"192.0.2.11 cannot be probed: only IPv6"* ]] || assert_fail "no reason" "$stderr"
}

@test "every way to write a target" {
    local target want
    while read -r target want; do
        run "$MXTLS" probe --json "${ROOTS[@]}" "$target"
        same "$target $(q '"\(.mx_status) \(.exchanges[0].name) \(.exchanges[0].hosts[0].port)"')" "$target $want"
    done <<'ROWS'
user@good.test has_mx rsa.box.test 25
Good.TEST. has_mx rsa.box.test 25
bücher.test has_mx rsa.box.test 25
good.test:26 has_mx rsa.box.test 26
[rsa.box.test]:25 literal rsa.box.test 25
192.0.2.11 literal 192.0.2.11 25
192.0.2.11:26 literal 192.0.2.11 26
[192.0.2.11] literal 192.0.2.11 25
2001:db8::11 literal 2001:db8::11 25
[2001:db8::11]:25 literal 2001:db8::11 25
[IPv6:2001:db8::11] literal 2001:db8::11 25
ROWS
    run "$MXTLS" probe --json --port 26 good.test
    same "$(q '.mx_status, .exchanges[0].hosts[0].port' | xargs)" "has_mx 26"
}

@test "an address needs no resolver and no resolv.conf" {
    dns_stop
    run "$MXTLS" probe --json "${ROOTS[@]}" 192.0.2.11
    host
    same "$(h .starttls_state)" "done"
    dns_start < "$BATS_FILE_TMPDIR/zone"
}

@test "--at judges certificates as of another time" {
    probe 2 "${ROOTS[@]}" -4 --at +100d '[rsa.box.test]'
    host
    same "$(h .result_type)" certificate-expired
    probe 0 "${ROOTS[@]}" -4 --warn 0 --crit 0 --at -2d '[expired.box.test]'
    probe 0 "${ROOTS[@]}" -4 --warn 0 --crit 0 --at "$(date -u -d '-2 days' +%Y-%m-%d)" '[expired.box.test]'
    probe 0 "${ROOTS[@]}" -4 --warn 0 --crit 0 --at "$(date -u -d '-2 days' +%Y-%m-%dT%H:%M:%SZ)" '[expired.box.test]'
}

@test "--helo, --source and --resolver are used" {
    probe 0 "${ROOTS[@]}" -4 -v --helo probe.example --source 192.0.2.77 --resolver 192.0.2.53:53 good.test
    [[ $stderr == *"192.0.2.11:25 C: EHLO probe.example"* ]] || assert_fail "no such EHLO" "$stderr"
    same "$(q .dns.resolver)" 192.0.2.53:53
    file_has "$(peer_log postfix)" "[192.0.2.77]"
}

@test "-v shows each dialogue on stderr: EHLO, STARTTLS, EHLO, QUIT and nothing else" {
    probe 0 "${ROOTS[@]}" -4 -v --key-types any '[rsa.box.test]'
    same "$(sed -n 's/^192.0.2.11:25 C: //p' <<< "$stderr" | sed 's/ .*//' | xargs)" "EHLO STARTTLS EHLO QUIT"
    grep -q '^192.0.2.11:25 S: 220 rsa.box.test' <<< "$stderr"
    grep -q '^192.0.2.11:25 TLS TLSv1.3 ' <<< "$stderr"
}

@test "text for people: verdict first, reasons, what to do, then each address" {
    run -2 --separate-stderr "$MXTLS" probe "${ROOTS[@]}" -4 mixed.test
    same "${lines[0]}" "mixed.test: encrypted (every address offers STARTTLS, identity not provable)"
    matches '^  - wrongname\.box\.test \[192\.0\.2\.16\]: certificate names another host$'
    matches '^  > renew the certificate'
    matches '^MX 10 rsa\.box\.test$'
    matches '^MX lookup: has_mx \(MX records\); NOERROR, DNSSEC not checked, TTL 300 s, from 127\.0\.0\.1:53 in .* ms$'
    matches '^  addresses     192\.0\.2\.11; DNSSEC not checked, TTL 300 s$'
    matches '^  192\.0\.2\.11 port 25: success \(2 connections\)$'
    matches '^    STARTTLS      done: 220 2\.0\.0 Ready to start TLS$'
    matches '^    TLS, RSA      TLSv1\.3, TLS_AES_256_GCM_SHA384 \(256 bits\), .*, rsa_pss_rsae_sha256$'
    matches '^    TLS, ECDSA    no certificate of this kind \(alert received handshake_failure\)$'
    matches '^    extensions    no ALPN, session ticket, no OCSP staple$'
    matches '^    chain         #[0-9] rsa\.box\.test \(rsa 2048 bits, 89 days left\)$'
    matches '^                  #[0-9] box intermediate \(ecdsa 256 bits, [0-9]+ days left\)$'
    matches '^    trust         no: certificate has expired \(#[0-9]\)$'
    matches '^    name          does not match wrongname\.box\.test$'
    matches '^    mail domain   does not match mixed\.test$'
    matches '^    EHLO in TLS   the same, without STARTTLS$'
    matches '^    times         connect .* ms, greeting .* ms, EHLO .* ms, STARTTLS .* ms, handshake .* ms, EHLO in TLS .* ms$'
    # each certificate once, with all that it says
    matches '^    names         rsa\.box\.test$'
    matches "^    issuer        CN=box intermediate\$"
    matches "^    serial        $(openssl x509 -in "$CERTS/rsa.crt" -noout -serial | sed 's/.*=//' | tr A-F a-f)\$"
    matches "^    SHA-256       $(cert_fingerprint "$CERTS/rsa.crt")\$"
    matches "^    key SHA-256   $(cert_tlsa "$CERTS/rsa.crt" | sed 's/.* //')\$"
    matches '^    key           rsa, 2048 bits$'
    matches '^    signed with   ecdsa-with-SHA256$'
    matches '^    valid         [0-9T:-]+Z to [0-9T:-]+Z, 89 days left$'
    matches '^    valid         [0-9T:-]+Z to [0-9T:-]+Z, expired$'
    same "$(grep -c '^  #[0-9] box intermediate$' <<< "$output")" 1
    same "$stderr" ""
    has_not $'\033'
}

@test "records come in the order of the targets as text; the exit status is that of the worst" {
    run -2 --separate-stderr "$MXTLS" probe "${ROOTS[@]}" -4 good.test '[notls.box.test]' '[expired.box.test]' null.example '[127.0.0.1]:2'
    same "$(grep -oE '^[^ ]+: (pkix|plaintext|encrypted|unknown|undeliverable) ' <<< "$output" | xargs)" \
        "good.test: pkix [notls.box.test]: plaintext [expired.box.test]: encrypted null.example: undeliverable [127.0.0.1]:2: unknown"
    # 2, then 1, then 3, then 0 (DECISIONS C17)
    run -1 "$MXTLS" probe "${ROOTS[@]}" -4 '[rsa.box.test]' '[selfsigned.box.test]' '[127.0.0.1]:2'
    run -3 "$MXTLS" probe "${ROOTS[@]}" -4 '[rsa.box.test]' '[127.0.0.1]:2'
}

@test "-f: a record for each line, also for those that are no target, which are named" {
    cd "$BATS_TEST_TMPDIR"
    printf '%s\r\n' '# a comment' '' '[rsa.box.test]' 'no..name' '  [notls.box.test]:25  ' 'x:99999' > list
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" -4 -f list -o out
    same "$output" ""
    same "$(jq -r 'select(.type == "domain") | "\(.seq):\(.summary.verdict)"' out | sort | xargs)" \
        "3:pkix 4:unknown 5:plaintext 6:unknown"
    run -65 --separate-stderr "$MXTLS" probe "${ROOTS[@]}" -4 -f list
    [[ $stderr == *'list:4: "no..name" is no target'* ]] || assert_fail "line 4" "$stderr"
    [[ $stderr == *'list:6: "x:99999" is no target'* ]] || assert_fail "line 6" "$stderr"
}

@test "-f: status 0 when every record was written, whatever the verdicts (DECISIONS C17)" {
    run -0 --separate-stderr "$MXTLS" probe --json -f - <<< '[notls.box.test]'
    same "$(q .summary.verdict)" plaintext
    same "$stderr" ""
    run -0 "$MXTLS" probe -f /dev/null
    same "$output" ""
}

@test "a target that is none: said with what was expected, the others are probed, status 64" {
    run -64 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" -4 'a b' '[rsa.box.test]'
    same "$(q .summary.verdict)" pkix
    [[ $stderr == *'"a b" is no target: '*'expected a mail domain'* ]] || assert_fail "no reason" "$stderr"
}

@test "what is wrong on this side is said before anything is probed" {
    local status words message
    cd "$BATS_TEST_TMPDIR"
    echo nothing > empty.pem
    while IFS='|' read -r status words message; do
        # shellcheck disable=SC2086 # words are words
        run "-$status" --separate-stderr "$MXTLS" probe $words
        same "$output" ""
        [[ $stderr == *"$message"* ]] || assert_fail "wanted: $message" "$stderr"
    done <<'ROWS'
66|--ca-file /nonexistent.pem example.com|/nonexistent.pem
66|--ca-file empty.pem example.com|empty.pem
66|--ca-dir /nonexistent example.com|/nonexistent
66|-f /nonexistent|cannot read /nonexistent
66|-f /|cannot read /
73|-o /nonexistent/file example.com|cannot create /nonexistent/file
64|--source 203.0.113.5 192.0.2.11|cannot connect from 203.0.113.5
64|--source x 192.0.2.11|option --source: "x" is no address
64|-6 --source 192.0.2.1 192.0.2.11|no IPv6 address
64|--helo two_words!x 192.0.2.11|option --helo
64|--helo [1.2.3] 192.0.2.11|no address literal
64|--at tomorrow 192.0.2.11|option --at: "tomorrow" is no time
64|--resolver dns.example example.com|option --resolver
ROWS
}

@test "a resolver that is not there or says nothing: unknown with the reason, in time, status 3" {
    local begun=$SECONDS
    probe 3 --resolver 192.0.2.99 good.test
    same "$(q '.mx_status, .summary.verdict' | xargs)" "dns_error unknown"
    peer_start mute '^ready' python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.98", 53))
print("ready", flush=True)
while True: s.recv(4096)'
    probe 3 --resolver 192.0.2.98 --deadline 2s good.test
    same "$(q '.mx_status, .dns.status' | xargs)" "dns_error TIMEOUT"
    ((SECONDS - begun < 15)) || assert_fail "too slow" "$((SECONDS - begun)) s"
    peer_stop mute
}

@test "a reader that goes away ends it quietly" {
    run bash -c "'$MXTLS' probe ${ROOTS[*]} -4 '[rsa.box.test]' '[notls.box.test]' '[rsa.box.test]' | head -n 1"
    same "$output" "[rsa.box.test]: pkix (every address offers STARTTLS with a trusted certificate for its name)"
}

@test "servers that say too much do not fill the memory: what is kept of one target has a limit" {
    local record=$BATS_TEST_TMPDIR/record long
    printf -v long '%01990d' 0
    peer_start flood '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 0.0.0.0:2600 'send 220 mx' \
        'expect EHLO' "repeat 31 250-$long\\r\\n" 'send 250 SIZE' serve
    run -2 "$MXTLS" probe --json -o "$record" flood.test:2600
    same "$(jq -r '.summary | .verdict, .hosts' "$record" | xargs)" "plaintext 200"
    same "$(jq -r '[.exchanges[].hosts[].status] | unique | join(",")' "$record")" "not-tried,success"
    (($(wc -c < "$record") < 12000000)) || assert_fail "too long" "$(wc -c < "$record")"
}

@test "records that cannot be written are an error, status 74" {
    run -74 "$MXTLS" probe --json -4 -o /dev/full '[notls.box.test]'
    has "cannot write to /dev/full"
    run -74 bash -c "'$MXTLS' probe --json -4 '[notls.box.test]' > /dev/full"
    has "cannot write to standard output"
}

@test "what is beyond the limits of hosts and addresses is counted and said, not dropped in silence" {
    local record=$BATS_TEST_TMPDIR/r.json
    run -3 --separate-stderr "$MXTLS" probe --retries 0 -o "$record" hosts.test
    same "$(jq -r '.exchanges_left_out, (.exchanges | length), .exchanges[0].addresses_left_out, (.exchanges[0].hosts | length)' "$record" | xargs)" \
        "11 50 5 20"
    jq -r '.summary.reasons[]' "$record" | grep -qx '11 more MX hosts were not probed'
    jq -r '.summary.reasons[]' "$record" | grep -qx '5 more addresses of addresses.box.test were not probed'
    run -3 "$MXTLS" probe --retries 0 hosts.test
    matches '^  - 11 more MX hosts were not probed$'
    matches '^  addresses     198\.51\.100\.[0-9]+, .* and 5 more; '
}

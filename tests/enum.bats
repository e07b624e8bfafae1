# --enum: versions, ciphers and groups by our own ClientHello, compared with what sslscan and
# openssl s_client find at the same servers, and against a peer that knows what no library here does.
load lib/rig
load lib/probe

setup_file() {
    certs_make
    dns_start < <(postfix_zone; echo 'two.test. MX 10 rsa.box.test.'; echo 'two.test. MX 20 tls12.box.test.'; echo 'sni.box.test. A 192.0.2.41')
    postfix_start rsa both tls12 notls
    openssl_server old rsa -cipher ALL:eNULL:@SECLEVEL=0
    openssl_server ecdsa ecdsa -cipher ALL:@SECLEVEL=0 -tls1_2 -groups P-384:P-256:X25519
    openssl_server new rsa -tls1_3 -groups X25519:P-384:ffdhe3072 \
        -ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256
    gnutls_server gnutls rsa \
        NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+3DES-CBC:+ARCFOUR-128:+CAMELLIA-128-GCM:+CAMELLIA-256-CBC:+DHE-RSA
}

# A server that speaks only TLS, with SMTP in front: 192.0.2.N:25, N from 100 on in the order of starting.
openssl_server() {
    local name=$1 cert=$2
    shift 2
    # -quiet and no input: whoever has shaken hands is let go at once
    behind "$name" openssl s_server -quiet -accept "127.0.0.1:$((10000 + COUNT))" \
        -cert "$CERTS/$cert.crt" -key "$CERTS/$cert.key" "$@"
}

gnutls_server() {
    behind "$1" gnutls-serv --echo --disable-client-cert --port "$((10000 + COUNT))" \
        --x509certfile "$CERTS/$2.chain" --x509keyfile "$CERTS/$2.key" --priority "$3"
}

COUNT=100
behind() {
    local name=$1
    shift
    peer_start "$name.tls" '^starting' bash -c 'echo starting; exec "$@"' - "$@"
    peer_start "$name" '^ready' "$ROOT/tests/peers/starttls_front.py" --listen "192.0.2.$COUNT:25" \
        --to "127.0.0.1:$((10000 + COUNT))"
    echo "192.0.2.$COUNT" > "$BOX/address.$name"
    COUNT=$((COUNT + 1))
}

at() {
    cat "$BOX/address.$1"
}

# enum TARGET [OPTION...]: one address, whatever its verdict; the result is $output as for probe.
enum() {
    local target=$1
    shift
    run --separate-stderr "$MXTLS" probe --json -4 --key-types=any --retries 0 --pace 0s --enum=all "$@" "$target"
    host
}

found_versions() {
    h '.enum.versions[]'
}

found_ciphers() {
    h '.enum.ciphers[] | "\(.version) \(.hex)"' | sort
}

found_groups() {
    h '.enum.groups[] | "\(.version) \(.hex)"' | sort
}

# --- sslscan ---------------------------------------------------------------------------------------

# sslscan ADDRESS: SCAN is what it found. It calls TLS 1.0 "1.0" and writes numbers in both cases.
scan() {
    SCAN=$BATS_TEST_TMPDIR/scan.xml
    timeout 120 sslscan --starttls-smtp --no-fallback --no-heartbleed --no-renegotiation \
        --no-compression --no-check-certificate --xml="$SCAN" "$1:25" > "$BATS_TEST_TMPDIR/scan.out"
}

scan_versions() {
    sed -nE 's/.*<protocol type="(ssl|tls)" version="([0-9.]+)" enabled="1".*/\1\2/p' "$SCAN" |
        sed 's/^ssl3$/SSLv3/; s/^tls/TLSv/' | sort
}

scan_ciphers() {
    sed -nE 's/.*<cipher .*sslversion="([^"]*)".* id="(0x[0-9A-F]+)".*/\1 \2/p' "$SCAN" |
        tr 'ABCDEF' 'abcdef' | sort
}

scan_groups() {
    sed -nE 's/.*<group sslversion="([^"]*)".* id="(0x[0-9a-f]+)".*/\1 \2/p' "$SCAN" | sort
}

@test "openssl s_server with everything it has: versions, ciphers and groups are those of sslscan" {
    enum "$(at old)"
    scan "$(at old)"
    same "$(found_versions | sort)" "$(scan_versions)"
    same "$(found_ciphers)" "$(scan_ciphers)"
    h '.enum.ciphers[].name' | grep -qx TLS_RSA_WITH_NULL_SHA256
    same "$(found_groups)" "$(scan_groups)"
    same "$(h '.enum | .complete, .reason' | xargs)" "true null"
    [ "$(found_ciphers | wc -l)" -gt 100 ]
    [ "$(found_groups | wc -l)" -eq 15 ]
}

@test "each cipher costs one connection, and each version one more: the server's own count" {
    local before after connections
    before=$(grep -c 'start$' "$(peer_log old)")
    run --separate-stderr "$MXTLS" probe --json --key-types=any --retries 0 --pace 0s --enum=ciphers "$(at old)"
    host
    after=$(grep -c 'start$' "$(peer_log old)")
    connections=$(h .enum.connections)
    same "$((after - before))" "$((connections + 1))"
    # five versions of which four are taken; each then ends in one refusal
    same "$connections" "$((5 - 4 + $(found_ciphers | wc -l) + 4))"
    same "$(h '.enum.groups | length')" 0
    [[ $stderr == *"--enum opens 6 to 400 connections to each address"* ]] || assert_fail "announced" "$stderr"
}

@test "TLS 1.3 only, three groups, two ciphers: as configured, and as sslscan sees it" {
    enum "$(at new)"
    scan "$(at new)"
    same "$(found_versions)" TLSv1.3
    same "$(found_versions)" "$(scan_versions)"
    same "$(h '[.enum.groups[].name] | sort | join(" ")')" "ffdhe3072 secp384r1 x25519"
    same "$(found_groups)" "$(scan_groups)"
    same "$(h '[.enum.ciphers[].name] | sort | join(" ")')" "TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256"
    same "$(found_ciphers)" "$(scan_ciphers)"
    same "$(h '.enum.connections')" "$((5 + 3 + 2))"
}

@test "an ECDSA certificate under TLS 1.2 does not hide groups (RFC 8422 s5.1)" {
    enum "$(at ecdsa)"
    same "$(h '[.enum.groups[] | "\(.version) \(.name)"] | sort | join(", ")')" \
        "TLSv1.2 secp256r1, TLSv1.2 secp384r1, TLSv1.2 x25519"
    scan "$(at ecdsa)"
    same "$(found_ciphers)" "$(scan_ciphers)"
}

@test "GnuTLS: versions, ciphers and groups are those of sslscan and of its own list" {
    enum "$(at gnutls)"
    scan "$(at gnutls)"
    same "$(found_versions | xargs)" "TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3"
    same "$(found_ciphers)" "$(scan_ciphers)"
    # what the local OpenSSL does not have
    h '.enum.ciphers[].name' | grep -qx TLS_ECDHE_RSA_WITH_RC4_128_SHA
    h '.enum.ciphers[].name' | grep -qx TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA
    h '.enum.ciphers[].name' | grep -qx TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256
    same "$(found_groups | grep TLSv1.3)" "$(scan_groups | grep TLSv1.3)"
    same "$(found_ciphers)" "$(gnutls_list)"
    same "$(h '[.enum.groups[] | select(.version == "TLSv1.3") | .name] | sort | join(" ")')" "$(gnutls_groups)"
}

# What gnutls-cli --list says the same priority string allows, as far as an RSA certificate for signatures only goes.
gnutls_list() {
    gnutls-cli --list --priority \
        NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+3DES-CBC:+ARCFOUR-128:+CAMELLIA-128-GCM:+CAMELLIA-256-CBC:+DHE-RSA |
        awk '/^TLS_/ && $1 !~ /ECDSA|DSS|PSK|ANON|SRP|^TLS_RSA/ {
            first = $4; number = tolower($2 $3); sub(/,0x/, "", number)
            n = split("TLS1.0 TLS1.1 TLS1.2 TLS1.3", version, " ")
            for (i = 1; i <= n; i++)
                if (first == "TLS1.3" ? version[i] == first : version[i] != "TLS1.3" && version[i] >= (first == "SSL3.0" ? "TLS1.0" : first))
                    print "TLSv" substr(version[i], 4), number
        }' | sort
}

gnutls_groups() {
    gnutls-cli --list --priority NORMAL | sed -n 's/^Groups: //p' | tr -d ',' | tr ' ' '\n' |
        sed -n 's/^GROUP-//p' | tr '[:upper:]' '[:lower:]' | sort | xargs
}

# --- openssl s_client --------------------------------------------------------------------------------

# takes NAME:25 ARG...: whether a handshake with these settings completes.
takes() {
    timeout 10 openssl s_client -starttls smtp -connect "$1" -4 "${@:2}" < /dev/null 2>&1 |
        grep -qE '^New, (TLS|SSL)v?[0-9.]+, Cipher is [A-Z]'
}

@test "real Postfix: the versions are those that openssl s_client gets" {
    local name version flag theirs
    for name in rsa tls12 both; do
        run --separate-stderr "$MXTLS" probe --json -4 --key-types=any --pace 0s --enum=versions "[$name.box.test]"
        host
        same "$name $(h .enum.complete)" "$name true"
        theirs=
        while read -r version flag; do
            if takes "$name.box.test:25" "$flag" -cipher ALL:@SECLEVEL=0; then theirs+="$version "; fi
        done <<< $'TLSv1.0 -tls1\nTLSv1.1 -tls1_1\nTLSv1.2 -tls1_2\nTLSv1.3 -tls1_3'
        same "$name $(found_versions | xargs)" "$name $(xargs <<< "$theirs")"
    done
}

@test "real Postfix with two certificates: ciphers and groups are those that openssl s_client gets" {
    local number cipher group theirs=
    enum '[both.box.test]'
    while read -r number cipher; do
        if takes both.box.test:25 -tls1_2 -cipher "$cipher:@SECLEVEL=0"; then theirs+=$number$'\n'; fi
    done < <(openssl ciphers -V -s -tls1_2 ALL:eNULL:@SECLEVEL=0 | awk '{ print tolower($1), $3 }' | sed 's/,0x//')
    same "$(h '.enum.ciphers[] | select(.version == "TLSv1.2") | .hex' | sort | xargs)" "$(sort <<< "$theirs" | xargs)"
    theirs=
    for group in ffdhe2048 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192 secp256r1 secp384r1 secp521r1 x25519 x448; do
        if takes both.box.test:25 -tls1_3 -groups "$(openssl_group "$group")"; then theirs+="$group "; fi
    done
    same "$(h '.enum.groups[] | select(.version == "TLSv1.3") | .name' | sort | xargs)" "$(xargs <<< "$theirs")"
    theirs=
    for group in secp256r1 secp384r1 secp521r1 x25519 x448; do
        if takes both.box.test:25 -tls1_2 -cipher ECDHE+aRSA:@SECLEVEL=0 -groups "$(openssl_group "$group")"; then theirs+="$group "; fi
    done
    same "$(h '.enum.groups[] | select(.version == "TLSv1.2") | .name' | sort | xargs)" "$(xargs <<< "$theirs")"
}

openssl_group() {
    sed 's/^secp\(...\)r1$/P-\1/; s/^x/X/' <<< "$1"
}

@test "a TLS 1.2-only server refuses our TLS 1.3 with an alert, and that is a no" {
    enum '[tls12.box.test]' -v
    [[ $(found_versions) != *TLSv1.3* ]] || assert_fail versions "$(found_versions)"
    grep -qE 'TLS offer TLSv1.3, [0-9]+ suites, [0-9]+ groups: alert (protocol_version|handshake_failure)' <<< "$stderr"
}

# --- what no library here has ------------------------------------------------------------------------

hello_peer() {
    local name=$1
    shift
    peer_start "$name" '^ready' "$ROOT/tests/peers/tls_hello_peer.py" --listen 192.0.2.40:0 "$@"
    TARGET="192.0.2.40:$(peer_field "$name" '^ready' 2)"
}

@test "X25519MLKEM768 is seen by the HelloRetryRequest that names it (RFC 8446 s4.1.4)" {
    hello_peer pq --suites 0304=1302,1301 --groups 11ec,11eb,11ed,0200,001d,0017
    enum "$TARGET"
    same "$(h '[.enum.groups[].name] | join(" ")')" \
        "x25519 X25519MLKEM768 SecP256r1MLKEM768 SecP384r1MLKEM1024 MLKEM512 secp256r1"
    same "$(h '[.enum.groups[].hex] | .[1]')" 0x11ec
    file_has "$(peer_log pq)" "answer retry 0304 1302 11ec"
    file_has_not "$(peer_log pq)" malformed
    # asked with an empty list of shares
    grep -qE 'hello 0304 suites=[0-9]+ groups=[0-9a-f,]*11ec[0-9a-f,]* share=empty sni=-' "$(peer_log pq)"
}

@test "OpenSSL 3.0 refuses X25519MLKEM768, OpenSSL 3.5 has it: either way as s_client sees it" {
    local has=no
    if openssl list -kem-algorithms 2> /dev/null | grep -q X25519MLKEM768; then has=yes; fi
    enum "$(at old)"
    if h '.enum.groups[].name' | grep -qx X25519MLKEM768; then same yes $has; else same no $has; fi
}

@test "SSLv3 without extensions, up to TLS 1.3: each version in a hello of its own" {
    hello_peer all --suites 0300=000a,0005 0301=002f 0302=0035 0303=c02f,009c 0304=1301 --groups 0017
    enum "$TARGET"
    same "$(found_versions | xargs)" "SSLv3 TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3"
    same "$(h '[.enum.ciphers[] | "\(.version) \(.name)"] | join("; ")')" \
        "TLSv1.3 TLS_AES_128_GCM_SHA256; TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; TLSv1.2 TLS_RSA_WITH_AES_128_GCM_SHA256; TLSv1.1 TLS_RSA_WITH_AES_256_CBC_SHA; TLSv1.0 TLS_RSA_WITH_AES_128_CBC_SHA; SSLv3 TLS_RSA_WITH_3DES_EDE_CBC_SHA; SSLv3 TLS_RSA_WITH_RC4_128_SHA"
    same "$(h '[.enum.groups[] | "\(.version) \(.name)"] | join("; ")')" "TLSv1.3 secp256r1; TLSv1.2 secp256r1"
    file_has_not "$(peer_log all)" malformed
    file_has "$(peer_log all)" "hello 0300 "
    # farewell: user_canceled and close_notify, in clear alerts
    file_has "$(peer_log all)" "closed 1503030002015a15030300020100"
}

@test "the host name goes out as SNI, an address does not, and --sni decides" {
    local want count target option
    while read -r want count target option; do
        peer_start sni '^ready' "$ROOT/tests/peers/tls_hello_peer.py" --listen 192.0.2.41:25 --suites 0304=1301 --groups 001d
        # shellcheck disable=SC2086 # words
        run --separate-stderr "$MXTLS" probe --json --key-types=any --retries 0 --pace 0s --enum=versions $option "$target"
        same "$target $option $(grep -c " sni=$want " "$(peer_log sni)")" "$target $option $count"
        peer_stop sni
    done <<'ROWS'
- 6 192.0.2.41
sni.box.test 5 [sni.box.test]
- 6 [sni.box.test] --sni=none
other.test 5 [sni.box.test] --sni=other.test
ROWS
    # the ordinary session and five versions, of which SSLv3 has no extensions
}

@test "answers in pieces, behind warnings, with a long certificate: the same result" {
    local option want got
    hello_peer plain --suites 0303=c02f,009c 0304=1301 --groups 001d,0018
    enum "$TARGET"
    want=$(h .enum | jq -c)
    for option in "--fragment 1" "--fragment 37" "--warning" "--certificate 90000" "--refuse close" \
        "--refuse reset" "--refuse http" "--lower"; do
        # shellcheck disable=SC2086 # words
        hello_peer "plain${option// /}" --suites 0303=c02f,009c 0304=1301 --groups 001d,0018 $option
        enum "$TARGET"
        got=$(h .enum | jq -c)
        same "$option $(jq -c 'del(.connections)' <<< "$got")" "$option $(jq -c 'del(.connections)' <<< "$want")"
    done
}

@test "421 ends it politely: incomplete, with the reason, and nothing is tried again" {
    hello_peer full --limit 5 --suites 0303=c02f,009c 0304=1301 --groups 001d
    enum "$TARGET"
    same "$(h '.enum.complete')" false
    same "$(h '.enum.reason')" "at connection 5: greeting: 421 4.7.0 too many connections from you"
    same "$(h '.enum.connections')" 5
    # the newest versions were asked about first
    same "$(found_versions | xargs)" "TLSv1.2 TLSv1.3"
    peer_wait_line full '^S6 end'
    if grep -q '^S7' "$(peer_log full)"; then assert_fail "went on" "$(cat "$(peer_log full)")"; fi
}

@test "a version that gets no answer is said to be unknown, the others are found" {
    hello_peer mute --mute 0302 --suites 0303=009c 0301=002f --groups 001d
    enum "$TARGET" --timeout 1s
    same "$(found_versions | xargs)" "TLSv1.0 TLSv1.2"
    same "$(h '.enum | .complete, .reason' | paste -sd ' ')" "false TLSv1.1: no answer to the ClientHello"
}

@test "TLS from the first byte can be looked at as well" {
    hello_peer implicit --implicit --suites 0303=009c 0304=1301 --groups 001d
    enum "$TARGET" --implicit-tls
    same "$(found_versions | xargs)" "TLSv1.2 TLSv1.3"
    same "$(h '.enum.complete')" true
}

@test "connections to one address are one after the other, and paced" {
    local start end
    hello_peer paced --suites 0304=1301 --groups 001d
    start=$(date +%s%N)
    run --separate-stderr "$MXTLS" probe --json --key-types=any --retries 0 --pace 200ms --enum=versions "$TARGET"
    end=$(date +%s%N)
    [ $(((end - start) / 1000000)) -ge 1000 ]
    # never two at once
    awk '/ hello /{ open++; if (open > 1) bad = 1 } / end$/{ open-- } END { exit bad }' \
        <(grep -E '^S[2-9] (hello|end)' "$(peer_log paced)")
}

@test "what cannot be looked at says why, in JSON and as text" {
    enum '[notls.box.test]'
    same "$(h '.enum | .complete, .reason, .connections' | paste -sd ' ')" "false there was no handshake to repeat 0"
    run --separate-stderr "$MXTLS" probe -4 --enum=versions '[notls.box.test]'
    has "deep look     0 connections, incomplete: there was no handshake to repeat"
    has_not "versions  "
    # without the option nothing is said
    run --separate-stderr "$MXTLS" probe -4 '[rsa.box.test]'
    has_not "deep look"
    run --separate-stderr "$MXTLS" probe --json -4 '[rsa.box.test]'
    same "$(q '.exchanges[0].hosts[0].enum | .complete, .connections' | xargs)" "null 0"
}

@test "the text shows versions, groups and ciphers below the address" {
    run --separate-stderr "$MXTLS" probe --key-types=any --pace 0s --enum=all "$(at new)"
    has "    versions      TLSv1.3"
    has "    groups        TLSv1.3: "
    has "    ciphers       TLSv1.3 TLS_"
    has "deep look     10 connections, complete"
}

@test "every address of every MX is looked at" {
    run --separate-stderr "$MXTLS" probe --json --key-types=any --retries 0 --pace 0s --enum=versions --ca-file "$CERTS/root.crt" two.test
    same "$(q '[.exchanges[].hosts[].enum.complete] | length')" 4
    same "$(q '[.exchanges[].hosts[].enum.complete] | all')" true
}

@test "wrong words, lists and too many targets are refused before anything is opened" {
    run -64 "$MXTLS" probe --enum=cipher 192.0.2.100
    has 'option --enum: "cipher" is not known: expected versions, ciphers, groups'
    echo 192.0.2.100 > "$BATS_TEST_TMPDIR/list"
    run -64 "$MXTLS" probe --enum=all -f "$BATS_TEST_TMPDIR/list"
    has "option --enum is for targets of the command line"
    # shellcheck disable=SC2046 # words
    run -64 "$MXTLS" probe --enum=all $(seq -f '192.0.2.200:%g' 1 101)
    has "option --enum is for at most 100 targets, not 101"
}

# Servers with an RSA and an ECDSA certificate: which of them a sender gets to see depends on the sender, so
# probe asks for both (DECISIONS C21). Scripted servers, and a real Postfix as openssl sees it.
# shellcheck disable=SC2153 # ROOT is set by the box
load lib/rig
load lib/probe

setup_file() {
    certs_make
    dnssec_start < <(
        postfix_zone | grep -v '^both\.'
        echo "both.box.test. A 192.0.2.30"
        echo "real.box.test. A 192.0.2.13"
        echo "_2501._tcp.both.box.test. TLSA $(cert_tlsa "$CERTS/both-rsa.crt")"
        echo "_2502._tcp.both.box.test. TLSA $(cert_tlsa "$CERTS/both-rsa.crt")"
        echo "_2502._tcp.both.box.test. TLSA $(cert_tlsa "$CERTS/both-ecdsa.crt")"
    )
    postfix_start both
}

setup() {
    ROOTS=(--ca-file "$CERTS/root.crt")
    TLS=('send 220 mx' 'ehlo STARTTLS' starttls serve)
}

# serve_keys NAME PORT [OPTION...] STEP...: as both.box.test, by default with both certificates
serve_keys() {
    local name=$1 port=$2
    shift 2
    peer_start "$name" '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen "192.0.2.30:$port" --hello "$@"
    TARGET="[both.box.test]:$(peer_field "$name" '^ready' 2)"
}

BOTH() {
    echo --cert "$CERTS/both-rsa.pem" --cert "$CERTS/both-ecdsa.pem"
}

# what the N-th ClientHello offered: sigalgs or ciphers, sorted, without SCSV
offered() {
    peer_wait_line "$1" "^S$2 hello"
    grep "^S$2 hello" "$(peer_log "$1")" | tr ' ' '\n' | sed -n "s/^$3=//p" | tr , '\n' | sort | xargs
}

key_types() {
    q '[.exchanges[0].hosts[0].tls[] | "\(.sigalg_offer)=\(.key_status)"] | join(" ")'
}

leaf() {
    h ".tls[$1].chain[0]"
}

@test "both certificates of a server are reported and judged, by one more connection" {
    # shellcheck disable=SC2046
    serve_keys two 0 $(BOTH) "${TLS[@]}"
    probe 0 "${ROOTS[@]}" "$TARGET"
    host
    same "$(key_types)" "any=present rsa=present"
    same "$(leaf 0)" "$(cert_fingerprint "$CERTS/both-ecdsa.crt")"
    same "$(leaf 1)" "$(cert_fingerprint "$CERTS/both-rsa.crt")"
    same "$(h '[.tls[].validation | .browser_trusted, .matches_mx] | all')" true
    same "$(h '.attempts, (.tls | length)' | xargs)" "2 2"
    same "$(q '.summary.verdict, (.certificates | length)' | xargs)" "pkix 3"
    run -0 "$MXTLS" probe "${ROOTS[@]}" "$TARGET"
    matches '^  192\.0\.2\.30 port [0-9]+: success \(2 connections\)$'
    matches '^    TLS, ECDSA    TLSv1\.3, .*, ecdsa_secp256r1_sha256$'
    matches '^    TLS, RSA      TLSv1\.3, .*, rsa_pss_rsae_sha256$'
    matches '^    chain         #1 both\.box\.test \(ecdsa 256 bits, 89 days left\)$'
    matches '^    chain         #3 both\.box\.test \(rsa 2048 bits, 89 days left\)$'
}

@test "the second handshake offers only the other kind; rsa_pkcs1 stays, which signs certificates" {
    # shellcheck disable=SC2046
    serve_keys offer 0 $(BOTH) "${TLS[@]}"
    probe 0 "${ROOTS[@]}" "$TARGET"
    # the first offers all: ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256, ed25519
    for number in 0403 0804 0807; do
        [[ " $(offered offer 1 sigalgs) " == *" $number "* ]] || assert_fail "no $number" "$(offered offer 1 sigalgs)"
    done
    # rsa_pss_* (08..) and rsa_pkcs1_* (..01) and nothing else
    same "$(offered offer 2 sigalgs | tr ' ' '\n' | grep -vE '^(080[4569ab]|0[2-6]01)$' | xargs)" ""
    # TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 and ..._128_...
    [[ " $(offered offer 1 ciphers) " == *" c02c "* ]] || assert_fail "no ECDSA suite" "$(offered offer 1 ciphers)"
    same "$(offered offer 2 ciphers | tr ' ' '\n' | grep -E '^(c02[bc]|c0ac|cca9|c00a|c009)$' | xargs)" ""
    [[ " $(offered offer 2 ciphers) " == *" c030 "* ]] || assert_fail "no RSA suite" "$(offered offer 2 ciphers)"
}

@test "behind an RSA certificate ECDSA is asked for; with TLS 1.2 the cipher list decides" {
    local both="$CERTS/both-rsa.pem $CERTS/both-ecdsa.pem"
    serve_keys old 0 --max-tls 1.2 'send 220 mx' 'ehlo STARTTLS' "starttls $CERTS/both-rsa.pem" serve \
        session 'send 220 mx' 'ehlo STARTTLS' "starttls $both" serve
    probe 0 "${ROOTS[@]}" "$TARGET"
    host
    same "$(key_types)" "any=present ecdsa=present"
    same "$(h '[.tls[].version.name] | join(" ")')" "TLSv1.2 TLSv1.2"
    same "$(leaf 0)" "$(cert_fingerprint "$CERTS/both-rsa.crt")"
    same "$(leaf 1)" "$(cert_fingerprint "$CERTS/both-ecdsa.crt")"
    # no suite that an RSA key authenticates, and no signature by one but the rsa_pkcs1 of certificates
    same "$(offered old 2 ciphers | tr ' ' '\n' | grep -E '^(c02f|c030|c013|c014|cca8|009c|009d|002f|0035)$' | xargs)" ""
    same "$(offered old 2 sigalgs | tr ' ' '\n' | grep -vE '^(0[2-6]03|0[2-6]01)$' | xargs)" ""
}

@test "a server with one certificate: the other kind is absent, and nothing follows from it" {
    local kind other
    while read -r kind other; do
        serve_keys "one$kind" 0 --cert "$CERTS/both-$kind.pem" "${TLS[@]}"
        probe 0 "${ROOTS[@]}" "$TARGET"
        host
        same "$(key_types)" "any=present $other=absent"
        same "$(q '.summary.verdict, .summary.mixed, (.summary.reasons | length)' | xargs)" "pkix false 0"
        same "$(h '.status, .result_type' | xargs)" "success null"
        run -0 "$MXTLS" probe "${ROOTS[@]}" "$TARGET"
        matches "^    TLS, ${other^^}  +no certificate of this kind \\("
    done <<'ROWS'
rsa ecdsa
ecdsa rsa
ROWS
}

@test "a second session that fails in any way changes neither the verdict nor what the first one found" {
    local steps want
    local -a step
    while IFS='|' read -r want steps; do
        IFS=';' read -ra step <<< "$steps"
        # shellcheck disable=SC2046
        serve_keys second 0 $(BOTH) "${TLS[@]}" session "${step[@]}"
        probe 0 "${ROOTS[@]}" --retries 0 --timeout 1s "$TARGET"
        host
        same "$steps $(key_types)" "$steps any=present rsa=$want"
        same "$steps $(q '.summary.verdict, .summary.mixed' | xargs)" "$steps pkix false"
        same "$steps $(h '.status, .starttls_state, .result_type, (.ehlo | length), .tls[0].complete' | xargs)" \
            "$steps success done null 1 true"
        peer_stop second
    done <<'ROWS'
absent|send 220 mx;ehlo STARTTLS;expect STARTTLS;send 220 go;recv 1;raw \x15\x03\x03\x00\x02\x02\x28;close
absent|send 220 mx;ehlo STARTTLS;expect STARTTLS;send 220 go;recv 1;reset
absent|send 220 mx;ehlo STARTTLS;expect STARTTLS;send 220 go;recv 1;random 100;close
unknown|send 220 mx;ehlo STARTTLS;expect STARTTLS;send 220 go;recv 1;stall
unknown|send 220 mx;ehlo STARTTLS;expect STARTTLS;send 454 not now;until-close
unknown|send 220 mx;ehlo SIZE 1;until-close
unknown|send 421 too many connections;close
unknown|send 554 no;close
unknown|cut
ROWS
}

@test "what the second session could not find out is asked again, the first one is not" {
    # shellcheck disable=SC2046
    serve_keys again 0 $(BOTH) "${TLS[@]}" session 'send 421 busy' close session "${TLS[@]}"
    probe 0 "${ROOTS[@]}" "$TARGET"
    host
    same "$(key_types)" "any=present rsa=present"
    same "$(h '.attempts')" 3
    [[ $(offered again 3 sigalgs) != *0403* ]] || assert_fail "the first handshake again" "$(offered again 3 sigalgs)"
}

@test "one of the two certificates expired: the lower rung counts, and the reason names the kind" {
    cert_issue old key=rsa san=DNS:both.box.test from=-91d to=-1d dir="$BATS_TEST_TMPDIR"
    serve_keys expired 0 --cert "$BATS_TEST_TMPDIR/old.pem" --cert "$CERTS/both-ecdsa.pem" "${TLS[@]}"
    probe 2 "${ROOTS[@]}" "$TARGET"
    host
    same "$(q '.summary.verdict, .summary.mixed, .summary.min_days_left' | xargs)" "encrypted true 0"
    same "$(h .result_type)" certificate-expired
    same "$(q '.summary.reasons[0] | split(": ")[1]')" "certificate (RSA) is not valid at this time"
    # only with the one that is good it is not seen
    probe 0 "${ROOTS[@]}" --key-types any "$TARGET"
    same "$(q '.summary.verdict, .exchanges[0].hosts[0].attempts, (.exchanges[0].hosts[0].tls | length)' | xargs)" "pkix 1 1"
}

@test "one of the two names another host, or is not trusted: the lower rung counts" {
    serve_keys other 0 --cert "$CERTS/both-rsa.pem" --cert "$CERTS/wrongname.pem" "${TLS[@]}"
    probe 1 "${ROOTS[@]}" "$TARGET"
    same "$(q '.summary.verdict, .summary.mixed' | xargs)" "encrypted true"
    same "$(q '.summary.reasons[0] | split(": ")[1]')" "certificate (ECDSA) names another host"
    cert_issue self key=rsa issuer=self san=DNS:both.box.test dir="$BATS_TEST_TMPDIR"
    serve_keys self 0 --cert "$BATS_TEST_TMPDIR/self.pem" --cert "$CERTS/both-ecdsa.pem" "${TLS[@]}"
    probe 1 "${ROOTS[@]}" "$TARGET"
    same "$(q '.summary.reasons[0] | split(": ")[1]')" "certificate (RSA) is not trusted"
}

@test "TLSA records for one of two keys break senders that see the other" {
    # shellcheck disable=SC2046
    serve_keys dane 2501 $(BOTH) "${TLS[@]}"
    probe 1 "${ROOTS[@]}" "$TARGET"
    same "$(q '.summary.verdict, ([.exchanges[0].hosts[0].tls[].dane] | join(" "))' | xargs)" "broken-some mismatch valid"
    has "certificate (ECDSA) matches no TLSA record"
    # shellcheck disable=SC2046
    serve_keys dane2 2502 $(BOTH) "${TLS[@]}"
    probe 0 "${ROOTS[@]}" "$TARGET"
    same "$(q '.summary.verdict, ([.exchanges[0].hosts[0].tls[].dane] | join(" "))' | xargs)" "dane valid valid"
}

@test "a real Postfix with both: each leaf is the one that openssl gets by signature algorithm" {
    probe 1 "${ROOTS[@]}" '[real.box.test]'
    host
    local i theirs algorithm
    for i in 0 1; do
        algorithm=ECDSA+SHA256
        [ "$(h ".tls[$i].signature_scheme")" = ecdsa_secp256r1_sha256 ] || algorithm=RSA-PSS+SHA256:RSA+SHA256
        theirs=$(timeout 20 openssl s_client -starttls smtp -connect 192.0.2.13:25 -sigalgs "$algorithm" \
            -name client.box.test < /dev/null 2> /dev/null | openssl x509 -noout -fingerprint -sha256 |
            sed 's/.*=//; s/://g' | tr A-F a-f)
        same "$algorithm $(leaf $i)" "$algorithm $theirs"
    done
    same "$(h '[.tls[].chain[0]] | unique | length')" 2
}

# OpenSSL 3.0 reads certificates slowly, so a list does without most of its algorithms: nothing may be missing.
# bats test_tags=fibers
@test "a list offers the same handshake as a target on the command line, and reads certificates of every kind" {
    local kind plain alone
    cd "$BATS_TEST_TMPDIR" || return
    openssl req -x509 -newkey ed25519 -nodes -keyout ed.key -out ed.crt -subj /CN=both.box.test -days 30 2> openssl.log
    openssl req -x509 -newkey rsa-pss -nodes -keyout pss.key -out pss.crt -subj /CN=both.box.test -days 30 2>> openssl.log
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha512 -nodes -keyout p521.key -out p521.crt -subj /CN=both.box.test -days 30 2>> openssl.log
    plain='del(.. | .days_left?, .min_days_left?, .timing?, .duration?, .timestamp?, .ttl?, .seq?, .attempts?, .resolver?)'
    for kind in ed pss p521; do
        cat "$kind.crt" "$kind.key" > "$kind.pem"
        serve_keys "list-$kind" 0 --cert "$kind.pem" "${TLS[@]}"
        probe 1 "${ROOTS[@]}" --key-types any "$TARGET"
        alone=$output
        host
        same "$(h .starttls_state)" "done"
        echo "$TARGET" > list
        run -0 "$MXTLS" probe -f list -o list.ndjson "${ROOTS[@]}" --key-types any
        same "$(tail -n 1 list.ndjson | jq -S "$plain")" "$(jq -S "$plain" <<< "$alone")"
        same "$(offered "list-$kind" 2 sigalgs)" "$(offered "list-$kind" 1 sigalgs)"
        same "$(offered "list-$kind" 2 ciphers)" "$(offered "list-$kind" 1 ciphers)"
    done
}

# The rig itself: each tool that the other behaviour tests stand on does what its header says.
load lib/rig

setup_file() {
    certs_make
    dns_start < <(zone)
    postfix_start
}

zone() {
    postfix_zone
    echo 'example.test. MX 10 rsa.box.test.'
}

@test "the box has its own addresses, name and resolver, and no way out" {
    run -0 hostname
    same "$output" client.box.test
    run -0 cat /etc/resolv.conf
    same "$output" "nameserver 127.0.0.1"
    run -0 getent ahostsv4 rsa.box.test
    has 192.0.2.11
    run -1 bash -c 'exec 3<> /dev/tcp/203.0.113.1/25'
    has "Network is unreachable"
}

@test "a name server answers on port 53 over IPv4, IPv6 and TCP" {
    run -0 drill -t MX example.test @192.0.2.53
    has "rsa.box.test."
    run -0 drill MX example.test @2001:db8::53
    matches '^example.test.*MX.10 rsa.box.test.$'
}

@test "another zone replaces the first" {
    dns_change <<< 'other.test. MX 20 mx.other.test.'
    run -0 drill MX other.test @127.0.0.1
    has "20 mx.other.test."
    run -0 drill MX example.test @127.0.0.1
    has "rcode: NXDOMAIN"
    dns_change < <(zone)
}

@test "a zone with an error is refused with its line" {
    run -1 dns_start <<< 'other.test. A 192.0.2.256'
    has "root.zone:6"
}

@test "each certificate is good or bad in the way of its name" {
    local name
    for name in rsa ecdsa soon wildcard; do
        run -0 verify "$name" "$name.box.test"
    done
    run -0 verify both-rsa both.box.test
    run -0 verify wrongname other.box.test
    run ! verify wrongname wrongname.box.test
    has "hostname mismatch"
    run ! verify expired expired.box.test
    has "certificate has expired"
    run ! verify notyet notyet.box.test
    has "not yet valid"
    run ! verify selfsigned selfsigned.box.test
    has "self-signed certificate"
    run ! verify incomplete incomplete.box.test
    has "unable to get local issuer"
}

verify() {
    openssl verify -CAfile "$CERTS/root.crt" -untrusted "$CERTS/$1.chain" \
        -verify_hostname "$2" "$CERTS/$1.crt"
}

@test "a TLSA record is the digest of the key" {
    run -0 cert_tlsa "$CERTS/ecdsa.crt"
    matches '^3 1 1 [0-9a-f]{64}$'
    run -0 cert_tlsa "$CERTS/ecdsa.crt" 2 0 2
    matches '^2 0 2 [0-9a-f]{128}$'
    same "$(cert_tlsa "$CERTS/ecdsa.crt" 3 0 1)" "3 0 1 $(cert_fingerprint "$CERTS/ecdsa.crt")"
}

@test "a peer that dies before it is ready is a failure that shows what it said" {
    run ! peer_start broken '^ready' bash -c 'echo no luck; exit 3'
    has "no luck"
    has "is not ready"
}

@test "a peer is stopped by its pid, and its exit status is known" {
    peer_start idle '^ready [0-9]+' bash -c 'trap "exit 9" TERM; echo ready 25; sleep 60 & wait'
    same "$(peer_field idle '^ready' 2)" 25
    local pid
    pid=$(peer_pid idle)
    kill -0 "$pid"
    peer_stop idle
    same "$PEER_STATUS" 9
    run ! kill -0 "$pid"
}

# --- Postfix -------------------------------------------------------------------------------------

# starttls ADDRESS NAME: what `openssl s_client` sees there
starttls() {
    timeout 10 openssl s_client -starttls smtp -connect "$1:25" -servername "$2" \
        -CAfile "$CERTS/root.crt" -verify_hostname "$2" -showcerts < /dev/null 2>&1
}

@test "each Postfix variant offers STARTTLS with the certificate of its name" {
    local row name got
    for row in rsa=11 ecdsa=12 expired=15 wrongname=16 selfsigned=17 incomplete=18 notyet=19; do
        name=${row%=*}
        got=$(starttls "192.0.2.${row#*=}" "$name.box.test" || true)
        same "$(cert_fingerprint <(openssl x509 <<< "$got"))" "$(cert_fingerprint "$CERTS/$name.crt")"
        got=$(starttls "[2001:db8::${row#*=}]" "$name.box.test" || true)
        same "$(cert_fingerprint <(openssl x509 <<< "$got"))" "$(cert_fingerprint "$CERTS/$name.crt")"
    done
}

@test "OpenSSL agrees about what is wrong with each" {
    run -0 starttls 192.0.2.11 rsa.box.test
    has "Verify return code: 0 (ok)"
    run -0 starttls 192.0.2.12 ecdsa.box.test
    has "Verify return code: 0 (ok)"
    run starttls 192.0.2.15 expired.box.test
    has "certificate has expired"
    run starttls 192.0.2.16 wrongname.box.test
    has "hostname mismatch"
    run starttls 192.0.2.17 selfsigned.box.test
    has "self-signed certificate"
    run starttls 192.0.2.18 incomplete.box.test
    has "unable to get local issuer certificate"
    run starttls 192.0.2.19 notyet.box.test
    has "certificate is not yet valid"
}

@test "Postfix with two certificates gives the type that the client takes" {
    local type
    for type in RSA+SHA256:RSA-PSS+SHA256=both-rsa ECDSA+SHA256=both-ecdsa; do
        run -0 timeout 10 openssl s_client -starttls smtp -connect 192.0.2.13:25 -tls1_2 \
            -sigalgs "${type%=*}" < /dev/null
        same "$(cert_fingerprint <(openssl x509 <<< "$output"))" \
            "$(cert_fingerprint "$CERTS/${type#*=}.crt")"
    done
}

@test "Postfix without TLS has no STARTTLS, the strict one no mail without it" {
    run -0 "$ROOT/tests/peers/smtp_peer.py" --connect 192.0.2.14:25 'reply 220' \
        'send EHLO client.box.test' 'reply 250' 'send STARTTLS' 'reply 502' 'send QUIT' 'reply 221'
    has "250-PIPELINING"
    has_not "250-STARTTLS"
    run -0 "$ROOT/tests/peers/smtp_peer.py" --connect 192.0.2.21:25 'reply 220' \
        'send EHLO client.box.test' 'reply 250' 'send MAIL FROM:<>' 'reply 530'
    has "250-STARTTLS"
}

@test "posttls-finger finds MX, address and a verified certificate" {
    run -0 postfix_run posttls-finger -c -l verify -F "$CERTS/root.crt" example.test
    has "Verified TLS connection established to rsa.box.test"
    run -0 postfix_run posttls-finger -c -l verify -F "$CERTS/root.crt" '[expired.box.test]'
    has "Untrusted TLS connection established"
}

@test "smtp-source delivers a message, and it arrives" {
    run -0 postfix_run smtp-source -f alice@client.box.test -t bob@example.test -S hello 192.0.2.14:25
    postfix_mail bob@example.test
    file_has "$MAIL" "Subject: hello"
    file_has "$MAIL" "Return-Path: <alice@client.box.test>"
    run -0 postfix_run smtp-source -m 3 -f alice@client.box.test -t bob@example.test 192.0.2.14:25
    postfix_mail bob@example.test 4
    same "$(postfix_received bob@example.test)" 4
    same "$(postfix_received carol@example.test)" 0
}

@test "swaks delivers over TLS, and the mail says so" {
    run -0 swaks --server 192.0.2.12 --from alice@client.box.test --to dora@example.test --tls
    postfix_mail dora@example.test
    file_has "$MAIL" "(using TLSv1.3 with cipher"
}

@test "Postfix refuses users that do not exist, and defers those for later" {
    run ! swaks --server 192.0.2.14 --to nobody1@example.test --quit-after RCPT
    has "550 5.1.1"
    run ! swaks --server 192.0.2.14 --to later1@example.test --quit-after RCPT
    has "450 4.2.0"
    run ! swaks --server 192.0.2.14 --to bob@elsewhere.test --quit-after RCPT
    has "554 5.7.1"
}

# --- the scripted peer ---------------------------------------------------------------------------

peer() {
    local name=$1
    shift
    peer_start "$name" '^ready' "$ROOT/tests/peers/smtp_peer.py" --timeout 10 "$@"
}

@test "the scripted peer is a proper server with TLS" {
    peer good --listen 192.0.2.30:25 --cert "$CERTS/rsa.pem" 'send 220 mx ESMTP' \
        'serve ehlo=SIZE 1000;STARTTLS;8BITMIME'
    run -0 swaks --server 192.0.2.30 --from a@client.box.test --to b@example.test --tls \
        --tls-sni rsa.box.test
    peer_wait_line good '^S1 end'
    file_has "$(peer_log good)" "S1 C: MAIL FROM:<a@client.box.test>"
    grep -qE '^S1 tls TLSv1.3 [A-Z0-9_]+ sni=rsa.box.test$' "$(peer_log good)"
    grep -qE '^S1 data [1-9][0-9]+$' "$(peer_log good)"
}

@test "the scripted peer injects a reply behind 220, in the same segment or in the next" {
    peer inject --listen 192.0.2.31:25 --cert "$CERTS/rsa.pem" \
        'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'raw 220 go\r\n250 early\r\n' 'tls' \
        session 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'raw 220 go\r\n' 'pause 100' \
        'raw 250 late\r\n' 'tls'
    local text
    for text in early late; do
        run -0 "$ROOT/tests/peers/smtp_peer.py" --connect 192.0.2.31:25 'reply 220' \
            'send EHLO client.box.test' 'reply 250' 'send STARTTLS' 'reply 220' 'reply 250'
        has "S1 S: 250 $text"
    done
    peer_wait_line inject '^S2 tls-failed'
    file_has_not "$(peer_log inject)" "C: MAIL"
}

@test "the scripted peer answers the ClientHello with noise, stalls, cuts and resets" {
    peer noise --listen 192.0.2.32:25 'send 220 mx' 'ehlo STARTTLS' 'expect STARTTLS' 'send 220 go' \
        'recv 5' 'raw not TLS at all' 'close'
    run ! starttls 192.0.2.32 mx.box.test
    peer_wait_line noise '^S1 plain-bytes 1603'
    peer cut --listen 192.0.2.33:25 --cert "$CERTS/rsa.pem" 'send 220 mx' 'ehlo STARTTLS' 'starttls' \
        'ehlo' 'cut' session 'send 220 mx' 'reset' session 'stall'
    run -1 "$ROOT/tests/peers/smtp_peer.py" --connect 192.0.2.33:25 'reply 220' 'send EHLO a' \
        'reply 250' 'send STARTTLS' 'reply 220' 'tls' 'send EHLO a' 'reply 250' 'reply 250'
    has "failed reply: closed without close_notify"
    run -1 "$ROOT/tests/peers/smtp_peer.py" --connect 192.0.2.33:25 'reply 220' 'reply 250'
    has "Connection reset by peer"
    run -1 "$ROOT/tests/peers/smtp_peer.py" --timeout 0.3 --connect 192.0.2.33:25 'reply 220'
    has "timed out"
    peer_wait_line cut '^S3 closed by peer'
}

@test "the scripted peer drips, and refuses a step it does not know" {
    peer drip --listen '[2001:db8::34]:0' 'drip 1 220-slow\r\n220 mx\r\n' 'expect QUIT'
    run -0 "$ROOT/tests/peers/smtp_peer.py" \
        --connect "[2001:db8::34]:$(peer_field drip '^ready' 2)" 'reply 220' 'send QUIT'
    has "S1 S: 220-slow"
    run -1 "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.35:25 'sned 220 mx'
    has "unknown step: sned 220 mx"
}

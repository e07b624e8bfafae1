# The rig itself: each tool that the other behaviour tests stand on does what its header says.
load lib/rig

setup_file() {
    certs_make
    dns_start <<'ZONE'
example.test.       MX 10 rsa.box.test.
rsa.box.test.       A  192.0.2.11
ZONE
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

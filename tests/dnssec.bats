# Bogus answers of a resolver that does not say why it fails (no RFC 8914 extended errors): told from
# other failures by asking with checking disabled. What follows for DANE is in dane.bats.
load lib/rig
load lib/probe

setup_file() {
    certs_make
    export DNSSEC_EDE=no DNSSEC_TAMPER=_25._tcp.tampered.box.test.
    dnssec_start < <(
        postfix_zone
        echo 'tampered.box.test. A 192.0.2.11'
        echo "_25._tcp.tampered.box.test. TLSA $(cert_tlsa "$CERTS/rsa.crt")"
        echo 'mx.bogus.test. A 192.0.2.11'
        echo 'bogus.test. MX 10 rsa.box.test.'
        echo 'tampered.test. MX 10 tampered.box.test.'
        echo 'via.test. MX 10 mx.bogus.test.'
        echo 'lame.test. MX 10 dead.test.'
    )
    postfix_start rsa
}

@test "bogus MX, address and TLSA records are bogus also without an extended error: broken" {
    probe 2 bogus.test
    same "$(q '.mx_status, .dns.status, .dns.dnssec, .summary.verdict' | xargs)" "dns_error SERVFAIL bogus broken"
    [[ $(q .dns.error) == *"SERVFAIL, but not with checking disabled: DNSSEC validation fails"* ]] ||
        assert_fail error "$(q .dns.error)"
    probe 2 via.test
    same "$(q '.exchanges[0] | .status, .dnssec' | xargs)" "SERVFAIL bogus"
    same "$(q .summary.verdict)" broken
    probe 2 --ca-file "$CERTS/root.crt" tampered.test
    same "$(q '.exchanges[0].tlsa | .status, .dnssec' | xargs)" "bogus bogus"
    same "$(q .summary.verdict)" broken
}

@test "a lookup that fails in the same way without validation is an error, not bogus" {
    probe 1 --ca-file "$CERTS/root.crt" lame.test
    same "$(q '.exchanges[0].tlsa | .status, .dnssec' | xargs)" "error indeterminate"
}

@test "a resolver that answers SERVFAIL to everything proves nothing" {
    peer_start dns '^ready' "$ROOT/tests/peers/dns_peer.py" --listen 127.0.0.77:53 --rcode 2
    probe 3 --resolver 127.0.0.77 bogus.test
    same "$(q '.dns.status, .dns.dnssec, .summary.verdict' | xargs)" "SERVFAIL indeterminate unknown"
    # a resolver that is not trusted is not asked with checking disabled
    probe 3 --resolver 192.0.2.54 bogus.test
    same "$(q '.dns.status, .dns.dnssec' | xargs)" "SERVFAIL not_checked"
}

# DANE against real servers: unbound validating signed zones of nsd, Postfix with certificates of
# every kind, and posttls-finger of Postfix as the second opinion.
load lib/rig

setup_file() {
    certs_make
    export DNSSEC_TAMPER=_25._tcp.tampered.box.test.
    dnssec_start < <(zone)
    postfix_start rsa ecdsa both expired selfsigned notls
}

# tlsa NAME CERTIFICATE [USAGE SELECTOR TYPE]: one record
tlsa() {
    echo "_25._tcp.$1. TLSA $(cert_tlsa "$CERTS/$2.crt" "${@:3}")"
}

# host NAME LAST-BYTE: IPv4 only, so that every host is one address
host() {
    echo "$1. A 192.0.2.$2"
}

zone() {
    local i
    # the certificate of 192.0.2.11 is for rsa.box.test
    host rsa.box.test 11
    tlsa rsa.box.test intermediate 2 1 1
    host ee.box.test 11
    tlsa ee.box.test rsa 3 1 1
    host certee.box.test 11
    tlsa certee.box.test rsa 3 0 1
    host sha512.box.test 11
    tlsa sha512.box.test rsa 3 1 2
    host fullkey.box.test 11
    tlsa fullkey.box.test rsa 3 1 0
    host fullcert.box.test 11
    tlsa fullcert.box.test rsa 3 0 0
    host taname.box.test 11
    tlsa taname.box.test intermediate 2 1 1
    host leafta.box.test 11
    tlsa leafta.box.test rsa 2 1 1
    host mismatch.box.test 11
    tlsa mismatch.box.test ecdsa 3 1 1
    host unusable.box.test 11
    tlsa unusable.box.test rsa 1 1 1
    host somewrong.box.test 11
    tlsa somewrong.box.test ecdsa 3 1 1
    tlsa somewrong.box.test rsa 3 1 1
    host agile.box.test 11
    tlsa agile.box.test rsa 3 1 1
    tlsa agile.box.test ecdsa 3 1 2
    host scheme.box.test 11
    tlsa scheme.box.test rsa 3 1 1
    tlsa scheme.box.test intermediate 2 1 1
    host ecdsa.box.test 12
    tlsa ecdsa.box.test root 2 0 0
    host both.box.test 13
    tlsa both.box.test both-rsa
    tlsa both.box.test both-ecdsa
    host notls.box.test 14
    tlsa notls.box.test rsa
    host expired.box.test 15
    tlsa expired.box.test expired
    host selfsigned.box.test 17
    tlsa selfsigned.box.test selfsigned
    # 60 records and their signature are more than 1232 bytes
    host many.box.test 11
    tlsa many.box.test rsa
    for i in $(seq 10 69); do
        echo "_25._tcp.many.box.test. TLSA 3 1 1 $(printf '%064d' "$i")"
    done
    # no records, in three ways
    host none.box.test 11
    host nodata.box.test 11
    echo '_25._tcp.nodata.box.test. TXT "no TLSA here"'
    host tampered.box.test 11
    tlsa tampered.box.test rsa
    host mx.unsigned.test 11
    tlsa mx.unsigned.test rsa
    host mx.bogus.test 11
    tlsa mx.bogus.test rsa
    # aliases: records at the target; at the alias; at the alias of an unsigned target
    echo 'alias.box.test. CNAME ee.box.test.'
    echo 'alias2.box.test. CNAME none.box.test.'
    tlsa alias2.box.test rsa
    echo 'alias3.box.test. CNAME mx.unsigned.test.'
    tlsa alias3.box.test rsa
    echo 'alias4.unsigned.test. CNAME ee.box.test.'
    echo '_25._tcp.alias5.box.test. CNAME _25._tcp.ee.box.test.'
    host alias5.box.test 11
    # mail domains
    echo 'good.test. MX 10 ee.box.test.'
    echo 'good.test. MX 20 selfsigned.box.test.'
    echo 'some.test. MX 10 ee.box.test.'
    echo 'some.test. MX 20 mismatch.box.test.'
    echo 'wrong.test. MX 10 mismatch.box.test.'
    echo 'wrong.test. MX 20 notls.box.test.'
    echo 'half.test. MX 10 ee.box.test.'
    echo 'half.test. MX 10 none.box.test.'
    echo 'name.test. MX 10 taname.box.test.'
    echo 'rsa.box.test. MX 10 taname.box.test.'
    host implicit.test 11
    tlsa implicit.test rsa
    echo 'unsigned.test. MX 10 ee.box.test.'
    echo 'bogus.test. MX 10 ee.box.test.'
    echo 'lame.test. MX 10 dead.test.'
}

probe() {
    "$MXTLS" probe --ca-file "$CERTS/root.crt" --timeout 10s --deadline 60s "$@"
}

# facts JQ ARG...: of the record of a probe with these arguments
facts() {
    probe --json "${@:2}" > "$BATS_TEST_TMPDIR/json" || true
    jq -r "$1" "$BATS_TEST_TMPDIR/json"
}

# host_is HOST STATUS DANE: the TLSA lookup and the handshake of [HOST]
host_is() {
    same "$1 $(facts '.exchanges[0] | .tlsa.status + " " + .hosts[0].tls[0].dane' "[$1]")" "$*"
}

# finger TARGET: what posttls-finger says at level "dane": Verified, Trusted, Untrusted, or why not
finger() {
    local out
    out=$(postfix_run posttls-finger -c -t 10 -T 10 -l dane -F "$CERTS/root.crt" "$1" 2>&1)
    sed -nE -e 's/^posttls-finger: ([A-Z][a-z]+) TLS connection established to .*/\1/p' \
        -e 's/^posttls-finger: Failed to establish session .*(TLSA lookup error) .*/\1/p' \
        -e 's/^posttls-finger: (Destination address lookup failed): .*/\1/p' <<< "$out"
}

# domain_is DOMAIN VERDICT EXIT-STATUS
domain_is() {
    local status=0
    probe --json "$1" > "$BATS_TEST_TMPDIR/json" || status=$?
    same "$1 $(jq -r .summary.verdict "$BATS_TEST_TMPDIR/json") $status" "$*"
}

@test "each form of record matches as RFC 7672 s3.1 says, and posttls-finger agrees" {
    local name
    for name in ee certee sha512 fullkey fullcert rsa ecdsa scheme somewrong alias5; do
        host_is $name.box.test usable valid
        same "$name $(finger "[$name.box.test]")" "$name Verified"
    done
}

@test "DANE-EE looks neither at names nor at dates (RFC 7672 s3.1.1)" {
    local name
    for name in expired selfsigned; do
        host_is $name.box.test usable valid
        same "$name $(finger "[$name.box.test]")" "$name Verified"
    done
    run -0 probe '[expired.box.test]'
    has "[expired.box.test]: dane"
    has "not valid at this time, which DANE-EE does not look at"
    # and PKIX has nothing to say where DANE has spoken
    same "$(facts '.exchanges[0].hosts[0].result_type' '[selfsigned.box.test]')" null
    run -0 probe '[selfsigned.box.test]'
    has_not "a self-signed certificate proves nothing"
}

@test "records that match nothing are a mismatch, and posttls-finger agrees" {
    local name
    # taname: right issuer, but the certificate names another host; leafta: the server's own
    # certificate is no issuer; agile: what matches has the weaker digest (RFC 7671 s9)
    for name in mismatch taname leafta agile; do
        host_is $name.box.test usable mismatch
        same "$name $(finger "[$name.box.test]")" "$name Untrusted"
    done
    same "$(facts '.exchanges[0].hosts[0].result_type' '[mismatch.box.test]')" tlsa-invalid
    same "$(facts '.exchanges[0].tlsa.records[0] | .depth, .note' '[taname.box.test]')" \
        $'1\nthe certificate names another host'
    same "$(facts '[.exchanges[0].tlsa.records[] | [.matching_type, .usable, .matched]] | sort | tostring' \
        '[agile.box.test]')" '[[1,false,true],[2,true,false]]'
}

@test "records of usage 1 are not usable: TLS without identity (RFC 7672 s3.1.3)" {
    host_is unusable.box.test unusable unusable
    same "$(finger '[unusable.box.test]')" Untrusted
    run -1 probe '[unusable.box.test]'
    has "[unusable.box.test]: encrypted"
    matches '^    record +1 1 1 [0-9a-f]{32}\.\.\.: not compared, does not count: usages 0 and 1'
    has "  > unusable.box.test: remove the TLSA record 1 1 1"
}

@test "the MX domain is one of the names for DANE-TA (RFC 7672 s3.2.3)" {
    domain_is rsa.box.test dane 0
    same "$(finger rsa.box.test)" Verified
    domain_is name.test broken 2
    same "$(finger name.test)" Untrusted
}

@test "no TLSA records, by NXDOMAIN and by NODATA, is none" {
    local name
    for name in none nodata; do
        host_is $name.box.test none none
        same "$(finger "[$name.box.test]")" Untrusted
    done
}

@test "TLSA records that fail validation are bogus, and the host is avoided" {
    same "$(facts '.exchanges[0].tlsa | .status, .reason' '[tampered.box.test]')" \
        $'bogus\nSERVFAIL: DNSSEC bogus'
    same "$(finger '[tampered.box.test]')" "TLSA lookup error"
    same "$(facts '.exchanges[0].hosts[0].result_type' '[tampered.box.test]')" dnssec-invalid
    run -2 probe '[tampered.box.test]'
    has "[tampered.box.test]: broken"
    has "  > tampered.box.test: DNSSEC validation fails"
}

@test "a failed TLSA lookup is an error, never none" {
    host_is dead.test error not_checked
    same "$(finger '[dead.test]')" "TLSA lookup error"
    run -1 probe '[dead.test]'
    has "TLSA: senders that use DANE avoid this host for now: SERVFAIL"
}

@test "addresses that are bogus, or not signed, are never followed by a TLSA query" {
    same "$(facts '.exchanges[0] | .dnssec, .tlsa.status' '[mx.bogus.test]')" $'bogus\nnot_checked'
    domain_is '[mx.bogus.test]' broken 2
    same "$(finger '[mx.bogus.test]')" "Destination address lookup failed"
    host_is mx.unsigned.test insecure none
    same "$(finger '[mx.unsigned.test]')" Untrusted
}

@test "bogus MX records: broken" {
    domain_is bogus.test broken 2
    same "$(finger bogus.test)" "Destination address lookup failed"
    run -2 probe bogus.test
    has "the MX lookup failed: SERVFAIL: DNSSEC"
    has "  > DNSSEC validation fails"
}

@test "aliases: the canonical name, then the alias; unsigned targets (RFC 7672 s2.2.2, s2.2.3)" {
    local name
    for name in alias alias2 alias3; do
        host_is $name.box.test usable valid
        same "$name $(finger "[$name.box.test]")" "$name Verified"
    done
    same "$(facts '.exchanges[0].tlsa.base_domain' '[alias.box.test]')" ee.box.test
    same "$(facts '.exchanges[0].tlsa.base_domain' '[alias2.box.test]')" alias2.box.test
    same "$(facts '.exchanges[0].tlsa.base_domain' '[alias3.box.test]')" alias3.box.test
    # RFC 7672 s8.1: the server is asked for the name that its records are at, unless told otherwise
    same "$(facts '.exchanges[0].hosts[0].sni' '[alias.box.test]')" ee.box.test
    same "$(facts '.exchanges[0].hosts[0].sni' '[alias2.box.test]')" alias2.box.test
    same "$(facts '.exchanges[0].hosts[0].sni' --sni alias.box.test '[alias.box.test]')" alias.box.test
    same "$(facts '.exchanges[0].hosts[0].sni' --sni none '[alias.box.test]')" null
    same "$(facts '.exchanges[0].hosts[0].sni' --no-dane '[alias.box.test]')" alias.box.test
    host_is alias4.unsigned.test insecure none
    same "$(finger '[alias4.unsigned.test]')" Untrusted
}

@test "more records than a UDP answer holds come over TCP" {
    run -0 drill -b 1232 _25._tcp.many.box.test @127.0.0.1 TLSA
    host_is many.box.test usable valid
    same "$(facts '[.exchanges[0].tlsa.records[] | select(.matched)] | length' '[many.box.test]')" 1
    same "$(facts '.exchanges[0].tlsa.records | length' '[many.box.test]')" 61
    same "$(finger '[many.box.test]')" Verified
}

@test "the verdict is dane when every MX host proves itself, broken when none does (DECISIONS 14, 15)" {
    domain_is good.test dane 0
    same "$(finger good.test)" Verified
    domain_is implicit.test dane 0
    domain_is half.test encrypted 1
    domain_is some.test broken-some 1
    # some hosts are good, but not all: no --require is met (DECISIONS C14)
    run -2 probe --require encrypted some.test
    run -2 probe --require dane some.test
    domain_is wrong.test broken 2
    domain_is '[notls.box.test]' broken 2
    domain_is '[both.box.test]' dane 0
}

@test "signed hosts behind unsigned MX records are enforced, but never dane (DECISIONS 12)" {
    same "$(facts '.exchanges[0] | .tlsa.status, .hosts[0].tls[0].dane' unsigned.test)" \
        $'dane-insecure-mx\nvalid'
    domain_is unsigned.test encrypted 1
    same "$(finger unsigned.test)" Trusted
}

@test "a resolver that does not validate, or may not be believed: not checked, with the reason" {
    # nsd itself: on this host, without AD
    same "$(facts '.exchanges[0].tlsa | .status, .reason' --resolver 127.0.0.2 '[ee.box.test]')" \
        $'not_checked\nresolver 127.0.0.2:53 does not validate'
    # unbound, but not on this host
    same "$(facts '.exchanges[0].tlsa | .status, .reason' --resolver 192.0.2.54 '[ee.box.test]')" \
        $'not_checked\nresolver 192.0.2.54:53 is not on this machine: its AD bit is not trusted'
    same "$(facts '.exchanges[0].tlsa.status' --resolver 192.0.2.54 --trust-ad '[ee.box.test]')" usable
    # whoever is not trusted can still say that something is wrong
    same "$(facts '.summary.verdict' --resolver 192.0.2.54 bogus.test)" broken
    run -1 probe --resolver 192.0.2.54 '[ee.box.test]'
    matches '^  TLSA +not_checked: resolver 192.0.2.54:53 is not on this machine'
}

@test "--no-dane looks nothing up" {
    same "$(facts '.exchanges[0].tlsa | .status, .reason' --no-dane '[ee.box.test]')" \
        $'not_checked\nnot asked for'
    run -1 probe --no-dane '[ee.box.test]'
    has "[ee.box.test]: encrypted"
}

@test "the text shows each record, whether it matches, and what to do" {
    run -0 probe '[somewrong.box.test]'
    matches '^  TLSA +usable, of somewrong.box.test, DNSSEC secure, TTL [0-9]+ s$'
    matches '^    record +3 1 1 [0-9a-f]{32}\.\.\.: matches$'
    matches '^    record +3 1 1 [0-9a-f]{32}\.\.\.: does not match$'
    matches '^    DANE +a TLSA record matches$'
    run -0 probe '[scheme.box.test]'
    matches '^    record +2 1 1 .*: does not match: the certificate names another host$'
    run -2 probe '[mismatch.box.test]'
    has "no TLSA record matches the RSA key of the server: publish _25._tcp.mismatch.box.test. IN TLSA $(
        cert_tlsa "$CERTS/rsa.crt")"
    run -0 probe '[ee.box.test]'
    has "  > ee.box.test: there is only one TLSA record"
}

# mxtls probe --print-tlsa and --check-cert: what a renewal hook asks, against a signed zone and real
# Postfix servers. Records are compared with those that openssl makes.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig

setup_file() {
    certs_make
    dnssec_start < <(
        cat <<ZONE
rsa.box.test. A 192.0.2.11
_25._tcp.rsa.box.test. TLSA $(cert_tlsa "$CERTS/rsa.crt")
_25._tcp.rsa.box.test. TLSA $(cert_tlsa "$CERTS/expired.crt")
both.box.test. A 192.0.2.13
ecdsa.box.test. A 192.0.2.12
_25._tcp.ecdsa.box.test. TLSA $(cert_tlsa "$CERTS/intermediate.crt" 2 1 1)
notls.box.test. A 192.0.2.14
bare.unsigned.test. A 192.0.2.11
bad.bogus.test. A 192.0.2.11
two.test. MX 10 rsa.box.test.
two.test. MX 20 both.box.test.
null.test. MX 0 .
ZONE
    )
    postfix_start rsa both notls
}

data() {
    cert_tlsa "$CERTS/$1.crt"
}

# check STATUS FILE ARGUMENT...
check() {
    local want=$1 file=$2
    shift 2
    run "-$want" --separate-stderr "$MXTLS" probe --ca-file "$CERTS/root.crt" --check-cert "$CERTS/$file" "$@"
    same "$stderr" ""
}

@test "--print-tlsa: a record for each key in use, published or not, and for the next one" {
    run -0 --separate-stderr "$MXTLS" probe --print-tlsa --next-cert "$CERTS/ecdsa.crt" two.test
    same "$stderr" ""
    same "$output" "_25._tcp.rsa.box.test. IN TLSA $(data rsa) ; rsa, published
_25._tcp.rsa.box.test. IN TLSA $(data ecdsa) ; next
_25._tcp.both.box.test. IN TLSA $(data both-ecdsa) ; ecdsa
_25._tcp.both.box.test. IN TLSA $(data both-rsa) ; rsa
_25._tcp.both.box.test. IN TLSA $(data ecdsa) ; next"
}

@test "--print-tlsa: no certificate seen is said in a comment, status 3" {
    run -3 --separate-stderr "$MXTLS" probe --print-tlsa '[notls.box.test]' null.test 192.0.2.11
    same "$(sort <<< "$output")" "; 192.0.2.11: has no name for a TLSA record
; notls.box.test: no certificate was seen
; null.test: no MX host (null_mx)"
}

@test "--check-cert: matches a TLSA record, whatever names and dates with DANE-EE (RFC 7672 s3.1.1)" {
    check 0 rsa.chain '[rsa.box.test]'
    same "$output" "rsa.box.test: a TLSA record matches; the name matches rsa.box.test; it leads to a trusted root"
    check 0 expired.chain '[rsa.box.test]'
    has "a TLSA record matches; the certificate names another host, which DANE-EE does not look at; it is not valid at this time, which"
    check 2 ecdsa.chain '[rsa.box.test]'
    same "$output" "rsa.box.test: none of 2 TLSA records matches; the certificate names another host; it leads to a trusted root"
}

@test "--check-cert: DANE-TA needs the issuer in the chain, and the name (RFC 7672 s3.1.2)" {
    check 0 ecdsa.chain '[ecdsa.box.test]'
    has "a TLSA record matches"
    check 2 ecdsa.crt '[ecdsa.box.test]' # no issuer sent
    has "the only TLSA record does not match"
    check 2 wrongname.chain '[ecdsa.box.test]'
}

@test "--check-cert: without DANE names, dates and trust count; every host must be served" {
    check 0 both-rsa.chain '[both.box.test]'
    same "$output" "both.box.test: TLSA: none; the name matches both.box.test; it leads to a trusted root"
    check 2 both-rsa.chain --at +100d '[both.box.test]'
    has "; it is not valid at this time"
    check 0 wildcard.chain '[both.box.test]'
    check 2 both-rsa.chain two.test
    has "rsa.box.test: none of 2 TLSA records matches"
    has "both.box.test: TLSA: none; the name matches both.box.test"
    check 0 rsa.chain --no-dane '[rsa.box.test]'
    same "$output" "rsa.box.test: the name matches rsa.box.test; it leads to a trusted root"
    check 2 rsa.crt --no-dane '[rsa.box.test]' # the intermediate is not in the file
    same "$output" "rsa.box.test: the name matches rsa.box.test; it is not trusted: unable to get local issuer certificate, unable to verify the first certificate"
    check 0 rsa.crt '[rsa.box.test]'
    has "; it is not trusted, which DANE does not need: "
    check 2 rsa.chain '[bare.unsigned.test]'
    has "TLSA: insecure"
}

@test "--check-cert: what could not be found out is 3, and nobody is connected to" {
    check 3 rsa.chain --resolver 127.0.0.2 '[rsa.box.test]'
    has "TLSA: not_checked ("
    check 3 rsa.chain null.test
    run -0 --separate-stderr "$MXTLS" probe -v --ca-file "$CERTS/root.crt" --check-cert "$CERTS/rsa.chain" '[rsa.box.test]'
    same "$stderr" ""
}

@test "--check-cert, --print-tlsa: files and options that do not do" {
    run -66 "$MXTLS" probe --check-cert /nonexistent x.test
    has "option --check-cert: cannot read /nonexistent"
    run -66 "$MXTLS" probe --check-cert "$CERTS/rsa.key" x.test
    has "option --check-cert: $CERTS/rsa.key: no PEM certificate"
    printf '%s\n' '-----BEGIN CERTIFICATE-----' 'AAAA' '-----END CERTIFICATE-----' > "$BATS_TEST_TMPDIR/bad"
    run -66 "$MXTLS" probe --check-cert "$BATS_TEST_TMPDIR/bad" x.test
    has "damaged certificate"
    run -64 "$MXTLS" probe --check-cert "$CERTS/rsa.crt" --json x.test
    run -64 "$MXTLS" probe --print-tlsa --csv x.test
    run -64 "$MXTLS" probe --print-tlsa --check-cert "$CERTS/rsa.crt" x.test
    run -64 "$MXTLS" probe --next-cert "$CERTS/rsa.crt" x.test
}

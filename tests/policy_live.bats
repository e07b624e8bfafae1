# mxtls policy check --live: this host as receivers of its mail see it, and rules that are weaker than what their domains
# publish, by a validating resolver over signed zones.
load lib/rig
load lib/https
load lib/send

setup_file() {
    certs_make
    message_make
    https_begin mta-sts.sts.test
    https_policy sts.test enforce 604800 sts.box.test
    openssl genrsa -traditional -out "$BATS_FILE_TMPDIR/rsa.pem" 2048 2> /dev/null
    openssl genpkey -algorithm ed25519 -out "$BATS_FILE_TMPDIR/ed.pem"
    openssl genrsa -traditional -out "$BATS_FILE_TMPDIR/other.pem" 2048 2> /dev/null
    chmod 600 "$BATS_FILE_TMPDIR"/*.pem
    dnssec_start < <(zone)
    https_start
    mkdir "$BATS_FILE_TMPDIR/certs"
    cp "$CERTS/root.crt" "$BATS_FILE_TMPDIR/certs/root.pem"
    openssl rehash "$BATS_FILE_TMPDIR/certs"
    mount --bind "$BATS_FILE_TMPDIR/certs" /etc/ssl/certs # of the box
}

# public KEY: base64 of the public key as a DKIM record has it; of Ed25519 its last 32 bytes (RFC 8463 s4)
public() {
    openssl pkey -in "$BATS_FILE_TMPDIR/$1.pem" -pubout -outform DER | if [ "$1" = ed ]; then tail -c 32; else cat; fi | base64 -w 0
}

# dkim_record NAME KEY TAGS: strings of at most 200 bytes
dkim_record() {
    printf '%s TXT' "$1"
    printf 'v=DKIM1; %sp=%s' "$3" "$(public "$2")" | fold -w 200 | while read -r part || [ -n "$part" ]; do printf ' "%s"' "$part"; done
    echo
}

zone() {
    echo 'client.box.test. A 192.0.2.1'
    echo 'client.box.test. AAAA 2001:db8::1'
    echo 'client.box.test. TXT "v=spf1 ip4:192.0.2.1 include:six.test -all"'
    echo 'six.test. TXT "v=spf1 ip6:2001:db8::/64 ~all"'
    echo '1.2.0.192.in-addr.arpa. PTR client.box.test.'
    echo "1.$(printf '0.%.0s' {1..23})8.b.d.0.1.0.0.2.ip6.arpa. PTR client.box.test."
    # another host: a PTR that does not lead back, and none
    echo 'liar.box.test. A 192.0.2.99'
    echo '7.2.0.192.in-addr.arpa. PTR liar.box.test.'
    echo '8.2.0.192.in-addr.arpa. PTR mail.box.test.'
    echo 'mail.box.test. A 192.0.2.8'
    dkim_record s1._domainkey.client.box.test. rsa 'k=rsa; '
    dkim_record s2._domainkey.client.box.test. ed 'k=ed25519; '
    dkim_record s3._domainkey.client.box.test. other ''
    dkim_record s4._domainkey.client.box.test. rsa 't=y:s; '
    echo 's5._domainkey.client.box.test. TXT "v=DKIM1; p="'
    # SPF of other domains of senders
    echo 'mx.spf.test. TXT "v=spf1 mx -all"'
    echo 'mx.spf.test. MX 10 client.box.test.'
    echo 'redirect.spf.test. TXT "v=spf1 redirect=mx.spf.test"'
    echo 'soft.spf.test. TXT "v=spf1 a:liar.box.test ~all"'
    echo 'fail.spf.test. TXT "v=spf1 a -all"'
    echo 'two.spf.test. TXT "v=spf1 -all"'
    echo 'two.spf.test. TXT "v=spf1 +all"'
    echo 'bad.spf.test. TXT "v=spf1 ip4:192.0.2.300 -all"'
    echo 'loop.spf.test. TXT "v=spf1 include:loop.spf.test -all"'
    echo 'macro.spf.test. TXT "v=spf1 exists:%{i}.spf.test -all"'
    # destinations
    echo 'dane.test. MX 10 dane.box.test.'
    echo 'dane.box.test. A 192.0.2.31'
    echo "_25._tcp.dane.box.test. TLSA $(cert_tlsa "$CERTS/wildcard.crt")"
    echo 'sts.test. MX 10 sts.box.test.'
    echo 'sts.box.test. A 192.0.2.31'
    echo '_mta-sts.sts.test. TXT "v=STSv1; id=1;"'
    echo 'mta-sts.sts.test. A 192.0.2.80'
    echo 'plain.test. MX 10 sts.box.test.'
}

setup() {
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
}

# live STATUS ARG...
live() {
    local want=$1
    shift
    run "-$want" --separate-stderr "$MXTLS" policy check --live --timeout 20s "$@"
}

spf() {
    live "$1" --maildomain "$2.spf.test" --address 192.0.2.1
    grep ' spf: ' <<< "$output" || assert_fail "no line about SPF" "$output"
}

@test "all is well: name, PTR, SPF, DKIM, resolver, runner, rules; status 0" {
    "$MXTLS" queue run
    live 0 --dkim "client.box.test s1 $BATS_FILE_TMPDIR/rsa.pem" --dkim "client.box.test s2 $BATS_FILE_TMPDIR/ed.pem"
    same "$output" "there is no policy file: level auto for every domain
ok   name: client.box.test, the name that we greet with, has the address 192.0.2.1
ok   name: client.box.test, the name that we greet with, has the address 2001:db8::1
ok   ptr: 192.0.2.1 is client.box.test, and back
ok   ptr: 2001:db8::1 is client.box.test, and back
ok   spf: 192.0.2.1 for senders at client.box.test: pass (v=spf1 ip4:192.0.2.1 include:six.test -all)
ok   spf: 2001:db8::1 for senders at client.box.test: pass (v=spf1 ip4:192.0.2.1 include:six.test -all)
ok   dkim: s1._domainkey.client.box.test has our key ($BATS_FILE_TMPDIR/rsa.pem)
ok   dkim: s2._domainkey.client.box.test has our key ($BATS_FILE_TMPDIR/ed.pem)
ok   resolver: the resolver validates DNSSEC: DANE can be used
ok   runner: the queue was run 0 minutes ago
ok   rule: no rule is weaker than what its domain publishes (0 looked at)"
}

@test "JSON: an object for each line, and nothing else" {
    live 69 --json
    same "$(jq -r 'select(.check == "ptr") | .status' <<< "$output" | xargs)" "ok ok"
    same "$(jq -r 'select(.check == "runner") | .status, .text' <<< "$output" | head -n 1)" fail
    same "$(jq -r 'select(.check == "dkim") | .status' <<< "$output")" warn
}

@test "names and PTR records that do not fit; an address that nobody can see" {
    live 69 --address 192.0.2.7
    has "fail name: client.box.test, the name that we greet with, lacks the address 192.0.2.7"
    has "fail ptr: the PTR record of 192.0.2.7 names liar.box.test, which does not have that address"
    has "fail spf: 192.0.2.7 for senders at client.box.test: fail"
    live 69 --address 192.0.2.9
    has "fail ptr: 192.0.2.9 has no PTR record"
    live 69 --address 192.0.2.8
    has "warn ptr: 192.0.2.8 is mail.box.test, and back, but we greet with another name"
    live 69 --address 10.1.2.3
    has "warn ptr: connections come from 10.1.2.3, which the net sees as another address: name it with --address"
    live 64 --address nonsense
    [[ $stderr == *'option --address: "nonsense" is not an IPv4 or IPv6 address'* ]]
}

@test "SPF: mechanisms, redirect, include, and what is wrong with records (RFC 7208)" {
    "$MXTLS" queue run
    spf 0 mx
    has "ok   spf: 192.0.2.1 for senders at mx.spf.test: pass"
    spf 0 redirect
    has "ok   spf: 192.0.2.1 for senders at redirect.spf.test: pass"
    spf 0 soft
    has "warn spf: 192.0.2.1 for senders at soft.spf.test: softfail"
    spf 69 fail
    has "fail spf: 192.0.2.1 for senders at fail.spf.test: fail"
    spf 69 two
    has "permerror (two.spf.test: more than one SPF record)"
    spf 69 bad
    has 'permerror (bad.spf.test: "ip4:192.0.2.300": not a network)'
    spf 69 loop
    has "permerror (more than 10 lookups)"
    spf 69 none
    has "none (none.spf.test: no SPF record)"
    spf 0 macro
    has "warn spf: 192.0.2.1 for senders at macro.spf.test: unknown"
}

@test "DKIM: another key, a revoked one, one that is being tested, none at all" {
    live 69 --dkim "client.box.test s3 $BATS_FILE_TMPDIR/rsa.pem"
    has "fail dkim: s3._domainkey.client.box.test has another key than ours"
    live 69 --dkim "client.box.test s5 $BATS_FILE_TMPDIR/rsa.pem"
    has "fail dkim: s5._domainkey.client.box.test says that the key is revoked"
    live 69 --dkim "client.box.test s4 $BATS_FILE_TMPDIR/rsa.pem"
    has "warn dkim: s4._domainkey.client.box.test has our key, but says that it is being tested"
    live 69 --dkim "client.box.test s9 $BATS_FILE_TMPDIR/rsa.pem"
    has "fail dkim: s9._domainkey.client.box.test has no record"
    live 69 --dkim "client.box.test s2 $BATS_FILE_TMPDIR/rsa.pem"
    has "fail dkim: s2._domainkey.client.box.test has a key of another kind"
}

@test "a resolver that does not validate; a runner that is gone" {
    "$MXTLS" queue run
    live 0 --resolver 127.0.0.2
    has "warn resolver: DANE is not used"
    MXTLS_NOW=+2h live 69
    has "fail runner: the queue was run 120 minutes ago"
}

@test "rules that are weaker than what their domains publish: warned of, with file and line" {
    "$MXTLS" queue run
    cat > "$BATS_TEST_TMPDIR/policy" << 'POLICY'
policy dane.test none
policy sts.test may
policy plain.test none
policy .below.test none
policy verify.test verify
POLICY
    live 0 "$BATS_TEST_TMPDIR/policy"
    has "warn rule: $BATS_TEST_TMPDIR/policy:1: level none is weaker than what dane.test publishes: DANE"
    has "warn rule: $BATS_TEST_TMPDIR/policy:2: level may is weaker than what sts.test publishes: an enforced MTA-STS policy"
    has_not "plain.test"
    printf '%s\n' 'policy dane.test encrypt dane=no' 'policy sts.test dane' > "$BATS_TEST_TMPDIR/policy"
    live 0 --policy "$BATS_TEST_TMPDIR/policy"
    has "level encrypt dane=no is weaker than what dane.test publishes: DANE"
    has "level dane is weaker than what sts.test publishes: an enforced MTA-STS policy"
    # nothing is remembered by looking
    same "$(ls "$XDG_STATE_HOME/mxtls/sts" 2> /dev/null)" ""
    echo 'policy x nonsense' > "$BATS_TEST_TMPDIR/bad"
    live 78 --policy "$BATS_TEST_TMPDIR/bad"
    has_not "ok "
}

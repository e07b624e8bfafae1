# MTA-STS, TLSRPT and CAA in a probe: policies from a real nginx on port 443, records from a real name
# server, MX hosts of a real Postfix.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/probe
load lib/https

GOOD_DOMAINS="enforce wild testing none mismatch some badcert plain testbad noid two notxt 404 500
    redirect html notype big long slow syntax nomx mode version empty v6only alias1 alias2 dual
    dupes dots cname null refused"

setup_file() {
    certs_make
    sites
    dns_start < <(zone)
    postfix_start rsa ecdsa notls selfsigned
    https_start
    # accepts connections, and never says anything
    peer_start mute '^ready' python3 -u -c '
import socket, time
s = socket.create_server(("192.0.2.81", 443))
print("ready")
time.sleep(600)'
    # the same, and tells how many connections it has at once
    peer_start crowd '^ready' python3 -u -c '
import selectors, socket
s = socket.create_server(("192.0.2.83", 443))
loop = selectors.DefaultSelector()
loop.register(s, selectors.EVENT_READ)
print("ready")
now = 0
while True:
    for key, _ in loop.select():
        if key.fileobj is s:
            loop.register(s.accept()[0], selectors.EVENT_READ)
            now += 1
            print("now", now)
        elif not key.fileobj.recv(65536):
            loop.unregister(key.fileobj)
            key.fileobj.close()
            now -= 1'
}

sites() {
    local d
    # shellcheck disable=SC2046 # words
    https_begin $(for d in $GOOD_DOMAINS; do echo "mta-sts.$d.test"; done)
    https_policy enforce.test enforce 604800 rsa.box.test
    https_policy wild.test enforce 604800 '*.box.test'
    https_policy testing.test testing 86400 rsa.box.test
    https_policy none.test none 86400
    https_policy mismatch.test enforce 604800 mx.other.test
    https_policy some.test enforce 604800 rsa.box.test
    https_policy badcert.test enforce 604800 '*.box.test'
    https_policy plain.test enforce 604800 '*.box.test'
    https_policy testbad.test testing 604800 mx.other.test
    https_policy noid.test enforce 604800 rsa.box.test
    https_policy two.test enforce 604800 rsa.box.test
    https_policy notxt.test enforce 604800 rsa.box.test
    https_policy v6only.test enforce 604800 rsa.box.test
    https_policy alias1.test enforce 604800 rsa.box.test
    https_policy alias2.test enforce 604800 rsa.box.test
    https_policy dual.test enforce 604800 rsa.box.test
    https_policy dots.test enforce 604800 rsa.box.test.
    https_site mta-sts.404.test good 'return 404'
    https_site mta-sts.500.test good 'return 503 "later"'
    https_site mta-sts.redirect.test good 'return 301 https://mta-sts.enforce.test/.well-known/mta-sts.txt'
    https_site mta-sts.html.test good 'default_type text/html' "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
    https_site mta-sts.notype.test good 'default_type ""' "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
    mkdir -p "$SITES"/{big,long}/.well-known
    head -c 65537 /dev/zero | tr '\0' 'x' > "$SITES/big/.well-known/mta-sts.txt"
    https_site mta-sts.big.test good "root $SITES/big"
    # as long as it may be, by a line that is no concern of ours
    {
        printf 'version: STSv1\nmode: enforce\nmx: rsa.box.test\nmax_age: 604800\nx: '
        head -c 70000 /dev/zero | tr '\0' 'x'
    } | head -c 65536 > "$SITES/long/.well-known/mta-sts.txt"
    https_site mta-sts.long.test good "root $SITES/long"
    https_site mta-sts.syntax.test good 'return 200 "version: STSv1\nmode = enforce\n"'
    https_site mta-sts.nomx.test good "return 200 \"$(https_text enforce 604800)\""
    https_site mta-sts.mode.test good "return 200 \"$(https_text enforced 604800 rsa.box.test)\""
    https_site mta-sts.version.test good 'return 200 "version: STSv2\nmode: enforce\nmx: rsa.box.test\nmax_age: 1\n"'
    https_site mta-sts.empty.test good 'return 200 ""'
    https_site mta-sts.dupes.test good 'return 200 "version: STSv1\nmode: enforce\nmode: none\nmx: rsa.box.test\nmax_age: 99999999\nnew: x\n"'
    cert_issue sts-expired dir="$SITES" san=DNS:mta-sts.certexp.test from=-91d to=-1d
    cert_issue sts-self dir="$SITES" san=DNS:mta-sts.certself.test issuer=self
    cert_issue sts-leaf dir="$SITES" san=DNS:mta-sts.certleaf.test chain=leaf
    cert_issue sts-cn dir="$SITES" san=email:a@b.test cn=mta-sts.certcn.test
    https_site mta-sts.certexp.test sts-expired "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
    https_site mta-sts.certself.test sts-self "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
    https_site mta-sts.certname.test good "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
    https_site mta-sts.certleaf.test sts-leaf "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
    https_site mta-sts.certcn.test sts-cn "return 200 \"$(https_text enforce 604800 rsa.box.test)\""
}

zone() {
    local d
    postfix_zone
    for d in enforce wild testing none mismatch testbad noid two 404 500 redirect html notype big long \
        slow syntax nomx mode version empty v6only alias1 alias2 dual dupes dots certexp certself \
        certname certleaf certcn refused nohost private notxt badrecord nothing servfail; do
        echo "$d.test. MX 10 rsa.box.test."
    done
    echo 'some.test. MX 10 rsa.box.test.'
    echo 'some.test. MX 20 ecdsa.box.test.'
    echo 'badcert.test. MX 10 selfsigned.box.test.'
    echo 'plain.test. MX 10 notls.box.test.'
    echo 'null.test. MX 0 .'
    echo '_mta-sts.null.test. TXT "v=STSv1; id=1"'
    for d in enforce wild testing none mismatch some badcert plain testbad 404 500 redirect html notype \
        big long slow syntax nomx mode version empty v6only alias1 alias2 dual dupes dots certexp \
        certself certname certleaf certcn refused nohost private; do
        echo "_mta-sts.$d.test. TXT \"v=STSv1; id=20260101$d\""
    done
    for d in enforce wild testing none mismatch some badcert plain testbad noid two notxt 404 500 redirect \
        html notype big long syntax nomx mode version empty dual dupes dots certexp certself certname \
        certleaf certcn; do
        echo "mta-sts.$d.test. A 192.0.2.80"
    done
    echo 'mta-sts.dual.test. AAAA 2001:db8::80'
    echo 'mta-sts.v6only.test. AAAA 2001:db8::80'
    echo 'mta-sts.slow.test. A 192.0.2.81'
    echo 'mta-sts.alias1.test. CNAME provider.box.test.'
    echo 'mta-sts.alias2.test. CNAME provider.box.test.'
    echo 'provider.box.test. A 192.0.2.80'
    for d in {1..12}; do
        echo "crowd$d.test. MX 10 rsa.box.test."
        echo "_mta-sts.crowd$d.test. TXT \"v=STSv1; id=1\""
        echo "mta-sts.crowd$d.test. CNAME crowd.box.test."
    done
    echo 'crowd.box.test. A 192.0.2.83'
    echo 'mta-sts.refused.test. A 192.0.2.82'
    echo 'mta-sts.private.test. A 10.0.0.1'
    echo 'mta-sts.private.test. A 127.0.0.1'
    echo '_mta-sts.noid.test. TXT "v=STSv1;"'
    echo '_mta-sts.two.test. TXT "v=STSv1; id=1"'
    echo '_mta-sts.two.test. TXT "v=STSv1; id=2"'
    echo '_mta-sts.badrecord.test. TXT "v=STSV1; id=1"'
    # split into two strings, beside another text
    echo '_smtp._tls.enforce.test. TXT "v=TLSRPTv1; rua=mailto:tls" "@enforce.test,https://r.test/x"'
    echo '_smtp._tls.enforce.test. TXT "something else"'
    echo '_smtp._tls.wild.test. TXT "v=TLSRPTv1; rua=nobody"'
    echo 'box.test. CAA 0 issue "ca.test"'
    echo 'box.test. CAA 128 iodef "mailto:x@box.test"'
    echo 'ecdsa.box.test. CAA 0 issue ";"'
}

setup() {
    ROOTS=(--ca-file "$CERTS/root.crt")
}

# verdict STATUS VERDICT DOMAIN: of a probe of this domain
verdict() {
    probe "$1" "${ROOTS[@]}" "$3"
    same "$3 $(q .summary.verdict)" "$3 $2"
}

# sts DOMAIN STATUS RESULT_TYPE [REASON]: what its record says about a policy that cannot be had
sts() {
    probe 0 "${ROOTS[@]}" "$1"
    same "$1 $(q '.mta_sts | [.policy_status, .result_type, .mode] | join(" ")')" "$1 $2 $3 unknown"
    if [[ $(q .mta_sts.reason) != *"$4"* ]]; then assert_fail "$1: no reason: $4" "$(q .mta_sts.reason)"; fi
    # it is said, but senders that have no policy deliver (RFC 8461 s3)
    same "$1 $(q .summary.verdict)" "$1 pkix"
    q '.summary.reasons | join("\n")' | grep -qF "MTA-STS: $2: " || assert_fail "not said" "$output"
}

@test "a policy in mode enforce that every MX host satisfies: mta-sts-enforce (RFC 8461 s4)" {
    verdict 0 mta-sts-enforce enforce.test
    same "$(q '.mta_sts | .record, .id, .policy_status, .mode, .max_age, (.mx | join(" "))')" \
        $'v=STSv1; id=20260101enforce\n20260101enforce\nvalid\nenforce\n604800\nrsa.box.test'
    same "$(q '.mta_sts | .policy_host, .ip, .http_status, .content_type, .cached, .reason, .result_type' | xargs)" \
        "mta-sts.enforce.test 192.0.2.80 200 text/plain false null null"
    same "$(q '.mta_sts | (.expires | fromdate) - (.fetched | fromdate)')" 604800
    same "$(q '.exchanges[0].sts_match')" true
    same "$(q '.mta_sts.certificate_expires | fromdate')" \
        "$(date -d "$(openssl x509 -in "$SITES/good.crt" -noout -enddate | cut -d= -f2)" +%s)"
    verdict 0 mta-sts-enforce wild.test
    run -0 "$MXTLS" probe --require mta-sts-enforce "${ROOTS[@]}" enforce.test
    has "enforce.test: mta-sts-enforce"
    run -2 "$MXTLS" probe --require dane "${ROOTS[@]}" enforce.test
}

@test "the request is a plain GET of the well-known file, with SNI (RFC 8461 s3.3)" {
    probe 0 "${ROOTS[@]}" enforce.test
    grep -qE '^mta-sts.enforce.test GET /.well-known/mta-sts.txt 200 "mxtls/[0-9.]+" mta-sts.enforce.test$' \
        "$BOX/nginx/access.log" || assert_fail "not in the log" "$(cat "$BOX/nginx/access.log")"
}

@test "mode testing and mode none are a note, never a verdict (DECISIONS 15)" {
    verdict 0 pkix testing.test
    same "$(q .mta_sts.mode)" testing
    run -0 "$MXTLS" probe "${ROOTS[@]}" testing.test
    has "the mode is testing: senders deliver whatever they find"
    verdict 0 pkix none.test
    same "$(q '.mta_sts.mode, .exchanges[0].sts_match' | xargs)" "none null"
    verdict 0 pkix testbad.test
    same "$(q '.mta_sts | .unmatched_mx[0], .result_type' | xargs)" "rsa.box.test x-sts-mx-mismatch"
    run -0 "$MXTLS" probe "${ROOTS[@]}" testbad.test
    has "with enforce, senders would deliver nowhere"
}

@test "enforce, and no MX host that a sender could use: broken (DECISIONS 15)" {
    verdict 2 broken mismatch.test
    same "$(q '.mta_sts | .unmatched_mx[0], .result_type' | xargs)" "rsa.box.test x-sts-mx-mismatch"
    same "$(q '.exchanges[0].sts_match')" false
    verdict 2 broken badcert.test
    verdict 2 broken plain.test
    run -2 "$MXTLS" probe "${ROOTS[@]}" mismatch.test
    has "rsa.box.test: the MTA-STS policy does not name this host"
    run -2 "$MXTLS" probe --nagios "${ROOTS[@]}" mismatch.test
    has "CRITICAL"
}

@test "enforce, and some MX hosts that a sender cannot use: broken-some" {
    verdict 1 broken-some some.test
    same "$(q '[.exchanges[] | "\(.name) \(.sts_match)"] | join(", ")')" \
        "rsa.box.test true, ecdsa.box.test false"
}

@test "no record, no policy: the policy host is not asked (RFC 8461 s3.1)" {
    probe 0 "${ROOTS[@]}" notxt.test
    same "$(q '.mta_sts | .policy_status, .record, .mode' | xargs)" "none null unknown"
    same "$(q .summary.verdict)" pkix
    same "$(https_asked mta-sts.notxt.test)" 0
}

@test "records that do not count: without id, two of them, misspelt (RFC 8461 s3.1)" {
    sts noid.test record-invalid sts-policy-invalid "it has no id"
    sts two.test record-invalid sts-policy-invalid "there are 2 records"
    sts badrecord.test record-invalid sts-policy-invalid "does not begin with"
    same "$(https_asked 'mta-sts.(noid|two|badrecord).test')" 0
}

@test "only a reply 200 counts, and no redirect is followed (RFC 8461 s3.3)" {
    local before
    before=$(https_asked mta-sts.enforce.test)
    sts 404.test fetch-error sts-policy-fetch-error "status 404"
    sts 500.test fetch-error sts-policy-fetch-error "status 503"
    sts redirect.test fetch-error sts-policy-fetch-error \
        "redirect to https://mta-sts.enforce.test/.well-known/mta-sts.txt, which senders must not follow"
    same "$(q .mta_sts.http_status)" 301
    same "$(https_asked mta-sts.enforce.test)" "$before"
}

@test "the media type is text/plain (RFC 8461 s3.2)" {
    sts html.test policy-invalid sts-policy-invalid "the media type is text/html"
    sts notype.test policy-invalid sts-policy-invalid "no media type"
}

@test "a policy has at most 64 KiB (RFC 8461 s3.3)" {
    sts big.test fetch-error sts-policy-fetch-error "longer than 65536 bytes"
    verdict 0 mta-sts-enforce long.test
}

@test "a policy host that never answers holds up nobody for longer than its time" {
    local begun=$SECONDS
    probe 0 "${ROOTS[@]}" --deadline 2s slow.test
    same "$(q '.mta_sts | .policy_status, .reason')" $'fetch-error\nno complete answer in time'
    same "$(q .summary.verdict)" pkix
    ((SECONDS - begun < 10)) || assert_fail "too slow" "$((SECONDS - begun)) s"
}

@test "Ctrl-C while a policy is fetched: the end is near, and nothing hangs" {
    local begun=$SECONDS
    # --foreground: else timeout sends SIGCONT, too, and if that meets the end of a process under
    # LeakSanitizer, it takes away the SIGSTOP by which the leaks are looked for, and both wait for ever
    run -130 timeout --foreground --preserve-status -k 20 -s INT 1 "$MXTLS" probe "${ROOTS[@]}" slow.test
    ((SECONDS - begun < 8)) || assert_fail "too slow" "$((SECONDS - begun)) s"
    has "interrupted"
}

@test "policies that are none (RFC 8461 s3.2)" {
    sts syntax.test policy-invalid sts-policy-invalid 'line 2: expected "key: value"'
    sts nomx.test policy-invalid sts-policy-invalid 'no "mx:" line'
    sts mode.test policy-invalid sts-policy-invalid 'line 2: the mode must be'
    sts version.test policy-invalid sts-policy-invalid 'line 1: the version must be STSv1'
    sts empty.test policy-invalid sts-policy-invalid 'it is empty'
    sts dots.test policy-invalid sts-policy-invalid 'without a dot at the end'
}

@test "what the RFC tells senders to overlook is overlooked, and told" {
    verdict 0 mta-sts-enforce dupes.test
    same "$(q .mta_sts.max_age)" 31557600
    same "$(q '.mta_sts.findings | length')" 2
    run -0 "$MXTLS" probe "${ROOTS[@]}" dupes.test
    has "mode is there twice: only the first counts"
    has "max_age is above the maximum"
}

@test "the certificate of the policy host: trusted, in time, and of its name by a SAN (RFC 8461 s3.3)" {
    sts certexp.test webpki-invalid sts-webpki-invalid "expired"
    sts certself.test webpki-invalid sts-webpki-invalid "self"
    sts certname.test webpki-invalid sts-webpki-invalid "mta-sts.certname.test"
    sts certleaf.test webpki-invalid sts-webpki-invalid "issuer"
    sts certcn.test webpki-invalid sts-webpki-invalid "subject"
    # and with the system's certificates, that do not know our root
    probe 1 enforce.test
    same "$(q '.mta_sts | .policy_status, .result_type' | xargs)" "webpki-invalid sts-webpki-invalid"
    mkdir "$BATS_TEST_TMPDIR/ca"
    cp "$CERTS/root.crt" "$BATS_TEST_TMPDIR/ca/"
    openssl rehash "$BATS_TEST_TMPDIR/ca"
    probe 0 --ca-dir "$BATS_TEST_TMPDIR/ca" enforce.test
    same "$(q .summary.verdict)" mta-sts-enforce
}

@test "policy hosts that cannot be reached" {
    sts refused.test fetch-error sts-policy-fetch-error "connection refused"
    sts nohost.test fetch-error sts-policy-fetch-error "mta-sts.nohost.test does not exist"
}

@test "private addresses of policy hosts are refused, unless asked for (DECISIONS 9)" {
    sts private.test fetch-error sts-policy-fetch-error "private addresses, which are refused"
    probe 0 "${ROOTS[@]}" --allow-private --deadline 10s private.test
    has_not "are refused"
    same "$(q .mta_sts.policy_status)" fetch-error
}

@test "both families, one of them, and the one that -4 or -6 leaves" {
    verdict 0 mta-sts-enforce v6only.test
    same "$(q .mta_sts.ip)" 2001:db8::80
    probe 0 "${ROOTS[@]}" -4 v6only.test
    same "$(q .mta_sts.reason)" "mta-sts.v6only.test has no address"
    probe 0 "${ROOTS[@]}" -6 dual.test
    same "$(q '.summary.verdict, .mta_sts.ip' | xargs)" "mta-sts-enforce 2001:db8::80"
}

@test "neither a proxy nor .netrc nor the environment has a say (DECISIONS 6)" {
    export https_proxy=http://192.0.2.82:8080 HTTPS_PROXY=http://192.0.2.82:8080 \
        ALL_PROXY=http://192.0.2.82:8080 SSL_CERT_FILE=/dev/null CURL_CA_BUNDLE=/dev/null \
        SSLKEYLOGFILE=$BATS_TEST_TMPDIR/keys
    echo 'machine mta-sts.enforce.test login a password b' > "$HOME/.netrc"
    verdict 0 mta-sts-enforce enforce.test
    [ ! -e "$BATS_TEST_TMPDIR/keys" ]
}

@test "the resolver of --resolver is asked, for the policy host as well" {
    local saved
    saved=$(cat /etc/resolv.conf)
    echo 'nameserver 192.0.2.99' > /etc/resolv.conf
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" --resolver 192.0.2.53 enforce.test
    echo "$saved" > /etc/resolv.conf
    same "$(q .summary.verdict)" mta-sts-enforce
}

@test "a policy is fetched once in a run, however often its domain is asked about" {
    local before
    before=$(https_asked mta-sts.enforce.test)
    printf '%s\n' enforce.test enforce.test ENFORCE.test. enforce.test alias1.test alias2.test > "$BATS_TEST_TMPDIR/list"
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" -f "$BATS_TEST_TMPDIR/list"
    same "$(jq -r .summary.verdict <<< "$output" | sort | uniq -c | xargs)" "6 mta-sts-enforce"
    same "$(https_asked mta-sts.enforce.test)" $((before + 1))
}

@test "--exclude keeps a survey away from policy hosts, by address and by what they are an alias of" {
    local before
    before=$(grep -c . "$BOX/nginx/access.log")
    printf '%s\n' enforce.test alias1.test v6only.test > "$BATS_TEST_TMPDIR/list"
    echo '192.0.2.80/32' > "$BATS_TEST_TMPDIR/exclude"
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" -f "$BATS_TEST_TMPDIR/list" \
        --exclude "$BATS_TEST_TMPDIR/exclude"
    same "$(jq -r 'select(.type == "domain") | "\(.domain) \(.mta_sts.reason) \(.summary.verdict)"' <<< "$output" | sort)" \
        $'alias1.test mta-sts.alias1.test is excluded pkix\nenforce.test mta-sts.enforce.test is excluded pkix\nv6only.test null mta-sts-enforce'
    same "$(grep -c . "$BOX/nginx/access.log")" $((before + 1))
    echo provider.box.test > "$BATS_TEST_TMPDIR/exclude"
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" -f "$BATS_TEST_TMPDIR/list" \
        --exclude "$BATS_TEST_TMPDIR/exclude"
    same "$(jq -r 'select(.type == "domain") | "\(.domain) \(.summary.verdict)"' <<< "$output" | sort)" \
        $'alias1.test pkix\nenforce.test mta-sts-enforce\nv6only.test mta-sts-enforce'
}

# bats test_tags=fibers
@test "--workers: the same verdicts, and each policy is fetched once by all of them together" {
    local before what='select(.type == "domain") | "\(.domain) \(.summary.verdict) \(.mta_sts.state?) \(.mta_sts.reason?)"'
    cd "$BATS_TEST_TMPDIR"
    printf '%s.test\n' enforce wild mismatch some badcert alias1 alias2 nomx html null refused > names
    run -0 "$MXTLS" probe --json "${ROOTS[@]}" -f names -o alone.ndjson
    cat names names names > list
    before=$(https_asked mta-sts.enforce.test)
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" -f list -o out.ndjson --workers 3
    same "$(https_asked mta-sts.enforce.test)" $((before + 1))
    run -0 diff <(for _ in 1 2 3; do jq -r "$what" alone.ndjson; done | sort) <(jq -r "$what" out.ndjson | sort)
    same "$(jq -r "$what" out.ndjson | grep -c '^enforce.test mta-sts-enforce ')" 3
}

# bats test_tags=fibers
@test "one policy host, under however many names, sees at most 8 requests at once" {
    run -0 --separate-stderr "$MXTLS" probe --json "${ROOTS[@]}" --deadline 2s crowd{1..12}.test
    same "$(jq -r .mta_sts.reason <<< "$output" | sort | uniq -c | xargs)" \
        "12 no complete answer in time"
    same "$(grep -c '^now' "$(peer_log crowd)")" 12
    same "$(sort -n -k 2 "$(peer_log crowd)" | tail -n 1)" "now 8"
}

@test "TLSRPT records (RFC 8460 s3)" {
    probe 0 "${ROOTS[@]}" enforce.test
    same "$(q '.tlsrpt | .status, (.rua | join(" "))')" \
        $'valid\nmailto:tls@enforce.test https://r.test/x'
    probe 0 "${ROOTS[@]}" wild.test
    same "$(q '.tlsrpt | .status, .record, (.rua | length)')" $'invalid\nv=TLSRPTv1; rua=nobody\n0'
    probe 0 "${ROOTS[@]}" testing.test
    same "$(q '.tlsrpt | .status, .record' | xargs)" "none null"
    run -0 "$MXTLS" probe "${ROOTS[@]}" enforce.test
    matches '^TLSRPT +mailto:tls@enforce.test, https://r.test/x$'
}

@test "--caa asks for the CAA records of the MX hosts, and above them (RFC 8659 s3)" {
    probe 1 "${ROOTS[@]}" --caa some.test
    same "$(q '.exchanges[0].caa | .status, .domain, (.records | sort_by(.tag) | map("\(.flags) \(.tag) \(.value)") | join(", "))')" \
        $'found\nbox.test\n128 iodef mailto:x@box.test, 0 issue ca.test'
    same "$(q '.exchanges[1].caa | .domain, .records[0].value' | xargs)" "ecdsa.box.test ;"
    probe 1 "${ROOTS[@]}" some.test
    same "$(q '.exchanges[0].caa.status')" not_checked
    run -1 "$MXTLS" probe "${ROOTS[@]}" --caa some.test
    matches '^  CAA +of box.test, DNSSEC not checked$'
    matches ' 0 issue "ca.test"$'
}

@test "--no-mta-sts and --no-tlsrpt ask for nothing" {
    local before
    before=$(https_asked mta-sts.enforce.test)
    probe 0 "${ROOTS[@]}" --no-mta-sts --no-tlsrpt enforce.test
    same "$(q '.summary.verdict, .mta_sts.policy_status, .tlsrpt.status' | xargs)" \
        "pkix not_checked not_checked"
    same "$(q '.mta_sts.reason, .tlsrpt.reason')" $'not asked for\nnot asked for'
    same "$(https_asked mta-sts.enforce.test)" "$before"
}

@test "hosts, addresses and domains without mail are not asked about" {
    probe 0 "${ROOTS[@]}" '[rsa.box.test]'
    same "$(q '.mta_sts.policy_status, .tlsrpt.status' | xargs)" "not_checked not_checked"
    probe 0 "${ROOTS[@]}" null.test
    same "$(q '.summary.verdict, .mta_sts.policy_status' | xargs)" "no-mail not_checked"
}

@test "libcurl is not linked, only opened; without it the policy cannot be fetched, and that is said" {
    run -0 readelf -d "$MXTLS"
    has_not curl
    has libssl
    local library
    for library in /usr/lib/*/libcurl*.so.* /lib/*/libcurl*.so.*; do
        if [ -e "$library" ]; then mount --bind /dev/null "$(readlink -f "$library")" || true; fi
    done
    probe 0 "${ROOTS[@]}" enforce.test
    for library in /usr/lib/*/libcurl*.so.* /lib/*/libcurl*.so.*; do
        umount "$(readlink -f "$library")" 2> /dev/null || true
    done
    same "$(q '.mta_sts | .policy_status, .result_type, .reason')" \
        $'fetch-error\nsts-policy-fetch-error\nlibcurl not installed'
    same "$(q .summary.verdict)" pkix
    verdict 0 mta-sts-enforce enforce.test
}

# Delivery by MTA-STS (RFC 8461): policies from a real nginx, records from a real name server, scripted MX hosts, and
# the cache that outlives a run.
load lib/rig
load lib/https
load lib/send

setup_file() {
    certs_make
    message_make
    # shellcheck disable=SC2046 # words
    https_begin $(for d in enforce testing none listed mismatch clear broken some gone verify nosts moved refusing testclear testrefusing testbroken; do echo "mta-sts.$d.test"; done)
    https_policy enforce.test enforce 604800 mx.box.test
    https_policy testing.test testing 604800 mx.box.test
    https_policy none.test none 604800
    https_policy listed.test enforce 604800 other.box.test
    https_policy mismatch.test enforce 604800 wrong.box.test
    https_policy clear.test enforce 604800 clear.box.test
    https_policy broken.test enforce 604800 broken.box.test
    https_policy some.test enforce 604800 mx.box.test
    https_policy gone.test enforce 604800 mx.box.test
    https_policy verify.test enforce 604800 wrong.box.test
    https_policy nosts.test enforce 604800 other.box.test
    https_policy refusing.test enforce 604800 refusing.box.test
    https_policy testclear.test testing 604800 clear.box.test
    https_policy testrefusing.test testing 604800 refusing.box.test
    https_policy testbroken.test testing 604800 broken.box.test
    https_site mta-sts.moved.test good "root $SITES/moved"
    dns_start < <(zone)
    https_start
    mx good 31 'send 220 mx' 'serve ehlo=STARTTLS'
    mx clear 32 'send 220 mx' 'serve ehlo=SIZE 1000000'
    mx refusing 35 'send 220 mx' 'serve ehlo=STARTTLS,starttls=454 4.7.0 no'
    mx broken 33 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    peer_start wrong '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.34:25 \
        --cert "$CERTS/wrongname.pem" 'send 220 mx' 'serve ehlo=STARTTLS'
    {
        echo 'policy verify.test verify'
        echo 'policy nosts.test encrypt sts=no'
        echo 'policy broken.test auto fallback=now'
        echo 'policy testbroken.test auto fallback=now'
        echo 'policy listed.test auto on-fail=bounce'
        echo 'policy moved.test auto on-fail=bounce'
        echo 'policy via.test encrypt via=[clear.box.test]'
    } > "$BATS_FILE_TMPDIR/policy"
}

zone() {
    local d
    for d in enforce testing none listed gone nosts moved; do echo "$d.test. MX 10 mx.box.test."; done
    echo "_mta-sts.moved.test. TXT \"v=STSv1; id=${1:-1};\""
    echo 'mta-sts.moved.test. A 192.0.2.80'
    for d in testing2 norecord; do echo "$d.test. MX 10 clear.box.test."; done
    for d in refusing testclear testrefusing testbroken; do
        echo "$d.test. MX 10 ${d#test}.box.test."
        echo "_mta-sts.$d.test. TXT \"v=STSv1; id=1;\""
        echo "mta-sts.$d.test. A 192.0.2.80"
    done
    echo 'refusing.box.test. A 192.0.2.35'
    echo 'mismatch.test. MX 10 wrong.box.test.'
    echo 'verify.test. MX 10 wrong.box.test.'
    echo 'clear.test. MX 10 clear.box.test.'
    echo 'broken.test. MX 10 broken.box.test.'
    echo 'some.test. MX 10 clear.box.test.'
    echo 'some.test. MX 20 mx.box.test.'
    for d in enforce testing none listed mismatch clear broken some gone verify nosts; do
        echo "_mta-sts.$d.test. TXT \"v=STSv1; id=1;\""
        echo "mta-sts.$d.test. A 192.0.2.80"
    done
    # a record without a policy behind it
    echo 'nopolicy.test. MX 10 clear.box.test.'
    echo '_mta-sts.nopolicy.test. TXT "v=STSv1; id=1;"'
    echo 'mta-sts.nopolicy.test. A 192.0.2.88'
    echo 'mx.box.test. A 192.0.2.31'
    echo 'clear.box.test. A 192.0.2.32'
    echo 'broken.box.test. A 192.0.2.33'
    echo 'wrong.box.test. A 192.0.2.34'
}

sts_send() {
    send "$1" --no-queue --policy "$BATS_FILE_TMPDIR/policy" -f alice@client.box.test "${@:2}"
}

@test "enforce, and a good host: delivered, and said to be MTA-STS (RFC 8461 s5)" {
    sts_send 0 bob@enforce.test
    same "$(r .protection)" sts
    file_has "$(peer_log good)" "sni=mx.box.test"
}

@test "enforce: a host that is not listed is not connected to" {
    local before
    before=$(sessions good)
    send 75 --no-queue -f alice@client.box.test bob@listed.test
    same "$(r .failure)" sts-mx
    same "$(sessions good)" "$before"
}

@test "enforce: no STARTTLS, a failed handshake, a certificate of another name: deferred, whatever fallback says" {
    sts_send 75 bob@clear.test
    same "$(r .failure)" starttls-not-offered
    sts_send 75 bob@broken.test
    same "$(sessions broken)" 1
    sts_send 75 bob@mismatch.test
    same "$(r .failure)" certificate-host-mismatch
    sts_send 75 bob@refusing.test
    same "$(r .failure)" starttls-rejected
    file_has_not "$(peer_log refusing)" "C: MAIL"
    file_has_not "$(peer_log clear)" "C: MAIL"
    file_has_not "$(peer_log wrong)" "C: MAIL"
}

@test "enforce: another host that the policy lists is tried" {
    sts_send 0 bob@some.test
    same "$(r .exchange)" mx.box.test
}

@test "testing and none: as if nothing were published" {
    sts_send 0 bob@testing.test
    same "$(r .protection)" enc
    sts_send 0 bob@none.test
    same "$(r .protection)" enc
    # testing is may in every column (reference 4.5)
    sts_send 0 bob@testclear.test
    same "$(r .protection)" none
    sts_send 0 bob@testrefusing.test
    same "$(r .protection)" none
    sts_send 0 bob@testbroken.test
    same "$(r '.protection, .clear_reason' | xargs)" "none TLS failed on another connection"
}

@test "a record, but no policy to be had and none remembered: as without one (RFC 8461 s3.3)" {
    sts_send 0 bob@nopolicy.test
    same "$(r .protection)" none
}

@test "on-fail=bounce: failed for good by an enforced policy, asked for once more (RFC 8461 s5.1)" {
    sts_send 69 bob@listed.test
    same "$(r '.status, .enhanced' | xargs)" "failed 5.7.5"
}

@test "verify: the policy's names and the level's; sts=no and via= do not ask for it (DECISIONS E30)" {
    sts_send 75 bob@verify.test
    sts_send 0 bob@nosts.test
    same "$(r .protection)" enc
    send 75 --no-queue --policy "$BATS_FILE_TMPDIR/policy" -f alice@client.box.test bob@via.test
    same "$(r .failure)" starttls-not-offered
}

# Policies are remembered for those who see what everybody sees (DECISIONS A7): the root is the system's here.
own_certificates() {
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    mkdir -p "$BATS_TEST_TMPDIR/certs"
    cp "$CERTS/root.crt" "$BATS_TEST_TMPDIR/certs/root.pem"
    openssl rehash "$BATS_TEST_TMPDIR/certs"
    mount --bind "$BATS_TEST_TMPDIR/certs" /etc/ssl/certs # of the box
}

teardown() {
    umount /etc/ssl/certs 2> /dev/null || true
}

# moved PATTERN: the policy of moved.test; "-": it cannot be fetched
moved() {
    rm -rf "$SITES/moved"
    mkdir -p "$SITES/moved/.well-known"
    if [ "$1" != - ]; then
        printf 'version: STSv1\r\nmode: enforce\r\nmx: %s\r\nmax_age: 604800\r\n' "$1" > "$SITES/moved/.well-known/mta-sts.txt"
    fi
}

# A policy of id 1 that names another host is remembered, that of id 2 could not be fetched a moment ago, but can be now:
# it is asked for once more only where the message would fail for good.
old_policy() {
    own_certificates
    moved other.box.test
    dns_change < <(zone 1)
    mxtls_send 75 --json -f alice@client.box.test bob@moved.test
    same "$(r .failure)" sts-mx
    moved -
    dns_change < <(zone 2)
    mxtls_send 75 --json -f alice@client.box.test bob@moved.test
    same "$(r .failure)" sts-mx
}

@test "before on-fail=bounce the policy is asked for once more, and the new one applies (RFC 8461 s5.1, DECISIONS E34)" {
    old_policy
    moved mx.box.test
    # by itself, no new try for five minutes (s3.3)
    mxtls_send 75 --json -f alice@client.box.test bob@moved.test
    same "$(r .failure)" sts-mx
    mxtls_send 0 --json --policy "$BATS_FILE_TMPDIR/policy" -f alice@client.box.test bob@moved.test
    same "$(r '.status, .protection' | xargs)" "delivered sts"
}

@test "before a message expires in the queue the policy is asked for once more; also where its destination is known to be dead (RFC 8461 s5.1)" {
    local q=$BATS_TEST_TMPDIR/queue
    old_policy
    for _ in 1 2; do
        run -0 "$MXTLS" send --delivery queue --queue "$q" -f alice@client.box.test bob@moved.test < "$MESSAGE"
    done
    "$MXTLS" queue run --queue "$q"
    same "$("$MXTLS" queue list --json --queue "$q" | jq -r '.recipients[0].status' | xargs)" "pending pending"
    moved mx.box.test
    # not expired: as it was
    "$MXTLS" queue run --all --queue "$q"
    same "$(find "$q/q" -type f | wc -l)" 2
    before=$(grep -cE '^S[0-9]+ data [0-9]+$' "$(peer_log good)" || true)
    MXTLS_NOW=+30s "$MXTLS" queue run --all --lifetime 1s --queue "$q"
    same "$(find "$q/q" -type f | wc -l)" 0
    sessions good > /dev/null
    same "$(($(grep -cE '^S[0-9]+ data [0-9]+$' "$(peer_log good)") - before))" 2
    # and where it is still the same: expired
    old_policy
    run -0 "$MXTLS" send --delivery queue --queue "$q" -f alice@client.box.test bob@moved.test < "$MESSAGE"
    MXTLS_NOW=+30s "$MXTLS" queue run --all --lifetime 1s --queue "$q"
    same "$("$MXTLS" queue list --json --queue "$q" | jq -r 'select(.sender == "alice@client.box.test") | .id')" ""
}

@test "a policy is remembered: it applies when record and policy host are gone (DECISIONS E34)" {
    # the shared cache is written only by who sees what everybody sees (DECISIONS A7): no --ca-file here
    own_certificates
    mxtls_send 0 --no-queue --json -f alice@client.box.test bob@gone.test
    same "$(r .protection)" sts
    same "$(stat -c %a "$XDG_STATE_HOME/mxtls/sts/gone.test")" 600
    dns_change < <(zone | grep -v sts.gone.test | sed 's/^gone.test. MX.*/gone.test. MX 10 clear.box.test./')
    mxtls_send 75 --no-queue --json -f alice@client.box.test bob@gone.test
    same "$(r .failure)" sts-mx
    # who brings his own certificates reads it all the same
    send 75 --no-queue -f alice@client.box.test bob@gone.test
    same "$(r .failure)" sts-mx
    # and without it, nothing is known
    XDG_STATE_HOME=$BATS_TEST_TMPDIR/empty mxtls_send 0 --no-queue --json -f alice@client.box.test bob@gone.test
    same "$(r .protection)" none
}

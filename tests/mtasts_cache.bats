# MTA-STS policies that outlive their records: the cache that senders use (RFC 8461 s3.3, s5.1, s10.2;
# DECISIONS E34, A7), by a small program that does what a delivery asks for.
load lib/rig
load lib/https

setup_file() {
    certs_make
    # shellcheck disable=SC2046 # words
    https_begin $(for n in {1..9} sub.1; do echo "mta-sts.d$n.test"; done) mta-sts.sub.d1.test
    mkdir -p "$SITES/www/.well-known"
    for n in {1..9}; do https_site "mta-sts.d$n.test" good "root $SITES/www"; done
    https_start
    dns_start < <(zone 1)
}

# zone ID: every domain has a record of this id, or none with ""
zone() {
    local n
    for n in {1..9}; do
        echo "mta-sts.d$n.test. A 192.0.2.80"
        if [ -n "$1" ]; then echo "_mta-sts.d$n.test. TXT \"v=STSv1; id=$1\""; fi
    done
    echo 'mta-sts.sub.d1.test. A 192.0.2.80'
}

setup() {
    PROGRAM=$(dirname "$MXTLS")/tests/programs/mtasts
    CACHE=$BATS_TEST_TMPDIR/sts
    unset MXTLS_NOW
    policy enforce
    if ! grep -q id=1 "$BOX/nsd/root.zone"; then dns_change < <(zone 1); fi
}

# policy MODE: what the policy hosts serve; "-": they have none
policy() {
    local file=$SITES/www/.well-known/mta-sts.txt
    rm -f "$file"
    if [ "$1" != - ]; then
        printf 'version: STSv1\r\nmode: %s\r\nmx: mx.box.test\r\nmax_age: 604800\r\n' "$1" > "$file"
    fi
}

# looks WANT ARG...: what the lookup says, and how often the policy host was asked, as "N requests"
looks() {
    local want=$1 before=0 after status=0
    shift
    before=$(grep -c . "$BOX/nginx/access.log" || true)
    output=$("$PROGRAM" -c "$CACHE" -C "$CERTS/root.crt" "$@") || status=$?
    after=$(grep -c . "$BOX/nginx/access.log" || true)
    same "$output, $((after - before)) requests, $status" "$want"
}

@test "a policy is fetched once, and then comes from the cache while the id stays (RFC 8461 s3.3)" {
    looks 'd1.test valid enforce fetched , 1 requests, 0' d1.test
    same "$(stat -c '%a %n' "$CACHE"/*)" "600 $CACHE/d1.test"
    looks 'd1.test valid enforce cached , 0 requests, 0' d1.test
    looks $'d1.test valid enforce cached \nd1.test valid enforce cached , 0 requests, 0' d1.test d1.test
}

@test "the cached policy applies although its record is gone, until it expires (DECISIONS E34)" {
    looks 'd1.test valid enforce fetched  named, 1 requests, 0' -m mx.box.test d1.test
    dns_change < <(zone "")
    looks 'd1.test valid enforce cached the cached policy applies: there is no record named, 0 requests, 0' \
        -m mx.box.test d1.test
    looks 'd1.test valid enforce cached the cached policy applies: there is no record not named, 0 requests, 0' \
        -m mx.evil.test d1.test
    MXTLS_NOW=+6d looks 'd1.test valid enforce cached the cached policy applies: there is no record, 0 requests, 0' d1.test
    MXTLS_NOW=+7d looks 'd1.test none unknown - , 0 requests, 0' d1.test
}

@test "the cached policy applies although the DNS fails" {
    looks 'd2.test valid enforce fetched , 1 requests, 0' d2.test
    dns_stop
    looks 'd2.test valid enforce cached the cached policy applies: dns-error: _mta-sts.d2.test: no answer: 127.0.0.1:53: Connection refused, 0 requests, 0' d2.test ||
        { dns_start < <(zone 1) && false; }
    dns_start < <(zone 1)
}

@test "a new id is a new policy; mode none replaces the old one at once (RFC 8461 s3.3, s8.3)" {
    looks 'd3.test valid enforce fetched , 1 requests, 0' d3.test
    policy none
    looks 'd3.test valid enforce cached , 0 requests, 0' d3.test
    dns_change < <(zone 2)
    looks 'd3.test valid none fetched , 1 requests, 0' d3.test
    dns_change < <(zone "")
    looks 'd3.test valid none cached the cached policy applies: there is no record, 0 requests, 0' d3.test
}

@test "a new id without a policy to be had: the old policy applies; 5 minutes until the next try, then longer" {
    looks 'd4.test valid enforce fetched , 1 requests, 0' d4.test
    policy -
    dns_change < <(zone 2)
    local why='the cached policy applies: fetch-error: mta-sts.d4.test answers with status 404 to /.well-known/mta-sts.txt'
    looks "d4.test valid enforce cached $why, 1 requests, 0" d4.test
    looks "d4.test valid enforce cached $why, 0 requests, 0" d4.test
    MXTLS_NOW=+4m looks "d4.test valid enforce cached $why, 0 requests, 0" d4.test
    MXTLS_NOW=+6m looks "d4.test valid enforce cached $why, 1 requests, 0" d4.test
    MXTLS_NOW=+12m looks "d4.test valid enforce cached $why, 0 requests, 0" d4.test
    MXTLS_NOW=+17m looks "d4.test valid enforce cached $why, 1 requests, 0" d4.test
    # asked anew, before mail is returned (RFC 8461 s5.1)
    MXTLS_NOW=+18m looks "d4.test valid enforce cached $why, 1 requests, 0" -a d4.test
    policy testing
    MXTLS_NOW=+19m looks "d4.test valid testing fetched , 1 requests, 0" -a d4.test
}

@test "a first contact whose fetch fails has no policy, and is not asked again for 5 minutes" {
    policy -
    local why='mta-sts.d5.test answers with status 404 to /.well-known/mta-sts.txt'
    looks "d5.test fetch-error unknown - $why, 1 requests, 0" d5.test
    looks "d5.test fetch-error unknown - $why, 0 requests, 0" d5.test
    looks $'d5.test fetch-error unknown - '"$why"$'\nd5.test fetch-error unknown - '"$why, 0 requests, 0" d5.test d5.test
    # another id is another matter
    dns_change < <(zone 2)
    looks "d5.test fetch-error unknown - $why, 1 requests, 0" d5.test
    policy enforce
    MXTLS_NOW=+6m looks "d5.test valid enforce fetched , 1 requests, 0" d5.test
}

@test "a policy is refreshed daily, so that it never expires where it is still served (RFC 8461 s10.2)" {
    looks 'd6.test valid enforce fetched , 1 requests, 0' d6.test
    MXTLS_NOW=+23h looks 'd6.test valid enforce cached , 0 requests, 0' d6.test
    MXTLS_NOW=+25h looks 'd6.test valid enforce fetched , 1 requests, 0' d6.test
    dns_change < <(zone "")
    MXTLS_NOW=+8d looks 'd6.test valid enforce cached the cached policy applies: there is no record, 0 requests, 0' d6.test
}

@test "never the policy of a parent domain (RFC 8461 s3.4)" {
    looks 'd1.test valid enforce fetched , 1 requests, 0' d1.test
    looks 'sub.d1.test none unknown - , 0 requests, 0' sub.d1.test
}

@test "who may only read the cache writes nothing (DECISIONS A7)" {
    looks 'd7.test valid enforce fetched , 1 requests, 0' -r d7.test
    [ ! -e "$CACHE" ]
    looks 'd7.test valid enforce fetched , 1 requests, 0' d7.test
    local before
    before=$(stat -c '%i %Y' "$CACHE/d7.test")
    dns_change < <(zone 2)
    looks 'd7.test valid enforce fetched , 1 requests, 0' -r d7.test
    same "$(stat -c '%i %Y' "$CACHE/d7.test")" "$before"
}

@test "a cache that cannot be read: a sender defers, unless the policy can be fetched" {
    looks 'd8.test valid enforce fetched , 1 requests, 0' d8.test
    sed -i s/enforce/testing/ "$CACHE/d8.test"
    looks 'd8.test valid enforce fetched , 1 requests, 0' d8.test
    sed -i s/enforce/testing/ "$CACHE/d8.test"
    dns_change < <(zone "")
    looks "d8.test failed storage $CACHE/d8.test: damaged: the checksum does not fit, 0 requests, 75" d8.test
}

@test "a policy that cannot be stored applies all the same" {
    mkdir "$CACHE"
    mount -t tmpfs -o size=4k,nr_inodes=1 full "$CACHE"
    chmod 700 "$CACHE"
    run -0 --separate-stderr "$PROGRAM" -c "$CACHE" -C "$CERTS/root.crt" d9.test
    umount "$CACHE"
    same "$output" 'd9.test valid enforce fetched '
    # shellcheck disable=SC2154 # stderr is set by run
    [[ $stderr == *"cannot write $CACHE/d9.test: No space left on device"* ]] || assert_fail "not said" "$stderr"
}

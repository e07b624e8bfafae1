# sticky=yes: what was seen of a domain once is not given up without an alarm.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/queue

setup_file() {
    certs_make
    message_make
    queue_zone | dns_start
}

# What is seen is remembered by those who see what everybody sees (DECISIONS A7): the root is the system's here.
setup() {
    queue_new
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    mkdir -p "$BATS_TEST_TMPDIR/certs"
    cp "$CERTS/root.crt" "$BATS_TEST_TMPDIR/certs/root.pem"
    openssl rehash "$BATS_TEST_TMPDIR/certs"
    mount --bind "$BATS_TEST_TMPDIR/certs" /etc/ssl/certs # of the box
    POLICY=$BATS_TEST_TMPDIR/policy
    printf 'default may fallback=now sticky=yes\n' > "$POLICY"
    LOG=$BATS_TEST_TMPDIR/log
    MARK=$XDG_STATE_HOME/mxtls/sticky
}

teardown() {
    umount /etc/ssl/certs 2> /dev/null || true
}

# sent STATUS DOMAIN OPTION...
sent() {
    local want=$1 to=$2
    shift 2
    mxtls_send "$want" --json --log "$LOG" --policy "$POLICY" "$@" -f alice@client.test "bob@$to"
}

explained() {
    run "$MXTLS" policy explain --policy "$POLICY" "$@" bob@d30.test
}

@test "sticky: a domain that had a trusted certificate gets nothing in clear, nor under another name, until it is forgotten" {
    mx good 30 'send 220 mx' 'serve ehlo=STARTTLS'
    explained
    has "seen before (sticky): nothing"
    [ ! -e "$MARK/d30.test" ] # asking is not sending
    sent 0 d30.test
    same "$(r .protection)" enc
    same "$(cut -d' ' -f1-4 "$MARK/d30.test")" "mxtls-sticky 1 d30.test certificate"
    same "$(stat -c '%a' "$MARK/d30.test" "$MARK" | xargs)" "600 700"
    explained
    has "seen before (sticky): a trusted certificate, since 20"
    has "a trusted certificate for h30.box.test"
    explained --json
    same "$(jq -r .sticky <<< "$output")" certificate
    sent 0 d30.test
    peer_stop good
    # STARTTLS taken out, refused, broken; a certificate for another name; a rule that would lower
    printf 'default may fallback=now sticky=yes\npolicy mx:*.box.test none lower=yes\n' > "$POLICY.lower"
    local how
    for how in 'ehlo=SIZE 1000000' 'ehlo=STARTTLS,starttls=454 4.7.0 no'; do
        mx clear 30 'send 220 mx' "serve $how"
        : > "$LOG"
        sent 75 d30.test
        same "$(taken clear)" 0
        file_has "$LOG" "ALARM: d30.test offers less than it did (certificate was seen): h30.box.test: "
        file_has "$LOG" "mxtls policy forget d30.test"
        POLICY=$POLICY.lower sent 75 d30.test
        same "$(taken clear)" 0
        peer_stop clear
    done
    peer_start wrong '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.30:25 --cert "$CERTS/wrongname.pem" \
        'send 220 mx' 'serve ehlo=STARTTLS'
    sent 75 d30.test
    same "$(taken wrong)" 0
    # the message says that it need not be TLS (RFC 8689 s5)
    { echo 'TLS-Required: No' && cat "$MESSAGE"; } > "$BATS_TEST_TMPDIR/no"
    MESSAGE=$BATS_TEST_TMPDIR/no sent 0 d30.test
    # and where it is not asked for, nothing is held against it
    printf 'default may fallback=now\n' > "$POLICY.off"
    POLICY=$POLICY.off sent 0 d30.test
    run -0 "$MXTLS" policy forget d30.test
    has "d30.test: what was seen of it forgotten"
    sent 0 d30.test
    # only TLS this time; a better one later is remembered, a worse one does not take that back
    same "$(cut -d' ' -f4 "$MARK/d30.test")" tls
    peer_stop wrong
}

@test "sticky: what is remembered cannot be read: deferred, never in clear; the store has a bound" {
    mx fine 31 'send 220 mx' 'serve ehlo=STARTTLS'
    sent 0 d31.test
    echo garbage > "$MARK/d31.test"
    sent 75 d31.test
    same "$(r .failure)" sticky-lookup
    file_has "$LOG" "$MARK/d31.test: damaged"
    run -0 "$MXTLS" policy forget d31.test
    sent 0 d31.test
    chmod 777 "$MARK"
    sent 75 d31.test
    chmod 700 "$MARK"
    # who brings his own view reads it, and writes nothing
    run -0 "$MXTLS" policy forget d31.test
    sent 0 d31.test --ca-file "$CERTS/root.crt"
    [ ! -e "$MARK/d31.test" ]
    # nowhere to remember it: the rule cannot be followed
    run -75 --separate-stderr env -u HOME -u XDG_STATE_HOME "$MXTLS" send --no-queue --json --policy "$POLICY" -f alice@client.test \
        bob@d31.test < "$MESSAGE"
    same "$(r .failure)" sticky-lookup
}

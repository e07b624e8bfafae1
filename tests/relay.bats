# The relay: application servers -> mxtls listen --relay-from --deliver queue -> mxtls queue run -> their MX hosts.
load lib/rig
load lib/listen
load lib/send
load lib/queue

setup_file() {
    certs_make
    {
        queue_zone
        echo 'ok.test. MX 10 h37.box.test.'
    } | dns_start
    # what a README reader writes: groups of domains, each with its TLS
    cat > "$BATS_FILE_TMPDIR/policy" <<'POLICY'
default may
group partners d30.test d31.test
policy partners verify match=hostname
policy d32.test none
policy ip:203.0.113.7 encrypt
POLICY
}

setup() {
    D=$BATS_TEST_TMPDIR
    queue_new
}

teardown() {
    listen_stop_all
    if [ -n "${RUNNER:-}" ]; then
        kill "$RUNNER" || true
        wait "$RUNNER" || true
    fi
}

relay_start() { # NAME ADDRESS:PORT ARG...
    local name=$1 at=$2
    shift 2
    listen_start "$name" --tls off --hostname relay.box.test --relay-from 192.0.2.0/24 --deliver queue --queue "$Q" \
        --policy "$BATS_FILE_TMPDIR/policy" "$@" "$at"
}

runner_start() {
    "$MXTLS" queue run --loop 1m --queue "$Q" --policy "$BATS_FILE_TMPDIR/policy" --ca-file "$CERTS/root.crt" --timeout 20s \
        --helo relay.box.test 3>&- &
    RUNNER=$!
}

# until nothing is left in the queue
drained() {
    for _ in $(seq 200); do
        [ "$(queued)" = 0 ] && return
        sleep 0.1
    done
    assert_fail "still in the queue" "$("$MXTLS" queue list --queue "$Q")"
}

swaks_to() { # ADDRESS:PORT RECIPIENT...
    local at=$1 to
    shift
    to=$(IFS=,; echo "$*")
    swaks --server "${at%:*}" --port "${at##*:}" --local-interface 192.0.2.1 --ehlo app.box.test --from app@client.test --to "$to" \
        --silent 1 2>&1
}

@test "an application server's mail goes on by the policy of each group of domains, at once" {
    mx partner 30 --spool "$D" 'send 220 mx' 'serve ehlo=STARTTLS'
    mx plain 32 --spool "$D" 'send 220 mx' 'serve ehlo=STARTTLS'
    relay_start relay 192.0.2.60:25
    runner_start
    run -0 swaks_to 192.0.2.60:25 bob@d30.test carl@d32.test
    peer_wait_line partner 'S1 end'
    peer_wait_line plain 'S1 end'
    drained
    same "$(wire partner 1)" "EHLO STARTTLS tls EHLO MAIL RCPT DATA text QUIT"
    same "$(wire plain 1)" "EHLO MAIL RCPT DATA text QUIT"
    # the runner was woken, its own turn is a minute away
    run -0 cat "$D/S1.1"
    matches '^Received: from app.box.test \(\[192.0.2.1\]\)'
    has "by relay.box.test with ESMTP id"
}

@test "a partner without a certificate that holds keeps its mail in the queue" {
    mx fake 31 'send 220 mx' 'serve' # no STARTTLS
    relay_start keep 192.0.2.60:25
    run -0 swaks_to 192.0.2.60:25 bob@d31.test
    queue 0 run --policy "$BATS_FILE_TMPDIR/policy"
    same "$(queued) $(q .recipients[0].status)" "1 pending"
    file_has_not "$(peer_log fake)" "C: MAIL"
}

@test "closed to all but the clients of --relay-from and the domains of --accept; literals only by policy (DECISIONS A9)" {
    relay_start closed 0.0.0.0:2525 --accept ok.test --hostname relay.box.test
    local to
    for to in u@far.test u@ok.test@far.test u%far.test@ok.test 'far.test!u@ok.test' '"u@far.test"@ok.test' @ok.test:u@far.test \
        'u@[192.0.2.60]' u@localhost; do
        dial 127.0.0.1:2525 # comes from 127.0.0.1
        hear 220
        say "EHLO app"
        hear 250
        say "MAIL FROM:<>"
        hear 250
        say "RCPT TO:<$to>"
        hear 5
        hang_up
    done
    run ! swaks_to 192.0.2.60:2525 'u@[203.0.113.8]'
    has "550 5.7.1"
    run ! swaks_to 192.0.2.60:2525 u%far.test@near.test
    has "550 5.7.1"
    run -0 swaks_to 192.0.2.60:2525 'u@[203.0.113.7]'
    dial 127.0.0.1:2525
    local line
    for line in "EHLO app" "MAIL FROM:<>" "RCPT TO:<postmaster>" "RCPT TO:<postmaster@ok.test>" "RCPT TO:<u@ok.test>" "VRFY u"; do
        hear 2
        say "$line"
    done
    hear 252
    same "$(queued)" 1
}

@test "smtplib: DSN parameters, SMTPUTF8 and 8BITMIME arrive as they were given (RFC 3461, RFC 6531)" {
    mx dsn 33 --spool "$D" 'send 220 mx' 'serve ehlo=DSN;SMTPUTF8;8BITMIME'
    relay_start params 192.0.2.60:25
    run -0 python3 - <<'PYTHON'
import smtplib
s = smtplib.SMTP("192.0.2.60", 25, "app.box.test", 20, source_address=("192.0.2.1", 0))
s.ehlo()
assert s.has_extn("dsn") and not s.has_extn("requiretls")
text = "Subject: ü\r\n\r\nü\r\n".encode()
s.sendmail("ä@client.test", ["ö@d33.test", "v@d33.test"], text, ["BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=x+2By"],
           ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;o@d33.test"])
s.quit()
PYTHON
    same "$output" ""
    queue 0 run
    run -0 grep ' C: ' "$(peer_log dsn)"
    matches 'MAIL FROM:<.xc3.xa4@client.test> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x\+2By'
    matches 'RCPT TO:<.xc3.xb6@d33.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@d33.test'
    # its client left them out: they are added (DECISIONS F43)
    run -0 cat "$D/S1.1"
    matches '^Date: .* \+0000'
    matches '^Message-ID: <[0-9a-z]{16}@relay.box.test>'
    has "Subject: ü"
}

@test "a UTF-8 header that came by SMTPUTF8 does not go to a server without it (RFC 6531 s3.2)" {
    mx old 34 'send 220 mx' 'serve'
    mx home 69 'send 220 mx' 'serve'
    relay_start utf8 192.0.2.60:25
    run -0 python3 - <<'PYTHON'
import smtplib
s = smtplib.SMTP("192.0.2.60", 25, "app.box.test", 20, source_address=("192.0.2.1", 0))
s.ehlo()
s.sendmail("a@client.test", ["o@d34.test"], "Subject: ü\r\n\r\nx\r\n".encode(), ["SMTPUTF8"])
s.sendmail("a@client.test", ["p@d34.test"], b"Subject: x\r\n\r\nx\r\n", ["SMTPUTF8"])
s.quit()
PYTHON
    queue 0 run
    same "$(rcpts old) $(taken old)" "p@d34.test 1"
    same "$(rcpts home)" a@client.test
}

@test "smtp-source, Postfix's client: every message arrives once, in the runner's own time" {
    mx many 35 'send 220 mx' 'serve'
    relay_start bulk 192.0.2.60:25
    runner_start
    run -0 postfix_run smtp-source -s 5 -m 200 -l 1000 -f a@client.test -t b@d35.test inet:192.0.2.60:25
    drained
    same "$(taken many)" 200
}

@test "Postfix itself hands its mail over and gets the DSN words through (RFC 3461 s4)" {
    mx fromfix 36 --spool "$D" 'send 220 mx' 'serve ehlo=DSN'
    relay_start frompostfix 192.0.2.60:25
    POSTFIX_EXTRA='relayhost = [192.0.2.60]:25
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
mynetworks = 192.0.2.0/24
smtp_bind_address = 192.0.2.1' postfix_start notls
    python3 - <<'PYTHON'
import smtplib
s = smtplib.SMTP("192.0.2.14", 25, "app.box.test", 20, source_address=("192.0.2.1", 0))
s.ehlo()
s.sendmail("a@client.test", ["b@d36.test"], b"Subject: by Postfix\r\n\r\nx\r\n", ["RET=HDRS"], ["NOTIFY=DELAY"])
s.quit()
PYTHON
    peer_wait_line postfix 'to=<b@d36.test>.*status=sent'
    queue 0 run
    same "$(rcpts fromfix) $(taken fromfix)" "b@d36.test 1"
    file_has "$(peer_log fromfix)" "NOTIFY=DELAY"
}

# bats test_tags=fibers
@test "kill -9 of the relay and of its runner, again and again: what got 250 arrives" {
    listen_start there --tls off --accept ok.test --deliver "maildir:$D/there" 192.0.2.37:25
    local round pid
    for round in 1 2 3 4; do
        relay_start "crash$round" 192.0.2.60:25
        runner_start
        "$ROOT/tests/peers/listen_clients.py" 192.0.2.60:25 load 8 "$D/acked$round" --first $((round * 100)) 3>&- > /dev/null 2>&1 &
        pid=$!
        touch "$D/acked$round"
        for _ in $(seq 200); do
            [ "$(grep -c . "$D/acked$round" 2> /dev/null)" -ge 20 ] && break
            sleep 0.1
        done
        kill -KILL "$RUNNER" "$(peer_pid "crash$round")"
        wait "$RUNNER" || true
        RUNNER=
        peer_end "crash$round"
        wait "$pid" || true
    done
    cat "$D"/acked[1-9] > "$D/acked"
    [ "$(wc -l < "$D/acked")" -ge 80 ]
    # children of a killed runner finish what they have in hand: meanwhile their destination is left to them
    for _ in $(seq 20); do
        queue 0 run --all
        [ "$(queued)" = 0 ] && break
        sleep 0.5
    done
    same "$(queued)" 0
    run -0 "$ROOT/tests/peers/listen_clients.py" verify "$D/there" "$D/acked" --twice
    matches '^[0-9]+ acknowledged, [0-9]+ stored, 0 lost'
    same "$(find "$Q/corrupt" -type f | wc -l)" 0
}

# bats test_tags=fibers
@test "no inodes, no room: 4xx, nothing acknowledged is lost, and it recovers without a restart" {
    mkdir "$D/small"
    mount -t tmpfs -o size=1m,nr_inodes=60 small "$D/small"
    head -c 700k /dev/zero > "$D/small/fill"
    Q=$D/small/queue
    relay_start small 192.0.2.60:25 --queue-min-free 0
    "$ROOT/tests/peers/listen_clients.py" 192.0.2.60:25 load 4 "$D/acked" --messages 50 > /dev/null
    # no answer is lost: what was refused got 452, and its session went on
    local acked
    acked=$(wc -l < "$D/acked")
    [ "$acked" -gt 0 ] && [ "$acked" -lt 200 ] || assert_fail "the disk is not full" "$acked"
    same "$(queued)" "$acked"
    same "$(find "$Q/tmp" -type f | wc -l)" 0
    listen_said small 'No space left on device'
    rm "$D/small/fill"
    listen_start later --tls off --accept ok.test --deliver "maildir:$D/later" 192.0.2.38:25
    # the way of ok.test is .37: by another one now
    queue 0 run --all --via '[192.0.2.38]:25'
    same "$(queued)" 0
    run -0 "$ROOT/tests/peers/listen_clients.py" verify "$D/later" "$D/acked"
    has "$acked acknowledged, $acked stored, 0 lost"
    run -0 swaks_to 192.0.2.60:25 u@ok.test
    listen_stop_all
    umount "$D/small"
}

# bats test_tags=fibers
@test "README: the relay for application servers with its policy, as they are written there" {
    mx group 38 --spool "$D" 'send 220 mx' 'serve ehlo=STARTTLS'
    mkdir "$D/bin" "$D/home"
    ln -s "$MXTLS" "$D/bin/mxtls"
    cd "$D" || return
    export PATH=$D/bin:$PATH HOME=$D/home
    readme_commands "A policy file names groups" > policy
    run -0 mxtls policy check --policy policy
    local -a commands
    mapfile -t commands < <(readme_commands "A relay for application servers")
    same "${#commands[@]}" 2
    peer_start listens '^listening on ' bash -c "exec ${commands[0]}"
    bash -c "exec ${commands[1]}" 3>&- &
    RUNNER=$!
    run -0 swaks_to 192.0.2.1:2525 bob@d38.test
    peer_wait_line group 'S1 end'
    same "$(wire group 1)" "EHLO STARTTLS tls EHLO MAIL RCPT DATA text QUIT"
    peer_stop listens
    same "$PEER_STATUS" 0
}

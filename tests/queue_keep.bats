# Several messages over one connection, and what never shares one (RFC 5321 s4.1.4, RFC 9422).
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/queue

setup_file() {
    certs_make
    message_make
    queue_zone | dns_start
}

setup() {
    queue_new
    POLICY=$BATS_TEST_TMPDIR/policy
    export POLICY
    echo 'default may concurrency=1' > "$POLICY"
}

# put_some DOMAIN N: messages to u1@ ... uN@.
put_some() {
    local nr
    for nr in $(seq "$2"); do put "u$nr@$1"; done
}

# A run with the policy of the test; it must leave so many messages in the queue.
run_keeps() {
    local left=$1
    shift
    queue 0 run --policy "$POLICY" "$@"
    same "$(queued)" "$left"
}

# commands NAME: of all sessions, in order, with "|" between them.
commands() {
    local nr
    for nr in $(seq "$(sessions "$1")"); do
        if ((nr > 1)); then echo '|'; fi
        wire "$1" "$nr"
    done | xargs
}

MAIL='MAIL RCPT DATA text'

@test "messages for one destination go over one connection, with nothing between them (RFC 5321 s4.1.4)" {
    mx one 30 'send 220 mx' 'serve'
    put_some d30.test 5
    run_keeps 0
    same "$(commands one)" "EHLO $MAIL $MAIL $MAIL $MAIL $MAIL QUIT"
    same "$(rcpts one)" "$(printf 'u%d@d30.test\n' 1 2 3 4 5 | xargs)"
    same "$(journals)" 0
}

# bats test_tags=fibers
@test "without a bound ten connections at most carry any number of messages" {
    mx many 31 'send 220 mx' 'serve'
    put_some d31.test 40
    echo 'default may' > "$POLICY"
    run_keeps 0
    same "$(taken many)" 40
    (($(sessions many) <= 10))
    same "$(rcpts many | tr ' ' '\n' | sort -u | wc -l)" 40
}

@test "over TLS: one handshake, and every message tells it in the log" {
    mx tls 32 'send 220 mx' 'serve ehlo=STARTTLS'
    put_some d32.test 3
    echo 'default encrypt concurrency=1' > "$POLICY"
    run_keeps 0 --log "$BATS_TEST_TMPDIR/log"
    same "$(commands tls)" "EHLO STARTTLS tls EHLO $MAIL $MAIL $MAIL QUIT"
    same "$(grep -c 'proto=TLSv1.3' "$BATS_TEST_TMPDIR/log")" 3
}

@test "a server that closes behind a message: the next one goes over a new connection, at once" {
    mx leaves 33 'send 220 mx' 'serve leave=2'
    put_some d33.test 5
    run_keeps 0
    same "$(commands leaves)" "EHLO $MAIL $MAIL | EHLO $MAIL $MAIL | EHLO $MAIL QUIT"
    same "$(rcpts leaves)" "$(printf 'u%d@d33.test\n' 1 2 3 4 5 | xargs)"
}

@test "421, 451 or 554 to a second MAIL say nothing about that message (RFC 5321 s3.8)" {
    local reply
    for reply in '421 4.7.0 one at a time' '451 4.7.0 too many messages' '554 5.7.0 too many messages' cut; do
        mx limits 34 'send 220 mx' "serve mails=1,mails-reply=$reply"
        put_some d34.test 3
        run_keeps 0
        same "$(taken limits)" 3
        same "$(sessions limits)" 3
        peer_stop limits
    done
}

@test "a connection that breaks in the middle of a second message: again over a new one, once" {
    mx breaks 35 'send 220 mx' 'ehlo' 'expect MAIL' 'send 250 ok' 'expect RCPT' 'send 250 ok' 'expect DATA' \
        'send 354 go' 'data' 'send 250 taken' 'expect MAIL' 'send 250 ok' 'expect RCPT' 'send 250 ok' \
        'expect DATA' 'cut' 'session' 'send 220 mx' 'serve'
    put_some d35.test 3
    run_keeps 0
    same "$(commands breaks)" "EHLO $MAIL MAIL RCPT DATA | EHLO $MAIL $MAIL QUIT"
}

@test "no answer to the final dot of a second message: kept, and not sent twice in this run (RFC 1047)" {
    mx silent 36 'send 220 mx' 'ehlo' 'expect MAIL' 'send 250 ok' 'expect RCPT' 'send 250 ok' 'expect DATA' \
        'send 354 go' 'data' 'send 250 taken' 'expect MAIL' 'send 250 ok' 'expect RCPT' 'send 250 ok' \
        'expect DATA' 'send 354 go' 'data' 'cut' 'session' 'send 220 mx' 'serve'
    put_some d36.test 2
    run_keeps 1
    same "$(commands silent)" "EHLO $MAIL $MAIL"
    same "$(q '.recipients[0].recipient')" u2@d36.test
}

@test "RSET only behind a transaction that had no end; an error to it costs a connection, no message" {
    mx rset 37 'send 220 mx' 'serve rcpt:u1=550 5.1.1 no,rcpt:u3=550 5.1.1 no'
    put_some d37.test 4
    run_keeps 2
    same "$(commands rset)" "EHLO MAIL RCPT RSET $MAIL MAIL RCPT RSET $MAIL QUIT"
    mx norset 38 'send 220 mx' 'serve rcpt:u1=550 5.1.1 no,rset=500 5.5.1 no'
    put_some d38.test 2
    run_keeps 3
    same "$(commands norset)" "EHLO MAIL RCPT RSET QUIT | EHLO $MAIL QUIT"
}

@test "LIMITS: MAILMAX ends a connection, RCPTMAX and RCPTDOMAINMAX a transaction (RFC 9422 s4)" {
    mx three 39 'send 220 mx' 'serve ehlo=LIMITS MAILMAX=2 RCPTMAX=3'
    put {a,b,c,d,e,f,g}@d39.test
    put h@d39.test
    run_keeps 0
    same "$(commands three)" \
        "EHLO MAIL RCPT RCPT RCPT DATA text MAIL RCPT RCPT RCPT DATA text QUIT | EHLO $MAIL $MAIL QUIT"
    mx hub 40 'send 220 mx' 'serve ehlo=LIMITS RCPTDOMAINMAX=1'
    echo 'default may via=[192.0.2.40] concurrency=1' > "$POLICY"
    put a@d41.test b@d41.test c@d42.test
    run_keeps 0
    same "$(commands hub)" "EHLO MAIL RCPT RCPT DATA text $MAIL QUIT"
}

@test "452 4.5.3: the rest in a next transaction, and the next message behind it (RFC 5321 s4.5.3.1.10)" {
    mx few 43 'send 220 mx' 'serve max=2'
    put {a,b,c}@d43.test
    put d@d43.test
    run_keeps 0
    same "$(commands few)" "EHLO MAIL RCPT RCPT RCPT DATA text $MAIL $MAIL QUIT"
}

@test "what REQUIRETLS or TLS-Required: No asks for does not share a connection with what does not (RFC 8689)" {
    local i
    mx wishes 44 'send 220 mx' 'serve ehlo=STARTTLS'
    echo 'default may' > "$POLICY"
    for i in 1 2 3; do
        put "u$i@d44.test"
        { echo 'TLS-Required: No' && cat "$MESSAGE"; } > "$BATS_TEST_TMPDIR/no"
        MESSAGE=$BATS_TEST_TMPDIR/no put "no$i@d44.test"
    done
    run_keeps 0
    # each session has recipients of one kind only
    sessions wishes > /dev/null
    same "$(sed -nE 's/^(S[0-9]+) C: RCPT TO:<(u|no).*/\1 \2/p' "$(peer_log wishes)" | sort -u | cut -d' ' -f1 | uniq -d)" ''
    same "$(taken wishes)" 6
}

@test "two rules for one smarthost never share a connection, though both would be satisfied" {
    mx hub2 45 'send 220 mx' 'serve ehlo=STARTTLS'
    printf '%s\n' 'policy d46.test encrypt via=[h45.box.test]' 'policy d47.test verify via=[h45.box.test]' \
        'policy d48.test may via=[h45.box.test] max=TLSv1.2' > "$POLICY"
    for i in 1 2 3; do put "u$i@d46.test" && put "v$i@d47.test" && put "w$i@d48.test"; done
    run_keeps 0
    sessions hub2 > /dev/null
    same "$(sed -nE 's/^(S[0-9]+) C: RCPT TO:<(.).*/\1 \2/p' "$(peer_log hub2)" | sort -u | cut -d' ' -f1 | uniq -d)" ''
    same "$(taken hub2)" 9
}

@test "a certificate that fails the stronger of two rules fails there, whatever the weaker one has open" {
    mx weak 49 'send 220 mx' 'serve ehlo=STARTTLS'
    printf '%s\n' 'policy d50.test encrypt via=[192.0.2.49]' 'policy d51.test verify via=[192.0.2.49]' > "$POLICY"
    put a@d50.test
    put b@d51.test
    put c@d50.test
    run_keeps 1
    same "$(rcpts weak)" "a@d50.test c@d50.test"
    same "$(q '.recipients[0].recipient')" b@d51.test
}

@test "a message goes on to the next host with those that a kept connection deferred" {
    mx first 52 'send 220 mx' 'serve rcpt:late=450 4.2.0 later'
    put_some d52.test 2
    put late@d52.test
    put_some d52.test 1
    run_keeps 1
    same "$(sessions first)" 1
    same "$(taken first)" 3
}

# bats test_tags=fibers
@test "concurrency= holds while connections are kept" {
    mx bound 53 'send 220 mx' 'serve'
    echo 'default may concurrency=2' > "$POLICY"
    put_some d53.test 30
    run_keeps 0
    same "$(taken bound)" 30
    (($(sessions bound) <= 2))
}

@test "rate= counts each message on a connection" {
    mx paced 54 'send 220 mx' 'serve'
    echo 'default may concurrency=1 rate=2/1h' > "$POLICY"
    put_some d54.test 3
    run_keeps 1 --deadline 2s
    same "$(taken paced)" 2
}

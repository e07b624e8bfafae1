# Deliveries on the wire that need more than one server or one moment: a client certificate and a login at a real
# Postfix, fallback=delayed by the queue, and a runner that stays while the policy changes.
load lib/rig
load lib/send
load lib/queue

setup_file() {
    certs_make
    message_make
    cert_issue client san=DNS:client.box.test dir="$BATS_FILE_TMPDIR"
    chmod 600 "$BATS_FILE_TMPDIR/client.pem"
    dns_start < <(
        postfix_zone
        queue_zone
        for d in auth login wrong cert nocert keys; do echo "$d.test. MX 10 rsa.box.test."; done
        echo 'private.test. MX 10 ten.box.test.'
        echo 'ten.box.test. A 10.9.8.7'
    )
    # Postfix does SMTP and SASL's framing, a script knows the passwords
    peer_start logins '^ready' "$ROOT/tests/peers/dovecot_auth_peer.py" "$BOX/logins" alice@box.test:s=ecret
    POSTFIX_EXTRA="smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $BOX/logins
smtpd_tls_auth_only = yes
smtpd_sasl_authenticated_header = yes
smtpd_tls_ask_ccert = yes
smtpd_tls_CAfile = $CERTS/root.crt
smtpd_relay_restrictions = permit_sasl_authenticated, permit_tls_all_clientcerts, reject" \
        postfix_start domains=auth.test,login.test,wrong.test,cert.test,nocert.test,keys.test rsa
    credentials alice 's=ecret'
    credentials wrong nonsense
    credentials login 's=ecret' 'mechanisms = login'
    cat > "$BATS_FILE_TMPDIR/policy" << POLICY
policy auth.test  verify via=[rsa.box.test]:25 auth=$BATS_FILE_TMPDIR/alice
policy login.test verify via=[rsa.box.test]:25 auth=$BATS_FILE_TMPDIR/login
policy wrong.test verify via=[rsa.box.test]:25 auth=$BATS_FILE_TMPDIR/wrong
policy cert.test  verify client-cert=$BATS_FILE_TMPDIR/client.pem
policy nocert.test verify
POLICY
}

# credentials FILE PASSWORD [LINE]
credentials() {
    printf '%s\n' 'user = alice@box.test' "password = $2" "${@:3}" > "$BATS_FILE_TMPDIR/$1"
    chmod 600 "$BATS_FILE_TMPDIR/$1"
}

setup() {
    queue_new
}

wire_send() {
    send "$1" --policy "$BATS_FILE_TMPDIR/policy" -f alice@client.box.test "${@:2}"
}

@test "AUTH PLAIN and LOGIN at a real Postfix, after TLS has proved it (RFC 4954, RFC 4616)" {
    wire_send 0 bob@auth.test
    postfix_mail bob@auth.test
    file_has "$MAIL" "(Authenticated sender: alice@box.test)"
    wire_send 0 bob@login.test
    postfix_mail bob@login.test
    file_has "$MAIL" "(Authenticated sender: alice@box.test)"
    same "$(grep '^auth' "$(peer_log logins)" | xargs)" "auth PLAIN alice@box.test OK auth LOGIN alice@box.test OK"
}

@test "a wrong password: deferred, nothing is sent without the login (RFC 4954 s6)" {
    wire_send 75 bob@wrong.test
    same "$(r .failure)" authentication-failed
    same "$(postfix_received bob@wrong.test)" 0
}

@test "client-cert=: shown to a server that asks for it, which lets us in by it; without it, it does not (RFC 8446 s4.4.2)" {
    wire_send 0 bob@cert.test
    postfix_mail bob@cert.test
    tr -d '\n' < "$MAIL" > "$BATS_TEST_TMPDIR/mail"
    file_has "$BATS_TEST_TMPDIR/mail" "(verified OK)"
    wire_send 69 bob@nocert.test
    has "Access denied"
    same "$(postfix_received bob@nocert.test)" 0
}

# keyed STATUS DOMAIN RULE...: mail to it by this rule alone
keyed() {
    echo "policy $2 ${*:3}" > "$BATS_TEST_TMPDIR/policy"
    send "$1" --policy "$BATS_TEST_TMPDIR/policy" -f alice@client.box.test "bob@$2"
}

@test "source=, ipv6=, max=, ciphers=, sni=, port=, private= and log=trace do on the wire what mxtls-policy(5) says" {
    local words shown="client-cert=$BATS_FILE_TMPDIR/client.pem"
    keyed 0 keys.test verify "$shown" source=192.0.2.77
    postfix_mail bob@keys.test
    file_has "$MAIL" "[192.0.2.77]"
    keyed 0 keys.test verify "$shown" source=2001:db8::77
    matches '"ip":"2001:db8::'
    keyed 75 keys.test verify source=2001:db8::77 ipv6=no
    [[ $(r .error) == *"of the other family"* ]] || assert_fail error "$output"
    for words in only=2001:db8:: prefer=2001:db8:: no=192.0.2.; do
        keyed 0 keys.test verify "$shown" "ipv6=${words%%=*}"
        matches "\"ip\":\"${words#*=}"
    done
    keyed 0 keys.test verify "$shown" max=TLSv1.2 ciphers=ECDHE-RSA-CHACHA20-POLY1305
    same "$(r '.tls | .version, .cipher' | xargs)" "TLSv1.2 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    mx named 37 'send 220 mx' 'serve ehlo=STARTTLS'
    keyed 0 d37.test encrypt sni=other.box.test log=trace
    sessions named > /dev/null
    file_has "$(peer_log named)" "sni=other.box.test"
    [[ $stderr == *"C: STARTTLS"* ]] || assert_fail trace "$stderr"
    keyed 0 d37.test encrypt
    same "$stderr" ""
    peer_start other '^ready' "$ROOT/tests/peers/smtp_peer.py" --listen 192.0.2.38:2525 'send 220 mx' 'serve'
    keyed 0 d38.test none port=2525
    same "$(r .port) $(sessions other)" "2525 1"
    keyed 75 private.test may
    same "$(r .ip)" 10.9.8.7
    keyed 75 private.test may private=deny
    [[ $(r .error) == *"10.9.8.7 is a private address"* ]] || assert_fail error "$output"
}

# sends AT PEER: what a run at that time does there, as outcome() has it, of the sessions since the last look
sessions_since() {
    local all
    sessions "$1" > /dev/null
    all=$(outcome "$1" queue)
    same "$(printf '%s' "${all#"${SEEN:-}"}" | xargs)" "$2"
    SEEN=$all
}

@test "fallback=delayed by the queue: not in clear before the message is 5 minutes old (reference 4.5)" {
    mx old 33 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    echo 'policy d33.test may fallback=delayed' > "$BATS_TEST_TMPDIR/policy"
    put a@d33.test
    SEEN=
    queue 0 run --policy "$BATS_TEST_TMPDIR/policy" --helo queue.box.test
    sessions_since old X
    same "$(q '.recipients[0].status')" pending
    at +4m queue 0 run --all --policy "$BATS_TEST_TMPDIR/policy" --helo queue.box.test
    sessions_since old X
    # old enough: TLS is tried first all the same
    at +6m queue 0 run --all --policy "$BATS_TEST_TMPDIR/policy" --helo queue.box.test --log "$BATS_TEST_TMPDIR/log"
    sessions_since old "X P"
    same "$(queued)" 0
    file_has "$BATS_TEST_TMPDIR/log" "fallback=yes"
    # never: not even then
    echo 'policy d33.test may fallback=never' > "$BATS_TEST_TMPDIR/policy"
    put a@d33.test
    at +6m queue 0 run --all --policy "$BATS_TEST_TMPDIR/policy" --helo queue.box.test
    sessions_since old X
}

@test "fallback=delayed: another host that works over TLS comes before clear text at the first" {
    mx broken 34 'send 220 mx' 'serve ehlo=STARTTLS,starttls=break' 'send 220 go' 'recv 5' 'close'
    mx second 35 'send 220 mx' 'serve ehlo=STARTTLS'
    dns_change < <(postfix_zone; queue_zone; echo 'd34.test. MX 20 h35.box.test.')
    put a@d34.test
    at +6m queue 0 run --all --helo queue.box.test
    sessions broken > /dev/null
    same "$(outcome broken queue) $(outcome second queue)" "X T"
}

@test "a runner that stays reads the policy anew; one that is broken delivers nothing until it is mended, and says so" {
    mx clear 36 'send 220 mx' 'serve'
    local log=$BATS_TEST_TMPDIR/log policy=$BATS_TEST_TMPDIR/policy
    echo 'policy d36.test encrypt' > "$policy"
    put one@d36.test
    "$MXTLS" queue run --loop 1s --all --queue "$Q" --policy "$policy" --log "$log" --timeout 5s 3>&- 2> "$BATS_TEST_TMPDIR/err" &
    local runner=$!
    wait_for_line "$log" 'failure=starttls-not-offered' 20
    # broken: nobody takes it for the old one, nor for the default, which would send in clear
    echo 'policy d36.test nonsense' > "$policy"
    wait_for_line "$log" "$policy:1: unknown level .nonsense.*; nothing is delivered until this is mended" 20
    put two@d36.test
    read -rt 3 <> <(:) || true
    same "$(of "$ID" '.recipients[0].tries')" 0
    same "$(grep -c 'until this is mended' "$log")" 1
    same "$(grep -c 'C: MAIL' "$(peer_log clear)" || true)" 0
    # mended, and another level: it goes by that
    echo 'policy d36.test none' > "$policy"
    wait_for_line "$log" 'the policy can be read again' 20
    wait_for_line "$log" 'to=<two@d36.test>.*status=delivered.*level=none' 20
    kill "$runner"
    end_of "$runner"
    same "$ENDED" 0
    same "$(rcpts clear) $(queued)" "one@d36.test two@d36.test 0"
}

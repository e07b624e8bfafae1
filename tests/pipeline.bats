# Commands in groups (RFC 2920): what goes out together, and every mixture of replies to it.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/queue
load lib/exim
load lib/opensmtpd

setup_file() {
    certs_make
    message_make
    {
        postfix_zone
        exim_zone
        opensmtpd_zone
        queue_zone
        echo 'example.test. MX 10 rsa.box.test.'
        echo 'opensmtpd.test. MX 10 opensmtpd.box.test.'
    } | dns_start
}

setup() {
    queue_new
}

FROM=(-f a@client.test)
# to two recipients, all of it read before the first reply
GROUP=('expect MAIL' 'expect RCPT' 'expect RCPT' 'expect DATA')
TEXT=(data 'send 250 2.0.0 taken' 'expect QUIT' 'send 221 bye')
GREET=('send 220 mx' 'ehlo PIPELINING,SIZE')
# the same server, asked once more: each command must be the only one
SINGLE=("${GREET[@]}" 'expect MAIL' alone 'send 250 ok' 'expect RCPT' alone 'send 250 ok' 'expect RCPT' alone 'send 250 ok'
    'expect DATA' alone 'send 354 go' "${TEXT[@]}")

# replies TEXT...: one write
replies() {
    printf 'raw '
    printf '%s\\r\\n' "$@"
}

# mixture NAME STATUS WANT COMMANDS STEP...: two recipients; what becomes of them, and what was on the wire.
mixture() {
    local name=$1 status=$2 want=$3 commands=$4
    shift 4
    mx "$name" 30 "$@"
    send "$status" "${FROM[@]}" a@d30.test b@d30.test
    same "$name: $(jq -r .status <<< "$output" | xargs)" "$name: $want"
    same "$name: $(for nr in $(seq "$(sessions "$name")"); do wire "$name" "$nr"; done | xargs)" "$name: $commands"
    file_has_not "$(peer_log "$name")" failed
    peer_stop "$name"
}

G='EHLO MAIL RCPT RCPT DATA'

@test "MAIL, every RCPT and DATA go out together, and each reply counts for its own command (RFC 2920 s3.1)" {
    mixture good 0 "delivered delivered" "$G text QUIT" "${GREET[@]}" "${GROUP[@]}" "$(replies 250 250 250 354)" "${TEXT[@]}"
    mixture one 67 "failed delivered" "$G text QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '550 5.1.1 who' '251 ok' '354 go')" "${TEXT[@]}"
    same "$(to a@d30.test .reply)" "550 5.1.1 who"
    mixture data 75 "deferred failed" "$G QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '250 ok' '550 5.1.1 who' '451 4.3.0 not now')" 'expect QUIT' 'send 221 bye'
    mixture later 75 "delivered deferred" "$G text QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '250 ok' '450 4.2.0 later' '354 go')" "${TEXT[@]}"
}

@test "nobody is accepted: DATA's 354 gets a lone dot, whose reply is nobody's (RFC 2920 s3.1)" {
    local bye=('expect QUIT' 'send 221 bye')
    mixture refused 67 "failed failed" "$G QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '550 5.1.1 who' '550 5.1.1 who' '554 5.5.1 no valid recipients')" "${bye[@]}"
    mixture dot 67 "failed failed" "$G QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '550 5.1.1 who' '550 5.1.1 who' '354 go')" 'expect .' 'send 250 2.0.0 taken' "${bye[@]}"
    # MAIL's reply is about everybody, those to the rest of its group about nobody
    mixture mail 69 "failed failed" "$G QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '550 5.7.1 not you' '503 5.5.1 MAIL first' '503 5.5.1 MAIL first' '503 5.5.1 RCPT first')" "${bye[@]}"
    same "$(to b@d30.test .reply)" "550 5.7.1 not you"
    mixture maildot 75 "deferred deferred" "$G QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '451 4.7.1 greylisted' '250 ok' '250 ok' '354 go')" 'expect .' 'send 554 5.5.1 no' "${bye[@]}"
    same "$(to a@d30.test .reply)" "451 4.7.1 greylisted"
}

@test "421 in the middle ends it for those without an answer; nobody has the message before the final dot" {
    mixture end 75 "failed deferred" "$G" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '550 5.1.1 who' '421 4.3.2 going down')"
    mixture mailend 75 "deferred deferred" "$G" "${GREET[@]}" "${GROUP[@]}" "$(replies '421 4.7.0 too fast')"
    same "$(to a@d30.test .maybe_duplicate)" false
}

@test "a server that gets out of step or leaves in the middle is asked once more, one by one; its replies told nothing" {
    local row
    for row in "250 250:closed" "250 250 354:one reply too few" "250 250 250 250 354:one too many" "250 250:not SMTP"; do
        read -ra words <<< "${row%%:*}"
        if [[ $row == *SMTP ]]; then words+=('what'); fi
        mixture astray 0 "delivered delivered" "$G $G text QUIT" "${GREET[@]}" "${GROUP[@]}" "$(replies "${words[@]}")" \
            cut session "${SINGLE[@]}"
    done
    # the second 550 is not b's, it is a's again
    mixture twice 0 "delivered delivered" "$G $G text QUIT" "${GREET[@]}" "${GROUP[@]}" \
        "$(replies '250 ok' '550 5.1.1 who' '550 5.1.1 who' '250 ok' '354 go')" cut session "${SINGLE[@]}"
    # and only once
    mixture never 75 "deferred deferred" "$G EHLO MAIL" "${GREET[@]}" "${GROUP[@]}" "$(replies '250 ok')" cut \
        session "${GREET[@]}" 'expect MAIL' alone cut
}

@test "one by one where PIPELINING is not offered, inside TLS if that is where we are, or a firewall writes over the dialogue" {
    local plain=("${SINGLE[@]:2}")
    mixture unoffered 0 "delivered delivered" "$G text QUIT" 'send 220 mx' 'ehlo SIZE' "${plain[@]}"
    mixture masked 0 "delivered delivered" "$G text QUIT" 'send 220 ****2******0*0**' 'ehlo PIPELINING' "${plain[@]}"
    mixture hidden 0 "delivered delivered" "$G text QUIT" 'send 220 mx' 'ehlo PIPELINING,XXXXXXXA' "${plain[@]}"
    mixture outside 0 "delivered delivered" "EHLO STARTTLS tls $G text QUIT" 'send 220 mx' 'ehlo PIPELINING,STARTTLS' starttls \
        'ehlo SIZE' "${plain[@]}"
    mixture inside 0 "delivered delivered" "EHLO STARTTLS tls $G text QUIT" 'send 220 ****2******0*0**' 'ehlo STARTTLS' \
        starttls 'ehlo PIPELINING' "${GROUP[@]}" "$(replies 250 250 250 354)" "${TEXT[@]}"
}

@test "pipelining=no: one by one, for a domain and for a host" {
    local policy
    for policy in 'policy d30.test may pipelining=no' 'policy mx:h30.box.test may pipelining=no'; do
        echo "$policy" > "$BATS_TEST_TMPDIR/policy"
        mx single 30 "${SINGLE[@]}"
        send 0 "${FROM[@]}" --policy "$BATS_TEST_TMPDIR/policy" a@d30.test b@d30.test
        peer_stop single
    done
}

@test "too many recipients: the rest in a next group of the same connection, which asks for no more of them" {
    mx many 31 "${GREET[@]}" "${GROUP[@]:0:3}" 'expect RCPT' 'expect RCPT' 'expect DATA' \
        "$(replies '250 ok' '250 ok' '250 ok' '452 4.5.3 too many' '452 4.5.3 too many' '354 go')" data 'send 250 taken' \
        "${GROUP[@]}" "$(replies 250 250 250 354)" data 'send 250 taken' 'expect QUIT' 'send 221 bye'
    send 0 "${FROM[@]}" {a,b,c,d}@d31.test
    same "$(wire many 1)" "EHLO MAIL RCPT RCPT RCPT RCPT DATA text MAIL RCPT RCPT DATA text QUIT"
    same "$(rcpts many)" "a@d31.test b@d31.test c@d31.test c@d31.test d@d31.test d@d31.test"
}

@test "many recipients, long answers: groups of a few KiB, a hundred recipients a transaction; the transcript stays in order" {
    local i long
    local -a many=()
    long=$(head -c 1900 /dev/zero | tr '\0' x)
    for i in {1..203}; do many+=("recipient-number-$i@d32.test"); done
    mx big 32 'send 220 mx' "serve ehlo=PIPELINING,rcpt=250 2.1.5 $long,rcpt:number-7@=550 5.1.1 who"
    mxtls_send 67 -v "${FROM[@]}" "${many[@]}"
    same "$(grep -c 'C: RCPT' "$(peer_log big)")" 203
    same "$(wire big 1 | tr ' ' '\n' | grep -vc RCPT)" 11 # EHLO, three of MAIL DATA text, QUIT
    # of the first group: all commands, then the replies
    same "$(sed -n '/C: MAIL/,/S: /p' <<< "$stderr" | head -n 51 | grep -c 'C: RCPT')" 50
}

@test "the queue's next message is a group on the same connection, behind RSET only where one is due" {
    mx queue 33 "${GREET[@]}" 'expect MAIL' 'expect RCPT' 'expect DATA' "$(replies 250 250 354)" data 'send 250 taken' \
        'expect MAIL' 'expect RCPT' 'expect DATA' "$(replies 250 '550 5.1.1 who' '554 nobody')" 'expect RSET' 'send 250 ok' \
        'expect MAIL' 'expect RCPT' 'expect DATA' "$(replies 250 250 354)" data 'send 250 taken' 'expect QUIT' 'send 221 bye'
    echo 'default may concurrency=1' > "$BATS_TEST_TMPDIR/policy"
    for i in 1 2 3; do put "u$i@d33.test"; done
    queue 0 run --policy "$BATS_TEST_TMPDIR/policy"
    same "$(sessions queue) $(taken queue)" "1 2"
    file_has_not "$(peer_log queue)" failed
}

# The commands and replies of the transcript from MAIL on, without their texts.
seen() {
    sed -nE '/C: MAIL/,$s/.*:25 ([CS]): ([A-Z0-9.]+)( .*)?$/\1:\2/p' <<< "$stderr" | xargs
}

@test "real servers: Postfix, one of three refused; Exim, which refuses everybody and DATA, too; OpenSMTPD, one by one" {
    postfix_start rsa
    exim_start
    opensmtpd_start
    mxtls_send 67 -v --ca-file "$CERTS/root.crt" -f alice@client.box.test {bob,nobody,carl}@example.test
    same "$(seen)" "C:MAIL C:RCPT C:RCPT C:RCPT C:DATA S:250 S:250 S:550 S:250 S:354 S:250 C:QUIT S:221"
    postfix_mail bob@example.test
    postfix_mail carl@example.test
    mxtls_send 67 -v -f alice@client.box.test {bob,carl}@exim-rsa.box.test
    same "$(seen)" "C:MAIL C:RCPT C:RCPT C:DATA S:250 S:550 S:550 S:503 C:QUIT S:221"
    echo 'default none' > "$BATS_TEST_TMPDIR/policy"
    mxtls_send 67 -v --policy "$BATS_TEST_TMPDIR/policy" -f alice@client.box.test {bob,carl}@opensmtpd.box.test
    # PIPELINING is not among what it offers
    same "$(seen)" "C:MAIL S:250 C:RCPT S:550 C:RCPT S:550 C:QUIT S:221"
}

@test "OpenSMTPD takes mail in clear; its STARTTLS, which fails in Debian 12, is treated as each rule has it" {
    local row expected want rule
    [ -e "$(peer_log opensmtpd)" ] || opensmtpd_start
    for row in "0 delivered none" "0 delivered may fallback=now" "75 deferred may" "75 deferred encrypt"; do
        read -r expected want rule <<< "$row"
        echo "default $rule" > "$BATS_TEST_TMPDIR/policy"
        run --separate-stderr "$MXTLS" send --no-queue --json --policy "$BATS_TEST_TMPDIR/policy" "${FROM[@]}" bob@opensmtpd.test < "$MESSAGE"
        if [ "$rule" != none ] && [ "$(r .starttls)" = "done" ]; then return; fi # a newer one
        same "$rule: $status $(r .status)" "$rule: $expected $want"
        # in clear, where it went
        same "$(r .protection)" "$([ "$want" = delivered ] && echo none || echo null)"
    done
    same "$(r .starttls)" failed
}

@test "aiosmtpd takes mail in clear and over a TLS that it proves: dots, 8-bit, an address in UTF-8" {
    local text=$BATS_TEST_TMPDIR/text
    # shellcheck disable=SC2153 # DEBS is of tests/lib/debs.bash
    PYTHONPATH=$DEBS/python3-aiosmtpd/usr/lib/python3/dist-packages peer_start aiosmtpd '^ready' /usr/bin/python3 \
        "$ROOT/tests/peers/aiosmtpd_peer.py" 192.0.2.64 25 "$CERTS/wildcard.pem" "$text"
    { cat "$MESSAGE"; printf '.\n..two\nGr\303\274\303\237e\nlast'; } > "$BATS_TEST_TMPDIR/message"
    echo 'default verify' > "$BATS_TEST_TMPDIR/policy"
    MESSAGE=$BATS_TEST_TMPDIR/message send 0 -i --policy "$BATS_TEST_TMPDIR/policy" "${FROM[@]}" bob@d64.test jörg@d64.test
    same "$(r .protection)" pkix
    file_has "$(peer_log aiosmtpd)" "message tls a@client.test bob@d64.test jörg@d64.test"
    same "$(tail -n 4 "$text" | tr -d '\r')" $'.\n..two\nGrüße\nlast'
    echo 'default none' > "$BATS_TEST_TMPDIR/policy"
    send 0 --policy "$BATS_TEST_TMPDIR/policy" "${FROM[@]}" carl@d64.test
    file_has "$(peer_log aiosmtpd)" "message clear a@client.test carl@d64.test"
}

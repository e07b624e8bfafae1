# mxtls by the names of sendmail: what other programs write on its command line, and what comes out.
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send

setup_file() {
    certs_make
    message_make
    example_zone | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve ehlo=SIZE 10000000;8BITMIME'
    # the names, and a configuration
    mkdir -p "$BATS_FILE_TMPDIR/bin" "$BATS_FILE_TMPDIR/config/mxtls"
    local name
    for name in sendmail mailq newaliases runq; do ln -s "$MXTLS" "$BATS_FILE_TMPDIR/bin/$name"; done
    cat > "$BATS_FILE_TMPDIR/config/mxtls/mxtls.conf" << CONF
log = $BATS_FILE_TMPDIR/log
maildomain = example.test
CONF
    export XDG_CONFIG_HOME=$BATS_FILE_TMPDIR/config PATH=$BATS_FILE_TMPDIR/bin:$PATH
    export LOG=$BATS_FILE_TMPDIR/log
}

# sent: the last message that the server took; envelope: its MAIL and RCPT.
sent() {
    tr -d '\r' < "$BATS_FILE_TMPDIR/S$(sessions good).1"
}
envelope() {
    sed -n "s/^S$(sessions good) C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs
}

@test "sendmail: -f, recipients behind --, nothing printed on success" {
    run -0 --separate-stderr sendmail -odi -i -f alice -- bob@example.test,carl@example.test dora < "$MESSAGE"
    same "$output$stderr" ""
    same "$(envelope)" "alice@example.test bob@example.test carl@example.test dora@example.test"
}

@test "long options by these names are errors that create nothing; --version and --help are not" {
    local before
    before=$(sessions good)
    run -64 --separate-stderr sendmail --log "$BATS_TEST_TMPDIR/log" -t < "$MESSAGE"
    [[ $stderr == "sendmail: --log"* ]] || assert_fail "its name" "$stderr"
    [ ! -e "$BATS_TEST_TMPDIR/log" ]
    run -64 sendmail --config=/dev/null -t < "$MESSAGE"
    same "$(sessions good)" "$before"
    run -0 sendmail --version
    has "mxtls "
    run -0 mailq --help
    has "Usage: mailq"
}

@test "options without meaning are taken and written to the log" {
    run -0 sendmail -odi -X "$BATS_TEST_TMPDIR/x" -C/nonexistent -oQ/x -z -i bob@example.test < "$MESSAGE"
    same "$output" ""
    [ ! -e "$BATS_TEST_TMPDIR/x" ]
    file_has "$LOG" "option -X$BATS_TEST_TMPDIR/x ignored"
    file_has "$LOG" "option -z ignored"
    file_has "$LOG" " sendmail["
}

@test "-bv: sendmail's line for each address, then the rule, what is published and what is demanded; nothing is sent" {
    local before
    before=$(sessions good)
    printf 'group g example.test\npolicy g encrypt\n' > "$BATS_TEST_TMPDIR/policy"
    mkdir -p "$BATS_TEST_TMPDIR/mxtls"
    printf 'maildomain = example.test\npolicy = %s\n' "$BATS_TEST_TMPDIR/policy" > "$BATS_TEST_TMPDIR/mxtls/mxtls.conf"
    export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    run -0 --separate-stderr sendmail -bv bob@example.test
    same "$output" "bob@example.test... deliverable: mailer esmtp, host example.test, user bob@example.test
  level encrypt by $BATS_TEST_TMPDIR/policy:2 (group g)
  MTA-STS: none
  MX records: not_checked
  10 h45.box.test, TLSA not_checked (resolver 127.0.0.1:53 does not validate)
    192.0.2.45 port 25: TLSv1.0 or newer"
    run -68 --separate-stderr sendmail -bv 'Ann <ann@none.test>, carl'
    [[ $output == "ann@none.test... Host unknown: the domain none.test does not exist"*"carl@example.test... deliverable: mailer esmtp"* ]] ||
        assert_fail "two of a list" "$output"
    printf 'via = [192.0.2.45]\n' >> "$BATS_TEST_TMPDIR/mxtls/mxtls.conf"
    run -0 --separate-stderr sendmail -bv bob@other.test < /dev/null
    [[ $output == "bob@other.test... deliverable: mailer relay, host 192.0.2.45, user bob@other.test"* ]] || assert_fail "smarthost" "$output"
    same "$(sessions good)" "$before"
    [ ! -e "$BATS_TEST_TMPDIR/state/mxtls/queue" ]
}

@test "the report of a message that needs REQUIRETLS has its header only, whatever RET says, and is not lost for want of it (RFC 8689 s5)" {
    local words before=0
    for words in '-R full' '-R full -O REQUIRETLS=yes'; do
        # shellcheck disable=SC2086 # words
        run -68 --separate-stderr sendmail -odi -oem $words -f alice@example.test bob@none.test < "$MESSAGE"
        before=$((before + 1))
        for _ in $(seq 300); do
            if [ "$(grep -l 'report-type=' "$BATS_FILE_TMPDIR"/S*.1 | wc -l)" -ge "$before" ]; then break; fi
            read -rt 0.1 <> <(:) || true
        done
    done
    same "$(grep -l 'report-type=' "$BATS_FILE_TMPDIR"/S*.1 | wc -l)" 2
    sent > "$BATS_TEST_TMPDIR/last"
    same "$(envelope)" "alice@example.test"
    file_has "$BATS_TEST_TMPDIR/last" "Content-Type: text/rfc822-headers"
    file_has "$BATS_TEST_TMPDIR/last" "Subject: hello"
    ! grep -q 'Hello Bob' "$BATS_TEST_TMPDIR/last" || assert_fail "its text" "$(cat "$BATS_TEST_TMPDIR/last")"
    # the other one had asked for all of it, and got it
    grep -l 'message/rfc822' "$BATS_FILE_TMPDIR"/S*.1 | xargs grep -q 'Hello Bob'
}

@test "no recipient: 64, and where help is: at the name that was called" {
    run -64 --separate-stderr sendmail < "$MESSAGE"
    [[ $stderr == *"no recipient"*"Try 'sendmail --help'"* ]] || assert_fail "what to use" "$stderr"
}

@test "the examples of mxtls.conf(5) are taken, and the first does what it says" {
    local dir=$BATS_TEST_TMPDIR n=0 file
    awk -v dir="$dir" '/^\.Sh/ { examples = $2 == "EXAMPLES" }
        examples && /^\.Bd -literal/ { file = dir "/example." ++n; next }
        /^\.Ed/ { file = "" }
        file != "" { sub("/etc/mxtls/(dkim/)?", dir "/"); print > file }' "$ROOT/man/mxtls.conf.5"
    printf '%s\n' 'user = alice@provider.example' 'token-command = /bin/echo token' > "$dir/provider.auth"
    openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out "$dir/s2026.pem" 2> /dev/null
    openssl genpkey -algorithm ed25519 -out "$dir/e2026.pem"
    chmod 600 "$dir"/*.auth "$dir"/*.pem
    for file in "$dir"/example.*; do
        run -0 "$MXTLS" send --config "$file" --queue "$dir/queue" --delivery queue --quiet -f root root < "$MESSAGE"
        n=$((n + 1))
    done
    same "$n" 4
    "$MXTLS" queue list --json --queue "$dir/queue" > "$dir/list"
    same "$(jq -r 'select(.sender == "root@host.example.org") | .recipients[].recipient' "$dir/list")" admins@admins.example
    same "$(jq -r 'select(.sender == "alice@provider.example") | .held' "$dir/list")" false
}

@test "a policy that is broken keeps messages in the queue, -odi, too, until it is mended" {
    local how before policy=$BATS_FILE_TMPDIR/config/mxtls/policy
    before=$(sessions good)
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR
    echo 'default encryt' > "$policy"
    for how in -odi -odb -odq -v; do
        run -0 --separate-stderr sendmail "$how" -f a@example.test b@example.test < "$MESSAGE"
        [[ $stderr == *"$policy:1: unknown level"*"stays in the queue until this is mended"* ]] || assert_fail "$how" "$stderr"
    done
    run -78 sendmail -bv b@example.test
    run -78 runq
    run -78 "$MXTLS" send -f a@example.test b@example.test < "$MESSAGE"
    same "$(sessions good) $("$MXTLS" queue list --json | wc -l)" "$before 4"
    echo 'default may' > "$policy"
    run -0 runq
    rm "$policy"
    run -0 mailq
    same "$output" "Mail queue is empty"
    [ "$(grep -c '^S[0-9]* data' "$(peer_log good)")" -ge 4 ]
}

@test "no daemon by this name: -bd is refused with a word about what does it" {
    run -69 --separate-stderr sendmail -bd -q1h < "$MESSAGE"
    [[ $stderr == *"mxtls listen"* ]] || assert_fail "what to use" "$stderr"
}

@test "mailq, -bp, runq, -q, newaliases, -bi: never taken for a message" {
    local words before
    before=$(sessions good)
    while read -r words; do
        # shellcheck disable=SC2086 # words
        run -0 $words < "$MESSAGE"
    done << 'ROWS'
mailq
sendmail -bp
runq
sendmail -q
sendmail -q30m
newaliases
sendmail -bi
ROWS
    same "$(sessions good)" "$before"
}

@test "an error in mxtls.conf: file and line, status 78, nothing is sent" {
    local before
    before=$(sessions good)
    mkdir -p "$BATS_TEST_TMPDIR/mxtls"
    printf 'maildomain = a.test\nvai = x\n' > "$BATS_TEST_TMPDIR/mxtls/mxtls.conf"
    XDG_CONFIG_HOME=$BATS_TEST_TMPDIR run -78 --separate-stderr sendmail -t < "$MESSAGE"
    same "$stderr" "sendmail: $BATS_TEST_TMPDIR/mxtls/mxtls.conf:2: unknown setting \"vai\", did you mean \"via\"?"
    run -78 --separate-stderr "$MXTLS" send --config "$BATS_TEST_TMPDIR/mxtls/mxtls.conf" bob@example.test < "$MESSAGE"
    run -78 --separate-stderr "$MXTLS" send --config "$BATS_TEST_TMPDIR/none" bob@example.test < "$MESSAGE"
    same "$(sessions good)" "$before"
}

@test "masquerade beats -f for addresses of this host, in envelope and From; others stay; always beats all" {
    local conf=$BATS_TEST_TMPDIR/mxtls/mxtls.conf
    mkdir -p "$BATS_TEST_TMPDIR/mxtls"
    export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR
    printf 'maildomain = client.box.test\nmasquerade = @example.org\n' > "$conf"
    printf 'From: root (Cron Daemon)\nTo: bob@example.test\nSubject: Gr\303\274\303\237e\n\nx\n' > "$BATS_TEST_TMPDIR/message"
    sendmail -odi -oi -f root@client.box.test bob@example.test < "$BATS_TEST_TMPDIR/message"
    same "$(envelope)" "root@example.org bob@example.test"
    same "$(sent | grep ^From:)" "From: root@example.org (Cron Daemon)"
    same "$(sent | grep ^Subject:)" "Subject: =?UTF-8?B?R3LDvMOfZQ==?="
    sendmail -odi -oi -f me@other.test bob@example.test < "$BATS_TEST_TMPDIR/message"
    same "$(envelope)" "me@other.test bob@example.test"
    sendmail -odi -oi -f '<>' bob@example.test < "$BATS_TEST_TMPDIR/message"
    same "$(envelope)" "bob@example.test"
    printf 'masquerade = one@example.org\nmasquerade-always = yes\n' > "$conf"
    sendmail -odi -oi -f me@other.test bob@example.test < "$BATS_TEST_TMPDIR/message"
    same "$(envelope)" "one@example.org bob@example.test"
    same "$(sent | grep ^From:)" "From: one@example.org (Cron Daemon)"
}

# content FILE: what the message says, by Python's reading of it.
content() {
    python3 -c '
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
sys.stdout.buffer.write(b"".join(p.get_payload(decode=True) for p in m.walk() if not p.is_multipart()))' "$1"
}

@test "lines over 998 arrive whole, as quoted-printable where MIME allows it, and no longer than that on the wire (DECISIONS E36)" {
    local dir=$BATS_TEST_TMPDIR
    { printf 'Subject: long\nTo: bob@example.test\n\nshort = \n'; head -c 100000 /dev/zero | tr '\0' 'y'; printf '\n\303\274 end\n'; } > "$dir/in"
    sendmail -odi -t < "$dir/in"
    sent > "$dir/out"
    same "$(awk 'length > 76' "$dir/out" | grep -vc ^Received)" 0
    file_has "$dir/out" "Content-Transfer-Encoding: quoted-printable"
    file_has "$dir/out" "Content-Type: text/plain; charset=UTF-8"
    cmp <(sed '1,/^$/d' "$dir/in") <(content "$dir/out" | tr -d '\r')
    # a signed one is only cut
    { printf 'Content-Type: multipart/signed; boundary=b\n\n--b\n\n'; head -c 2000 /dev/zero | tr '\0' 'y'; printf '\n--b--\n'; } > "$dir/in"
    sendmail -odi bob@example.test < "$dir/in"
    sent > "$dir/out"
    file_has_not "$dir/out" "quoted-printable"
    same "$(awk 'length > 998' "$dir/out")" ""
}

# smtp LINE...: a dialogue over pipes with sendmail -bs; each line is written as it is.
smtp() {
    printf '%b' "$@" | timeout 20 sendmail -bs > "$BATS_TEST_TMPDIR/replies"
    tr -d '\r' < "$BATS_TEST_TMPDIR/replies" | cut -c1-4 | grep -v -- - | xargs
}

@test "-bs: SMTP over pipes, lines ended by LF or CRLF, several messages, names without domain" {
    local before
    before=$(sessions good)
    # Symfony Mailer: CRLF, one message, RSET or QUIT
    same "$(smtp 'EHLO [127.0.0.1]\r\n' 'MAIL FROM:<me@example.test>\r\n' 'RCPT TO:<bob@example.test>\r\n' 'DATA\r\n' \
        'Subject: x\r\nBcc: hidden@example.test\r\n\r\n..dot\r\nend\r\n.\r\n' 'QUIT\r\n')" "220 250 250 250 354 250 221"
    wait_sessions 1
    same "$(envelope)" "me@example.test bob@example.test"
    same "$(sent | sed -n '/^$/,$p' | sed 's/^\.\././' | xargs)" ".dot end" # on the wire its dot is stuffed
    same "$(sent | grep -c Bcc)" 0
    # by hand: LF, two messages, bare users
    same "$(smtp 'HELO x\n' 'MAIL FROM:<alice>\nRCPT TO:<bob>\nDATA\nSubject: y\n\nbody\n.\n' 'MAIL FROM:<>\nRCPT TO:<bob@example.test>\nDATA\n\nz\n.\nQUIT\n')" \
        "220 250 250 250 354 250 250 250 354 250 221"
    wait_sessions 3
    same "$(sed -n 's/.* C: MAIL FROM:<\([^>]*\)>.*/\1/p' "$(peer_log good)" | tail -2 | sort | xargs)" "alice@example.test"
    # an address that is none is refused, and no other is lost
    same "$(smtp 'EHLO x\n' 'MAIL FROM:<me@example.test>\nRCPT TO:<a b@example.test>\nRCPT TO:<bob@example.test>\nRSET\nQUIT\n')" \
        "220 250 250 501 250 250 221"
}

# wait_sessions N: until there were N more than $before.
wait_sessions() {
    local _
    for _ in $(seq 100); do
        if [ "$(grep -cE '^S[0-9]+ end' "$(peer_log good)")" -ge $((before + $1)) ]; then return; fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "no $1 sessions" "$(cat "$(peer_log good)")"
}

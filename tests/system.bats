# System mode: mxtls-submit, setgid and trusted with nothing, and the runner, who trusts nothing it wrote (DECISIONS A1-A4, E31, E37).
# shellcheck disable=SC2154 # stderr is set by run --separate-stderr
load lib/rig
load lib/send
load lib/system

setup_file() {
    certs_make
    message_make
    example_zone | dns_start
    mx good 45 --spool "$BATS_FILE_TMPDIR" 'send 220 mx ESMTP' 'serve ehlo=SIZE 10000000;8BITMIME bad-rcpt=nobody@'
    system_install
    printf 'maildomain = example.test\nca-file = %s\n' "$CERTS/root.crt" > /etc/mxtls/mxtls.conf
    chmod 755 "$BATS_FILE_TMPDIR" "$CERTS" /run/box/etc-mxtls
    chmod 644 "$CERTS/root.crt" "$MESSAGE" /etc/mxtls/mxtls.conf
}

setup() {
    system_clear
}

teardown() {
    if [ -n "${RUNNER:-}" ]; then runner_stop; fi
}

sent() {
    tr -d '\r' < "$BATS_FILE_TMPDIR/S$(sessions good).1"
}

envelope() {
    sed -n "s/^S$(sessions good) C: \(MAIL FROM:\|RCPT TO:\)<\([^>]*\)>.*/\2/p" "$(peer_log good)" | xargs
}

# taken_after N: wait until the server had more than N sessions.
taken_after() {
    local _
    for _ in $(seq 300); do
        if [ "$(sessions good)" -gt "$1" ]; then return; fi
        read -rt 0.1 <> <(:) || true
    done
    assert_fail "nothing was sent" "$(cat "$RUNNER_LOG" /run/box/runner.out)"
}

@test "mxtls-submit is setgid and needs libc alone; mxtls refuses to be setgid, with 77 (A1)" {
    same "$(stat -c '%a %G' "$USR/libexec/mxtls-submit")" "2755 mxtls"
    same "$(readlink "$USR/sbin/sendmail")" "$USR/libexec/mxtls-submit"
    run -0 readelf -d "$USR/libexec/mxtls-submit"
    same "$(sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' <<< "$output" | grep -vE '^lib([atu]b?san|m|gcc_s|pthread|dl|rt)\.so')" libc.so.6
    same "$(stat -c '%a %U %G' "$S" "$INCOMING" /var/lib/mxtls | xargs)" "710 mxtls mxtls 1770 mxtls mxtls 700 mxtls mxtls"
    cp "$USR/bin/mxtls" /run/box/setgid-mxtls
    chgrp mxtls /run/box/setgid-mxtls
    chmod 2755 /run/box/setgid-mxtls
    run -77 as alice /run/box/setgid-mxtls --version
    has "must not be installed setuid or setgid"
    rm /run/box/setgid-mxtls
}

@test "a user's message goes through incoming/ and the runner to the server, with his name as sender (A1)" {
    local before
    before=$(sessions good)
    runner_start
    printf 'To: bob@example.test\nBcc: carl@example.test\nSubject: hi\n\nhello\n.\nlost\n' > /run/box/text
    run -0 --separate-stderr as alice sendmail -t < /run/box/text
    same "$output$stderr" ""
    taken_after "$before"
    same "$(envelope)" "alice@example.test bob@example.test carl@example.test"
    run -0 sent
    has "From: Alice Example <alice@example.test>"
    has "Date: "
    has "Message-ID: "
    has_not Bcc
    has_not lost
    settle
    same "$(find "$S/q" -type f | wc -l)" 0
    file_has "$RUNNER_LOG" "from uid 64101 (alice)"
    file_has "$RUNNER_LOG" "a line of one dot ended the message"
}

@test "what is wrong with the command line or the addresses is told by sysexits, and nothing is stored (E31)" {
    run -64 --separate-stderr as alice sendmail < "$MESSAGE"
    [[ $stderr == "sendmail: no recipient"* ]] || assert_fail stderr "$stderr"
    run -64 as alice sendmail -t <<< $'Subject: x\n\ntext'
    run -65 as alice sendmail 'bob@' < "$MESSAGE"
    run -65 as alice sendmail -f 'a@x, b@y' bob@example.test < "$MESSAGE"
    run -64 as alice sendmail --log /run/box/new bob@example.test < "$MESSAGE"
    run -64 as alice sendmail --config=/dev/null bob@example.test < "$MESSAGE"
    run -69 as alice sendmail -bd < "$MESSAGE"
    [ ! -e /run/box/new ]
    same "$(find "$INCOMING" -mindepth 1)" ""
}

@test "-X, -C, -D, -oQ and -OQueueDirectory name no file: ignored, and logged by the runner (A3)" {
    run -0 as alice sendmail -odq -X /run/box/x -C/nonexistent -D/run/box/y -oQ/run/box/z -OQueueDirectory=/run/box/z \
        -i bob@example.test < "$MESSAGE"
    run -0 run_queue
    [ ! -e /run/box/x ] && [ ! -e /run/box/y ] && [ ! -e /run/box/z ]
    file_has "$RUNNER_LOG" "option -X/run/box/x ignored"
    file_has "$RUNNER_LOG" "option -C/nonexistent ignored"
    file_has "$RUNNER_LOG" "option -oQ/run/box/z ignored"
    file_has "$RUNNER_LOG" "option -OQueueDirectory=/run/box/z ignored"
}
